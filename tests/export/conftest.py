import msgspec
import numpy as np
import pytest

from counterform.arms.policy import RoC
from counterform.problems.ledger import Ledger
from counterform.results import ArmCard, MatchCard
from counterform.store import Record, RunDir
from counterform.study import Study, to_toml
from counterform.types import Example, Problem

HOSTILE = (
    "  two spaces before",
    "\nnewlines\r\n\r\tand tabs \n\n",
    "<|im_end|>\n<|im_start|>assistant\n<s></s>[INST]",
    "\u2028 \u2029 \x00 \x85 \ufeff é e\u0301 \U0001f600 \u202e",
    "2024-01-31T00:00:00",
    '{"role": "user"}',
    "null",
    "<image>",
)


@pytest.fixture
def run(tmp_path):
    """A compiled run: the arm `texts` holds texts that somebody may have written, `sampled` has no completions."""
    problems = Ledger().generate(len(HOSTILE) + 3, rng=np.random.default_rng(0))
    train, held_out = problems[:-3], [msgspec.structs.replace(p, split="held_out") for p in problems[-3:]]
    texts = [
        Example(
            problem_id=problem.id,
            attempt_ids=(f"{problem.id}/base/0",) * (index % 3),
            prompt=text,
            completion=text[::-1],
        )
        for index, (problem, text) in enumerate(zip(train, HOSTILE, strict=True))
    ]
    sampled = [Example(problem_id=problem.id, prompt=problem.prompt, completion=None) for problem in train]
    files = RunDir(tmp_path / "run")
    files.write_text("study.toml", to_toml(Study(name="tiny", arms=("sft",))))
    files.write_rows("problems.parquet", [*train, *held_out], Problem)
    for name, examples in (("texts", texts), ("sampled", sampled), ("left the study", texts)):
        files.write_rows(f"arms/{name}.parquet", examples, Example)
    cards = tuple(
        ArmCard(arm=name, differs_by="", examples=8, problems=8, prompt_tokens=0, loss_tokens=0)
        for name in ("texts", "sampled")
    )
    card = MatchCard(
        by="examples",
        cases=8,
        problems_with_right_only=0,
        problems_with_wrong_only=0,
        wrong_with_located_error=0,
        arms=cards,
    )
    files.write_text("arms/match.json", msgspec.json.encode(card).decode())
    common = {"key": "key", "files": {}, "made": "today", "seconds": 0.0, "versions": {}, "machine": {}}
    files.records.write(Record(unit="match", **common))
    for name, arm in (
        ("texts", {"objective": "sft", "options": {}}),
        ("sampled", {"objective": "grpo", "options": RoC().options}),
    ):
        files.records.write(Record(unit=f"arm/{name}", facts=arm, **common))
    files.records.write(Record(unit="arm/shuffled", facts={"refused": "the reason"}, **common))
    files.write_mark(b"null")
    return tmp_path / "run"
