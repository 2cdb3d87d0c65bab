import inspect
import json
from importlib.util import find_spec

import numpy as np
import pytest
from safetensors.torch import load_file
from trl import GRPOTrainer

from counterform.arms.policy import Grpo, Grpo2G, GrpoPenalty, RoC, RoCWaves
from counterform.bench import Bench
from counterform.errors import ModelError, StudyError, TrainingDiverged
from counterform.models.loading import load_tokenizer
from counterform.problems.ledger import Ledger
from counterform.study import BASE, TrainSpec
from counterform.testing import check_trainer
from counterform.train import policy
from counterform.train.policy import GRPO, HISTORY, Selection, _Judge, selection
from counterform.train.tokens import token_counter
from counterform.types import Case, Graded, Mark, Verdict
from counterform.verify.answer import Answers
from counterform.verify.steps import grade

PROBLEMS = Ledger().generate(12, rng=np.random.default_rng(0), lengths=(2, 3))
FAST = {
    "num_generations": 4,
    "per_device_train_batch_size": 16,
    "max_steps": 2,
    "learning_rate": 3e-4,
    "max_completion_length": 24,
}


@pytest.fixture(scope="module")
def grading():
    with Answers(5.0) as outcome:
        by_id = {problem.id: problem for problem in PROBLEMS}

        def graded(attempts):
            verdicts = grade(attempts, by_id, outcome=outcome, steps=Ledger())
            return [Graded(attempt=a, verdict=v) for a, v in zip(attempts, verdicts, strict=True)]

        yield graded


def arm(recipe):
    return recipe([Case(problem=problem, right=None, wrong=None) for problem in PROBLEMS], None)


def trained(recipe, out, grading, **options):
    trainer = GRPO(TrainSpec(grpo={**FAST, **options}), bench=Bench(grade=grading))
    return trainer.train(arm(recipe), base=str(BASE), seed=3, out=out)


def test_promises(grading, tmp_path):
    check_trainer(GRPO(TrainSpec(grpo=FAST), bench=Bench(grade=grading)), arm(RoC()), str(BASE), tmp_path)
    steps = [json.loads(line) for line in (tmp_path / "checkpoint" / HISTORY).read_text().splitlines()]
    assert [step["roc/kept"] for step in steps if "roc/kept" in step] == [16, 16]
    assert {"right", "entropy", "roc/format/right", "completions/mean_length"} <= steps[0].keys()


def test_the_ledger_counts_what_was_sampled_and_what_was_kept(grading, tmp_path):
    roc = trained(RoC(), tmp_path / "roc", grading, max_steps=1).ledger
    plain = trained(Grpo(), tmp_path / "plain", grading, max_steps=1).ledger
    assert (roc.rollouts_kept, roc.rollouts_dropped) == (16, 16)
    assert (plain.rollouts_kept, plain.rollouts_dropped) == (16, 0)
    assert roc.generated_tokens > 1.5 * plain.generated_tokens
    assert roc.loss_tokens < roc.generated_tokens
    assert plain.loss_tokens == plain.generated_tokens
    assert roc.prompt_tokens > plain.prompt_tokens > 0
    assert (roc.examples, roc.optimizer_steps) == (12, 1)


def test_a_noisy_tool_and_a_seed(grading, tmp_path):
    recipe = Grpo(tool="calc", tool_failures=0.5)
    one, again = (trained(recipe, tmp_path / name, grading, max_steps=1) for name in ("one", "again"))
    steps = [json.loads(line) for line in (tmp_path / "one" / HISTORY).read_text().splitlines()]
    assert 0.1 < steps[0]["tool_errors"] < 0.9
    # What the tool says is neither generated nor learnt.
    assert one.ledger.generated_tokens < 16 * steps[0]["roc/kept_length"]
    assert one.ledger.loss_tokens == again.ledger.loss_tokens
    weights = [load_file(f"{checkpoint.path}/model.safetensors") for checkpoint in (one, again)]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


def test_waves_sample_what_they_need_and_2g_at_most(grading, tmp_path):
    ledger = trained(RoCWaves(tool="calc", tool_failures=0.2), tmp_path, grading, max_steps=1).ledger
    [used] = [row["roc/used"] for row in map(json.loads, (tmp_path / HISTORY).open()) if "roc/used" in row]
    assert ledger.rollouts_kept == 16
    assert 1 <= used <= 2
    assert used == (ledger.rollouts_kept + ledger.rollouts_dropped) / 16


def test_steps_that_were_no_update_are_counted(grading, tmp_path):
    """Nothing could be graded, so no rollout has an advantage: the base again, and the ledger says so."""

    def ungraded(attempts):
        unknown = Verdict(attempt_id="", outcome=Mark.UNKNOWN, lenient=Mark.UNKNOWN, verifier="none")
        return [Graded(attempt=a, verdict=unknown) for a in attempts]

    ledger = trained(Grpo(reward="random"), tmp_path, ungraded).ledger
    assert (ledger.optimizer_steps, ledger.idle_steps) == (2, 2)
    before, after = (load_file(folder / "model.safetensors") for folder in (BASE, tmp_path))
    assert all((before[name] == after[name]).all() for name in after)


class TestRewards:
    def judged(self, grading, recipe, texts):
        judge = _Judge(grading, selection(arm(recipe)))
        told = []
        columns = {
            "problem_id": [problem.id for problem in PROBLEMS[: len(texts)]],
            "completion_ids": [[1, 2]] * len(texts),
            "tool_calls": [4] * len(texts),
            "tool_errors": [2] * len(texts),
        }
        completions = [[{"role": "assistant", "content": text}] for text in texts]
        rewards = judge.reward(completions, lambda name, value: told.append((name, value)), **columns)
        return rewards, [func(completions, **columns) for func in judge.penalty_funcs], told

    def test_right_wrong_and_unknown(self, grading):
        texts = [PROBLEMS[0].solution, "The answer is 100.", "I think it is less."]
        rewards, [errors, format_], told = self.judged(grading, Grpo(), texts)
        assert rewards == [1.0, 0.0, None]
        assert errors == [0.5, 0.5, 0.5]
        assert format_ == [0.0, 0.0, 1.0]
        assert told.count(("tool_errors", 0.5)) == 3
        assert [value for name, value in told if name == "right"] == [1.0, 0.0]

    def test_an_endpoint_out_of_quota_ends_the_training_and_is_no_reward(self):
        """A judge that was not heard once must not become a reward of None in weights that are kept."""

        def unreachable(attempts):
            raise ModelError("no usable answer: 429 insufficient_quota")

        with pytest.raises(ModelError, match="429"):
            self.judged(unreachable, Grpo(), ["The answer is 100."])

    def test_a_penalty_inside_the_reward(self, grading):
        texts = [PROBLEMS[0].solution, "The answer is 100.", "I think it is less."]
        rewards, _, _ = self.judged(grading, GrpoPenalty(penalties=["tool_errors"]), texts)
        assert rewards == [0.75, -0.25, None]

    def test_the_letter_is_right_where_it_was_asked_for(self, grading):
        judge = _Judge(grading, Selection(answers=("B", "B", "B")))
        texts = [f"{PROBLEMS[0].solution} The answer is B.", PROBLEMS[1].solution, "I think it is less."]
        columns = {
            "problem_id": [problem.id for problem in PROBLEMS[:3]],
            "completion_ids": [[1, 2]] * 3,
            "right_answer": ["B"] * 3,
        }
        assert judge.reward(texts, lambda name, value: None, **columns) == [1.0, 0.0, None]


class TestOptions:
    def test_an_unknown_one_is_named_with_its_neighbour(self, grading):
        with pytest.raises(StudyError, match=r"\$\.train\.grpo: unknown option 'num_generation'.*'num_generations'\?"):
            GRPO(TrainSpec(grpo={"num_generation": 4}), bench=Bench(grade=grading))

    @pytest.mark.parametrize("name", ["output_dir", "seed", "reward_weights"])
    def test_ours_are_refused(self, name, grading):
        with pytest.raises(StudyError, match=f"'{name}' is set by counterform itself"):
            GRPO(TrainSpec(grpo={name: 1}), bench=Bench(grade=grading))

    @pytest.mark.parametrize(
        "options",
        [
            {"vllm_mode": "server", "vllm_server_base_url": "http://127.0.0.1:8000", "vllm_server_timeout": 60.0},
            {"vllm_mode": "colocate", "vllm_gpu_memory_utilization": 0.4, "vllm_tensor_parallel_size": 2},
        ],
    )
    def test_vllm_is_trls_affair(self, grading, tmp_path, monkeypatch, options):
        """Contract: its options reach TRL's trainer as they were given, and our own decode loop stands aside."""
        given = {}

        class Enough(Exception):
            pass

        def trainer(**told):
            given.update(told)
            raise Enough

        monkeypatch.setattr(policy, "RoCGRPOTrainer", trainer)
        with pytest.raises(Enough):
            trained(RoC(), tmp_path, grading, use_vllm=True, **options)
        assert given["args"].use_vllm
        assert {name: getattr(given["args"], name) for name in options} == options
        assert given["rollout_func"] is None

    @pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is here")
    def test_vllm_that_is_not_there_is_one_message(self, grading, tmp_path):
        with pytest.raises(StudyError, match=r"^\$\.train\.grpo: .*vLLM"):
            trained(Grpo(), tmp_path, grading, use_vllm=True)

    def test_a_launch_needs_graders_of_the_study(self, grading, tmp_path):
        trainer = GRPO(TrainSpec(launch=("--num_processes", "2")), bench=Bench(grade=grading))
        with pytest.raises(StudyError, match=r"Bench\(grading=\.\.\.\)"):
            trainer.train(arm(Grpo()), base=str(BASE), seed=3, out=tmp_path)

    def test_what_cannot_be_is_told_before_the_first_arm_is_trained(self, grading):
        def check(recipe, **options):
            GRPO(TrainSpec(grpo={**FAST, **options}), bench=Bench(grade=grading)).check([arm(recipe)], base=str(BASE))

        check(RoC())
        check(Grpo2G(), loss_type="dr_grpo")
        with pytest.raises(StudyError, match=r"unknown mode 'papr'|Invalid enum value 'papr'"):
            check(RoC(mode="papr"))
        with pytest.raises(StudyError, match="divides by rows"):
            check(RoC(mode="no_failures"), loss_type="dr_grpo")
        with pytest.raises(StudyError, match=r"\$\.train\.grpo: .*divisible"):
            check(RoC(), per_device_train_batch_size=6)
        with pytest.raises(StudyError, match="keep = 1: keep at least 2"):
            check(RoC(), num_generations=1)

    def test_a_learning_rate_beyond_all_reason(self, grading, tmp_path):
        with pytest.raises(TrainingDiverged, match=r"Lower learning_rate"):
            trained(Grpo(), tmp_path, grading, learning_rate=1e39, lr_scheduler_type="constant")
        assert not list(tmp_path.glob("*.safetensors"))


def test_nothing_is_counted_as_loss_before_it_is_sampled():
    prompt, loss = token_counter(load_tokenizer("world"))(arm(Grpo()).examples)
    assert set(loss) == {0}
    assert min(prompt) > 0


def test_lists_are_handed_on_by_trl_as_they_are(grading):
    """The judge grades a batch once: TRL must hand one list of completions to every function."""
    source = inspect.getsource(GRPOTrainer._calculate_rewards)
    assert "completions=completions" in source, "TRL: _calculate_rewards no longer hands completions on; see _Judge"
