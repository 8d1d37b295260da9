"""A job loads the kernels that it needs: each that is compiled costs memory, and time on a new machine."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from thalweg.session.session import Session

session = Session()
session.execute_sql('''
CREATE TABLE bids (auction BIGINT, price BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH (
    'connector' = 'datagen', 'number-of-rows' = '10')
''')
session.collect(session.execute_sql(sys.argv[1])[-1].plan, mode="stream")
print(*(m.removeprefix("thalweg.columnar.") for m in sys.modules if m.startswith("thalweg.columnar.")))
"""
COUNTS = """
SELECT auction, COUNT(*), MAX(price)
FROM TABLE(HOP(TABLE bids, DESCRIPTOR(t), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
GROUP BY auction, window_start, window_end
"""
SESSIONS = """
SELECT auction, AVG(CAST(price AS DOUBLE))
FROM TABLE(SESSION(TABLE bids PARTITION BY auction, DESCRIPTOR(t), INTERVAL '10' SECOND))
GROUP BY auction, window_start, window_end
"""
SPECIAL = {
    *("sessions", "accumulate_floats", "accumulate_decimals", "value_chains"),
    *("trees", "best", "sliding", "chains", "as_of"),
}


def _loaded(query: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, query], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.slow
def test_counts_in_windows_need_no_kernels_of_others() -> None:
    assert not _loaded(COUNTS) & SPECIAL


@pytest.mark.slow
def test_sessions_of_floats_load_their_own() -> None:
    assert _loaded(SESSIONS) & SPECIAL == {"sessions", "accumulate_floats"}
