"""The laws notice bugs that were put into the engine: each mutant fails, and passes once it is undone."""

from __future__ import annotations

from random import Random

import pytest

from tests.property.increment_mutants import INCREMENT_MUTANTS
from tests.property.laws import Law
from tests.property.mutants import MUTANTS, Mutant
from tests.property.state_mutants import STATE_MUTANTS
from tests.property.task_mutants import TASK_MUTANTS

SEEDS = 150


@pytest.mark.slow
@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "mutant",
    [*MUTANTS, *STATE_MUTANTS, *TASK_MUTANTS, *INCREMENT_MUTANTS],
    ids=lambda m: m.name.replace(" ", "_"),
)
def test_a_law_notices(mutant: Mutant) -> None:
    with mutant.install():
        noticed = _search(mutant)
    assert noticed is not None, f"no law noticed that the engine {mutant.name}, in {SEEDS} seeds"
    law, seed = noticed
    law(Random(seed))


def _search(mutant: Mutant) -> tuple[Law, int] | None:
    """The first law and seed that fail; first of all the seed that is known to."""
    for seed in [mutant.first_seed, *range(SEEDS)]:
        for law in mutant.laws:
            try:
                law(Random(seed))
            except Exception:  # noqa: BLE001 - a crash of the engine is as good as a wrong result
                return law, seed
    return None
