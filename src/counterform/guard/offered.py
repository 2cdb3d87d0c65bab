"""The tools that a request offers: what it did not offer, no call may use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterform.guard.canonical import spelling


class Offered:
    """The functions of a chat request (`tools`, and `functions` of old), and the arguments that each takes."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.names: dict[str, frozenset[str] | None] = {}
        """Of each function, its arguments; None where its schema leaves them open."""
        tools = [_inner(tool, "function") for tool in _items(request.get("tools"))]
        for function in [*tools, *_items(request.get("functions"))]:
            if isinstance(name := function.get("name"), str):
                self.names[name] = _arguments(function.get("parameters"))
        self.known = frozenset(self.names)
        """The same names, those that `tool_choice` forbids too."""
        allowed = _allowed(request.get("tool_choice"))
        if allowed is not None:
            self.names = {name: known for name, known in self.names.items() if name in allowed}

    def objection(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Why this is no call of what was offered; empty if it is one."""
        if name not in self.names:
            near = [other for other in self.names if spelling(other) == spelling(name)]
            meant = f"; the tool is written {near[0]!r}" if near else ""
            options = ", ".join(self.names)[:500]
            return f"{ascii(name)[:100]} was not offered{meant}. Offered: {options or 'no tool'}"
        known = self.names[name]
        for key in arguments if known is not None else ():
            if key not in known:  # type: ignore[operator]
                return f"{name} takes no argument {ascii(key)[:100]}. It takes: {', '.join(sorted(known or ()))[:500]}"
        return ""


def of_the_upstream(request: Mapping[str, Any]) -> str:
    """The kind of the first tool that the upstream itself runs, and no client (a search, an MCP server); empty: none."""
    for tool in _items(request.get("tools")):
        if not _inner(tool, "function") and tool.get("type") != "custom":
            return ascii(tool.get("type"))[:60]
    return ""


def _items(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _inner(item: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = item.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _arguments(schema: object) -> frozenset[str] | None:
    """The arguments that a JSON schema names, if it names all there are."""
    if not isinstance(schema, Mapping):
        return None
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        return None
    more = schema.get("additionalProperties", False) or not {
        "patternProperties",
        "$ref",
        "allOf",
        "anyOf",
        "oneOf",
    }.isdisjoint(schema)
    return None if more else frozenset(properties)


def _allowed(choice: object) -> frozenset[str] | None:
    """The functions that `tool_choice` leaves; None: all."""
    if choice == "none":
        return frozenset()
    if isinstance(choice, Mapping):
        if choice.get("type") == "allowed_tools":
            inner = choice.get("allowed_tools")
            tools = _items((inner if isinstance(inner, Mapping) else choice).get("tools"))
            return frozenset(str(_inner(tool, "function").get("name")) for tool in tools)
        name = _inner(choice, "function").get("name")
        return frozenset({name}) if isinstance(name, str) else None
    return None
