"""The tools that a policy speaks of, as a chat request offers them: their names, descriptions and arguments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from counterform.errors import DataError

MAX_BYTES = 5_000_000
_FORM = 'a JSON list of {"type": "function", "function": {"name", "description", "parameters"}}, as `tools` of a chat request'


class Tool(Struct, frozen=True, kw_only=True):
    """One tool."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    """Of each argument its JSON schema."""


class Toolbox(Struct, frozen=True):
    """All tools, by name."""

    tools: dict[str, Tool]

    def values(self) -> dict[str, tuple[str, ...]]:
        """The texts that arguments may have (`enum`), by the argument's name, those inside lists and objects too."""
        found: dict[str, tuple[str, ...]] = {}
        for tool in self.tools.values():
            for name, schema in tool.parameters.items():
                _values(name, schema, found, 0)
        return found


def read_tools(path: Path) -> Toolbox:
    """The tools of a file. Raises DataError for one that cannot be read, has no tool, or one name twice."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} is larger than {MAX_BYTES:,} bytes. It should hold {_FORM}.")
        given = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise DataError(f"the tools {path} cannot be read: {error.strerror}. Give {_FORM}.") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError(f"the tools {path} are no JSON: {error}. Give {_FORM}.") from error
    rows = given.get("tools") if isinstance(given, dict) else given
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{path} offers no tool. Give {_FORM}.")
    found: dict[str, Tool] = {}
    for at, row in enumerate(rows, start=1):
        tool = _tool(row)
        if tool is None:
            raise DataError(f"entry {at} of {path} is no tool: it needs a name that is one word. Give {_FORM}.")
        if tool.name in found:
            raise DataError(
                f"{path} has two tools named {tool.name!r}, so nobody can say which one a rule means. Rename one."
            )
        found[tool.name] = tool
    return Toolbox(found)


def _tool(row: object) -> Tool | None:
    function = row.get("function", row) if isinstance(row, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(name, str) or not name.replace("-", "_").isidentifier():
        return None
    schema = function.get("parameters")
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    return Tool(
        name=name,
        description=str(function.get("description") or "")[:2000],
        parameters=dict(properties) if isinstance(properties, Mapping) else {},
    )


def _values(name: str, schema: object, found: dict[str, tuple[str, ...]], depth: int) -> None:
    if not isinstance(schema, Mapping) or depth > 8:
        return
    options = schema.get("enum")
    if isinstance(options, list):
        texts = tuple(option for option in options if isinstance(option, str))
        found[name] = tuple(dict.fromkeys((*found.get(name, ()), *texts)))
    _values(name, schema.get("items"), found, depth + 1)
    inner = schema.get("properties")
    for key, value in inner.items() if isinstance(inner, Mapping) else ():
        _values(str(key), value, found, depth + 1)
