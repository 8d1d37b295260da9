"""Give the user's own code another time of day, and nobody else.

Modules of the user (neither the standard library, nor installed, nor ours) get stand-ins for `time` and
`datetime` when they import them; where they imported them before, the names are replaced for a while.
The stand-ins are the real modules but for what asks the clock of the machine.

Changes:  `builtins.__import__`, and names in modules of the user, as long as `user_time` lasts.
Not here: which time it is (subject.py).
"""

from __future__ import annotations

import builtins
import datetime as real_datetime
import sys
import sysconfig
import time as real_time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import thalweg

Now = Callable[[], float]
_FOREIGN = tuple(
    str(Path(path).resolve())
    for path in {*map(sysconfig.get_path, ("stdlib", "purelib", "platlib")), *thalweg.__path__}
    if path
)


class _Clock:
    """What time it is; the real one outside of simulations, for modules that keep a stand-in."""

    def __init__(self) -> None:
        self.now: Now = real_time.time


_CLOCK = _Clock()


def _now() -> float:
    return _CLOCK.now()


class _AsReal(type):
    """A class that takes the place of another one: instances of that are its own, and it is equal to it."""

    _real: type

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, cls._real)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, cls._real)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is cls._real

    def __hash__(cls) -> int:
        return hash(cls._real)


class _Datetime(real_datetime.datetime, metaclass=_AsReal):
    _real = real_datetime.datetime

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # it makes real ones
        return real_datetime.datetime(*args, **kwargs)

    @classmethod
    def now(cls, tz: Any = None) -> Any:  # as the original
        return real_datetime.datetime.fromtimestamp(_now(), tz)

    @classmethod
    def today(cls) -> Any:  # as the original
        return real_datetime.datetime.fromtimestamp(_now())

    @classmethod
    def utcnow(cls) -> Any:  # as the original
        return real_datetime.datetime.fromtimestamp(_now(), real_datetime.UTC).replace(tzinfo=None)


class _Date(real_datetime.date, metaclass=_AsReal):
    _real = real_datetime.date

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # it makes real ones
        return real_datetime.date(*args, **kwargs)

    @classmethod
    def today(cls) -> Any:  # as the original
        return real_datetime.date.fromtimestamp(_now())


def _copied(module: ModuleType, **changed: Any) -> ModuleType:
    made = ModuleType(module.__name__, module.__doc__)
    vars(made).update({**vars(module), **changed})
    return made


def _since(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of `time` that means now if it is given nothing."""
    return lambda seconds=None: function(_now() if seconds is None else seconds)


_TIME = _copied(
    real_time,
    time=_now,
    time_ns=lambda: int(_now() * 1e9),
    localtime=_since(real_time.localtime),
    gmtime=_since(real_time.gmtime),
    ctime=_since(real_time.ctime),
    strftime=lambda form, when=None: real_time.strftime(form, when or real_time.localtime(_now())),
    asctime=lambda when=None: real_time.asctime(when or real_time.localtime(_now())),
    monotonic=_now,
    perf_counter=_now,
)
_DATETIME = _copied(real_datetime, datetime=_Datetime, date=_Date)
_STANDINS = {"time": _TIME, "datetime": _DATETIME}
_REPLACED: dict[int, Any] = {
    id(real_time): _TIME,
    id(real_datetime): _DATETIME,
    id(real_datetime.datetime): _Datetime,
    id(real_datetime.date): _Date,
    **{
        id(vars(real_time)[name]): vars(_TIME)[name]
        for name in ("time", "time_ns", "localtime", "gmtime", "ctime", "strftime", "asctime")
    },
}
"""By the identity of what users import, what they get instead."""


@contextmanager
def user_time(now: Now) -> Iterator[None]:
    """In here the user's code reads its time from `now`."""
    before = _CLOCK.now
    _CLOCK.now = now
    taken = [(names, _replace_names(names)) for names in _user_modules()]
    found = builtins.__import__

    def imported(
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> Any:
        module = found(name, globals, locals, fromlist, level)
        stand_in = _STANDINS.get(name) if level == 0 else None
        return stand_in if stand_in is not None and globals is not None and _is_users(globals) else module

    builtins.__import__ = imported
    try:
        yield
    finally:
        builtins.__import__ = found
        _CLOCK.now = before
        for names, kept in taken:
            names.update(kept)


def _user_modules() -> list[MutableMapping[str, Any]]:
    return [vars(m) for m in list(sys.modules.values()) if isinstance(m, ModuleType) and _is_users(vars(m))]


def _replace_names(names: MutableMapping[str, Any]) -> dict[str, Any]:
    """Put stand-ins into a module; what was there."""
    kept = {name: value for name, value in names.items() if id(value) in _REPLACED}
    names.update({name: _REPLACED[id(value)] for name, value in kept.items()})
    return kept


def _is_users(names: Mapping[str, Any]) -> bool:
    """Whether a module is the user's."""
    file = names.get("__file__")
    if not isinstance(file, str):
        return names.get("__name__") == "__main__"
    return not file.startswith(_FOREIGN) and not file.startswith("<")
