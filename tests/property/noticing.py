"""Look for a law that notices a bug which was put into the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from random import Random
from typing import Any

SEEDS = 60


def assert_noticed(
    bug: AbstractContextManager[Any], laws: Iterable[Callable[[Random], None]], name: str
) -> None:
    """One of the laws fails for one of the seeds while the bug is there.

    Raises:
        AssertionError: none does.
    """
    with bug:
        for seed in range(SEEDS):
            try:
                for law in laws:
                    law(Random(seed))
            except Exception:  # noqa: BLE001 - a bug may show as any error
                return
    raise AssertionError(f"no law noticed: {name}")
