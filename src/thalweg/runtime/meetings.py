"""Find the sources of a job whose rows meet, and let those know of each other."""

from __future__ import annotations

from collections.abc import Mapping

from thalweg.job.job import Job
from thalweg.runtime.owner import SharedMeeting, SharedOwner


def join_meetings(job: Job, owners: Mapping[str, SharedOwner]) -> None:
    """Let sources with event time that reach a common stage, or meet others that do, share a meeting."""
    for group in meetings(job):
        if len(group) > 1:
            SharedMeeting([owners[stage] for stage in group]).join()


def meetings(job: Job) -> list[list[str]]:
    """The source stages with event time, those together whose rows meet."""
    groups: list[tuple[list[str], set[str]]] = []
    for stage in job.stages:
        if stage.scan is None or stage.scan.time is None:
            continue
        together, reached = [stage.id], _reached(job, stage.id)
        apart = []
        for others, theirs in groups:
            if theirs & reached:
                together, reached = [*others, *together], reached | theirs
            else:
                apart.append((others, theirs))
        groups = [*apart, (together, reached)]
    return [stages for stages, _ in groups]


def _reached(job: Job, stage: str) -> set[str]:
    """The stages that get rows from a stage, directly or not."""
    found: set[str] = set()
    waiting = [stage]
    while waiting:
        targets = {e.target for e in job.outputs_of(waiting.pop())} - found
        found |= targets
        waiting += targets
    return found
