"""`thalweg doctor`: look at the installation, and compile all kernels with `--warm`."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from thalweg.cli.failures import DONE

_PACKAGES = ("thalweg", "polars", "numba", "numpy", "sqlglot", "msgspec", "click", "rich")
_DECORATORS = ("@kernel(", "@njit(", "@numba.njit(")


@click.command("doctor")
@click.option("--warm", is_flag=True, help="compile all kernels now, so that no job has to wait for it")
def command(warm: bool) -> int:
    """Look at the installation.

    Example: thalweg doctor --warm
    """
    for name, text in facts():
        click.echo(f"{name:<14} {text}")
    if warm:
        _warm()
        click.echo(f"{'kernel cache':<14} {cache_text()}")
    return DONE


def facts() -> Iterator[tuple[str, str]]:
    """What there is, in pairs."""
    yield "python", f"{platform.python_version()} at {sys.executable}"
    yield "system", f"{platform.system()} {platform.release()}, {platform.machine()}"
    for name in _PACKAGES:
        yield name, _version(name)
    yield "cores", f"{len(os.sched_getaffinity(0))} usable of {os.cpu_count()}"
    yield "memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"
    import polars as pl

    yield "polars threads", str(pl.thread_pool_size())
    yield "kernel cache", cache_text()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def kernel_modules() -> list[str]:
    """The modules of the package that hold compiled loops."""
    import thalweg

    root = Path(thalweg.__path__[0])
    found = []
    for path in sorted(root.rglob("*.py")):
        lines = path.read_text(encoding="utf-8").splitlines()
        if any(line.startswith(_DECORATORS) for line in lines):
            found.append(".".join(("thalweg", *path.relative_to(root).with_suffix("").parts)))
    return found


def cache_text() -> str:
    """How many of the kernel modules have something in the compiler's cache, and where it is."""
    modules = kernel_modules()
    warm = sum(1 for name in modules if _has_cache(name))
    place = os.environ.get("NUMBA_CACHE_DIR") or "__pycache__ beside the source"
    state = "warm" if warm == len(modules) else "cold; thalweg doctor --warm fills it"
    return f"{warm} of {len(modules)} modules compiled ({state}), in {place}"


def _has_cache(name: str) -> bool:
    stem = name.rpartition(".")[2]
    own = os.environ.get("NUMBA_CACHE_DIR")
    if own:
        return any(Path(own).rglob(f"{stem}.*.nbi"))
    import thalweg

    folder = Path(thalweg.__path__[0]).joinpath(*name.split(".")[1:-1], "__pycache__")
    return any(folder.glob(f"{stem}.*.nbi"))


def _warm() -> None:
    modules = kernel_modules()
    begun = time.monotonic()
    for number, name in enumerate(modules, 1):
        _say(f"compiling {number} of {len(modules)}: {name}")
        import_module(name)
    _say(f"compiled {len(modules)} modules in {time.monotonic() - begun:.1f} s", is_last=True)


def _say(text: str, *, is_last: bool = False) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}" + ("\n" if is_last else ""))
        sys.stderr.flush()
    elif is_last:
        click.echo(text, err=True)
