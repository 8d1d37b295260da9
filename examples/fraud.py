"""Find fraud on cards while it happens: rules that change the running job, timers, and a side output.

Thieves try a card with a small payment and then empty it with a large one, soon after. What is small, large
and soon are rules; they come as rows of their own, and a rule holds from its time on, also for cards that are
at it already. Large payments that no rule explains go to a side output, for somebody to look at.

    python examples/fraud.py            the generated payments as a batch
    python examples/fraud.py --stream   the same as a stream: the same answer
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import polars as pl

import thalweg as tw

NOON = datetime(2026, 1, 1, 12)
ALERT = "card BIGINT, rule STRING, tried_at TIMESTAMP, at TIMESTAMP, amount DOUBLE"
UNUSUAL = "card BIGINT, at TIMESTAMP, amount DOUBLE, usual DOUBLE"


@dataclass
class Rule:
    """A payment of at most `small`, and one of at least `large` within `seconds` behind it."""

    small: float
    large: float
    seconds: int


class FindFraud(tw.BroadcastProcessFunction):
    """Alerts of every rule; state is kept per card, rules are the same for all."""

    rules: tw.Broadcast[str, Rule]
    tries: dict[str, datetime]
    count: int = 0
    spent: float = 0.0

    def on_broadcast(self, rule: Any) -> None:
        if rule.is_active:
            self.rules[rule.name] = Rule(rule.small, rule.large, rule.seconds)
        else:
            self.rules.pop(rule.name, None)

    def on_event(self, payment: Any) -> Any:
        usual = self.spent / self.count if self.count else payment.amount
        found = [name for name, rule in self.rules.items() if self.is_fraud(name, rule, payment)]
        for name in found:
            yield payment.card, name, self.tries.pop(name), payment.at, payment.amount
        if not found and self.count > 3 and payment.amount > 20 * usual:
            self.emit("unusual", (payment.card, payment.at, payment.amount, usual))
        self.count += 1
        self.spent += payment.amount
        for name, rule in self.rules.items():
            if payment.amount <= rule.small:
                self.tries[name] = payment.at
                self.set_timer(timedelta(seconds=rule.seconds))

    def is_fraud(self, name: str, rule: Rule, payment: Any) -> bool:
        tried = self.tries.get(name)
        if tried is None or payment.amount < rule.large:
            return False
        return payment.at - tried <= timedelta(seconds=rule.seconds)

    def on_timer(self) -> None:
        """What was tried too long ago is forgotten, and with it a card that nothing happens to."""
        waits = {name: timedelta(seconds=rule.seconds) for name, rule in self.rules.items()}
        self.tries = {n: at for n, at in self.tries.items() if n in waits and at + waits[n] > self.time}


class Found(NamedTuple):
    """What the program finds, as frames."""

    alerts: pl.DataFrame
    unusual: pl.DataFrame


def payments(count: int = 5_000, cards: int = 50, seed: int = 7) -> pl.DataFrame:
    """Payments of an hour, of which a few are thefts: cents, and hundreds seconds later."""
    random = Random(seed)
    rows = [
        (random.randrange(cards), NOON + timedelta(seconds=random.random() * 3600), random.uniform(5, 80))
        for _ in range(count)
    ]
    for _ in range(10):
        card, at = random.randrange(cards), NOON + timedelta(seconds=random.random() * 3600)
        rows += [(card, at, 0.5), (card, at + timedelta(seconds=random.uniform(5, 90)), 900.0)]
    return pl.DataFrame(rows, schema=["card", "at", "amount"], orient="row").sort("at")


def rules() -> pl.DataFrame:
    """A rule from the beginning, and a stricter one from half past on; then the first is withdrawn."""
    half = NOON + timedelta(minutes=30)
    return pl.DataFrame(
        [
            ("minute", 1.0, 500.0, 60, NOON, True),
            ("two minutes", 1.0, 300.0, 120, half, True),
            ("minute", 1.0, 500.0, 60, half + timedelta(minutes=15), False),
        ],
        schema=["name", "small", "large", "seconds", "since", "is_active"],
        orient="row",
    )


def find(mode: str) -> Found:
    """Run the program over the generated payments."""
    session = tw.Session()
    paid = session.from_polars(payments()).assign_watermark("at", "10 seconds")
    ruled = session.from_polars(rules()).assign_watermark("since", "10 seconds")
    step = paid.key_by("card").connect(ruled.broadcast())
    alerts = step.process(FindFraud(), ALERT, sides={"unusual": UNUSUAL})
    unusual = alerts.side("unusual")
    return Found(*(rows.collect(mode=mode).sort("at", "card") for rows in (alerts, unusual)))


if __name__ == "__main__":
    found = find("stream" if "--stream" in sys.argv else "batch")
    print(found.alerts, found.unusual, sep="\n")
