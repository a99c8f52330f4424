"""What is rented: instances, their life cycle, allocations and placement decisions."""
