import inspect
import logging
import math

import datasets
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from counterform.errors import DataError, StudyError, TrainingDiverged
from counterform.models.loading import load_tokenizer
from counterform.train import RoCGRPOTrainer
from counterform.train.grpo import EXACT_LOSSES, ROW_LOSSES, check_selection

PROMPTS = ["Start with 7. Add 5. What is the total?", "Start with 9. Double it. What is the total?"]
COMPLETIONS = [
    "7 + 5 = 12. The answer is 12.",
    "The answer is 12.",
    "7 + 5 = 13. The answer is 13.",
    "The answer is 9.",
]
CLEAN, UNCLEAN = [0.0, 0.9, 0.0, 0.0], [0.9, 0.0, 0.0, 0.0]
RIGHT = [1.0, 1.0, 0.0, 0.0]


def config(out, **options):
    defaults = {
        "num_generations": 4,
        "per_device_train_batch_size": 8,
        "optim": "sgd",  # whose step is the gradient: Adam makes as much of a rounding error
        "learning_rate": 1.0,
        "max_completion_length": 16,
        "max_steps": 1,
        "logging_steps": 1,
        "lr_scheduler_type": "constant",
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "seed": 1,
    }
    return GRPOConfig(output_dir=str(out), **{**defaults, **options})


def canned(texts):
    """A rollout function that gives every prompt these completions in turn."""

    def rollout(prompts, trainer):
        tokenizer = trainer.processing_class
        asked = tokenizer.apply_chat_template(prompts, add_generation_prompt=True, return_dict=True)["input_ids"]
        ids = [tokenizer(texts[n % len(texts)], add_special_tokens=False)["input_ids"] for n in range(len(prompts))]
        ends = [[*row, tokenizer.eos_token_id] for row in ids]
        return {"prompt_ids": asked, "completion_ids": ends, "logprobs": None}

    return rollout


def cyclic(values, name="right"):
    """A reward or penalty function that gives these values in turn."""

    def func(prompts, **columns):
        return [values[n % len(values)] for n in range(len(prompts))]

    func.__name__ = name
    return func


def tiny(words):
    """A model of two layers that knows nothing: what is tested is whose rows it learns from."""
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=words, max_position_embeddings=128, **shape))


def made(kind, out, *, texts=COMPLETIONS, rewards=RIGHT, options=None, callbacks=(), **ours):
    datasets.disable_progress_bars()
    tokenizer = load_tokenizer("world")
    rows = datasets.Dataset.from_list([{"prompt": [{"role": "user", "content": text}]} for text in PROMPTS])
    trainer = kind(
        model=tiny(len(tokenizer)),
        reward_funcs=[rewards if callable(rewards) else cyclic(rewards)],
        args=config(out, **(options or {})),
        train_dataset=rows,
        processing_class=tokenizer,
        rollout_func=canned(texts) if texts else None,
        callbacks=list(callbacks),
        **ours,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def weights(trainer):
    return torch.cat([weight.detach().flatten() for weight in trainer.model.parameters()])


def logged(trainer, name):
    return [row[name] for row in trainer.state.log_history if name in row]


class TestExactness:
    @pytest.mark.parametrize("loss_type", [*EXACT_LOSSES, *ROW_LOSSES])
    def test_dropping_rows_is_as_if_they_had_never_been(self, loss_type, tmp_path):
        """4 -> 2 by penalty, against TRL's own trainer on the two that are kept."""
        level = {"importance_sampling_level": "sequence"} if loss_type == "luspo" else {}
        options = {"loss_type": loss_type, **level}
        roc = made(
            RoCGRPOTrainer,
            tmp_path,
            options=options,
            mode="released",
            keep=2,
            penalty_funcs=[cyclic(UNCLEAN, "unclean")],
        )
        fewer = {"num_generations": 2, "per_device_train_batch_size": 4}
        texts = [COMPLETIONS[1], COMPLETIONS[2]]
        plain = made(GRPOTrainer, tmp_path, texts=texts, rewards=[1.0, 0.0], options={**options, **fewer})
        before = weights(plain)
        for trainer in (roc, plain):
            trainer.train()
        assert (weights(plain) - before).abs().max() > 1e-4
        torch.testing.assert_close(weights(roc), weights(plain), rtol=0, atol=2e-5)
        assert (roc.rollouts_kept, roc.rollouts_dropped) == (4, 4)

    def test_with_several_micro_batches(self, tmp_path):
        """Kept rows that cannot be cut evenly: a masked row fills up, and a loss by tokens does not see it."""
        split = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
        penalties = [cyclic(UNCLEAN, "unclean")]
        one = made(RoCGRPOTrainer, tmp_path, keep=3, mode="released", penalty_funcs=penalties)
        many = made(RoCGRPOTrainer, tmp_path, keep=3, mode="released", penalty_funcs=penalties, options=split)
        for trainer in (one, many):
            trainer.train()
        torch.testing.assert_close(weights(one), weights(many), rtol=0, atol=2e-5)

    def test_losses_by_rows_are_refused_where_rows_are_uneven(self, tmp_path):
        split = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4, "loss_type": "dr_grpo"}
        with pytest.raises(StudyError, match=r"'dr_grpo' divides by rows.*dapo.*groups x keep divisible by .* = 4"):
            made(RoCGRPOTrainer, tmp_path, keep=3, options=split)
        with pytest.raises(StudyError, match="divides by rows"):
            made(RoCGRPOTrainer, tmp_path, mode="no_failures", options={"loss_type": "grpo"})
        made(RoCGRPOTrainer, tmp_path, keep=4, options=split)  # nothing is dropped

    def test_dropping_nothing_is_trl_itself(self, tmp_path):
        found = []
        for kind, ours in ((RoCGRPOTrainer, {"keep": 4}), (GRPOTrainer, {})):
            trainer = made(kind, tmp_path, texts=None, rewards=lengths, **ours)  # sampled, with one seed
            trainer.train()
            found.append(weights(trainer))
        assert torch.equal(*found)

    def test_without_failures_the_baseline_is_still_that_of_both(self, tmp_path):
        roc = made(RoCGRPOTrainer, tmp_path, mode="no_failures", keep=2, penalty_funcs=[cyclic(CLEAN, "unclean")])
        before = weights(roc)
        roc.train()
        assert (roc.rollouts_kept, roc.rollouts_dropped) == (2, 6)
        assert not torch.equal(before, weights(roc))
        assert logged(roc, "roc/one_sided") == [0.0]


class TestOneSideAlone:
    """Successes alone, failures alone: the advantage is that of the whole group, and then one sign of it is gone."""

    UNEVEN = (1.0, 0.0, 0.0, 0.0)

    def step(self, out, learns_from):
        trainer = made(
            RoCGRPOTrainer,
            out,
            keep=4,
            mode="random",
            learns_from=learns_from,
            rewards=self.UNEVEN,
            options={"max_grad_norm": 0.0},
        )
        before = weights(trainer)
        trainer.train()
        return weights(trainer) - before, trainer

    def test_the_two_steps_add_up_to_that_of_both(self, tmp_path):
        both, successes, failures = (self.step(tmp_path, one)[0] for one in ("all", "successes", "failures"))
        torch.testing.assert_close(successes + failures, both, rtol=0, atol=2e-5)
        for one in (successes, failures):
            assert one.abs().max() > 1e-3
            assert (one - both).abs().max() > 1e-3

    def test_the_advantages(self, tmp_path, monkeypatch):
        shown, compute = [], GRPOTrainer.compute_loss

        def spying(self, model, inputs, *args, **kwargs):
            shown.append(inputs)
            return compute(self, model, inputs, *args, **kwargs)

        monkeypatch.setattr(GRPOTrainer, "compute_loss", spying)
        trainers = [self.step(tmp_path, one)[1] for one in ("all", "successes", "failures")]
        both, successes, failures = (rows["advantages"] for rows in shown)
        assert ((both > 0).sum(), (both < 0).sum()) == (2, 6)
        assert torch.equal(successes, both.clamp(min=0))
        assert torch.equal(failures, both.clamp(max=0))
        for trainer, rows in zip(trainers, shown, strict=True):
            tokens = rows["completion_mask"].sum(1)
            assert trainer.loss_tokens == int(tokens[rows["advantages"] != 0].sum())
            assert trainer.rollouts_kept == 8, "the others stay in the batch: baseline, divisor and anchor are the same"


def lengths(completions, **columns):
    return [float(len(completion[0]["content"])) for completion in completions]


def test_what_is_logged_and_counted(tmp_path):
    def by_hand(prompts, **columns):
        return [[0.0, 0.4, 1.0, 1.0][n % 4] for n in range(len(prompts))]

    roc = made(RoCGRPOTrainer, tmp_path, keep=2, mode="released", penalty_funcs=[by_hand])
    roc.train()
    for name, value in {
        "roc/reward": 0.5,
        "roc/kept": 4,
        "roc/dropped": 4,
        "roc/unknown": 0,
        "roc/by_hand/right": 0.2,
        "roc/by_hand/right_kept": 0.0,
        "reward": 0.5,
    }.items():
        assert logged(roc, name) == pytest.approx([value]), name
    assert logged(roc, "entropy")[0] > 0
    tokens = [len(roc.processing_class(text, add_special_tokens=False)["input_ids"]) + 1 for text in COMPLETIONS]
    assert roc.generated_tokens == 2 * sum(tokens)
    assert roc.loss_tokens == 2 * (tokens[0] + tokens[2])
    assert logged(roc, "roc/kept_length") == pytest.approx([(tokens[0] + tokens[2]) / 2])
    assert roc.prompt_tokens > 0


class TestSelectionsOfSteps:
    """Four steps whose rewards and penalties are the same: only what is drawn can differ."""

    def kept(self, out, **options):
        roc = made(RoCGRPOTrainer, out, keep=2, options={"max_steps": 4, **options})
        kept, note = [], roc._note
        roc._note = lambda *args: (kept.append(tuple(roc._kept.tolist())), note(*args))
        roc.train()
        return kept

    def test_each_step_draws_anew_and_a_seed_decides(self, tmp_path):
        """One draw for a whole training would learn from the same places of every group, as if the others were not sampled."""
        first, again, other = (self.kept(tmp_path, seed=seed) for seed in (1, 1, 2))
        assert [sum(row) for row in first] == [4] * 4  # one right and one wrong of each of the two groups
        assert len(set(first)) > 1
        assert first == again != other

    def test_two_trainings_do_not_share_their_draws_a_step_apart(self, tmp_path):
        """Seed 2's first selection is not seed 1's second."""
        one, two = (self.kept(tmp_path, seed=seed) for seed in (1, 2))
        assert one[1:] != two[:-1]


@pytest.mark.parametrize(
    "options",
    [
        {"max_steps": 2},
        {"max_steps": 2, "num_iterations": 2},
        {"max_steps": 3, "num_iterations": 2},  # the last rollouts are learnt from once
        {"max_steps": 6, "num_iterations": 3, "per_device_train_batch_size": 4, "steps_per_generation": 2},
        {"max_steps": 2, "num_iterations": 2, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2},
    ],
)
def test_loss_tokens_are_those_that_the_loss_was_shown(options, tmp_path):
    """A rollout that is learnt from twice has twice the loss tokens, and was sampled once."""
    roc = made(RoCGRPOTrainer, tmp_path, keep=2, options=options)
    shown, loss = [], roc._compute_loss
    roc._compute_loss = lambda model, inputs: (shown.append(int(inputs["completion_mask"].sum())), loss(model, inputs))[
        1
    ]
    roc.train()
    assert roc.loss_tokens == sum(shown) > 0
    tokens = [len(roc.processing_class(text, add_special_tokens=False)["input_ids"]) + 1 for text in COMPLETIONS]
    generations = roc.rollouts_kept // 4
    assert roc.generated_tokens == 2 * sum(tokens) * generations


def test_unknown_is_no_failure(tmp_path):
    """Two are graded, one is None and one NaN: the graded two are kept, and a penalty makes no failure of the others."""
    rewards = [1.0, None, 0.0, math.nan]
    roc = made(RoCGRPOTrainer, tmp_path, rewards=rewards, keep=2, penalty_funcs=[cyclic([0.5] * 4, "unclean")])
    plain = made(
        GRPOTrainer,
        tmp_path,
        texts=[COMPLETIONS[0], COMPLETIONS[2]],
        rewards=[1.0, 0.0],
        options={"num_generations": 2, "per_device_train_batch_size": 4},
    )
    for trainer in (roc, plain):
        trainer.train()
    assert logged(roc, "roc/unknown") == [4]
    torch.testing.assert_close(weights(roc), weights(plain), rtol=0, atol=2e-5)


RIGHT_CLEAN, RIGHT_UNCLEAN, FAILED = "The answer is 12.", "7 + 5 = 12. The answer is 12.", "The answer is 9."
STREAMS = {
    PROMPTS[0]: [RIGHT_CLEAN, RIGHT_CLEAN, FAILED, FAILED],
    PROMPTS[1]: [RIGHT_UNCLEAN, RIGHT_UNCLEAN, FAILED, FAILED, RIGHT_CLEAN, FAILED, FAILED, RIGHT_CLEAN],
}
KEPT = [RIGHT_CLEAN, RIGHT_CLEAN, FAILED, FAILED]


def streaming(asked):
    """A rollout function that gives every prompt the next of its stream, and notes how many it was asked for."""
    at = dict.fromkeys(STREAMS, 0)

    def rollout(prompts, trainer):
        texts = []
        for [message] in prompts:
            texts.append(STREAMS[message["content"]][at[message["content"]]])
            at[message["content"]] += 1
        asked.append(len(prompts))
        return canned(texts)(prompts, trainer) | {"place": list(range(len(prompts)))}

    return rollout


def ends_in_12(completions, place, log_extra, **columns):
    log_extra("said", [row[0]["content"] for row in completions])
    assert len(place) == len(completions)
    return [float(row[0]["content"].endswith("12.")) for row in completions]


def has_steps(completions, **columns):
    return [0.5 * ("=" in row[0]["content"]) for row in completions]


class TestWaves:
    """Of 8 rollouts a group at most, 4 are kept: the first group is done at once, the second after 3 waves."""

    @pytest.fixture
    def trained(self, tmp_path):
        asked, logs = [], []
        options = {"num_generations": 8, "per_device_train_batch_size": 16}
        ours = {"mode": "waves", "keep": 4, "wave": 2, "penalty_funcs": [has_steps]}
        roc = made(RoCGRPOTrainer, tmp_path, rewards=ends_in_12, options=options, **ours)
        roc.rollout_func = streaming(asked)
        score = roc._generate_and_score_completions
        roc._generate_and_score_completions = lambda inputs: (score(inputs), logs.append(dict(roc._logs)))[0]
        roc.train()
        return roc, asked, logs

    def test_only_what_is_needed_is_sampled(self, trained):
        roc, asked, _ = trained
        assert asked == [8, 2, 2]
        assert (roc.rollouts_kept, roc.rollouts_dropped) == (8, 4)
        for name, value in {
            "roc/used": 1.5,
            "roc/waves": 3,
            "roc/kept": 8,
            "roc/dropped": 4,
            "roc/unknown": 0,
            "roc/reward": 0.5,
            "roc/has_steps/right": 0.25,
            "roc/has_steps/right_kept": 0.0,
        }.items():
            assert logged(roc, name) == pytest.approx([value]), name

    def test_the_step_is_that_of_the_kept_rows_alone(self, trained, tmp_path):
        options = {"num_generations": 4, "per_device_train_batch_size": 8}
        plain = made(GRPOTrainer, tmp_path, texts=KEPT, rewards=RIGHT, options=options)
        before = weights(plain)
        plain.train()
        assert (weights(plain) - before).abs().max() > 1e-4
        torch.testing.assert_close(weights(trained[0]), weights(plain), rtol=0, atol=2e-5)

    def test_what_was_not_sampled_is_in_no_count(self, trained):
        roc, _, logs = trained
        words = [text for stream in STREAMS.values() for text in stream]
        tokens = [len(roc.processing_class(text, add_special_tokens=False)["input_ids"]) + 1 for text in words]
        assert roc.generated_tokens == sum(tokens)
        assert logged(roc, "completions/mean_length") == pytest.approx([sum(tokens) / 12])
        assert logged(roc, "completions/max_length") == [max(tokens)]
        assert logged(roc, "completions/clipped_ratio") == [0]
        [shown] = logs
        texts = [row[0]["content"] for row in shown["completion"]]
        assert sorted(texts) == sorted([*words, *[""] * 4])
        assert [said or "" for said in shown["extra"]["said"]] == texts

    def test_what_it_cannot_do_is_told(self, tmp_path):
        with pytest.raises(StudyError, match=r"a wave of at least 1 \(wave = 0\)"):
            made(RoCGRPOTrainer, tmp_path, mode="waves", wave=0)
        with pytest.raises(StudyError, match="asks vLLM for whole groups"):
            check_selection(config(tmp_path, use_vllm=True), 2, "waves")


class TestIdleSteps:
    def test_the_update_is_skipped_and_training_goes_on(self, tmp_path, caplog):
        steps = iter([RIGHT, [1.0] * 4, RIGHT])
        seen = []

        class Watch(TrainerCallback):
            def on_step_end(self, args, state, control, *, model, **kwargs):
                seen.append(torch.cat([weight.detach().flatten() for weight in model.parameters()]))

        def rewards(prompts, **columns):
            now = next(steps)
            return [now[n % 4] for n in range(len(prompts))]

        options = {"max_steps": 3, "weight_decay": 0.1, "optim": "adamw_torch", "learning_rate": 1e-3}
        roc = made(RoCGRPOTrainer, tmp_path, rewards=rewards, options=options, callbacks=[Watch()], patience=2)
        with caplog.at_level(logging.WARNING, "counterform.train.grpo"):
            roc.train()
        assert torch.equal(seen[0], seen[1])
        assert not torch.equal(seen[1], seen[2])
        assert "step 2: no group has two different rewards" in caplog.text

    def test_too_many_stop_the_arm_with_advice(self, tmp_path):
        roc = made(RoCGRPOTrainer, tmp_path, rewards=[0.0] * 4, options={"max_steps": 9}, patience=2)
        with pytest.raises(TrainingDiverged, match=r"step 2: .* for 2 steps in a row.*counterform audit"):
            roc.train()


class TestBadInput:
    def test_a_keep_that_cannot_be(self, tmp_path):
        for keep in (0, 1, 5):
            with pytest.raises(StudyError, match=rf"keep = {keep}: .* num_generations = 4"):
                made(RoCGRPOTrainer, tmp_path, keep=keep)

    def test_a_mode_that_there_is_not(self, tmp_path):
        with pytest.raises(StudyError, match=r"unknown mode 'papr'.*'paper'\?"):
            made(RoCGRPOTrainer, tmp_path, mode="papr")

    @pytest.mark.parametrize(
        ("rewards", "said"),
        [
            (lambda **_: None, "one number or None a completion"),
            (lambda **_: [1.0], r"returned 1 rewards, but 8 were expected"),
            (lambda prompts, **_: ["good"] * len(prompts), "one number or None a completion"),
            (lambda prompts, **_: [math.inf] * len(prompts), "not finite"),
        ],
    )
    def test_rewards_that_are_none(self, rewards, said, tmp_path):
        with pytest.raises(DataError, match=said):
            made(RoCGRPOTrainer, tmp_path, rewards=rewards).train()

    def test_a_penalty_outside_its_range(self, tmp_path):
        with pytest.raises(DataError, match=r"penalty 2\.0 .* is not in \[0, 1\]"):
            made(RoCGRPOTrainer, tmp_path, penalty_funcs=[cyclic([2.0], "harsh")]).train()

    def test_a_users_own_list_of_rewards_is_left_alone(self, tmp_path):
        funcs = [cyclic(RIGHT)]
        tokenizer = load_tokenizer("world")
        rows = datasets.Dataset.from_list([{"prompt": PROMPTS[0]}])
        RoCGRPOTrainer(
            model=tiny(len(tokenizer)),
            reward_funcs=funcs,
            args=config(tmp_path),
            train_dataset=rows,
            processing_class=tokenizer,
            penalty_funcs=[cyclic(CLEAN, "unclean")],
        )
        assert len(funcs) == 1


LEANT_ON = {
    "_calculate_rewards": ["self", "inputs", "prompts", "completions", "completion_ids_list"],
    "_generate_and_score_completions": ["self", "inputs"],
    "_generate": ["self", "prompts"],
    "compute_loss": ["self", "model", "inputs", "return_outputs", "num_items_in_batch"],
    "_log_metric": ["self", "name", "value"],
    "_log_completion_extra": ["self", "column", "values"],
}
ATTRIBUTES = {
    "__init__": [
        "self.reward_funcs",
        "self.reward_func_names",
        "self.reward_processing_classes",
        "self.reward_weights",
        "self.eos_token_ids = ",
        "self.generation_config = ",
    ],
    "_prepare_inputs": ["self._generate_and_score_completions(", "split_tensor_dict(generation_batch, self.args.steps"],
    "_generate_and_score_completions": [
        "self._calculate_rewards(",
        "inp[key] = values[i]",
        "torch.isnan(rewards_per_func).all(dim=1)",
        "torch.nanmean(rewards",
        '"completion_mask": completion_mask',
        '"num_items_in_batch": num_items_in_batch',
        '"prompt_mask": prompt_mask',
        'output["tool_mask"]',
        "self._pending_metrics",
    ],
    "_compute_loss": ['inputs["num_items_in_batch"]', 'completion_mask * inputs["tool_mask"]', "self.loss_type"],
    "_generate": [
        "self.rollout_func(prompts, self)",
        '"env_mask"',
        "return prompt_ids, completion_ids, tool_mask, completions, logprobs, extra_fields, images, tool_images",
        'self._metrics[mode]["completions/mean_length"].append(',
        'self._metrics[mode]["completions/min_length"].append(',
        'self._metrics[mode]["completions/max_length"].append(',
    ],
    "_generate_single_turn": ["num_generations=num_generations"],
    "_calculate_rewards": ["example[key] for example in inputs"],
    "_log_completion_extra": ["self._pending_extra_logs[column].extend(values)"],
}


class TestTheHooksOfTRL:
    @pytest.mark.parametrize("method", LEANT_ON)
    def test_signatures(self, method):
        found = getattr(GRPOTrainer, method, None)
        assert found is not None, f"TRL: GRPOTrainer.{method} is gone; RoCGRPOTrainer extends or calls it"
        names = list(inspect.signature(found).parameters)
        assert names == LEANT_ON[method], f"TRL: GRPOTrainer.{method} now takes {names}; we lean on {LEANT_ON[method]}"

    @pytest.mark.parametrize("method", ATTRIBUTES)
    def test_what_stands_inside(self, method):
        source = inspect.getsource(getattr(GRPOTrainer, method))
        for words in ATTRIBUTES[method]:
            assert words in source, f"TRL: GRPOTrainer.{method} no longer says {words!r}; see RoCGRPOTrainer"

    def test_every_loss_type_is_sorted(self):
        told = GRPOConfig.__dataclass_fields__["loss_type"].metadata["help"]
        for name in (*EXACT_LOSSES, *ROW_LOSSES):
            assert f"'{name}'" in told, f"TRL: loss_type {name!r} is gone"
        known = {word for word in told.replace(":", " ").replace(",", " ").split() if word.startswith("'")}
        named = {word.strip("'.") for word in known if word.endswith(("'", "'."))} - {"sequence"}
        assert named <= {*EXACT_LOSSES, *ROW_LOSSES, "max_completion_length"}, f"TRL: a loss type is new: {named}"
