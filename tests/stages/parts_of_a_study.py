"""Parts that cost nothing, so that a test can run a whole study many times."""

import os
import re
import time
from pathlib import Path

from counterform.models.scripted import ScriptedModel
from counterform.problems.ledger import Ledger
from counterform.train.trainer import Trainer
from counterform.types import Checkpoint
from counterform.types import Ledger as Cost

STEP = re.compile(r"Start with (\d+)\.")
SECONDS = float(os.environ.get("SECONDS_AN_ANSWER", "0"))


def answer(prompt: str, sample: int) -> str:
    """A worked answer that is right now and then, so that every problem has attempts of both kinds."""
    time.sleep(SECONDS)
    found = sorted(map(int, re.findall(r"\d+", prompt)))
    return f"{found[0]} + 1 = {found[0] + 1}. The answer is {SOLVED.get(prompt, 0) if sample % 2 else 7}."


SOLVED: dict[str, int] = {}


class Solver(ScriptedModel):
    """Knows the answers to all problems of the family, and gives them every other time."""

    @classmethod
    def open(cls, spec):
        if not SOLVED:
            import numpy as np

            known = Ledger().generate(200, rng=np.random.default_rng(0))
            SOLVED.update({problem.prompt: problem.answer for problem in known})
        return cls(answer, name="solver", logprob=lambda prompt, continuation: -1.0)


class OtherSolver(Solver):
    """The same, under another name."""


class Learner(Solver):
    """Solves every problem once it was trained as the arm `sft`; any other arm answers as before."""

    @classmethod
    def open(cls, spec):
        solver = super().open(spec)
        if "checkpoints/sft/" not in spec.path:
            return solver
        return cls(
            lambda prompt, sample: f"The answer is {SOLVED[prompt]}.",
            name=spec.path[-5:],
            logprob=lambda prompt, continuation: -1.0,
        )


class Steps(Ledger):
    """The family's verifier, under another name."""


class Copy(Trainer):
    """Trains nothing, and says with what."""

    def train(self, arm, *, base, seed, out: Path):
        (out / "weights.txt").write_text(f"{arm.name} {seed} {self.spec.sft} {len(arm.examples)}")
        return Checkpoint(arm=arm.name, seed=seed, path=str(out), ledger=Cost(examples=len(arm.examples)))


class OtherCopy(Copy):
    """The same, under another name."""
