"""verl: generations of validation and rollouts, `STEP.jsonl`; `uid` is new in every run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from counterform.logs.reader import Broken, Head, LogReader, Row, content_id, key_text, message_text, numeric
from counterform.logs.streams import lines

_NO_SCORES = frozenset({"input", "output", "gts", "step", "uid", "reward", "score"})


class Verl(LogReader):
    """Generations of verl. Pairs by prompt and ground truth; each step is a model of its own."""

    name = "verl"
    better = "high"

    def recognises(self, head: Head) -> bool:
        """Rows with input, output, score and step."""
        return head.names >= {"input", "output", "score", "step"}

    def rows(self, path: Path, broken: Broken) -> Iterator[Row]:
        """A row for each generation; `score`, and every number or truth value that the reward function gave besides."""
        for row in lines(path, broken):
            prompt, truth = message_text(row.get("input")), row.get("gts")
            item = content_id(prompt, truth)
            more = [
                name for name, value in row.items() if name not in _NO_SCORES and isinstance(value, bool | int | float)
            ]
            step = row.get("step")
            source = row.get("data_source")
            yield Row(
                item=item,
                identified="content",
                content=item,
                prompt=prompt,
                context=prompt if isinstance(row.get("input"), str) else "",
                scores=(numeric("score", row.get("score")), *(numeric(name, row[name]) for name in more)),
                text=message_text(row.get("output")),
                key=key_text(truth),
                task=source if isinstance(source, str) else "",
                step=step if isinstance(step, int) else None,
                columns=row,
            )
