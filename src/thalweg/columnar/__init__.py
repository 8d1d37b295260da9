"""Batches, keys and the compiled kernels that work on their columns."""
