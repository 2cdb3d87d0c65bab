"""What stands on a comparison's page below the answer, as blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from counterform.compare.result import Compared
from counterform.findings.paired import Comparison, FormSplit, Pass
from counterform.logs.collect import LogFile
from counterform.report.compared import level, signed
from counterform.report.section import Block, Grid, Notes, Prose
from counterform.report.tables import Table
from counterform.text.numbers import number
from counterform.text.plain import plain_line

_PROOFS = {"id": "the tool's id", "content": "a hash of the item", "question": "the question, without its white space"}
_HEAD = ("Scorer", "Arms", "Base", "Other", "Difference", "95 % interval", "Verdict", "Pairs", "Items")


class PageSection(Struct, frozen=True, kw_only=True):
    """A section of the page."""

    anchor: str
    link: str
    title: str
    blocks: tuple[Block, ...]


def sections(found: Compared) -> tuple[PageSection, ...]:
    """Those that have something to show."""
    every = (
        PageSection(
            anchor="notes", link="Before you believe it", title="Before you believe it", blocks=tuple(_notes(found))
        ),
        PageSection(anchor="form", link="Form", title="How much of it is format", blocks=tuple(_form(found))),
        PageSection(
            anchor="ours", link="Graded again", title="Graded again by counterform", blocks=tuple(_ours(found))
        ),
        PageSection(anchor="levels", link="Levels", title="By level", blocks=tuple(_levels(found))),
        PageSection(anchor="samples", link="Samples", title="Several samples of an item", blocks=tuple(_passes(found))),
        PageSection(anchor="texts", link="Texts", title="The texts", blocks=tuple(_texts(found))),
        PageSection(anchor="pairing", link="Pairing", title="What was paired", blocks=tuple(_pairing(found))),
        PageSection(anchor="files", link="Files", title="What was read", blocks=tuple(_files(found))),
    )
    return tuple(section for section in every if section.blocks)


def _grid(caption: str, headings: tuple[str, ...], rows: Sequence[tuple[str, ...]], n_text: int = 2) -> Grid:
    clean = tuple(tuple(plain_line(cell) for cell in row) for row in rows)
    return Grid(table=Table(headings, clean, n_text=n_text), caption=caption)


def _arms(c: Comparison | FormSplit | Pass) -> str:
    return f"{c.second} − {c.first}" + (f" on {c.task}" if c.task else "")


def _row(c: Comparison) -> tuple[str, ...]:
    return (
        c.metric,
        _arms(c),
        level(c.first_value, c.share),
        level(c.second_value, c.share),
        signed(c.estimate, c.share) + (" points" if c.share else ""),
        f"[{signed(c.low, c.share)}, {signed(c.high, c.share)}]",
        c.verdict,
        number(c.pairs),
        number(c.clusters),
    )


def _notes(found: Compared) -> Iterator[Block]:
    if found.notes:
        yield Notes(tuple(plain_line(note) for note in found.notes))


def _form(found: Compared) -> Iterator[Block]:
    rows = [
        (
            f"{s.strict}, then {s.flexible}",
            _arms(s),
            *(
                f"{signed(value, True)} [{signed(low, True)}, {signed(high, True)}]"
                for value, low, high in (
                    (s.gain, s.gain_low, s.gain_high),
                    (s.form, s.form_low, s.form_high),
                    (s.rest, s.rest_low, s.rest_high),
                )
            ),
            number(s.pairs),
        )
        for s in found.form_splits
    ]
    if rows:
        yield Prose(
            "A scorer that demands a form counts a new form as a gain. What is left under one that forgives the form is no format."
        )
        yield _grid("In points, with 95 % intervals.", ("Scorers", "Arms", "Gain", "Format", "Left", "Pairs"), rows)


def _ours(found: Compared) -> Iterator[Block]:
    if found.regraded:
        n = found.differing.get("disagreement", 0)
        yield Prose(
            f"counterform's own verifier beside the logs' scorers. It grades {number(n)} answers the other way: they are above, under "
            "“Graded in two ways”. A scorer that demands a form disagrees by design."
            if n
            else "counterform's own verifier beside the logs' scorers. It contradicts none of their marks."
        )
        yield _grid("By counterform's verifier.", _HEAD, [_row(c) for c in found.regraded])


def _levels(found: Compared) -> Iterator[Block]:
    if found.levels:
        rows = [(at.level or "(none)", *_row(at.comparison)) for at in found.levels]
        yield _grid(
            f"By {plain_line(found.levels[0].column)}; the verdicts of one scorer are one family.",
            ("Level", *_HEAD),
            rows,
            3,
        )


def _passes(found: Compared) -> Iterator[Block]:
    rows = [
        (
            p.metric,
            _arms(p),
            p.kind.replace("k", str(p.k)),
            level(p.first_value, True),
            level(p.second_value, True),
            f"{signed(p.estimate, True)} points",
            f"[{signed(p.low, True)}, {signed(p.high, True)}]",
            number(p.items),
        )
        for p in found.passes
    ]
    if rows:
        headings = ("Scorer", "Arms", "Of k samples", "Base", "Other", "Difference", "95 % interval", "Items")
        yield _grid(
            "pass@k: at least one of k samples is right; pass^k: all are. Unbiased estimates.", headings, rows, 3
        )


def _texts(found: Compared) -> Iterator[Block]:
    if found.traits:
        yield Prose(
            "Length; markers of doubt and checking, by the lexicon; a step whose equation does not hold, of responses with an equation that could "
            "be read; the order of a search, of responses that name two candidates or more. What fewer than six items show is left out."
        )
        yield _grid("Means over the pairs.", ("Trait", *_HEAD[1:]), [_row(c) for c in found.traits])


def _pairing(found: Compared) -> Iterator[Block]:
    rows = [
        (
            f"{p.second} − {p.first}",
            p.task,
            _PROOFS[p.by],
            *(
                number(n)
                for n in (
                    p.pairs,
                    p.items,
                    p.only_in_first,
                    p.only_in_second,
                    p.other_question,
                    p.ambiguous,
                    p.other_prompt,
                )
            ),
        )
        for p in found.pairings
    ]
    headings = (
        "Arms", "Task", "Paired by", "Pairs", "Items", "Only in base", "Only in other", "Other questions", "Ambiguous", "Other prompts",
    )  # fmt: skip
    yield Prose(
        "Answers are paired by item and sample. Other questions: ids that stand for another question in each log; ambiguous: ids that stand for "
        "several within one; neither is paired. Other prompts: items that are paired although the prompt was rendered differently."
    )
    yield _grid("Answers.", headings, rows, 3)
    unscored = [(c.metric, _arms(c), number(c.pairs), number(c.unscored)) for c in found.comparisons if c.unscored]
    if unscored:
        yield _grid(
            "Pairs of which an answer is not scored; why stands above and below.",
            ("Scorer", "Arms", "Scored", "Unscored"),
            unscored,
        )


def _files(found: Compared) -> Iterator[Block]:
    rows = [
        (
            letter,
            file.path,
            file.format,
            file.status,
            ", ".join(file.models),
            _reasons(file.unscored),
            _read(file),
        )
        for letter, file in found.files
    ]
    headings = ("Arm", "File", "Format", "Status", "Models", "Unscored, and why", "Rows")
    yield Grid(table=_grid("", headings, rows, 7).table, caption="Each file as it was recognised.", of_words=True)


def _read(file: LogFile) -> str:
    return number(file.rows) + (f", {number(file.broken)} unreadable" if file.broken else "")


def _reasons(unscored: Mapping[str, Mapping[str, int]]) -> str:
    return "; ".join(
        f"{scorer}: {', '.join(f'{why} {number(n)}' for why, n in of.items())}" for scorer, of in unscored.items()
    )
