import inspect
import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import load_file
from trl import DPOTrainer, KTOTrainer

from counterform.errors import StudyError, TrainingDiverged
from counterform.models.loading import load, load_tokenizer
from counterform.problems.ledger import Ledger
from counterform.study import BASE, NO_CHAT, TrainSpec
from counterform.testing import check_trainer
from counterform.train import preference
from counterform.train.preference import DPO, KTO, ORPO
from counterform.train.tokens import token_counter
from counterform.types import Arm, Example

FAST = {"num_train_epochs": 1, "per_device_train_batch_size": 4, "learning_rate": 1e-3, "logging_steps": 1, "beta": 0.1}
KINDS = {"dpo": DPO, "kto": KTO, "orpo": ORPO}


@pytest.fixture(scope="module")
def pairs():
    """Eight ledger problems: the worked solution, and one with a planted error."""
    family = Ledger()
    examples = tuple(
        Example(
            problem_id=p.id,
            prompt=p.prompt,
            completion=p.solution,
            rejected=family.plant_errors(p, rng=np.random.default_rng(0))[0].text,
        )
        for p in family.generate(8, rng=np.random.default_rng(1), lengths=(1, 2))
    )
    return examples


def arm(pairs, kind, **options):
    return Arm(name=kind, objective=kind, differs_by="pairs", examples=pairs, options=options)


def trained(pairs, kind, out, *, lora=None, options=None, **more):
    trainer = KINDS[kind](TrainSpec(**{kind: {**FAST, **more}}, lora=lora))
    return trainer.train(arm(pairs, kind, **(options or {})), base=str(BASE), seed=3, out=out)


def margin(pairs, folder):
    """Mean log-probability of the right attempts less that of the wrong ones (nats)."""
    tokenizer, model = load_tokenizer("world"), load(str(folder))[0]

    def score(prompt, text):
        asked = [{"role": "user", "content": prompt}]
        start = len(tokenizer.apply_chat_template(asked, add_generation_prompt=True)["input_ids"])
        whole = tokenizer.apply_chat_template([*asked, {"role": "assistant", "content": text}])["input_ids"]
        ids = torch.tensor([whole])
        with torch.no_grad():
            logits = model(ids).logits[0, start - 1 : -1].log_softmax(-1)
        return logits.gather(1, ids[0, start:, None]).sum().item()

    return np.mean([score(e.prompt, e.completion) - score(e.prompt, e.rejected) for e in pairs])


class TestEachOne:
    """The margin between right and wrong grows, the ledger counts what the trainer was shown, and a checkpoint is whole."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_it_learns_to_prefer_the_right_attempt(self, pairs, kind, tmp_path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            checkpoint = trained(pairs, kind, tmp_path)
        assert margin(pairs, tmp_path) > margin(pairs, BASE) + 0.5
        prompt, loss = token_counter(load_tokenizer("world"))(pairs)
        ledger = checkpoint.ledger
        steps = {"dpo": 2, "kto": 4, "orpo": 2}[kind]
        assert (ledger.examples, ledger.optimizer_steps) == (8, steps)
        ends = 0 if kind != "orpo" else 2 * len(pairs)  # ORPO's own end of sequence, behind the template's
        assert 0 <= ledger.loss_tokens - sum(loss) <= ends
        assert 0 <= ledger.prompt_tokens - sum(prompt) <= ends
        assert (tmp_path / "steps.jsonl").exists()

    def test_promises(self, pairs, tmp_path):
        check_trainer(DPO(TrainSpec(dpo=FAST | {"max_steps": 1})), arm(pairs, "dpo"), str(BASE), tmp_path)


class TestReference:
    def test_it_is_the_base_and_is_left_alone_and_ipo_is_dpo_with_its_loss(self, pairs, tmp_path, monkeypatch):
        made, compute = [], DPOTrainer._compute_loss

        def spying(self, *args):
            made.append(self)
            return compute(self, *args)

        monkeypatch.setattr(DPOTrainer, "_compute_loss", spying)
        trained(pairs, "dpo", tmp_path, options={"loss_type": "ipo"}, max_steps=1)
        assert made[0].loss_types == ["ipo"]
        base, reference = load_file(BASE / "model.safetensors"), dict(made[0].ref_model.named_parameters())
        assert made[0].ref_model is not made[0].model
        assert all(torch.equal(base[name].float(), weight) for name, weight in reference.items())

    def test_with_lora_it_is_the_model_without_it(self, pairs, tmp_path, monkeypatch):
        loads, load = [], preference.load
        monkeypatch.setattr(preference, "load", lambda *args, **kwargs: loads.append(args) or load(*args, **kwargs))
        lora = {"r": 4, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
        trained(pairs, "dpo", tmp_path, lora={**lora, "exclude_modules": ["lm_head"]}, max_steps=2, learning_rate=1e-2)
        assert not loads  # but that which is trained
        assert list(tmp_path.glob("adapter*"))
        assert margin(pairs, tmp_path) != margin(pairs, BASE)

    @pytest.mark.parametrize(
        "error", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError()]
    )
    def test_one_that_does_not_fit_is_told_with_what_needs_less(self, pairs, tmp_path, monkeypatch, error):
        monkeypatch.setattr(preference, "load", lambda *a, **k: (_ for _ in ()).throw(error))
        with pytest.raises(
            StudyError, match=r"\$\.train\.dpo: .*reference.*not fit into memory.*train\.lora.*precompute"
        ):
            trained(pairs, "dpo", tmp_path)

    def test_another_error_is_not_taken_for_it(self, pairs, tmp_path, monkeypatch):
        monkeypatch.setattr(preference, "load", lambda *a, **k: (_ for _ in ()).throw(RuntimeError("shapes differ")))
        with pytest.raises(RuntimeError, match="shapes differ"):
            trained(pairs, "dpo", tmp_path)


class TestTheOrderOfKTO:
    """TRL keeps the order of rows and measures each by the completion before it: it must be mixed, and never its own."""

    def test_right_and_wrong_in_turn_and_never_beside_their_own(self, pairs):
        rows = KTO(TrainSpec(kto=FAST)).rows(arm(pairs, "kto"), load_tokenizer("world"), NO_CHAT, 0)
        assert [row["label"] for row in rows] == [True, False] * 8
        texts = {(str(row["prompt"]), str(row["completion"]), row["label"]) for row in rows}
        assert len(texts) == 16
        assert all(one["prompt"] != other["prompt"] for one, other in pairwise(rows))
        assert rows != KTO(TrainSpec(kto=FAST)).rows(arm(pairs, "kto"), load_tokenizer("world"), NO_CHAT, 1)

    def test_one_pair_alone(self, pairs):
        assert len(KTO(TrainSpec(kto=FAST)).rows(arm(pairs[:1], "kto"), load_tokenizer("world"), NO_CHAT, 0)) == 2


class TestOptions:
    @pytest.mark.parametrize("kind", KINDS)
    def test_an_unknown_one_is_named_with_its_neighbour(self, kind):
        with pytest.raises(StudyError, match=rf"\$\.train\.{kind}: unknown option 'betta'.*'beta'\?"):
            KINDS[kind](TrainSpec(**{kind: {"betta": 0.1}}))
        with pytest.raises(StudyError, match="'seed' is set by counterform itself"):
            KINDS[kind](TrainSpec(**{kind: {"seed": 1}}))
        with pytest.raises(StudyError, match=rf"\$\.train\.{kind}\.beta"):
            KINDS[kind](TrainSpec(**{kind: {"beta": "high"}}))

    def test_what_only_the_trainer_can_refuse(self, pairs, tmp_path):
        with pytest.raises(StudyError, match=r"\$\.train: .*batch size must be > 1"):
            trained(pairs, "kto", tmp_path, per_device_train_batch_size=1)
        with pytest.raises(StudyError, match=r"\$\.train\.dpo: Unknown loss type: no_such_loss"):
            trained(pairs, "dpo", tmp_path, loss_type="no_such_loss")

    def test_what_an_arm_is_cannot_be_taken_away(self, pairs):
        trainer = DPO(TrainSpec(dpo={**FAST, "loss_type": "hinge"}))
        trainer.check([arm(pairs, "dpo")], base=str(BASE))
        with pytest.raises(StudyError, match=r"loss_type is 'hinge', and arm 'dpo' is what it is by loss_type = 'ipo'"):
            trainer.check([arm(pairs, "dpo", loss_type="ipo")], base=str(BASE))

    @pytest.mark.parametrize("side", ["completion", "rejected"])
    def test_texts_that_would_be_cut_are_refused(self, pairs, side):
        long = [replace(pairs[0], **{side: "7 + 5 = 12. " * 200}), *pairs[1:]]
        with pytest.raises(StudyError, match=r"1 of 16 texts are longer than \$\.train\.dpo\.max_length \(1024"):
            DPO(TrainSpec(dpo=FAST)).check([arm(tuple(long), "dpo")], base=str(BASE))
        DPO(TrainSpec(dpo=FAST | {"max_length": 4096})).check([arm(tuple(long), "dpo")], base=str(BASE))

    def test_more_processes_are_refused(self):
        with pytest.raises(StudyError, match=r"\$\.train\.launch"):
            DPO(TrainSpec(launch=("--num_processes", "2")))


def test_a_loss_that_is_not_a_number(pairs, tmp_path, monkeypatch):
    compute = DPOTrainer.compute_loss
    monkeypatch.setattr(DPOTrainer, "compute_loss", lambda *a, **k: compute(*a, **k) * math.nan)
    with pytest.raises(TrainingDiverged, match=r"the loss is nan at step 1\. Lower learning_rate .*raise beta"):
        trained(pairs, "dpo", tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))


class TestTheHooksOfTRL:
    """What is leant on, named: where TRL moves it, this says what to look at."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_signatures(self, kind):
        trainer = KINDS[kind](TrainSpec()).trainer
        theirs = next(one for one in trainer.__mro__ if one.__module__.startswith("trl."))
        names = set(inspect.signature(theirs.__init__).parameters)
        wanted = {"model", "args", "train_dataset", "processing_class", "peft_config"}
        wanted |= {"ref_model"} if KINDS[kind].has_reference else set()
        assert wanted <= names, (
            f"TRL: {theirs.__name__}.__init__ no longer takes {wanted - names}; see ThroughTRL.train"
        )
        parent = next(
            one for one in theirs.__mro__ if "training_step" in vars(one) and one.__module__.startswith("transformers")
        )
        names = list(inspect.signature(parent.training_step).parameters)
        assert names[:3] == ["self", "model", "inputs"], "transformers: Trainer.training_step has moved; see Counting"
        fields = set(inspect.signature(KINDS[kind](TrainSpec()).config).parameters)
        needed = {"max_length", "beta", "learning_rate", "max_grad_norm"}
        needed |= {"precompute_ref_log_probs"} if KINDS[kind].has_reference else set()
        assert needed <= fields, f"TRL: the config of {theirs.__name__} has lost {needed - fields}; see Preference"

    @pytest.mark.parametrize(
        ("trainer", "method", "words", "why"),
        [
            (DPOTrainer, "_compute_loss", 'inputs["completion_mask"]', "_CountingPairs.shown counts it"),
            (KTOTrainer, "_compute_loss", "completion_mask", "_CountingPairs.shown counts it"),
            (
                KTOTrainer,
                "_prepare_dataset",
                '[examples["completion_ids"][-1]] + examples["completion_ids"][:-1]',
                "KTO.rows keeps a case's two apart for it",
            ),
            (
                KTOTrainer,
                "__init__",
                'args.train_sampling_strategy != "sequential"',
                "KTO.rows draws the order that TRL keeps",
            ),
        ],
    )
    def test_what_stands_inside(self, trainer, method, words, why):
        source = inspect.getsource(getattr(trainer, method))
        assert words in source, f"TRL: {trainer.__name__}.{method} no longer says {words!r}; {why}"

    def test_rows_of_orpo(self):
        source = inspect.getsource(ORPO(TrainSpec()).trainer.concatenated_inputs)
        for words in ("chosen_labels", "rejected_labels", "chosen_input_ids"):
            assert words in source, (
                f"TRL: ORPOTrainer.concatenated_inputs no longer reads {words!r}; see CountingORPO.shown"
            )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"num_train_epochs": 2, "gradient_accumulation_steps": 3}, {"max_steps": 3}])
def test_how_many_steps_it_takes_is_known_before(pairs, kind, options, tmp_path):
    trainer = KINDS[kind](TrainSpec(**{kind: {**FAST, **options}}))
    done = trainer.train(arm(pairs, kind), base=str(BASE), seed=0, out=tmp_path / "whole")
    assert trainer.steps(len(pairs)) == done.ledger.optimizer_steps
    short = trainer.shortened(1).train(arm(pairs, kind), base=str(BASE), seed=0, out=tmp_path / "short")
    assert short.ledger.optimizer_steps == 1
