"""What Qwen2.5-Coder-0.5B-Instruct answered to the 80 held-out problems of qwen-answers.toml: greedy, its weights of four bits made float32.

python examples/qwen_answers.py RUN FOLDER    keeps a run of that study, under the name and size of the model that had answered
"""

import json
import sys
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from counterform.claims.recorded import read, to_json
from counterform.models.scripted import ScriptedAnswer
from counterform.problems.ledger import Ledger
from counterform.report.markdown import record
from counterform.store import finished_run
from counterform.study import load_study

HERE = Path(__file__).parent
MODEL, PARAMETERS = "Qwen2.5-Coder-0.5B-Instruct", 630_167_424
"""The output layer is one of its own in the file that was asked, which is 136 M of them."""


def by_prompt() -> dict[str, str]:
    """The recorded answers by what was asked."""
    spec = load_study(HERE / "qwen-answers.toml").problems
    rows = [json.loads(line) for line in (HERE / "qwen-answers.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = {row["problem_id"]: row["response"] for row in rows}
    problems = Ledger().generate(spec.train + spec.held_out, rng=np.random.default_rng(0), lengths=spec.lengths)
    return {spec.template.replace("{prompt}", p.prompt): answers[p.id] for p in problems if p.id in answers}


_ANSWERS = by_prompt()


@ScriptedAnswer
def qwen2_5_coder_0_5b(prompt: str, sample: int) -> str | None:
    """The recorded answer; a problem that was not asked is a failed call."""
    return _ANSWERS.get(prompt)


if __name__ == "__main__":
    _, figures = record(finished_run(Path(sys.argv[1])), Path(sys.argv[2]))
    figures.write_text(to_json(replace(read(figures), model=MODEL, parameters=PARAMETERS)), encoding="utf-8")
