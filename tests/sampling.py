"""How many cases a test draws that draws them itself.

Not here: which cases of a test run that lists them (conftest.py).
"""

from __future__ import annotations

import os

IS_THOROUGH = os.environ.get("TESTS_THOROUGH") == "1"
"""Whether the run is as thorough as that of `.ci/run`."""


def drawn(quick: int, thorough: int) -> int:
    """So many, as the run is thorough or not."""
    return thorough if IS_THOROUGH else quick
