"""The runtime kit rejects broken runtimes, naming the line, and accepts those that are right."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from thalweg.runtime.inline import run_inline
from thalweg.runtime.run import Run
from thalweg.testing import ConformanceError, check_runtime

SHELF: list[tuple[Callable[[Run], None], str]] = []


def breaks(line: str) -> Callable[[Callable[[Run], None]], Callable[[Run], None]]:
    def add(drive: Callable[[Run], None]) -> Callable[[Run], None]:
        SHELF.append((drive, line))
        return drive

    return add


@breaks("T1")
def returns_too_early(run: Run) -> None:
    run_inline(run, until=lambda: run.rows_read > 50)


@breaks("T1")
def reads_on_after_a_stop(run: Run) -> None:
    run.stopping = None
    run_inline(run)


@breaks("T2")
def loses_a_message(run: Run) -> None:
    channel = next(i.channel for t in run.tasks for i in t.inputs)
    lost: list[object] = []
    put = channel.put

    def forgetful(message: object) -> None:
        if type(message).__name__ == "Batch" and not lost:
            lost.append(message)
            return
        put(message)  # type: ignore[arg-type]

    channel.put = forgetful  # type: ignore[method-assign, assignment]
    run_inline(run)


@breaks("T2")
def sends_a_message_twice(run: Run) -> None:
    channel = next(i.channel for t in run.tasks for i in t.inputs)
    put = channel.put

    def eager(message: object) -> None:
        put(message)  # type: ignore[arg-type]
        if type(message).__name__ == "Batch":
            put(message)  # type: ignore[arg-type]

    channel.put = eager  # type: ignore[method-assign, assignment]
    run_inline(run)


@breaks("T3")
def takes_no_checkpoints(run: Run) -> None:
    run._coordinator.checkpoint_batches = None
    run.options.__dict__["on_checkpoint"] = None
    run_inline(run)


@breaks("T3")
def reads_a_restored_split_from_its_start(run: Run) -> None:
    for task in run.parts.sources:
        task.pending = [(n, s, {k: v for k, v in d.items() if k != "position"}) for n, s, d in task.pending]
    run_inline(run)


@breaks("T4")
def hides_errors(run: Run) -> None:
    try:
        run_inline(run)
    except Exception:  # noqa: BLE001 - what is broken about it
        return


@breaks("T4")
def raises_another_error(run: Run) -> None:
    try:
        run_inline(run)
    except Exception as error:
        raise RuntimeError("a task failed") from error


@breaks("T4")
def closes_nothing(run: Run) -> None:
    run.close = lambda: None  # type: ignore[method-assign]
    run_inline(run)


@pytest.mark.parametrize(("drive", "line"), SHELF, ids=[d.__name__ for d, _ in SHELF])
def test_a_broken_runtime_is_rejected(drive: Callable[[Run], None], line: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_runtime(drive)
    assert caught.value.line.id == line, str(caught.value)
