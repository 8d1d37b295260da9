"""The programs in the guides under docs/ run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from thalweg.optimizer.standard import RULES

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
GUIDES = sorted(DOCS.glob("*.md"))
PROGRAMS = [
    pytest.param(text, id=f"{guide.stem}-{number}")
    for guide in GUIDES
    for number, text in enumerate(re.findall(r"```python\n(.*?)```", guide.read_text(), re.DOTALL), 1)
]


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_program_runs(program: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_every_rule_is_listed() -> None:
    listed = re.findall(r"`(\w+)`", (DOCS / "optimizer.md").read_text())
    assert {rule.__name__ for rule in RULES} <= set(listed)
