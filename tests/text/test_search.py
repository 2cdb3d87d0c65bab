import importlib
import json
import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.testing import HOSTILE
from counterform.text.search import MAX_TEXT, TextSearch, search_of

WORK = "We get x = 3 and so 2x = 6."


def test_cases_followed_one_by_one_are_depth_first():
    text = f"We consider two cases.\n**Case 1: x > 0**\n{WORK}\n{WORK}\n**Case 2: x < 0**\n{WORK}"
    assert search_of(text) == TextSearch(named=2, before=1, depth=3, switches=1, revisits=0, steps=6)
    assert search_of(text).order == "depth"


def test_options_named_before_one_is_followed_are_breadth_first():
    text = f"Option A: 3.\nOption B: 4.\nOption C: 5.\nOption B: {WORK}\n{WORK}"
    found = search_of(text)
    assert (found.named, found.before, found.order) == (3, 3, "breadth")
    assert found.trace.breadth == found.trace.candidates == 1.0


def test_listed_cases_are_named_once():
    text = f"We take the cases where r = s and r > s.\nCase 1: r = s.\n{WORK}\nCase 2: r > s.\n{WORK}"
    found = search_of(text)
    assert (found.named, found.before, found.switches) == (2, 2, 1)


def test_another_way_after_work_and_before_it():
    after = search_of(f"{WORK} Therefore, the answer is 6. Alternatively, we can add. {WORK}")
    assert (after.order, after.switches) == ("depth", 1)
    before = search_of(f"We can perform long division. Alternatively, we use the remainder theorem. {WORK}")
    assert (before.order, before.switches) == ("breadth", 0)


def test_a_way_that_is_declined_is_named_and_not_followed():
    found = search_of(f"We could list them all, but that would be tedious. {WORK}")
    assert (found.named, found.before, found.switches) == (2, 2, 0)


def test_values_of_one_letter_are_candidates_and_a_lone_one_is_none():
    text = "If $t = 6$, then the sum is 45. If $t = 7$, then the sum is 32. If $t = 8$, then the sum is 17."
    assert search_of(text).switches == 2
    assert search_of("If $t = 6$, then the sum is 45.") is None


def test_what_is_taken_back_is_left_and_may_be_come_back_to():
    assert search_of(f"{WORK} This is incorrect; let's re-evaluate the division. {WORK}").switches == 1
    back = search_of(f"Case 1: {WORK}\nCase 2: {WORK}\nCase 1: {WORK}")
    assert (back.named, back.switches, back.revisits) == (2, 2, 1)


@pytest.mark.parametrize("text", ["", WORK, f"First, {WORK} Then {WORK} However, the sum is 6. The answer is 6."])
def test_no_strategy_is_none(text):
    assert search_of(text) is None


@given(
    st.lists(st.sampled_from([WORK, "Case 1:", "Case 2: x = 4, so it is 9.", "Alternatively,", "Or", "\n", "(ii) a"]))
)
def test_counts_hang_together(parts):
    found = search_of("\n".join(parts))
    if found is not None:
        assert 1 <= found.before <= found.named
        assert found.revisits <= found.switches
        assert (found.depth is None) == (found.switches == 0)
        for share in (found.trace.breadth, found.trace.candidates, found.trace.depth or 0.0, found.trace.switches):
            assert 0.0 <= share <= 1.0


@given(st.text())
def test_any_text_is_read(text):
    search_of(text)


def test_hostile_texts_are_read_fast():
    repeats = [
        "but ",
        "we could ",
        "either a or b ",
        "if t ",
        "Case ",
        "(",
        "option and cases ",
        "let's ",
        "=",
        ". ",
        "\n1",
    ]
    started = time.process_time()
    for text in [*HOSTILE, *(unit * (2 * MAX_TEXT // len(unit)) for unit in repeats)]:
        search_of(text)
    assert time.process_time() - started < 5


def test_the_readers_labels_are_whole():
    labels = json.loads((Path(__file__).parent / "strategy_labels.json").read_text())
    for source, least in (("samples", 100), ("solutions", 50)):
        rows = labels[source]["labels"]
        assert len(rows) >= least
        for stratum, order, switches in rows.values():
            assert stratum in labels[source]["strata"]
            assert order in ("breadth", "depth", "none")
            assert switches == 0 or order != "none"


def test_agreement_beyond_chance(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    recorded = importlib.import_module("strategy_recorded")
    pairs = [("depth", "depth")] * 4 + [("none", "none")] * 4 + [("depth", "none"), ("none", "depth")]
    assert recorded.agreement(pairs) == pytest.approx(0.8)
    assert recorded.kappa(pairs) == pytest.approx(0.6)
    assert math.isnan(recorded.kappa([("none", "none")] * 3))
    problems = [str(at) for at in range(len(pairs))]
    assert recorded.jackknifed(recorded.kappa, pairs, problems).startswith("0.60 [0.")
