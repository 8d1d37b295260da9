"""Give a job as the JSON that Flink's `JSON_EXECUTION_PLAN` has, which its visualizers read.

Not here: the job as text (job.py).
"""

from __future__ import annotations

import json
from typing import Any

from thalweg.job.job import Edge, ExchangeKind, Job, Stage, stage_contents
from thalweg.protocols.operator import MAIN

_STRATEGIES: dict[ExchangeKind, str] = {
    "forward": "FORWARD",
    "hash": "HASH",
    "gather": "GLOBAL",
    "broadcast": "BROADCAST",
}
"""Flink's names."""


def execution_plan(job: Job) -> str:
    """One node per stage, with the stages before it and how their rows come."""
    numbers = {stage.id: i for i, stage in enumerate(job.stages, 1)}
    nodes = [_node(job, stage, numbers) for stage in job.stages]
    return json.dumps({"nodes": nodes}, indent=2, ensure_ascii=False)


def _node(job: Job, stage: Stage, numbers: dict[str, int]) -> dict[str, Any]:
    node = {
        "id": numbers[stage.id],
        "type": stage.id,
        "pact": "Data Source" if stage.scan else "Data Sink" if stage.write else "Operator",
        "contents": "; ".join(stage_contents(stage)),
        "parallelism": stage.parallelism,
    }
    before = [_predecessor(edge, numbers) for edge in job.inputs_of(stage.id)]
    return node | ({"predecessors": before} if before else {})


def _predecessor(edge: Edge, numbers: dict[str, int]) -> dict[str, Any]:
    found: dict[str, Any] = {"id": numbers[edge.source], "ship_strategy": _STRATEGIES[edge.exchange]}
    if edge.keys:
        found["keys"] = list(edge.keys)
    return found if edge.output == MAIN else found | {"output": edge.output}


__all__ = ["execution_plan"]
