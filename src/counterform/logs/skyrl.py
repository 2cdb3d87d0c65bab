"""SkyRL: dumped evaluations, `dumped_evals/global_step_N_evals/SOURCE.jsonl`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from counterform.logs.reader import Broken, Head, LogReader, Row, Score, content_id, key_text, message_text, numeric
from counterform.logs.streams import lines

_STEP = re.compile(r"global_step_(\d+)")


class SkyRL(LogReader):
    """Dumped evaluations of SkyRL. Pairs by prompt and ground truth; each step is a model of its own."""

    name = "skyrl"
    better = "high"

    def recognises(self, head: Head) -> bool:
        """Rows with the prompt, the response, a score and the environment's class."""
        return head.names >= {"input_prompt", "output_response", "score", "env_class"}

    def rows(self, path: Path, broken: Broken) -> Iterator[Row]:
        """A row for each response."""
        steps = [int(found[1]) for part in path.resolve().parts if (found := _STEP.match(part))]
        for row in lines(path, broken):
            prompt, extras = message_text(row.get("input_prompt")), row.get("env_extras")
            extras = extras if isinstance(extras, dict) else {}
            spec = extras.get("reward_spec")
            truth = spec.get("ground_truth") if isinstance(spec, dict) else None
            item = content_id(prompt, truth)
            more = extras.get("extra_info")
            yield Row(
                item=item,
                identified="content",
                content=item,
                prompt=prompt,
                context=prompt if isinstance(row.get("input_prompt"), str) else "",
                scores=(_score(row.get("score")),),
                text=message_text(row.get("output_response")),
                key=key_text(truth),
                task=str(row.get("data_source") or ""),
                step=steps[-1] if steps else None,
                columns=more if isinstance(more, dict) else extras,
            )


def _score(value: Any) -> Score:
    """The score; of rewards by token, their sum."""
    if isinstance(value, list):
        parts = [numeric("score", part) for part in value]
        if any(part.value is None for part in parts):
            return Score("score", None, "a token's reward is no number")
        return Score("score", sum(part.value or 0.0 for part in parts))
    return numeric("score", value)
