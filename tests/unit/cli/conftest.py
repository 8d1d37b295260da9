"""Every test has a place of its own for running jobs, and leaves nothing in the hooks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from thalweg.cli.entry import run
from thalweg.session.hooks import HOOKS


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    # the path of a socket must be short, pytest's own directories are not
    place = tempfile.mkdtemp(prefix="tw")
    monkeypatch.setenv("XDG_RUNTIME_DIR", place)
    monkeypatch.chdir(tmp_path)
    yield
    HOOKS.reset()
    shutil.rmtree(place)


@pytest.fixture
def thalweg(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line here: exit code, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return call
