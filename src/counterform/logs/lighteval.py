"""lighteval: details in Parquet, one row per document with its response and its metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from counterform.logs.reader import (
    About,
    Broken,
    Head,
    LogReader,
    Row,
    content_id,
    message_text,
    numeric,
)
from counterform.logs.streams import parquet

_FILE = re.compile(r"details_(?P<task>.+)_\d{4}-\d\d-\d\dT[\d.-]+")


class Lighteval(LogReader):
    """Details of lighteval. A document's id is its place in the set, so pairs are made by its content."""

    name = "lighteval"

    def recognises(self, head: Head) -> bool:
        """Columns `doc`, `model_response` and `metric`."""
        return head.container == "parquet" and head.names >= {"doc", "model_response", "metric"}

    def about(self, path: Path) -> About:
        """The model, from where lighteval puts its details: details/MODEL/DATE/."""
        parts = path.resolve().parts
        at = len(parts) - 1 - parts[::-1].index("details") if "details" in parts else 0
        return About(model="/".join(parts[at + 1 : -2]) if at else "")

    def rows(self, path: Path, broken: Broken) -> Iterator[Row]:
        """A row for each document."""
        model, named = self.about(path).model, _FILE.match(path.stem)
        for index, row in enumerate(parquet(path), 1):
            doc, response, metric = row["doc"], row["model_response"], row["metric"]
            if not (isinstance(doc, dict) and isinstance(response, dict) and isinstance(metric, dict)):
                broken.add(f"row {index}", "`doc`, `model_response` or `metric` is no object")
                continue
            query, choices = str(doc.get("query") or ""), doc.get("choices") or []
            item = content_id(query, choices, doc.get("gold_index"))
            texts, specific = response.get("text"), doc.get("specific")
            yield Row(
                item=item,
                identified="content",
                content=item,
                prompt=str(doc.get("original_query") or query),
                rendered=content_id(message_text(response.get("input"))) if response.get("input") else "",
                scores=tuple(numeric(name, value) for name, value in metric.items()),
                failure="" if metric else "no metric in the row",
                text=texts[0] if isinstance(texts, list) and texts and isinstance(texts[0], str) else None,
                key=_key(choices, doc.get("gold_index")),
                model=model,
                task=str(doc.get("task_name") or (named["task"] if named else path.stem)),
                columns=specific if isinstance(specific, dict) else {},
            )


def _key(choices: list[Any], gold: Any) -> str | None:
    """The one right choice."""
    index = gold[0] if isinstance(gold, list) and len(gold) == 1 else gold
    return str(choices[index]).strip() if isinstance(index, int) and 0 <= index < len(choices) else None
