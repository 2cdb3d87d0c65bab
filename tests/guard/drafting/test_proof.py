"""Wrong drafts of a small policy, one of each kind, each with examples that are wrong in the same way: none is believed."""

import json
import re

import pytest

from counterform.guard.calls import Call, Result, State
from counterform.guard.drafting.drafting import draft_policy
from counterform.models.scripted import ScriptedModel
from tests.guard.drafting.library import (
    CODE,
    EXAMPLES,
    GOOD,
    MEMBER,
    POLICY,
    REST,
    TOOLS,
    Desk,
    block,
    books,
    call,
    code,
    days,
    film,
    renewed,
)

pytest.importorskip("z3")


@pytest.fixture(scope="module")
def drafted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    (folder / "tools.json").write_text(json.dumps(TOOLS))
    count = iter(range(100))

    def draft(drafts, policy=POLICY, desk=Desk, **options):
        (folder / "policy.md").write_text(policy)
        return draft_policy(
            folder / "policy.md",
            folder / "tools.json",
            lambda: ScriptedModel(desk(drafts, **options)),
            lambda: folder / f"{next(count)}.jsonl",
        )

    return draft


def flipped(rows):
    return [row | {"label": "keeps" if row["label"] == "breaks" else "breaks"} for row in rows]


BOUND_6 = [books(6, "keeps"), books(1, "keeps"), books(7, "breaks")]
BOUND_AT_5 = [books(4, "keeps"), books(5, "breaks")]
NO_TEACHER = [days(21, "keeps"), days(22, "breaks"), days(30, "breaks", "teacher")]
WRONG = {
    "bound moved": ("five_books", 'call.name == "lend_books" and len(call.arguments["books"]) > 6', BOUND_6),
    "bound taken in": ("five_books", 'call.name == "lend_books" and len(call.arguments["books"]) >= 5', BOUND_AT_5),
    "comparison turned": (
        "five_books",
        'call.name == "lend_books" and len(call.arguments["books"]) <= 5',
        flipped(EXAMPLES["five_books"]),
    ),
    "another field": (
        "five_books",
        'call.name == "lend_books" and call.arguments["days"] > 5',
        [days(5, "keeps"), days(6, "breaks")],
    ),
    "another tool": (
        "five_books",
        'call.name == "renew_loan" and len(call.arguments["books"]) > 5',
        [call("renew_loan", label, books=list("abcdef"[:n])) for label, n in (("keeps", 5), ("breaks", 6))],
    ),
    "no tool": ("five_books", 'len(call.arguments["books"]) > 5', EXAMPLES["five_books"]),
    "exception dropped": ("up_to_21_days", 'call.name == "lend_books" and call.arguments["days"] > 21', NO_TEACHER),
    "condition negated": (
        "up_to_21_days",
        f'call.name == "lend_books" and call.arguments["days"] > 21 and {MEMBER}["kind"] == "teacher"',
        [days(21, "keeps"), days(22, "keeps"), days(30, "breaks", "teacher")],
    ),
    "exception for others": (
        "up_to_21_days",
        f'call.name == "lend_books" and call.arguments["days"] > 21 and {MEMBER}["kind"] != "adult"',
        [days(30, "keeps"), days(30, "breaks", "teacher")],
    ),
    "side of a bound": (
        "no_films_under_16",
        f'call.name == "lend_film" and {MEMBER}["age"] >= 16',
        flipped(EXAMPLES["no_films_under_16"]),
    ),
    "bound of an age": (
        "no_films_under_16",
        f'call.name == "lend_film" and {MEMBER}["age"] <= 16',
        [film(17, "keeps"), film(16, "breaks")],
    ),
    "only if turned": ("renew_on_time", CODE["renew_on_time"].replace("!=", "=="), flipped(EXAMPLES["renew_on_time"])),
    "another value": (
        "renew_on_time",
        CODE["renew_on_time"].replace("on time", "late"),
        [renewed("late", "keeps"), renewed("on time", "breaks")],
    ),
    "roles swapped": ("confirmed", CODE["confirmed"].replace('"user"', '"assistant"'), EXAMPLES["confirmed"][1:]),
    "yes turned": ("confirmed", CODE["confirmed"].replace("not in", "in"), flipped(EXAMPLES["confirmed"])),
    "fee moved": (
        "fee_of_20",
        CODE["fee_of_20"].replace("20", "50"),
        [call("waive_fee", label, amount=n) for label, n in (("keeps", 50), ("breaks", 51))],
    ),
}


@pytest.fixture(scope="module")
def good(drafted):
    return drafted(GOOD)


def test_right_drafts_are_proven(good):
    assert [(rule.proof.name, rule.proof.refused) for rule in good.rules] == [(name, "") for name in CODE]
    assert all(rule.proof.mutants > 10 and rule.logic == "sound" for rule in good.rules)
    origins = {example.origin for rule in good.rules for example in rule.proof.examples}
    assert origins == {"draft", "sentence", "asked"}


def test_every_sentence_has_a_rule_or_a_reason(good):
    assert [(row.sentence, row.rules[0] if row.rules else row.reason) for row in good.coverage] == [
        (1, "is a description"),
        (2, "is a description"),
        (3, "five_books"),
        (4, "is advice"),
        (5, "up_to_21_days"),
        (6, "no_films_under_16"),
        (7, "renew_on_time"),
        (8, "needs judgement"),
        (9, "confirmed"),
        (10, "fee_of_20"),
        (11, "needs the conversation"),
    ]


class Agrees(Desk):
    """A reader that is as wrong as the draft: it labels as the draft's code does."""

    def __init__(self, drafts, condition, rows):
        name = re.search(r"def (\w+)", drafts)[1]
        super().__init__(drafts, written={name: rows})
        exec(code("rule", condition), self.__dict__)  # text of this file

    def __call__(self, prompt, sample):
        if not prompt.startswith("Judge"):
            return super().__call__(prompt, sample)
        case = json.loads(re.search(r"(?m)^\{.*\}$", prompt)[0])
        earlier = tuple(
            Result(call=Call(name=one["tool"], arguments=one["arguments"]), text="", value=one["answer"])
            for one in case.get("earlier", ())
        )
        state = State(messages=(("user", case.get("user", "")),), results=earlier)
        try:
            return "breaks" if self.rule(state, Call(name=case["tool"], arguments=case["arguments"])) else "keeps"
        except (KeyError, TypeError):
            return "unsure"


@pytest.mark.parametrize("kind", WRONG)
def test_the_words_alone_refuse_it(drafted, kind):
    """No example and no label speaks against it."""
    name, condition, rows = WRONG[kind]
    found = drafted(block(name, condition, rows), desk=lambda drafts: Agrees(drafts, condition, rows)).rules[0]
    assert found.proof.refused, found.proof.code
    assert "alone" not in found.proof.refused


def test_what_was_left_out_is_asked_about(drafted):
    """No mutant of a rule has more in it than the rule, and this one keeps to what the draft's examples show."""
    sentence = "You should only make one tool call at a time, and not respond to the member simultaneously."
    policy = POLICY.replace("# Lending desk", "# Desk").replace("The current date is 2026-03-02.", sentence)
    rows = [call("lend_film", "keeps"), call("lend_film", "breaks") | {"other_calls": 1}]

    class Alone(Desk):
        def __call__(self, prompt, sample):
            if prompt.startswith("Write"):
                return json.dumps(rows)
            if prompt.startswith("Judge"):
                case = json.loads(re.search(r"(?m)^\{.*\}$", prompt)[0])
                return "breaks" if case.get("other_calls") or case.get("agent") else "keeps"
            return super().__call__(prompt, sample)

    text = "RULE 1\n```python\n{}\n```\n```json\n{}\n```\n"
    half = text.format(code("one_call", "call.beside > 0"), json.dumps(rows))
    whole = text.format(code("one_call", 'call.beside > 0 or call.said != ""'), json.dumps(rows))
    assert '"agent":"Let me see."' in drafted(half, policy=policy, desk=Alone).rules[0].proof.refused
    assert not drafted(whole, policy=policy, desk=Alone).rules[0].proof.refused


OR = f'call.name == "lend_books" and (call.arguments["days"] > 21 or {MEMBER}["kind"] != "teacher")'
ALWAYS = 'call.name == "renew_loan" and state.said("user").lower() != "yes"'
UNTOLD = {
    "or for and": (
        "up_to_21_days",
        OR,
        [days(21, "keeps", "teacher"), days(21, "breaks"), days(22, "breaks", "teacher")],
    ),
    "too strict": (
        "confirmed",
        ALWAYS,
        [call("renew_loan", "keeps", user="yes"), call("renew_loan", "breaks", user="Yes, do.")],
    ),
}


@pytest.mark.parametrize("kind", UNTOLD)
def test_an_independent_reader_refuses_what_the_words_do_not_tell(drafted, kind):
    name, condition, rows = UNTOLD[kind]
    assert (
        not drafted(block(name, condition, rows), written={name: rows}, always="")
        .rules[0]
        .proof.refused.startswith("its code")
    )
    found = drafted(block(name, condition, rows)).rules[0]
    assert "alone" in found.proof.refused


def test_a_reader_that_cannot_tell_proves_nothing(drafted):
    found = drafted(
        block("five_books"), always="unsure", written={"five_books": [books(1, "keeps"), books(9, "breaks")]}
    ).rules[0]
    assert "the sentence alone does not tell it from" in found.proof.refused
    nothing = drafted(block("five_books"), written={"five_books": []}).rules[0]
    assert "do not show it both kept and broken" in nothing.proof.refused


def test_its_own_examples_have_to_come_out_right(drafted):
    found = drafted(block("five_books", examples=[*EXAMPLES["five_books"], books(3, "breaks")])).rules[0]
    assert "of its own examples, one that should break it comes out as `keeps`" in found.proof.refused


def test_a_condition_that_no_example_needs_is_refused(drafted):
    found = drafted(block("five_books", CODE["five_books"] + ' and call.name != "lend_film"')).rules[0]
    assert "no example tells it from" in found.proof.refused


def test_hostile_code_is_refused_and_never_run(drafted, tmp_path):
    touched = tmp_path / "touched"
    text = f"def five_books(state, call):\n    open({str(touched)!r}, 'w')\n    return 'x'"
    for hostile in (text, "import os", "def a(state, call):\n    while 1: pass", "x" * 20_000, " "):
        found = drafted(block("five_books", text=hostile)).rules[0]
        assert found.proof.refused.startswith("its code")
    assert not touched.exists()


def test_contradictory_sentences_are_both_quoted(drafted):
    policy = POLICY.replace("Be friendly.", "Each member has to borrow at least eight books.")
    rows = [books(8, "keeps"), books(9, "keeps"), books(7, "breaks"), books(1, "breaks")]
    second = f"RULE 4\n```python\n{code('eight_books', CODE['five_books'].replace('> 5', '< 8'))}\n```\n```json\n{json.dumps(rows)}\n```\n"

    class Both(Desk):
        def __call__(self, prompt, sample):
            if "at least eight" not in prompt.split("The tools:")[0] or prompt.startswith("Draft"):
                return super().__call__(prompt, sample)
            if prompt.startswith("Write"):
                return json.dumps(rows)
            case = json.loads(re.search(r"(?m)^\{.*\}$", prompt)[0])
            if case["tool"] == "lend_books" and "books" not in case["arguments"]:
                return "unsure"
            return "breaks" if case["tool"] == "lend_books" and len(case["arguments"]["books"]) < 8 else "keeps"

    found = drafted(block("five_books") + second + REST, policy=policy, desk=Both)
    assert [rule.accepted for rule in found.rules] == [False, False]
    assert all("at most five" in rule.proof.refused and "at least eight" in rule.proof.refused for rule in found.rules)
    assert "contradict" in found.notes[0]
    assert {row.reason for row in found.coverage if row.sentence in (3, 4)} == {"its draft was refused"}
