"""`thalweg bench`: measured work, checked answers, and what the machine could do at best."""

from thalweg.cli.bench.entry import command

__all__ = ["command"]
