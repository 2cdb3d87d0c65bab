"""prime-rl and verifiers: episodes, `traces.jsonl`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from counterform.logs.reader import (
    Broken,
    Head,
    LogReader,
    Row,
    Score,
    content_id,
    first_text,
    key_text,
    message_text,
    numeric,
)
from counterform.logs.streams import lines

_STEP = re.compile(r"step_(\d+)")
_MAX_REASON = 60


class PrimeRL(LogReader):
    """Episodes of prime-rl and verifiers. Pairs by the task's own key or id, or else by its content."""

    name = "prime-rl"
    better = "high"

    def recognises(self, head: Head) -> bool:
        """Rows with an environment, a task and traces."""
        return head.names >= {"env", "task", "traces"}

    def rows(self, path: Path, broken: Broken) -> Iterator[Row]:
        """A row for each episode: named rewards before their weights, and their weighted sum where there are several."""
        steps = [int(found[1]) for part in path.resolve().parts if (found := _STEP.fullmatch(part))]
        for index, row in enumerate(lines(path, broken), 1):
            task, traces = row.get("task"), row.get("traces")
            if not (isinstance(task, dict) and isinstance(traces, list)):
                broken.add(f"row {index}", "`task` is no object or `traces` no list")
                continue
            data = task["data"] if isinstance(task.get("data"), dict) else task
            prompt = message_text([data.get("system_prompt"), data.get("prompt") or data.get("question")])
            own = first_text(task, ("key", "hash")) or first_text(data, ("id",))
            content = content_id(data)
            traces = [trace for trace in traces if isinstance(trace, dict)]
            scores = tuple(score for trace in traces for score in _scores(trace))
            env = row["env"] if isinstance(row["env"], dict) else {}
            yield Row(
                item=own or content,
                identified="id" if own else "content",
                content=content_id(prompt) if prompt else content,
                prompt=prompt,
                scores=scores,
                failure="" if scores else _why(row, traces),
                text=_response(traces[0]) if traces else None,
                key=key_text(data.get("answer")),
                task=first_text(env, ("name", "id")),
                step=steps[-1] if steps else None,
                columns=data,
            )


def _scores(trace: dict[str, Any]) -> Iterator[Score]:
    rewards = trace.get("rewards")
    named = dict(rewards) if isinstance(rewards, dict) else {}
    weights: list[float] = []
    for name, reward in named.items():
        given = reward.get("score") if isinstance(reward, dict) else reward
        weight = reward.get("weight", 1.0) if isinstance(reward, dict) else 1.0
        score = numeric(str(name), given)
        yield score
        if score.value is not None and isinstance(weight, int | float):
            weights.append(score.value * weight)
    if len(named) > 1:
        whole = len(weights) == len(named)
        yield Score("reward", sum(weights)) if whole else Score("reward", None, "a part of it was not scored")
    metrics = trace.get("metrics")
    for name, value in metrics.items() if isinstance(metrics, dict) else ():
        yield numeric(str(name), value)


def _why(row: dict[str, Any], traces: list[dict[str, Any]]) -> str:
    """Why an episode has no reward."""
    for part in (*traces, row):
        errors = part.get("errors")
        if isinstance(errors, list) and errors and isinstance(errors[-1], dict):
            return f"error: {errors[-1].get('type', '')} {errors[-1].get('message', '')}"[:_MAX_REASON].strip()
    return "never scored"


def _response(trace: dict[str, Any]) -> str | None:
    """The last message that the model wrote."""
    nodes = trace.get("nodes")
    written = [
        node
        for node in (nodes if isinstance(nodes, list) else [])
        if isinstance(node, dict) and (node.get("sampled") or _role(node) == "assistant")
    ]
    return message_text(written[-1].get("message")) if written else None


def _role(node: dict[str, Any]) -> Any:
    message = node.get("message")
    return message.get("role") if isinstance(message, dict) else None
