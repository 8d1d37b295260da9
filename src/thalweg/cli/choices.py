"""The options that several commands share: how a job is to be executed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from thalweg.session.hooks import HOOKS

_F = TypeVar("_F", bound=Callable[..., Any])
_MODES = {"batch": "batch", "stream": "streaming", "automatic": "automatic"}


def execution_options(function: _F) -> _F:
    """Add `--parallelism`, `--mode`, `--lateness`, `--runtime`, `--name` and `--set` to a command."""
    for add in reversed(
        (
            click.option("--parallelism", type=click.IntRange(min=1), help="tasks per stage"),
            click.option("--mode", type=click.Choice(list(_MODES)), help="batch needs input that ends"),
            click.option(
                "--lateness",
                type=click.Choice(["ignore", "as_stream"]),
                help="as_stream: a batch judges which rows are late as a stream does",
            ),
            click.option(
                "--runtime",
                type=click.Choice(["threads", "inline", "processes"]),
                help="inline: one thread; processes: functions of yours on all cores",
            ),
            click.option("--name", help="the name of the job"),
            click.option("--checkpoint-dir", help="where checkpoints are kept, to go on from"),
            click.option(
                "--memory", metavar="SIZE", help="of state, edges and batches: 512MiB; the rest spills"
            ),
            click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="any option"),
        )
    ):
        function = add(function)
    return function


def raise_flags(
    *,
    parallelism: int | None = None,
    mode: str | None = None,
    runtime: str | None = None,
    lateness: str | None = None,
    name: str | None = None,
    checkpoint_dir: str | None = None,
    memory: str | None = None,
    settings: Iterable[str] = (),
) -> None:
    """Lay the options over whatever the program sets."""
    from thalweg.session.settings import Settings

    flags = {
        "parallelism.default": None if parallelism is None else str(parallelism),
        "execution.runtime-mode": None if mode is None else _MODES[mode],
        "execution.runtime": runtime,
        "execution.lateness": lateness,
        "pipeline.name": name,
        "execution.checkpointing.dir": checkpoint_dir,
        "taskmanager.memory.managed.size": memory,
    }
    found = {key: value for key, value in flags.items() if value is not None}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter("KEY=VALUE is expected", param_hint=f'"--set {text}"')
        found[key.strip()] = value.strip()
    known = Settings()
    for key, value in found.items():
        known.set(key, value, layer="flag", where=f"--set {key}={value}")
    HOOKS.flags.update(found)
