"""One process at a time holds a job; one that stands still is overtaken, and finds that it was."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from thalweg.checkpoint.beats import Record
from thalweg.checkpoint.hold import Lease, Terms, held, taken
from thalweg.checkpoint.holders import Holders, LockedFiles, StoredRecords, holders_of
from thalweg.checkpoint.store import DirectoryStore
from thalweg.errors import CheckpointError, ConfigError, StoreError

JOB = "clicks"
LEASE = 10.0
FORKS = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@dataclass
class World:
    """A clock that goes on when somebody waits, and what happens meanwhile.

    Attributes:
        events: what happens when the clock has reached a time, in order.
        said: what was told to whom.
    """

    folder: Path
    kind: str
    now: float = 0.0
    events: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def holders(self) -> Holders:
        """As another process has them."""
        if self.kind == "locked files":
            return LockedFiles(str(self.folder / JOB))
        return StoredRecords(DirectoryStore(str(self.folder)), JOB)

    def terms(self, *, overtakes: bool = True, lease: float = LEASE) -> Terms:
        return Terms(lease, overtakes, self.said.append, lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        while self.events and self.events[0][0] <= self.now:
            self.events.pop(0)[1]()

    def take(self, **terms: object) -> Lease:
        return taken(self.holders(), JOB, self.terms(**terms))  # type: ignore[arg-type]

    def beats(self, lease: Lease, until: float, every: float = LEASE / 10) -> None:
        """A holder is alive until a time."""
        count = round((until - self.now) / every)
        self.events += [(self.now + (n + 1) * every, lease.beat) for n in range(count)]
        self.events.sort(key=lambda e: e[0])


@pytest.fixture(params=["locked files", "records in a store"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(tmp_path, request.param)


def test_a_job_that_nobody_holds_is_taken_at_once(world: World) -> None:
    world.take().release()
    world.take().release()
    assert world.now == 0
    assert world.said == []


def test_a_holder_that_is_alive_keeps_the_job(world: World) -> None:
    lease = world.take()
    world.beats(lease, until=LEASE)
    with pytest.raises(ConfigError, match="job-already-running"):
        world.take()
    assert world.now <= 1.5, "its first sign of life is enough"
    lease.confirm()
    lease.release()


def test_a_holder_that_stands_still_is_overtaken_and_finds_it(world: World) -> None:
    first = world.take()
    second = world.take()
    assert world.now == pytest.approx(LEASE, abs=1.1)
    assert world.said == [
        f"the job {JOB} is taken over from {Record.mine(LEASE).who}, which has given no sign of life for 10 s"
    ]
    with pytest.raises(CheckpointError, match="checkpoint-overtaken"):
        first.check()
    with pytest.raises(CheckpointError, match="checkpoint-overtaken"):
        first.confirm()
    first.beat()
    second.check()
    first.release()
    world.beats(second, until=world.now + 2)
    with pytest.raises(ConfigError, match="job-already-running"):
        world.take()
    second.release()
    began = world.now
    world.take()
    assert world.now == began, "who was overtaken has left nothing behind that others wait for"


def test_a_holder_that_wakes_before_the_lease_is_over_keeps_the_job(world: World) -> None:
    lease = world.take()
    world.events.append((LEASE * 0.95, lease.beat))
    with pytest.raises(ConfigError, match="job-already-running"):
        world.take()
    lease.check()


def test_the_holder_says_how_long_it_may_be_silent(world: World) -> None:
    world.take(lease=60.0)
    world.take(lease=2.0)
    assert world.now == pytest.approx(60, abs=6.5)


def test_of_two_that_overtake_at_once_one_does(world: World) -> None:
    """The second looks at the same silence, and is as far as the first when that takes the job."""
    first = world.take()
    taking: list[Lease] = []
    other = world.holders()
    real = other.add

    def add(number: int, record: bytes) -> bool:
        if not taking:
            taking.append(world.take())
        return real(number, record)

    other.add = add  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match="job-already-running"):
        taken(other, JOB, world.terms())
    assert len(taking) == 1
    taking[0].confirm()
    with pytest.raises(CheckpointError):
        first.confirm()


def test_a_number_that_was_forgotten_meanwhile_is_not_the_highest(world: World) -> None:
    """Two others have held the job since somebody looked: the number that it then takes is free again."""
    world.take().release()
    slow = world.holders()
    real, leases = slow.add, []

    def add(number: int, record: bytes) -> bool:
        if not leases:
            world.take().release()
            leases.append(world.take())
        return real(number, record)

    slow.add = add  # type: ignore[method-assign]
    world.events.append((1.2, lambda: leases[0].beat()))
    with pytest.raises(ConfigError, match="job-already-running"):
        taken(slow, JOB, world.terms())
    leases[0].confirm()


def test_time_in_which_the_one_that_looks_stood_still_does_not_count(world: World) -> None:
    lease = world.take()

    def sleeps_for_an_hour() -> None:
        world.now += 3600
        # the whole machine was asleep: the holder wakes a little later
        world.events.insert(0, (world.now + 0.9, lease.beat))

    world.events.append((1.0, sleeps_for_an_hour))
    with pytest.raises(ConfigError, match="job-already-running"):
        world.take()
    lease.check()


def test_a_process_that_stood_still_looks_before_it_goes_on(world: World) -> None:
    lease = world.take()
    world.holders().add(2, Record.mine(LEASE).encode())
    lease.check()
    world.now += LEASE * 0.6
    with pytest.raises(CheckpointError, match="checkpoint-overtaken"):
        lease.check()


def test_a_record_that_cannot_be_read_is_of_somebody_who_may_be_alive(world: World) -> None:
    holders = world.holders()
    holders.add(1, b"no JSON")
    world.take()
    assert world.now == pytest.approx(LEASE, abs=1.1)
    assert "is taken over from another process" in world.said[0]


def test_a_beat_that_cannot_be_written_is_said_once_and_no_reason_to_stop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    holders = world.holders()
    lease = taken(holders, JOB, world.terms())

    def full(number: int, record: bytes) -> None:
        raise StoreError("no", code="store-failed", found="No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(holders, "write", full)
        lease.beat()
        lease.beat()
        lease.check()
        lease.confirm()
    assert len(world.said) == 1
    assert "cannot say that it is alive (No space left on device)" in world.said[0]
    lease.beat()
    with monkeypatch.context() as patched:
        patched.setattr(holders, "write", full)
        lease.beat()
    assert len(world.said) == 2, "it was well in between"


def test_a_holder_beats_by_itself(world: World) -> None:
    changed = threading.Event()
    holders = world.holders()
    real = holders.write

    def write(number: int, record: bytes) -> None:
        real(number, record)
        changed.set()

    holders.write = write  # type: ignore[method-assign]
    with held(holders, JOB, Terms(lease=1.0)):
        assert changed.wait(60), "it gives a sign of life"
        found = world.holders().read(1)
        assert found is not None
        assert Record.decoded(found).beat >= 1
    assert "thalweg-lease" not in {t.name for t in threading.enumerate()}


@FORKS
def test_a_process_that_has_ended_is_followed_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, "locked files")
    child = os.fork()
    if child == 0:
        world.take()
        os._exit(0)
    os.waitpid(child, 0)
    world.take(overtakes=False)
    assert (world.now, world.said) == (0, [])


def test_the_end_of_a_process_in_a_store_without_locks_is_waited_out_once(tmp_path: Path) -> None:
    world = World(tmp_path, "records in a store")
    world.take()
    world.take(overtakes=False)
    assert world.now == pytest.approx(LEASE, abs=1.1)


def test_a_holder_that_ends_while_another_one_waits_is_followed(world: World) -> None:
    lease = world.take()
    world.events.append((3.0, lease.release))
    world.take()
    assert world.now == pytest.approx(3, abs=0.6)
    assert world.said == []


def test_who_may_not_overtake_is_refused_at_once_where_the_holder_is_known(tmp_path: Path) -> None:
    world = World(tmp_path, "locked files")
    world.take()
    with pytest.raises(ConfigError, match="job-already-running"):
        world.take(overtakes=False)
    assert world.now == 0


@FORKS
def test_a_process_that_was_forked_off_leaves_the_job_to_its_parent(world: World) -> None:
    lease = world.take()
    child = os.fork()
    if child == 0:
        lease.beat()
        lease.release()
        os._exit(0)
    os.waitpid(child, 0)
    world.beats(lease, until=2)
    with pytest.raises(ConfigError, match="job-already-running"):
        world.take()


@FORKS
def test_a_fork_that_outlives_its_parent_is_overtaken(tmp_path: Path) -> None:
    """It has the lock, and gives no sign of life."""
    world = World(tmp_path, "locked files")
    ends, ended = os.pipe()
    parent = os.fork()
    if parent == 0:
        world.take()
        if os.fork() == 0:
            os.close(ended)
            os.read(ends, 1)
        os._exit(0)
    os.waitpid(parent, 0)
    world.take()
    os.close(ended)
    assert world.now == pytest.approx(LEASE, abs=1.1)


def test_only_the_newest_holder_leaves_a_record(world: World) -> None:
    for _ in range(3):
        world.take().release()
    names = os.listdir(world.folder / JOB / ("holders" if world.kind != "locked files" else ""))
    assert [n for n in names if n.removeprefix(".lock-").isdecimal()] == [
        "000003" if world.kind != "locked files" else ".lock-000003"
    ]


def test_a_directory_that_cannot_be_read_is_no_job_that_is_held(tmp_path: Path) -> None:
    (tmp_path / JOB).write_text("mine")
    for holders in (LockedFiles(str(tmp_path / JOB)), holders_of(DirectoryStore(str(tmp_path)), JOB)):
        with pytest.raises(StoreError, match="store-failed"):
            taken(holders, JOB, Terms())
    assert (tmp_path / JOB).read_text() == "mine"


@pytest.mark.parametrize("call", ["link", "write"])
def test_a_lock_that_cannot_be_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    holders = LockedFiles(str(tmp_path / JOB))
    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(StoreError, match="No space left on device"):
            taken(holders, JOB, Terms())
    assert os.listdir(tmp_path / JOB) == []
    taken(holders, JOB, Terms())


def test_a_record_that_somebody_has_tidied_away_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holders = LockedFiles(str(tmp_path / JOB))
    link = os.link

    def tidied(old: str, new: str) -> None:
        monkeypatch.setattr(os, "link", link)
        os.unlink(old)
        link(old, new)

    monkeypatch.setattr(os, "link", tidied)
    taken(holders, JOB, Terms()).confirm()
    assert os.listdir(tmp_path / JOB) == [".lock-000001"]


def test_what_was_forgotten_is_not_there(world: World) -> None:
    world.take()
    assert world.holders().read(7) is None
    assert world.kind != "locked files" or world.holders().is_gone(7)


def test_a_holder_whose_directory_is_gone_goes_on(tmp_path: Path) -> None:
    """Its lock is that of a file without a name; whoever makes the directory anew has other fences."""
    world = World(tmp_path, "locked files")
    lease = world.take()
    for file in (tmp_path / JOB).iterdir():
        file.unlink()
    (tmp_path / JOB).rmdir()
    lease.beat()
    lease.check()
    lease.release()
    assert world.said == []
