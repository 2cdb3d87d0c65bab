import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.problems.ledger import Ledger, broken_steps, facts
from counterform.text import wording
from counterform.types import Mark

INDEX = st.integers(0, 200)
NUMBER = st.integers(-999_999, 999_999)
STEPS_OF_OURS = st.one_of(
    st.just(""),
    st.builds("{} {} {} = {}.".format, NUMBER, st.sampled_from("+-*/"), NUMBER, NUMBER),
    st.builds("Wait, {} + {} = {}.".format, NUMBER, NUMBER, NUMBER),
    st.builds("The answer is {}.".format, NUMBER),
)
ANY_HINT = st.one_of(STEPS_OF_OURS, st.text())


@given(INDEX, STEPS_OF_OURS)
def test_a_named_step_is_read_back(index, hint):
    assert wording.named_error(wording.critique_of_wrong_step(index, hint, range(index))) == index


@given(INDEX, ANY_HINT)
def test_no_hint_can_hide_the_step(index, hint):
    assert wording.named_error(wording.critique_of_wrong_step(index, hint, range(index))) == index


@given(INDEX)
def test_a_sound_attempt_is_read_back(n_steps):
    assert wording.named_error(wording.critique_of_sound_attempt(range(n_steps))) == -1


@given(NUMBER)
def test_a_wrong_answer_names_no_step(answer):
    assert wording.named_error(wording.critique_of_wrong_answer(str(answer))) is None


@pytest.mark.parametrize(
    ("critique", "named"),
    [
        ("", None),
        ("Looks fine to me.", None),
        ("The attempt is wrong.", None),
        ("THE ATTEMPT IS RIGHT", -1),
        ("step  3\nis wrong", 2),
        ("Step 2 is wrong. Step 1 is wrong.", 1),
        ("Step 2 is wrong, yet the attempt is right.", 1),
        ("Step two is wrong.", None),
        ("Step 99999 is wrong.", None),
        ("Misstep 2 is wrong.", None),
        ("Step 2 is wrongly put.", None),
        ("The attempt is right. The attempt is wrong.", -1),
    ],
)
def test_what_a_model_may_say(critique, named):
    assert wording.named_error(critique) == named


def test_step_nought_is_no_step_and_not_praise():
    assert wording.named_error("Step 0 is wrong. The attempt is wrong.") is None


def test_steps_are_numbered_from_one():
    prompt = wording.critique_prompt("Two and two?", ["2 + 2 = 5. ", "The answer is 5."])
    assert prompt == f"Two and two?\nStep 1: 2 + 2 = 5.\nStep 2: The answer is 5.\n{wording.CRITIQUE_CUE}"


def test_hints_of_the_ledger_are_read_back():
    family, rng = Ledger(), np.random.default_rng(0)
    for problem in family.generate(50, rng=rng):
        start, operations = facts(problem)
        for at in range(len(operations)):
            watch = family.start(problem)
            steps = broken_steps(start, operations, at=at, kind="arithmetic", off=1)
            hint = [watch.feed(step).hint for step in steps][at]
            assert hint
            assert wording.named_error(wording.critique_of_wrong_step(at, hint, range(at))) == at


FACTS = {
    "instruction": "Is it red? Answer with one of: yes, no.",
    "simplified": "Answer with one of: yes, no.",
    "demonstrations": [["a", "yes"], ["b", "no"]],
    "input": "c",
}


def test_a_prompt_is_composed_of_definition_demonstrations_and_input():
    assert wording.compose(FACTS) == (
        "Is it red? Answer with one of: yes, no.\nInput: a\nThe answer is yes.\nInput: b\nThe answer is no.\nInput: c"
    )
    assert wording.compose(FACTS, "space", []) == "Answer with one of: yes, no.\nInput: c"
    assert wording.compose(FACTS, "empty", [["a", "no"]]) == "Input: a\nThe answer is no.\nInput: c"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The answer is yes.", "yes"),
        ("It is red. The answer is no. Wait, the answer is YES.", "yes"),
        ("the answer is: **Yes**", "yes"),
        ("Answer: (no)\nThat is all.", "no"),
        ("No.", "no"),
        ("The answer is yes. I hope it helps.", "yes"),
        ("The answer is U.S. dollars.", "U.S. dollars"),
        ("The answer is not  sure", "not sure"),
        ("The answer is yes or no.", None),
        ("The answer is maybe.", None),
        ("The answer is", None),
        ("yes, I think", None),
        ("", None),
        ("answer is " * 5_000, None),
    ],
)
def test_a_label_is_read(text, label):
    assert wording.named_label(text, ["yes", "no", "not sure", "U.S. dollars"]) == label


@given(st.text())
def test_any_text_is_read_as_a_label_or_none(text):
    assert wording.named_label(text, ["yes", "no"]) in ("yes", "no", None)


def test_blank_lines_stand_between_exemplars_only():
    shown = [("One?\n\nTwo?", "1 + 1 = 2.\n \nA: 2")]
    assert wording.few_shot_prompt(shown, "And?\n\nNow?") == "One?\nTwo?\n1 + 1 = 2.\nA: 2\n\nAnd?\nNow?"


def test_a_verdict_and_its_claims_are_read_back():
    sound, wrong = wording.critique_of_sound_attempt([0, 2]), wording.critique_of_wrong_step(1, "2 * 3 = 6.", [0])
    assert (wording.verdict_of(sound), wording.claims_of(sound)) == (Mark.RIGHT, {(0, "right"), (2, "right")})
    assert (wording.verdict_of(wrong), wording.claims_of(wrong)) == (Mark.WRONG, {(0, "right"), (1, "wrong")})
    assert wording.verdict_of(wording.critique_of_wrong_answer("6")) is Mark.WRONG
    assert wording.verdict_of(wording.verdict_sentence(right=False)) is Mark.WRONG
    nothing = wording.critique_without_content(3)
    assert (wording.verdict_of(nothing), wording.claims_of(nothing), wording.named_error(nothing)) == (
        Mark.UNKNOWN,
        set(),
        None,
    )


def test_a_repair_ends_in_the_problem_and_has_no_cue_to_criticise():
    prompt = wording.repair_prompt(
        "What is 2 * 3?", ["2 * 3 = 5.", "The answer is 5."], "Step 1 is wrong. The attempt is wrong."
    )
    assert prompt.startswith("What is 2 * 3?\n2 * 3 = 5. The answer is 5. Step 1 is wrong.")
    assert prompt.endswith("\n\nWhat is 2 * 3?")
    assert wording.CRITIQUE_CUE not in prompt
