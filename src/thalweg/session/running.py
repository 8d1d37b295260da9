"""Know the jobs that a session runs at the moment, and ask them what they wait for and how they are.

Reads:    the tasks of runs, from other threads than theirs.
Changes:  nothing in the runs.
Not here: asking jobs of other processes (control/).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from thalweg.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from thalweg.protocols.metrics import Metrics
    from thalweg.session.handle import JobHandle

_ATTEMPTS, _PAUSE = 5, 0.001


class Running:
    """The runs of one session that have begun and not ended."""

    def __init__(self) -> None:
        self._runs: list[JobHandle] = []

    @contextmanager
    def watch(self, run: JobHandle) -> Iterator[None]:
        """The run can be asked in here."""
        self._runs.append(run)
        try:
            yield
        finally:
            self._runs.remove(run)

    def handle(self, job: str | None) -> JobHandle:
        """One of them.

        Raises:
            ConfigError: `job-unknown`.
        """
        runs = [run for run in self._runs if job in (None, run.name)]
        if len(runs) == 1:
            return runs[0]
        names = [run.name for run in self._runs]
        said = "no job" if not names else "several jobs" if job is None else f'no job "{job}"'
        raise ConfigError(
            f"this session runs {said} now",
            code="job-unknown",
            choices=names or None,
            hint=None if job is None else did_you_mean(job, names),
        )

    def why(self, job: str | None) -> list[tuple[str, str]]:
        """What the tasks of one job, or of all, wait for.

        Raises:
            ConfigError: `job-unknown`.
        """
        return [pair for run in self._found(job) for pair in waits_of(run)]

    def metrics(self, job: str | None) -> list[Metrics]:
        """The figures of one job, or of all.

        Raises:
            ConfigError: `job-unknown`.
        """
        return [run.figures for run in self._found(job)]

    def _found(self, job: str | None) -> list[JobHandle]:
        runs = list(self._runs)
        names = [run.job.name for run in runs]
        if job is not None and job not in names:
            raise ConfigError(
                f'this session runs no job "{job}" now',
                code="job-unknown",
                choices=names or None,
                hint=did_you_mean(job, names),
            )
        return [run for run in runs if job in (None, run.job.name)]


def waits_of(run: JobHandle) -> list[tuple[str, str]]:
    """What each task waits for; a task may change while it is looked at, then we look again."""
    for _ in range(_ATTEMPTS):
        try:
            return run.why()
        except RuntimeError:
            time.sleep(_PAUSE)
    return []
