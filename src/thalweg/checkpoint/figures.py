"""Tell the figures of the checkpoints of a run: which is the newest, how old, how large, how many failed.

Reads:    a checkpointer, from another thread than its own; a clock.
Changes:  nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from thalweg.checkpoint.writer import Checkpointer
from thalweg.protocols import metrics as m
from thalweg.protocols.metrics import Sample


class CheckpointFigures:
    """See `thalweg.protocols.metrics.Measured`.

    Args:
        checkpointer: whose figures they are.
        clock: the clock that it measures with.
    """

    def __init__(self, checkpointer: Checkpointer, clock: Callable[[], float]) -> None:
        self._checkpointer, self._clock = checkpointer, clock

    def samples(self) -> Iterator[Sample]:
        """As of now; before the first checkpoint only how many there are: none."""
        kept = self._checkpointer
        yield Sample(m.CHECKPOINTS, (), kept.completed)
        yield Sample(m.CHECKPOINTS_FAILED, (), kept.failed)
        written = kept.bytes
        yield Sample(m.CHECKPOINT_WRITTEN, (), written["increments"])
        yield Sample(m.CHECKPOINT_JOINED, (), written["joined"])
        last, seconds = kept.last, kept.seconds
        if last is not None:
            yield Sample(m.CHECKPOINT, (), last.number)
            yield Sample(m.CHECKPOINT_AGE, (), max(0.0, self._clock() - kept.began_at - seconds))
            yield Sample(m.CHECKPOINT_DURATION, (), seconds)
            yield Sample(m.CHECKPOINT_BYTES, (), last.size)
