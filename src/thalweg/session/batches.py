"""Take the rows of a Polars query as they come, and everything that goes wrong in it.

Polars has an iterator for that, which ends as if all were well when the query panics (2.1): the rows that
were yet to come are missing, and nobody is told.

Not here: what is done with the rows (execute.py).
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from queue import Full, Queue

import polars as pl

from thalweg.errors import InternalError

_AHEAD = 2
"""So many frames wait for whoever takes them."""
_LOOK_AGAIN = 0.1


def batches_of(query: pl.LazyFrame) -> Generator[pl.DataFrame, None, None]:
    """The rows of a query in their order, computed by the streaming engine; close it to stop early.

    Example:
        >>> [frame.height for frame in batches_of(pl.LazyFrame({"n": [1, 2]}))]
        [2]
    """
    waiting: Queue[pl.DataFrame | None] = Queue(_AHEAD)
    is_stopped = threading.Event()
    failures: list[BaseException] = []

    def hand_on(frame: pl.DataFrame | None) -> bool:
        """Whether nobody takes any more."""
        while not is_stopped.is_set():
            try:
                waiting.put(frame, timeout=_LOOK_AGAIN)
            except Full:
                continue
            return False
        return True

    def run() -> None:
        try:
            query.sink_batches(hand_on, maintain_order=True, engine="streaming")
        except BaseException as error:  # noqa: BLE001 - raised again where the rows are taken
            failures.append(error)
        hand_on(None)

    # a query that nobody waits for must not keep the process from ending
    threading.Thread(target=run, name="thalweg-batch", daemon=True).start()
    try:
        while (frame := waiting.get()) is not None:
            yield frame
        if failures:
            raise failures[0]
    finally:
        is_stopped.set()


@contextmanager
def panics_told() -> Iterator[None]:
    """What Polars panics at is told as an error.

    Raises:
        InternalError: `polars-panic`.
    """
    try:
        yield
    except pl.exceptions.PanicException as error:
        raise InternalError(
            "Polars gave up at a value that it cannot compute with",
            code="polars-panic",
            found=str(error).splitlines()[0],
            hint="such as a time hundreds of thousands of years away; a condition can keep such rows out",
        ) from error
