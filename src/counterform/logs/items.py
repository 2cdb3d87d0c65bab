"""A user's own list of items: which to compare, their keys, and columns to break results down by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from counterform.errors import DataError
from counterform.logs.plain import KNOWN, rows
from counterform.logs.reader import Broken, Row, key_text, message_text
from counterform.logs.streams import head


class Items:
    """The rows of a file by item and by question. Raises DataError where it names none."""

    def __init__(self, path: Path) -> None:
        beginning = head(path, lambda _: ())
        item, prompt, key = (
            next((name for name in KNOWN[what] if name in beginning.names), "") for what in ("item", "prompt", "key")
        )
        if not (item or prompt):
            raise DataError(
                f"{str(path)!r} names no items. Columns: {', '.join(sorted(beginning.names)) or 'none'}. "
                f"One must be named {', '.join((*KNOWN['item'], *KNOWN['prompt']))}."
            )
        self._named: dict[str, tuple[str | None, Mapping[str, Any]]] = {}
        self._asked: dict[str, tuple[str | None, Mapping[str, Any]]] = {}
        for row in rows(beginning, Broken()):
            held = (key_text(row.get(key)), row)
            if row.get(item) is not None:
                self._named[str(row[item])] = held
            if asked := message_text(row.get(prompt)):
                self._asked["".join(asked.split())] = held

    def of(self, row: Row) -> Row | None:
        """A log's row with the key and the columns of its item; None where the list does not hold it."""
        held = self._named.get(row.item) or self._asked.get("".join(row.prompt.split()))
        if held is None:
            return None
        key, columns = held
        return replace(row, key=row.key if key is None else key, columns={**row.columns, **columns})
