"""Let the process around a program say something to the sessions that the program makes.

`python job.py` and `thalweg run job.py` run the same program. What the command line adds reaches it
here: flags, somebody who watches the run, or a stand-in that looks at the job instead of running it.

Reads:    nothing.
Changes:  nothing; whoever fills `HOOKS` empties it again (`Hooks.reset`).
Not here: what the command line does with it (cli/).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thalweg.plan.nodes import Plan
    from thalweg.session.execute import Execution, Result
    from thalweg.session.handle import JobHandle

    Watcher = Callable[[JobHandle], AbstractContextManager[object]]
    Listener = Callable[[Result], None]
    StandIn = Callable[[Sequence[Plan], Execution], Result]


@dataclass
class Hooks:
    """What sessions of this process look at.

    Attributes:
        flags: options that win over everything that the program sets.
        job_name: what a job is called that nobody named.
        start: the checkpoint that jobs begin at, whatever the program says; `fresh` for none.
        say: told in a line what a job does with its checkpoints.
        watchers: entered when a stream starts, left when it has ended.
        listeners: told what a run did, when it has ended.
        stand_in: called instead of running a job.
        handles_signals: whether signals stop the jobs already.
        has_own_warnings: whether ignored options are told by the command line, not by the sessions.
    """

    flags: dict[str, str] = field(default_factory=dict)
    job_name: str | None = None
    start: str | None = None
    say: Callable[[str], None] | None = None
    watchers: list[Watcher] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    stand_in: StandIn | None = None
    handles_signals: bool = False
    has_own_warnings: bool = False

    def reset(self) -> None:
        """Back to nothing."""
        self.flags.clear()
        self.watchers.clear()
        self.listeners.clear()
        self.job_name = self.stand_in = self.start = self.say = None
        self.handles_signals = False
        self.has_own_warnings = False


HOOKS = Hooks()
