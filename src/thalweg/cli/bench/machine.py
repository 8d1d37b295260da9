"""The facts without which a measurement means nothing: machine, versions, commit."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import thalweg

_PACKAGES = ("thalweg", "polars", "numba", "numpy", "sqlglot")


def facts() -> dict[str, object]:
    """What this machine is and what runs on it, now."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "cpu": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
        **{name: found for name in _PACKAGES if (found := _version(name))},
    }


def commit() -> str | None:
    """The commit of the source, with `+` if it was changed since; None outside a repository."""
    git = shutil.which("git")
    if git is None:
        return None
    at = Path(thalweg.__path__[0])
    asked = [["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--untracked-files=no", "."]]
    answers = [
        subprocess.run([git, "-C", str(at), *a], capture_output=True, text=True, check=False)  # noqa: S603 - fixed
        for a in asked
    ]
    if answers[0].returncode:
        return None
    return answers[0].stdout.strip() + ("+" if answers[1].stdout.strip() else "")


def _field(path: str, name: str) -> str | None:
    if not Path(path).exists():
        return None
    lines = (line.partition(":") for line in Path(path).read_text().splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), None)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
