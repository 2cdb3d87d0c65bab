import numpy as np
import pytest
from msgspec.structs import replace

from counterform.arms.criticising import Criticised, worded
from counterform.arms.critique import CftThenAnswer, Critique, Mixed
from counterform.arms.critique_controls import CritiqueFormat, ShuffledCritique, VerdictOnly
from counterform.arms.imitation import Rejection
from counterform.bench import Bench
from counterform.errors import DataError, StudyError
from counterform.parts import made
from counterform.testing import check_recipe
from counterform.text.wording import critique_prompt, named_error, verdict_of
from counterform.types import Critic, Criticism, Mark
from counterform.verify.critics import Steps


def critique_of(case, graded):
    [said] = Steps()([(case.problem, graded)], seed=0)
    return worded(Criticised(case, graded, said))


def shown_in(case, example):
    return case.wrong if example.attempt_ids == (case.wrong.attempt.id,) else case.right


def test_promises(cases):
    check_recipe(Critique(), cases)


def test_half_of_the_attempts_are_wrong_drawn_by_seed(cases):
    draws = []
    for seed in (0, 0, 1):
        examples = Critique()(cases, np.random.default_rng(seed)).examples
        draws.append([shown_in(case, e) is case.wrong for case, e in zip(cases, examples, strict=True)])
        assert sum(draws[-1]) == (len(cases) + 1) // 2
    assert draws[0] == draws[1] != draws[2]


def test_the_critique_says_what_the_verifier_found(cases):
    for case, example in zip(cases, Critique()(cases, np.random.default_rng(0)).examples, strict=True):
        shown = shown_in(case, example)
        assert example.prompt == critique_prompt(case.problem.prompt, shown.step_texts)
        first_error = shown.verdict.first_error
        if shown is case.right:
            assert named_error(example.completion) == -1
            assert example.completion.endswith("The attempt is right.")
        elif first_error is None:
            assert named_error(example.completion) is None
            assert example.completion == f"The answer should be {case.problem.answer}. The attempt is wrong."
        else:
            assert named_error(example.completion) == first_error
            assert shown.verdict.steps[first_error].hint.rstrip(".") in example.completion


def test_a_wrong_step_is_named_though_the_answer_is_right(cases):
    case = next(case for case in cases if case.wrong.verdict.first_error is not None)
    lucky = replace(case.wrong, verdict=replace(case.wrong.verdict, outcome=Mark.RIGHT))
    assert named_error(critique_of(case, lucky)) == case.wrong.verdict.first_error


def test_a_step_that_nobody_read_is_not_called_right(cases):
    case = cases[0]
    steps = (replace(case.right.verdict.steps[0], mark=Mark.UNKNOWN), *case.right.verdict.steps[1:])
    critique = critique_of(case, replace(case.right, verdict=replace(case.right.verdict, steps=steps)))
    assert "Step 1 is right" not in critique
    assert "Step 2 is right" in critique


def test_a_mended_step_is_not_called_right(cases):
    right = cases[0].right.verdict.steps
    steps = (replace(right[0], mark=Mark.WRONG), replace(right[0], mends=True), *right[1:])
    critique = critique_of(cases[0], replace(cases[0].right, verdict=replace(cases[0].right.verdict, steps=steps)))
    assert critique.startswith("Step 2 is right. ")
    assert critique.endswith("The attempt is right.")


def made_with(cases, seed=0, **options):
    return Critique(**options)(cases, np.random.default_rng(seed))


@pytest.mark.parametrize(("share", "wrong"), [(0.0, 0), (0.2, 4), (0.5, 11), (1.0, 21)])
def test_the_share_of_wrong_attempts(cases, share, wrong):
    examples = made_with(cases, share_wrong=share).examples
    assert sum(shown_in(case, e) is case.wrong for case, e in zip(cases, examples, strict=True)) == wrong


def test_a_larger_share_shows_the_wrong_attempts_of_a_smaller_one(cases):
    shown = [
        {e.attempt_ids for e in made_with(cases, share_wrong=share).examples if "wrong" in e.attempt_ids[0]}
        for share in (0.2, 0.5, 0.9)
    ]
    assert shown[0] < shown[1] < shown[2]


def test_the_corrected_solution_follows_where_something_is_wrong(cases):
    plain, corrected = made_with(cases), made_with(cases, correction=True)
    for case, before, after in zip(cases, plain.examples, corrected.examples, strict=True):
        wrong = shown_in(case, before) is case.wrong
        assert after.completion == before.completion + (f"\n{case.problem.solution}" if wrong else "")
        assert after.prompt == before.prompt
    assert "corrected solution" in corrected.differs_by


def test_without_a_worked_solution_the_right_attempt_corrects(cases):
    bare = [replace(case, problem=replace(case.problem, solution=None)) for case in cases]
    for case, example in zip(bare, made_with(bare, correction=True, share_wrong=1.0).examples, strict=True):
        assert example.completion.endswith(case.right.attempt.completion.text)


class Mumbles(Critic):
    """A critic that cannot be read at every attempt whose place is among some."""

    name = "a mumbler"

    def __init__(self, places):
        self.places = places

    def __call__(self, shown, *, seed):
        return [
            Criticism(attempt_id=g.attempt.id, verdict=Mark.UNKNOWN, why="it mumbles", tokens=3)
            if at in self.places
            else Criticism(attempt_id=g.attempt.id, verdict=Mark.RIGHT, text="It is fine.", tokens=3)
            for at, (_, g) in enumerate(shown)
        ]


def mumbled(cases, places):
    return made_with(cases, critic="mine", bench=Bench(critic=lambda name, options: Mumbles(places)))


def test_what_cannot_be_read_is_dropped_counted_and_replaced(cases):
    arm = mumbled(cases, {0, 5})
    assert len(arm.examples) == len(cases)
    told = f"2 of {len(cases)} critiques were of no use (2 it mumbles), and others stand twice"
    assert told in arm.differs_by
    assert "the critic is a mumbler" in arm.differs_by
    assert arm.examples[0] == arm.examples[1]
    assert {e.completion for e in arm.examples} == {"It is fine.\nThe attempt is right."}
    assert arm.teacher_tokens == 3 * len(cases)


def test_a_critic_that_mumbles_too_often_is_refused(cases):
    with pytest.raises(
        DataError, match=r"7 of 21 critiques by a mumbler are of no use \(7 it mumbles\).*another critic"
    ):
        mumbled(cases, set(range(7)))
    with pytest.raises(DataError, match="21 of 21"):
        mumbled(cases, set(range(21)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share_wrong": 1.5}, "share_wrong is a share, from 0 to 1; got 1.5"),
        ({"corrupted": -0.1}, "corrupted is a share"),
        ({"corruption": "stp"}, "unknown corruption 'stp'. Did you mean 'step'?"),
        ({"critic": "stps"}, "unknown critic 'stps'. Did you mean 'steps'?"),
        ({"critic": "steps", "critic_options": {"loud": True}}, "critic_options: critic 'steps'"),
        ({"critic": "model", "critic_options": {"model": {"knd": "hf"}}}, "knd"),
        ({"critic": "model", "critic_options": {"model": {"kind": "hff"}}}, "unknown model 'hff'"),
        ({"colour": "red"}, "share_wrong, corrupted, corruption, correction, balanced, critic, critic_options"),
    ],
)
def test_a_bad_option_is_one_message(options, message):
    with pytest.raises(StudyError) as error:
        made("arm", "cft", options, "$.arms[0].options", bench=Bench())
    assert message in str(error.value)


def test_a_knob_at_its_default_changes_nothing(cases):
    assert made_with(cases) == made_with(cases, share_wrong=0.5, corrupted=0.0, correction=False)
    assert verdict_of(made_with(cases).examples[0].completion) is not Mark.UNKNOWN


class TestBalanced:
    def test_kinds_are_the_verdicts_that_are_taught(self, cases):
        for options in ({}, {"corrupted": 0.2, "corruption": "verdict"}, {"correction": True}):
            plain = Critique(**options)(cases, np.random.default_rng(0))
            weighed = Critique(balanced=True, **options)(cases, np.random.default_rng(0))
            assert [replace(e, kind="") for e in weighed.examples] == list(plain.examples)
            assert [e.kind for e in weighed.examples] == [verdict_of(e.completion).value for e in weighed.examples]
            assert "count alike in the loss" in weighed.differs_by
            assert not any(e.kind for e in plain.examples)

    def test_one_verdict_alone_cannot_be_balanced(self, cases):
        with pytest.raises(DataError, match=r"hold right alone. Take a share_wrong between 0 and 1"):
            Critique(balanced=True, share_wrong=0.0)(cases, np.random.default_rng(0))


class TestWithAnswersBeside:
    """A model that has seen nothing but critiques answers with a critique: two arms keep its own kind of answer."""

    def test_promises(self, cases):
        for recipe in (CftThenAnswer(), Mixed(), Mixed(share_critiques=0), Mixed(share_critiques=1)):
            check_recipe(recipe, cases)

    def test_then_an_answer(self, cases):
        plain = Critique()(cases, np.random.default_rng(0)).examples
        for case, one, example in zip(
            cases, plain, CftThenAnswer()(cases, np.random.default_rng(0)).examples, strict=True
        ):
            assert example.prompt == one.prompt
            assert set(example.attempt_ids) == {*one.attempt_ids, case.right.attempt.id}
            assert example.completion == f"{one.completion}\n{case.right.attempt.completion.text}"

    @pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
    def test_mixed_lies_between_rft_and_cft(self, cases, share):
        many = cases * 4
        critiques = Critique()(many, np.random.default_rng(0)).examples
        answers = Rejection()(many, np.random.default_rng(0)).examples
        mixed = Mixed(share_critiques=share)(many, np.random.default_rng(0)).examples
        taken = [one == critique for one, critique in zip(mixed, critiques, strict=True)]
        assert all(t or one == answer for t, one, answer in zip(taken, mixed, answers, strict=True))
        assert sum(taken) == round(share * len(many))
        wrong = [shown_in(case, e) is case.wrong for case, e in zip(many, critiques, strict=True)]
        of_wrong = sum(t for t, w in zip(taken, wrong, strict=True) if w)
        assert abs(of_wrong - share * sum(wrong)) <= 1, "both kinds of attempts give their share"

    def test_the_critic_is_asked_only_of_what_is_shown(self, cases):
        class Counting(Steps):
            asked = 0

            def __call__(self, shown, *, seed):
                Counting.asked += len(shown)
                return super().__call__(shown, seed=seed)

        Mixed(share_critiques=0.25, bench=Bench(critic=lambda *_: Counting()))(cases, np.random.default_rng(0))
        assert Counting.asked == 5


class TestKeyAndVerdict:
    """The key and a verdict are no critique: a critic that locates no error teaches where nothing is."""

    @pytest.fixture
    def nameless(self, cases):
        """Cases of which the step verifier reads no wrong step."""
        bare = [replace(c, wrong=replace(c.wrong, verdict=replace(c.wrong.verdict, steps=()))) for c in cases]
        return bare

    @pytest.mark.parametrize("recipe", [Critique, CftThenAnswer, Mixed, ShuffledCritique])
    def test_refused_with_the_critics_that_can(self, nameless, recipe):
        with pytest.raises(
            DataError, match=r"0 locate an error.*'The answer should be .* The attempt is wrong\.'.*reference.*model"
        ):
            recipe()(nameless, np.random.default_rng(0))

    def test_made_all_the_same_where_that_is_asked_for(self, nameless):
        arm = Critique(least_located=0)(nameless, np.random.default_rng(0))
        assert "locates an error in 0 of 11 wrong attempts" in arm.differs_by

    def test_the_threshold_is_a_half(self, cases, nameless):
        for located, refused in ((10, True), (11, False)):
            some = [cases[0]] * located + [nameless[0]] * (21 - located)
            recipe = Critique(share_wrong=1.0)
            if refused:
                with pytest.raises(
                    DataError, match="of 21 critiques of wrong attempts by the step verifier, 10 locate"
                ):
                    recipe(some, np.random.default_rng(0))
            else:
                assert "in 11 of 21 wrong" in recipe(some, np.random.default_rng(0)).differs_by

    def test_a_control_that_teaches_no_place_is_made(self, nameless):
        for recipe in (VerdictOnly(), CritiqueFormat()):
            check_recipe(recipe, nameless)

    def test_right_attempts_alone_are_no_matter(self, nameless):
        check_recipe(Critique(share_wrong=0.0), nameless)

    def test_a_critic_that_lets_out_the_answer_is_counted(self, cases):
        class Telling(Critic):
            name = "one who tells"

            def __call__(self, shown, *, seed):
                texts = [
                    f"Step 1 is wrong. In the end it is {p.answer}." if at % 2 else "Step 1 is off."
                    for at, (p, _) in enumerate(shown)
                ]
                return [
                    Criticism(attempt_id=g.attempt.id, verdict=Mark.WRONG, text=text)
                    for text, (_, g) in zip(texts, shown, strict=True)
                ]

        hidden = [replace(c, problem=replace(c.problem, answer="4711")) for c in cases]
        recipe = Critique(share_wrong=1.0, bench=Bench(critic=lambda *_: Telling()))
        assert (
            "states the right answer in 10 of the 21 whose prompt does not hold it"
            in recipe(hidden, np.random.default_rng(0)).differs_by
        )
        step_one = [
            replace(
                c,
                problem=replace(c.problem, answer="1", prompt="?"),
                wrong=replace(c.wrong, verdict=replace(c.wrong.verdict, steps=())),
            )
            for c in cases
        ]
        assert "in 10 of the 21" in recipe(step_one, np.random.default_rng(0)).differs_by, (
            "the number of a step is no answer"
        )
