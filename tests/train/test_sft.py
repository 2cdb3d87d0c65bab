import inspect
import json
import math

import datasets
import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTTrainer

from counterform.errors import StudyError, TrainingDiverged
from counterform.models import lora
from counterform.models.hf import HFModel
from counterform.models.loading import load_tokenizer
from counterform.models.lora import whole
from counterform.models.source import checkpoint_spec
from counterform.study import BASE, ModelSpec, TrainSpec
from counterform.testing import check_trainer
from counterform.train import sft
from counterform.train.sft import SFT
from counterform.train.tokens import token_counter, training_rows, weights_of
from tests.models.test_source import lora_files

FAST = {"num_train_epochs": 1, "per_device_train_batch_size": 4, "learning_rate": 5e-4}


def trained(arm, out, *, seed=3, lora=None, **options):
    return SFT(TrainSpec(sft={**FAST, **options}, lora=lora)).train(arm, base=str(BASE), seed=seed, out=out)


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_promises(arm, tmp_path):
    check_trainer(SFT(TrainSpec(sft=FAST)), arm, str(BASE), tmp_path)


def test_every_epoch_is_counted_as_the_match_card_counts(arm, tmp_path):
    prompt, loss = token_counter(load_tokenizer("world"))(arm.examples)
    ledger = trained(arm, tmp_path, num_train_epochs=2).ledger
    assert (ledger.examples, ledger.optimizer_steps) == (16, 8)
    assert (ledger.loss_tokens, ledger.prompt_tokens) == (2 * sum(loss), 2 * sum(prompt))
    assert ledger.seconds > 0
    assert ledger.peak_memory_mb > 0


def test_the_loss_is_on_the_completion_alone(arm, tmp_path, monkeypatch):
    batches, step = [], SFTTrainer.training_step
    monkeypatch.setattr(
        SFTTrainer,
        "training_step",
        lambda self, model, inputs, *rest: batches.append({**inputs}) or step(self, model, inputs, *rest),
    )
    trained(arm, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    learnt, hidden = set(), set()
    for batch in batches:
        for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
            learnt.add(tokenizer.decode(ids[labels != -100]))
            hidden.add(tokenizer.decode(ids[(labels == -100) & (mask == 1)]))
    assert learnt == {f"{e.completion}{tokenizer.eos_token}" for e in arm.examples}
    prompts = [[{"role": "user", "content": e.prompt}] for e in arm.examples]
    shown = tokenizer.apply_chat_template(prompts, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert hidden == {tokenizer.decode(ids) for ids in shown}


def test_the_hooks_of_trl_that_are_leant_on():
    for method, leant_on in {
        "training_step": "training_step is extended: model and inputs first, the rest passed on",
        "_prepare_dataset": "_prepare_dataset turns prompt-completion rows into input_ids and a completion_mask",
    }.items():
        assert callable(getattr(SFTTrainer, method, None)), f"TRL: SFTTrainer.{method} is gone; {leant_on}"
    parents = [parent for parent in SFTTrainer.__mro__[1:] if "training_step" in vars(parent)]
    names = list(inspect.signature(parents[0].training_step).parameters)
    assert names[:3] == ["self", "model", "inputs"], "transformers: Trainer.training_step has moved"
    names = set(inspect.signature(SFTTrainer.__init__).parameters)
    assert {"model", "args", "train_dataset", "processing_class", "peft_config"} <= names


def test_a_seed_decides(arm, tmp_path):
    for name, seed in {"one": 3, "again": 3, "other": 4}.items():
        trained(arm, tmp_path / name, seed=seed)
    one, again, other = (weights(tmp_path / name) for name in ("one", "again", "other"))
    assert same(one, again)
    assert not same(one, other)
    assert not same(one, weights(BASE))


def test_of_a_lora_the_adapter_is_kept_and_read_around_the_base(arm, tmp_path):
    options = {"r": 4, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    trained(arm, tmp_path / "lora", lora=options, learning_rate=0.1)
    assert not list((tmp_path / "lora").glob("model*"))
    named = json.loads((tmp_path / "lora" / "adapter_config.json").read_text())
    assert (named["base_model_name_or_path"], named["revision"]) == (str(BASE), None)
    spec = checkpoint_spec(ModelSpec(dtype="float32"), tmp_path / "lora")
    asked = {"n": 1, "seed": 0, "temperature": 0.0, "max_tokens": 24}
    prompts = [example.prompt for example in arm.examples[:4]]

    before = HFModel.open(ModelSpec()).generate(prompts, **asked)
    with whole(spec, dtype="float32") as merged:
        assert not list(merged.glob("adapter*"))
        expected = HFModel.open(ModelSpec(path=str(merged))).generate(prompts, **asked)
    assert expected != before
    first = HFModel.open(spec)
    assert first.generate(prompts, **asked) == expected
    loaded = first.model
    first.close()
    # The base is loaded once for all adapters, as it was, and is given up for any other model.
    second = HFModel.open(spec)
    assert second.model is loaded
    assert second.generate(prompts, **asked) == expected
    second.close()
    assert lora._left
    assert HFModel.open(ModelSpec()).generate(prompts, **asked) == before
    assert not lora._left


def test_a_lora_over_a_lora_is_refused(arm, tmp_path):
    lora_files("world")(tmp_path / "first")
    with pytest.raises(StudyError, match=r"\$\.train\.lora: the base .* is a LoRA itself"):
        SFT(TrainSpec(sft=FAST, lora={"r": 2})).train(
            arm, base=str(tmp_path / "first"), seed=0, out=tmp_path / "second"
        )


class TestOptions:
    def test_an_unknown_one_is_named_with_its_neighbour(self):
        with pytest.raises(StudyError, match=r"\$\.train\.sft: unknown option 'learning_rat'.*'learning_rate'\?"):
            SFT(TrainSpec(sft={"learning_rat": 1e-3}))
        with pytest.raises(StudyError, match=r"\$\.train\.lora: unknown option 'lora_alfa'.*'lora_alpha'\?"):
            SFT(TrainSpec(lora={"lora_alfa": 8}))

    @pytest.mark.parametrize("name", ["output_dir", "seed", "load_best_model_at_end", "completion_only_loss"])
    def test_ours_are_refused(self, name):
        with pytest.raises(StudyError, match=f"'{name}' is set by counterform itself"):
            SFT(TrainSpec(sft={name: 1}))

    def test_rows_packed_without_padding_are_counted(self, arm, tmp_path):
        prompt, loss = token_counter(load_tokenizer("world"))(arm.examples)
        ledger = trained(arm, tmp_path, packing=True).ledger
        assert (ledger.prompt_tokens, ledger.loss_tokens) == (sum(prompt), sum(loss))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"lora": {"target_modules": ["nope"]}}, "nope"),
            ({"lora": {"r": -1}}, "positive integer"),
            ({"eval_strategy": "steps", "eval_steps": 1}, "eval_dataset"),
        ],
    )
    def test_values_that_only_the_trainer_can_refuse(self, arm, tmp_path, options, message):
        with pytest.raises(StudyError, match=rf"(?s)\$\.train: .*{message}"):
            trained(arm, tmp_path, **options)

    def test_a_value_that_makes_no_sense(self, arm, tmp_path):
        with pytest.raises(StudyError, match=r"\$\.train\.sft: .*no_such_scheduler"):
            trained(arm, tmp_path, lr_scheduler_type="no_such_scheduler")


class TestDivergence:
    def test_a_loss_that_is_not_a_number(self, arm, tmp_path, monkeypatch):
        compute = SFTTrainer.compute_loss
        monkeypatch.setattr(SFTTrainer, "compute_loss", lambda *a, **k: compute(*a, **k) * math.nan)
        with pytest.raises(TrainingDiverged, match=r"the loss is nan at step 1\. Lower learning_rate .*now 0\.0005"):
            trained(arm, tmp_path)

    @pytest.mark.parametrize("steps", [1, 4])
    def test_a_learning_rate_beyond_all_reason(self, arm, tmp_path, steps):
        with pytest.raises(TrainingDiverged, match=r"now 1e\+39"):
            trained(arm, tmp_path, learning_rate=1e39, max_steps=steps, lr_scheduler_type="constant")
        assert not list(tmp_path.glob("*.safetensors"))


def test_peak_memory_is_in_megabytes():
    assert 50 < sft.peak_memory_mb() < 1_000_000


class TestKindsThatCountAlike:
    """Half of the examples are of a kind, and have far fewer tokens."""

    @pytest.fixture
    def kinds(self, arm):
        short = [replace(e, completion="7.", kind="short") for e in arm.examples[:8]]
        return replace(arm, examples=(*short, *(replace(e, kind="long") for e in arm.examples[8:])))

    def test_the_weights(self, kinds, arm):
        count = token_counter(load_tokenizer("world"))
        given, tokens = weights_of(kinds.examples, count), count(kinds.examples)[1]
        weighed = [weight * n for weight, n in zip(given, tokens, strict=True)]
        assert sum(weighed[:8]) == pytest.approx(sum(weighed[8:]))
        assert sum(weighed) == pytest.approx(sum(tokens))
        assert given[0] > 3 * given[-1]
        assert weights_of(arm.examples, count) is None

    def test_the_step_is_that_of_the_weighted_loss(self, kinds, tmp_path):
        """One step of SGD on all rows, against the gradient by hand."""
        options = {"optim": "sgd", "lr_scheduler_type": "constant", "max_grad_norm": 0.0, "learning_rate": 0.1}
        checkpoint = trained(kinds, tmp_path, per_device_train_batch_size=16, **options)
        model, tokenizer = AutoModelForCausalLM.from_pretrained(BASE), load_tokenizer("world")
        given = weights_of(kinds.examples, token_counter(tokenizer))
        total = 0.0
        for example, weight in zip(kinds.examples, given, strict=True):
            asked = {"role": "user", "content": example.prompt}
            said = {"role": "assistant", "content": example.completion}
            start = len(tokenizer.apply_chat_template([asked], add_generation_prompt=True)["input_ids"])
            ids = torch.tensor([tokenizer.apply_chat_template([asked, said])["input_ids"]])
            labels = ids.clone()
            labels[:, :start] = -100
            total = total + weight * model(ids, labels=labels).loss * (ids.shape[1] - start)
        (total / checkpoint.ledger.loss_tokens).backward()
        after = weights(tmp_path)
        moved = {name: weight - 0.1 * weight.grad for name, weight in model.named_parameters()}
        assert max((after[name] - moved[name]).abs().max() for name in moved if name in after) < 2e-6

    @pytest.mark.parametrize("over_all", [True, False])
    def test_processes_together_make_the_step_of_one(self, kinds, tmp_path, monkeypatch, over_all):
        """Gradients of processes are averaged. Where a process divides by the tokens of all, it must make up for that."""
        model, tokenizer = AutoModelForCausalLM.from_pretrained(BASE), load_tokenizer("world")
        rows = datasets.Dataset.from_list(training_rows(kinds.examples, tokenizer))
        trainer = sft._CountingTrainer(
            model=model,
            args=SFT(TrainSpec(sft={**FAST, "average_tokens_across_devices": over_all}))._config(0, tmp_path),
            train_dataset=rows.add_column(sft.WEIGHT, weights_of(kinds.examples, token_counter(tokenizer))),
            processing_class=tokenizer,
            weighted=True,
        )
        every = list(trainer.train_dataset)

        def loss(rows, tokens):
            return trainer.compute_loss(model, trainer.data_collator(rows), num_items_in_batch=tokens).item()

        def tokens(rows):
            return int((trainer.data_collator(rows)["labels"][:, 1:] != -100).sum())

        alone, mean = loss(every, tokens(every)), loss(every, None)
        assert alone == pytest.approx(mean, rel=1e-5)
        monkeypatch.setattr(type(trainer.accelerator), "num_processes", 2)
        shares = [every[:5], every[5:]]  # of uneven numbers of tokens
        counted = [tokens(every if over_all else share) for share in shares]
        both = sum(loss(share, n) for share, n in zip(shares, counted, strict=True)) / 2
        local = sum(loss(share, None) for share in shares) / 2
        assert both == pytest.approx(alone if over_all else local, rel=1e-5)
        assert abs(alone - local) > 0.01 * alone

    def test_packed_rows_are_refused(self, kinds, arm):
        packed = SFT(TrainSpec(sft={**FAST, "packing": True}))
        packed.check([arm], base=str(BASE))
        with pytest.raises(StudyError, match=r"\$\.train\.sft\.packing: .*cannot be weighed, and sft"):
            packed.check([kinds], base=str(BASE))

    def test_the_hooks_of_trl(self):
        names = list(inspect.signature(SFTTrainer.compute_loss).parameters)
        leant_on = ["self", "model", "inputs", "return_outputs", "num_items_in_batch"]
        assert names == leant_on, f"TRL: SFTTrainer.compute_loss now takes {names}; see _CountingTrainer"
        for method, words in {
            "_set_signature_columns_if_needed": "self._signature_columns = [",
            "compute_loss": "loss * (self.accelerator.num_processes",
        }.items():
            source = inspect.getsource(getattr(SFTTrainer, method))
            assert words in source, f"TRL: SFTTrainer.{method} no longer says {words!r}; see _CountingTrainer"
