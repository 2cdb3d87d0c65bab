"""A study as a TOML file with comments."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from counterform.study import Study

WIDTH, LONG = 32, 60
"""Where a comment begins, if its line is shorter; the comment of a long line stands above it."""


def written(study: Study, comments: Mapping[str, str], *, head: Sequence[str] = (), said: Collection[str] = ()) -> str:
    """The study as TOML: what differs from the defaults, with the comment that stands under a key's path behind it.

    head: lines above all. said: paths of keys that are written even where they are at their defaults.
    """
    tree = _told(study, "", said)
    lines = [f"# {line}" for line in head]
    plain = {name: value for name, value in tree.items() if not isinstance(value, dict)}
    lines += ["", *_lines(plain, "", comments)]
    for name, table in tree.items():
        if isinstance(table, dict):
            lines += _table(name, table, comments)
    return "\n".join(lines) + "\n"


def _told(table: Struct, path: str, said: Collection[str]) -> dict[str, Any]:
    """A table as plain values in the order of its fields, without what is at its default."""
    found = {}
    for field in msgspec.structs.fields(table):
        value = getattr(table, field.name)
        if isinstance(value, Struct):
            if inner := _told(value, f"{path}{field.name}.", said):
                found[field.name] = inner
        elif path + field.name in said or (value is not None and value != field.default):
            values = (
                [_told(one, "", ()) if isinstance(one, Struct) else one for one in value]
                if isinstance(value, tuple)
                else value
            )
            found[field.name] = msgspec.to_builtins(values)
    return found


def _table(name: str, table: Mapping[str, Any], comments: Mapping[str, str]) -> list[str]:
    """A table, and those within it."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = (
        ["", *_commented(f"[{name}]", comments.get(name, "")), *_lines(plain, f"{name}.", comments)] if plain else []
    )
    for key, inner in table.items():
        if isinstance(inner, dict):
            lines += _table(f"{name}.{_name(key)}", inner, comments)
    return lines


def _lines(values: Mapping[str, Any], path: str, comments: Mapping[str, str]) -> list[str]:
    return [
        line for key, value in values.items() for line in _commented(_key(key, value), comments.get(path + key, ""))
    ]


def _key(key: str, value: Any) -> str:
    """`key = value` in one line."""
    return f"{_name(key)} = {_value(value)}"


def _name(key: str) -> str:
    """A key, in quotes where TOML asks for them."""
    return msgspec.toml.encode({key: 0}).decode().rpartition(" = ")[0]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(_key(key, inner) for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return msgspec.toml.encode({"value": value}).decode().removeprefix("value = ").removesuffix("\n")


def _commented(line: str, comment: str) -> list[str]:
    if not comment:
        return [line]
    return [f"# {comment}", line] if len(line) > LONG else [f"{line.ljust(WIDTH - 1)} # {comment}"]
