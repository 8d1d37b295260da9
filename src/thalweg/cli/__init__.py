"""The command line: `thalweg run | sql | explain | check | why | jobs | stop | doctor | bench | demo`."""

from thalweg.cli.entry import main

__all__ = ["main"]
