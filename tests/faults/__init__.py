"""What Ondol survives (faults.md): each test breaks a machine of its own."""
