"""docs/claims.md: what published claims became in all recorded studies, as a Markdown page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from counterform.claims.published import NOT_ASKED, Asked, verdicts
from counterform.claims.recorded import Recorded
from counterform.report.markdown import plain, row_of
from counterform.report.sections.claims import system_of

UNSIZED = "Size not known: endpoints, recorded answers of models of others"
DECIDED = ("supported", "refuted")


def claims_page(studies: Sequence[Recorded]) -> str:
    """Every claim by the size of the model that was asked, then with its figures, then what its decisions cost."""
    return "\n".join(_lines(studies, verdicts(studies))) + "\n"


def _lines(studies: Sequence[Recorded], rows: Sequence[Asked]) -> Iterator[str]:
    sizes = _sizes(studies)
    yield from (
        "# Published claims, and what became of them here",
        "",
        "`counterform claims docs/studies > docs/claims.md` makes this page of the recorded studies; no figure in it is typed by hand. "
        "*Supported*, *refuted* and *undecided* are said of the models and problems of a study, which are mostly far smaller than the paper's. "
        "The rule that decides stands below with the figures, and its bounds are ours. "
        "What the models have in common, and where they contradict each other, is said in [answer.md](answer.md).",
        "",
        "## By the size of the model",
        "",
        row_of(("Claim", *sizes.values())),
        row_of(["---"] * (1 + len(sizes)), raw=True),
    )
    for system, of_system in groupby(rows, key=system_of):
        yield row_of([f"**{plain(system)}**", *[""] * len(sizes)], raw=True)
        for says, found in groupby(of_system, key=lambda row: row.claim.says):
            of_claim = list(found)
            yield row_of([plain(says), *(_cell(of_claim, size) for size in sizes)], raw=True)
    for system, of_system in groupby(rows, key=system_of):
        yield from ("", f"## {plain(system)}")
        for _, found in groupby(of_system, key=lambda row: row.claim.says):
            yield from _claim(list(found))
    yield from _hours(studies, rows)


def _sizes(studies: Sequence[Recorded]) -> dict[str, str]:
    """The columns: sizes of models from the smallest, each with the names of its models; last what was recorded elsewhere."""
    ordered = sorted(studies, key=lambda study: (not study.parameters, study.parameters))
    sizes: dict[str, str] = {}
    for size, same in groupby(ordered, key=lambda study: study.size):
        models = ", ".join(dict.fromkeys(study.model for study in same))
        sizes[size] = f"{size}: {models}" if size else UNSIZED
    return sizes


def _cell(rows: Sequence[Asked], size: str) -> str:
    """The verdicts of one claim on models of one size, each with its studies; a claim that none of them asks says so."""
    said: dict[str, dict[str, None]] = {verdict: {} for verdict in ("**supported**", "**refuted**", "undecided")}
    for row in rows:
        if row.study is not None and row.study.size == size:
            said[f"**{row.verdict}**" if row.verdict in DECIDED else row.verdict][_link(row.study)] = None
    return "; ".join(f"{verdict}: {', '.join(links)}" for verdict, links in said.items() if links) or NOT_ASKED


def _claim(rows: Sequence[Asked]) -> Iterator[str]:
    claim = rows[0].claim
    yield from (
        "",
        f"**{plain(claim.says)}** Published: {plain(claim.published)}. Rule: {plain(claim.rule.words())}.",
        "",
    )
    if rows[0].study is None:
        yield "No recorded study asks this."
        return
    heads = ("Verdict", "Here, with 95 % intervals", "What would decide it", "Study")
    yield from (row_of(heads), row_of(["---"] * len(heads), raw=True))
    for row in rows:
        if row.study is not None:
            cells = (row.verdict, plain(f"{row.what}: {row.figures}"), plain(row.lacking))
            yield row_of([*cells, f"{_link(row.study)}: {plain(row.study.setting)}"], raw=True)


def _hours(studies: Sequence[Recorded], rows: Sequence[Asked]) -> Iterator[str]:
    """What the trainings of a study took, and how many claims it decided."""
    yield from (
        "",
        "## Hours per decided claim",
        "",
        "Hours of training, by the clock, as the ledgers of the studies have them: on one or two cores of a machine that mostly did other "
        "work besides, so they are an upper bound. Sampling, grading and reading are not in them. What the same trainings take beside bare TRL "
        "is measured by `bench/training.py` and `bench/preference.py` ([methods.md](methods.md)).",
        "",
        row_of(("Study", "Model", "Hours of training", "Claims asked", "Claims decided", "Hours per decided claim")),
        row_of(["---", "---", "---:", "---:", "---:", "---:"], raw=True),
    )
    for study in sorted(studies, key=lambda study: (study.parameters, study.name)):
        asked = {(row.claim.says, row.verdict) for row in rows if row.study is study}
        decided = {says for says, verdict in asked if verdict in DECIDED}
        hours = study.training_seconds / 3600
        if study.training_seconds:
            each = f"{hours / len(decided):.3f}" if decided else "–"
            counts = (f"{hours:.3f}", str(len({says for says, _ in asked})), str(len(decided)), each)
            yield row_of([_link(study), plain(f"{study.model}, {study.size}"), *counts], raw=True)


def _link(study: Recorded) -> str:
    return f"[{study.name}](studies/{study.name}.md)"
