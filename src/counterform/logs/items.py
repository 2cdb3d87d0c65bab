"""A user's own list of items: which to compare, their keys, and columns to break results down by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
        self._named: dict[str, tuple[str | None, Mapping[str, Any]]] = {}
        self._asked: dict[str, tuple[str | None, Mapping[str, Any]]] = {}
        beginning = head(path, lambda _: ())
        for row in rows(beginning, Broken()):
            item, prompt, key = (_first(row, KNOWN[what]) for what in ("item", "prompt", "key"))
            held = (key_text(key), row)
            if item is not None:
                self._named[str(item)] = held
            if asked := message_text(prompt):
                self._asked["".join(asked.split())] = held
        if not (self._named or self._asked):
            raise DataError(
                f"{str(path)!r} names no items. Columns: {', '.join(sorted(beginning.names)) or 'none'}. "
                f"One must be named {', '.join((*KNOWN['item'], *KNOWN['prompt']))}."
            )

    def of(self, row: Row) -> Row | None:
        """A log's row with the key and the columns of its item; None where the list does not hold it."""
        held = self._named.get(row.item) or self._asked.get("".join(row.prompt.split()))
        if held is None:
            return None
        key, columns = held
        return replace(row, key=row.key if key is None else key, columns={**row.columns, **columns})


def _first(row: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)
