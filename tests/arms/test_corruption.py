import numpy as np
import pytest
from msgspec.structs import replace

from counterform.arms.corruption import corrupt, ends_alike
from counterform.arms.criticising import Criticised, drawn, worded
from counterform.arms.critique import Critique
from counterform.errors import ControlError
from counterform.testing import check_recipe
from counterform.text.wording import claims_of, named_error, verdict_of
from counterform.types import Mark
from counterform.verify.critics import Reference, Steps

KINDS = ("step", "verdict", "reason")


def rows_of(cases, share_wrong=0.5, critic=None):
    shown = drawn(cases, share_wrong, np.random.default_rng(0))
    said = (critic or Steps())([(c.problem, g) for c, g in zip(cases, shown, strict=True)], seed=0)
    return [Criticised(*row) for row in zip(cases, shown, said, strict=True)]


def broken(rows, kind, share, seed=0):
    return corrupt(rows, kind, share=share, rng=np.random.default_rng(seed))[0]


@pytest.mark.parametrize("kind", KINDS)
def test_promises(cases, kind):
    check_recipe(Critique(share_wrong=0.7, corrupted=0.3, corruption=kind), cases)


@pytest.mark.parametrize("critic", [Steps(), Reference()])
@pytest.mark.parametrize("kind", KINDS)
def test_the_share_is_broken_and_the_rest_untouched(cases, kind, critic):
    rows = rows_of(cases, critic=critic)
    before = [worded(row) for row in rows]
    for share in (0.0, 0.1, 0.3):
        after = [worded(row) for row in broken(rows, kind, share)]
        assert sum(a != b for a, b in zip(after, before, strict=True)) == round(share * len(rows))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_spoils_one_thing(cases, kind):
    rows = rows_of(cases)
    for row, after in zip(rows, broken(rows, kind, 0.3), strict=True):
        if after == row:
            continue
        text, true = worded(after), row.said.first_error
        assert (verdict_of(text) is row.said.verdict) == (kind != "verdict")
        assert (named_error(text) == true) == (kind == "reason")
        if kind == "step":
            assert row.shown.verdict.steps[named_error(text)].mark is Mark.RIGHT
            assert after.said.hint == row.said.hint
        if kind == "reason":
            assert not ends_alike(after.said.hint, row.said.hint)
        # What it says of single steps never contradicts itself.
        assert len({step for step, _ in claims_of(text)}) == len(claims_of(text))


def test_a_larger_share_spoils_the_rows_of_a_smaller_one(cases):
    rows = rows_of(cases)
    places = [
        {at for at, (a, b) in enumerate(zip(rows, broken(rows, "verdict", share), strict=True)) if a != b}
        for share in (0.2, 0.5, 1.0)
    ]
    assert places[0] < places[1] < places[2] == set(range(len(rows)))


def test_all_verdicts_can_be_wrong(cases):
    rows = rows_of(cases)
    for row, after in zip(rows, broken(rows, "verdict", 1.0), strict=True):
        assert {verdict_of(worded(after)), row.said.verdict} == {Mark.RIGHT, Mark.WRONG}
        if row.said.verdict is Mark.RIGHT:
            assert after.said.hint  # as the critique of a wrong attempt has one


@pytest.mark.parametrize("kind", ["step", "reason"])
def test_more_than_can_be_broken_is_refused_with_the_most_there_is(cases, kind):
    rows = rows_of(cases)
    with pytest.raises(
        ControlError, match=r"19 of 21 critiques should have a wrong .* and (\d+) can.*corrupted = 0\.\d+"
    ):
        broken(rows, kind, 0.9)
    with pytest.raises(ControlError, match="and 0 can"):
        broken(rows_of(cases, share_wrong=0.0), kind, 0.5)


def test_the_only_step_cannot_be_another_one(cases):
    case = next(case for case in cases if case.wrong.verdict.first_error == 0)
    verdict = replace(case.wrong.verdict, steps=case.wrong.verdict.steps[:1])
    short = replace(case, wrong=replace(case.wrong, verdict=verdict))
    with pytest.raises(ControlError, match="another one right"):
        broken(rows_of([short] * 4, share_wrong=1.0), "step", 0.5)


def test_one_hint_for_all_is_no_wrong_reason(cases):
    located = next(case for case in cases if case.wrong.verdict.first_error is not None)
    with pytest.raises(ControlError, match="another one something else"):
        broken(rows_of([located] * 4, share_wrong=1.0), "reason", 0.5)


def test_a_critics_own_words_are_not_broken(cases):
    rows = [row._replace(said=replace(row.said, text="Hm.")) for row in rows_of(cases)]
    with pytest.raises(ControlError, match="own words"):
        broken(rows, "verdict", 0.5)


def test_hints_that_come_to_the_same():
    assert ends_alike("7 + 5 = 12.", "5 + 7 = 12")
    assert ends_alike("The answer is 24.", "12 * 2 = 24.")
    for one, other in [("12", "12.0"), ("1000", "1,000"), ("0.5", "1/2"), ("Red", "red")]:
        assert ends_alike(f"It is {one}.", f"It must be {other}.")
    for one, other in [("12", "13"), ("red", "blue"), ("0.5", "0.55"), ("12", "-12")]:
        assert not ends_alike(f"It is {one}.", f"It must be {other}.")
