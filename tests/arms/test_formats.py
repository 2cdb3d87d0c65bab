from collections import Counter

import numpy as np
import pytest
from msgspec.structs import replace

from counterform.arms.formats import Format, all_choices
from counterform.arms.imitation import Imitation
from counterform.errors import DataError
from counterform.problems.route import Route
from counterform.testing import check_recipe
from counterform.text.answers import answer_of, bare
from counterform.types import Attempt, Case, Completion, Graded, Mark, Verdict


def rng():
    return np.random.default_rng(0)


def case(problem, said):
    attempt = Attempt(
        id=f"{problem.id}/m/0",
        problem_id=problem.id,
        model="m",
        seed=0,
        completion=Completion(text=said, tokens=1, finish="stop"),
    )
    mark = Mark.WRONG
    graded = Graded(attempt=attempt, verdict=Verdict(attempt_id=attempt.id, outcome=mark, lenient=mark, verifier=""))
    return Case(problem=problem, right=graded, wrong=graded)


@pytest.fixture(scope="module")
def maps():
    return [case(p, "The answer is Ash to Bay.") for p in Route().generate(24, rng=rng())]


def test_promises(cases, maps):
    for recipe in (Format(), Format(answers="free form")):
        check_recipe(recipe, cases)
        check_recipe(recipe, maps)


def test_free_form_is_imitation(cases):
    assert Format(answers="free form")(cases, rng()).examples == Imitation()(cases, rng()).examples


def test_the_same_content_as_multiple_choice(cases):
    arm = Format()(cases, rng())
    for one, example in zip(cases, arm.examples, strict=True):
        assert example.prompt.startswith(f"{one.problem.prompt} A: ")
        assert example.prompt.endswith("Answer with a letter.")
        letter = answer_of(example.completion)
        assert f"{letter}: {one.problem.answer}." in example.prompt
        work = one.problem.solution.removesuffix(f"The answer is {one.problem.answer}.")
        assert example.completion == f"{work}The answer is {letter}."


def test_a_map_is_asked_in_one_format_only(maps):
    for example in Format()(maps, rng()).examples:
        assert "Answer in the form" not in example.prompt
        assert example.prompt.count("Answer with a letter.") == 1


def test_the_models_own_wrong_answer_comes_first_and_options_differ(cases, maps):
    for some in (cases, maps):
        for one, choices in zip(some, all_choices(some, rng()), strict=True):
            said = [bare(text) for text in choices.options]
            assert len(set(said)) == len(said) == 4
            assert choices.options[choices.right] == one.problem.answer
            own = answer_of(one.wrong.attempt.completion.text)
            if own and bare(own) != bare(one.problem.answer):
                assert own in choices.options


def test_every_place_holds_the_right_option_equally_often(maps):
    places = Counter(choices.right for choices in all_choices(maps, rng()))
    assert places == {0: 6, 1: 6, 2: 6, 3: 6}


def test_fewer_than_two_options_leave_all_arms_or_are_refused(cases):
    alone = [replace(case(cases[0].problem, ""), problem=replace(cases[0].problem, answer="blue"))]
    assert Format().usable(alone) == [False]
    assert Format(answers="free form").usable(alone) == [True]
    with pytest.raises(DataError, match="fewer than two different options"):
        Format()(alone, rng())


def test_answers_to_other_problems_stand_in(cases):
    colours = ["blue", "red", "Blue", "green"]
    some = [
        replace(one, problem=replace(one.problem, answer=colour), wrong=case(one.problem, "hm").wrong)
        for one, colour in zip(cases, colours, strict=False)
    ]
    assert {frozenset(map(str.lower, c.options)) for c in all_choices(some, rng())} == {
        frozenset({"blue", "red", "green"})
    }


def test_what_cannot_be_used_is_named(cases):
    with pytest.raises(ValueError, match="unknown answers 'choice'"):
        Format(answers="choice")
    with pytest.raises(ValueError, match="unknown objective 'dpo'"):
        Format(objective="dpo")
    with pytest.raises(DataError, match="needs a worked solution"):
        Format()([replace(cases[0], problem=replace(cases[0].problem, solution=None))], rng())


def test_other_wrong_answers_of_the_model_come_before_near_misses(cases):
    one = cases[0].problem
    said = ["The answer is 71.", "The answer is 72.", "The answer is 73."]
    for choices in all_choices([case(one, text) for text in said], rng()):
        assert set(choices.options) == {one.answer, "71", "72", "73"}


def test_grpo_in_both_formats_knows_what_is_right(cases):
    arm = Format(objective="grpo")(cases, rng())
    assert arm.objective == "grpo"
    assert {example.completion for example in arm.examples} == {None}
    for example, letter, one in zip(arm.examples, arm.options["answers"], cases, strict=True):
        assert f"{letter}: {one.problem.answer}." in example.prompt
    free = Format(answers="free form", objective="grpo")(cases, rng())
    assert free.options == {"answers": []}
    assert [example.prompt for example in free.examples] == [one.problem.prompt for one in cases]
    check_recipe(Format(objective="grpo"), cases)
    bare = [replace(one, problem=replace(one.problem, solution=None)) for one in cases]
    assert Format(objective="grpo")(bare, rng()).examples


def test_a_domain_alone_in_the_same_format(cases, maps):
    both = [one for pair in zip(cases[:10], maps[:10], strict=True) for one in pair]
    for domain, own in (("ledger", cases[:10]), ("route", maps[:10])):
        arm = Format(domain=domain)(both, rng())
        assert [example.problem_id for example in arm.examples] == [one.problem.id for one in own] * 2
        assert domain in arm.differs_by
    # A number is no option on a map, nor a way in a sum.
    assert all(" to " not in example.prompt for example in Format(domain="ledger")(both, rng()).examples)
    assert Format().usable(both) == [True] * 20
    with pytest.raises(DataError, match=r"no case is of the domain 'desk'.*\['ledger', 'route'\]"):
        Format(domain="desk")(both, rng())


@pytest.mark.parametrize("said", ["", "The answer is " + "x" * 5_000, "the answer is \x00\u202e", "answer is" * 900])
def test_hostile_wrong_answers_raise_nothing(cases, said):
    choices = all_choices([case(cases[0].problem, said)], rng())[0]
    assert 2 <= len(choices.options) <= 4
