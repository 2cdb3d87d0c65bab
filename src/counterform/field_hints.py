"""What msgspec leaves unsaid of a bad value: the options at its place, and the nearest of them."""

from __future__ import annotations

import difflib
import re
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct


def hint(message: str, table: type[Struct]) -> str:
    """To be put behind the message of a validation error: for an unknown field, or a value that is none of a few words; else empty.

    table: what was to be decoded.
    """
    unknown = re.search(r"unknown field `(\w+)`(?: - at `\$([^`]*)`)?", message)
    if unknown:
        there = _struct_in(_at(table, unknown[2] or ""))
        names = [field.name for field in msgspec.structs.fields(there)] if there else []
        return _options(unknown[1], names)
    value = re.search(r"Invalid enum value '(.*)' - at (`key` in )?`\$([^`]*)`", message)
    return _options(value[1], _words_in(_at(table, value[3]))) if value else ""


def _options(value: str, options: list[str]) -> str:
    if not options:
        return ""
    near = difflib.get_close_matches(value, options, n=1)
    return (f". Did you mean {near[0]!r}?" if near else ".") + f" Options: {', '.join(options)}"


def _at(table: Any, path: str) -> Any:
    """The type at a path such as `.run.executor`; None where there is no such."""
    for step in re.findall(r"\.(\w+)", path):
        struct = _struct_in(table)
        if struct is None:
            return None
        table = next((field.type for field in msgspec.structs.fields(struct) if field.name == step), None)
    return table


def _struct_in(kind: Any) -> type[Struct] | None:
    """The first struct in a type: `tuple[str | ArmSpec, ...]` -> ArmSpec."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return kind
    return next((found for inner in get_args(kind) if (found := _struct_in(inner))), None)


def _words_in(kind: Any) -> list[str]:
    """The words of the first Literal in a type."""
    if get_origin(kind) is Literal:
        return [str(word) for word in get_args(kind)]
    return next((found for inner in get_args(kind) if (found := _words_in(inner))), [])
