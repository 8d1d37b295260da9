"""Stop a job of which too many rows are kept apart: it reads something else than it was written for.

Rows are counted at barriers, task by task, so that the rows of one epoch are compared with one another. The
look comes before the epoch is committed: what stopped the job is read again by the next run.

Not here: keeping rows apart (source_task.py; operators/process_trial.py for those that functions fail on).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from thalweg.errors import DataError
from thalweg.protocols.source import BadRow

ROWS_MIN = 10_000
"""Epochs are added up until they have this many rows: of a slow source, too, a share can be told."""


@dataclass(frozen=True)
class QuarantineLimit:
    """How many rows of a source may be kept apart.

    Attributes:
        rate_max: the greatest share of an epoch's rows.
        count_min: fewer rows than these never stop a job.
    """

    rate_max: float = 0.01
    count_min: int = 100

    def is_over(self, rows: int, bad: int) -> bool:
        """Whether too many are bad.

        Example:
            >>> QuarantineLimit().is_over(10_000, 100), QuarantineLimit().is_over(10_000, 101)
            (False, True)
        """
        return bad >= self.count_min and bad > self.rate_max * rows


@dataclass(frozen=True)
class Kept:
    """A row that was kept apart, as messages call its place."""

    place: str
    row: BadRow


@dataclass
class Breaker:
    """Counts the rows of one source, or of one step with a user's function, epoch by epoch.

    Example:
        >>> breaker = Breaker("clicks", QuarantineLimit())
        >>> breaker.note("source1[0]", 9_000, 500, None)
        >>> breaker.check()
        Traceback (most recent call last):
            ...
        thalweg.errors.DataError: [data-quarantine-rate] too many rows of clicks are kept apart...
    """

    source: str
    limit: QuarantineLimit
    _now: dict[str, tuple[int, int]] = field(default_factory=dict)
    _before: tuple[int, int] = (0, 0)
    _last: Kept | None = None

    def note(self, task: str, rows: int, bad: int, last: Kept | None) -> None:
        """All that one task has read up to a barrier: good rows, and those that were kept apart."""
        self._now[task] = rows, bad
        self._last = last or self._last

    def check(self) -> None:
        """Look at what was read since the last epoch.

        Raises:
            DataError: `data-quarantine-rate`.
        """
        good, bad = (sum(n) for n in zip((0, 0), *self._now.values(), strict=True))
        rows = good + bad - sum(self._before)
        if self.limit.is_over(rows, bad - self._before[1]):
            raise too_many(self.source, self.limit, rows, bad - self._before[1], self._last)
        if rows >= ROWS_MIN:
            self._before = good, bad


def too_many(source: str, limit: QuarantineLimit, rows: int, bad: int, last: Kept | None) -> DataError:
    """The error that stops a job."""
    example = "" if last is None else f"; the last one: {last.row.message} ({last.row.sample})"
    return DataError(
        f"too many rows of {source} are kept apart",
        code="data-quarantine-rate",
        where=None if last is None else f"{last.place}, {last.row.unit} {last.row.offset}",
        expected=f"at most {limit.rate_max:.4g} of the rows of an epoch, or fewer than {limit.count_min}",
        found=f"{bad} of {rows} rows{example}",
        hint="'pipeline.quarantine.rate-max' = '1' lets a job go on whatever the share",
    )
