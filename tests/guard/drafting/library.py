"""A small policy, its tools, recorded drafts of it, good and bad, and a scripted model that replies with them.

Whoever reads a sentence without the code is a function of the case, written by hand and apart from the drafts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from counterform.models.scripted import ScriptedAnswer

POLICY = """\
# Lending desk

- The current date is 2026-03-02.
- Each member has a kind (adult, child or teacher) and an age.

## Lend books

- Each member can borrow at most five books. Be friendly.
- Books can be lent for up to 21 days, unless the member is a teacher.

## Lend films

- Members under 16 cannot borrow films.

## Renew a loan

- A loan can only be renewed if its status is 'on time'. Renewals should be reasonable.
- The member must confirm (yes) before you renew a loan.

## Waive a fee

- A fee of more than 20 dollars cannot be waived.
- Ask why the book is late before you waive a fee.
"""
TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {a: {} for a in arguments.split()}}},
    }
    for name, arguments in {
        "lend_books": "member_id books days",
        "lend_film": "member_id film",
        "renew_loan": "loan_id",
        "waive_fee": "member_id amount",
        "get_member": "member_id",
        "get_loan": "loan_id",
    }.items()
]


def call(
    tool: str,
    label: str = "",
    *,
    user: str = "",
    member: Mapping[str, object] | None = None,
    status: str = "",
    **arguments: object,
) -> dict[str, object]:
    """An example as a model writes it."""
    earlier = []
    if member is not None:
        earlier.append(
            {"tool": "get_member", "arguments": {"member_id": "m"}, "answer": {"kind": "adult", "age": 40} | member}
        )
    if status:
        earlier.append({"tool": "get_loan", "arguments": {"loan_id": "l"}, "answer": {"status": status}})
    key = {"loan_id": "l"} if tool == "renew_loan" else {"member_id": "m"}
    row: dict[str, object] = {"tool": tool, "arguments": key | arguments, "user": user, "earlier": earlier}
    return row | ({"label": label} if label else {})


def books(n: int, label: str, **more: object) -> dict[str, object]:
    return call("lend_books", label, books=[f"b{at}" for at in range(n)], **more)  # type: ignore[arg-type]


def days(n: int, label: str, kind: str = "adult") -> dict[str, object]:
    return call("lend_books", label, days=n, books=["b"], member={"kind": kind})


def film(age: int, label: str) -> dict[str, object]:
    return call("lend_film", label, member={"age": age}, film="f")


def renewed(status: str, label: str) -> dict[str, object]:
    return call("renew_loan", label, status=status)


MEMBER = 'state.last("get_member", member_id=call.arguments["member_id"])'
CODE = {
    "five_books": 'call.name == "lend_books" and len(call.arguments["books"]) > 5',
    "up_to_21_days": f'call.name == "lend_books" and call.arguments["days"] > 21 and {MEMBER}["kind"] != "teacher"',
    "no_films_under_16": f'call.name == "lend_film" and {MEMBER}["age"] < 16',
    "renew_on_time": 'call.name == "renew_loan" and state.last("get_loan", loan_id=call.arguments["loan_id"])["status"] != "on time"',
    "confirmed": 'call.name == "renew_loan" and "yes" not in state.said("user").lower()',
    "fee_of_20": 'call.name == "waive_fee" and call.arguments["amount"] > 20',
}
EXAMPLES = {
    "five_books": [books(5, "keeps"), books(1, "keeps"), books(6, "breaks"), books(9, "breaks")],
    "up_to_21_days": [days(21, "keeps"), days(22, "breaks"), days(30, "keeps", "teacher"), days(30, "breaks", "child")],
    "no_films_under_16": [film(16, "keeps"), film(40, "keeps"), film(15, "breaks"), film(3, "breaks")],
    "renew_on_time": [renewed("on time", "keeps"), renewed("late", "breaks"), renewed("lost", "breaks")],
    "confirmed": [
        call("renew_loan", "keeps", user="Yes, do."),
        call("renew_loan", "breaks", user="Why?"),
        call("renew_loan", "breaks"),
    ],
    "fee_of_20": [
        call("waive_fee", "keeps", amount=20),
        call("waive_fee", "breaks", amount=21),
        call("waive_fee", "breaks", amount=50),
    ],
}
SENTENCES = {
    "five_books": (3, ()),
    "up_to_21_days": (5, (2,)),
    "no_films_under_16": (6, (2,)),
    "renew_on_time": (7, ()),
    "confirmed": (9, ()),
    "fee_of_20": (10, ()),
}
REST = """
UNCOVERED 1: description: a fact
UNCOVERED 2: description: what is known of members
UNCOVERED 4: advice: a tone
UNCOVERED 8: judgement: what is reasonable
UNCOVERED 11: conversation: whether it was asked
"""


def code(name: str, condition: str) -> str:
    """A rule of one condition."""
    return f'def {name}(state, call):\n    if {condition}:\n        return "Not by the policy."'


def block(name: str, condition: str = "", examples: list[dict[str, object]] | None = None, text: str = "") -> str:
    """One rule of a reply."""
    number, background = SENTENCES[name]
    rows = EXAMPLES[name] if examples is None else examples
    return (
        f"RULE {number}\nBACKGROUND {', '.join(map(str, background)) or 'nothing'}\n```python\n"
        f"{text or code(name, condition or CODE[name])}\n```\n```json\n{json.dumps(rows)}\n```\n"
    )


def truth(name: str, case: Mapping[str, object]) -> bool:
    """Whether a call breaks a sentence, by hand."""
    tool, arguments = case["tool"], case.get("arguments", {})
    assert isinstance(arguments, dict)
    shown = {one["tool"]: one.get("answer") or {} for one in case.get("earlier", ())}  # type: ignore[attr-defined]
    member, loan = shown.get("get_member", {}), shown.get("get_loan", {})
    return {
        "five_books": lambda: tool == "lend_books" and len(arguments["books"]) >= 6,
        "up_to_21_days": lambda: (
            tool == "lend_books" and arguments["days"] >= 22 and member["kind"] in ("adult", "child", *_OTHERS(member))
        ),
        "no_films_under_16": lambda: tool == "lend_film" and member["age"] <= 15,
        "renew_on_time": lambda: tool == "renew_loan" and loan["status"] != "on time",
        "confirmed": lambda: (
            tool == "renew_loan" and re.search("yes", str(case.get("user", "")), re.IGNORECASE) is None
        ),
        "fee_of_20": lambda: tool == "waive_fee" and arguments["amount"] >= 21,
    }[name]()


def _OTHERS(member: Mapping[str, object]) -> tuple[object, ...]:  # noqa: N802
    return () if member["kind"] == "teacher" else (member["kind"],)


def named(prompt: str) -> str:
    """Which rule's sentence a prompt quotes."""
    words = {
        "at most five": "five_books",
        "up to 21": "up_to_21_days",
        "under 16": "no_films_under_16",
        "'on time'": "renew_on_time",
        "must confirm": "confirmed",
        "more than 20": "fee_of_20",
    }
    return next(name for said, name in words.items() if said in prompt)


class Desk:
    """A model that drafts what it is given, and reads sentences by hand."""

    def __init__(
        self, drafts: str, *, always: str = "", written: Mapping[str, list[dict[str, object]]] = EXAMPLES
    ) -> None:
        self.drafts, self.always, self.written = drafts, always, written

    def __call__(self, prompt: str, sample: int) -> str | None:
        if prompt.startswith("Draft"):
            wanted = re.findall(r"\d+", re.search(r"Draft sentences ([\d, ]+)\.", prompt)[1])  # type: ignore[index]
            blocks = re.split(r"(?m)^(?=RULE|UNCOVERED)", self.drafts)
            return "".join(
                one for one in blocks if (found := re.match(r"(?:RULE|UNCOVERED) (\d+)", one)) and found[1] in wanted
            )
        if prompt.startswith("Write"):
            return json.dumps(self.written[named(prompt.split("The tools:")[0])])
        if self.always:
            return self.always
        case = json.loads(re.search(r"(?m)^\{.*\}$", prompt)[0])  # type: ignore[index]
        try:
            return "breaks" if truth(named(prompt), case) else "keeps"
        except (KeyError, TypeError):
            return "unsure"


GOOD = "".join(map(block, CODE)) + REST
good = ScriptedAnswer(Desk(GOOD))
