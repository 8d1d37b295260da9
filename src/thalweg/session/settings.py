"""Know the options of a session: their names, their defaults, and who set them.

Later ones win: defaults, `thalweg.toml`, environment (`THALWEG_…`), the program or `SET`, flags.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thalweg.base.durations import microseconds
from thalweg.errors import ConfigError, Span, did_you_mean
from thalweg.session.hooks import HOOKS

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


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError("a number from 1 up")
    return value


def _seconds(text: str) -> float:
    # Flink writes "5 s", "100ms" and plain milliseconds
    return int(text) / 1000 if text.strip().isdigit() else microseconds(text) / 1e6


_OPTIONS = (
    Option(
        "execution.runtime-mode",
        _choice("automatic", "batch", "streaming"),
        "automatic",
        "automatic: bounded input runs as a batch",
    ),
    Option(
        "execution.runtime",
        _choice("threads", "inline"),
        "threads",
        "one thread per task slot, or one for all",
    ),
    Option(
        "execution.lateness",
        _choice("ignore", "as_stream"),
        "ignore",
        "whether a batch accepts every row, or judges which are late as a stream does",
    ),
    Option("execution.batch-rows", _positive, "65536", "the most rows in one batch"),
    Option("parallelism.default", _positive, None, "tasks per stage; by default one per core"),
    Option("pipeline.name", str, None, "the name of the job"),
    Option("pipeline.late-rows.sink", str, None, "a table for late rows of the statements that follow"),
    Option("table.exec.source.idle-timeout", _seconds, "0", "when a silent split stops holding time back"),
    Option("execution.drift-max", _seconds, "0", "how far ahead of the slowest a split may be; 0: any"),
)
_BY_NAME = {o.name: o for o in _OPTIONS}
_IGNORED_PREFIXES = (
    "table.exec.",
    "table.optimizer.",
    "taskmanager.",
    "jobmanager.",
    "state.",
    "execution.",
    "sql-client.",
)
"""Flink has many options that mean nothing here; those are accepted with a warning."""


class Settings:
    """The options of one session, by layer."""

    def __init__(
        self, *, directory: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self._layers: dict[str, dict[str, str]] = {layer: {} for layer in LAYERS}
        self.warnings: list[str] = []
        self._load_file((directory or Path.cwd()) / FILE)
        self._load_environment(os.environ if environment is None else environment)
        for name, value in HOOKS.flags.items():
            self.set(name, value, layer="flag")

    def set(self, name: str, value: str, *, layer: str = "program", where: Span | None = None) -> None:
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
            ) from error
        self._layers[layer][name] = value

    def _unknown(self, name: str, where: Span | None) -> None:
        near = did_you_mean(name, list(_BY_NAME))
        if near is None and name.startswith(_IGNORED_PREFIXES):
            self.warnings.append(f'the option "{name}" means nothing here and is ignored')
            return
        raise ConfigError(
            f'there is no option "{name}"',
            code="config-unknown-option",
            where=where,
            choices=list(_BY_NAME),
            hint=near,
        )

    def reset(self, name: str | None = None) -> None:
        """Forget what the program set, for one option or all."""
        if name is None:
            self._layers["program"].clear()
        else:
            self._layers["program"].pop(name, None)

    def text(self, name: str) -> str | None:
        """The value as it was written, from the strongest layer."""
        for layer in reversed(LAYERS):
            if name in self._layers[layer]:
                return self._layers[layer][name]
        return _BY_NAME[name].default

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
        try:
            data = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(
                f"{path} cannot be read: {error}", code="config-file", where=str(path)
            ) from error
        for name, value in _flat(data):
            self.set(name, value, layer="thalweg.toml")

    def _load_environment(self, environment: Mapping[str, str]) -> None:
        for key, value in environment.items():
            if key.startswith(_PREFIX) and key[len(_PREFIX) :]:
                name = key[len(_PREFIX) :].lower().replace("__", ".").replace("_", "-")
                self.set(name, value, layer="environment")


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value).lower() if isinstance(value, bool) else str(value)
