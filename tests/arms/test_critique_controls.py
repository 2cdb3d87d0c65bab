import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from counterform.arms.critique import Critique
from counterform.arms.critique_controls import CritiqueFormat, ShuffledCritique, VerdictOnly
from counterform.bench import Bench
from counterform.errors import ControlError
from counterform.testing import check_recipe
from counterform.text.wording import claims_of, named_error, verdict_of
from counterform.types import Attempt, Case, Completion, Critic, Graded, Mark, Problem, StepVerdict, Verdict
from counterform.verify.critics import Steps

CONTROLS = [VerdictOnly, CritiqueFormat, ShuffledCritique]


def made(recipe, cases, seed=0):
    return recipe(cases, np.random.default_rng(seed))


@pytest.mark.parametrize("control", CONTROLS)
def test_promises(cases, control):
    check_recipe(control(), cases)
    check_recipe(control(share_wrong=0.7), cases)


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_shows_the_attempts_of_what_it_controls(cases, control):
    whole, bare = made(Critique(), cases), made(control(), cases)
    assert [e.prompt for e in whole.examples] == [e.prompt for e in bare.examples]
    assert control.draws_as == Critique.name == whole.name != bare.name


def test_the_verdict_alone(cases):
    whole, bare = made(Critique(), cases), made(VerdictOnly(), cases)
    for full, example in zip(whole.examples, bare.examples, strict=True):
        assert verdict_of(example.completion) is verdict_of(full.completion)
        assert example.completion in ("The attempt is right.", "The attempt is wrong.")


def test_the_form_says_nothing_and_depends_on_the_number_of_steps_alone(cases):
    texts = {}
    for example in made(CritiqueFormat(), cases).examples:
        assert not claims_of(example.completion)
        assert verdict_of(example.completion) is Mark.UNKNOWN
        texts.setdefault(example.prompt.count("\nStep "), set()).add(example.completion)
    assert len(texts) > 1
    assert all(len(found) == 1 for found in texts.values())


def graded(number, marks, outcome, hint):
    text = " ".join(f"s{number}." for _ in marks)
    attempt = Attempt(
        id=f"{number}/{outcome}/0",
        problem_id=str(number),
        model="m",
        seed=0,
        completion=Completion(text=text, tokens=1, finish="stop"),
    )
    steps = tuple(
        StepVerdict(mark=mark, rule="r", hint=hint if mark is Mark.WRONG else "", span=(0, 2)) for mark in marks
    )
    return Graded(
        attempt=attempt,
        verdict=Verdict(attempt_id=attempt.id, outcome=outcome, lenient=outcome, steps=steps, verifier="v"),
    )


def case(number, error, steps=6, hint="", answer=""):
    """A problem with a sound attempt and one that goes wrong at a step (None: nobody can say where)."""
    hint, answer = hint or f"{number} = {number}.", answer or str(number)
    marks = [Mark.WRONG if at == error else Mark.RIGHT for at in range(steps)]
    problem = Problem(id=str(number), prompt=f"Question {number}?", answer=answer, solution=f"It is {number}.")
    return Case(
        problem=problem,
        right=graded(number, [Mark.RIGHT] * steps, Mark.RIGHT, hint),
        wrong=graded(number, marks, Mark.WRONG, hint),
    )


@given(
    st.lists(st.none() | st.integers(0, 4), min_size=2, max_size=40),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    st.integers(0, 99),
)
def test_a_shuffled_critique_never_names_the_right_step_or_says_so(errors, share, seed):
    cases = [case(number, error) for number, error in enumerate(errors)]
    recipe = ShuffledCritique(share_wrong=share, least_located=0)
    try:
        examples = made(recipe, cases, seed).examples
    except ControlError:
        return
    whole = made(Critique(share_wrong=share, least_located=0), cases, seed).examples
    assert sorted(e.completion for e in examples) == sorted(e.completion for e in whole)
    for one, own, example in zip(cases, whole, examples, strict=True):
        named = named_error(example.completion)
        if own.attempt_ids == (one.wrong.attempt.id,):
            assert named is None or named != one.wrong.verdict.first_error
            assert f"{one.problem.id} = {one.problem.id}" not in example.completion
            assert f"should be {one.problem.answer}." not in example.completion


@pytest.mark.parametrize("share", [0.3, 0.5, 1.0])
def test_many_varied_errors_can_always_be_shuffled_and_verdicts_fall_by_chance(share):
    cases = [case(number, number % 5) for number in range(400)]
    for seed in range(3):
        examples = made(ShuffledCritique(share_wrong=share), cases, seed).examples
        said = np.array([verdict_of(e.completion) is Mark.WRONG for e in examples])
        true = np.array(["wrong" in e.attempt_ids[0] for e in examples])
        assert said.mean() == pytest.approx(share, abs=0.01)
        if share < 1:  # neither the verdict nor its opposite can be learnt
            assert abs(np.corrcoef(said, true)[0, 1]) < 0.2


def test_errors_all_at_one_step_cannot_be_shuffled_away():
    cases = [case(number, 2) for number in range(10)]
    with pytest.raises(ControlError, match=r"10 name a step.*more varied steps, or leave this arm out"):
        made(ShuffledCritique(share_wrong=1.0), cases)


def test_the_step_verifiers_step_is_not_named_either(cases):
    """A critic that is wrong: its critique of another attempt may be right of this one, and then may not stand there."""

    class Always(Critic):
        name = "always the step after"

        def __call__(self, shown, *, seed):
            found = Steps()(shown, seed=seed)
            return [f if f.first_error is None else replace(f, first_error=f.first_error + 1) for f in found]

    many = [case(number, number % 5) for number in range(60)]
    arm = made(ShuffledCritique(share_wrong=1.0, critic="mine", bench=Bench(critic=lambda *_: Always())), many)
    for one, example in zip(many, arm.examples, strict=True):
        assert named_error(example.completion) not in (one.wrong.verdict.first_error, one.wrong.verdict.first_error + 1)


class Silent(Critic):
    """Names the first wrong step and does not say what would be right; of every other case it does."""

    name = "silent of every other"

    def __call__(self, shown, *, seed):
        found = Steps()(shown, seed=seed)
        return [replace(one, hint="") if at % 2 else one for at, one in enumerate(found)]


@pytest.mark.parametrize("critic", [Steps, Silent])
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.booleans()), min_size=2, max_size=30), st.integers(0, 9)
)
def test_no_hint_that_comes_to_what_is_right_there_stands_at_another_attempt(critic, rows, seed):
    """Errors at different steps may be put right alike; "7 + 5 = 12." stands for "5 + 7 = 12.", whoever knows of it."""
    hints = [f"{left} + {total - left} = {total}." for _, total, turned in rows for left in [total if turned else 0]]
    cases = [case(at, row[0], hint=hint) for at, (row, hint) in enumerate(zip(rows, hints, strict=True))]
    recipe = ShuffledCritique(share_wrong=1.0, critic="mine", bench=Bench(critic=lambda *_: critic()))
    try:
        examples = made(recipe, cases, seed).examples
    except ControlError:
        return
    for one, example in zip(cases, examples, strict=True):
        right = one.wrong.verdict.steps[one.wrong.verdict.first_error].hint
        assert f"= {right.split()[-1]}" not in example.completion


def test_what_is_right_there_can_be_avoided_where_hints_differ():
    cases = [case(at, at % 5, hint=f"1 + {at % 4} = {1 + at % 4}.") for at in range(60)]
    for one, example in zip(
        cases, made(ShuffledCritique(share_wrong=1.0, least_located=0), cases).examples, strict=True
    ):
        assert f"= {1 + int(one.problem.id) % 4}." not in example.completion


@pytest.mark.parametrize("answers", [["7"], ["7", "7.0", "14/2"], ["1,000", "1000"], ["Paris", "paris"]])
def test_an_answer_that_the_problems_share_is_not_said_of_another(answers):
    """Nobody can name a step of these, so their critiques say what the answer should be, in whatever writing."""
    same = [case(at, None, answer=answers[at % len(answers)]) for at in range(6)]
    with pytest.raises(ControlError, match="6 critiques"):
        made(ShuffledCritique(share_wrong=1.0, least_located=0), same)
    rows = [*same, *(case(10 + at, None) for at in range(12))]
    for one, example in zip(rows, made(ShuffledCritique(share_wrong=1.0, least_located=0), rows).examples, strict=True):
        if one in same:
            assert not any(f"should be {answer}." in example.completion for answer in answers)


class Signed(Critic):
    """Says in words of its own whose attempt a critique is about."""

    name = "signed"

    def __call__(self, shown, *, seed):
        return [replace(one, text=f"On {one.attempt_id}:") for one in Steps()(shown, seed=seed)]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_no_critique_stands_at_its_own_attempt(share):
    """One that finds nothing wrong may stand at every sound attempt but that."""
    cases = [case(number, number % 5) for number in range(20)]
    for seed in range(20):
        recipe = ShuffledCritique(share_wrong=share, critic="mine", bench=Bench(critic=lambda *_: Signed()))
        for example in made(recipe, cases, seed).examples:
            assert f"On {example.attempt_ids[0]}:" not in example.completion


class Mistaken(Critic):
    """Puts the first wrong step right in its own way, which the step verifier does not share."""

    name = "mistaken"

    def __call__(self, shown, *, seed):
        found = Steps()(shown, seed=seed)
        return [one if not one.hint else replace(one, hint=f"It is {len(one.hint) % 3}.") for one in found]


def test_what_the_critic_says_of_an_attempt_is_not_said_there_by_another_critique():
    cases = [case(number, number % 5, hint=f"{'0' * (number % 3)}{number} = {number}.") for number in range(60)]
    recipe = ShuffledCritique(share_wrong=1.0, critic="mine", bench=Bench(critic=lambda *_: Mistaken()))
    whole = Critique(share_wrong=1.0, critic="mine", bench=Bench(critic=lambda *_: Mistaken()))
    for own, other in zip(made(whole, cases).examples, made(recipe, cases).examples, strict=True):
        hint = own.completion.partition(": ")[2].partition(".")[0]
        assert hint.startswith("It is ")
        assert hint not in other.completion
