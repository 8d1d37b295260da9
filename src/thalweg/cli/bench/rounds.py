"""Drive the operators of a job by hand, one task per stage, to see what a round of new rows costs.

Not here: the queries and their rows (incremental.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from thalweg.columnar.batch import OFFSET, SPLIT, Batch
from thalweg.job.job import Job
from thalweg.protocols.calls import AsyncFunction, Calls
from thalweg.protocols.operator import MAIN, Output, Side
from thalweg.protocols.state import StateSpec
from thalweg.runtime.chain import Chain
from thalweg.runtime.restore import new_state

_BATCH_ROWS = 131_072


@dataclass
class _Context:
    """What an operator is built with."""

    states: Mapping[str, Any]
    inputs: int
    rows_max: int = _BATCH_ROWS

    def state(self, name: str) -> Any:
        return self.states[name]

    def lookup(self, name: str) -> Any:
        raise AssertionError(f"no benchmark of rounds looks rows up ({name})")

    def calls(self, function: AsyncFunction) -> Calls:
        raise AssertionError(f"no benchmark of rounds asks anybody ({function.name})")

    def split_name(self, number: int) -> str:
        return f"split {number}"

    def wall(self) -> int:
        """Nobody looks at it."""
        return 0


class Rounds:
    """A job whose scans are fed by hand.

    Attributes:
        scans: the stages that read, each by the columns that it reads.
    """

    def __init__(self, job: Job, new_state: Callable[[StateSpec], Any] = new_state) -> None:
        self._job, self._new_state = job, new_state
        self._states: list[Any] = []
        self._chains = {stage.id: self._chain(stage.id) for stage in job.stages}
        self.scans = {s.id: list(s.scan.schema.names) for s in job.stages if s.scan is not None}
        self._offset = 0
        self._cuts = 0

    def _chain(self, name: str) -> Chain:
        made = []
        stage = self._job.by_id[name]
        for number, spec in enumerate(stage.operators):
            own = {d.name: self._new_state(d) for d in spec.states()}
            self._states += own.values()
            inputs = max(1, len(self._job.inputs_of(name))) if number == 0 else 1
            made.append((spec.id, spec.build(_Context(own, inputs))))
        return Chain(made)

    @property
    def state_bytes(self) -> int:
        """The memory that all states hold."""
        return sum(state.nbytes for state in self._states)

    def feed(self, scan: str, frame: pl.DataFrame) -> None:
        """Rows for one scan, in batches as a source makes them."""
        wanted = self._job.by_id[scan].scan
        assert wanted is not None, "only scans are fed"
        for start in range(0, frame.height, _BATCH_ROWS):
            part = frame[start : start + _BATCH_ROWS]
            if wanted.wants_position:
                offsets = pl.int_range(self._offset, self._offset + part.height, dtype=pl.Int64, eager=True)
                split = pl.lit(wanted.number << 32, pl.Int64)
                part = part.with_columns(split.alias(SPLIT), offsets.alias(OFFSET))
                self._offset += part.height
            self._send(scan, self._chains[scan].on_batch(0, Batch(part)))

    def advance(self, time_us: int) -> None:
        """Event time moves, in every stage."""
        for stage in self._job.stages:
            self._send(stage.id, self._chains[stage.id].on_watermark(time_us))

    def cut(self) -> None:
        """A cut passes, stage by stage."""
        self._cuts += 1
        for stage in self._job.stages:
            self._send(stage.id, self._chains[stage.id].on_cut(self._cuts))

    def _send(self, stage: str, outputs: Iterator[Output]) -> None:
        edges = self._job.outputs_of(stage)
        for out in outputs:
            if not isinstance(out, (Batch, Side)):
                # event time moves in every stage by hand
                continue
            port, batch = (out.port, out.batch) if isinstance(out, Side) else (MAIN, out)
            for edge in edges:
                if edge.output == port:
                    self._send(edge.target, self._chains[edge.target].on_batch(edge.port, batch))


def timed(work: Callable[[], None]) -> float:
    """The seconds that a piece of work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
