"""Know the options of a session: their names, their defaults, and who set them.

Later ones win: defaults, `thalweg.toml`, environment (`THALWEG_…`), the program or `SET`, flags. The
variable of an option has its name in capitals with `_` for `.` and `-`: `THALWEG_PARALLELISM_DEFAULT`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from thalweg.base.durations import microseconds
from thalweg.checkpoint.failpoints import VARIABLE as FAILPOINTS
from thalweg.errors import ConfigError, Span, did_you_mean, near_misses
from thalweg.session.hooks import HOOKS
from thalweg.session.object_options import OBJECT_OPTIONS, hand_on
from thalweg.session.restart_options import RESTART_OPTIONS

LAYERS = ("default", "thalweg.toml", "environment", "program", "flag")
_PREFIX = "THALWEG_"
FILE = "thalweg.toml"


@dataclass(frozen=True)
class Option:
    """One option: its name, how its text is read, its default, and what it means."""

    name: str
    parse: Callable[[str], Any]  # the option's own type
    default: str | None
    doc: str


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text.lower()

    return parse


class _Given(NamedTuple):
    """The value of an option as somebody wrote it, and where."""

    text: str
    where: Span | str | None


def _positive(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise ValueError("a whole number from 1 up")
    return int(text)


def _count(text: str) -> int:
    if not text.strip().isdecimal():
        raise ValueError("a whole number from 0 up")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ValueError("a number from 0 to 1")
    return value


def _interval(text: str) -> float:
    seconds = _seconds(text)
    if seconds <= 0:
        raise ValueError("more than no time; without a directory no checkpoint is taken")
    return seconds


def _lease(text: str) -> float:
    seconds = _seconds(text)
    if seconds < 1:
        raise ValueError("a second or more: a process may get no turn for a while")
    return seconds


def _seconds(text: str) -> float:
    # Flink writes "5 s", "100ms" and plain milliseconds
    return int(text) / 1000 if text.strip().isdecimal() else microseconds(text) / 1e6


def _bytes(text: str) -> int:
    """An amount of memory as Flink writes it: `512m`, `512 mb`, `512MiB` are the same."""
    found = re.fullmatch(r"\s*(\d+)\s*([kmgt]?)(?:i?b)?\s*", text.lower())
    if found is None or not int(found[1]):
        raise ValueError("an amount of memory, such as 512MiB or 2g")
    return int(found[1]) << 10 * " kmgt".index(found[2] or " ")


def _backend(text: str) -> str:
    kind = text.strip().lower()
    if kind not in ("memory", "hashmap", "filesystem", "rocksdb"):
        raise ValueError("memory (Flink's name is hashmap), filesystem or rocksdb")
    return "memory" if kind == "hashmap" else kind


def _ports(text: str) -> range:
    """One port, or several to choose from."""
    first, dash, last = text.strip().partition("-")
    found = [int(n) for n in (first, last or first) if n.isdecimal()]
    if len(found) != 2 or found[0] > found[1] or found[1] > 65_535 or (dash and not (last and found[0])):
        raise ValueError("a port from 0 to 65535, or some, such as 9250-9260")
    return range(found[0], found[1] + 1)


def _variable(name: str) -> str:
    return _PREFIX + re.sub("[.-]", "_", name).upper()


_OPTIONS = (
    Option(
        "execution.runtime-mode",
        _choice("automatic", "batch", "streaming"),
        "automatic",
        "automatic: bounded input runs as a batch",
    ),
    Option(
        "execution.runtime",
        _choice("threads", "inline", "processes"),
        "threads",
        "one thread per task slot, or one for all; or beside each a process, for functions of yours",
    ),
    Option(
        "execution.lateness",
        _choice("ignore", "as_stream"),
        "ignore",
        "whether a batch accepts every row, or judges which are late as a stream does",
    ),
    Option("execution.batch-rows", _positive, "131072", "the most rows in one batch"),
    Option("parallelism.default", _positive, None, "tasks per stage; by default one per core"),
    Option("pipeline.name", str, None, "the name of the job"),
    Option(
        "metrics.reporter.prom.port",
        _ports,
        None,
        "where Prometheus reads metrics on 127.0.0.1; of 9250-9260 the first that is free; 0: any",
    ),
    Option("pipeline.late-rows.sink", str, None, "a table for late rows of the statements that follow"),
    Option("pipeline.dead-letter", str, None, "the directory of rows that cannot be read, of all sources"),
    Option(
        "pipeline.dead-letter.late-rows",
        _choice("true", "false"),
        "false",
        "whether rows that come too late for a step go there too",
    ),
    Option(
        "pipeline.dead-letter.failed-rows",
        _choice("true", "false"),
        "false",
        "whether rows that a keyed function fails on go there too, instead of ending the job",
    ),
    Option(
        "pipeline.quarantine.rate-max",
        _share,
        "0.01",
        "the greatest share of an epoch's rows that may be kept apart",
    ),
    Option("pipeline.quarantine.count-min", _positive, "100", "fewer rows kept apart than these stop no job"),
    Option("table.local-time-zone", _choice("utc"), "UTC", "the time zone that times are shown and read in"),
    Option("table.exec.source.idle-timeout", _seconds, "0", "when a silent split stops holding time back"),
    Option(
        "table.exec.emit.allow-lateness",
        _seconds,
        "0",
        "for how long rows that are late still correct the results of their windows",
    ),
    Option(
        "table.exec.emit.early-fire.enabled",
        _choice("false"),
        "false",
        "a window is emitted when its time has passed; groupings without a window show what is there so far",
    ),
    Option(
        "table.exec.emit.late-fire.enabled",
        _choice("false"),
        "false",
        "corrections of windows are emitted as soon as the rows that have come are worked through",
    ),
    Option("table.exec.emit.early-fire.delay", _seconds, None, "of early results, which there are none of"),
    Option("table.exec.emit.late-fire.delay", _seconds, None, "of corrections, which are never held back"),
    Option(
        "table.optimizer.broadcast-join",
        _choice("true", "false"),
        "true",
        "whether a join on a stream reads a small input first, and sends it to all tasks",
    ),
    Option(
        "execution.checkpointing.dir",
        str,
        None,
        "the directory of checkpoints; without one none are taken",
    ),
    Option("execution.checkpointing.interval", _interval, "10 s", "the time between two checkpoints"),
    Option("execution.checkpointing.num-retained", _positive, "3", "how many checkpoints of a job are kept"),
    Option(
        "execution.checkpointing.tolerable-failed-checkpoints",
        _count,
        "3",
        "how many checkpoints in a row may fail before the job does",
    ),
    Option(
        "high-availability.lease-duration",
        _lease,
        "10 s",
        "how long a process gives no sign of life until another one may take its job over",
    ),
    *(Option(*option) for option in RESTART_OPTIONS),
    Option(
        "state.backend.type",
        _backend,
        None,
        "memory, filesystem: state in mapped files, as it is with a budget of memory, or rocksdb: the state "
        "of functions by key in RocksDB",
    ),
    Option(
        "state.backend.rocksdb.wal",
        _choice("true", "false"),
        "false",
        "whether RocksDB writes a log first; recovery is from checkpoints, and does not need it",
    ),
    Option(
        "taskmanager.memory.managed.size",
        _bytes,
        None,
        "how much memory state, edges and batches of a job may take (512MiB); by default as much as there is",
    ),
    Option("io.tmp.dirs", str, None, "the directory of temporary files; by default the system's"),
    *(Option(*option) for option in OBJECT_OPTIONS),
    Option("execution.drift-max", _seconds, "0", "how far ahead of the slowest a split may be; 0: any"),
)
_BY_NAME = {o.name: o for o in _OPTIONS}
_BY_VARIABLE = {_variable(o.name): o.name for o in _OPTIONS}
_IGNORED_PREFIXES = (
    *("table.exec.", "table.optimizer.", "table.plan.", "table.display.", "table.dml-", "table.rtas-"),
    *("taskmanager.", "jobmanager.", "jobstore.", "task.", "slotmanager.", "slot.", "cluster.", "process."),
    *("state.", "execution.", "pipeline.", "restart-strategy.", "high-availability.", "heartbeat."),
    *(
        "rest.",
        "web.",
        "historyserver.",
        "sql-client.",
        "sql-gateway.",
        "client.",
        "blob.",
        "akka.",
        "pekko.",
    ),
    *("metrics.", "traces.", "events.", "env.", "classloader.", "python.", "security.", "io.", "fs.", "s3."),
    *("kubernetes.", "yarn.", "zookeeper.", "queryable-state.", "$internal."),
)
"""Flink has many options that mean nothing here; those are accepted with a warning."""
_CHECKPOINTING = "execution.checkpointing."
_IGNORED = frozenset(
    _CHECKPOINTING + name
    for name in (
        *("mode", "timeout", "min-pause", "max-concurrent-checkpoints", "incremental", "storage"),
        *("savepoint-dir", "externalized-checkpoint-retention", "unaligned", "unaligned.enabled"),
        *("aligned-checkpoint-timeout", "checkpoints-after-tasks-finish", "data-inline-threshold"),
    )
) | {
    f"metrics.reporter.prom.{name}"
    for name in ("factory.class", "class", "host", "interval", "delimiter", "filterLabelValueCharacters")
}
"""Those of them that would be taken for ours, misspelt."""


class Settings:
    """The options of one session, by layer."""

    def __init__(
        self, *, directory: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self._layers: dict[str, dict[str, _Given]] = {layer: {} for layer in LAYERS}
        self.warnings: list[str] = []
        self._load_file((directory or Path.cwd()) / FILE)
        self._load_environment(os.environ if environment is None else environment)
        for name, value in HOOKS.flags.items():
            self.set(name, value, layer="flag")

    def set(self, name: str, value: str, *, layer: str = "program", where: Span | str | None = None) -> None:
        """Set an option; the value is read at once, so that a mistake is reported where it stands.

        Raises:
            ConfigError: `config-unknown-option` with near misses, or `config-value`.
        """
        option = _BY_NAME.get(name)
        if option is None:
            self._unknown(name, where)
            return
        try:
            option.parse(value)
        except (ValueError, ConfigError) as error:
            raise ConfigError(
                f'"{value}" is no value for the option "{name}"',
                code="config-value",
                where=where,
                expected=error.expected if isinstance(error, ConfigError) else str(error),
                hint=option.doc,
            ) from None
        self._layers[layer][name] = _Given(value, where)
        hand_on(name, self.get)

    def _unknown(self, name: str, where: Span | str | None) -> None:
        if name in _IGNORED or _is_ignored(name, list(_BY_NAME), _IGNORED_PREFIXES):
            self.warnings.append(f'the option "{name}" means nothing here and is ignored')
            return
        raise ConfigError(
            f'there is no option "{name}"',
            code="config-unknown-option",
            where=where,
            choices=list(_BY_NAME),
            hint=did_you_mean(name, list(_BY_NAME)),
        )

    def reset(self, name: str | None = None) -> None:
        """Forget what the program set, for one option or all."""
        if name is None:
            self._layers["program"].clear()
        else:
            self._layers["program"].pop(name, None)
        hand_on(name, self.get)

    def text(self, name: str) -> str | None:
        """The value as it was written, from the strongest layer."""
        given = self._layers[self.origin(name)].get(name)
        return _BY_NAME[name].default if given is None else given.text

    def place(self, name: str) -> Span | str | None:
        """Where the value was written, if anybody wrote one."""
        given = self._layers[self.origin(name)].get(name)
        return None if given is None else given.where

    def get(self, name: str) -> Any:
        """The value, read."""
        text = self.text(name)
        return None if text is None else _BY_NAME[name].parse(text)

    def origin(self, name: str) -> str:
        """Which layer the value comes from."""
        return next((la for la in reversed(LAYERS) if name in self._layers[la]), "default")

    def listed(self) -> Iterator[tuple[str, str, str]]:
        """Every option with its value and origin."""
        for option in _OPTIONS:
            yield option.name, self.text(option.name) or "", self.origin(option.name)

    def as_text(self) -> dict[str, str]:
        """Every option that has a value, as text."""
        return {name: value for name, value, _ in self.listed() if value}

    def _load_file(self, path: Path) -> None:
        if not path.is_file():
            return
        for name, value in _flat(_parsed(path)):
            self.set(name, value, layer=FILE, where=f'{path}, option "{name}"')

    def _load_environment(self, environment: Mapping[str, str]) -> None:
        for variable, value in environment.items():
            if not variable.startswith(_PREFIX) or variable == _PREFIX:
                continue
            if variable == FAILPOINTS:
                continue
            name = _BY_VARIABLE.get(variable)
            if name is None:
                self._unknown_variable(variable)
            else:
                self.set(name, value, layer="environment", where=f"the environment variable {variable}")

    def _unknown_variable(self, variable: str) -> None:
        known = list(_BY_VARIABLE)
        is_of_flink = variable in map(_variable, _IGNORED)
        if is_of_flink or _is_ignored(variable, known, tuple(map(_variable, _IGNORED_PREFIXES))):
            self.warnings.append(f"the environment variable {variable} means nothing here and is ignored")
            return
        raise ConfigError(
            f'there is no option for the environment variable "{variable}"',
            code="config-unknown-option",
            choices=known,
            hint=did_you_mean(variable, known),
        )


def _is_ignored(name: str, known: Sequence[str], prefixes: tuple[str, ...]) -> bool:
    """Whether the name looks like an option of Flink's, and not like one of ours, misspelt."""
    prefix = max((p for p in prefixes if name.startswith(p)), key=len, default=None)
    if prefix is None:
        return False
    own = [k.removeprefix(prefix) for k in known if k.startswith(prefix)]
    return not near_misses(name.removeprefix(prefix), own)


def _parsed(path: Path) -> Mapping[str, Any]:
    """What a TOML file says.

    Raises:
        ConfigError: `config-file`, with the line.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said, _, place = str(error).partition(" (at ")
        line = re.match(r"line (\d+), column (\d+)", place)
        last = text.count("\n") + 1
        span = Span(text, int(line[1]), int(line[2])) if line else Span(text, last, 1)
        raise ConfigError(
            f"{path.name} is not written in TOML",
            code="config-file",
            where=f"{path}\n{span.render()}",
            found=said[:1].lower() + said[1:],
        ) from None


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value).lower() if isinstance(value, bool) else str(value)
