"""The rules that every session applies, in order."""

from __future__ import annotations

from thalweg.optimizer.optimize import Rule

RULES: tuple[Rule, ...] = ()
