import numpy as np
import pytest

from counterform.arms.critique import Critique
from counterform.errors import DataError
from counterform.models.scripted import ScriptedAnswer, ScriptedModel
from counterform.testing import HOSTILE
from counterform.types import Attempt, Case, Completion, Graded, Mark, Problem, StepVerdict, Verdict
from counterform.verify.judge import Judge, judge_prompt, read_judge

PROBLEM = Problem(id="p", prompt="What is 7 + 5, doubled?", answer="24")
TEXT = "7 + 5 = 13. 13 * 2 = 26."
SPANS = ((0, 11), (12, 24))


def shown():
    attempt = Attempt(
        id="p/m/0", problem_id="p", model="m", seed=0, completion=Completion(text=TEXT, tokens=9, finish="stop")
    )
    steps = tuple(StepVerdict(mark=Mark.UNKNOWN, rule="unread", span=span) for span in SPANS)
    verdict = Verdict(attempt_id="p/m/0", outcome=Mark.WRONG, lenient=Mark.WRONG, steps=steps, verifier="v")
    return PROBLEM, Graded(attempt=attempt, verdict=verdict)


def answered(text, finish="stop"):
    return read_judge(shown()[1], Completion(text=text, tokens=5, finish=finish))


def test_the_prompt_has_problem_and_numbered_steps():
    prompt = judge_prompt(PROBLEM.prompt, shown()[1].step_texts)
    assert PROBLEM.prompt in prompt
    assert "\nStep 1: 7 + 5 = 13.\nStep 2: 13 * 2 = 26.\n" in prompt
    assert "'Conclusion: right' or 'Conclusion: wrong'" in prompt


@pytest.mark.parametrize(
    ("text", "verdict", "step", "body"),
    [
        ("Step 1 is wrong: 7 + 5 = 12.\nConclusion: wrong", Mark.WRONG, 0, "Step 1 is wrong: 7 + 5 = 12."),
        ("All is fine.\n\n**Conclusion: right**\n", Mark.RIGHT, None, "All is fine."),
        ("Something is off.\nConclusion: WRONG. [END]", Mark.WRONG, None, "Something is off."),
        ("Conclusion: right", Mark.RIGHT, None, ""),
    ],
)
def test_an_answer_in_form_is_read(text, verdict, step, body):
    said = answered(text)
    assert (said.verdict, said.first_error, said.text, said.tokens) == (verdict, step, body, 5)
    assert said.attempt_id == "p/m/0"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("It is right.", "no conclusion"),
        ("Conclusion: right or wrong", "no conclusion"),
        ("Conclusion: right\nI hope this helps!", "no conclusion"),
        ("Conclusion: maybe", "no conclusion"),
        ("Step 1 is wrong.\nConclusion: right", "contradicts itself"),
        ("The attempt is right.\nConclusion: wrong", "contradicts itself"),
        ("Conclusion: right\nNo.\nConclusion: wrong", "contradicts itself"),
        ("Step 9 is wrong.\nConclusion: wrong", "a step that is not there"),
        ("Conclusion: wrong", "and not what"),
        ("", "no conclusion"),
        *((text, "no conclusion") for text in HOSTILE),
    ],
)
def test_all_else_is_unknown_with_a_reason_and_paid_for(text, why):
    said = answered(text)
    assert (said.verdict, said.text, said.tokens) == (Mark.UNKNOWN, "", 5)
    assert why in said.why


def test_a_cut_or_unheard_answer_is_unknown():
    assert answered("Fine.\nConclusion: right", "length").why == "the answer was cut off"
    assert answered("", "error").why == "the model was not heard"


def test_any_model_can_judge_and_says_at_what_temperature():
    model = ScriptedModel(lambda prompt, _: "Step 1 is wrong.\nConclusion: wrong" if "7 + 5 = 13." in prompt else None)
    judge = Judge(model, temperature=0.7)
    assert judge.name == "scripted at temperature 0.7"
    assert [said.first_error for said in judge([shown(), shown()], seed=0)] == [0, 0]


@ScriptedAnswer
def says_nothing(prompt, sample):
    return "No idea."


def test_a_model_of_the_study_file_that_answers_garbage_is_refused():
    problem, attempt = shown()
    case = Case(problem=problem, right=attempt, wrong=attempt)
    options = {"model": {"kind": "scripted", "path": f"{__name__}:says_nothing"}, "temperature": 0.0}
    arm = Critique(critic="model", critic_options=options)
    with pytest.raises(
        DataError, match=r"2 of 2 critiques by .*no use \(2 the last line is no conclusion\).*stronger one"
    ):
        arm([case, case], np.random.default_rng(0))


@pytest.mark.parametrize("options", [{"temperature": 3.0}, {"max_tokens": 0}])
def test_bad_options(options):
    with pytest.raises(ValueError, match="temperature must be from 0 to 2, and max_tokens at least 1"):
        Judge(ScriptedModel(lambda *_: ""), **options)
