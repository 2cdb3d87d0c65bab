"""Commands of the embedded world."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from counterform.cli.app import world


@world.command("build")
def build(
    out: Annotated[Path, typer.Argument(help="Where the model goes; an interrupted build goes on.")],
    documents: Annotated[int, typer.Option(help="How many documents it reads.")] = 320_000,
    seed: Annotated[int, typer.Option(help="Of the documents and of the training.")] = 0,
) -> None:
    """Make the tiny base model from scratch: under an hour on two cores."""
    from counterform.world.build import Recipe
    from counterform.world.build import build as build_base

    print(json.dumps(build_base(out, Recipe(seed=seed, documents=documents)), indent=1))
