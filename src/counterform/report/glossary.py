"""The terms of a report, each explained once on the page; wherever one heads a column it leads there."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class Term(Struct, frozen=True, kw_only=True):
    """One term."""

    words: str
    meaning: str
    headings: tuple[str, ...] = ()
    """Headings of columns that mean it, besides its own words."""
    css: str = ""
    page: str = ""
    """The page of the documentation that says more, in docs/."""

    @property
    def anchor(self) -> str:
        """Its name in the page's address."""
        return "term-" + "".join(sign if sign.isalnum() else "-" for sign in self.words.lower()).strip("-")


class Glossary:
    """Some terms, in order, and which of them a heading means."""

    def __init__(self, terms: Iterable[Term]) -> None:
        self.terms = tuple(terms)
        self._anchors = {words: term.anchor for term in self.terms for words in (term.words, *term.headings)}

    def anchor(self, heading: str) -> str:
        """Where a heading is explained; empty where it needs no explanation."""
        return self._anchors.get(heading, "")


_UNDECIDED = Term(
    words="○ undecided",
    css="undecided",
    page="statistics.md",
    meaning="They do not say either. That is a good answer, and not the same as “no difference”: look at the interval, and at what would "
    "decide it. The number of problems is the one at which a true difference of the size seen is found four times out of five; with several "
    "seeds it is the least, since seed variance does not shrink with it.",
)

STUDY = Glossary(
    (
        Term(
            words="Gain",
            headings=("Right answers", "Difference", "Over base"),
            page="statistics.md",
            meaning="The metric of the trained model less that of the base model, on the same held-out items, in percentage points. Items of "
            "one problem stand or fall together, so intervals are clustered by problem, over seeds.",
        ),
        Term(
            words="Sharpened or extended",
            page="methods.md",
            meaning="A gain in pass@1 (one attempt is right) that pass@k (one of k attempts is right) follows clearly is extended: problems are "
            "solved that were out of reach in k attempts. Sharpened: pass@k shows no rise, and its whole interval lies below that of the gain in "
            "pass@1; what was in reach is hit more often. Anything else is open.",
        ),
        Term(
            words="Form",
            headings=("Of that, form", "Share", "What it makes of a gain"),
            page="arms.md",
            meaning="A control keeps the form of an arm and takes its content away. What it gains all the same, as a share of the arm's gain, is "
            "form. There is no share of a gain that is not clear of 0, and none where the control gains nothing.",
        ),
        Term(
            words="Lost most clearly",
            page="traits.md",
            meaning="Of all readings besides right answers the clear loss of which least is left of the base model's, at best. Readings of which "
            "nobody could grade more than half do not count.",
        ),
        Term(
            words="OOD",
            headings=("Worst OOD", "Distance", "Axis"),
            page="shift.md",
            meaning="Out of distribution: problems that differ from those of training along one axis, at growing distance.",
        ),
        Term(
            words="95 % interval",
            page="statistics.md",
            meaning="Drawn so that 95 of 100 such intervals hold the true value. It covers the choice of problems and, from two seeds on, of "
            "training seeds.",
        ),
        Term(
            words="MDE",
            page="statistics.md",
            meaning="The minimum detectable effect: the smallest true difference that a study of this size would find four times out of five. A "
            "real difference inside the grey band would mostly be missed.",
        ),
        Term(
            words="p (Holm)",
            page="statistics.md",
            meaning="The chance of a difference at least this large if there were none, corrected for the number of comparisons made on the same "
            "metric.",
        ),
        Term(
            words="● better, more",
            headings=("Verdict",),
            css="better",
            page="statistics.md",
            meaning="The first model is better than the second, or has more of what is neither good nor bad. The corrected test and the interval "
            "both say so.",
        ),
        Term(
            words="◆ worse, less",
            css="worse",
            page="statistics.md",
            meaning="They both say that it is worse, or has less.",
        ),
        _UNDECIDED,
        Term(
            words="Unknown",
            page="grading.md",
            meaning="A grade that could not be given: an answer that could not be parsed, a checker that ran out of time, a call that failed. It "
            "is never counted as wrong on the quiet; its share stands in the cell of every level.",
        ),
        Term(
            words="Missing",
            page="statistics.md",
            meaning="Pairs left out of a comparison because one side was never read.",
        ),
        Term(
            words="Strict and lenient",
            page="grading.md",
            meaning="Strict asks for the answer in the form that was taught or requested; lenient takes the last answer-like thing in the text. "
            "A gain that shows only in the strict one is a gain in form.",
        ),
        Term(
            words="Clean, violated, unread",
            headings=("Violated",),
            page="process.md",
            meaning="Clean: every step was read and is sound. Violated: a step is wrong and the next step does not mend it. Unread: no wrong step "
            "was seen, but not every step could be read.",
        ),
        Term(
            words="Edits",
            headings=("Answer edits", "Reasoning edits", "Whole edits"),
            page="shift.md",
            meaning="Levenshtein's distance over characters, divided by the length of the longer text: 0 for equal texts, 100 % for texts with "
            "nothing in common.",
        ),
        Term(
            words="Checkpoint",
            page="run-directory.md",
            meaning="Every model here is the last checkpoint of its training. None was picked for its score.",
        ),
    )
)

COMPARISON = Glossary(
    (
        Term(
            words="Difference",
            headings=("Difference, 95 % interval", "95 % interval"),
            page="compare.md",
            meaning="The second arm less the first, over the pairs: answers of both to the same item and sample. Samples of one item stand or "
            "fall together, so the interval is over items, and over seeds where an arm has several.",
        ),
        Term(
            words="● better, higher",
            headings=("Verdict",),
            css="better",
            page="statistics.md",
            meaning="The corrected test says that the second arm is better, or has more of what is neither good nor bad.",
        ),
        Term(
            words="◆ worse, lower",
            css="worse",
            page="statistics.md",
            meaning="It says that the second arm is worse, or has less.",
        ),
        _UNDECIDED,
        Term(
            words="Would have shown",
            page="statistics.md",
            meaning="The smallest true difference that a comparison of this size finds four times out of five.",
        ),
        Term(
            words="McNemar p",
            page="statistics.md",
            meaning="Exact, over the pairs that only one arm has right; where each item has one pair of marks.",
        ),
        Term(
            words="Sharpened or extended",
            page="methods.md",
            meaning="A gain in pass@1 that pass@k (one of k samples is right) follows is extended; one that it does not follow, its interval below "
            "that of the gain, is sharpened.",
        ),
        Term(
            words="Unscored",
            headings=("Unscored, and why",),
            page="compare.md",
            meaning="An answer without a mark: an error, a grade that could not be given, a missing value. It is left out of the pairs and "
            "counted, never taken for wrong.",
        ),
        Term(
            words="Format",
            page="compare.md",
            meaning="The part of a difference under a scorer that demands a form which is gone under one that forgives it.",
        ),
        Term(
            words="Strict and lenient",
            page="grading.md",
            meaning="counterform's own verifier: strict asks for a stated answer; lenient takes the last answer-like thing in the text.",
        ),
    )
)
