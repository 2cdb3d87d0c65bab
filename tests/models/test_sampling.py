import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import ModelError
from counterform.models.sampling import Remembering, derived_seed, sample_attempts
from counterform.models.scripted import ScriptedModel
from counterform.types import Problem

ASKED = {"n": 2, "seed": 5, "temperature": 1.0, "max_tokens": 8}


def parrot():
    return ScriptedModel(lambda prompt, sample: f"{prompt} {sample}" if sample else None, logprob=lambda *_: -2.0)


def test_attempts_come_in_problem_order_and_say_whose_they_are():
    problems = [Problem(id=name, prompt=name.upper(), answer="1") for name in "ba"]
    attempts = sample_attempts(parrot(), problems, who="critic-0", **ASKED)
    assert [a.id for a in attempts] == ["b/critic-0/0", "b/critic-0/1", "a/critic-0/0", "a/critic-0/1"]
    assert [(a.problem_id, a.model, a.seed) for a in attempts[1:3]] == [("b", "critic-0", 5), ("a", "critic-0", 5)]
    assert [(a.completion.text, a.completion.finish) for a in attempts[2:]] == [("", "error"), ("A 1", "stop")]


@given(st.lists(st.one_of(st.integers(), st.text()), max_size=4))
def test_a_derived_seed_is_a_seed_and_stays_the_same(parts):
    assert derived_seed(*parts) == derived_seed(*parts)
    assert 0 <= derived_seed(*parts) < 2**31


def test_a_derived_seed_depends_on_every_part_and_on_where_it_stands():
    seeds = [derived_seed(*parts) for parts in [("a", 1), ("a", 2), ("b", 1), (1, "a"), ("a1",), ("a", 1, "")]]
    assert len(set(seeds)) == len(seeds)


def test_an_equal_question_is_answered_from_memory():
    model = parrot()
    remembering = Remembering(model)
    assert remembering.name == model.name
    first, again = remembering.generate(["a"], **ASKED), remembering.generate(("a",), **ASKED)
    assert first == again == parrot().generate(["a"], **ASKED)
    assert len(model.calls) == 2


def test_another_question_is_asked_anew():
    model = parrot()
    remembering = Remembering(model)
    remembering.generate(["a"], **ASKED)
    for name, other in {"n": 3, "seed": 6, "temperature": 0.0, "max_tokens": 9}.items():
        before = len(model.calls)
        remembering.generate(["a"], **{**ASKED, name: other})
        assert len(model.calls) > before, name
    assert remembering.generate(["b"], **ASKED)[0][1].text == "b 1"


def test_log_probabilities_pass_through():
    assert Remembering(parrot()).logprobs("a", ["b", "c"]) == [-2.0, -2.0]


def test_a_model_whose_insides_cannot_be_seen_says_so():
    with pytest.raises(ModelError, match=r"insides of 'scripted' cannot be seen\. Give a model of kind `hf`"):
        Remembering(parrot()).trace("a", "b")
