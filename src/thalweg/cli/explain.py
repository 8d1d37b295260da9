"""`thalweg explain`: show every stage on the way from a program or a query to its job."""

from __future__ import annotations

import os
from typing import Any

import click

from thalweg.cli.choices import execution_options, raise_flags
from thalweg.cli.failures import DONE, report
from thalweg.cli.looking import look_at_file, look_at_sql


@click.command("explain")
@click.argument("what", metavar='FILE|"SQL"')
@click.option("--state", is_flag=True, help="What each step of a stream keeps, and for how long.")
@execution_options
def command(what: str, *, state: bool, **how: Any) -> int:
    """Show how a program or a query would run; nothing is run.

    Example: thalweg explain "SELECT count(*) FROM 'clicks/*.parquet'"

    Prints the plan as it was written, what each rule of the optimizer made of it, and the job.
    """
    from thalweg.session.execute import explain

    raise_flags(**how)
    is_file = what.endswith((".py", ".sql")) or os.path.isfile(what)
    if is_file and not os.path.isfile(what):
        raise click.UsageError(f'there is no file "{what}"')
    try:
        looks = look_at_file(what) if is_file else look_at_sql(what)
    except Exception as error:  # noqa: BLE001 - the program is the user's: it may raise anything
        return report(error, what if is_file else None)
    for look in looks:
        click.echo(explain(look.roots, look.how, ["STATE"] if state else []))
    if not looks:
        click.echo("nothing is written and nothing is asked for, so that there is no job", err=True)
    return DONE
