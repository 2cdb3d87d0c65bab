"""Whose luck is whose: training seeds by arm, and draws by recipe."""

import pytest

import counterform
from counterform.arms.critique import Critique
from counterform.arms.critique_controls import VerdictOnly
from counterform.arms.imitation import Imitation
from counterform.study import ArmSpec, AttemptsSpec, MatchSpec, ProbeSpec, ProblemsSpec, Study, TrainSpec
from counterform.train.dry import Dry

STUDY = Study(
    name="luck",
    seeds=(0, 1),
    problems=ProblemsSpec(family="ledger", train=40, held_out=8),
    attempts=AttemptsSpec(samples=3, max_tokens=64),
    match=MatchSpec(cases=12),
    arms=(
        ArmSpec(name="A", recipe="sft"),
        ArmSpec(name="again", recipe="sft"),
        ArmSpec(name="cft", recipe="cft"),
        ArmSpec(name="control", recipe="verdict_only"),
    ),
    probes=(),
    train=TrainSpec(trainer="dry"),
    probe=ProbeSpec(),
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Of every arm the training seeds, and of every recipe the first number that it drew."""
    seeds, draws = {}, {}
    with pytest.MonkeyPatch.context() as patch:
        really = Dry.train

        def train(self, arm, *, base, seed, out):
            seeds.setdefault(arm.name, []).append(seed)
            return really(self, arm, base=base, seed=seed, out=out)

        patch.setattr(Dry, "train", train)
        for recipe in (Imitation, Critique, VerdictOnly):

            def call(self, cases, rng, make=recipe.__call__, name=recipe.name):
                draws.setdefault(name, []).append(rng.bit_generator.state["state"]["state"])
                return make(self, cases, rng)

            patch.setattr(recipe, "__call__", call)
        counterform.run(STUDY, tmp_path_factory.mktemp("luck"), until="train")
    return seeds, draws


def test_no_two_trainings_share_their_seed(drawn):
    """Two arms with the same examples differ by nothing but seed variance: with one seed an A/A test would be no test."""
    seeds = drawn[0]
    assert set(seeds) == {"A", "again", "cft", "control"}
    assert len({seed for of in seeds.values() for seed in of}) == 4 * 2


def test_a_control_draws_as_the_recipe_that_it_controls(drawn):
    """Else both would show other attempts, and their difference would be that of the attempts as well."""
    draws = drawn[1]
    assert draws["verdict_only"] == draws["cft"] != draws["sft"][:1]


def test_arms_of_one_recipe_have_the_same_examples(drawn):
    first, again = drawn[1]["sft"]
    assert first == again
