"""Let a program take over a checkpoint: its own, or, if the user wants that, one of another program.

Not here: what belongs to what (job/upgrade.py), where the checkpoint is (checkpoints.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from thalweg.checkpoint.manifest import Manifest, StateEntry
from thalweg.errors import CheckpointError, did_you_mean
from thalweg.job.changed_columns import ChangedColumn
from thalweg.job.shape import Program, shape_of
from thalweg.job.upgrade import Part, Upgrade, upgrade


@dataclass(frozen=True)
class TakenOver:
    """A checkpoint as a program goes on from it.

    Attributes:
        manifest: with the names that the program has for its steps, sources and sinks.
        sinks: the ids of sinks, each with the one that the checkpoint has for it.
        lines: what became of each part; none if the program is the same.
    """

    manifest: Manifest
    sinks: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Whether it is a checkpoint of another program."""
        return bool(self.lines)


def taken_over(
    manifest: Manifest, program: Program, dropping: Collection[str] | None, where: str
) -> TakenOver:
    """A checkpoint for a program.

    Args:
        manifest: the checkpoint.
        program: what goes on from it.
        dropping: steps whose state the user wants to lose; None: the program must be the same.
        where: the checkpoint's name, for messages.

    Raises:
        CheckpointError: `checkpoint-other-program`, `upgrade-ambiguous`, `upgrade-drops-state` or
            `upgrade-unknown-step`.
    """
    if manifest.program == program.fingerprint and not dropping:
        return TakenOver(manifest)
    if dropping is None or manifest.has_ended:
        raise _is_other(manifest, where)
    found = planned(manifest, program, dropping, where)
    _check(found, manifest, dropping, where)
    return TakenOver(
        _renamed(manifest, found),
        {after.id: before.id for before, after in found.carried if before.kind == "sink"},
        tuple(found.lines()),
    )


def planned(manifest: Manifest, program: Program, dropping: Collection[str], where: str) -> Upgrade:
    """What a program takes over from a checkpoint, whether or not that is allowed.

    Raises:
        CheckpointError: `upgrade-unknown-step`.
    """
    before = shape_of(manifest.physical)
    known = {name for stage in before.stages for name in (stage.id, *(step.id for step in stage.steps))}
    known |= {f"{s.id}.{c.name}" for stage in before.stages for s in stage.steps for c in s.columns}
    known |= {stage.sink[0] for stage in before.stages if stage.sink is not None}
    for name in dropping:
        if name not in known:
            raise CheckpointError(
                f'the checkpoint has no step "{name}"',
                code="upgrade-unknown-step",
                where=where,
                choices=sorted(known),
                hint=did_you_mean(name, sorted(known)),
            )
    return upgrade(before, program.shape).dropping(dropping)


def lost(found: Upgrade, manifest: Manifest, dropping: Collection[str]) -> list[Part]:
    """What the checkpoint holds, and would be lost without the user having said so."""
    carried = {(before.kind, before.id) for before, _ in found.carried}
    parts = {(part.kind, part.id): part for part in found.dropped}
    held = [("state", entry.operator, entry.stage) for entry in manifest.states if entry.rows]
    held += [("source", split["stage"], split["stage"]) for split in manifest.splits]
    held += [("sink", sink, sink) for sink, staged in manifest.staged.items() if staged]
    every = (
        parts.get((kind, name)) or Part(kind, name, stage, "") for kind, name, stage in dict.fromkeys(held)
    )
    gone = [_column(after, column) for _, after in found.carried for column in _gone(found, after)]
    return [
        p for p in (*(p for p in every if (p.kind, p.id) not in carried), *gone) if not p.is_named(dropping)
    ]


def _gone(found: Upgrade, part: Part) -> list[ChangedColumn]:
    """The columns of the state of a step that the program does not have any more."""
    return [c for c in found.columns.get(part.id, ()) if part.kind == "state" and c.fate == "gone"]


def _column(part: Part, column: ChangedColumn) -> Part:
    return Part("state", f"{part.id}.{column.name}", part.stage, column.why)


def _check(found: Upgrade, manifest: Manifest, dropping: Collection[str], where: str) -> None:
    if found.ambiguous:
        raise CheckpointError(
            "nothing tells which state of the checkpoint belongs to which step of the changed program",
            code="upgrade-ambiguous",
            where=where,
            found="; ".join(" | ".join(map(str, parts)) for parts in found.ambiguous),
            hint="change one of these steps at a time, or give up their state with --drop-state STEP",
        )
    refused = [f"{s}.{c.name}: {c.why}" for s, cs in found.columns.items() for c in cs if c.fate == "refused"]
    if refused:
        raise CheckpointError(
            "the checkpoint keeps state as another type than the changed program",
            code="upgrade-state-type",
            where=where,
            found="; ".join(refused),
            hint="name: type = keep(…, migrate=function) says how to change a value; nothing was changed",
        )
    parts = lost(found, manifest, dropping)
    if parts:
        raise CheckpointError(
            "the changed program has no place for what the checkpoint holds",
            code="upgrade-drops-state",
            where=where,
            found="; ".join(map(str, parts)),
            hint=f"to lose it: {' '.join(f'--drop-state {part.id}' for part in parts)}; nothing was changed",
        )


def _entry(entry: StateEntry, found: Upgrade, after: Part) -> StateEntry:
    changed = (c for c in found.columns.get(after.id, ()) if c.state == entry.state)
    migrating = frozenset(c.name for c in changed if c.fate == "function")
    return replace(entry, stage=after.stage, operator=after.id, migrating=migrating)


def _renamed(manifest: Manifest, found: Upgrade) -> Manifest:
    steps = {before.id: after for before, after in found.carried if before.kind == "state"}
    sources = {before.id: after.id for before, after in found.carried if before.kind == "source"}
    sinks = {before.id: after.id for before, after in found.carried if before.kind == "sink"}
    return replace(
        manifest,
        states=tuple(
            _entry(entry, found, steps[entry.operator])
            for entry in manifest.states
            if entry.operator in steps
        ),
        splits=tuple(
            {**split, "stage": sources[split["stage"]]}
            for split in manifest.splits
            if split["stage"] in sources
        ),
        staged={sinks[sink]: parts for sink, parts in manifest.staged.items() if sink in sinks},
    )


def _is_other(manifest: Manifest, where: str) -> CheckpointError:
    ways = "--fresh starts the changed program without state, and deletes nothing"
    if not manifest.has_ended:
        ways = (
            "thalweg check --against CHECKPOINT says what the changed program can take over, "
            f"and thalweg run --upgrade does it; {ways}"
        )
    return CheckpointError(
        "the checkpoint is of another program: its steps are not those of the job",
        code="checkpoint-other-program",
        where=where,
        expected=f"the program that wrote it, with Thalweg {manifest.engine}",
        hint=ways,
    )
