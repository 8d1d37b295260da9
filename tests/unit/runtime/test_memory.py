"""What a run held is given back when it ends, not when Python's collector comes by."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.state import memory


@pytest.mark.parametrize("runtime", ["inline", "threads"])
def test_state_goes_with_its_run(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[Any]] = []
    made = memory.KeyedColumns.__init__

    def init(self: memory.KeyedColumns, spec: Any) -> None:
        made(self, spec)
        held.append(weakref.ref(self))

    monkeypatch.setattr(memory.KeyedColumns, "__init__", init)
    session = tw.Session(parallelism=2, options={"execution.runtime": runtime})
    counts = session.from_polars(pl.DataFrame({"k": [1, 2, 1]})).group_by("k").agg(n=tw.count())
    gc.disable()
    try:
        assert sorted(counts.collect(mode="stream").rows()) == [(1, 2), (2, 1)]
        assert held
        assert [h() for h in held] == [None] * len(held)
    finally:
        gc.enable()
