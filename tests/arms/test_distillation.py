import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from counterform.arms.distillation import Guided, MarkedGuided, ShortUnguided, StrippedUnguided, put_back, strip
from counterform.bench import Bench
from counterform.errors import ControlError, DataError
from counterform.problems.ledger import Ledger
from counterform.testing import check_recipe
from counterform.text.lexicon import load_lexicon
from counterform.types import Completion, Graded
from counterform.verify.answer import Answers
from counterform.verify.steps import grade as verdicts_of

LEXICON = load_lexicon()
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def grade(cases):
    answers, known = Answers(5.0), {case.problem.id: case.problem for case in cases}

    def graded(attempts):
        verdicts = verdicts_of(attempts, known, outcome=answers, steps=Ledger())
        return [Graded(attempt=a, verdict=v) for a, v in zip(attempts, verdicts, strict=True)]

    yield graded
    answers.close()


def waiting(case):
    """The solution with a marker before its first step, and another one behind."""
    return f"Wait, {case.problem.solution} I think so."


def saying(case, text):
    """The case with another text as its right attempt."""
    return replace(case, right=replace(case.right, attempt=replace(case.right.attempt, completion=_said(text))))


@pytest.fixture(scope="module")
def doubtful(cases):
    """Cases whose right attempt doubts."""
    return [saying(case, waiting(case)) for case in cases]


def asking(cases, guided, unguided):
    """A model that answers a prompt with a solution in it with `guided(case)`, and another with `unguided(case)`."""
    shown = {case.problem.prompt: case for case in cases}

    def ask(prompts, *, n):
        rows = []
        for prompt in prompts:
            text = (
                unguided(shown[prompt]) if prompt in shown else guided(next(c for p, c in shown.items() if p in prompt))
            )
            rows.append([Completion(text="", tokens=0, finish="error")] + [_said(text)] * (n - 1))
        return rows

    return ask


def _said(text):
    return Completion(text=text, tokens=len(text.split()), finish="stop")


def solution(case):
    return case.problem.solution


def test_every_arm_keeps_its_promises(doubtful, grade):
    ask = asking(doubtful, solution, solution)
    for recipe in (
        Guided(bench=Bench(grade=grade, ask=ask)),
        ShortUnguided(bench=Bench(grade=grade, ask=ask)),
        StrippedUnguided(bench=Bench(grade=grade)),
        MarkedGuided(bench=Bench(grade=grade, ask=ask)),
    ):
        check_recipe(recipe, doubtful)
    arm = Guided(bench=Bench(grade=grade, ask=ask))(doubtful, RNG)
    assert [e.completion for e in arm.examples] == [solution(case) for case in doubtful]
    assert [e.prompt for e in arm.examples] == [case.problem.prompt for case in doubtful]
    assert f"{len(doubtful)} of {len(doubtful)} are the shown solution" in arm.differs_by


def test_the_solution_is_shown_as_asked(cases, grade):
    seen = []

    def ask(prompts, *, n):
        seen.extend(prompts)
        return [[_said("?")] * n for _ in prompts]

    Guided(bench=Bench(grade=grade, ask=ask), shown="{prompt}\n{solution}\n\n{prompt}").usable(cases[:1])
    problem = cases[0].problem
    assert seen == [f"{problem.prompt}\n{problem.solution}\n\n{problem.prompt}"]
    with pytest.raises(ValueError, match="solution"):
        Guided(bench=Bench(grade=grade, ask=ask), shown="{prompt}")


def test_cases_without_a_right_guided_trace(cases, grade):
    bad = cases[0].problem.id
    ask = asking(cases, lambda case: "Hm." if case.problem.id == bad else case.problem.solution, solution)
    recipe = Guided(bench=Bench(grade=grade, ask=ask))
    assert recipe.usable(cases) == [case.problem.id != bad for case in cases]
    with pytest.raises(ControlError, match=f"1 of {len(cases)} cases have no right guided trace"):
        recipe(cases, RNG)
    bare = [replace(cases[0], problem=replace(cases[0].problem, solution=None))]
    with pytest.raises(DataError, match="shows solutions"):
        recipe.usable(bare)


def test_short_matched_takes_the_nearest_or_refuses(cases, grade):
    long = [saying(case, "Hm. " * 40 + solution(case)) for case in cases]
    arm = ShortUnguided(bench=Bench(grade=grade, ask=asking(long, solution, solution)))(long, RNG)
    assert [e.completion for e in arm.examples] == [solution(case) for case in cases]
    with pytest.raises(ControlError, match="samples = 16"):
        ShortUnguided(bench=Bench(grade=grade, ask=asking(long, solution, lambda case: "?")))(long, RNG)


def test_stripped_has_no_marker_left(doubtful, cases, grade):
    arm = StrippedUnguided(bench=Bench(grade=grade))(doubtful, RNG)
    assert LEXICON.counts([e.completion for e in arm.examples]).sum() == 0
    assert arm.examples[0].completion.startswith(solution(doubtful[0])[:5])
    with pytest.raises(ControlError, match="hold no marker"):
        StrippedUnguided(bench=Bench(grade=grade))(cases, RNG)


def test_stripping_that_breaks_an_answer_is_refused(doubtful, grade):
    texts = [saying(case, "Perhaps, no answer.") for case in doubtful]
    with pytest.raises(ControlError, match="no longer right"):
        StrippedUnguided(bench=Bench(grade=grade))(texts, RNG)


def test_markers_put_back_are_counted(doubtful, cases, grade):
    ask = asking(doubtful, solution, solution)
    arm = MarkedGuided(bench=Bench(grade=grade, ask=ask))(doubtful, RNG)
    texts = [e.completion for e in arm.examples]
    assert (LEXICON.counts(texts).sum(0) == LEXICON.counts([waiting(c) for c in doubtful]).sum(0)).all()
    assert texts[0].startswith("Wait, ")
    with pytest.raises(ControlError, match="no marker to put back"):
        MarkedGuided(bench=Bench(grade=grade, ask=ask))(cases, RNG)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7 + 5 = 13. Wait, 7 + 5 = 12.", "7 + 5 = 13. 7 + 5 = 12."),
        ("Perhaps it is 7. Hold on, maybe not.", "It is 7. Not."),
        ("It is, I think, 7.", "It is, 7."),
        ("Let me check: 7.", "7."),
        ("Nothing here.", "Nothing here."),
    ],
)
def test_strip(text, expected):
    assert strip(text, LEXICON) == expected


@given(
    st.lists(st.sampled_from(("Wait, ", "maybe ", "7. ", "let me ", "check ", "\n", "no", "é")), max_size=12).map(
        "".join
    )
)
def test_what_is_stripped_holds_no_marker(text):
    assert LEXICON.counts([strip(text, LEXICON)]).sum() == 0


def test_put_back_stands_before_steps_and_not_before_the_answer(cases):
    case = cases[0]
    text = put_back(case.right, "Wait, no. Perhaps. " + "x " * 50 + "hold on", LEXICON)
    assert text.endswith(case.right.step_texts[-1])
    assert LEXICON.counts([text])[0].tolist() == [1, 0, 2, 0]
