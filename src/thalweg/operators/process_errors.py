"""Tell what a user's keyed function has done wrong: where, for which row or timer, for which key.

Used by: process_calls.py, process_columns.py, process_broadcast.py. Not here: rows that are kept apart
(process_failed.py), values that do not fit what is declared (process_state.py).
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterable
from pathlib import Path
from traceback import extract_tb
from typing import Any

from thalweg.errors import DataError, PlanError
from thalweg.operators.turns import PastTimer
from thalweg.protocols.process import KeyedFunction

SHOWN_MAX = 200
_OWN = str(Path(__file__).resolve().parent.parent)
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
_MISSING = object()


def user_place(error: BaseException) -> str | None:
    """Where the user's code raised: the innermost frame that is neither ours nor one of a library."""
    frames = [f for f in extract_tb(error.__traceback__) if not f.filename.startswith((_OWN, "<"))]
    mine = [f for f in frames if not f.filename.startswith(_LIBRARIES)] or frames
    return f"{mine[-1].filename}:{mine[-1].lineno}" if mine else None


def raised(
    function: KeyedFunction, error: Exception, called: str, key: tuple[Any, ...] | None = None
) -> DataError:
    """What the user's code raised.

    Args:
        function: the user's.
        error: what it raised.
        called: the row, rows or timers that it was called for.
        key: of them; None: they are of several, or of none.
    """
    place = user_place(error) or function.place
    for_key = "" if key is None else f", key {key}"
    if isinstance(error, PastTimer):
        return DataError(
            f"{function.name} sets a timer for a time that has passed",
            code="data-timer-past",
            where=place,
            found=f"{error}, at {called[:SHOWN_MAX]}{for_key[:SHOWN_MAX]}",
            hint="a row may set one for its own time or later, a timer only for a later one",
        )
    if "mappingproxy" in str(error) and isinstance(error, (TypeError, AttributeError)):
        hint: str | None = "state of the type Broadcast is changed in on_broadcast only"
    else:
        hint = f"the step is written at {function.place}" if function.place else None
    return DataError(
        f"{function.name} raised {type(error).__name__}: {str(error)[:SHOWN_MAX]}",
        code="data-python-function",
        where=place,
        found=f"{called[:SHOWN_MAX]}{for_key[:SHOWN_MAX]}",
        hint=hint,
    )


class Settings:
    """The attributes of a function that are no state, and must not change.

    Names that begin with `_` are the function's own business, such as a connection.

    Args:
        function: the user's object, before it is called.
        described: what is known of it.
    """

    def __init__(self, function: Any, described: KeyedFunction) -> None:
        self._attributes, self._described = vars(function), described
        states = {s.name for s in (*described.states, *described.broadcast)}
        self._others = {*states, "turn"}
        self._before = {n: v for n, v in self._attributes.items() if n not in self._others}

    def check(self) -> None:
        """Refuse a change.

        Raises:
            PlanError: `plan-state-type`.
        """
        for name in self._changed():
            raise PlanError(
                f'{self._described.name} changes "{name}", which is no state: '
                "each task has one of its own, for all keys, and a restart loses it",
                code="plan-state-type",
                where=self._described.place,
                found=f"{name} = {self._attributes[name]!r}"[:SHOWN_MAX],
                hint=f'an annotation in the class makes it state, as in "{name}: int = 0"; '
                'names that begin with "_" are the function\'s own business, such as a connection',
            )

    def _changed(self) -> Iterable[str]:
        before, others = self._before, self._others
        for name, value in self._attributes.items():
            if name not in others and before.get(name, _MISSING) is not value and not name.startswith("_"):
                yield name
