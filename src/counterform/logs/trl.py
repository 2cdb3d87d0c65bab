"""TRL: the completions that GRPO and its kin write while they train, `completions/completions_STEP.parquet`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from counterform.logs.reader import Broken, Head, LogReader, Row, content_id, key_text, message_text, numeric
from counterform.logs.streams import parquet

_KEYS = ("answer", "solution", "ground_truth", "target")
_NO_REWARDS = frozenset({"step", "advantage"})


class Trl(LogReader):
    """Completions of TRL. There is no id: pairs are made by the prompt, and all steps of a folder are one run."""

    name = "trl"
    better = "high"

    def recognises(self, head: Head) -> bool:
        """Columns `step`, `prompt`, `completion` and `advantage`."""
        return head.container == "parquet" and head.names >= {"step", "prompt", "completion", "advantage"}

    def run(self, path: Path) -> str:
        """The folder: each step is a file of its own."""
        return str(path.parent)

    def rows(self, path: Path, broken: Broken) -> Iterator[Row]:
        """A row for each completion; every column of floating numbers but the advantage is a reward."""
        with pq.ParquetFile(path) as file:
            rewards = [
                field.name
                for field in file.schema_arrow
                if pa.types.is_floating(field.type) and field.name not in _NO_REWARDS
            ]
        for row in parquet(path):
            prompt = message_text(row["prompt"])
            key = next((found for name in _KEYS if (found := key_text(row.get(name))) is not None), None)
            item = content_id(prompt, key or "")
            yield Row(
                item=item,
                identified="content",
                content=item,
                prompt=prompt,
                context=prompt if isinstance(row["prompt"], str) else "",
                scores=tuple(numeric(name, row[name]) for name in rewards),
                failure="" if rewards else "no reward in the row",
                text=message_text(row["completion"]),
                key=key,
                columns=row,
            )
