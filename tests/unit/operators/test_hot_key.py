"""One key with very many partners: what a join holds at once stays within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl
import pytest

from thalweg.columnar.batch import Batch
from thalweg.connectors.memory import frame_source
from thalweg.expr.nodes import Aggregate, Call, Column, Named
from thalweg.operators.join import JoinOp
from thalweg.physical.joining import join_spec
from thalweg.plan import build
from thalweg.plan.join import join
from thalweg.plan.nodes import Join, Plan, Scan
from thalweg.protocols.operator import Output
from thalweg.runtime.restore import new_state

ROWS_MAX = 65_536
PARTNERS = 10_000
BUDGET_MIB = 256
LEFT = pl.DataFrame({"k": [1] * ROWS_MAX, "v": range(ROWS_MAX)})
RIGHT = pl.DataFrame({"k_r": [1] * PARTNERS, "w": range(PARTNERS)})


class Context:
    """What an operator is built with."""

    rows_max, inputs = ROWS_MAX, 2

    def __init__(self, spec: object) -> None:
        self._states = {d.name: new_state(d) for d in spec.states()}  # type: ignore[attr-defined]

    def state(self, name: str) -> object:
        return self._states[name]

    def split_name(self, number: int) -> str:
        return f"split {number}"


def side(frame: pl.DataFrame, *, is_updating: bool) -> Plan:
    scan = Scan(frame_source(frame))
    if not is_updating:
        return scan
    names = [Named(n, Column(n)) for n in frame.columns]
    grouped = build.group_by(scan, names, [*names, Named("n", Aggregate("count"))])
    return build.select_names(grouped, frame.columns)


def memory_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


@pytest.mark.parametrize("is_updating", [False, True])
@pytest.mark.parametrize("kind", ["inner", "left"])
def test_all_pairs_of_a_hot_key_come_in_bounded_batches(kind: str, is_updating: bool) -> None:
    condition = Call("=", (Column("k"), Column("k_r")))
    sides = side(LEFT, is_updating=is_updating), side(RIGHT, is_updating=is_updating)
    plan = join(*sides, kind, condition)  # type: ignore[arg-type]  # a kind
    assert isinstance(plan, Join)
    spec = join_spec(plan, "join")
    operator = JoinOp(spec, Context(spec))  # type: ignore[arg-type]  # a context
    assert not list(operator.on_batch(1, Batch(RIGHT)))
    before = memory_mib()
    batches = 40 if is_updating else 300
    # 655 million pairs: the first of them show what is held meanwhile
    outputs: Iterator[Output] = islice(operator.on_batch(0, Batch(LEFT)), batches)
    count = 0
    for output in outputs:
        assert isinstance(output, Batch)
        assert len(output) <= ROWS_MAX
        count += len(output)
        assert memory_mib() - before < BUDGET_MIB
    assert count > (batches - 10) * ROWS_MAX
