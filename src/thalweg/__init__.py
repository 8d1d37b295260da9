"""Batch and stream processing in one Python process: one program, the same answer either way."""
