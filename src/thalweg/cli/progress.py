"""Show how far a stream is: one line that is kept up to date, or a line now and then.

Not here: what the numbers mean (counters.py).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from io import TextIOBase
from typing import TYPE_CHECKING, TextIO

from thalweg.cli.counters import Pace, Silence, explained, line, number, sample
from thalweg.runtime.tally import Tally

if TYPE_CHECKING:
    from thalweg.session.execute import Result
    from thalweg.session.handle import JobHandle

_SUMMARY_EVERY = 30.0
_LOOK_EVERY = 0.5


class Progress:
    """Looks at a run twice a second.

    Args:
        stream: where lines go; on a terminal one line is updated, elsewhere a line comes every 30 s.
        has_names: whether lines begin with the name of the job.
    """

    def __init__(self, stream: TextIO | None = None, *, has_names: bool = True) -> None:
        self._stream, self._has_names = stream or sys.stderr, has_names
        self._is_live = self._stream.isatty()
        self._lock = threading.Lock()
        self._is_shown = False

    @contextmanager
    def beside(self) -> Iterator[None]:
        """What is printed in here does not mix with the line that is kept up to date."""
        if not (self._is_live and sys.stdout.isatty()):
            yield
            return
        with redirect_stdout(_Above(sys.stdout, self)):
            yield

    def write_above(self, text: str, stream: TextIO) -> None:
        """Write to a terminal where the line is now; it comes back with the next look."""
        with self._lock:
            if self._is_shown:
                self._stream.write("\r\x1b[K")
                self._stream.flush()
                self._is_shown = False
            stream.write(text)
            stream.flush()

    @contextmanager
    def watch(self, run: JobHandle) -> Iterator[None]:
        """Tell about the run while it lasts."""
        done = threading.Event()
        thread = threading.Thread(target=self._look, args=(run, done), name="thalweg-progress", daemon=True)
        begun = time.monotonic()
        thread.start()
        has_failed = False
        try:
            yield
        except Exception:
            has_failed = True
            raise
        finally:
            done.set()
            thread.join()
            self._finish(run, time.monotonic() - begun, has_failed=has_failed)

    def tell(self, result: Result) -> None:
        """Say which rows of a batch were left out; what a stream did was said when it ended."""
        if result.run is None and result.bad_count:
            name = f"{result.name}: " if self._has_names else ""
            self.say(f"{name}done, {Tally(bad_count=result.bad_count).in_words()}")

    def _look(self, run: JobHandle, done: threading.Event) -> None:
        pace, silence = Pace(), Silence(run.options.report_silence)
        said = time.monotonic()
        while not done.wait(_LOOK_EVERY):
            now = sample(run, time.monotonic())
            text = line(now, pace.add(now), datetime.now(UTC))
            if silence.add(now):
                self.say(explained(waits(run), run.options.report_silence))
            if self._is_live:
                with self._lock:
                    self._stream.write(f"\r{text}\x1b[K")
                    self._stream.flush()
                    self._is_shown = True
            elif now.at - said >= _SUMMARY_EVERY:
                said = now.at
                self.say(f"{self._name(run)}{text}")

    def _name(self, run: JobHandle) -> str:
        return f"{run.job.name}: " if self._has_names else ""

    def say(self, text: str) -> None:
        """Write a line, above the one that is kept up to date."""
        with self._lock:
            self._stream.write(f"\r\x1b[K{text}\n" if self._is_live else f"{text}\n")
            self._stream.flush()
            self._is_shown = False

    def _finish(self, run: JobHandle, seconds: float, *, has_failed: bool) -> None:
        how = "failed" if has_failed else "done" if run.is_finished else "stopped"
        rate = run.rows_read / seconds if seconds else 0.0
        odd = run.tally.in_words()
        self.say(
            f"{self._name(run)}{how}, {number(run.rows_read)} rows in {seconds:.1f} s ({number(rate)} rows/s)"
            + (f"; {odd}" if odd else "")
        )


class _Above(TextIOBase):
    """The standard output, above the line of a progress."""

    def __init__(self, stream: TextIO, progress: Progress) -> None:
        self._stream, self._progress = stream, progress

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            # click asks with empty bytes whether a stream takes bytes
            raise TypeError("this stream takes text")
        if text:
            self._progress.write_above(text, self._stream)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return True


def waits(run: JobHandle) -> list[tuple[str, str]]:
    """What each task waits for; tasks may change while they are looked at, then we look again."""
    for _ in range(3):
        try:
            return run.why()
        except RuntimeError:
            time.sleep(0.001)
    return []
