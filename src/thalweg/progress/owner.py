"""Own the watermark of one source: the only place where it is published.

Splits report how far they are; the owner publishes the minimum over those that may still bring rows. It
alone decides where a split that is found, opened or woken starts, and it does so in the same step in
which that split begins to hold the minimum back. So a row that is not late by its split's watermark
always finds its window open.

    known ──open──> active <──wake/idle──> idle
      └────────────── finish ──────────────┘──> forgotten

Reads:    what the source reports about its splits. Decisions that need a clock or the outside world
          (idle, woken, found) are made by the caller and recorded here as data.
Changes:  only the owner that was told.
Not here: the watermark inside one split (split_clock.py), the list of what was read already (the source's),
          how published watermarks travel and meet in tasks (merge.py, runtime/).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from thalweg.errors import InternalError
from thalweg.progress.decisions import Decision, DecisionKind, OwnerData, SplitState


@dataclass
class _Split:
    state: SplitState
    mark: int | None


class WatermarkOwner:
    """The watermark of one source, as a pure state machine.

    List every split that is known at the start before opening the first; a split that is added later
    starts at the published value. Finished splits are forgotten. When nothing is left that holds
    the minimum back, the published value rises to the greatest watermark of any split, since whatever
    comes later starts there.

    Law: `published` never falls, and every split that may bring rows is at or after it.
    Checked by: tests/property/test_progress.py.

    Args:
        ordered: splits are read one after the other in the order in which they were added: each starts
            where its predecessor ended, and those not yet opened hold nothing back.

    Example:
        >>> owner = WatermarkOwner()
        >>> owner.add_split("a"); owner.add_split("b")
        >>> owner.open("a"), owner.open("b")
        (None, None)
        >>> owner.report("a", 100); owner.report("b", 70)
        >>> owner.published, owner.held_by()
        (70, ('b',))
    """

    def __init__(self, *, ordered: bool = False) -> None:
        self.ordered = ordered
        self.published: int | None = None
        self._all_known = False
        self._discovery_idle = False
        self._furthest_end: int | None = None
        # Finished splits leave at the front; a plain dict would search through their gaps for the first.
        self._splits: OrderedDict[str, _Split] = OrderedDict()
        self._decisions: list[Decision] = []

    # Events ---------------------------------------------------------------------------------------

    def add_split(self, name: str) -> None:
        """Take in a split that was found; it starts at the published value and holds that from now on."""
        if self._all_known or name in self._splits:
            told = "all splits are known" if self._all_known else "it is known already"
            raise _misuse(f'split "{name}" was added, but {told}')
        self._splits[name] = _Split(SplitState.KNOWN, self.published)
        self._discovery_idle = False
        self._decide_start("found", name, self.published)

    def all_known(self) -> None:
        """Note that no further split will be found."""
        self._all_known = True

    def idle_discovery(self) -> None:
        """Note that the source looked for further splits and found none for its idle time.

        Without this, a source that has read all it knows but may find more holds back what it feeds.
        """
        self._discovery_idle = True

    def open(self, name: str) -> int | None:
        """Begin a split and return the watermark that its clock starts at.

        Opening one that is open already (a restored source does) changes nothing and returns its watermark.
        """
        split = self._get(name)
        if split.state is not SplitState.KNOWN:
            return split.mark
        if self.ordered and name != self._first():
            raise _misuse(f'split "{name}" was opened before "{self._first()}", which comes first')
        split.mark = self._start_of(split)
        split.state = SplitState.ACTIVE
        self._decide_start("opened", name, split.mark)
        return split.mark

    def report(self, name: str, watermark: int | None) -> None:
        """Take a split's watermark after its latest rows; None says that it has none yet."""
        split = self._get(name)
        if split.state is not SplitState.ACTIVE:
            raise _misuse(f'split "{name}" reported a watermark while it was {split.state.value}')
        last = split.mark
        if watermark is None or (last is not None and watermark <= last):
            return
        split.mark = watermark
        # A split that stood after the published value did not hold it back; the minimum stays.
        if last is None or last == self.published:
            self._publish()

    def idle(self, name: str, offset: int | None = None) -> None:
        """Note that a split was polled and had nothing for its idle time; it holds nothing back.

        Never to be said of a split that was not polled because it is paused or its edge is full.
        """
        split = self._get(name)
        if split.state is SplitState.KNOWN:
            raise _misuse(f'split "{name}" fell idle before it was opened')
        if split.state is SplitState.ACTIVE:
            split.state = SplitState.IDLE
            self._decisions.append(Decision("idle", name, split.mark, offset))
            self._publish()

    def wake(self, name: str, offset: int | None = None) -> int | None:
        """Count an idle split again and return the watermark that its next rows are judged from.

        That is the published value of this moment, or the split's own watermark where that is later.
        """
        split = self._get(name)
        if split.state is SplitState.KNOWN:
            raise _misuse(f'split "{name}" woke before it was opened')
        if split.state is SplitState.IDLE:
            split.mark = self._start_of(split)
            split.state = SplitState.ACTIVE
            self._decide_start("woken", name, split.mark, offset)
        return split.mark

    def catch_up(self, time: int | None) -> None:
        """Take over a time that was announced while the source was idle (meeting.py)."""
        if time is not None and (self.published is None or time > self.published):
            self.published = time

    def finish(self, name: str) -> None:
        """Note that a split has ended, or need not be opened, and forget it."""
        mark = self._get(name).mark
        del self._splits[name]
        if mark is not None and (self._furthest_end is None or mark > self._furthest_end):
            self._furthest_end = mark
        self._publish()

    # Questions ------------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be expected for now: every split that may bring rows is idle."""
        silent = bool(self._splits) or (self._discovery_idle and not self._all_known)
        return silent and next(self._holders(), None) is None

    @property
    def is_ended(self) -> bool:
        """Whether all splits are known and finished."""
        return self._all_known and not self._splits

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The splits that are known and have not finished, in their order."""
        return tuple(self._splits)

    def state_of(self, name: str) -> SplitState:
        """Whether an unfinished split is known, active or idle."""
        return self._get(name).state

    def watermark_of(self, name: str) -> int | None:
        """The watermark of an unfinished split, as last reported or given to it."""
        return self._get(name).mark

    def openable(self) -> tuple[str, ...]:
        """The known splits that may be opened now, in their order."""
        if self.ordered:
            first = self._first()
            is_known = first is not None and self._splits[first].state is SplitState.KNOWN
            return (first,) if first is not None and is_known else ()
        return tuple(n for n, s in self._splits.items() if s.state is SplitState.KNOWN)

    def held_by(self) -> tuple[str, ...]:
        """The splits without which the published value would be later, or that have no watermark yet."""
        holders = [(n, s.mark) for n, s in self._holders()]
        unknown = tuple(n for n, mark in holders if mark is None)
        lowest = min((mark for _, mark in holders if mark is not None), default=None)
        return unknown or tuple(n for n, mark in holders if mark == lowest)

    def paused(self, drift_max_us: int) -> set[str]:
        """The active splits that should not be read: more than `drift_max_us` ahead of the slowest.

        The slowest is sought among the active splits that have a watermark, so it is never paused itself
        and no split waits for one that waits to be opened.
        """
        assert drift_max_us >= 0, "a split can't be less than nothing ahead"
        marks = {n: s.mark for n, s in self._splits.items() if s.state is SplitState.ACTIVE}
        limit = min((m for m in marks.values() if m is not None), default=0) + drift_max_us
        return {n for n, mark in marks.items() if mark is not None and mark > limit}

    def all_but_slowest(self) -> set[str]:
        """The active splits to pause under memory pressure: all but one that lets the watermark rise."""
        active = [(n, s.mark) for n, s in self._splits.items() if s.state is SplitState.ACTIVE]
        slowest = min(active, key=lambda split: (split[1] is not None, split[1] or 0), default=None)
        return {n for n, _ in active if slowest is not None and n != slowest[0]}

    # Decisions and state --------------------------------------------------------------------------

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The decisions recorded since they were last taken, oldest first."""
        return tuple(self._decisions)

    def take_decisions(self) -> tuple[Decision, ...]:
        """Hand over the recorded decisions, for the epoch they belong to, and start a new list."""
        taken, self._decisions = tuple(self._decisions), []
        return taken

    def to_data(self) -> OwnerData:
        """The owner as plain data; `from_data` gives one that goes on in the same way."""
        return {
            "ordered": self.ordered,
            "all_known": self._all_known,
            "is_discovery_idle": self._discovery_idle,
            "published": self.published,
            "furthest_end": self._furthest_end,
            "splits": [{"name": n, "state": s.state.value, "mark": s.mark} for n, s in self._splits.items()],
            "decisions": [
                {"kind": d.kind, "split": d.split, "value": d.value, "offset": d.offset}
                for d in self._decisions
            ],
        }

    @staticmethod
    def from_data(data: OwnerData) -> WatermarkOwner:
        """The owner that `to_data` described."""
        owner = WatermarkOwner(ordered=data["ordered"])
        owner._all_known = data["all_known"]
        owner._discovery_idle = data["is_discovery_idle"]
        owner.published = data["published"]
        owner._furthest_end = data["furthest_end"]
        for split in data["splits"]:
            owner._splits[split["name"]] = _Split(SplitState(split["state"]), split["mark"])
        owner._decisions = [Decision(**decision) for decision in data["decisions"]]
        return owner

    # Inside ---------------------------------------------------------------------------------------

    def _first(self) -> str | None:
        return next(iter(self._splits), None)

    def _get(self, name: str) -> _Split:
        split = self._splits.get(name)
        if split is None:
            raise _misuse(f'split "{name}" was never added, or has finished')
        return split

    def _decide_start(
        self, kind: DecisionKind, name: str, value: int | None, offset: int | None = None
    ) -> None:
        """Record where a split starts; one that starts with nothing, as in a batch, needs no record."""
        if value is not None:
            self._decisions.append(Decision(kind, name, value, offset))

    def _start_of(self, split: _Split) -> int | None:
        """The later of the published value and the split's own watermark."""
        if self.published is None or (split.mark is not None and split.mark > self.published):
            return split.mark
        return self.published

    def _holders(self) -> Iterator[tuple[str, _Split]]:
        """The splits that hold the minimum back: active, or to be opened now."""
        if self.ordered:
            # Ordered splits are read one at a time: only the first one counts.
            first = self._first()
            if first is not None and self._splits[first].state is not SplitState.IDLE:
                yield first, self._splits[first]
            return
        for name, split in self._splits.items():
            if split.state is not SplitState.IDLE:
                yield name, split

    def _publish(self) -> None:
        """Let the published value rise to the minimum of what holds it back."""
        lowest: int | None = None
        for _, split in self._holders():
            mark = split.mark
            # What stands at the published value, or has no watermark yet, lets it rise no further.
            if mark is None or mark == self.published:
                return
            lowest = mark if lowest is None else min(lowest, mark)
        if lowest is None:
            marks = [self._furthest_end, *(s.mark for s in self._splits.values())]
            lowest = max((mark for mark in marks if mark is not None), default=None)
        if lowest is not None and (self.published is None or lowest > self.published):
            self.published = lowest


def _misuse(message: str) -> InternalError:
    return InternalError(
        message,
        code="progress-split-state",
        hint="please report this with the text of the error",
    )
