"""How a join with a small input is planned, and what it keeps, is what its golden text says.

`python -m tests.explain.test_broadcast` writes the text anew; read what has changed.
"""

from __future__ import annotations

from pathlib import Path

import thalweg as tw

GOLDEN = Path(__file__).parent / "broadcast_join.txt"
QUERY = """
SELECT b.id, s.name, r.rate
FROM bids AS b
LEFT JOIN (VALUES (1, 'Ada'), (2, 'Bob')) AS s (seller, name) ON b.seller = s.seller
JOIN (VALUES (0, 10, 0.5), (10, 100, 0.25)) AS r (low, high, rate) ON b.id >= r.low AND b.id < r.high
WHERE b.seller IN (VALUES (1), (2))
"""


def dataset(**options: str) -> tw.Dataset:
    """The query over a source of which nobody knows how many rows it has."""
    session = tw.Session(parallelism=2)
    for name, value in options.items():
        session.settings.set(name.replace("__", ".").replace("_", "-"), value)
    session.create_view("bids", session.from_iter([(i, i % 3) for i in range(20)], "id INT, seller INT"))
    return session.sql(QUERY)


def text() -> str:
    """What is said of the job and its state."""
    return dataset().explain(state=True).split("== job ==\n")[1] + "\n"


def test_a_join_with_a_small_input() -> None:
    assert text() == GOLDEN.read_text()


def test_an_option_turns_it_off() -> None:
    plain = dataset(table__optimizer__broadcast_join="false")
    assert "broadcast" not in plain.explain()
    assert plain.collect(mode="stream").sort("id").equals(dataset().collect(mode="stream").sort("id"))


def test_the_fluent_way_is_the_same() -> None:
    session = tw.Session(parallelism=2)
    bids = session.from_iter([(i, i % 3) for i in range(20)], "id INT, seller INT")
    names = session.sql("SELECT * FROM (VALUES (1, 'Ada'), (2, 'Bob')) AS s (seller, name)")
    assert "broadcast join, left, right input first" in bids.join(names, "seller", "left").explain()
    session.settings.set("table.optimizer.broadcast-join", "false")
    assert "broadcast" not in bids.join(names, "seller", "left").explain()


if __name__ == "__main__":
    GOLDEN.write_text(text())
