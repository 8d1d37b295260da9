"""Name the options of restarts, as Flink does, and make a strategy of them.

Not here: what a strategy decides (job/restart.py), the other options (settings.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from thalweg.base.durations import microseconds
from thalweg.errors import ConfigError
from thalweg.job.restart import ExponentialDelay, FailureRate, FixedDelay, NoRestart, RestartStrategy

TYPE = "restart-strategy.type"
_FIXED, _RATE = "restart-strategy.fixed-delay.", "restart-strategy.failure-rate."
_EXPONENTIAL = "restart-strategy.exponential-delay."
_SPELLINGS = {
    "none": ("none", "off", "disable", "false"),
    "fixed-delay": ("fixed-delay", "fixeddelay"),
    "exponential-delay": ("exponential-delay", "exponentialdelay"),
    "failure-rate": ("failure-rate", "failurerate"),
}


class RestartOption(NamedTuple):
    """One option: its name, how its text is read, its default, and what it means."""

    name: str
    parse: Callable[[str], Any]  # the option's own type
    default: str | None
    doc: str


def _type(text: str) -> str:
    for name, spellings in _SPELLINGS.items():
        if text.strip().lower() in spellings:
            return name
    raise ValueError(f"one of {', '.join(_SPELLINGS)}")


def _times(text: str) -> int:
    if not text.strip().isdecimal():
        raise ValueError("a whole number from 0 up")
    return int(text)


def _times_or_infinite(text: str) -> int | None:
    if text.strip().lower() == "infinite":
        return None
    try:
        return _times(text)
    except ValueError:
        raise ValueError("a whole number from 0 up, or infinite") from None


def _seconds(text: str) -> float:
    # Flink writes "5 s", "100ms" and plain milliseconds
    return int(text) / 1000 if text.strip().isdecimal() else microseconds(text) / 1e6


def _some_seconds(text: str) -> float:
    seconds = _seconds(text)
    if seconds <= 0:
        raise ValueError("more than no time")
    return seconds


def _factor(text: str) -> float:
    if not _number(text) > 1:
        raise ValueError("a number above 1")
    return float(text)


def _part(text: str) -> float:
    if not 0 <= _number(text) <= 1:
        raise ValueError("a number from 0 to 1")
    return float(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


RESTART_OPTIONS = (
    RestartOption(
        TYPE,
        _type,
        None,
        "whether a job with checkpoints that has failed goes on by itself: none, fixed-delay, failure-rate, "
        "or exponential-delay (the default)",
    ),
    RestartOption(f"{_FIXED}attempts", _times, "1", "how often a job is restarted before it fails"),
    RestartOption(f"{_FIXED}delay", _seconds, "1 s", "the time before a restart"),
    RestartOption(
        f"{_EXPONENTIAL}initial-backoff", _some_seconds, "1 s", "the time before the first restart"
    ),
    RestartOption(f"{_EXPONENTIAL}max-backoff", _some_seconds, "1 min", "the longest time before a restart"),
    RestartOption(f"{_EXPONENTIAL}backoff-multiplier", _factor, "1.5", "by how much each time is longer"),
    RestartOption(
        f"{_EXPONENTIAL}reset-backoff-threshold",
        _some_seconds,
        "1 h",
        "how long a job must have run for the next failure to be a first one",
    ),
    RestartOption(
        f"{_EXPONENTIAL}jitter-factor",
        _part,
        "0.1",
        "which part of itself a time is longer or shorter at random",
    ),
    RestartOption(
        f"{_EXPONENTIAL}attempts-before-reset-backoff",
        _times_or_infinite,
        "infinite",
        "how often a job is restarted before it fails, if it never runs for long",
    ),
    RestartOption(
        f"{_RATE}max-failures-per-interval", _times, "1", "how often a job is restarted within an interval"
    ),
    RestartOption(f"{_RATE}failure-rate-interval", _some_seconds, "1 min", "that interval"),
    RestartOption(f"{_RATE}delay", _seconds, "1 s", "the time before a restart"),
)


def restart_strategy(get: Callable[[str], Any]) -> RestartStrategy:
    """The strategy that the options say; without a word, that of Flink for jobs with checkpoints.

    Args:
        get: gives the value of an option.

    Raises:
        ConfigError: two options contradict each other.
    """
    kind = get(TYPE) or "exponential-delay"
    if kind == "none":
        return NoRestart()
    if kind == "fixed-delay":
        return FixedDelay(get(f"{_FIXED}attempts"), get(f"{_FIXED}delay"))
    if kind == "failure-rate":
        return FailureRate(
            get(f"{_RATE}max-failures-per-interval"),
            get(f"{_RATE}failure-rate-interval"),
            get(f"{_RATE}delay"),
        )
    first, longest = get(f"{_EXPONENTIAL}initial-backoff"), get(f"{_EXPONENTIAL}max-backoff")
    if first > longest:
        raise ConfigError(
            f'"{_EXPONENTIAL}initial-backoff" is longer than "{_EXPONENTIAL}max-backoff"',
            code="config-value",
            found=f"{first:g} s and {longest:g} s",
        )
    return ExponentialDelay(
        first,
        longest,
        get(f"{_EXPONENTIAL}backoff-multiplier"),
        get(f"{_EXPONENTIAL}reset-backoff-threshold"),
        get(f"{_EXPONENTIAL}jitter-factor"),
        get(f"{_EXPONENTIAL}attempts-before-reset-backoff"),
    )
