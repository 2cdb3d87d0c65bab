"""Logs that the tools write here and now, over the world's tiny base or a scripted model, read back. Slow; each needs its tool."""

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from counterform.compare import compare_arms
from counterform.problems.ledger import Ledger

pytestmark = pytest.mark.slow
BASE = Path(str(files("counterform.world"))) / "base"
PROBLEMS = Ledger().generate(8, rng=np.random.default_rng(0))

LM_EVAL_TASK = r"""
task: ledger
dataset_path: json
dataset_kwargs: {data_files: {test: FILE}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["</s>"], max_gen_toks: 96}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
filter_list:
  - name: strict-match
    filter: [{function: regex, regex_pattern: "The answer is (\\-?[0-9]+)\\."}, {function: take_first}]
  - name: flexible-extract
    filter: [{function: regex, group_select: -1, regex_pattern: "(-?[0-9]+)"}, {function: take_first}]
"""


def test_lm_eval_on_the_tiny_base(tmp_path):
    evaluate = pytest.importorskip("lm_eval")
    rows = [{"question": problem.prompt, "answer": problem.answer} for problem in PROBLEMS]
    (tmp_path / "ledger.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "ledger.yaml").write_text(LM_EVAL_TASK.replace("FILE", str(tmp_path / "ledger.jsonl")))
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    for name, chat in (("bare", False), ("template", True)):
        tracker = EvaluationTracker(output_path=str(tmp_path / name))
        results = evaluate.simple_evaluate(
            model="hf",
            model_args=f"pretrained={BASE},dtype=float32",
            tasks=["ledger"],
            task_manager=TaskManager(include_path=str(tmp_path / "task")),
            device="cpu",
            apply_chat_template=chat,
            log_samples=True,
            evaluation_tracker=tracker,
        )
        tracker.save_results_aggregated(results=results, samples=results["samples"])
        tracker.save_results_samples(task_name="ledger", samples=results["samples"]["ledger"])
    found = compare_arms([tmp_path / "bare", tmp_path / "template"])
    assert [c.pairs for c in found.comparisons] == [8, 8]
    for c, metric in zip(found.comparisons, ("exact_match,strict-match", "exact_match,flexible-extract"), strict=True):
        assert c.metric == metric
        assert c.second_value == pytest.approx(results["results"]["ledger"][metric])
    assert any("rendered differently" in note for note in found.notes)


@pytest.mark.parametrize("log_format", ["eval", "json"])
def test_inspect_with_a_scripted_model(tmp_path, log_format):
    inspect_ai = pytest.importorskip("inspect_ai")
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import includes
    from inspect_ai.solver import generate

    def said(text):
        output = ModelOutput.from_content("mockllm/model", text)
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    expected = []
    for name, wrong in (("first", 3), ("second", 2)):
        samples = [Sample(id=p.id, input=p.prompt, target=p.answer) for p in PROBLEMS]
        texts = [f"It is {'x' if at % wrong == 0 else p.answer}." for _ in range(2) for at, p in enumerate(PROBLEMS)]
        [log] = inspect_ai.eval(
            inspect_ai.Task(dataset=MemoryDataset(samples), solver=generate(), scorer=includes(), name="ledger"),
            model=get_model("mockllm/model", custom_outputs=[said(text) for text in texts]),
            epochs=2,
            log_dir=str(tmp_path / name),
            log_format=log_format,
            display="none",
            max_connections=1,
            max_samples=1,
        )
        expected.append(log.results.scores[0].metrics["accuracy"].value)
    [c] = compare_arms([tmp_path / "first", tmp_path / "second"]).comparisons
    assert (c.metric, c.pairs, c.clusters) == ("includes", 16, 8)
    assert [c.first_value, c.second_value] == pytest.approx(expected)


def test_inspect_means_are_ours_whatever_the_scorer_and_whatever_went_wrong(tmp_path):
    """Several scorers, a dictionary, NaN, epochs, choices, a limit, samples and scorers that fail: what is left has inspect's own means."""
    inspect_ai = pytest.importorskip("inspect_ai")
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import Score, choice, includes, match, mean, scorer
    from inspect_ai.solver import generate, multiple_choice, solver

    def said(text):
        output = ModelOutput.from_content("mockllm/model", text)
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    @scorer(metrics={"part": [mean()]})
    def parts():
        async def score(state, target):
            return Score(value={"part": float(target.text in state.output.completion)})

        return score

    @scorer(metrics=[mean()])
    def gaps():
        async def score(state, target):
            if state.sample_id == PROBLEMS[0].id:
                return Score(value=float("nan"))
            if state.sample_id == PROBLEMS[1].id:
                raise ValueError("broken")
            return Score(value="C" if target.text in state.output.completion else "I")

        return score

    @solver
    def failing():
        async def solve(state, generate):
            if state.sample_id == PROBLEMS[2].id:
                raise RuntimeError("no model")
            return await generate(state)

        return solve

    ordinary = [Sample(id=p.id, input=p.prompt, target=p.answer) for p in PROBLEMS]
    chosen = [Sample(id=n, input=f"Which is {n}?", choices=[f"c{n}", "d"], target="A") for n in range(8)]
    runs = {
        "many": (
            {"dataset": MemoryDataset(ordinary), "solver": generate(), "scorer": [includes(), match(), parts()]},
            {"epochs": 3},
        ),
        "gaps": ({"dataset": MemoryDataset(ordinary), "solver": failing(), "scorer": [includes(), gaps()]}, {}),
        "limit": ({"dataset": MemoryDataset(ordinary), "solver": generate(), "scorer": includes()}, {"limit": 5}),
        "choices": ({"dataset": MemoryDataset(chosen), "solver": multiple_choice(), "scorer": choice()}, {}),
    }
    for name, (task, options) in runs.items():
        texts = [f"It is {'x' if n % 3 == 0 else PROBLEMS[n % 8].answer}." for n in range(40)]
        texts = [f"ANSWER: {'AB'[n % 2]}" for n in range(40)] if name == "choices" else texts
        [log] = inspect_ai.eval(
            inspect_ai.Task(**task, name="ledger"),
            model=get_model("mockllm/model", custom_outputs=[said(text) for text in texts]),
            log_dir=str(tmp_path / name),
            display="none",
            max_connections=1,
            max_samples=1,
            fail_on_error=False,
            **options,
        )
        theirs = {score.name: next(iter(score.metrics.values())).value for score in log.results.scores}
        ours = {
            c.metric.rpartition("/")[2]: c.first_value
            for c in compare_arms([tmp_path / name, tmp_path / name]).comparisons
        }
        assert ours == pytest.approx(theirs), name


def test_lm_eval_ranks_choices_on_the_tiny_base(tmp_path):
    evaluate = pytest.importorskip("lm_eval")
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    rows = [{"question": p.prompt, "choices": [p.answer, str(int(p.answer) + 1)]} for p in PROBLEMS]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    common = (
        f"dataset_path: json\ndataset_kwargs: {{data_files: {{test: {tmp_path / 'rows.jsonl'}}}}}\ntest_split: test\n"
    )
    common += 'doc_to_text: "{{question}}"\n'
    tasks = {
        "ranked": 'output_type: multiple_choice\ndoc_to_choice: "{{choices}}"\ndoc_to_target: 0\nmetric_list: [{metric: acc}, {metric: acc_norm}]\n',
        "likely": 'output_type: loglikelihood\ndoc_to_target: " {{choices[0]}}"\nmetric_list: [{metric: perplexity}, {metric: acc}]\n',
    }
    (tmp_path / "tasks").mkdir()
    for name, text in tasks.items():
        (tmp_path / "tasks" / f"{name}.yaml").write_text(f"task: {name}\n{common}{text}")
    tracker = EvaluationTracker(output_path=str(tmp_path / "out"))
    results = evaluate.simple_evaluate(
        model="hf",
        model_args=f"pretrained={BASE},dtype=float32",
        tasks=list(tasks),
        task_manager=TaskManager(include_path=str(tmp_path / "tasks")),
        device="cpu",
        log_samples=True,
        evaluation_tracker=tracker,
    )
    tracker.save_results_aggregated(results=results, samples=results["samples"])
    for name, samples in results["samples"].items():
        tracker.save_results_samples(task_name=name, samples=samples)
    found = {(c.task, c.metric): c for c in compare_arms([tmp_path / "out", tmp_path / "out"]).comparisons}
    for task, metric in (("ranked", "acc,none"), ("ranked", "acc_norm,none"), ("likely", "acc,none")):
        assert found[task, metric].first_value == pytest.approx(results["results"][task][metric])
    assert np.exp(-found["likely", "perplexity,none"].first_value) == pytest.approx(
        results["results"]["likely"]["perplexity,none"]
    )


def test_grpo_of_trl_on_the_tiny_base(tmp_path):
    trl = pytest.importorskip("trl")
    from datasets import Dataset

    def accuracy(completions, answer, **_):
        texts = [completion[0]["content"] for completion in completions]
        return [None if not text else float(key in text) for text, key in zip(texts, answer, strict=True)]

    rows = [{"prompt": [{"role": "user", "content": p.prompt}], "answer": p.answer} for p in PROBLEMS]
    options = trl.GRPOConfig(
        output_dir=str(tmp_path / "run"),
        per_device_train_batch_size=8,
        num_generations=4,
        max_completion_length=48,
        max_steps=2,
        logging_steps=1,
        log_completions=True,
        report_to=[],
        use_cpu=True,
        bf16=False,
    )
    trl.GRPOTrainer(str(BASE), reward_funcs=accuracy, args=options, train_dataset=Dataset.from_list(rows)).train()
    found = compare_arms([tmp_path / "run", tmp_path / "run"])
    [c] = found.comparisons
    assert (c.metric, c.pairs + c.unscored, c.clusters) == ("accuracy", 16, 4)
    assert any("same log" in note for note in found.notes)
