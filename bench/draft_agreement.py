"""Proven rules against the hand-written airline policy, call by call, on tau-bench's recorded runs.

python bench/draft_agreement.py FOLDER    # with airline_wiki.md and gpt-4o-airline.json
"""

import sys
from collections import Counter
from pathlib import Path

import draft_airline
from draft import box_of, cases_of, draft_of, reader

from counterform.guard.calls import Conversation
from counterform.guard.drafting.proof import Proving
from counterform.guard.drafting.sandbox import Sandbox
from counterform.guard.drafting.sentences import read_policy_text, sentences
from counterform.guard.policy import judge_one, load_policy
from counterform.guard.recorded import read_recorded

PAIRS = {
    "consent": "consent",
    "one_call_at_a_time": "one_thing_at_a_time",
    "five_passengers": "five_passengers",
    "payment_methods_of_a_booking": "payment_methods_of_a_booking",
    "payment_from_the_profile": "payment_from_the_profile",
    "free_bags": "baggage_allowance",
    "basic_economy_keeps_its_flights": "basic_economy_keeps_its_flights",
    "bags_are_only_added": "bags_are_only_added",
    "same_number_of_passengers": "same_number_of_passengers",
    "change_paid_by_card": "change_paid_by_card",
    "cancel_conditions": "cancel_conditions",
    "only_what_is_not_flown": "cancel_only_what_is_not_flown",
}
MARKS = {"breaks": "wrong", "keeps": "right"}


def main():
    folder = Path(sys.argv[1])
    by_number = {s.number: s for s in sentences(read_policy_text(folder / "airline_wiki.md"))}
    hand = {rule.name: rule for rule in load_policy(Path(__file__).parents[1] / "examples" / "airline_policy.py")}
    box, sandbox = box_of(draft_airline.TOOLS), Sandbox()
    codes = {}
    for rule in draft_airline.RULES:
        cases = cases_of(rule.keeps + rule.breaks)
        found = Proving(box, sandbox, reader(sandbox, rule.code, cases))(
            draft_of(rule, by_number, rule.code, cases, sandbox)
        )
        if not found.refused:
            codes[found.name] = found.code
    table = {name: Counter() for name in codes}
    whole, calls = Counter(), 0
    for one in read_recorded(folder / "gpt-4o-airline.json").conversations:
        talk = Conversation()
        made = [pair for message in one.messages for pair in talk.feed(message)]
        calls += len(made)
        marks = dict(zip(codes, sandbox.judged(list(codes.values()), one.messages, len(made)), strict=True))
        for at, (state, call) in enumerate(made):
            pair = []
            for name in codes:
                drafted = MARKS.get(marks[name][at], "unknown")
                by_hand = judge_one(
                    hand[PAIRS[name]], lambda check, state=state, call=call: check(state, call), call
                ).mark.value
                table[name][drafted, by_hand] += 1
                pair.append((drafted, by_hand))
            whole[
                "wrong" if any(d == "wrong" for d, _ in pair) else "not",
                "wrong" if any(h == "wrong" for _, h in pair) else "not",
            ] += 1
    sandbox.close()
    for name, counts in table.items():
        same = sum(n for (a, b), n in counts.items() if a == b)
        other = ", ".join(
            f"{a} where the hand-written rule says {b}: {n}" for (a, b), n in sorted(counts.items()) if a != b
        )
        print(f"{name} and {PAIRS[name]}: {same} of {calls} calls alike{'; ' + other if other else ''}")
    agree = sum(n for (a, b), n in whole.items() if a == b)
    print(f"any rule broken: {agree} of {calls} calls alike; {dict(whole)}")


if __name__ == "__main__":
    main()
