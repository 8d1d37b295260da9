"""Let activities take turns, so that each can be left in the middle of a call and taken up later.

An activity has a stack of its own, and exactly one goes on at any moment: whoever goes on decides when
another one does. Nothing depends on the machine or its clock, although the stacks are those of threads.

Changes:  starts one thread per activity, which stands still unless it is the activity's turn.
Not here: whose turn it is (world.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Activity:
    """Something that goes on in turns.

    Args:
        name: what the trace calls it.
        work: what it does; it calls `Turns.leave` wherever another activity may go on.

    Attributes:
        is_done: whether its work has ended.
        error: what the work has raised.
    """

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name, self._work = name, work
        self.is_done = False
        self.error: BaseException | None = None
        # who has the turn holds neither; a lock that is taken twice is what a stack stands still at
        self._turn, self._back = threading.Lock(), threading.Lock()
        self._turn.acquire()
        self._back.acquire()
        self._thread = threading.Thread(target=self._main, name=f"simulated {name}", daemon=True)
        self._is_begun = False

    def _main(self) -> None:
        self._turn.acquire()
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - whoever gave the turn looks at it
            self.error = error
        self.is_done = True
        self._back.release()

    def go_on(self) -> None:
        """Give it the turn, and wait until it leaves off or ends."""
        if not self._is_begun:
            self._is_begun = True
            self._thread.start()
        self._turn.release()
        self._back.acquire()
        if self.is_done:
            self._thread.join()

    def leave(self) -> None:
        """Called by the activity itself: it leaves off here until it gets the turn again."""
        self._back.release()
        self._turn.acquire()
