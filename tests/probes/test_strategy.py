from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.bench import Bench
from counterform.errors import DataError
from counterform.findings.gains import find
from counterform.models.scripted import ScriptedModel
from counterform.probes.probe import HeldOut
from counterform.probes.strategy import FORMATS, Strategy, trace_of
from counterform.problems.ledger import Ledger
from counterform.problems.route import Route, as_multiple_choice, solution_steps
from counterform.problems.route_map import Map
from counterform.study import ProbeSpec
from counterform.testing import HOSTILE, check_probe
from counterform.text.search import Trace
from counterform.types import Mark

MAPS = tuple(Route().generate(30, rng=np.random.default_rng(0)))
ITEMS = HeldOut(problems=MAPS, attempts=())
FACTS = {
    "roads": [["Ash", "Bay"], ["Ash", "Dale"], ["Bay", "Cliff"], ["Dale", "Elm"]],
    "start": "Ash",
    "goal": "Elm",
    "order": "depth",
}
ON = Map(FACTS)
NAMES = {metric.name for metric in Strategy.metrics}


def searching(order, otherwise=None):
    """Searches maps in free form in one order, multiple choice in another."""
    roads = {problem.prompt.partition(" Which")[0]: problem for problem in MAPS}

    def answer(prompt, sample):
        chosen = order if "Answer in the form" in prompt else otherwise or order
        return " ".join(solution_steps(roads[prompt.partition(" Which")[0]], chosen))

    return ScriptedModel(answer)


def read(model, arm="base"):
    return Strategy(Bench(spec=ProbeSpec(samples=1, k=1)))(model, ITEMS, arm=arm, seed=0)


def test_promises():
    check_probe(Strategy(Bench(spec=ProbeSpec(samples=2, k=2))), searching("depth"), ITEMS)


def test_both_orders_by_hand():
    depth = trace_of(ON, "Ash-Bay. Bay-Cliff. Cliff is a dead end. Ash-Dale. Dale-Elm. The answer is A.")
    assert depth == Trace(breadth=0.0, candidates=0.5, depth=1.0, switches=1 / 3, revisits=0.0)
    breadth = trace_of(ON, "Ash-Bay. Ash-Dale. Bay-Cliff. Cliff is a dead end. Dale-Elm.")
    assert breadth == Trace(breadth=1.0, candidates=1.0, depth=0.5, switches=1.0, revisits=0.0)


def test_a_place_opened_again_and_a_step_taken_back():
    again = trace_of(ON, "Ash-Bay. Ash-Bay. Ash-Dale. Dale-Elm.")
    assert again.revisits == 0.25
    back = trace_of(ON, "Ash-Bay. Bay-Dale. Wait, Bay-Cliff. Ash-Dale.")
    assert back == trace_of(ON, "Ash-Bay. Bay-Cliff. Ash-Dale.")


def test_worked_solutions_search_in_their_order():
    for problem in MAPS:
        for posed in (problem, as_multiple_choice(problem, np.random.default_rng(1))):
            for order, share in (("breadth", 1.0), ("depth", 0.0)):
                found = trace_of(Map(posed.facts), " ".join(solution_steps(posed, order)))
                assert found.breadth == share
                assert found.revisits == 0.0


@pytest.mark.parametrize("text", ["", "The answer is A.", "Perhaps Ash, then Bay.", "Oak-Pond.", *HOSTILE])
def test_no_cue_is_no_strategy(text):
    assert trace_of(ON, text) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "Wait, "]), st.sampled_from(sorted(ON.roads)), st.sampled_from(sorted(ON.roads))
        ),
        max_size=12,
    )
)
def test_any_walk_is_read_in_bounds(walk):
    found = trace_of(ON, " ".join(f"{wait}{one} to {other}." for wait, one, other in walk))
    for field in Trace.__struct_fields__ if found else ():
        value = getattr(found, field)
        assert value is None or 0 <= value <= 1


def test_without_a_cue_a_problem_is_unknown_and_counted():
    readings = read(ScriptedModel(lambda prompt, _: "The answer is A."))
    assert {(r.mark, r.value) for r in readings} == {(Mark.UNKNOWN, None)}
    assert {(r.metric, r.condition) for r in readings} == {(name, asked) for name in NAMES for asked in FORMATS}


def test_a_format_that_changes_the_search_is_seen_and_is_neither_better_nor_worse():
    readings = [*read(searching("depth")), *read(searching("depth", otherwise="breadth"), arm="one")]
    found = {(f.metric, f.condition): f for f in find(readings, Strategy(Bench()).declared).findings}
    chosen = found["breadth first", "multiple choice"]
    assert (chosen.estimate, chosen.verdict) == (1.0, "more")
    assert ": more (" in chosen.sentence
    assert chosen.claim.startswith("one raises strategy")
    assert found["breadth first", "free form"].verdict == "undecided"


def test_the_third_format_asks_for_no_form():
    asked = []
    read(ScriptedModel(lambda prompt, _: asked.append(prompt) or "Perhaps."))
    forms = ("Answer in the form", "Answer with a letter")
    assert Counter(next((form for form in forms if form in prompt), "") for prompt in asked) == dict.fromkeys(
        (*forms, ""), len(MAPS)
    )


def test_other_problems_are_read_as_free_text():
    items = HeldOut(problems=tuple(Ledger().generate(4, rng=np.random.default_rng(0))), attempts=())

    def answer(prompt, sample):
        two = "Case 1: x = 3, so it is 4. Case 2: x = 5, so it is 6. The answer is 6."
        return two if prompt == items.problems[0].prompt else "7 + 5 = 12. The answer is 12."

    readings = Strategy(Bench(spec=ProbeSpec(samples=1, k=1)))(ScriptedModel(answer), items, arm="one", seed=0)
    assert {(r.metric, r.condition) for r in readings} == {(name, "as asked") for name in NAMES}
    switches = [r for r in readings if r.metric == "switches"]
    assert [r.mark for r in switches] == [Mark.RIGHT, *[Mark.UNKNOWN] * 3]
    assert switches[0].value > 0
    assert switches[1].value is None


def test_no_problems_are_refused():
    with pytest.raises(DataError, match="needs held-out problems"):
        Strategy(Bench(spec=ProbeSpec()))(searching("depth"), HeldOut(problems=(), attempts=()), arm="one", seed=0)
