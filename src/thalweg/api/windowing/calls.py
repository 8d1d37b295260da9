"""Call an object of a user's class for whole windows: its state becomes attributes, and its attributes state.

State of a window lies in the window, and goes with it. State of the key is that of the keyed function that
the windows are, beside them.

Not here: the class (stateful.py), when windows give a result (functions.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from copy import copy
from dataclasses import field, make_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, get_origin, get_type_hints

from thalweg.api.function_states import (
    attribute_hints,
    check_settings,
    declared_state,
    settings_of,
    taken_name,
)
from thalweg.api.process_functions import MISSING, Declared
from thalweg.api.windowing.contents import as_rows
from thalweg.api.windowing.panes import Pane
from thalweg.api.windowing.stateful import OF_KEY, WindowFunction
from thalweg.errors import PlanError
from thalweg.expr.python_rows import Row
from thalweg.protocols.process import FunctionState, KeyedFunction

if TYPE_CHECKING:
    from thalweg.operators.process_errors import Settings

_SHOWN_MAX = 200


class WindowCalls:
    """A function of windows with its state; every task has one of its own.

    Args:
        function: an object of the user's class.
        place: where it was written.

    Attributes:
        name: what messages call it.
        hints_of_key: the types of the state of the key, by name.

    Raises:
        PlanError: `plan-state-type`, `plan-window-function`.
    """

    def __init__(self, function: WindowFunction, place: str | None) -> None:
        kind = type(function)
        self._function, self.name = function, kind.__name__
        if kind.on_window is WindowFunction.on_window:
            own = [n for n in vars(kind) if callable(getattr(kind, n)) and not n.startswith("_")]
            raise PlanError(
                f"{self.name} has no on_window, which takes the rows",
                code="plan-window-function",
                found=", ".join(own) or None,
            )
        hints = dict(attribute_hints(kind, WindowFunction))
        self.hints_of_key = {n: hints[n] for n in _names_of_key(kind) if n in hints}
        self._of_key = [
            declared_state(self.name, n, h, kind, written="OfKey[{}]") for n, h in self.hints_of_key.items()
        ]
        own_hints = {n: h for n, h in hints.items() if n not in self.hints_of_key}
        self._of_window = [self._state_of_window(n, h) for n, h in own_hints.items()]
        check_settings(function, hints)
        states = (*self._of_key, *self._of_window)
        self._described = KeyedFunction(
            self.name, states, lambda: function, False, False, ("on_window",), place=place
        )
        begins = [(s.name, own_hints[s.name], field(default_factory=s.begin)) for s in self._of_window]
        self._kept = make_dataclass("Kept", begins)
        self._guard: Settings | None = None

    def _state_of_window(self, name: str, hint: Any) -> FunctionState:
        declared = getattr(type(self._function), name, MISSING)
        for what in ("ttl", "migrate") if isinstance(declared, Declared) else ():
            if getattr(declared, "ttl_us" if what == "ttl" else what) is not None:
                raise PlanError(
                    f'the state "{name}" of {self.name} is that of a window, and has no {what}',
                    code="plan-state-type",
                    found=f"keep(…, {what}=…)",
                    hint="it is kept until the window is forgotten; state of the type OfKey is kept longer",
                )
        return declared_state(self.name, name, hint, type(self._function), of="window")

    def __deepcopy__(self, memo: dict[int, Any]) -> WindowCalls:
        """One for another task: its settings are copied as those of any function."""
        del memo
        made = copy(self)
        made._function, made._guard = copy(self._function), None
        vars(made._function).update(settings_of(self._function))
        return made

    # -- what the plan knows ----------------------------------------------------------------------

    @property
    def fields(self) -> dict[str, tuple[Any, Callable[[], Any]]]:
        """What a pane has more for it."""
        return {"kept": (self._kept, self._kept)} if self._of_window else {}

    def check(self, *, merges: bool) -> None:
        """Refuse state of windows that become one, where the class does not say what becomes of it.

        Raises:
            PlanError: `plan-window-function`.
        """
        if merges and self._of_window and not self._has("on_merge"):
            raise PlanError(
                f"{self.name} keeps state of windows that become one, and has no on_merge",
                code="plan-window-function",
                found=", ".join(s.name for s in self._of_window),
                hint="def on_merge(self, other) makes one state of both; "
                "state of the type OfKey is of all windows",
            )

    def declare(self, kind: type, taken: Collection[str]) -> None:
        """Have the class of a keyed function begin with the state of the key.

        Raises:
            PlanError: `plan-state-type`.
        """
        for name in self.hints_of_key:
            if name in taken:
                raise taken_name(self.name, name)
            begin = getattr(type(self._function), name, MISSING)
            if begin is not MISSING:
                setattr(kind, name, begin)

    # -- calls ------------------------------------------------------------------------------------

    # Any: the owner is a keyed function whose class is made for these windows
    def result(self, owner: Any, pane: Pane, now: datetime, rows: Any) -> Iterator[Row]:
        """What the function gives for a window.

        Raises:
            PlanError: `plan-state-type`.
            DataError: `data-python-state`.
        """
        self._put(owner, pane, now)
        yield from as_rows(self._function.on_window(pane.bounds, rows))
        self._take_back(owner, pane)

    def close(self, owner: Any, pane: Pane, now: datetime) -> None:
        """The window is forgotten."""
        if self._has("on_close"):
            self._put(owner, pane, now)
            self._check_none("on_close", self._function.on_close(pane.bounds))  # type: ignore[func-returns-value]
            self._take_back(owner, pane)

    def merge(self, owner: Any, first: Pane, second: Pane, now: datetime) -> None:
        """The second window is now one with the first one."""
        if self._of_window:
            self._put(owner, first, now)
            self._check_none("on_merge", self._function.on_merge(second.kept))  # type: ignore[func-returns-value]
            self._take_back(owner, first)

    def has_begun(self, pane: Pane) -> bool:
        """Whether the state of a window is no longer what it began with."""
        return bool(self._of_window and pane.kept != self._kept())

    def _has(self, method: str) -> bool:
        return getattr(type(self._function), method) is not getattr(WindowFunction, method)

    def _put(self, owner: Any, pane: Pane, now: datetime) -> None:
        attributes = vars(self._function)
        if self._guard is None:
            # imported here: a plan that is made needs no operators
            from thalweg.operators.process_errors import Settings

            self._guard = Settings(self._function, self._described)
        attributes["turn"], attributes["_now"] = owner.turn, now
        for state in self._of_key:
            attributes[state.name] = getattr(owner, state.name)
        for state in self._of_window:
            attributes[state.name] = getattr(pane.kept, state.name)

    def _take_back(self, owner: Any, pane: Pane) -> None:
        from thalweg.operators.process_state import kept_value

        assert self._guard is not None, "the state was put in place"
        self._guard.check()
        function = self._function
        for state in self._of_key:
            value = getattr(function, state.name)
            if state.fresh is None:
                value = kept_value(self._described, state, value)
            setattr(owner, state.name, value)
        for state in self._of_window:
            # as it comes back from a checkpoint: the next call finds the same, restart or not
            setattr(pane.kept, state.name, kept_value(self._described, state, getattr(function, state.name)))

    def _check_none(self, method: str, made: object) -> None:
        """Refuse rows of a method that gives none: they would be lost."""
        if made is not None:
            raise PlanError(
                f"{method} of {self.name} gives no rows",
                code="plan-window-function",
                where=self._described.place,
                found=f"a value of Python type {type(made).__name__}"[:_SHOWN_MAX],
                hint="emit gives rows to a side output",
            )


def _names_of_key(kind: type) -> list[str]:
    """The attributes whose type says that they are state of the key."""
    hints = get_type_hints(kind, include_extras=True)
    return [n for n, h in hints.items() if get_origin(h) is Annotated and OF_KEY in h.__metadata__]
