"""Logs that the tools write here and now, over the world's tiny base or a scripted model, read back. Slow; each needs its tool."""

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from counterform.compare import compare
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
    found = compare([tmp_path / "bare", tmp_path / "template"])
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
    [c] = compare([tmp_path / "first", tmp_path / "second"]).comparisons
    assert (c.metric, c.pairs, c.clusters) == ("includes", 16, 8)
    assert [c.first_value, c.second_value] == pytest.approx(expected)


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
    found = compare([tmp_path / "run", tmp_path / "run"])
    [c] = found.comparisons
    assert (c.metric, c.pairs + c.unscored, c.clusters) == ("accuracy", 16, 4)
    assert any("same log" in note for note in found.notes)
