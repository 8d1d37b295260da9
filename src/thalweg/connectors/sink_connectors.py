"""The sinks that only look at rows, as connectors: print, blackhole, checksum.

Not here: the sinks (sinks.py).
"""

from __future__ import annotations

from thalweg.connectors.connector import Connector, Results
from thalweg.connectors.options import Option, Values, flag
from thalweg.connectors.sinks import BlackholeSink, ChecksumSink, PrintSink
from thalweg.protocols.sink import Sink


def _print(values: Values, rows: Results) -> Sink:
    return PrintSink(values["print-identifier"], values["standard-error"], rows.key)


def _blackhole(values: Values, rows: Results) -> Sink:
    return BlackholeSink()


def _checksum(values: Values, rows: Results) -> Sink:
    return ChecksumSink()


PRINT = Connector(
    "print",
    (
        Option("print-identifier", str, "", "what each line begins with"),
        Option("standard-error", flag, False, "whether to print to the standard error stream"),
    ),
    sink=_print,
)
BLACKHOLE = Connector("blackhole", sink=_blackhole)
CHECKSUM = Connector("checksum", sink=_checksum)
