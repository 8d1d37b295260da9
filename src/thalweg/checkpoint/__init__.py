"""Consistent saved states of a job, and the stores that keep them."""
