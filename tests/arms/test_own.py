import numpy as np
import pytest
from msgspec.structs import replace

from counterform.arms.own import OwnSamples, OwnWrong
from counterform.bench import Bench
from counterform.errors import DataError
from counterform.testing import check_recipe
from counterform.types import Completion, Graded, Mark, Verdict

RNG = np.random.default_rng(0)


def answering(text_of, *, finish="stop"):
    """A model that answers prompt by prompt with `text_of(prompt, number)`."""

    def ask(prompts, *, n):
        return [
            [Completion(text=text, tokens=3, finish=finish if text else "error") for text in texts]
            for texts in ([text_of(prompt, at) for at in range(n)] for prompt in prompts)
        ]

    return ask


def graded(attempts):
    """Right where the text says so, wrong where it says that, else UNKNOWN."""
    marks = {"right": Mark.RIGHT, "wrong": Mark.WRONG}
    return [
        Graded(
            attempt=a,
            verdict=Verdict(
                attempt_id=a.id,
                outcome=marks.get(a.completion.text.split()[0], Mark.UNKNOWN),
                lenient=Mark.UNKNOWN,
                verifier="mine",
            ),
        )
        for a in attempts
    ]


def own(text_of, **more):
    return OwnSamples(bench=Bench(ask=answering(text_of, **more), grade=graded))


def test_promises(cases):
    check_recipe(OwnWrong(), cases)
    check_recipe(own(lambda prompt, at: f"right {prompt}"), cases)


def test_own_wrong_learns_the_wrong_attempt_and_names_it(cases):
    for case, example in zip(cases, OwnWrong()(cases, RNG).examples, strict=True):
        assert (example.prompt, example.completion) == (case.problem.prompt, case.wrong.attempt.completion.text)
        assert example.attempt_ids == (case.wrong.attempt.id,)


def test_own_samples_are_not_filtered_and_their_grades_are_told(cases):
    words = {case.problem.prompt: ("right", "wrong", "hm")[at % 3] for at, case in enumerate(cases)}
    arm = own(lambda prompt, at: f"{words[prompt]} {prompt}", finish="length")(cases, RNG)
    assert [e.completion for e in arm.examples] == [f"{words[c.problem.prompt]} {c.problem.prompt}" for c in cases]
    assert "of 21, 7 right, 7 wrong, 7 unknown; 21 were cut at max_tokens" in arm.differs_by
    assert arm.generated_tokens == 3 * len(cases)


def test_cases_of_one_problem_get_answers_of_their_own(cases):
    twice = [cases[0], cases[1], cases[0], cases[0]]
    arm = own(lambda prompt, at: f"right {at}")(twice, RNG)
    assert [e.completion for e in arm.examples] == ["right 0", "right 0", "right 1", "right 2"]


class TestCallsWithoutAnAnswer:
    def test_a_few_are_replaced_and_counted(self, cases):
        silent = {cases[4].problem.prompt}
        arm = own(lambda prompt, at: "" if prompt in silent else f"right {prompt}")(cases, RNG)
        assert len(arm.examples) == len(cases)
        assert arm.examples[4] == arm.examples[0]
        assert "1 calls gave no answer" in arm.differs_by

    @pytest.mark.parametrize("every", [1, 3])
    def test_many_refuse_the_arm(self, cases, every):
        silent = {case.problem.prompt for case in cases[::every]}
        with pytest.raises(DataError, match=rf"{len(silent)} of 21 calls .* gave no answer"):
            own(lambda prompt, at: " \n" if prompt in silent else "right")(cases, RNG)


def test_no_right_answer_is_needed(cases):
    bare = [replace(case, problem=replace(case.problem, solution=None)) for case in cases]
    assert len(OwnWrong()(bare, RNG).examples) == len(own(lambda *_: "hm")(bare, RNG).examples) == len(cases)
