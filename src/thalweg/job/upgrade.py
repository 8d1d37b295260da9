"""Decide what a changed program takes over from a checkpoint of another one.

What is matched are sources, sinks and steps with state. A step is known by what it is: its kind, what it
does, what it keeps, and where its rows come from, through whatever has state on the way. Names and places
that the planner gives decide nothing by themselves, and steps without state may come and go. Where several
could be meant, those are whose rows go the very same way, steps without state included; else nobody guesses.

Not here: carrying it out (session/upgrades.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from thalweg.job.changed_columns import Changes, changes, lines_of
from thalweg.job.shape import JobShape, KeptColumn, StageShape, StepShape
from thalweg.protocols.operator import MAIN


@dataclass(frozen=True)
class Part:
    """A source, a sink, or a step with state.

    Attributes:
        kind: `source`, `sink` or `state`.
        id: of the stage that reads, of the sink, or of the step.
        stage: the id of its stage.
        text: what it is, in words.
        way: everything that happens to its rows before, in words.
        columns: what may change of its state.
    """

    kind: str
    id: str
    stage: str
    text: str
    way: Hashable = field(default=None, repr=False)
    columns: tuple[KeptColumn, ...] = field(default=(), repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.kind} {self.id}: {self.text}"

    def is_named(self, names: Collection[str]) -> bool:
        """Whether it is, or its stage."""
        return self.id in names or self.stage in names


@dataclass(frozen=True)
class Upgrade:
    """What becomes of the parts of a checkpoint in another program.

    Attributes:
        carried: parts of the checkpoint, each with the part of the program that takes it over.
        dropped: parts of the checkpoint that the program has nothing for.
        begun: parts of the program that begin with nothing.
        ambiguous: parts of both that could be each other, and nothing tells which is which.
    """

    carried: tuple[tuple[Part, Part], ...]
    dropped: tuple[Part, ...]
    begun: tuple[Part, ...]
    ambiguous: tuple[tuple[Part, ...], ...]

    def dropping(self, names: Collection[str]) -> Upgrade:
        """The same, but what the user names is dropped, and begins with nothing where it is still there."""
        lost = [(a, b) for a, b in self.carried if a.is_named(names)]
        kept = tuple(pair for pair in self.carried if pair not in lost)
        dropped, begun = tuple(a for a, _ in lost), tuple(b for _, b in lost)
        return Upgrade(kept, (*self.dropped, *dropped), (*self.begun, *begun), self.ambiguous)

    @cached_property
    def columns(self) -> Mapping[str, Changes]:
        """What becomes of columns of state, by the step of the program."""
        found = {after.id: changes(before.columns, after.columns) for before, after in self.carried}
        return {step: changed for step, changed in found.items() if changed}

    def lines(self) -> Iterator[str]:
        """All of it, a line for each part."""
        for before, after in self.carried:
            name = before.id if before.id == after.id else f"{before.id} as {after.id}"
            yield f"carried    {before.kind} {name}: {after.text}{_changed(before, after)}"
            yield from (f"  {line}" for line in lines_of(self.columns.get(after.id, ())))
        yield from (f"begins     {part}" for part in self.begun)
        yield from (f"dropped    {part}" for part in self.dropped)
        for parts in self.ambiguous:
            yield f"ambiguous  {' | '.join(map(str, parts))}"


def _changed(before: Part, after: Part) -> str:
    """What is another than it was."""
    if before.text != after.text:
        return f" (was: {before.text})"
    return (
        " (its rows come another way than before)"
        if before.kind == "state" and before.way != after.way
        else ""
    )


def upgrade(before: JobShape, after: JobShape) -> Upgrade:
    """What the program `after` takes over from a checkpoint of the program `before`."""
    old, new = _Parts(before), _Parts(after)
    matches = [_matched(old.by_key[key], new.by_key[key]) for key in _keys(old.by_key, new.by_key)]
    return Upgrade(
        tuple(pair for found, *_ in matches for pair in found),
        tuple(part for _, left, right in matches if not right for part in left),
        tuple(part for _, left, right in matches if not left for part in right),
        tuple((*left, *right) for _, left, right in matches if left and right),
    )


_Match = tuple[list[tuple[Part, Part]], list[Part], list[Part]]


def _keys(*tables: Mapping[Hashable, object]) -> Iterable[Hashable]:
    """All keys, in the order in which they come."""
    return dict.fromkeys(key for table in tables for key in table)


def _matched(old: list[Part], new: list[Part]) -> _Match:
    """Pairs of parts that could be each other, and what is left on both sides."""
    if len(old) == len(new) == 1:
        return [(old[0], new[0])], [], []
    pairs: list[tuple[Part, Part]] = []
    # what has its rows in the same way; and of several that do, what is in the same place
    for told in (_way, _way_and_id):
        found = [(a, b) for a, b in _pairs(old, new, told) if a in old and b in new]
        pairs += found
        old = [p for p in old if all(p is not a for a, _ in found)]
        new = [p for p in new if all(p is not b for _, b in found)]
    return pairs, old, new


def _way(part: Part) -> Hashable:
    return part.way


def _way_and_id(part: Part) -> Hashable:
    return part.way, part.id


def _pairs(old: list[Part], new: list[Part], told: Callable[[Part], Hashable]) -> Iterator[tuple[Part, Part]]:
    """Parts that are the only one on each side of which the same is told."""
    mine, theirs = _by(old, told), _by(new, told)
    for key, parts in mine.items():
        if len(parts) == 1 == len(theirs.get(key, ())):
            yield parts[0], theirs[key][0]


def _by(parts: Iterable[Part], told: Callable[[Part], Hashable]) -> dict[Hashable, list[Part]]:
    found: dict[Hashable, list[Part]] = defaultdict(list)
    for part in parts:
        found[told(part)].append(part)
    return found


class _Parts:
    """The parts of a job by what they are."""

    def __init__(self, job: JobShape) -> None:
        self._stages = {stage.id: stage for stage in job.stages}
        self._lineages: dict[str, Hashable] = {}
        self._ways: dict[str, Hashable] = {}

    @cached_property
    def by_key(self) -> Mapping[Hashable, list[Part]]:
        found: dict[Hashable, list[Part]] = defaultdict(list)
        for stage in self._stages.values():
            if stage.source is not None:
                key: Hashable = ("source", stage.source)
                found[key].append(Part("source", stage.id, stage.id, _read(stage), self._way(stage.id)))
            lineage, way = self._below(stage), self._way(stage.id)
            for step in stage.steps:
                if step.states:
                    lineage = _after(lineage, step)
                    found["state", lineage].append(
                        Part("state", step.id, stage.id, step.text, (way, step.text), step.columns)
                    )
            if stage.sink is not None:
                name, text = stage.sink
                found["sink", text].append(Part("sink", name, stage.id, text, way))
        return found

    def _below(self, stage: StageShape) -> Hashable:
        """Where the rows of a stage come from."""
        if stage.source is not None:
            return ("source", stage.source)
        if [i.output for i in stage.inputs] == [MAIN]:
            return self._lineage(stage.inputs[0].stage)
        # inputs of one port are told apart by where they come from, not by the planner's names
        return tuple(sorted(((i.port, i.output, self._lineage(i.stage)) for i in stage.inputs), key=repr))

    def _way(self, id: str) -> Hashable:
        """All that happens to rows until they leave a stage."""
        if id not in self._ways:
            stage = self._stages[id]
            inputs = ((i.port, i.output, i.exchange, self._way(i.stage)) for i in stage.inputs)
            self._ways[id] = stage.contents, tuple(sorted(inputs, key=repr))
        return self._ways[id]

    def _lineage(self, id: str) -> Hashable:
        """Where the rows that leave a stage come from; steps without state are looked through."""
        if id not in self._lineages:
            stage = self._stages[id]
            lineage = self._below(stage)
            for step in stage.steps:
                lineage = _after(lineage, step) if step.states else lineage
            self._lineages[id] = lineage
        return self._lineages[id]


def _after(lineage: Hashable, step: StepShape) -> Hashable:
    return ("step", step.kind, step.text, step.states, lineage)


def _read(stage: StageShape) -> str:
    """What a source stage reads; which columns, and what it is told of rows, may change."""
    times = [line for line in stage.contents if line.startswith("watermark")]
    return ", ".join([stage.source or "", *times])
