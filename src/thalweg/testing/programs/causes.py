"""Compare a disturbed run with an undisturbed one; where they differ, find out what does it, and where.

Kinds of disturbance are switched off and on one by one; the rows of suspect steps are collected, and the
first step in the order of rows whose rows differ is the one to look at.

Not here: how a job is run (subject.py), words (report.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import chain

from thalweg.connectors.sinks import CallbackSink
from thalweg.plan.nodes import Write
from thalweg.testing.programs.compare import Row, differing
from thalweg.testing.programs.disturbances import Disturbance, Extent, calm, drawn, kinds_of
from thalweg.testing.programs.effects import call_with, effect_of
from thalweg.testing.programs.report import Finding
from thalweg.testing.programs.subject import Outcome, UserJob, changing, outcome_of, suspect_of, suspects

_TRIES = 5
"""So many further draws of a kind are tried before it counts as harmless."""


@dataclass(frozen=True)
class Difference:
    """In what a run differs.

    Attributes:
        sink: in which sink.
        expected, got: rows.
        error: what it has failed with.
        is_repeated: whether a function is called again with `got`.
    """

    sink: int = 0
    expected: tuple[Row, ...] = ()
    got: tuple[Row, ...] = ()
    error: str | None = None
    is_repeated: bool = False

    @property
    def kind(self) -> object:
        """Two runs that differ alike have the same."""
        return self.sink, self.error is not None, self.is_repeated


class Trial:
    """One job, and its undisturbed run.

    Args:
        job: the job.
        calls: whether functions that are sinks are called.

    Attributes:
        runs: how many runs there were.
    """

    def __init__(self, job: UserJob, *, calls: bool) -> None:
        self.job, self._calls = job, calls
        self.runs = 1
        rows = max([held.rows for held in job.inputs], default=1)
        self.reference = outcome_of(job, calm(Extent(rows)))
        if self.reference.error is not None:
            raise self.reference.error
        self._extent = Extent(rows, max(self.reference.steps, 1))
        self._tapped: Outcome | None = None

    def finding(self, seed: int, known: Collection[str]) -> Finding | None:
        """What a seed finds, with its cause.

        Args:
            seed: which one.
            known: the kinds of disturbance that may be.
        """
        kinds = kinds_of(seed, known)
        found = self._tried(drawn(seed, kinds, self._extent))
        if found is None:
            return None

        def differs(some: Collection[str]) -> bool:
            seeds = chain([seed], (f"{seed} {n}" for n in range(_TRIES)))
            tries = (self._tried(drawn(s, frozenset(some), self._extent)) for s in seeds)
            return any(t is not None and t.kind == found.kind for t in tries)

        alone = tuple(kind for kind in known if kind in kinds and differs([kind]))
        causes = alone or _least(kinds, known, differs)
        where = () if found.is_repeated else self._first_steps(seed, causes)
        write = self.job.writes[found.sink]
        return Finding(
            seed,
            self.job.look.how.name,
            _described(write),
            found.expected,
            found.got,
            error=found.error,
            is_repeated=found.is_repeated,
            causes=causes,
            alone=alone,
            steps=where,
        )

    def _tried(self, disturbance: Disturbance) -> Difference | None:
        self.runs += 1
        return self._compared(outcome_of(self.job, disturbance))

    def _compared(self, outcome: Outcome) -> Difference | None:
        if outcome.error is not None:
            return Difference(error=f"{type(outcome.error).__name__}: {outcome.error}".splitlines()[0])
        for number, (wanted, seen) in enumerate(zip(self.reference.tables, outcome.tables, strict=True)):
            lost, more = differing(wanted, seen)
            if lost or more:
                return Difference(number, tuple(lost), tuple(more))
        return next(filter(None, (self._repeated(n, outcome) for n in outcome.deliveries)), None)

    def _repeated(self, number: int, outcome: Outcome) -> Difference | None:
        """Whether a function is called again, and minds or may mind."""
        deliveries = outcome.deliveries[number]
        rows = [
            row
            for call in deliveries.again
            for batch in call.batches
            for row in batch.frame.iter_rows(named=True)
        ]
        sink = self.job.writes[number].sink
        if not rows or not isinstance(sink, CallbackSink):
            return None
        minds = self._minds(number, outcome) if self._calls else None
        if minds is None:
            # nobody has looked, or nothing is seen: what is said of the function is believed
            minds = sink.delivery != "idempotent"
        return Difference(number, got=tuple(rows), is_repeated=True) if minds else None

    def _minds(self, number: int, outcome: Outcome) -> bool | None:
        """Whether calls that came again have changed what a function has built; None: it builds nothing."""
        deliveries = outcome.deliveries[number]
        fresh = [self._sink(number) for _ in range(3)]
        untouched = effect_of(fresh[0].function)
        usual = call_with(fresh[1], deliveries, deliveries.once)
        if usual == untouched:
            return None
        return bool(call_with(fresh[2], deliveries, deliveries.log) != usual)

    def _sink(self, number: int) -> CallbackSink:
        writes = [root for root in self.job.load().roots if isinstance(root, Write)]
        sink = writes[number].sink if number < len(writes) else None
        if not isinstance(sink, CallbackSink):
            raise changing(len(writes), len(self.job.writes))
        return sink

    def _first_steps(self, seed: int, causes: Collection[str]) -> tuple[str, ...]:
        """The suspect steps at which rows differ first; all of them, if that cannot be told."""
        nodes = suspects(self.job.look.roots)
        if len(nodes) > 1:
            if self._tapped is None:
                self._tapped = outcome_of(self.job, calm(self._extent), is_tapped=True)
            seeds: Iterable[object] = chain([seed], (f"{seed} {n}" for n in range(_TRIES)))
            for some in seeds:
                self.runs += 1
                tapped = outcome_of(self.job, drawn(some, frozenset(causes), self._extent), is_tapped=True)
                for node, wanted, seen in zip(nodes, self._tapped.taps, tapped.taps, strict=False):
                    if differing(wanted, seen) != ([], []):
                        return tuple(map(str, suspect_of(node)))
        return tuple(dict.fromkeys(str(s) for node in nodes for s in suspect_of(node)))


def _least(
    kinds: Collection[str], known: Collection[str], differs: Callable[[Collection[str]], bool]
) -> tuple[str, ...]:
    """Kinds of disturbance of which each is needed."""
    needed = [k for k in known if k in kinds]
    for kind in list(needed):
        rest = [k for k in needed if k != kind]
        if rest and differs(rest):
            needed = rest
    return tuple(needed)


def _described(write: Write) -> str:
    name = f'"{write.name}" ' if write.name else ""
    return f"{name}{write.sink.describe()}" + (f", {write.place}" if write.place else "")
