"""Run jobs on one thread, in an order that a seed decides, on a disk that forgets, and crash them."""
