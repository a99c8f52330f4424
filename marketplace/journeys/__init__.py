"""One file per journey that needs several apps."""
