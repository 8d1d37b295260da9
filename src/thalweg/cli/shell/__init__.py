"""The interactive shell of `thalweg sql`: loop.py reads lines, statements.py carries them out."""
