"""Take operators and errors from one process of a job to another: the user's functions among them.

Python's own way of doing so executes what it reads. It is used for this alone: between a process and those
that it has started itself, over a socket that nobody else has. Nothing of it is ever written to a file, and
state goes another way (wire.py).

Not here: what is sent (workers.py, host.py).
"""

from __future__ import annotations

import io
import marshal  # code as this very interpreter holds it: with the file and the lines that it is from
import pickle
from itertools import pairwise
from traceback import format_exception
from types import CodeType, TracebackType
from typing import Any

from thalweg.errors import ConfigError, PlanError, ThalwegError

_SHOWN_MAX = 300
_CACHED = "__msgspec_cache__"


def packed(what: Any, owner: str) -> bytes:
    """Operators as bytes, with functions and classes wherever they are written.

    Args:
        what: them.
        owner: whose they are, for messages.

    Raises:
        ConfigError: `config-processes-library`: the library for it is missing.
        PlanError: `plan-function-shipping`: something cannot be sent.
    """
    try:
        import cloudpickle
    except ImportError as error:
        raise ConfigError(
            "users' functions cannot be sent to other processes: a library is missing",
            code="config-processes-library",
            found='execution.runtime = "processes"',
            hint="pip install 'thalweg[processes]', or the runtime threads",
        ) from error

    class Packer(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, CodeType):
                return marshal.loads, (marshal.dumps(obj),)
            if isinstance(obj, type) and _CACHED in vars(obj):
                # what msgspec remembers of a class, and finds out again
                delattr(obj, _CACHED)
            return super().reducer_override(obj)

    held = io.BytesIO()
    try:
        Packer(held).dump(what)
    except Exception as error:
        raise PlanError(
            f"{owner} cannot be sent to another process",
            code="plan-function-shipping",
            found=f"{type(error).__name__}: {error}"[:_SHOWN_MAX],
            hint="open what it needs (a file, a connection, a lock) where it is first used, and write "
            "classes of its state in a module; or use the runtime threads",
        ) from error
    return held.getvalue()


def unpacked(data: bytes) -> Any:
    """What `packed` was given."""
    return pickle.loads(data)  # noqa: S301 - from the process that has started this one


def packed_error(error: BaseException) -> bytes:
    """An error with those that it comes from; the lines of the user's code are in its notes."""
    found: list[Any] = []
    current: BaseException | None = error
    while current is not None:
        found.append(_plain(current))
        current = current.__cause__
    return pickle.dumps(found)


def unpacked_error(data: bytes) -> BaseException:
    """What `packed_error` was given."""
    errors = [_error(each) for each in pickle.loads(data)]  # noqa: S301 - from a process of its own
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


class WorkerTraceback(Exception):
    """Where an error was raised in another process; its text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _plain(error: BaseException) -> tuple[Any, ...]:
    text = "".join(_lines(error, error.__traceback__))
    if isinstance(error, ThalwegError):
        return type(error), error.args, vars(error), text
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - what was made in this line
    except Exception:  # noqa: BLE001 - a user's exception may do anything when it is copied
        return RuntimeError, (f"{type(error).__name__}: {error}",), {}, text
    return type(error), error, None, text


def _lines(error: BaseException, traceback: TracebackType | None) -> list[str]:
    return format_exception(type(error), error, traceback, chain=False)


def _error(plain: tuple[Any, ...]) -> BaseException:
    kind, made, values, text = plain
    if values is None:
        found: BaseException = made
        found.__cause__ = WorkerTraceback(text)
        return found
    found = kind.__new__(kind, *made)
    found.args = made
    vars(found).update(values)
    return found
