"""A job whose power was cut goes on from what was synced, and neither loses nor repeats a row."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random

import pytest

from tests.chaos.images import cut, made, mounted, why_not


@pytest.fixture(scope="module", autouse=True)
def images() -> None:
    """Images can be mounted."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)


@pytest.mark.slow
@pytest.mark.sampled(2)
@pytest.mark.parametrize("sinks", ["files", "sqlite"])
def test_a_job_whose_power_was_cut_goes_on(tmp_path: Path, sinks: str) -> None:
    found, wrong = cut(tmp_path, sinks, 1, Random(f"cut {sinks}"))
    assert found["with a checkpoint"] + found["before the first checkpoint"] == 1
    assert wrong == {}


@pytest.mark.slow
def test_an_image_holds_what_was_synced_and_not_the_rest(tmp_path: Path) -> None:
    image, copy, disk = made(tmp_path / "image"), tmp_path / "copy", tmp_path / "disk"
    with mounted(image, disk):
        (disk / "synced").write_bytes(b"kept")
        for path in (disk / "synced", disk):
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        (disk / "not synced").write_bytes(b"lost")
        shutil.copyfile(image, copy)
    with mounted(copy, disk):
        assert (disk / "synced").read_bytes() == b"kept"
        assert not (disk / "not synced").exists()
