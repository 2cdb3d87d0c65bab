"""How many hand-written rules are accepted, and how many that were made wrong mechanically.

    python bench/draft.py FOLDER [--quick]    # FOLDER holds airline_wiki.md and retail_wiki.md of tau-bench

Each hand-written rule is proven; then every plant of it: its code with one fault, and its own examples labelled by that code, so that
they agree. Who reads the sentence without the code is
    right: writes all examples, and labels what it is asked, by the hand-written rule;
    terse: as right, but writes one example that keeps and one that breaks;
    wrong: says of everything what the planted code says, so that only the words of the sentence stand against the plant.
A plant that says of all examples and all cases searched what the rule says is counted as the same.
"""

import sys
from collections import Counter
from pathlib import Path

import draft_airline
import draft_retail
import msgspec
from draft_plants import plants

from counterform.guard.drafting.cases import Case, Example
from counterform.guard.drafting.language import parse
from counterform.guard.drafting.proof import Draft, Proving, Reader
from counterform.guard.drafting.sandbox import Sandbox
from counterform.guard.drafting.search import Neighbourhood
from counterform.guard.drafting.sentences import read_policy_text, sentences
from counterform.guard.drafting.toolbox import Tool, Toolbox


def box_of(given):
    functions = [one["function"] for one in given]
    return Toolbox({f["name"]: Tool(name=f["name"], parameters=f["parameters"]["properties"]) for f in functions})


def cases_of(rows):
    return [msgspec.convert(row, Case) for row in rows]


def reader(sandbox, code, cases):
    def labels(_quoted, _background, asked):
        return [mark if mark in ("keeps", "breaks", "unsure") else None for mark in sandbox.marks([code], asked)[0]]

    def examples(quoted, background):
        found = zip(cases, labels(quoted, background, cases), strict=True)
        return [
            Example(case=case, label=label, origin="sentence") for case, label in found if label in ("keeps", "breaks")
        ]

    return Reader(examples, labels)


def draft_of(rule, by_number, code, cases, sandbox):
    labels = sandbox.marks([code], cases)[0]
    own = [
        Example(case=case, label=label, origin="draft")
        for case, label in zip(cases, labels, strict=True)
        if label in ("keeps", "breaks")
    ]
    return Draft(
        quoted=tuple(by_number[n] for n in rule.quotes),
        background=tuple(by_number[n] for n in rule.background),
        code=code,
        examples=tuple(own),
    )


def same(sandbox, good, code, box, cases):
    """Whether two rules say the same of every case near the examples."""
    near = Neighbourhood(parse(good), box.values(), list(box.tools)).around(cases)
    a, b = sandbox.marks([good, code], near)
    return all(x == y for x, y in zip(a, b, strict=True) if x in ("keeps", "breaks"))


def study(name, path, policy, quick):
    by_number = {s.number: s for s in sentences(read_policy_text(path))}
    box, sandbox = box_of(policy.TOOLS), Sandbox()
    accepted, drafted = set(), set()
    counts = Counter()
    for rule in policy.RULES:
        cases = cases_of(rule.keeps + rule.breaks)
        terse = cases_of(rule.keeps[:1] + rule.breaks[:1])
        good = rule.code
        wanted = ["keeps"] * len(rule.keeps) + ["breaks"] * len(rule.breaks)
        assert sandbox.marks([good], cases)[0] == wanted, (rule.quotes, sandbox.marks([good], cases)[0])
        own = draft_of(rule, by_number, good, cases, sandbox)
        found = Proving(box, sandbox, reader(sandbox, good, cases))(own)
        drafted |= set(rule.quotes)
        asked = sum(e.origin == "asked" for e in found.examples)
        print(
            f"{name} {rule.quotes} {found.name}: {found.refused or 'accepted'} ({found.mutants} mutants, {found.searched} cases, {asked} asked)",
            flush=True,
        )
        short = Proving(box, sandbox, reader(sandbox, good, terse))(own)
        asked = sum(e.origin == "asked" for e in short.examples)
        print(f"  with a terse reader: {short.refused[:150] or 'accepted'} ({asked} asked)", flush=True)
        counts["rules"] += 1
        counts["accepted"] += not found.refused
        counts["accepted, terse"] += not short.refused
        if not found.refused:
            accepted |= set(rule.quotes)
        for what, code in [] if quick else plants(good, box):
            plant = draft_of(rule, by_number, code, cases, sandbox)
            kind = what.partition(":")[0]
            readers = {"wrong": (code, cases), "right": (good, cases), "terse": (good, terse)}
            by_words = False
            for condition, (judge, written) in readers.items():
                counts[condition, kind, "planted"] += 1
                if by_words:
                    continue
                proof = Proving(box, sandbox, reader(sandbox, judge, written))(plant)
                # What the words refuse they refuse whoever reads.
                by_words = proof.refused != "" and "tell it from" not in proof.refused and "alone" not in proof.refused
                if not proof.refused:
                    verdict = "same" if same(sandbox, good, code, box, cases) else "accepted"
                    counts[condition, kind, verdict] += 1
                    print(f"  {condition}: {what}: {verdict}", flush=True)
    sandbox.close()
    checkable = set(policy.CHECKABLE)
    print(
        f"{name}: {len(drafted & checkable)} of {len(checkable)} checkable sentences drafted, {len(accepted & checkable)} accepted; "
        f"{counts['accepted']} of {counts['rules']} rules, {counts['accepted, terse']} with a terse reader"
    )
    return counts


def main():
    folder = Path(sys.argv[1])
    total = Counter()
    chosen = [
        one
        for one in (("airline", draft_airline), ("retail", draft_retail))
        if not set(sys.argv) & {"airline", "retail"} or one[0] in sys.argv
    ]
    for name, policy in chosen:
        total += study(name, folder / f"{name}_wiki.md", policy, "--quick" in sys.argv)
    for condition in ("right", "terse", "wrong"):
        rows = sorted({key[1] for key in total if isinstance(key, tuple) and key[0] == condition})
        all_of = Counter()
        for kind in rows:
            all_of += Counter({what: total[condition, kind, what] for what in ("planted", "same", "accepted")})
        print(
            f"reader {condition}: {all_of['accepted']} of {all_of['planted'] - all_of['same']} plants accepted, {all_of['same']} are the same rule"
        )
        for kind in rows:
            print(
                f"  {kind}: {total[condition, kind, 'accepted']} of {total[condition, kind, 'planted'] - total[condition, kind, 'same']}"
            )


if __name__ == "__main__":
    main()
