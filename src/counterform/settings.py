"""Values of a table that are said on the command line: `--set a.b=c`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from counterform.errors import StudyError
from counterform.field_hints import hint

Table = TypeVar("Table", bound=Struct)


def changed(table: Table, settings: Sequence[str], source: str) -> Table:
    """The same table with each `PATH=VALUE` of `settings` in its place, as if it stood in the file.

    A value is TOML (`0.5`, `[0, 1]`, `{critic = "reference"}`); what is none is a text, so that `model.path=gpt2` needs no quotes.
    Raises StudyError as the file would, naming the path of the bad value, and for what is not of the form PATH=VALUE.
    """
    if not settings:
        return table
    values: dict[str, Any] = msgspec.to_builtins(table)
    for setting in settings:
        path, equals, text = setting.partition("=")
        *tables, key = path.strip().split(".")
        if not equals or not all([*tables, key]):
            raise StudyError(f"--set {setting}: is not of the form PATH=VALUE, e.g. --set probe.samples=8")
        _inner(values, tables, setting)[key] = _value(text.strip())
    try:
        return msgspec.convert(values, type(table))
    except msgspec.ValidationError as error:
        given = " ".join(f"--set {setting}" for setting in settings)
        raise StudyError(f"{source} with {given}: {error}{hint(str(error), type(table))}") from error


def _inner(values: dict[str, Any], tables: Sequence[str], setting: str) -> dict[str, Any]:
    """The table at a path; one that is left out is made."""
    for at, name in enumerate(tables, 1):
        if values.get(name) is None:
            values[name] = {}
        values = values[name]
        if not isinstance(values, dict):
            raise StudyError(
                f"--set {setting}: $.{'.'.join(tables[:at])} is no table. Give the whole of it: --set {'.'.join(tables[:at])}=VALUE"
            )
    return values


def _value(text: str) -> Any:
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return found["value"] if len(found) == 1 else text
