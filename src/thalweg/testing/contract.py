"""Name the line of a contract that a plug-in breaks.

The lines are read from the docstrings of the protocols, so that there is one place where they stand.

Reads:    the docstrings under `thalweg.protocols`, and those of file formats and checkpoint stores.
Not here: the checks (sources.py, sinks.py, operators.py, states.py, stores.py).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from thalweg.checkpoint.store import Store
from thalweg.connectors.files.format import Format
from thalweg.protocols.conditions import FilteringSource
from thalweg.protocols.lookup import KeyReader, VersionedSource
from thalweg.protocols.operator import Operator
from thalweg.protocols.sink import StagingWriter, TransactionalSink, Writer
from thalweg.protocols.source import LazySource, Reader, Source
from thalweg.protocols.state import KeyedColumns, RowStore, StoredState

_HEAD = re.compile(r"^ {4}([A-Z]\d+) (.+)$")


@dataclass(frozen=True)
class Line:
    """One line of a contract: its id, such as `R2`, and what it says."""

    id: str
    text: str

    def __str__(self) -> str:
        return f"[{self.id}] {self.text}"


class ConformanceError(AssertionError):
    """A plug-in breaks a line of its contract.

    Attributes:
        line: the line that is broken.
        what: what the kit did.
        expected, found: what should have been, and what was; None where `what` says it all.

    Example:
        >>> print(ConformanceError(Line("R3", "at most n rows"), "read(1)", found="2 rows"))
        [R3] at most n rows
          when:     read(1)
          found:    2 rows
    """

    def __init__(self, line: Line, what: str, *, expected: object = None, found: object = None) -> None:
        self.line, self.what, self.expected, self.found = line, what, expected, found
        super().__init__(str(line), what)

    def __str__(self) -> str:
        lines = [str(self.line), f"  when:     {self.what}"]
        lines += [] if self.expected is None else [f"  expected: {self.expected}"]
        return "\n".join(lines + ([] if self.found is None else [f"  found:    {self.found}"]))


def contract_lines(protocol: type) -> dict[str, Line]:
    """The numbered lines in the docstring of a protocol, by id.

    Example:
        >>> contract_lines(Writer)["W4"].text
        '`close` without `end` publishes nothing more.'
    """
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for text in (inspect.getdoc(protocol) or "").splitlines():
        head = _HEAD.match(text)
        if head is not None:
            current = found[head[1]] = [head[2]]
        elif current is not None and text.startswith(" " * 6):
            current.append(text.strip())
        else:
            current = None
    return {number: Line(number, " ".join(parts)) for number, parts in found.items()}


_PROTOCOLS: tuple[type, ...] = (
    Source,
    Reader,
    LazySource,
    FilteringSource,
    KeyReader,
    VersionedSource,
    Writer,
    StagingWriter,
    TransactionalSink,
    Operator,
    KeyedColumns,
    RowStore,
    StoredState,
    Format,
    Store,
)
LINES = {line.id: line for protocol in _PROTOCOLS for line in contract_lines(protocol).values()}
"""Every line of every contract, by id."""


def broken(id: str, what: str, *, expected: object = None, found: object = None) -> ConformanceError:
    """The error for a line that does not hold."""
    # python -OO removes docstrings; the id must do then
    line = LINES.get(id, Line(id, "see the protocol"))
    return ConformanceError(line, what, expected=expected, found=found)


def check(holds: bool, id: str, what: str, *, expected: object = None, found: object = None) -> None:
    """Raise unless the line holds."""
    if not holds:
        raise broken(id, what, expected=expected, found=found)


@contextmanager
def must_work(id: str, what: str) -> Iterator[None]:
    """What is done inside may not fail: an exception breaks the line."""
    try:
        yield
    except ConformanceError:
        raise
    except Exception as error:
        raise broken(id, what, found=f"{type(error).__name__}: {error}") from error
