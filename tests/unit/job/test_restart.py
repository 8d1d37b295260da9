"""What follows from a failure: which errors pass, and how long each strategy waits."""

from __future__ import annotations

import pytest

from thalweg.errors import (
    CheckpointError,
    ConfigError,
    ConnectorError,
    DataError,
    InternalError,
    PlanError,
    Retry,
    StoreError,
)
from thalweg.job.restart import (
    ExponentialDelay,
    FailureRate,
    FixedDelay,
    NoRestart,
    Restarts,
    RestartStrategy,
    may_pass,
)


def delays(strategy: RestartStrategy, times: list[float], chance: float = 0.5) -> list[float | None]:
    return [strategy.delay(time, chance) for time in times]


def of_function(cause: Exception, row: int = 1) -> DataError:
    """What a function of the user's that raised becomes."""
    inner = DataError(f"the function raised {cause}", code="data-python-function", found=f"n = {row}")
    inner.__cause__ = cause
    located = DataError(inner.message, code=inner.code, found=inner.found, split="a", offset=row)
    located.__cause__ = inner
    return located


def test_without_a_strategy_there_is_no_restart() -> None:
    assert delays(NoRestart(), [0.0]) == [None]


def test_a_fixed_number_of_restarts_in_all() -> None:
    assert delays(FixedDelay(attempts=2, seconds=7.0), [0.0, 1e6, 2e6]) == [7.0, 7.0, None]
    assert delays(FixedDelay(attempts=0), [0.0]) == [None]


def test_a_rate_of_failures_is_allowed_for_ever() -> None:
    rate = FailureRate(failures_max=2, interval=10.0, seconds=1.0)
    assert delays(rate, [t * 6.0 for t in range(50)]) == [1.0] * 50
    assert delays(FailureRate(failures_max=2, interval=10.0), [0.0, 4.0, 10.0]) == [1.0, 1.0, None]
    assert delays(FailureRate(failures_max=2, interval=10.0), [0.0, 4.0, 10.1]) == [1.0, 1.0, 1.0]


def test_pauses_grow_up_to_the_longest_and_are_short_again_after_a_long_run() -> None:
    strategy = ExponentialDelay(initial=1.0, longest=10.0, multiplier=3.0, reset_after=100.0, jitter=0.0)
    # each failure right after its restart
    assert delays(strategy, [0.0, 1.0, 4.0, 13.0, 23.0]) == [1.0, 3.0, 9.0, 10.0, 10.0]
    # restarted at 33: 99 seconds later is too early to forget
    assert delays(strategy, [132.0]) == [10.0]
    assert delays(strategy, [242.0]) == [1.0]


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 3.0), (0.5, 4.0), (1.0, 5.0)])
def test_chance_moves_a_pause_by_a_part_of_itself(chance: float, expected: float) -> None:
    assert delays(ExponentialDelay(initial=4.0, jitter=0.25), [0.0], chance) == [expected]


def test_chance_makes_no_pause_longer_than_the_longest() -> None:
    assert delays(ExponentialDelay(initial=4.0, longest=4.0, jitter=0.5), [0.0], 1.0) == [4.0]


def test_a_number_of_attempts_counts_from_the_last_long_run() -> None:
    strategy = ExponentialDelay(initial=1.0, multiplier=2.0, reset_after=50.0, jitter=0.0, attempts=2)
    assert delays(strategy, [0.0, 2.0, 104.0, 106.0, 109.0]) == [1.0, 2.0, 1.0, 2.0, None]
    assert ExponentialDelay(attempts=2).limit == " of 2"
    assert ExponentialDelay().limit == ""


def test_defaults_are_those_of_flink() -> None:
    found = ExponentialDelay()
    assert (found.initial, found.longest, found.multiplier, found.reset_after) == (1.0, 60.0, 1.5, 3600.0)
    assert (found.jitter, found.attempts) == (0.1, None)
    assert (FixedDelay().attempts, FixedDelay().seconds) == (1, 1.0)
    assert (FailureRate().failures_max, FailureRate().interval, FailureRate().seconds) == (1, 60.0, 1.0)


class Lost(ConnectorError):
    retry_kind = Retry.NEVER


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (OSError("no route"), True),
        (RuntimeError("anything of a callback"), True),
        (ConnectorError("full", code="sink-cannot-write"), True),
        (StoreError("full", code="store-failed"), True),
        (of_function(ValueError("odd")), True),
        (Lost("gone", code="source-gone"), False),
        (DataError("no number", code="data-csv"), False),
        (CheckpointError("overtaken", code="checkpoint-overtaken"), False),
        (ConfigError("taken", code="job-already-running"), False),
        (PlanError("read once", code="source-read-once"), False),
        (InternalError("odd", code="internal"), False),
        (KeyboardInterrupt(), False),
        (ExceptionGroup("two", [OSError("a"), RuntimeError("b")]), True),
        (ExceptionGroup("two", [OSError("a"), DataError("b", code="data-csv")]), False),
    ],
)
def test_which_errors_may_pass(error: BaseException, passes: bool) -> None:
    assert may_pass(error) is passes


def test_a_function_that_fails_again_in_the_same_way_is_not_tried_a_third_time() -> None:
    def after(error: Exception, reached: int) -> float | None:
        return restarts.after(error, reached=reached, now=0.0, chance=0.5)

    restarts = Restarts(FixedDelay(attempts=100))
    odd = of_function(ValueError("odd"))
    assert after(odd, 3) == 1.0
    assert after(of_function(ValueError("odd"), row=2), 3) == 1.0, "another row"
    assert after(odd, 3) == 1.0
    assert after(odd, 4) == 1.0, "the job has come further"
    assert after(OSError("disk"), 4) == 1.0
    assert after(odd, 4) == 1.0, "something else came between"
    assert (restarts.count, restarts.which) == (6, "6 of 100")
    assert after(odd, 4) is None
    assert restarts.count == 6


def test_a_function_that_cannot_reach_something_is_tried_as_often_as_the_strategy_says() -> None:
    restarts = Restarts(FixedDelay(attempts=3))
    error = of_function(ConnectionError("refused"))
    found = [restarts.after(error, reached=1, now=0.0, chance=0.5) for _ in range(4)]
    assert found == [1.0, 1.0, 1.0, None]
