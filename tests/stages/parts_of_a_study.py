"""Parts that cost nothing, so that a test can run a whole study many times."""

import os
import re
import time
from pathlib import Path

import msgspec

from counterform.arms.imitation import Rejection
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


class Idle(Copy):
    """Takes two steps, of which none was an update."""

    def train(self, arm, *, base, seed, out: Path):
        (out / "weights.txt").write_text(arm.name)
        return Checkpoint(arm=arm.name, seed=seed, path=str(out), ledger=Cost(optimizer_steps=2, idle_steps=2))


class Mute(Solver):
    """Answers nothing that could be graded."""

    @classmethod
    def open(cls, spec):
        return cls(lambda prompt, sample: "Hm.", name="mute", logprob=lambda prompt, continuation: -1.0)


class Needy(Rejection):
    """An arm that needs what this machine may not have."""

    name = "needy"
    missing = ""

    @property
    def lacks(self) -> str:
        return type(self).missing


class OtherCopy(Copy):
    """The same, under another name."""


class Floor(Solver):
    """Right now and then at the first two problems, and at no other: enough for a case, and nothing right where it is read."""

    @classmethod
    def open(cls, spec):
        Solver.open(spec)
        known = list(SOLVED)[:2]
        return cls(
            lambda prompt, sample: answer(prompt, sample) if prompt in known else "The answer is -1.", name="floor"
        )


class Ceiling(Solver):
    """Right now and then at the problems that arms are made of, and always at the others."""

    @classmethod
    def open(cls, spec):
        Solver.open(spec)
        trained = list(SOLVED)[:12]
        return cls(lambda prompt, sample: answer(prompt, sample if prompt in trained else 1), name="ceiling")


class Always(Solver):
    """Right at every problem: no case can be made."""

    @classmethod
    def open(cls, spec):
        Solver.open(spec)
        return cls(lambda prompt, sample: answer(prompt, 1), name="always")


TIME = [0.0]
"""A clock that only `Timed` moves."""


class Timed(Copy):
    """Takes three seconds and half a second for each step, two steps for each row."""

    def steps(self, rows):
        return 2 * rows

    def shortened(self, steps):
        return Timed(msgspec.structs.replace(self.spec, sft={"max_steps": steps}), bench=self.bench)

    def train(self, arm, *, base, seed, out: Path):
        steps = self.spec.sft["max_steps"]
        TIME[0] += 3 + 0.5 * steps
        (out / "weights.txt").write_bytes(bytes(2**20))
        cost = Cost(optimizer_steps=steps, loss_tokens=10 * steps, prompt_tokens=30 * steps, peak_memory_mb=50_000)
        return Checkpoint(arm=arm.name, seed=seed, path=str(out), ledger=cost)
