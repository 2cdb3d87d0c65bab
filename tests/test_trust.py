import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import DataError, ModelError
from counterform.models.scripted import ScriptedModel
from counterform.text import wording
from counterform.text.answers import bare
from counterform.trust import MOST_ORDERS, Comparison, Judge, score

QUESTION = "What is 2 + 2?"


def odds(share):
    """Log-probabilities in which "Step 1 is right" has this share, and each option the share that its text is given."""

    def logprob(prompt, continuation):
        if continuation.startswith("Step 1"):
            value = share(prompt)
            return math.log(value if continuation.endswith("right") else 1 - value)
        letter = re.search(r"is ([A-Z])\.$", continuation)[1]
        line = re.search(rf"^{letter}: (.*)$", prompt, re.MULTILINE)[1]
        return math.log(share(line))

    return logprob


def model(share=lambda text: 0.5, said=lambda prompt: "Because."):
    return ScriptedModel(lambda prompt, _: said(prompt), logprob=odds(share))


def in_words(said):
    return ScriptedModel(lambda prompt, _: said(prompt))


def test_p_true_is_the_share_of_right_against_wrong():
    found = score(model(lambda text: 0.8 if "Step 1: 4" in text else 0.3), QUESTION, ["4", "5"])
    assert [one.alone for one in found.candidates] == pytest.approx([0.8, 0.3])
    assert found.from_logprobs
    assert found.notes == ()


def test_joint_is_the_share_of_each_letter_beside_a_different_answer():
    weight = {"4 Because.": 0.6, "5 Because.": 0.3, "a different answer.": 0.1}
    found = score(model(lambda text: weight.get(text, 0.5)), QUESTION, ["4", "5"])
    assert [one.joint for one in found.candidates] == pytest.approx([0.6, 0.3])


def test_a_taste_for_a_place_or_a_letter_is_averaged_out():
    first_place = ScriptedModel(
        lambda prompt, _: "", logprob=lambda prompt, end: 0.0 if "A." in end or end.endswith("right") else -9.0
    )
    found = Judge(first_place).joint([Comparison(QUESTION, tuple((str(n), "") for n in range(3)))])[0]
    assert found == pytest.approx([found[0]] * 3)
    for n in range(1, wording.MOST_OPTIONS + 1):
        orders = Judge(first_place)._orders(n)
        assert len(orders) == min(n, MOST_ORDERS)
        assert all(sorted(order) == list(range(n)) for order in orders)
        assert all(len({order[place] for order in orders}) == len(orders) for place in range(n))


def test_answers_that_say_the_same_are_one_candidate():
    found = score(model(), QUESTION, ["2 + 2 = 4. The answer is 4.", "5", r"so \boxed{4}", "the answer is 4"])
    assert [(one.says, one.times, one.consistency) for one in found.candidates] == [("4", 3, 0.75), ("5", 1, 0.25)]
    assert found.candidates[0].answer == "2 + 2 = 4. The answer is 4."


def test_one_candidate_is_compared_with_a_different_answer_and_said_so():
    found = score(model(lambda text: 0.75 if text.startswith("4") else 0.25), QUESTION, ["4"])
    assert found.candidates[0].joint == pytest.approx(0.75)
    assert found.candidates[0].consistency is None
    assert "one candidate answer" in found.notes[0]


def test_without_log_probabilities_it_is_asked_in_words_and_said_so():
    def said(prompt):
        if "For each option" in prompt:
            lines = dict(re.findall(r"^([AB]): (\w)", prompt, re.MULTILINE))
            return "\n".join(f"{letter}: {70 if answer == '4' else 20}%" for letter, answer in lines.items())
        return "90" if "How likely" in prompt else "Because."

    found = score(in_words(said), QUESTION, ["4", "5"])
    assert not found.from_logprobs
    assert [one.alone for one in found.candidates] == [0.9, 0.9]
    assert [one.joint for one in found.candidates] == pytest.approx([0.7, 0.2])
    assert "shows no log-probabilities" in found.notes[0]


@pytest.mark.parametrize("said", [None, "", "very sure", "A", "101", "<|im_end|>"])
def test_what_cannot_be_read_has_no_confidence(said):
    found = score(in_words(lambda prompt: said), QUESTION, ["4", "5"])
    assert {value for one in found.candidates for value in (one.alone, one.joint)} == {None}


def test_a_prompt_that_cannot_be_scored_has_no_confidence():
    def logprob(prompt, end):
        if "5" in prompt:
            raise ModelError("too long")
        return -1.0

    found = score(ScriptedModel(lambda prompt, _: "", logprob=logprob), QUESTION, ["4", "5"])
    assert [one.alone for one in found.candidates] == [0.5, None]
    assert [one.joint for one in found.candidates] == [None, None]


@pytest.mark.parametrize("answers", [[], ["4", " "]])
def test_no_answer_is_refused(answers):
    with pytest.raises(DataError, match="at least one answer"):
        score(model(), QUESTION, answers)


def test_more_candidates_than_letters_are_refused():
    with pytest.raises(DataError, match="26 different answers; at most 25"):
        score(model(), QUESTION, [str(n) for n in range(26)])


def test_the_owner_is_all_that_differs_between_own_and_anothers():
    prompts = [wording.attempt_prompt(QUESTION, "5", whose) for whose in ("", "own", "another's")]
    assert prompts[1].replace(wording.OWNERS["own"], wording.OWNERS["another's"]) == prompts[2]
    assert prompts[1].replace(f"\n{wording.OWNERS['own']}", "") == prompts[0]
    shown = [("4", "x"), ("5", "y")]
    own, other = (
        wording.comparison_prompt(QUESTION, shown, marked=1, whose=whose, say=False) for whose in ("own", "another's")
    )
    assert own != other
    assert own.replace(wording.OWNERS["own"], wording.OWNERS["another's"]) == other
    assert f"B: 5 y {wording.OWNERS['own']}" in own


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("85", 0.85),
        ("85%.", 0.85),
        ("85/100", 0.85),
        ("I am 40 to 60 % sure", 0.6),
        ("0.85", 0.85),
        ("100", 1.0),
        ("0", 0.0),
        ("12.5", 0.125),
        ("1e9 and v2", None),
        ("1234", None),
        ("9" * 5_000, None),
    ],
)
def test_a_confidence_in_words(text, value):
    assert wording.said_confidence(text) == (None if value is None else pytest.approx(value))


@given(st.text(), st.integers(0, 25))
def test_any_text_is_read(text, options):
    value = wording.said_confidence(text)
    assert value is None or 0 <= value <= 1
    row = wording.said_confidences(text, options)
    assert len(row) == options
    assert all(one is None or 0 <= one <= 1 for one in row)
    assert isinstance(bare(text), str)


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=6), st.floats(0.01, 0.99))
def test_hostile_answers_are_scored(answers, share):
    found = score(ScriptedModel(lambda prompt, _: "", logprob=lambda prompt, end: math.log(share)), QUESTION, answers)
    assert sum(one.times for one in found.candidates) == len(answers)
    for one in found.candidates:
        assert one.alone == pytest.approx(0.5)
        assert one.joint == pytest.approx(1 / (len(found.candidates) + 1))
