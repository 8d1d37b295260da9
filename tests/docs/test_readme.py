"""The programs in the README run, and its SQL can be read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from thalweg.sql.parse import parse

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
PROGRAMS = [text for kind, text in BLOCKS if kind == "python"]
STATEMENTS = [text for kind, text in BLOCKS if kind == "sql"]


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_program_runs(program: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", STATEMENTS)
def test_sql_can_be_read(text: str) -> None:
    assert len(parse(text)) >= 1


def test_there_are_programs_and_statements() -> None:
    assert PROGRAMS
    assert STATEMENTS


def test_named_files_exist() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not link.startswith("http") and not (ROOT / link).exists()] == []
