"""The JSON of a job names its stages, and how their rows come to one another."""

from __future__ import annotations

import json

import thalweg as tw


def test_stages_and_strategies() -> None:
    s = tw.Session(parallelism=2)
    s.create_view("t", s.from_iter([(1, 2)], "a INT, b INT"))
    s.execute_sql("CREATE TABLE shown WITH ('connector' = 'print')")
    [outcome] = s.execute_sql(
        "EXPLAIN JSON_EXECUTION_PLAN FOR INSERT INTO shown SELECT a, SUM(b) AS b FROM t GROUP BY a"
    )
    nodes = json.loads(outcome.text.partition("== execution plan ==\n")[2])["nodes"]
    assert [(n["id"], n["type"], n["pact"], n["parallelism"]) for n in nodes] == [
        (1, "source1", "Data Source", 2),
        (2, "group1", "Operator", 2),
        (3, "sink1", "Data Sink", 1),
    ]
    assert [n.get("predecessors") for n in nodes] == [
        None,
        [{"id": 1, "ship_strategy": "HASH", "keys": ["a"]}],
        [{"id": 2, "ship_strategy": "GLOBAL"}],
    ]
    assert nodes[0]["contents"].startswith("read iterator [*]; ")
    assert nodes[2]["contents"].endswith("write print  (at_least_once)")
