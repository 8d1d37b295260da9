"""Show what every operator of a job keeps, for how long, and about how much memory an entry takes.

What an operator says of its state is put together with what it declares. Sizes are those of the arrays that
the memory backend keeps per entry: keys as words, an entry of a hash table, accumulators of 8 bytes, columns
of rows. Texts come on top with their own length, and arrays have room for up to twice as many entries.

Not here: what is kept (operators/, `keeps`), how much is kept while a job runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import polars as pl

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.job.job import Job, ScanSpec, Stage, described
from thalweg.protocols.keeping import Judges, Keeping, Keeps
from thalweg.protocols.operator import OperatorSpec
from thalweg.protocols.state import ColumnsSpec, MultimapSpec, RowsSpec, StateSpec

_ARGUMENT = f"{SYSTEM_PREFIX}arg "
_WIDE = 100
_WORD = 8
_SLOT = 5 * _WORD
"""A number, and two places of two words in the table that keys are found by."""
_ROW_LINKS = 4 * _WORD
"""Of a row that can be forgotten: its neighbours among the rows of its key, the key, its weight."""
_VIEW = 16
"""A text's place and length, or the text itself if it is short."""


def describe_state(job: Job) -> str:
    """The state of a job as text, operator by operator, with a warning for what grows for ever."""
    lines: list[str] = []
    growing: list[str] = []
    for stage in job.stages:
        for step in _steps(stage, growing):
            lines += step
    if not lines:
        return "nothing is kept"
    if not growing:
        return "\n".join([*lines, "", "all state is bounded: by time, by number, or by the input"])
    return "\n".join([*lines, "", f"warning: grows for as long as the job runs: {', '.join(growing)}"])


def _steps(stage: Stage, growing: list[str]) -> Iterator[list[str]]:
    if stage.scan is not None and stage.scan.time is not None:
        yield [stage.id, f"  {_time(stage.scan)}"]
    for operator in stage.operators:
        lines = [*_late(operator), *_kept(operator, growing)]
        if lines:
            yield [f"{operator.id}  {_short(described(operator))}", *(f"  {line}" for line in lines)]


def _short(text: str) -> str:
    """The beginning of a description, which is shown in full with the job."""
    return text if len(text) <= _WIDE else f"{text[: _WIDE - 2]} …"


def _time(scan: ScanSpec) -> str:
    assert scan.time is not None, "asked for above"
    judged = (
        "rows are judged by it" if scan.time.wants_verdict else "no row is late: nothing judges rows by it"
    )
    return f"time:   {scan.time.column}, watermark {scan.time.watermark}; {judged}"


def _late(operator: OperatorSpec) -> Iterator[str]:
    if isinstance(operator, Judges):
        yield from (f"late:   {text}" for text in operator.late())


def _kept(operator: OperatorSpec, growing: list[str]) -> Iterator[str]:
    said = {k.state: k for k in operator.keeps()} if isinstance(operator, Keeps) else {}
    for spec in operator.states():
        kept = said.get(spec.name, Keeping(spec.name, f"entries of {spec.name}"))
        yield f"keeps:  {kept.what}: {entry_size(spec)}"
        yield f"        ({', '.join(_shown(spec))})"
        if kept.until is not None:
            yield f"  until {kept.until}"
            continue
        if kept.is_limited:
            continue
        growing.append(f"{operator.id} ({kept.what})")
        yield "  for ever" + (f"; to bound it: {'; '.join(kept.cures)}" if kept.cures else "")


def entry_size(spec: StateSpec) -> str:
    """About how much memory an entry takes."""
    if isinstance(spec, ColumnsSpec):
        size = _SLOT + _WORD * len(spec.columns) + _keys(spec.key) if spec.key else _WORD * len(spec.columns)
        texts = [*spec.key.values(), *(pl.String() for c in spec.columns.values() if c.kind == "bytes")]
        return _size(size, texts, "entry")
    if isinstance(spec, MultimapSpec):
        columns = list(spec.columns.values())
        links = _ROW_LINKS if spec.forgets else _WORD
        size = sum(map(_width, columns)) + links + _WORD * len(spec.counters)
        key = _SLOT + 2 * _WORD + _keys({n: spec.columns[n] for n in spec.key})
        return f"{_size(size, columns, 'row')}, {key} bytes per key"
    assert isinstance(spec, RowsSpec), f"no size is known of {type(spec).__name__}"
    columns = list(spec.columns.values())
    return _size(sum(map(_width, columns)), columns, "row")


def _size(size: int, types: list[pl.DataType], what: str) -> str:
    texts = sum(t in (pl.String(), pl.Binary()) or t.is_nested() for t in types)
    tail = "" if not texts else f" and {'a text' if texts == 1 else f'{texts} texts'}"
    return f"about {size} bytes{tail} per {what}"


def _keys(columns: Mapping[str, pl.DataType]) -> int:
    return sum(2 * _WORD if isinstance(t, pl.Decimal) else _WORD for t in columns.values())


def _width(held: pl.DataType) -> int:
    """The bytes of a value in a column of a frame."""
    if isinstance(held, pl.Struct):
        return sum(_width(_instance(f.dtype)) for f in held.fields)
    if isinstance(held, (pl.String, pl.Binary, pl.Decimal)) or held.is_nested():
        return _VIEW
    if held.is_integer() or held.is_float():
        bits = int("".join(c for c in str(held) if c.isdigit()))
        return bits // 8
    return {pl.Boolean(): 1, pl.Date(): 4}.get(held, _WORD)


def _instance(held: object) -> pl.DataType:
    return held() if isinstance(held, type) else held  # type: ignore[return-value]  # a type or its class


def _shown(spec: StateSpec) -> list[str]:
    """The columns of an entry as users know them."""
    if isinstance(spec, ColumnsSpec):
        count = len(spec.columns)
        return (
            [*_own(spec.key), f"{count} accumulator{'' if count == 1 else 's'}"] if count else _own(spec.key)
        )
    assert isinstance(spec, (MultimapSpec, RowsSpec)), "the list of kinds is closed"
    return _own(spec.columns)


def _own(names: Iterable[str]) -> list[str]:
    """Names without those that the engine gave, except for arguments, which are called by their text."""
    plain = [
        n.removeprefix(_ARGUMENT) for n in names if n.startswith(_ARGUMENT) or not n.startswith(SYSTEM_PREFIX)
    ]
    return list(dict.fromkeys(plain))


__all__ = ["describe_state", "entry_size"]
