"""Cut the power of a job: copy the image of its disk while it runs, and go on from the copy.

The disk is an ext4 file system in a file. What was not synced is not in the file, or not all of it. The
process of the job stands still while the file is copied, so that all parts of the copy are of one moment.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.chaos import job

_SIZE = "48M"
_ROOM = 1 << 30
_SPAN = 0.7
"""Seconds after the first row within which most jobs have ended."""
_STARTS_MAX = 50


def why_not() -> str | None:
    """Why no image can be mounted here, if none can."""
    if os.geteuid() != 0:
        return "only root mounts images"
    if shutil.which("mkfs.ext4") is None:
        return "mkfs.ext4 is not installed"
    with tempfile.TemporaryDirectory(prefix="thalweg-image-") as folder:
        try:
            with mounted(made(Path(folder) / "image"), Path(folder) / "disk"):
                return None
        except subprocess.CalledProcessError as error:
            return f"no image can be mounted here: {error.stderr}"


def cut(folder: Path, sinks: str, images: int, random: Random) -> tuple[Counter[str], Counter[str]]:
    """Cut the power so often, each time going on from the image to the end.

    Args:
        folder: of everything, outside the image.
        sinks: `files` or `sqlite`.
        images: how many moments.
        random: when.

    Returns:
        What was in the images, and what was wrong after they were gone on from.
    """
    job.write_input(folder / "input")
    found: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for _ in range(_STARTS_MAX):
        image = _image_of_a_run(folder, sinks, random.uniform(0, _SPAN))
        if image is None:
            continue
        with mounted(image, folder / "disk"):
            disk = folder / "disk"
            manifests = len(list(disk.rglob("manifest")))
            found["with a checkpoint" if manifests else "before the first checkpoint"] += 1
            found["with broken off files"] += bool([*disk.rglob(".*.tmp"), *disk.rglob(".*.writing")])
            with _process(folder, sinks) as process:
                _, said = process.communicate()
            assert process.returncode == 0, said
            wrong += job.wrong_rows(sinks, disk / "out")
        image.unlink()
        if found["with a checkpoint"] + found["before the first checkpoint"] == images:
            break
    return found, wrong


def _image_of_a_run(folder: Path, sinks: str, seconds: float) -> Path | None:
    """A copy of the disk of a job so long after its first row; None: it ended before."""
    image, copy = made(folder / "image"), folder / "copy"
    with mounted(image, folder / "disk"), _process(folder, sinks) as process:
        assert process.stdout is not None
        if process.stdout.readline():
            time.sleep(seconds)
        process.send_signal(signal.SIGSTOP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            shutil.copyfile(image, copy)
            process.kill()
            process.communicate()
        else:
            process.returncode = os.waitstatus_to_exitcode(status)
    return copy if copy.exists() else None


def _process(folder: Path, sinks: str) -> subprocess.Popen[str]:
    places = [str(folder / n) for n in ("input", "disk/out", "disk/kept")]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.job", *places, sinks],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def made(path: Path) -> Path:
    """A new image."""
    path.unlink(missing_ok=True)
    subprocess.run(["truncate", "-s", _SIZE, path], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-F", path], check=True, capture_output=True, text=True)
    return path


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[None]:
    """The disk of an image."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True, capture_output=True, text=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)
