"""Answers that were recorded are given as they are, and what was not recorded is not made up."""

from counterform.models.recorded import NOT_RECORDED, RecordedModel
from counterform.types import Completion

ANSWERS = {"Why?": [Completion(text=text, tokens=1, finish="stop") for text in ("So.", "No.", "")]}


def ask(prompts, n):
    model = RecordedModel("mine", ANSWERS)
    return model.generate(prompts, n=n, seed=1, temperature=1.0, max_tokens=1)


def test_the_first_answers_in_the_order_in_which_they_were_recorded():
    assert [one.text for one in ask(["Why?"], 2)[0]] == ["So.", "No."]


def test_what_was_not_recorded_is_a_call_that_failed_for_good():
    [known, unknown] = ask(["Why?", "How?"], 4)
    assert [one.finish for one in known] == ["stop", "stop", "stop", "error"]
    assert {one.failure for one in unknown} == {NOT_RECORDED}
    assert not any(one.transient for one in unknown)
