"""The vectorised generator makes what a scalar one, written from the definition alone, makes.

`Reference` is that scalar generator: one event at a time, plain Python numbers, nothing shared with the
code under test.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest

from thalweg.connectors.nexmark import NexmarkConfig, NexmarkGenerator

MASK, GOLD, POOL = 2**64 - 1, 0x9E3779B97F4A7C15, 2**20
FIRST = ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"]
LAST = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"]
CITIES = ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland"]
CITIES += ["Bend", "Redmond", "Seattle", "Kent", "Cheyenne"]
STATES = ["AZ", "CA", "ID", "OR", "WA", "WY"]
HOT = ["Google", "Facebook", "Baidu", "Apple"]
EPOCH = datetime(1970, 1, 1)
Row = dict[str, Any]


def mix(z: int) -> int:
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return z ^ z >> 31


def pick(r: int, n: int) -> int:
    return ((r >> 32) * n) >> 32


def price(r: int) -> int:
    return math.floor(10 ** (6 * ((r >> 11) * 2.0**-53)) * 100 + 0.5)


@cache
def family(seed: int, t: int) -> int:
    return mix((seed + t * GOLD) & MASK)


class Reference:
    def __init__(self, config: NexmarkConfig, index: int) -> None:
        self.c = config
        self.first_id = 1 + index * ((config.events_num or 0) // config.generators)
        self.mix = (config.person_proportion, config.auction_proportion, config.bid_proportion)

    def raw(self, t: int, i: int) -> int:
        return mix((family(self.c.seed, t) + (i + 1) * GOLD) & MASK)

    def extra_text(self, start: int, size: int) -> str:
        signs = [-1 if self.raw(2, i // 6) >> 63 else 1 for i in range(start, start + size)]
        return "".join(chr(97 + s * pick(self.raw(1, start + k), 26)) for k, s in enumerate(signs))

    def words(self, start: int, size: int, gap: str) -> str:
        letters = range(start, start + size)
        return "".join(
            gap if pick(self.raw(3, i), 13) == 0 else chr(97 + pick(self.raw(4, i), 26)) for i in letters
        )

    def url(self, c: int) -> str:
        parts = [self.raw(5, 8 * c + k) for k in range(7)]
        cuts = [(pick(parts[2 * k], POOL - 4), 3 + pick(parts[2 * k + 1], 2)) for k in range(3)]
        text = "https://www.nexmark.com/" + "/".join(self.words(s, n, "_") for s, n in cuts)
        text += "/item.htm?query=1"
        if c >= 10_000 or pick(parts[6], 10) == 0:
            return text
        bits = int(f"{c:032b}"[::-1], 2)
        signed = bits - 2**32 if bits >= 2**31 else bits
        return f"{text}&channel_id={signed if signed == -(2**31) else abs(signed)}"

    def time(self, number: int) -> int:
        delay = 1e6 / self.c.first_event_rate * self.c.generators
        return self.c.base_time_ms + math.floor(number * delay) // 1000

    def event(self, j: int) -> tuple[int, Row]:
        n, group = 1 + j, self.c.out_of_order_group_size
        number = n if group == 1 else n // group * group + n * 953 % group
        e, (pp, ap, _) = self.first_id + number, self.mix
        turn, r = divmod(e, sum(self.mix))
        person = turn * pp + min(r, pp - 1)
        auction = turn * ap - 1 if r < pp else turn * ap + min(r - pp, ap - 1)
        kind = 0 if r < pp else 1 if r < pp + ap else 2
        d = [self.raw(0, 32 * e + s) for s in range(14)]
        made = [self.person, self.auction, self.bid][kind](d, person, auction, number)
        return kind, made

    def someone(self, r: int, last: int) -> int:
        active = min(last + 1, 1000)
        return last + 1 - active + pick(r, active + 10)

    def filler(self, missing: int, r_size: int, r_start: int) -> str:
        if missing < 0:
            return ""
        delta = math.floor(0.2 * missing + 0.5)
        size = missing - delta + pick(r_size, 2 * delta)
        return self.extra_text(pick(r_start, POOL - size), size)

    def person(self, d: list[int], person: int, auction: int, number: int) -> Row:
        local = self.words(pick(d[3], POOL - 8), 3 + pick(d[2], 4), " ").strip(" ")
        domain = self.words(pick(d[5], POOL - 8), 3 + pick(d[4], 2), " ").strip(" ")
        texts = {
            "name": f"{FIRST[pick(d[0], 11)]} {LAST[pick(d[1], 9)]}",
            "emailAddress": f"{local}@{domain}.com",
            "creditCard": " ".join(f"{pick(r, 10_000):04d}" for r in d[6:10]),
            "city": CITIES[pick(d[10], 10)],
            "state": STATES[pick(d[11], 6)],
        }
        extra = self.filler(200 - 8 - sum(map(len, texts.values())), d[12], d[13])
        return {"id": 1000 + person, **texts, "dateTime": self.time(number), "extra": extra}

    def auction(self, d: list[int], person: int, auction: int, number: int) -> Row:
        item = self.words(pick(d[6], POOL - 128), 3 + pick(d[5], 17), " ").strip(" ")
        description = self.words(pick(d[8], POOL - 128), 3 + pick(d[7], 97), " ").strip(" ")
        hot, ahead = pick(d[0], 4) > 0, 100 * sum(self.mix) // self.mix[1]
        horizon = self.time(number + ahead) - self.time(number)
        return {
            "id": 1000 + auction,
            "itemName": item,
            "description": description,
            "initialBid": price(d[3]),
            "reserve": price(d[3]) + price(d[9]),
            "dateTime": self.time(number),
            "expires": self.time(number) + 1 + pick(d[4], max(2 * horizon, 1)),
            "seller": 1000 + (person // 100 * 100 if hot else self.someone(d[1], person)),
            "category": 10 + pick(d[2], 5),
            "extra": self.filler(500 - 48 - len(item) - len(description), d[10], d[11]),
        }

    def bid(self, d: list[int], person: int, auction: int, number: int) -> Row:
        low = max(auction - 100, 0)
        cold = low + pick(d[1], auction - low + 11)
        bidder = person // 100 * 100 + 1 if pick(d[2], 4) > 0 else self.someone(d[3], person)
        channel = 10_000 + pick(d[6], 4) if pick(d[5], 2) > 0 else pick(d[6], 10_000)
        return {
            "auction": 1000 + (auction // 100 * 100 if pick(d[0], 2) > 0 else cold),
            "bidder": self.c.bidder_offset + bidder,
            "price": price(d[4]),
            "channel": HOT[channel - 10_000] if channel >= 10_000 else f"channel-{channel}",
            "url": self.url(channel),
            "dateTime": self.time(number),
            "extra": self.filler(100 - 32, d[7], d[8]),
        }


CASES = {
    "smoke": (NexmarkConfig(events_num=1_000_000), 0, 0, 2000),
    "late_in_the_run": (NexmarkConfig(events_num=1_000_000, first_event_rate=500), 0, 500_000, 300),
    "third_of_eight": (NexmarkConfig(events_num=10_003, generators=8, first_event_rate=100_000), 2, 0, 300),
    "last_of_eight": (NexmarkConfig(events_num=10_003, generators=8), 7, 950, 303),
    "disorder": (NexmarkConfig(events_num=10_000, out_of_order_group_size=1000), 0, 900, 300),
    "other_seed": (NexmarkConfig(events_num=10_000, seed=-77, bidder_offset=1000, base_time_ms=0), 0, 0, 150),
    "other_mix": (
        NexmarkConfig(events_num=9_000, person_proportion=3, auction_proportion=2, bid_proportion=4),
        *(0, 4_000, 300),
    ),
    "odd_rate": (NexmarkConfig(events_num=9_000, first_event_rate=7_777_777, generators=3), 1, 1000, 200),
}


@pytest.mark.parametrize("case", [pytest.param("smoke", marks=pytest.mark.slow), *list(CASES)[1:]])
def test_events_equal_the_scalar_reference(case: str) -> None:
    config, index, start, count = CASES[case]
    expected = [Reference(config, index).event(j) for j in range(start, start + count)]
    frame = NexmarkGenerator(config, index).batch(start, count)
    for name, kind in {"person": 0, "auction": 1, "bid": 2}.items():
        wanted = [row if k == kind else None for k, row in expected]
        assert [_in_ms(row) for row in frame[name].to_list()] == wanted
    assert frame["event_type"].to_list() == [k for k, _ in expected]


def _in_ms(row: Row | None) -> Row | None:
    if row is None:
        return None
    times = {n: (row[n] - EPOCH) // timedelta(milliseconds=1) for n in ("dateTime", "expires") if n in row}
    return row | times
