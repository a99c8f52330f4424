"""The market: who may rent what, where, and for whom."""
