"""The programs under examples/ find what a plain loop over the same rows finds, in both modes."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from examples import fraud, sensors

MODES = pytest.mark.parametrize("mode", ["batch", "stream"])


def frauds() -> list[tuple[object, ...]]:
    """Payments and rules in the order of time, rules first."""
    found, tried, active = [], {}, {}
    rules = [(r["since"], 0, r) for r in fraud.rules().to_dicts()]
    paid = [(p["at"], 1, p) for p in fraud.payments().to_dicts()]
    for at, is_payment, row in sorted(rules + paid, key=lambda r: r[:2]):
        if not is_payment:
            active[row["name"]] = row if row["is_active"] else None
            continue
        for name, rule in active.items():
            since = tried.get((row["card"], name))
            if rule is None:
                continue
            soon = since is not None and at - since <= timedelta(seconds=rule["seconds"])
            if soon and row["amount"] >= rule["large"]:
                found.append((row["card"], name, since, at, row["amount"]))
                del tried[row["card"], name]
            if row["amount"] <= rule["small"]:
                tried[row["card"], name] = at
    return sorted(found, key=lambda row: str(row[3]))


@MODES
def test_fraud_is_found(mode: str) -> None:
    found = fraud.find(mode)
    assert found.alerts.rows() == frauds()
    assert {row[1] for row in found.alerts.rows()} == {"minute", "two minutes"}
    assert found.unusual.height > 0
    assert (found.unusual["amount"] > 20 * found.unusual["usual"]).all()


def silences() -> list[tuple[object, ...]]:
    """When each sensor had been silent for a minute; late readings do not count."""
    rows, latest = [], None
    for row in sensors.readings().to_dicts():
        latest = row["at"] if latest is None else max(latest, row["at"])
        # what the watermark has passed; it lags five seconds behind
        if row["at"] >= latest - timedelta(seconds=5):
            rows.append(row)
    frame = pl.DataFrame(rows).sort("sensor", "at")
    gaps = frame.with_columns(pl.col("at").shift(-1).over("sensor").alias("next"))
    gaps = gaps.filter(pl.col("next").is_null() | (pl.col("next") - pl.col("at") > sensors.SILENCE))
    return sorted(gaps.select("sensor", pl.col("at") + sensors.SILENCE).rows())


@MODES
def test_sensors_that_are_hot_or_silent_are_found(mode: str) -> None:
    found = sensors.find(mode)
    alarms = found.alarms
    assert sorted(alarms.filter(pl.col("what") == "is silent").select("sensor", "at").rows()) == silences()
    hot = alarms.filter(pl.col("what") == "grows hot")["sensor"].to_list()
    again = alarms.filter(pl.col("what") == "speaks again")["sensor"].to_list()
    assert (hot, again) == ([4], [7])
    # each reading is in its window, or late for it
    assert found.averages["n"].sum() + found.late.height == sensors.readings().height
    assert found.late.height > 0
