import json
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from counterform.bench import Bench
from counterform.findings.inside import AUROC, CONTROL, KL, LAYER, TOKENS
from counterform.models.hf import HFModel
from counterform.models.loading import load
from counterform.models.scripted import ScriptedModel
from counterform.probes.internals import Internals, _held_out_auroc, _ridge, weight_changes
from counterform.results import TOKEN_CLASSES
from counterform.study import ModelSpec, ProbeSpec
from counterform.testing import check_probe
from counterform.text.lexicon import load_lexicon
from counterform.types import Mark


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def world():
    return HFModel.open(ModelSpec(path="world"))


@pytest.fixture(scope="module")
def beside(items, world):
    """The held-out items with the base model beside them."""
    return replace(items, open_base=lambda: nullcontext(world))


def disturbed(scale, layer=None):
    """The base with noise on all its weights, or on those of one layer."""
    model, tokenizer = load("world")
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if layer is None or f".layers.{layer}." in name:
                weight += scale * weight.std() * torch.randn_like(weight)
    return HFModel(model, tokenizer, name="disturbed")


def read(model, items):
    """{(metric, condition): {problem: value}}"""
    found = {}
    for reading in Internals(Bench(spec=ProbeSpec()))(model, items, arm="one", seed=3):
        found.setdefault((reading.metric, reading.condition), {})[reading.item_id] = reading.value
    return found


def divergence(model, items):
    """{class: KL over all problems}"""
    found = read(model, items)
    return {name: sum(found[KL, name].values()) for name in TOKEN_CLASSES}


def test_promises(beside):
    check_probe(Internals(Bench(spec=ProbeSpec())), disturbed(0.1), beside)


class TestDivergence:
    def test_the_base_differs_from_itself_by_nothing(self, beside, world):
        found = read(world, beside)
        for name in TOKEN_CLASSES:
            assert set(found[KL, name].values()) == {0.0}
        assert all(sum(found[TOKENS, name].values()) > 0 for name in TOKEN_CLASSES if name != "hedge")

    def test_a_hedge_is_a_marker_of_the_studys_lexicon(self, beside, world, tmp_path):
        few = replace(beside, problems=beside.problems[:2], attempts=())
        word = few.problems[0].solution.split()[0]
        (tmp_path / "mine.json").write_text(json.dumps({"kinds": {"said": [word]}}))
        counts = []
        for bench in (Bench(), Bench(lexicon=load_lexicon(tmp_path / "mine.json"))):
            readings = Internals(bench)(world, few, arm="one", seed=3)
            counts.append(sum(r.value for r in readings if (r.metric, r.condition) == (TOKENS, "hedge")))
        assert counts[0] == 0 < counts[1]

    def test_is_what_the_definition_says(self, beside, world):
        model, problem = disturbed(0.1), beside.problems[0]
        alone = replace(beside, problems=(problem,), attempts=())
        found = read(model, alone)
        after, before = (m.trace(problem.prompt, problem.solution).logprobs.double() for m in (model, world))
        by_hand = float((after.exp() * (after - before)).sum())
        assert sum(found[KL, name][problem.id] for name in TOKEN_CLASSES) == pytest.approx(by_hand, rel=1e-4)
        tokens = len(world.tokenizer(problem.solution, add_special_tokens=False)["input_ids"])
        assert sum(found[TOKENS, name][problem.id] for name in TOKEN_CLASSES) == tokens

    def test_grows_with_the_change(self, beside):
        small, large = (sum(divergence(disturbed(scale), beside).values()) for scale in (0.02, 0.1))
        assert 0 < small < large / 4

    def test_a_change_in_the_answers_form_alone_is_seen_there(self, beside):
        model = disturbed(0.0)
        answer = model.tokenizer(" answer", add_special_tokens=False)["input_ids"][-1]
        with torch.no_grad():  # the head is shared with the embedding, so a bias does it
            model.model.lm_head.bias = torch.nn.Parameter(torch.zeros(model.model.config.vocab_size))
            model.model.lm_head.bias[answer] = -30.0
        found = divergence(model, beside)
        assert found["form"] > 0.8 * sum(found.values())


class TestWrongSteps:
    def test_a_number_for_every_layer_of_the_half_that_was_not_fitted(self, beside, world):
        found = read(world, beside)
        assert {(LAYER, f"{n}") for n in range(5)} < set(found)
        graded = {g.attempt.problem_id for g in beside.attempts}
        assert len(found[AUROC, ""]) == len(graded) // 2
        layers = np.array([list(found[LAYER, f"{n}"].values()) for n in range(1, 5)])
        assert list(found[AUROC, ""].values()) == pytest.approx(layers.mean(axis=0))
        # A step ends in a full stop, and the embedding of a full stop knows nothing.
        assert np.mean(list(found[LAYER, "0"].values())) == pytest.approx(0.5)

    def test_planted_states_are_found_and_shuffled_labels_are_not(self):
        rng = np.random.default_rng(0)
        clusters = np.repeat(np.arange(120), 5)
        fitted = clusters % 2 == 0
        wrong = rng.random(600) < 0.3
        states = rng.normal(size=(600, 32)).astype(np.float32)
        states[:, 3] += 2 * wrong
        shuffled = [rng.permutation(wrong) for _ in range(16)]
        real, control = _held_out_auroc(states, np.column_stack([wrong, *shuffled]), clusters // 2, fitted)
        assert len(real) == 60
        # Two normals two standard deviations apart: Phi(sqrt 2) = 0.92.
        assert real.mean() == pytest.approx(0.92, abs=0.03)
        assert control.mean() == pytest.approx(0.5, abs=0.03)

    def test_one_kind_of_step_alone_tells_nothing(self, beside, world):
        sound = [g for g in beside.attempts if g.verdict.first_error is None]
        found = read(world, replace(beside, attempts=tuple(sound)))
        assert set(found[AUROC, ""].values()) == set(found[CONTROL, "2"].values()) == {None}
        assert None not in found[KL, "form"].values()

    def test_more_directions_than_steps(self):
        rng = np.random.default_rng(1)
        wrong = np.arange(60) % 2 == 0
        states = rng.normal(size=(60, 300)).astype(np.float32)
        states[:, :30] += 2 * wrong[:, None]
        scores = _ridge(states[:40], wrong[:40, None], states[40:])[:, 0]
        assert scores[wrong[40:]].min() > scores[~wrong[40:]].max()


class TestUnseen:
    @pytest.mark.parametrize("kind", ["endpoint", "endpoint beside an endpoint", "no base"])
    def test_a_model_whose_insides_cannot_be_seen_is_unknown(self, items, world, kind):
        endpoint = ScriptedModel(lambda *_: "7", name="endpoint")
        opened = {"endpoint": world, "endpoint beside an endpoint": endpoint}.get(kind)
        asked = replace(items, open_base=(lambda: nullcontext(opened)) if opened else None)
        model = world if kind == "no base" else endpoint
        readings = Internals(Bench(spec=ProbeSpec()))(model, asked, arm="one", seed=3)
        assert readings
        assert {(r.mark, r.value) for r in readings} == {(Mark.UNKNOWN, None)}

    def test_a_base_with_other_tokens(self, beside):
        model = disturbed(0.0)
        model.model.resize_token_embeddings(500)
        assert {r.value for r in Internals(Bench(spec=ProbeSpec()))(model, beside, arm="one", seed=3)} == {None}

    def test_a_hostile_attempt_changes_nothing_but_its_own_problem(self, beside, world):
        shown = beside.attempts[0]
        text = "<s></s>\x00\u202e {{7*7}} \ud7ff" + " 7 + 5 = 12." * 3_000
        hostile = replace(
            shown, attempt=replace(shown.attempt, completion=replace(shown.attempt.completion, text=text))
        )
        model = disturbed(0.1)
        before = read(model, beside)
        after = read(model, replace(beside, attempts=(hostile, *beside.attempts[1:])))
        changed = {p for p, value in after[KL, "other"].items() if value != before[KL, "other"][p]}
        assert changed == {shown.attempt.problem_id}


class TestWeights:
    @pytest.fixture(scope="class")
    def found(self, tmp_path_factory):
        """Layer 2 moved one way twice as far, and back; everything moved at random; nothing moved."""
        folder = tmp_path_factory.mktemp("weights")
        base, _ = load("world")
        noise = dict(disturbed(0.1, layer=2).model.named_parameters())
        everywhere = disturbed(0.1).model
        moves = {"there": 1.0, "further": 2.0, "back": -1.0, "nowhere": 0.0}
        for name, far in moves.items():
            model, _ = load("world")
            with torch.no_grad():
                for key, weight in model.named_parameters():
                    weight += far * (noise[key] - dict(base.named_parameters())[key])
            model.save_pretrained(folder / name)
        everywhere.save_pretrained(folder / "everywhere", max_shard_size="1MB")
        names = [*moves, "everywhere"]
        return weight_changes("world", {(name, 0): folder / name for name in names})

    def test_the_depth_profile_shows_which_layer_moved(self, found):
        there = next(c for c in found.changes if c.arm == "there")
        assert len(there.layers) == 4
        assert there.layers[2] > 0.05
        assert (there.layers[0], there.layers[1], there.layers[3], there.outside) == (0, 0, 0, 0)
        assert 0 < there.overall < there.layers[2]
        further = next(c for c in found.changes if c.arm == "further")
        assert further.layers[2] == pytest.approx(2 * there.layers[2], rel=1e-4)
        assert further.overall == pytest.approx(2 * there.overall, rel=1e-4)

    def test_a_sharded_checkpoint_and_shared_weights_count_once(self, found):
        everywhere = next(c for c in found.changes if c.arm == "everywhere")
        assert found.compared == 1.0
        # Noise of a tenth of each weight's own deviation, against its size with the mean.
        assert 0.04 < everywhere.outside < 0.11
        assert all(0.05 < layer < 0.11 for layer in everywhere.layers)

    def test_cosines_of_every_pair(self, found):
        cosines = {(c.arm, c.other): c.cosine for c in found.cosines}
        assert len(cosines) == 10
        assert cosines["there", "further"] == pytest.approx(1, abs=1e-4)
        assert cosines["there", "back"] == pytest.approx(-1, abs=1e-4)
        assert cosines["there", "nowhere"] is None
        assert abs(cosines["there", "everywhere"]) < 0.7

    def test_a_model_of_another_shape_is_not_compared(self, tmp_path):
        model, _ = load("world")
        model.resize_token_embeddings(200)
        model.save_pretrained(tmp_path / "wider")
        found = weight_changes("world", {("wider", 0): tmp_path / "wider"})
        assert 0.9 < found.compared < 1
        assert found.changes[0].overall == 0
        empty = weight_changes("world", {("empty", 0): tmp_path})
        assert (empty.compared, empty.changes, empty.cosines) == (0, (), ())
