"""One drafted rule put to the proof. It is believed only if nothing of what is tried here tells it from what its sentences say.

In order: its code is of the little language; its words are its sentences' (`against_text`); its own examples come out right; so do
examples that were written from the sentences alone; every mutant of it is told from it by an example of that origin, for which
cases are searched and labelled from the sentences alone; and its bounds are broken on the side that the words say.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from counterform.guard.drafting import against_text, direction, language
from counterform.guard.drafting.cases import Case, Example, Label, shown
from counterform.guard.drafting.language import Refused
from counterform.guard.drafting.mutants import Mutant, Names, forced, mutants
from counterform.guard.drafting.parts import Parts, parts_of
from counterform.guard.drafting.sandbox import Sandbox
from counterform.guard.drafting.search import Neighbourhood, probes
from counterform.guard.drafting.sentences import Sentence
from counterform.guard.drafting.toolbox import Toolbox

TRIES = 3
"""Cases that are asked about for one mutant, where the sentence does not tell."""
MOST_ASKED = 60
"""Cases that are asked about for one rule."""
_ROUND = 8
"""Cases that are asked about at once."""


class Reader(Struct, frozen=True):
    """Reads sentences without seeing the rule. Whoever answers is not told what the rule is."""

    examples: Callable[[Sequence[Sentence], Sequence[Sentence]], list[Example]]
    labels: Callable[[Sequence[Sentence], Sequence[Sentence], Sequence[Case]], list[Label | None]]


class Draft(Struct, frozen=True, kw_only=True):
    """A rule before anything is known of it."""

    quoted: tuple[Sentence, ...]
    background: tuple[Sentence, ...]
    code: str
    examples: tuple[Example, ...]


class Proof(Struct, frozen=True, kw_only=True):
    """What was tried on a rule, and why it is not believed; empty: it is."""

    name: str
    code: str
    examples: tuple[Example, ...]
    mutants: int = 0
    """All of them told apart, where the rule is believed."""
    left_open: tuple[str, ...] = ()
    """Comparisons of which the words of the sentences do not say which side breaks the rule: examples alone stand for these."""
    searched: int = 0
    """Cases among which examples were looked for."""
    refused: str = ""


class Proving:
    """Proves drafts, with one sandbox and one reader."""

    def __init__(self, box: Toolbox, sandbox: Sandbox, reader: Reader) -> None:
        self._box, self._sandbox, self._reader = box, sandbox, reader

    def __call__(self, draft: Draft) -> Proof:
        """The proof of one draft. Never raises for what is drafted, whatever it is."""
        trial = _Trial(draft, self._box, self._sandbox, self._reader)
        try:
            trial.run()
        except Refused as reason:
            return trial.proof(str(reason))
        return trial.proof("")


class _Trial:
    def __init__(self, draft: Draft, box: Toolbox, sandbox: Sandbox, reader: Reader) -> None:
        self.draft, self.box, self.sandbox, self.reader = draft, box, sandbox, reader
        self.name, self.code = "", draft.code
        self.examples = list(draft.examples)
        self.mutants, self.searched = 0, 0
        self.left_open: list[str] = []

    def proof(self, refused: str) -> Proof:
        return Proof(
            name=self.name,
            code=self.code,
            examples=tuple(self.examples),
            mutants=self.mutants,
            searched=self.searched,
            left_open=tuple(dict.fromkeys(self.left_open)),
            refused=refused,
        )

    def run(self) -> None:
        rule = language.parse(self.draft.code)
        rule.body = language.without_docstring(rule) or rule.body
        self.name, self.code = rule.name, ast.unparse(rule)
        rule = language.parse(self.code)  # its line numbers are those of the code that is shown
        if not self.draft.quoted:
            raise Refused("it quotes no sentence of the policy")
        against_text.check(rule, self.draft.quoted, self.draft.background, self.box)
        self.come_out_right(self.draft.examples, "its own examples")
        written = self.reader.examples(self.draft.quoted, self.draft.background)
        self.examples += written
        self.come_out_right(written, "examples written from the sentence alone")
        against_text.check_examples(parts_of(rule, self.box), self.draft.quoted, [example.case for example in written])
        self.tell_mutants_apart(rule)

    def come_out_right(self, examples: Sequence[Example], whose: str) -> None:
        labels = {example.label for example in examples}
        if len(labels) < 2:
            raise Refused(f"{whose} do not show it both kept and broken")
        marks = self.sandbox.marks([self.code], [example.case for example in examples])[0]
        for example, mark in zip(examples, marks, strict=True):
            if mark != example.label:
                raise Refused(
                    f"of {whose}, one that {_should(example.label)} it comes out as `{mark}`: {shown(example.case)}"
                )

    def tell_mutants_apart(self, rule: ast.FunctionDef) -> None:
        parts = parts_of(rule, self.box)
        others = mutants(rule, self.names(parts))
        self.mutants = len(others)
        written = [example.case for example in self.examples if example.origin == "sentence"]
        own, *marks = self.sandbox.marks([self.code, *(other.code for other in others)], written)
        others = [other for other, said in zip(others, marks, strict=True) if said == own]
        cases = Neighbourhood(rule, self.box.values(), list(self.box.tools)).around([e.case for e in self.examples])
        self.searched = len(cases)
        own = self.sides(rule, parts, cases)
        hunt = _Hunt(self, cases, own, others, self.sandbox.marks([other.code for other in others], cases))
        hunt.run()
        place = {shown(case): at for at, case in enumerate(cases)}
        drafted = [place[shown(example.case)] for example in self.draft.examples]
        hunt.ask_beside([*drafted, *probes([example.case for example in self.examples], cases, own)])

    def sides(self, rule: ast.FunctionDef, parts: Parts, cases: Sequence[Case]) -> list[str]:
        """The rule's marks of the cases; Refused where it is broken on a side that its sentences do not mean."""
        compared = direction.comparisons(rule)
        pairs = [forced(rule, node) for node in compared]
        own, *marks = self.sandbox.marks([self.code, *(code for pair in pairs for code in pair)], cases)
        for case, mark in zip(cases, own, strict=True):
            if parts.tools and mark == "breaks" and case.tool not in parts.tools:
                raise Refused(f"it is broken by a call of a tool that it does not name: {shown(case)}")
        for at, node in enumerate(compared):
            side = direction.side(marks[2 * at], marks[2 * at + 1])
            if not direction.check(node, side, parts, self.draft.quoted):
                self.left_open.append(ast.unparse(node)[:100])
        return own

    def names(self, parts: Parts) -> Names:
        """What may stand in the place of the rule's names."""
        fields = dict.fromkeys(name for tool in parts.tools for name in self.box.tools[tool].parameters)
        looked_up = dict.fromkeys(
            key for e in self.examples for one in e.case.earlier if isinstance(one.answer, dict) for key in one.answer
        )
        values = {value: options for options in self.box.values().values() for value in options}
        texts = {text: parts.texts for text in parts.texts if len(parts.texts) > 1}
        return Names(tools=tuple(self.box.tools), fields=tuple(fields | looked_up), values=texts | values)


class _Hunt:
    """Asks about cases until every mutant that is left was told from the rule by one that its sentences decide."""

    def __init__(
        self,
        trial: _Trial,
        cases: Sequence[Case],
        own: Sequence[str],
        others: Sequence[Mutant],
        marks: Sequence[Sequence[str]],
    ) -> None:
        self._trial, self._cases, self._own, self._others, self._marks = trial, cases, own, others, marks
        self._known, self._unsure = set[int](), set[int]()

    def run(self) -> None:
        alive = dict.fromkeys(range(len(self._others)), 0)
        while alive:
            self._ask(self._wanted(alive))
            alive = {at: tries for at, tries in alive.items() if not self._is_told_apart(at, self._known)}

    def ask_beside(self, places: Sequence[int]) -> None:
        """Ask about the draft's own examples, and cases that differ in what the rule may have left out: no mutant has more in it than the rule."""
        written = {shown(e.case) for e in self._trial.examples if e.origin == "sentence"}
        places = [at for at in dict.fromkeys(places) if shown(self._cases[at]) not in written]
        wanted = [at for at in places if at not in self._known | self._unsure and self._own[at] in ("keeps", "breaks")]
        for at in range(0, len(wanted), _ROUND):
            self._ask(wanted[at : at + _ROUND])

    def _wanted(self, alive: dict[int, int]) -> list[int]:
        """The cases to ask about next; how often each mutant was tried is counted in `alive`."""
        wanted = dict[int, None]()
        for at, tries in alive.items():
            what = self._others[at].what
            case = _apart(self._own, self._marks[at], self._known | self._unsure)
            if case is None:
                raise Refused(
                    f"no example tells it from what it would be with a fault ({what}), of {len(self._cases):,} that were tried"
                )
            if tries >= TRIES or len(self._known) + len(self._unsure) >= MOST_ASKED:
                raise Refused(f"the sentence alone does not tell it from what it would be with a fault ({what})")
            if len(wanted) < _ROUND and not self._is_told_apart(at, wanted):
                wanted[case] = None
                alive[at] += 1
        return list(wanted)

    def _is_told_apart(self, at: int, cases: Iterable[int]) -> bool:
        return any(self._marks[at][case] != self._own[case] for case in cases)

    def _ask(self, wanted: Sequence[int]) -> None:
        """Raises Refused where the sentences tell otherwise than the rule."""
        draft, cases = self._trial.draft, [self._cases[at] for at in wanted]
        labels = self._trial.reader.labels(draft.quoted, draft.background, cases)
        for at, case, label in zip(wanted, cases, labels, strict=True):
            own = self._own[at]
            if label is None or (label == "unsure" and own != "unsure"):
                self._unsure.add(at)
                continue
            self._trial.examples.append(Example(case=case, label=label, origin="asked"))
            self._known.add(at)
            if label != own:
                raise Refused(
                    f"by the sentence alone this call comes out as `{label}`, and by its code as `{own}`: {shown(case)}"
                )


def _apart(own: Sequence[str], other: Sequence[str], without: set[int]) -> int | None:
    """The nearest case that tells two rules apart; first of those of which both can tell."""
    sure = ("keeps", "breaks", "unsure")
    differ = [
        at for at, (a, b) in enumerate(zip(own, other, strict=True)) if a != b and a in sure and at not in without
    ]
    return next((at for at in differ if other[at] in sure), next(iter(differ), None))


def _should(label: str) -> str:
    return {"keeps": "should keep", "breaks": "should break"}[label]
