"""Find the sources of a job whose rows meet, and let those know of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from thalweg.job.job import Job
from thalweg.runtime.owner import SharedMeeting, SharedOwner


def join_meetings(job: Job, owners: Mapping[str, SharedOwner]) -> None:
    """Let sources with event time that reach a common stage, or meet others that do, share a meeting."""
    for group in meetings(job):
        if len(group) > 1:
            SharedMeeting([owners[stage] for stage in group]).join()


def meetings(job: Job) -> list[list[str]]:
    """The source stages with a time, those together whose rows meet; event time does not follow a clock."""
    found = [
        (s.id, s.scan.stamp == "clock") for s in job.stages if s.scan is not None and s.scan.time is not None
    ]
    return [
        g for kind in (False, True) for g in _groups(job, [i for i, has_clock in found if has_clock is kind])
    ]


def _groups(job: Job, stages: Sequence[str]) -> list[list[str]]:
    groups: list[tuple[list[str], set[str]]] = []
    for stage in stages:
        together, reached = [stage], _reached(job, stage)
        apart = []
        for others, theirs in groups:
            if theirs & reached:
                together, reached = [*others, *together], reached | theirs
            else:
                apart.append((others, theirs))
        groups = [*apart, (together, reached)]
    return [together for together, _ in groups]


def _reached(job: Job, stage: str) -> set[str]:
    """The stages that get rows from a stage, directly or not."""
    found: set[str] = set()
    waiting = [stage]
    while waiting:
        targets = {e.target for e in job.outputs_of(waiting.pop())} - found
        found |= targets
        waiting += targets
    return found
