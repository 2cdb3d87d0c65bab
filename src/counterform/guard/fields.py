"""Fields of a streamed message, put together as the `openai` package does: texts are joined, lists of numbered parts by their number.

Whatever the fields are called; what repeats itself (`id`, `type`, `role`, ...) is taken once. Linear in what was sent: a text that
grows is kept in pieces until somebody reads it (`settled`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_REPEATED = frozenset(
    {"id", "type", "index", "role", "format", "signature", "finish_reason", "object", "created", "model", "name"}
    | {"usage", "system_fingerprint", "service_tier", "provider"}
)
"""Fields that are said again, and not continued."""
_MOST_NUMBERED = 256
"""Parts of a list among which one is looked for by its number."""


class _Pieces(list[str]):
    """A text that still grows."""


def merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Continue each field; `more` is copied and never changed."""
    for key, value in more.items():
        if value is None or (key in _REPEATED and value == ""):
            into.setdefault(key, value)
        else:
            into[key] = _joined(into.get(key), value, key)


def join_text(had: Any, more: str) -> Any:
    """A text continued."""
    if isinstance(had, _Pieces):
        had.append(more)
        return had
    return _Pieces([had, more]) if had else more


def settled(value: Any) -> Any:
    """A copy of the value with its texts whole."""
    if isinstance(value, _Pieces):
        return "".join(value)
    if isinstance(value, dict):
        return {key: settled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [settled(inner) for inner in value]
    return value


def size(value: Any) -> int:
    """Characters of a value, roughly what it takes in memory."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(2 + size(inner) for inner in value.values())
    if isinstance(value, list):
        return 2 + sum(map(size, value))
    return 1


def _joined(had: Any, value: Any, key: str) -> Any:
    if had is None or key in _REPEATED:
        return settled(value)
    if isinstance(had, str | _Pieces) and isinstance(value, str):
        return join_text(had, value)
    if isinstance(had, dict) and isinstance(value, dict):
        merge(had, value)
        return had
    if isinstance(had, str | _Pieces) and isinstance(value, list):  # a text that goes on in parts
        had = [{"type": "text", "text": settled(had)}] if had else []
    if isinstance(had, list) and isinstance(value, str):
        value = [{"type": "text", "text": value}] if value else []
    if isinstance(had, list) and isinstance(value, list):
        for part in value:
            _put(had, part)
        return had
    return settled(value)


def _put(parts: list[Any], part: Any) -> None:
    index = part.get("index") if isinstance(part, dict) else None
    if index is not None:
        for at in range(len(parts) - 1, max(-1, len(parts) - 1 - _MOST_NUMBERED), -1):
            if isinstance(parts[at], dict) and parts[at].get("index") == index:
                merge(parts[at], part)
                return
    parts.append(settled(part))
