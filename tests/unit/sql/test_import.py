"""Reading SQL costs little: no dialect but ours is loaded, and no compiler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from thalweg.sql import parse
parse("SELECT 1")
print(sorted(m for m in sys.modules if m.startswith(("sqlglot.dialects.", "numba", "llvmlite"))))
"""


@pytest.mark.slow
def test_only_the_base_of_dialects_is_loaded() -> None:
    source = Path(__file__).parents[3] / "src"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(source)},
        timeout=60,
    )
    assert done.stdout.strip() == "['sqlglot.dialects.dialect']"
