"""The command line's groups of commands, which the other files of this room fill."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
import typer.core

from counterform import __version__
from counterform.cli.printing import say


class _Group(typer.core.TyperGroup):
    """All commands. An interrupted one says so in one line, where typer would say nothing."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("counterform: interrupted. What was finished is kept, and the same command goes on from there.")
            sys.exit(130)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        print(f"counterform {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """What do right answers teach a language model, and what do failures? A study that measures it."""


world = typer.Typer(help="The embedded world's tiny base model.", no_args_is_help=True)
app.add_typer(world, name="world")
guard = typer.Typer(help="Policies for tool calls.", no_args_is_help=True)
app.add_typer(guard, name="guard")

Columns = Annotated[str, typer.Option(help="Of plain files, e.g. item=qid,text=reply,score=ok.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
