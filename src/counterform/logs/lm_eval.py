"""lm-evaluation-harness: `samples_TASK_DATE.jsonl`, one row per document and filter, with `results_DATE.json` beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from counterform.logs.reader import (
    About,
    Broken,
    Direction,
    Head,
    LogReader,
    Row,
    Score,
    content_id,
    first_text,
    key_text,
    numeric,
)
from counterform.logs.streams import decode, lines

_FILE = re.compile(r"samples_(?P<task>.+?)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)")
_QUESTIONS = ("question", "problem", "query", "prompt", "input", "text", "ctx", "sentence")
_OURS = frozenset(
    [
        "doc_id",
        "doc",
        "target",
        "arguments",
        "resps",
        "filtered_resps",
        "filter",
        "metrics",
        "doc_hash",
        "prompt_hash",
        "target_hash",
    ]
)
_LOW = frozenset({"word_perplexity", "byte_perplexity", "bits_per_byte", "brier_score", "ter", "wer"})
LIKELIHOOD = "log-likelihoods, of which lm-eval makes its perplexity: high is better"
MAX_RESULTS = 1 << 27


class LmEval(LogReader):
    """Logs of lm-evaluation-harness. Pairs by document hash, and says where the prompts' hashes differ."""

    name = "lm-eval"

    def recognises(self, head: Head) -> bool:
        """Rows with a document, what was asked of it, and the raw and filtered responses."""
        return head.names >= {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps"}

    def about(self, path: Path) -> About:
        """The model and the direction of each metric, from the results beside the samples."""
        results = _results(path)
        task = _task(path)
        config = results.get("config") if isinstance(results.get("config"), dict) else {}
        given = config.get("model_args") if isinstance(config, dict) else None
        named = str(given.get("pretrained") or given.get("model") or "") if isinstance(given, dict) else ""
        higher = results.get("higher_is_better")
        of_task = higher.get(task) if isinstance(higher, dict) else None
        return About(
            model=named or str(results.get("model_name") or ""),
            better={
                str(metric): "high" if up else "low"
                for metric, up in (of_task.items() if isinstance(of_task, dict) else ())
                if isinstance(up, bool)
            },
        )

    def direction(self, about: About, scorer: str) -> Direction:
        """As the results say, or as the metric is known."""
        metric = scorer.partition(",")[0]
        if metric == "perplexity":
            return "high"  # a row holds the log-likelihood
        return about.better.get(metric, "low" if metric in _LOW else "high")

    def rows(self, path: Path, broken: Broken) -> Iterator[Row]:
        """A row for each document and filter."""
        task, model = _task(path), self.about(path).model
        copies: dict[str, dict[Any, int]] = {}
        for index, row in enumerate(lines(path, broken), 1):
            doc = row.get("doc")
            if not isinstance(doc, dict):
                broken.add(f"row {index}", "its `doc` is no object")
                continue
            item = str(row.get("doc_hash") or content_id(doc))
            # Two documents may be equal; each is a sample of the one item.
            numbers = copies.setdefault(item, {})
            sample = numbers.setdefault(row.get("doc_id"), len(numbers))
            scores = tuple(_scores(row))
            context, stops = _asked(row.get("arguments"))
            yield Row(
                item=item,
                identified="content",
                content=item,
                prompt=first_text(doc, _QUESTIONS) or str(doc),
                context=context,
                stops=stops,
                rendered=str(row.get("prompt_hash") or ""),
                sample=sample,
                scores=scores,
                failure="" if scores else "no metric in the row",
                text=_response(row.get("resps")),
                key=key_text(row.get("target")),
                model=model,
                task=task,
                columns=doc,
            )


def _scores(row: Mapping[str, Any]) -> Iterator[Score]:
    """lm-eval's own names: `exact_match,strict-match`."""
    listed = row.get("metrics")
    names = listed if isinstance(listed, list) else [name for name in row if name not in _OURS]
    for name in names:
        value = row.get(name)
        if isinstance(value, list | dict):
            yield Score(f"{name},{row.get('filter', 'none')}", None, "a metric of the whole set, not of a document")
        else:
            score = numeric(f"{name},{row.get('filter', 'none')}", value)
            yield replace(score, reason=LIKELIHOOD) if name == "perplexity" and score.value is not None else score


def _asked(arguments: Any) -> tuple[str, tuple[str, ...]]:
    """The text that was to be gone on from, and where the answer was to end; nothing for choices that were only ranked."""
    first = (
        next(iter(arguments.values()), None)
        if isinstance(arguments, dict)
        else arguments[:1]
        if isinstance(arguments, list)
        else None
    )
    parts = list(first.values()) if isinstance(first, dict) else first[0] if isinstance(first, list) and first else ()
    if not (isinstance(parts, list) and len(parts) == 2 and isinstance(parts[1], dict)):
        return "", ()
    until = parts[1].get("until")
    stops = tuple(stop for stop in (until if isinstance(until, list) else [until]) if isinstance(stop, str))
    return parts[0] if isinstance(parts[0], str) else "", stops


def _response(resps: Any) -> str | None:
    """The first raw response; choices that were only ranked have none."""
    first = resps[0] if isinstance(resps, list) and resps else None
    text = first[0] if isinstance(first, list) and len(first) and isinstance(first[0], str) else first
    if isinstance(first, list) and len(first) > 1 and first[1] in ("True", "False", True, False):
        return None  # a log-likelihood, and whether it is the greedy choice
    return text if isinstance(text, str) else None


def _task(path: Path) -> str:
    found = _FILE.match(path.stem)
    return found["task"] if found else path.stem.removeprefix("samples_")


def _results(path: Path) -> dict[str, Any]:
    """What stands in the results of the same date; nothing where they are missing or unreadable."""
    found = _FILE.match(path.stem)
    beside = path.with_name(f"results_{found['date'] if found else ''}.json")
    if not beside.is_file() or beside.stat().st_size > MAX_RESULTS:
        return {}
    try:
        value = decode(beside.read_bytes())
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
