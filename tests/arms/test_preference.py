from importlib.machinery import ModuleSpec

import numpy as np
import pytest
from msgspec.structs import replace

from counterform.arms import experimental
from counterform.arms.preference import Dpo, Ipo, Kto, Orpo
from counterform.errors import DataError
from counterform.parts import part
from counterform.testing import check_recipe

RNG = np.random.default_rng(0)
RECIPES = (Dpo, Ipo, Kto, Orpo)


@pytest.mark.parametrize("recipe", RECIPES)
def test_promises(recipe, cases):
    check_recipe(recipe(), cases)
    assert part("arm", recipe.name) is recipe
    assert issubclass(part("trainer", recipe.objective), object)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_right_attempt_against_the_wrong_one(recipe, cases):
    arm = recipe()(cases, RNG)
    assert arm.objective == recipe.objective
    for case, example in zip(cases, arm.examples, strict=True):
        assert (example.prompt, example.completion) == (case.problem.prompt, case.right.attempt.completion.text)
        assert example.rejected == case.wrong.attempt.completion.text
        assert example.attempt_ids == (case.right.attempt.id, case.wrong.attempt.id)


def test_what_sets_ipo_apart():
    assert (Dpo.options, Ipo.options) == ({}, {"loss_type": "ipo"})


def test_identical_texts_are_counted_and_a_set_of_them_is_refused(cases):
    def same(case):
        text = " " + case.right.attempt.completion.text.replace(" ", "\n") + "\n"
        attempt = replace(case.wrong.attempt, completion=replace(case.wrong.attempt.completion, text=text))
        return replace(case, wrong=replace(case.wrong, attempt=attempt))

    arm = Dpo()([same(cases[0]), *cases[1:]], RNG)
    assert "in 1 of 21 pairs both are the same text" in arm.differs_by
    assert "same text" not in Dpo()(cases, RNG).differs_by
    with pytest.raises(DataError, match="in all 21 cases right and wrong attempt are the same text"):
        Dpo()([same(case) for case in cases], RNG)


class TestWhereTRLHasNoOrpo:
    """It is among what TRL calls experimental, and may go: then the arm says so, and no other does."""

    def found(self, monkeypatch, tmp_path, *, there):
        (tmp_path / "experimental" / ("orpo" if there else "cpo")).mkdir(parents=True)
        spec = ModuleSpec("trl", None, is_package=True)
        spec.submodule_search_locations = [str(tmp_path)]
        monkeypatch.setattr(experimental, "find_spec", lambda name: spec)

    def test_it_is_what_the_arm_lacks(self, monkeypatch, tmp_path):
        self.found(monkeypatch, tmp_path, there=False)
        assert "trl.experimental.orpo" in Orpo().lacks
        assert Dpo().lacks == Kto().lacks == ""

    def test_and_not_where_it_is_there_or_trl_is_not_installed_at_all(self, monkeypatch, tmp_path):
        self.found(monkeypatch, tmp_path, there=True)
        assert Orpo().lacks == ""
        monkeypatch.setattr(experimental, "find_spec", lambda name: None)
        assert Orpo().lacks == "", "that TRL is missing is said by its trainer, with the extra that installs it"
