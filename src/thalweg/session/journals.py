"""Give the sources of a job that keep a journal one, in the job's directory of checkpoints.

Not here: what a journal is (checkpoint/journal.py), how it is read (connectors/journaled.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

from thalweg.checkpoint.addresses import is_remote
from thalweg.checkpoint.history import History
from thalweg.checkpoint.journal import Journal
from thalweg.connectors.journaled import JournaledSource
from thalweg.errors import ConfigError, PlanError, ThalwegError
from thalweg.job.job import Job, ScanSpec, Stage
from thalweg.plan.nodes import Plan, Scan
from thalweg.protocols.sink import Epoch
from thalweg.protocols.source import Split


class Journals:
    """The journals of one run.

    Args:
        history: the checkpoints of the job.
        epoch: its lineage, and the number of the run.
    """

    def __init__(self, history: History, epoch: Epoch) -> None:
        self._history, self._epoch = history, epoch
        self._open: dict[tuple[str, str], Journal] = {}
        self._lock = threading.Lock()

    def kept(self, job: Job) -> Job:
        """The job, whose sources write down what they give where that is wanted."""
        return replace(job, stages=tuple(map(self._stage, job.stages)))

    def _stage(self, stage: Stage) -> Stage:
        scan = stage.scan
        if scan is None or not scan.has_journal or scan.source.replay == "exact":
            return stage
        return replace(stage, scan=replace(scan, source=self._source(scan)))

    def _source(self, scan: ScanSpec) -> JournaledSource:
        return JournaledSource(scan.source, lambda split: self._journal(scan.id, split), self._epoch.lineage)

    def _journal(self, stage: str, split: Split) -> Journal:
        # a split's id may be any text
        name = hashlib.sha256(split.id.encode()).hexdigest()[:16]
        journal = Journal(self._history.where(os.path.join("journal", stage, name)), self._epoch.fence)
        with self._lock:
            self._open[stage, split.id] = journal
        return journal

    def prune(self) -> None:
        """Remove what no checkpoint goes on from; where that fails, it stays until the next one."""
        with self._lock:
            journals = dict(self._open)
        if journals:
            with contextlib.suppress(ThalwegError):
                self._prune(journals)

    def _prune(self, journals: dict[tuple[str, str], Journal]) -> None:
        places = [p for lineage in self._history.lineages() for p in self._history.places(lineage)]
        needed: dict[tuple[str, str], int] = {}
        for place in places:
            for held in self._history.manifest(place).splits:
                record = held["data"].get("position", {}).get("record", 0)
                key = held["stage"], held["split"]
                needed[key] = min(record, needed.get(key, record))
        for key, journal in journals.items():
            journal.prune(needed.get(key, 0))


def keeps_journal(plans: Sequence[Plan]) -> bool:
    """Whether a source of the plans is to write down what it gives."""
    return any(scan.source.replay != "exact" for scan in _scans(plans))


def check_journals(plans: Sequence[Plan], mode: str, *, directory: str | None) -> None:
    """Refuse a job that is to keep a journal and cannot.

    Raises:
        ConfigError: `journal-no-directory`, `journal-in-objects`.
        PlanError: `plan-journal-batch`.
    """
    found = next((s for s in _scans(plans) if s.source.replay != "exact"), None)
    if found is None:
        return
    if directory is not None and is_remote(directory):
        raise ConfigError(
            f"a journal of {found.source.describe()} is a file that grows, which no object does",
            code="journal-in-objects",
            where=directory,
            hint="keep the checkpoints of this job in a directory of this machine",
        )
    if directory is None:
        raise ConfigError(
            f"a journal of {found.source.describe()} needs a directory of checkpoints",
            code="journal-no-directory",
            hint="Session(checkpoint_dir=…), --checkpoint-dir, or SET 'execution.checkpointing.dir'",
        )
    if mode == "batch":
        raise PlanError(
            f"a batch keeps no journal of {found.source.describe()}: it begins anew after a crash",
            code="plan-journal-batch",
            where=found.span or found.place,
            hint='mode="stream" keeps one',
        )


def _scans(plans: Sequence[Plan]) -> Iterator[Scan]:
    for plan in plans:
        if isinstance(plan, Scan) and plan.has_journal:
            yield plan
        yield from _scans(plan.inputs)
