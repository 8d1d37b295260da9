"""Say in one line what each task waits for: rows, answers, event time and what holds it back, room, a sink.

Reads:    the tasks of a run, from another thread than theirs; they may change meanwhile, and then reading
          them raises RuntimeError: whoever asks looks again.
Changes:  nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from thalweg.runtime.edge import Channel
from thalweg.runtime.source_task import SourceTask
from thalweg.runtime.task import Task

_SHOWN_MAX = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def explain_waits(tasks: Sequence[Task]) -> list[tuple[str, str]]:
    """For every task what it waits for, the last one first."""
    producers = {c: t for t in tasks for o in t.outputs for c in o.channels}
    return [(t.name, _why(t, producers)) for t in reversed(tasks)]


def _why(task: Task, producers: Mapping[Channel, Task]) -> str:
    """The first thing that keeps the task from going on."""
    full = [c.name for o in task.outputs for c in o.channels if c.is_full]
    behind = [i.channel.name for i in task.inputs if not i.aligned and not i.ended]
    if task.state == "finished":
        return "finished"
    if task.writes_to is not None:
        return f"waits for the sink {task.writes_to}"
    if full:
        return f"waits for room on the edge {full[0]}"
    if task.is_paused or task.chain.is_full:
        return f"waits for {_answers(task)}{_event_time(task, producers)}"
    if task.is_working:
        return "computes"
    if behind and any(i.aligned for i in task.inputs):
        return f"waits for a barrier from {behind[0]}"
    answers = f", and for {_answers(task)}" if task.chain.is_asking else ""
    return f"{_input(task)}{answers}{_event_time(task, producers)}"


def _answers(task: Task) -> str:
    """The rows without an answer from outside, by operator."""
    return _listed(
        [f"answers to {n} row{'s'[: n != 1]} ({name})" for name, n in task.chain.asked().items() if n]
    )


def _input(task: Task) -> str:
    """The rows that a task waits for."""
    if task.is_declining:
        first = next(i.channel.name for i in task.inputs if not i.declined and not i.ended)
        return f"waits for the end of {first}, which is read first"
    if not isinstance(task, SourceTask):
        return "waits for input"
    names = [s.name for s in task.splits]
    return f"waits for rows from {_listed(names)}" if names else "waits for a split to read"


def _event_time(task: Task, producers: Mapping[Channel, Task]) -> str:
    """How far event time is, how far it must be, and what holds it back."""
    holders = list(dict.fromkeys(_holders(task, producers)))
    due = task.chain.due()
    if not holders and due is None:
        return ""
    reached = task.watermark
    wanted = "" if due is None else f", and for event time {in_words(due)}"
    now = "; no event time yet" if reached is None else f"; event time is {in_words(reached)}"
    return f"{wanted}{now}" + (f", held back by {_listed(holders)}" if holders else "")


def _holders(task: Task, producers: Mapping[Channel, Task]) -> list[str]:
    """What a task's event time waits for, wherever up the job: splits, or answers from outside."""
    if task.is_holding and task.chain.is_asking:
        return [f"rows without an answer ({name})" for name, n in task.chain.asked().items() if n]
    if isinstance(task, SourceTask):
        return [] if task.scan.time is None else task.owner.held_by()
    return [name for i in task.held_by() for name in _holders(producers[i.channel], producers)]


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN_MAX
    return ", ".join(names[:_SHOWN_MAX]) + (f" and {rest} more" if rest > 0 else "")


def in_words(time: int) -> str:
    """An event time as people write it.

    Example:
        >>> in_words(1_767_225_600_000_000), in_words(1_767_225_600_250_000)
        ('2026-01-01 00:00:00', '2026-01-01 00:00:00.250')
    """
    try:
        found = _EPOCH + timedelta(microseconds=time)
    except OverflowError:
        return f"{time} µs"
    parts = "seconds" if found.microsecond == 0 else "milliseconds"
    return found.replace(tzinfo=None).isoformat(" ", parts)
