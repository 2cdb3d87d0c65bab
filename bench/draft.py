"""How many hand-written rules are accepted, and how many that were made wrong mechanically.

    python bench/draft.py FOLDER [--quick]    # FOLDER holds airline_wiki.md and retail_wiki.md of tau-bench

Each hand-written rule is proven; then every plant of it: its code with one fault, and its own examples labelled by that code, so that
they agree. Who reads the sentence without the code is (1) right: labels by the hand-written rule; (2) wrong in the same way: labels by
the planted code. In (2) only the words of the sentence stand against the plant.
"""

import sys
import time
from collections import Counter
from pathlib import Path

import draft_airline
import draft_retail
import msgspec
from draft_plants import plants

from counterform.guard.drafting.cases import Case, Example
from counterform.guard.drafting.proof import Draft, Proving, Reader
from counterform.guard.drafting.sandbox import Sandbox
from counterform.guard.drafting.sentences import read_policy_text, sentences
from counterform.guard.drafting.toolbox import Tool, Toolbox


def box_of(given):
    functions = [one["function"] for one in given]
    return Toolbox({f["name"]: Tool(name=f["name"], parameters=f["parameters"]["properties"]) for f in functions})


def cases_of(rows):
    return [msgspec.convert(row, Case) for row in rows]


class Labelled(Reader, frozen=True):
    """A reader that knows what some code says."""


def reader(sandbox, code, cases):
    def labels(_quoted, _background, asked):
        return [mark if mark in ("keeps", "breaks", "unsure") else None for mark in sandbox.marks([code], asked)[0]]

    def examples(quoted, background):
        found = zip(cases, labels(quoted, background, cases), strict=True)
        return [Example(case=case, label=label, origin="sentence") for case, label in found if label in ("keeps", "breaks")]

    return Reader(examples, labels)


def draft_of(rule, by_number, code, cases, sandbox):
    labels = sandbox.marks([code], cases)[0]
    own = [Example(case=case, label=label, origin="draft") for case, label in zip(cases, labels, strict=True) if label in ("keeps", "breaks")]
    return Draft(
        quoted=tuple(by_number[n] for n in rule.quotes),
        background=tuple(by_number[n] for n in rule.background),
        code=code,
        examples=tuple(own),
    )


def study(name, path, policy, quick):
    by_number = {s.number: s for s in sentences(read_policy_text(path))}
    box, sandbox = box_of(policy.TOOLS), Sandbox()
    accepted, drafted = set(), set()
    counts = Counter()
    for rule in policy.RULES:
        cases = cases_of(rule.keeps + rule.breaks)
        good = rule.code
        wanted = ["keeps"] * len(rule.keeps) + ["breaks"] * len(rule.breaks)
        assert sandbox.marks([good], cases)[0] == wanted, (rule.quotes, sandbox.marks([good], cases)[0])
        start = time.monotonic()
        found = Proving(box, sandbox, reader(sandbox, good, cases))(draft_of(rule, by_number, good, cases, sandbox))
        drafted |= set(rule.quotes)
        print(f"{name} {rule.quotes} {found.name}: {found.refused or 'ACCEPTED'} ({found.mutants} mutants, {found.searched} cases, {sum(e.origin == 'asked' for e in found.examples)} asked, {time.monotonic() - start:.1f} s)", flush=True)
        counts["rules"] += 1
        if found.refused:
            continue
        counts["accepted"] += 1
        accepted |= set(rule.quotes)
        for what, code in [] if quick else plants(good, box):
            plant = draft_of(rule, by_number, code, cases, sandbox)
            kind = what.partition(":")[0]
            for condition, judge in (("right", good), ("wrong", code)):
                counts[condition, kind, "planted"] += 1
                proof = Proving(box, sandbox, reader(sandbox, judge, cases))(plant)
                if not proof.refused:
                    counts[condition, kind, "accepted"] += 1
                    print(f"  {condition}: {what}: ACCEPTED", flush=True)
    sandbox.close()
    checkable = set(policy.CHECKABLE)
    print(f"{name}: {len(drafted & checkable)} of {len(checkable)} checkable sentences drafted, {len(accepted & checkable)} accepted; {counts['accepted']} of {counts['rules']} rules")
    return counts


def main():
    folder = Path(sys.argv[1])
    total = Counter()
    for name, policy in (("airline", draft_airline), ("retail", draft_retail)):
        total += study(name, folder / f"{name}_wiki.md", policy, "--quick" in sys.argv)
    for condition in ("right", "wrong"):
        rows = {kind for key in total if isinstance(key, tuple) for c, kind, _ in [key] if c == condition}
        planted = sum(total[condition, kind, "planted"] for kind in rows)
        print(f"reader {condition}: {sum(total[condition, kind, 'accepted'] for kind in rows)} of {planted} plants accepted")
        for kind in sorted(rows):
            print(f"  {kind}: {total[condition, kind, 'accepted']} of {total[condition, kind, 'planted']}")


if __name__ == "__main__":
    main()
