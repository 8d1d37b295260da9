"""The command line starts small, knows its commands, and leaves with the right code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from thalweg.cli.entry import COMMANDS

Call = Callable[..., tuple[int, str, str]]


def test_without_a_command_the_first_five_are_shown(thalweg: Call) -> None:
    code, out, _ = thalweg()
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()[:5]] == ["demo", "sql", "run", "explain", "doctor"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_begins_with_an_example(thalweg: Call, name: str) -> None:
    code, out, _ = thalweg(name, "--help")
    assert code == 0
    assert f"Example: thalweg {name}" in out


def test_an_unknown_command_is_a_usage_error(thalweg: Call) -> None:
    code, _, err = thalweg("sq1")
    assert code == 2
    assert "sq1" in err


def test_the_version_is_told(thalweg: Call) -> None:
    code, out, _ = thalweg("--version")
    assert code == 0
    assert out.startswith("thalweg 0.")


def loaded_by(program: str) -> set[str]:
    """The modules that a new process has loaded at the end of a program."""
    text = f"import sys\n{program}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.slow
def test_a_query_loads_neither_the_compiler_nor_rich_nor_the_runtime() -> None:
    loaded = loaded_by("from thalweg.cli.entry import run; run(['sql', 'SELECT 1 AS a'])")
    heavy = {
        "numba",
        "rich",
        "asyncio",
        "thalweg.runtime.threads",
        "thalweg.api.dataset",
        "thalweg.cli.bench",
    }
    assert "polars" in loaded
    assert not loaded & heavy


@pytest.mark.slow
def test_help_loads_no_data_library() -> None:
    assert not loaded_by("from thalweg.cli.entry import run; run(['--help'])") & {
        "polars",
        "numpy",
        "sqlglot",
    }


def test_being_interrupted_is_said_in_one_word(thalweg: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("thalweg.cli.doctor.import_module", interrupted)
    code, _, err = thalweg("doctor", "--warm")
    assert (code, err.split()) == (130, ["interrupted"])


@pytest.mark.slow
def test_who_reads_no_further_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("print('what nobody reads')")
    reading, writing = os.pipe()
    os.close(reading)
    text = "from thalweg.cli import main; main(['run', 'job.py'])"
    # what is printed waits until the command has ended, unless the environment says otherwise
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, env=env, stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
