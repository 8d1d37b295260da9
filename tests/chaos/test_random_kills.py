"""Jobs that are killed at random moments; `make chaos-long` kills many more."""

from __future__ import annotations

import pytest

from tests.suites.chaos_long import KILLS_PER_CASE, cases, run


@pytest.mark.slow
@pytest.mark.sampled(4)
@pytest.mark.parametrize("case", cases(2 * KILLS_PER_CASE))
def test_no_row_is_lost_or_repeated(case: str) -> None:
    outcome = run(case)
    assert (outcome["kills"], outcome["lost"], outcome["repeated"]) == (KILLS_PER_CASE, 0, 0)
