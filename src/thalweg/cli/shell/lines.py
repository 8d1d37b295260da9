"""Read lines from the keyboard, with editing, history and completion where `readline` is there.

Reads:    the terminal.
Changes:  readline's settings; the history file, when an entry is added.
Not here: what completes what (completion.py), when a statement ends (scan.py).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

from thalweg.cli.shell.completion import Found
from thalweg.cli.shell.history import History

Complete = Callable[[str, str], Found]
# without quotes: readline would close them by itself, once more
_DELIMITERS = " \t\n`(),;=<>."


def _load_readline() -> ModuleType | None:
    try:
        import readline
    except ImportError:
        return None
    return readline


class Lines:
    """The keyboard.

    Args:
        complete: takes the text before and after the cursor.
        history: where entries are kept.
    """

    def __init__(self, complete: Complete, history: History) -> None:
        self._complete, self._history = complete, history
        self._before, self._candidates = "", [""]
        self._readline = _load_readline()
        if self._readline is not None:
            self._set_up(self._readline)

    def _set_up(self, readline: ModuleType) -> None:
        readline.set_completer(self._candidate)
        readline.set_completer_delims(_DELIMITERS)
        readline.set_auto_history(False)
        if "libedit" in (readline.__doc__ or ""):
            readline.parse_and_bind("bind ^I rl_complete")
        else:
            readline.parse_and_bind("set completion-ignore-case on")
            readline.parse_and_bind("tab: complete")
        readline.clear_history()
        for entry in self._history.load():
            readline.add_history(entry)

    def ask(self, prompt: str, before: str) -> str:
        """One line, or several that were pasted; `before` is what was typed of the statement so far.

        Raises:
            EOFError: there is nothing more.
            KeyboardInterrupt: the line is given up.
        """
        self._before = before
        if sys.stdout.isatty():
            return input(prompt)
        sys.stderr.write(prompt)
        sys.stderr.flush()
        return input()

    def remember(self, entry: str) -> None:
        """Add an entry to the history."""
        if self._history.add(entry) and self._readline is not None:
            self._readline.add_history(entry)

    def _candidate(self, word: str, number: int) -> str | None:
        """What readline calls: the candidate of that number, or None after the last."""
        if number == 0:
            self._candidates = self._look()
        return self._candidates[number] if number < len(self._candidates) else None

    def _look(self) -> list[str]:
        assert self._readline is not None, "only readline completes"
        line, begin, end = (
            self._readline.get_line_buffer(),
            self._readline.get_begidx(),
            self._readline.get_endidx(),
        )
        try:
            start, found = self._complete(self._before + line[:end], line[end:])
        except Exception:  # noqa: BLE001 - a table whose files are gone must not disturb who types
            return []
        # readline replaces what stands after its last delimiter, which may be within a path
        start -= len(self._before)
        return [c[begin - start :] if start <= begin else line[begin:start] + c for c in found]
