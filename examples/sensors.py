"""Watch sensors: averages of each minute, those that grow hot or fall silent, and readings that come late.

Readings come out of order and some very late; a sensor that breaks says nothing at all, which only a timer
can notice. All of it is one program over one source:

* the average of each sensor and minute, as a window of a query, with its late readings beside it;
* an alarm when the average of a sensor has risen three times in a row, by a function over these windows;
* an alarm when a sensor has been silent for a minute, by a function with timers, and the all-clear. When the
  readings end, all sensors fall silent.

    python examples/sensors.py            the generated readings as a batch
    python examples/sensors.py --stream   as a stream: the same averages and alarms
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import polars as pl

import thalweg as tw

NOON = datetime(2026, 1, 1, 12)
SILENCE = timedelta(minutes=1)
ALARM = "sensor BIGINT, what STRING, at TIMESTAMP"


class Rising(tw.ProcessFunction):
    """The average has risen three times in a row, by half a degree each time."""

    last: float | None = None
    times: int = 0

    def on_event(self, window: Any) -> Any:
        is_higher = self.last is not None and window.average > self.last + 0.5
        self.times = self.times + 1 if is_higher else 0
        self.last = window.average
        if self.times == 3:
            yield window.sensor, "grows hot", window.window_end


class Silent(tw.ProcessFunction):
    """Nothing has come for a minute; and when it speaks again."""

    due: datetime | None = None
    is_silent: bool = False

    def on_event(self, reading: Any) -> Any:
        if self.due is not None:
            self.delete_timer(self.due)
        self.due = reading.at + SILENCE
        self.set_timer(self.due)
        if self.is_silent:
            self.is_silent = False
            yield reading.sensor, "speaks again", reading.at

    def on_timer(self) -> Any:
        self.due, self.is_silent = None, True
        yield self.key.sensor, "is silent", self.time


class Found(NamedTuple):
    """What the program finds, as frames."""

    averages: pl.DataFrame
    late: pl.DataFrame
    alarms: pl.DataFrame


def readings(seed: int = 3) -> pl.DataFrame:
    """Ten minutes of twenty sensors, one reading in about two seconds; sensor 4 heats up, 7 pauses."""
    random = Random(seed)
    rows = []
    for sensor in range(20):
        seconds = random.random()
        while seconds < 600:
            if sensor != 7 or not 200 < seconds < 330:
                degrees = 20 + random.gauss(0, 0.2) + (seconds / 40 if sensor == 4 and seconds > 240 else 0)
                # most arrive within two seconds, one in two hundred after a minute
                delay = random.random() * 2 if random.random() > 0.005 else 90
                rows.append((seconds + delay, sensor, NOON + timedelta(seconds=seconds), degrees))
            seconds += random.uniform(1, 3)
    frame = pl.DataFrame(rows, schema=["arrived", "sensor", "at", "degrees"], orient="row")
    return frame.sort("arrived").drop("arrived")


def find(mode: str) -> Found:
    """Run the program over the generated readings."""
    session = tw.Session(parallelism=1)
    rows = session.from_polars(readings()).assign_watermark("at", "5 seconds")
    minutes = rows.window(tw.tumbling("1 minute"))
    averages = minutes.group_by("sensor").agg(average=tw.avg("degrees"), n=tw.count())
    hot = averages.key_by("sensor").process(Rising(), ALARM, time="window_end")
    silent = rows.key_by("sensor").process(Silent(), ALARM)
    parts = averages, minutes.late(), hot.union(silent)
    return Found(*(part.collect(mode=mode, lateness="as_stream") for part in parts))


if __name__ == "__main__":
    found = find("stream" if "--stream" in sys.argv else "batch")
    print(found.averages.sort("sensor", "window_end"), found.late, found.alarms.sort("at"), sep="\n")
