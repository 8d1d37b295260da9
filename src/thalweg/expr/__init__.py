"""Expressions over columns, and the meaning of every function."""
