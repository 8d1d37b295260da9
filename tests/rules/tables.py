"""The table that the cases of the rules read: few rows, with NULL in every column and some rows too late."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from tests.rules.parted import PartedSource
from thalweg.base.types import INT64, STRING
from thalweg.expr.nodes import PythonFunction
from thalweg.plan.nodes import Plan, Scan

_BEGIN = datetime(2026, 1, 1)
_SECONDS = [0, 1, 4, 9, 12, 3, 15, 21, 20, 33, 8, 41]
_K = [1, 2, 1, 2, 1, 3, None, 1, 2, 3, 1, 2]
_A = [1, 2, None, 4, 5, 6, 7, 0, -3, 2, 11, 2]
_B = [0, 1, 2, 0, None, 5, 1, 2, 3, 4, 0, 2]
_X = [0.5, float("nan"), None, -0.0, 0.0, 3.5, 1e9, -2.5, 0.25, 7.0, 1.0, 2.0]
_S = ["a", "b", None, "", "abc", "b", "a", "zz", "Ab", "a", "b", "c"]
_TAGS = [[1, 2], [], None, [3], [4, 5, 6], [1], [2], [None], [7], [], [8], [9, 1]]


def frame() -> pl.DataFrame:
    """The rows."""
    count = len(_K)
    rows = [
        None if i == 5 else {"price": 10 * i, "channel": "web" if i % 2 else None, "note": f"bid {i}"}
        for i in range(count)
    ]
    return pl.DataFrame(
        {
            "kind": [i % 3 for i in range(count)],
            "k": _K,
            "a": _A,
            "b": _B,
            "x": _X,
            "s": _S,
            "ok": [None if i == 3 else i % 4 == 0 for i in range(count)],
            "ts": [_BEGIN + timedelta(seconds=s) for s in _SECONDS],
            "tags": _TAGS,
            "bid": rows,
            "ask": [{"seller": i, "price": i % 5} for i in range(count)],
        },
        schema_overrides={"kind": pl.Int64, "ts": pl.Datetime("us")},
    )


_SOURCE = PartedSource((frame(),))


def table() -> Plan:
    """The table as a plan; one source, which takes conditions over, for all plans."""
    return Scan(_SOURCE)


def odd(frame: pl.DataFrame) -> pl.DataFrame:
    """A user's frame function: the rows whose `a` is odd."""
    return frame.filter(pl.col("a") % 2 == 1)


FUNCTIONS = {
    "shout": PythonFunction("shout", lambda s: None if s is None else s.upper() + "!", STRING),
    "draw": PythonFunction("draw", lambda a: a, INT64, volatile=True),
}
