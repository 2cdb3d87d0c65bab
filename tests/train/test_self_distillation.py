import inspect
import json
from importlib import import_module

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import load_file

from counterform.bench import Bench
from counterform.errors import StudyError
from counterform.models.hf import HFModel
from counterform.models.loading import load, load_tokenizer
from counterform.problems.ledger import Ledger
from counterform.results import TOKEN_CLASSES
from counterform.study import BASE, TrainSpec
from counterform.testing import check_trainer
from counterform.text.lexicon import load_lexicon
from counterform.train.self_distillation import KL_OF, SDFT, SDPO, apart_by_class, feedback_on
from counterform.types import Arm, Attempt, Completion, Example, Graded, Mark
from counterform.verify.answer import Answers
from counterform.verify.steps import grade

FAST = {
    "max_steps": 2,
    "per_device_train_batch_size": 8,
    "num_generations": 4,
    "max_completion_length": 24,
    "learning_rate": 1e-3,
}
KINDS = {"sdft": SDFT, "sdpo": SDPO}
PROBLEMS = Ledger().generate(4, rng=np.random.default_rng(1), lengths=(1,))
EXAMPLES = tuple(Example(problem_id=p.id, prompt=p.prompt, completion=None) for p in PROBLEMS)
SHOWN = [f"{p.prompt}\n{p.solution}\n\n{p.prompt}" for p in PROBLEMS]


def graded(attempts):
    known = {problem.id: problem for problem in PROBLEMS}
    family = Ledger()
    verdicts = grade(attempts, known, outcome=Answers(5.0), steps=family)
    return [Graded(attempt=a, verdict=v) for a, v in zip(attempts, verdicts, strict=True)]


def arm(kind, **options):
    given = {"sdft": {"teacher_prompts": SHOWN}, "sdpo": {"include_environment_feedback": True}}[kind]
    return Arm(name=kind, objective=kind, differs_by="shown", examples=EXAMPLES, options=given | options)


def trainer(kind, **more):
    return KINDS[kind](TrainSpec(**{kind: FAST | more}), bench=Bench(grade=graded))


def moved(folder):
    before, after = load_file(BASE / "model.safetensors"), load_file(folder / "model.safetensors")
    return any(not torch.equal(before[name].float(), after[name].float()) for name in before)


def distances(folder):
    """Of every logged step, how far the student stood from its teacher on each class of tokens."""
    rows = [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]
    return [{name: row[name] for name in row if name.startswith(f"{KL_OF}/")} for row in rows if "loss" in row]


def test_sdpo_learns_from_its_own_right_rollouts(tmp_path):
    check_trainer(trainer("sdpo"), arm("sdpo"), str(BASE), tmp_path)
    [folder] = [path.parent for path in tmp_path.rglob("model.safetensors")]
    assert moved(folder)
    assert distances(folder)[0]


def test_a_teacher_that_is_shown_no_feedback_is_given_none(tmp_path, caplog):
    without = arm("sdpo", include_environment_feedback=False, use_successful_as_teacher=True)
    trainer("sdpo", max_steps=1).train(without, base=str(BASE), seed=0, out=tmp_path)
    assert "received environment feedback" not in caplog.text, "TRL's warning of what it does not use"


def test_sdft_learns_from_what_its_teacher_is_shown_and_the_ledger_counts_it(tmp_path):
    ours = trainer("sdft")
    ours.check([arm("sdft")], base=str(BASE))
    ledger = ours.train(arm("sdft"), base=str(BASE), seed=0, out=tmp_path).ledger
    assert moved(tmp_path)
    assert ledger.loss_tokens == ledger.generated_tokens > 16
    assert (ledger.examples, ledger.optimizer_steps, ledger.idle_steps) == (4, 2, 0)
    assert ledger.prompt_tokens > ledger.generated_tokens, "the student's prompts and the teacher's"
    assert max(map(abs, distances(tmp_path)[0].values())) > 1e-3


def test_a_teacher_that_is_shown_nothing_stands_where_its_student_does(tmp_path):
    nothing = arm("sdft", teacher_prompts=[problem.prompt for problem in PROBLEMS])
    trainer("sdft", max_steps=1).train(nothing, base=str(BASE), seed=0, out=tmp_path)
    assert max(map(abs, distances(tmp_path)[0].values())) < 1e-5


def test_no_right_rollout_and_no_feedback_is_a_step_that_is_no_update(tmp_path):
    def wrong(attempts):
        marks = {"outcome": Mark.WRONG, "lenient": Mark.WRONG, "steps": ()}
        return [replace(one, verdict=replace(one.verdict, **marks)) for one in graded(attempts)]

    ours = SDPO(TrainSpec(sdpo=FAST), bench=Bench(grade=wrong))
    ledger = ours.train(arm("sdpo"), base=str(BASE), seed=0, out=tmp_path).ledger
    assert (ledger.optimizer_steps, ledger.idle_steps, ledger.loss_tokens) == (2, 2, 0)


def test_feedback_names_the_first_wrong_step_and_nothing_where_there_is_none():
    family, problem = Ledger(), PROBLEMS[0]
    planted = family.plant_errors(problem, rng=np.random.default_rng(0))[0]
    texts = [planted.text, problem.solution]
    attempts = [
        Attempt(
            id=str(at),
            problem_id=problem.id,
            model="m",
            seed=0,
            completion=Completion(text=text, tokens=1, finish="stop"),
        )
        for at, text in enumerate(texts)
    ]
    wrong, right = graded(attempts)
    assert f"Step {planted.first_error + 1} is wrong" in feedback_on(wrong)
    assert feedback_on(right) == ""


def test_the_distance_to_the_teacher_is_told_by_class_of_token():
    tokenizer = load_tokenizer("world")
    ids = torch.tensor([tokenizer(PROBLEMS[0].solution, add_special_tokens=False)["input_ids"]])
    student = torch.zeros(1, ids.shape[1], len(tokenizer))
    teacher = student.clone()
    last = [at for at, token in enumerate(ids[0].tolist()) if PROBLEMS[0].answer in tokenizer.decode([token])][-1]
    teacher[0, last, ids[0, last]] = 5.0

    class Seen:
        student_logits, teacher_logits, completion_ids, loss_mask = student, teacher, ids, torch.ones_like(ids)

    found = apart_by_class(Seen, tokenizer, load_lexicon())
    assert set(found) <= set(TOKEN_CLASSES)
    assert found["answer"] < -1
    assert found["form"] == found["step result"] == 0


@pytest.mark.slow
def test_what_the_teacher_is_shown_is_learnt_and_what_belongs_elsewhere_is_not(tmp_path):
    """Planted: the student is asked in capitals, which the base never read; its teacher in plain words, about this problem or another."""
    problems = Ledger().generate(16, rng=np.random.default_rng(5), lengths=(2,))
    examples = tuple(Example(problem_id=p.id, prompt=p.prompt.upper(), completion=None) for p in problems)

    def gained(shift):
        shown = [problems[at - shift].prompt for at in range(len(problems))]
        told = Arm(name="sdft", objective="sdft", differs_by="", examples=examples, options={"teacher_prompts": shown})
        more = {"max_steps": 12, "per_device_train_batch_size": 32, "num_generations": 8, "max_completion_length": 48}
        out = tmp_path / str(shift)
        trainer("sdft", **more).train(told, base=str(BASE), seed=0, out=out)
        after, before = (HFModel.wrap(*load(str(where))) for where in (out, BASE))
        return np.array(
            [
                after.logprobs(p.prompt.upper(), [p.solution])[0] - before.logprobs(p.prompt.upper(), [p.solution])[0]
                for p in problems
            ]
        )

    own, another = gained(0), gained(1)
    apart = own - another
    low = apart.mean() - 2.13 * apart.std(ddof=1) / np.sqrt(len(apart))
    assert own.mean() > 0
    assert low > 0, f"{own.mean():.2f} nats with its own problem, {another.mean():.2f} with another"


class TestWhatCannotBe:
    def test_more_than_the_window_holds(self):
        long = arm("sdft", teacher_prompts=["7 + 5 = 12. " * 400, *SHOWN[1:]])
        with pytest.raises(StudyError, match=r"arm 'sdft': its teacher may be shown 2,\d+ tokens.*max_prompt_length"):
            trainer("sdft").check([long], base=str(BASE))
        with pytest.raises(StudyError, match=r"arm 'sdpo': its teacher may be shown .* beside \$\.train\.sdpo"):
            trainer("sdpo", max_completion_length=900).check([arm("sdpo")], base=str(BASE))

    @pytest.mark.parametrize(("kind", "option"), [("sdft", "teacher_prompt_template"), ("sdpo", "distillation_weight")])
    def test_what_an_arm_says_for_itself(self, kind, option):
        with pytest.raises(StudyError, match=f"{option!r} is set by counterform itself"):
            trainer(kind, **{option: 1})

    def test_what_an_arm_is_cannot_be_taken_away(self):
        with pytest.raises(StudyError, match="arm 'sdpo' is what it is by include_environment_feedback = True"):
            trainer("sdpo", include_environment_feedback=False).check([arm("sdpo")], base=str(BASE))

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_table_without_its_trainer(self, kind, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, f"trl.experimental.{kind}", None)
        with pytest.raises(StudyError, match=rf"\$\.train\.{kind}: this version of TRL has no {kind.upper()}"):
            KINDS[kind](TrainSpec(**{kind: FAST}))
        KINDS[kind](TrainSpec())


class TestTheHooksOfTRL:
    """What is leant on, named: where TRL moves it, this says what to look at."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_signatures(self, kind):
        theirs = getattr(import_module(f"trl.experimental.{kind}"), f"{kind.upper()}Trainer")
        wanted = {
            "__init__": {"model", "args", "train_dataset", "processing_class", "peft_config"},
            "_prepare_training_batch": {"inputs"},
            "_compute_self_distillation_loss": {"model", "inputs", "distillation_logits"},
            "sample_rollouts": {"inputs"},
        }
        for method, names in wanted.items():
            lost = names - set(inspect.signature(getattr(theirs, method)).parameters)
            assert not lost, f"TRL: {theirs.__name__}.{method} no longer takes {lost}; see train/self_distillation.py"

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_stands_inside(self, kind):
        module = import_module(f"trl.experimental.{kind}.{kind}_trainer")
        source = inspect.getsource(module)
        for words in (
            "raw_completion_lengths",
            "teacher_attention_mask",
            "privileged_context",
            "loss_mask",
            "_metrics",
        ):
            assert words in source, f"TRL: {module.__name__} no longer has {words!r}; see train/self_distillation.py"
        assert set(inspect.signature(module.DistillationLogits).parameters) >= {
            "completion_ids",
            "loss_mask",
            "student_logits",
            "teacher_logits",
        }

    def test_feedback_is_read_after_the_rollouts(self):
        source = inspect.getsource(
            import_module("trl.experimental.sdpo.sdpo_trainer").SDPOTrainer._prepare_training_batch
        )
        assert source.index("self.sample_rollouts(") < source.index('example.get("privileged_context")'), (
            "TRL: SDPOTrainer reads its feedback before its rollouts; see WatchedSDPO.sample_rollouts"
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"max_steps": -1, "num_train_epochs": 2, "gradient_accumulation_steps": 2}])
def test_how_many_steps_it_takes_is_known_before(kind, options, tmp_path):
    whole = trainer(kind, **options)
    done = whole.train(arm(kind), base=str(BASE), seed=0, out=tmp_path / "whole")
    assert whole.steps(len(EXAMPLES)) == done.ledger.optimizer_steps
    short = whole.shortened(1).train(arm(kind), base=str(BASE), seed=0, out=tmp_path / "short")
    assert short.ledger.optimizer_steps == 1
