"""The simulated disk does what a real one does, until the power is cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from thalweg.checkpoint.disk import Disk, LocalDisk
from thalweg.testing.simulation.disk import QuietDisk
from thalweg.testing.simulation.medium import Medium
from thalweg.testing.simulation.world import Process, World


def _simulated() -> tuple[QuietDisk, World]:
    world = World("disk", (), haste=0.0, tick=0.01, steps_max=1000)
    return QuietDisk(world, Process(0)), world


def _said(call: Callable[[], object]) -> object:
    """What a call gives, or the kind of its error."""
    try:
        return call()
    except OSError as error:
        return type(error).__name__


def _drive(disk: Disk, root: str, seed: int) -> list[object]:
    """What random calls give."""
    random = Random(seed)
    disk.make_directory(f"{root}/d")
    paths = [f"{root}/d/{name}" for name in "abc"]

    def created(path: str, data: bytes) -> None:
        file = disk.create(path)
        file.write(data)
        file.write(b"more")
        file.sync()
        file.close()

    said: list[object] = []
    for number in range(60):
        one, other = random.sample(paths, 2)
        call = random.choice(
            [
                lambda p=one, n=number: created(p, b"%d" % n),
                lambda p=one: disk.read(p),
                lambda p=one, q=other: disk.rename(p, q),
                lambda p=one, q=other: disk.link(p, q),
                lambda p=one: disk.remove(p),
                lambda: disk.names(f"{root}/d"),
                lambda: disk.names(f"{root}/none"),
                lambda p=one: (disk.exists(p), disk.is_file(p), disk.is_file(f"{root}/d")),
                lambda: [p.removeprefix(root) for p in disk.walk(root)],
                lambda: disk.sync_directory(f"{root}/d"),
                lambda: disk.remove_empty(f"{root}/d"),
                lambda: disk.make_directory(f"{root}/d"),
                lambda p=one: disk.age(p) >= 0,
            ]
        )
        said.append(_said(call))
    return said


@pytest.mark.parametrize("seed", range(20))
def test_it_answers_as_the_disk_of_this_machine(tmp_path: Path, seed: int) -> None:
    simulated, _ = _simulated()
    assert _drive(simulated, "/root", seed) == _drive(LocalDisk(), str(tmp_path), seed)


def test_what_was_not_synced_may_go_with_the_power() -> None:
    seen = set()
    for seed in range(40):
        disk, world = _simulated()
        disk.make_directory("/d")
        file = disk.create("/d/a")
        file.write(b"first")
        file.sync()
        disk.sync_directory("/d")
        file.write(b"second")
        disk.create("/d/b")
        world.medium.cut(Random(seed))
        seen.add((disk.read("/d/a"), "b" in disk.names("/d")))
    assert all(data.startswith(b"first") for data, _ in seen)
    assert {data for data, _ in seen} > {b"first", b"firstsecond"}
    assert {there for _, there in seen} == {False, True}


def test_a_sync_that_failed_has_dropped_the_pages() -> None:
    medium = Medium()
    medium.make_directory("/d")
    file = medium.create("/d/a", now=0.0)
    medium.sync_directory("/d")
    file.append(b"lost", now=0.0)
    file.drop()
    file.sync()
    assert bytes(file.seen) == b"lost"
    medium.cut(Random(1))
    assert bytes(medium.file("/d/a").seen) == b""
