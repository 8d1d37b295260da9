"""Jobs that are simulated, and what must hold of them."""
