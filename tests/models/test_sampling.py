import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.bench import Bench
from counterform.errors import ModelError
from counterform.models.inside import trace
from counterform.models.sampling import answers_for, attempts_of, derived_seed, remembered
from counterform.models.scripted import ScriptedModel
from counterform.study import ProbeSpec
from counterform.types import Problem

ASKED = {"n": 2, "seed": 5, "temperature": 1.0, "max_tokens": 8}


def parrot():
    return ScriptedModel(lambda prompt, sample: f"{prompt} {sample}" if sample else None, logprob=lambda *_: -2.0)


def test_attempts_come_in_problem_order_and_say_whose_they_are():
    problems = [Problem(id=name, prompt=name.upper(), answer="1") for name in "ba"]
    rows = parrot().generate([problem.prompt for problem in problems], **ASKED)
    attempts = attempts_of(problems, rows, who="critic-0", seed=5)
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
    model, bench = parrot(), Bench()
    first, again = remembered(bench, model, ["a"], **ASKED), remembered(bench, model, ("a",), **ASKED)
    assert first == again == parrot().generate(["a"], **ASKED)
    assert len(model.calls) == 2


def test_another_question_is_asked_anew():
    model, bench = parrot(), Bench()
    remembered(bench, model, ["a"], **ASKED)
    for name, other in {"n": 3, "seed": 6, "temperature": 0.0, "max_tokens": 9}.items():
        before = len(model.calls)
        remembered(bench, model, ["a"], **{**ASKED, name: other})
        assert len(model.calls) > before, name
    assert remembered(bench, model, ["b"], **ASKED)[0][1].text == "b 1"


def test_neither_another_model_nor_another_bench_is_answered_from_memory():
    bench = Bench()
    remembered(bench, parrot(), ["a"], **ASKED)
    beside, again = ScriptedModel(lambda *_: "mine", name="beside"), parrot()
    assert remembered(bench, beside, ["a"], **ASKED)[0][0].text == "mine"
    remembered(Bench(), again, ["a"], **ASKED)
    assert len(again.calls) == 2


def test_probes_read_the_samples_that_their_spec_says_and_share_them():
    problems = [Problem(id=name, prompt=name.upper(), answer="1") for name in "ba"]
    model, bench = parrot(), Bench(spec=ProbeSpec(samples=2, k=1))
    attempts = answers_for(bench, model, problems, arm="critic", seed=5)
    assert [a.id for a in attempts] == ["b/critic-5/0", "b/critic-5/1", "a/critic-5/0", "a/critic-5/1"]
    assert answers_for(bench, model, problems, arm="critic", seed=5) == attempts
    assert len(model.calls) == 4


def test_a_model_whose_insides_cannot_be_seen_says_so():
    with pytest.raises(ModelError, match=r"insides of 'scripted' cannot be seen\. Give a model of kind `hf`"):
        trace(parrot(), "a", "b")
