"""Every safeguard that is switched off is noticed by the simulation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.ablations import ABLATIONS

SEEDS = 1000
_KNOWN = json.loads((Path(__file__).parent / "noticed.json").read_text())
"""By ablation, a seed that has noticed it; when seeds have got another meaning, others are tried."""


def test_there_are_fifteen_at_least() -> None:
    assert len(ABLATIONS) >= 15
    assert _KNOWN.keys() == ABLATIONS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("share", [0, 1])
def test_every_safeguard_is_missed(share: int) -> None:
    """Half of them each, in a process in which Polars starts no threads."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.noticing", str(share), "2"],
        env={**os.environ, "POLARS_MAX_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert found.keys() == {*sorted(ABLATIONS)[share::2]}
    assert [name for name, seed in found.items() if seed is None] == []
