"""`thalweg demo`: a flood of events, then a trickle, with the answers checked."""

from thalweg.cli.demo.entry import command

__all__ = ["command"]
