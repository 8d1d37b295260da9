"""Hold what was found out about a program, and put it into words.

Not here: how it was found (simulate.py, causes.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """A run whose result differs from that of an undisturbed one.

    Attributes:
        seed: which one; it gives the same run whenever it is simulated.
        job: the name of the job.
        sink: what is written to, and where that is said.
        expected: rows that are missing.
        got: rows that are there instead; with `is_repeated`, those that a function is called with again.
        error: what the run has failed with instead.
        is_repeated: whether the rows are right, and a function minds getting them again.
        causes: the kinds of disturbance that suffice together.
        alone: the kinds that suffice by themselves.
        steps: the steps at which rows differ first, and where they were written.
    """

    seed: int
    job: str
    sink: str
    expected: tuple[dict[str, Any], ...] = ()
    got: tuple[dict[str, Any], ...] = ()
    error: str | None = None
    is_repeated: bool = False
    causes: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()

    def lines(self, replay: str | None = None) -> list[str]:
        """The finding in words.

        Args:
            replay: a command that simulates the seed again.
        """
        parts = [f"seed {self.seed}: {self._what()}", f"  sink:     {self.sink}"]
        if self.error is not None:
            parts.append(f"  error:    {self.error}")
        elif self.is_repeated:
            parts += _shown("again:   ", self.got)
        else:
            parts += _shown("expected:", self.expected or [None])
            parts += _shown("got:     ", self.got or [None])
        parts.append(f"  cause:    {self._why()}")
        parts += [f"  step:     {step}" for step in self.steps]
        if self.is_repeated:
            parts.append(f"  hint:     {_HINT_REPEATED}")
        return [*parts, *([f"  replay:   {replay}"] if replay else [])]

    def _what(self) -> str:
        job = f'job "{self.job}"'
        if self.error is not None:
            return f"{job} fails, and does not when it is undisturbed"
        if self.is_repeated:
            return f"{job} calls a function again with rows that it had, and the function may mind"
        return f"the result of {job} is another one than when it is undisturbed"

    def _why(self) -> str:
        if self.alone:
            suffices = "suffice, each alone" if len(self.alone) > 1 else "alone suffices"
            return f"{', '.join(self.alone)} {suffices}"
        return f"{' and '.join(self.causes)} together"


_HINT_REPEATED = (
    "make it idempotent and say so, write_callback(…, idempotent=True); or write to files or SQLite, which "
    "get each row once"
)


def _shown(label: str, rows: Sequence[dict[str, Any] | None]) -> list[str]:
    texts = ["no such row" if row is None else _row(row) for row in rows[:_SHOWN]]
    more = len(rows) - _SHOWN
    lines = [f"  {label} {texts[0]}", *(f"            {text}" for text in texts[1:])]
    return [*lines, *([f"            … and {more} more"] if more > 0 else [])]


def _row(row: dict[str, Any]) -> str:
    return ", ".join(
        f"{name}={value!r}" if isinstance(value, str) else f"{name}={value}" for name, value in row.items()
    )


@dataclass(frozen=True)
class SimulationReport:
    """What came of simulating a program.

    Attributes:
        seeds: how many were simulated.
        seconds: how long it took.
        finding: the first run whose result differs; None: no result can be told apart.
        jobs: about each job, what was simulated.
        notes: what was not simulated as it would happen.
        runs: how many runs there were, those that looked for the cause among them.
    """

    seeds: int
    seconds: float
    finding: Finding | None
    jobs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    runs: int = 0

    @property
    def is_stable(self) -> bool:
        """Whether no seed has changed the result."""
        return self.finding is None

    def verdict(self) -> str:
        """What came of it, in a line."""
        if self.finding is not None:
            return f"the result can change: seed {self.finding.seed} of {self.seeds} does it"
        plural = "" if self.seeds == 1 else "s"
        return f"the result cannot be told apart in {self.seeds} seed{plural}"

    def __str__(self) -> str:
        found = [] if self.finding is None else self.finding.lines()
        return "\n".join([*self.jobs, *self.notes, *found, self.verdict()])
