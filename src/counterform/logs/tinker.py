"""tinker-cookbook: stored trajectories of benchmarks, `runs/RUN/BENCHMARK/trajectories.jsonl`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from counterform.logs.reader import (
    About,
    Broken,
    Head,
    LogReader,
    Row,
    content_id,
    first_text,
    key_text,
    message_text,
    numeric,
)
from counterform.logs.streams import decode, lines

_KEYS = ("expected", "answer", "target", "ground_truth")
_MAX_REASON = 60


class Tinker(LogReader):
    """Trajectories of tinker-cookbook. Pairs by `example_id`, which is made of the dataset; in old files by the first turns."""

    name = "tinker"
    better = "high"

    def recognises(self, head: Head) -> bool:
        """Rows with an index, turns, a reward and metrics."""
        return head.names >= {"idx", "turns", "reward", "metrics"}

    def about(self, path: Path) -> About:
        """The model, from the run's metadata."""
        beside = path.parent.parent / "metadata.json"
        try:
            found = decode(beside.read_bytes())
        except (OSError, ValueError):
            return About()
        names = ("checkpoint_path", "checkpoint", "model_name", "model")
        return About(model=first_text(found, names) if isinstance(found, dict) else "")

    def rows(self, path: Path, broken: Broken) -> Iterator[Row]:
        """A row for each trajectory; one that failed has a reward of 0 that means nothing, and is not scored."""
        model = self.about(path).model
        for row in lines(path, broken):
            turns = (
                [turn for turn in row["turns"] if isinstance(turn, dict)] if isinstance(row.get("turns"), list) else []
            )
            asked = message_text(list(takewhile(lambda turn: turn.get("role") != "assistant", turns)))
            said = [turn for turn in turns if turn.get("role") == "assistant"]
            logs = row["logs"] if isinstance(row.get("logs"), dict) else {}
            metrics = row["metrics"] if isinstance(row.get("metrics"), dict) else {}
            own, content, error = first_text(row, ("example_id",)), content_id(asked), row.get("error")
            yield Row(
                item=own or content,
                identified="id" if own else "content",
                content=content if asked else "",
                prompt=asked,
                scores=() if error else _scores(row.get("reward"), metrics),
                failure=f"error: {error}"[:_MAX_REASON] if error else "",
                text=message_text(said[-1]) if said else None,
                key=next((found for name in _KEYS if (found := key_text(logs.get(name))) is not None), None),
                model=model,
                task=first_text(row, ("benchmark",)) or path.parent.name,
                columns=logs,
            )


def _scores(reward: Any, metrics: dict[str, Any]) -> tuple[Any, ...]:
    return (numeric("reward", reward), *(numeric(str(name), value) for name, value in metrics.items()))
