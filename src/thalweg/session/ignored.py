"""Tell the author of a program which options were ignored, through Python's `warnings`.

Reads:    the stack of the running thread, to name the line of the program.
Not here: which options those are (settings.py, connectors/options.py), what the command line says of
          them in the place of this (cli/programs.py).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

import thalweg
from thalweg.errors import IgnoredOptionWarning
from thalweg.session.hooks import HOOKS

_INSIDE = str(Path(thalweg.__path__[0]))


class Notices:
    """Says each text once, at the line of the program that called Thalweg."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def say(self, texts: Iterable[str]) -> None:
        """Warn of what was not said before, unless whoever runs the program says it."""
        if HOOKS.has_own_warnings:
            return
        for text in texts:
            if text not in self._said:
                self._said.add(text)
                warnings.warn(text, IgnoredOptionWarning, stacklevel=_level())


def _level() -> int:
    """How far up the first frame outside Thalweg is, as `stacklevel` counts from the caller of this."""
    frame, level = sys._getframe(1), 1
    while frame.f_code.co_filename.startswith(_INSIDE) and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    return level
