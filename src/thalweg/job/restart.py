"""Decide whether a job that failed is run again, and after how long.

The strategies are Flink's, with its defaults. Each is a small state machine: it is told when a failure came,
and answers with a number of seconds, or with None for "no more".

Pure: the caller brings the time, from a steady clock, and the chance.

Not here: running the job again (session/attempts.py), the options (session/restart_options.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from thalweg.errors import (
    CheckpointError,
    DataError,
    ExternalError,
    InternalError,
    Retry,
    ThalwegError,
    UserError,
)


class RestartStrategy(Protocol):
    """Says after each failure how long to wait."""

    def delay(self, now: float, chance: float) -> float | None:
        """Seconds from a failure to the restart; None: the job has failed for good.

        Args:
            now: when the failure came, in seconds of any steady clock.
            chance: a random number from 0 to 1, for strategies that must not restart many jobs at once.
        """
        ...

    @property
    def limit(self) -> str:
        """How often it restarts a job at most, for messages; empty without a limit."""
        ...


@dataclass
class NoRestart:
    """See `RestartStrategy`: the first failure is the last.

    Example:
        >>> NoRestart().delay(0.0, 0.5) is None
        True
    """

    limit: str = ""

    def delay(self, now: float, chance: float) -> float | None:
        """Never again."""
        return None


@dataclass
class FixedDelay:
    """See `RestartStrategy`: some restarts in all, with the same pause before each.

    Example:
        >>> strategy = FixedDelay(attempts=2, seconds=3.0)
        >>> [strategy.delay(t, 0.5) for t in (0.0, 10.0, 1000.0)]
        [3.0, 3.0, None]
    """

    attempts: int = 1
    seconds: float = 1.0
    _count: int = field(default=0, init=False)

    def delay(self, now: float, chance: float) -> float | None:
        """The pause, as often as there are attempts."""
        self._count += 1
        return self.seconds if self._count <= self.attempts else None

    @property
    def limit(self) -> str:
        return f" of {self.attempts}"


@dataclass
class FailureRate:
    """See `RestartStrategy`: so many restarts in any interval.

    Example:
        >>> strategy = FailureRate(failures_max=2, interval=60.0, seconds=1.0)
        >>> [strategy.delay(t, 0.5) for t in (0.0, 30.0, 61.0, 62.0)]
        [1.0, 1.0, 1.0, None]
    """

    failures_max: int = 1
    interval: float = 60.0
    seconds: float = 1.0
    limit: str = field(default="", init=False)
    _times: list[float] = field(default_factory=list, init=False)

    def delay(self, now: float, chance: float) -> float | None:
        """The pause, unless too many failures came within the interval before."""
        self._times = [t for t in self._times if now - t <= self.interval] + [now]
        return self.seconds if len(self._times) <= self.failures_max else None


@dataclass
class ExponentialDelay:
    """See `RestartStrategy`: a pause that grows from failure to failure, and is short again after a long run.

    Attributes:
        initial, longest: the first pause, and the longest one, in seconds.
        multiplier: by how much each is longer than the one before.
        reset_after: for how many seconds a job must have run for the next failure to be a first one.
        jitter: by which part of itself a pause is longer or shorter at random.
        attempts: how many restarts there are between two first ones; None: any number.

    Example:
        >>> strategy = ExponentialDelay(longest=5.0, multiplier=2.0, jitter=0.0, reset_after=60.0)
        >>> [strategy.delay(t, 0.5) for t in (0.0, 2.0, 5.0, 10.0, 75.0)]
        [1.0, 2.0, 4.0, 5.0, 1.0]
    """

    initial: float = 1.0
    longest: float = 60.0
    multiplier: float = 1.5
    reset_after: float = 3600.0
    jitter: float = 0.1
    attempts: int | None = None
    _pause: float = field(default=0.0, init=False)
    _restarted: float | None = field(default=None, init=False)
    _count: int = field(default=0, init=False)

    def delay(self, now: float, chance: float) -> float | None:
        """The next pause."""
        if self._restarted is None or now - self._restarted >= self.reset_after:
            self._pause, self._count = self.initial, 1
        else:
            self._pause, self._count = min(self._pause * self.multiplier, self.longest), self._count + 1
        if self.attempts is not None and self._count > self.attempts:
            return None
        found = min(self._pause * (1 + self.jitter * (2 * chance - 1)), self.longest)
        self._restarted = now + found
        return found

    @property
    def limit(self) -> str:
        return "" if self.attempts is None else f" of {self.attempts}"


class Restarts:
    """The failures of one job, and what follows from each.

    Some failures no restart cures, whatever the strategy: a program, an option or a checkpoint that is
    wrong, a defect of the engine, and a row that cannot be processed. Where a function of the user's has
    raised, the same row may pass the next time; if it fails with the same words and the job has come no
    further, it won't. A function that could not reach something outside (`OSError`) is tried again like a
    sink that could not.

    Attributes:
        count: how many restarts there were.
    """

    def __init__(self, strategy: RestartStrategy) -> None:
        self._strategy = strategy
        self._last: tuple[str, object] | None = None
        self.count = 0

    def after(self, error: BaseException, *, reached: object, now: float, chance: float) -> float | None:
        """Seconds until the job is run again; None: it has failed.

        Args:
            error: what it failed with.
            reached: its newest checkpoint.
            now: a steady clock.
            chance: a random number from 0 to 1.
        """
        if not may_pass(error) or self._is_same(error, reached):
            return None
        found = self._strategy.delay(now, chance)
        self.count += found is not None
        return found

    @property
    def which(self) -> str:
        """The number of the last restart, and how many there may be.

        Example:
            >>> restarts = Restarts(FixedDelay(attempts=3))
            >>> restarts.after(OSError("gone"), reached=None, now=0.0, chance=0.5), restarts.which
            (1.0, '1 of 3')
        """
        return f"{self.count}{self._strategy.limit}"

    def _is_same(self, error: BaseException, reached: object) -> bool:
        """Whether a function of the user's failed as it did the last time."""
        if not any(isinstance(e, DataError) and not isinstance(_raised(e), OSError) for e in flat(error)):
            self._last = None
            return False
        last, self._last = self._last, (str(error), reached)
        return last == self._last


def may_pass(error: BaseException) -> bool:
    """Whether the same job may get past the error when it is run again.

    Example:
        >>> from thalweg.errors import ConfigError
        >>> may_pass(OSError("disk gone")), may_pass(ConfigError("no such option", code="config-value"))
        (True, False)
    """
    return all(_may_pass(e) for e in flat(error))


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, (UserError, CheckpointError, InternalError)):
        return False
    if isinstance(error, ExternalError):
        return error.retry_kind is not Retry.NEVER
    if isinstance(error, DataError):
        # any other row that cannot be processed stays as it is
        return error.code == "data-python-function"
    return isinstance(error, Exception)


def _raised(error: BaseException) -> BaseException | None:
    """What a function of the user's raised."""
    cause = error.__cause__
    return _raised(cause) if isinstance(cause, ThalwegError) else cause


def flat(error: BaseException) -> Iterator[BaseException]:
    """The errors of several tasks one by one."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from flat(inner)
    else:
        yield error
