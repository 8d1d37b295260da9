"""A program whose functions keep other state than before goes on from its checkpoint, or says why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import thalweg as tw
from tests.unit.session.test_upgrade import ROWS, broken_off, read, run
from thalweg.errors import CheckpointError

KEYS = 7


@dataclass
class Seen:
    rows: int = 0
    last: str = ""


@dataclass
class Longer:
    rows: int = 0
    last: str = ""
    tags: list[str] = field(default_factory=list)


@dataclass
class Shorter:
    rows: int = 0


def program(types: Mapping[str, Any], begin: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> Any:
    """A job with a function of the same name each time, and this state; it writes what `take` gives."""

    def on_event(self: Any, row: Any) -> Any:
        yield row.n, row.k, str(take(self, row))

    kind = type(
        "Seeing", (tw.ProcessFunction,), {"__annotations__": dict(types), "on_event": on_event, **begin}
    )

    def build(session: tw.Session, folder: Path) -> None:
        rows = session.read_parquet(str(folder / "in.parquet"))
        made = rows.key_by("k").process(kind(), "n BIGINT, k BIGINT, told STRING", order="arrival")
        made.write_sqlite(str(folder / "o.db"), "told")

    return build


def in_windows(types: Mapping[str, Any], begin: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> Any:
    """The same of a window of each key, which gives something with every row."""

    def on_window(self: Any, window: Any, rows: Any) -> Any:
        del window
        yield rows[-1].n, rows[-1].k, str(take(self, rows[-1]))

    members = {"__annotations__": dict(types), "on_window": on_window, **begin}
    kind = type("Seeing", (tw.windowing.WindowFunction,), members)

    def build(session: tw.Session, folder: Path) -> None:
        windows = session.read_parquet(str(folder / "in.parquet")).key_by("k").window(tw.windowing.Counts(1))
        made = windows.process(kind(), "n BIGINT, k BIGINT, told STRING", order="arrival")
        made.write_sqlite(str(folder / "o.db"), "told")

    return build


def counting(self: Any, row: Any) -> Any:
    self.n += 1
    return self.n


def seeing(self: Any, row: Any) -> Any:
    self.seen.rows += 1
    return self.seen.rows


PLAIN = program({"n": int}, {"n": 0}, counting)
CLASS = program({"seen": Seen}, {"seen": Seen()}, seeing)


def told(folder: Path) -> dict[int, str]:
    """What was told of the last row of each key."""
    return {int(str(k)): str(text) for _, k, text in read(folder, "told")}


def counts(scale: float = 1) -> dict[int, str]:
    return {k: str(len(range(k, ROWS, KEYS)) * scale) for k in range(KEYS)}


OfKey = tw.windowing.OfKey
WINDOWS = in_windows({"n": int, "all": OfKey[int]}, {"n": 0, "all": 0}, lambda s, r: _of_both(s))
CHANGED = {
    "of a window, int to float": (
        WINDOWS,
        in_windows({"n": float, "all": OfKey[int]}, {"n": 0.0, "all": 0}, lambda s, r: _of_both(s)),
        counts(1.0),
    ),
    "of a window, another state beside": (
        WINDOWS,
        in_windows(
            {"a": str, "n": int, "all": OfKey[int]},
            {"a": "", "n": 0, "all": 0},
            lambda s, r: _of_both(s),
        ),
        counts(),
    ),
    "of a key over windows, by a function": (
        WINDOWS,
        in_windows(
            {"n": int, "all": OfKey[list[int]]},
            {"n": 0, "all": tw.keep([], migrate=lambda n: [1] * n)},
            lambda s, r: (s.all.append(1), len(s.all))[1],
        ),
        counts(),
    ),
    "int to float": (PLAIN, program({"n": float}, {"n": 0.0}, counting), counts(1.0)),
    "int or None": (
        PLAIN,
        program({"n": int | None}, {"n": None}, lambda s, r: counting(_known(s), r)),
        counts(),
    ),
    "another state beside": (PLAIN, program({"a": str, "n": int}, {"a": "", "n": 0}, counting), counts()),
    "by a function": (
        PLAIN,
        program(
            {"n": list[int]},
            {"n": tw.keep([], migrate=lambda n: [1] * n)},
            lambda s, r: (s.n.append(1), len(s.n))[1],
        ),
        counts(),
    ),
    "a field more": (CLASS, program({"seen": Longer}, {"seen": Longer()}, seeing), counts()),
    "a field less, by a function": (
        CLASS,
        program(
            {"seen": Shorter}, {"seen": tw.keep(Shorter(), migrate=lambda d: Shorter(d["rows"]))}, seeing
        ),
        counts(),
    ),
    "a class to a number": (
        CLASS,
        program({"seen": int}, {"seen": tw.keep(0, migrate=lambda d: d["rows"])}, lambda s, r: _added(s)),
        counts(),
    ),
}


def _of_both(self: Any) -> Any:
    """The state of the window, which is that of the key, too."""
    self.n += 1
    self.all += 1
    assert self.n == self.all, "a window has lost its state, or the key has"
    return self.n


def _known(self: Any) -> Any:
    self.n = self.n or 0
    return self


def _added(self: Any) -> int:
    self.seen += 1
    return int(self.seen)


@pytest.mark.parametrize("case", CHANGED)
def test_state_of_another_type_is_carried(tmp_path: Path, case: str) -> None:
    before, after, expected = CHANGED[case]
    broken_off(tmp_path, before)
    with pytest.raises(CheckpointError, match="checkpoint-other-program"):
        run(tmp_path, after)
    # and once more before the first checkpoint of the new program is complete
    with pytest.raises(OSError, match=r"checkpoint\.taken"):
        run(tmp_path, after, "checkpoint.taken:raise:1", upgrade=True)
    run(tmp_path, after, upgrade=True)
    assert told(tmp_path) == expected
    assert len(read(tmp_path, "told")) == ROWS


def test_the_checkpoints_after_it_are_of_the_new_type(tmp_path: Path) -> None:
    before, after, expected = CHANGED["by a function"]
    broken_off(tmp_path, before)
    with pytest.raises(OSError, match=r"checkpoint\.trigger"):
        run(tmp_path, after, "checkpoint.trigger:raise:4", upgrade=True)
    # were they put together with those before, lists would be counted as numbers
    run(tmp_path, after)
    assert told(tmp_path) == expected


REFUSED = {
    "a class that has lost a field": (
        CLASS,
        program({"seen": Shorter}, {"seen": Shorter()}, seeing),
        "upgrade-state-type",
        'process1.process.seen: the field "last" is gone',
    ),
    "another type": (
        PLAIN,
        program({"n": str}, {"n": ""}, lambda s, r: s.n),
        "upgrade-state-type",
        "process1.process.n: it was int, and is str now",
    ),
    "state that is gone": (
        PLAIN,
        program({"m": int}, {"m": 0}, lambda s, r: s.m),
        "upgrade-drops-state",
        "state process1.process.n: is gone: int",
    ),
    "a function that fails": (
        PLAIN,
        program({"n": str}, {"n": tw.keep("", migrate=lambda n: n.upper())}, lambda s, r: s.n),
        "upgrade-migration",
        'the function for the state "n" failed on a value of the checkpoint: AttributeError',
    ),
    "a function that gives another type": (
        PLAIN,
        program({"n": str}, {"n": tw.keep("", migrate=lambda n: n)}, lambda s, r: s.n),
        "upgrade-migration",
        "Expected `str`, got `int`",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_carried_is_said(tmp_path: Path, case: str) -> None:
    before, after, code, text = REFUSED[case]
    broken_off(tmp_path, before)
    with pytest.raises(CheckpointError, match=code) as found:
        run(tmp_path, after, upgrade=True)
    assert text in str(found.value)
    # the old program goes on as if nothing had been tried
    run(tmp_path, before)
    assert told(tmp_path) == counts()


def test_state_that_is_given_a_time_to_live_is_not_gone_at_once(tmp_path: Path) -> None:
    import polars as pl

    from thalweg.operators.process import LAST, UNKNOWN
    from thalweg.protocols.state import ColumnSpec, ColumnsSpec
    from thalweg.state.migration import migrated

    spec = ColumnsSpec(
        "values",
        {"k": pl.Int64()},
        {"n": ColumnSpec("int64"), LAST: ColumnSpec("int64", 0, taken_over=UNKNOWN)},
    )
    assert migrated(pl.DataFrame({"k": [1], "n": [2]}), spec, ()).rows() == [(1, 2, UNKNOWN)]


def test_state_that_is_given_up_is_gone(tmp_path: Path) -> None:
    broken_off(tmp_path, PLAIN)
    other = program({"m": int}, {"m": 0}, lambda s, r: setattr(s, "m", s.m + 1) or s.m)
    run(tmp_path, other, upgrade=["process1.process.n"])
    found = told(tmp_path)
    assert all(0 < int(found[k]) < int(counts()[k]) for k in found)
