"""One drafted rule put to the proof. It is believed only if nothing of what is tried here tells it from what its sentences say.

In order: its code is of the little language; its words are its sentences' (`against_text`); its own examples come out right; so do
examples that were written from the sentences alone; every mutant of it is told from it by an example of that origin, for which
cases are searched and labelled from the sentences alone; and its bounds are broken on the side that the words say.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from msgspec import Struct

from counterform.guard.drafting import against_text, direction, language
from counterform.guard.drafting.cases import Case, Example, Label, shown
from counterform.guard.drafting.language import Refused
from counterform.guard.drafting.mutants import Names, forced, mutants
from counterform.guard.drafting.sandbox import Sandbox
from counterform.guard.drafting.search import Neighbourhood
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

    def proof(self, refused: str) -> Proof:
        return Proof(
            name=self.name,
            code=self.code,
            examples=tuple(self.examples),
            mutants=self.mutants,
            searched=self.searched,
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
        self.tell_mutants_apart(rule)

    def come_out_right(self, examples: Sequence[Example], whose: str) -> None:
        labels = {example.label for example in examples}
        if len(labels) < 2:
            raise Refused(f"{whose} do not show it both kept and broken")
        marks = self.sandbox.marks([self.code], [example.case for example in examples])[0]
        for example, mark in zip(examples, marks, strict=True):
            if mark != example.label:
                raise Refused(f"of {whose}, one that {_should(example.label)} it comes out as `{mark}`: {shown(example.case)}")

    def tell_mutants_apart(self, rule: ast.FunctionDef) -> None:
        parts = against_text.parts_of(rule, self.box)
        others = mutants(rule, self.names(parts))
        self.mutants = len(others)
        near = Neighbourhood(rule, self.box.values(), list(self.box.tools))
        cases = near.around([example.case for example in self.examples])
        self.searched = len(cases)
        compared = direction.comparisons(rule)
        sides = [forced(rule, node) for node in compared]
        codes = [self.code, *(other.code for other in others), *(code for pair in sides for code in pair)]
        own, *marks = self.sandbox.marks(codes, cases)
        for case, mark in zip(cases, own, strict=True):
            if parts.tools and mark == "breaks" and case.tool not in parts.tools:
                raise Refused(f"it is broken by a call of a tool that it does not name: {shown(case)}")
        for at, node in enumerate(compared):
            held, failed = marks[len(others) + 2 * at], marks[len(others) + 2 * at + 1]
            direction.check(node, direction.side(held, failed), parts, self.draft.quoted)
        alive = dict(enumerate(others))
        place = {shown(case): at for at, case in enumerate(cases)}
        known = {place[shown(e.case)] for e in self.examples if e.origin == "sentence"}
        unsure = set[int]()
        tries = dict.fromkeys(alive, 0)
        while True:
            for at in [at for at in alive if any(marks[at][case] != own[case] for case in known)]:
                del alive[at]
            if not alive:
                return
            wanted = dict[int, None]()
            for at, other in alive.items():
                case = _apart(own, marks[at], known | unsure)
                if case is None:
                    raise Refused(f"no example tells it from what it would be with a fault ({other.what}), of {len(cases):,} that were tried")
                if tries[at] >= TRIES or len(known) + len(unsure) >= MOST_ASKED:
                    raise Refused(f"the sentence alone does not tell it from what it would be with a fault ({other.what})")
                if not any(marks[at][case] != own[case] for case in wanted) and len(wanted) < _ROUND:
                    wanted[case] = None
                    tries[at] += 1
            known |= self.ask(list(wanted), cases, own, unsure)

    def ask(self, wanted: list[int], cases: Sequence[Case], own: Sequence[str], unsure: set[int]) -> set[int]:
        """Which of these cases the sentences tell of; Refused where they tell otherwise than the rule."""
        labels = self.reader.labels(self.draft.quoted, self.draft.background, [cases[at] for at in wanted])
        found = set[int]()
        for at, label in zip(wanted, labels, strict=True):
            if label is None or (label == "unsure" and own[at] != "unsure"):
                unsure.add(at)
                continue
            self.examples.append(Example(case=cases[at], label=label, origin="asked"))
            found.add(at)
            if label != own[at]:
                raise Refused(f"by the sentence alone this call comes out as `{label}`, and by its code as `{own[at]}`: {shown(cases[at])}")
        return found

    def names(self, parts: against_text.Parts) -> Names:
        """What may stand in the place of the rule's names."""
        fields = dict.fromkeys(name for tool in parts.tools for name in self.box.tools[tool].parameters)
        looked_up = dict.fromkeys(key for e in self.examples for one in e.case.earlier if isinstance(one.answer, dict) for key in one.answer)
        values = {value: options for options in self.box.values().values() for value in options}
        texts = {text: parts.texts for text in parts.texts if len(parts.texts) > 1}
        return Names(tools=tuple(self.box.tools), fields=tuple(fields | looked_up), values=texts | values)




def _apart(own: Sequence[str], other: Sequence[str], without: set[int]) -> int | None:
    """The nearest case that tells two rules apart; first of those of which both can tell."""
    sure = ("keeps", "breaks", "unsure")
    differ = [at for at, (a, b) in enumerate(zip(own, other, strict=True)) if a != b and a in sure and at not in without]
    return next((at for at in differ if other[at] in sure), next(iter(differ), None))


def _should(label: str) -> str:
    return {"keeps": "should keep", "breaks": "should break"}[label]
