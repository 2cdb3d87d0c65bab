"""A comparison in the terminal, as JSON, and as a summary for GitHub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from counterform.compare.result import Compared
from counterform.findings.paired import Comparison, FormSplit
from counterform.findings.undecided import needed_to_decide

LINES = 12
"""Of the answer in the terminal."""
_ARMS, _ROWS, _WIDTH = 4, 4, 220
FIELDS = [
    "first",
    "second",
    "task",
    "metric",
    "pairs",
    "both",
    "neither",
    "first_only",
    "second_only",
    "clusters",
    "mcnemar_p",
    "estimate",
    "low",
    "high",
    "verdict",
    "unscored",
    "only_in_first",
    "only_in_second",
]
"""Of a comparison in JSON."""


def lines(found: Compared) -> list[str]:
    """The answer in at most 12 lines."""
    out = list(_arm_lines(found))
    several = len({c.task for c in found.comparisons}) > 1
    rows = [_row(c, several) for c in found.comparisons[:_ROWS]]
    if len(found.comparisons) > _ROWS:
        rows[-1] = f"and {len(found.comparisons) - _ROWS + 1} comparisons more: --json, or --out DIR"
    out += rows
    out += _form_line(found)
    out += _pass_lines(found)
    notes = [f"! {note}" for note in found.notes]
    left = LINES - len(out)
    if len(notes) > left:
        notes = [*notes[: left - 1], f"! and {len(notes) - left + 1} notes more: --json, or --out DIR"]
    return [_plain(line) for line in out + notes]


def _arm_lines(found: Compared) -> Iterator[str]:
    for arm in found.arms[:_ARMS]:
        files = [file for letter, file in found.files if letter == arm.letter]
        held = [
            "/".join(dict.fromkeys(file.format for file in files)),
            ", ".join(arm.tasks),
            ", ".join(arm.models),
            f"{arm.answers:,} answers" + (f" in {len(files)} files" if len(files) > 1 else ""),
        ]
        yield f"{arm.letter}  {arm.label}: {'; '.join(part for part in held if part)}"
    if len(found.arms) > _ARMS:
        yield f"and {len(found.arms) - _ARMS} arms more"


def _row(c: Comparison, with_task: bool) -> str:
    name = f"{c.task}: {c.metric}" if with_task and c.task else c.metric
    counts = _several(c.pairs, "pair") + (f" of {_several(c.clusters, 'item')}" if c.clusters != c.pairs else "")
    counts += f", {c.runs} runs" if c.runs > 1 else ""
    parts = [f"{name}: {_levels(c)}, {difference(c)}, {c.verdict} ({counts}"]
    if c.first_only is not None:
        parts.append(f"only {c.first} right {c.first_only:,}, only {c.second} {c.second_only:,}")
    if c.mcnemar_p is not None:
        parts.append(f"McNemar p = {c.mcnemar_p:.2g}")
    parts += [f"{n:,} {what}" for n, what in _unpaired(c) if n]
    if would := not_found(c):
        parts.append(would)
    return "; ".join(parts) + ")"


def _several(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


def not_found(c: Comparison) -> str:
    """What an undecided comparison would have shown, and what would decide it; empty for a decided one, and where nothing is known of it."""
    if c.verdict != "undecided" or c.mde == float("inf"):
        return ""
    needed = needed_to_decide(c.estimate, c.low, c.high, c.mde, c.clusters)
    more = f"; {needed:,} items would decide it, if it is real" if isinstance(needed, int) else ""
    return f"would have shown {_size(c.mde, c.share)}{more}"


def _unpaired(c: Comparison) -> list[tuple[int, str]]:
    return [
        (c.unscored, "unscored"),
        (c.only_in_first, f"only in {c.first}"),
        (c.only_in_second, f"only in {c.second}"),
    ]


def _levels(c: Comparison) -> str:
    return f"{c.first} {level(c.first_value, c.share)}, {c.second} {level(c.second_value, c.share)}"


def level(value: float, share: bool) -> str:
    """A level in words: a share as a percentage."""
    return f"{100 * value:.1f} %" if share else f"{value:.4g}".replace("-", "−")


def _size(value: float, share: bool) -> str:
    return f"{100 * value:.1f}" if share else f"{value:.3g}"


def signed(value: float, share: bool) -> str:
    """A difference in words, in points where it is one of shares."""
    if abs(value) == float("inf"):
        return "no bound"
    shown = f"{100 * value:+.1f}" if share else f"{value:+.4g}"
    return shown.replace("-", "−")


def difference(c: Comparison) -> str:
    """A difference with its interval."""
    unit = " points" if c.share else ""
    return f"{signed(c.estimate, c.share)}{unit} [{signed(c.low, c.share)}, {signed(c.high, c.share)}]"


def _form_line(found: Compared) -> list[str]:
    """The first split of a clear difference, or else the first; of several arms it says which."""
    split = min(found.form_splits, key=lambda s: s.gain_low <= 0 <= s.gain_high, default=None)
    if split is None:
        return []
    return [(f"{split.second} − {split.first}: " if len(found.arms) > 2 else "") + form_sentence(split)]


def form_sentence(split: FormSplit) -> str:
    """What of a difference is format, in a sentence without its end."""
    gain, form, rest = (
        f"{signed(value, True)} [{signed(low, True)}, {signed(high, True)}]"
        for value, low, high in (
            (split.gain, split.gain_low, split.gain_high),
            (split.form, split.form_low, split.form_high),
            (split.rest, split.rest_low, split.rest_high),
        )
    )
    left = f"{rest} are left under {split.flexible}"
    if split.gain_low <= 0 <= split.gain_high:
        return f"No clear gain under {split.strict}, {gain} points: {form} by its format, {left}"
    return f"Of {gain} points under {split.strict}, {form} are format; {left}"


def _pass_lines(found: Compared) -> list[str]:
    """The largest k of the first metric that has one."""
    if not found.passes:
        return []
    first = found.passes[0]
    of = [
        p
        for p in found.passes
        if (p.first, p.second, p.task, p.metric) == (first.first, first.second, first.task, first.metric)
    ]
    most = max(p.k for p in of)
    parts = [
        f"{p.kind.replace('k', str(most))} {level(p.first_value, True)} and {level(p.second_value, True)}, "
        f"{signed(p.estimate, True)} points [{signed(p.low, True)}, {signed(p.high, True)}]"
        for p in of
        if p.k == most
    ]
    return [f"{first.metric}, {first.first} and {first.second}: " + "; ".join(parts)]


def _plain(line: str) -> str:
    """One line without anything that moves a cursor or turns text around."""
    safe = "".join(sign if sign.isprintable() else "\ufffd" for sign in line)
    return safe if len(safe) <= _WIDTH else f"{safe[: _WIDTH - 1]}…"


def as_json(found: Compared) -> str:
    """Comparisons by scorer with the fields of FIELDS, what was read of each file, and the rest; a number without bounds is null."""
    return msgspec.json.format(msgspec.json.encode(_builtins(found)).decode())


def _builtins(found: Compared) -> dict[str, Any]:
    every: dict[str, Any] = msgspec.to_builtins(found)
    for name in ("comparisons", "regraded", "traits"):
        every[name] = [_fields(c) for c in every[name]]
    every["levels"] = [{**level, "comparison": _fields(level["comparison"])} for level in every["levels"]]
    every["files"] = [{"arm": letter, **file} for letter, file in every["files"]]
    del every["shown"]  # texts: on the page
    return every


def _fields(comparison: dict[str, Any]) -> dict[str, Any]:
    return {field: comparison[field] for field in FIELDS}


def summary(found: Compared) -> str:
    """GitHub-flavoured Markdown: what was found, and what to know before believing it."""
    out = ["### Comparison", ""]
    out += [f"- **{arm.letter}**: {cell(arm.label)} {cell(', '.join(arm.models))}".rstrip() for arm in found.arms]
    out += ["", *_table(found.comparisons)]
    for split in found.form_splits:
        out += ["", cell(form_sentence(split)) + "."]
    if found.notes:
        out += ["", *(f"- {cell(note)}" for note in found.notes)]
    return "\n".join(out) + "\n"


def _table(comparisons: Sequence[Comparison]) -> list[str]:
    rows = [
        (
            f"{c.second} − {c.first}",
            c.task,
            c.metric,
            level(c.first_value, c.share),
            level(c.second_value, c.share),
            difference(c),
            f"**{c.verdict}**" if c.verdict != "undecided" else c.verdict,
            f"{c.pairs:,} / {c.clusters:,}",
            "" if c.first_only is None else f"{c.first_only:,} / {c.second_only:,}",
            "" if c.mcnemar_p is None else f"{c.mcnemar_p:.2g}",
            " / ".join(f"{n:,}" for n, _ in _unpaired(c)),
        )
        for c in comparisons
    ]
    head = ("arms", "task", "scorer", "base", "other", "difference [95 %]", "verdict", "pairs / items")
    return markdown_table((*head, "only base / other right", "McNemar p", "unscored / only base / only other"), rows)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A table of untrusted cells."""
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(cell(value) for value in row) + " |" for row in rows),
    ]


def cell(value: object) -> str:
    """Untrusted text in a line of Markdown."""
    text = _plain(" ".join(str(value).split()))
    return re.sub(r"([\\`|<>\[\]#])", r"\\\1", text) if not isinstance(value, int | float) else text
