"""Does a model's own critique of an attempt help it to a right answer?"""

from __future__ import annotations

from counterform.metrics import Metric
from counterform.probes.find_error import label
from counterform.probes.probe import HeldOut, Probe
from counterform.text import wording
from counterform.types import Attempt, Completion, Mark, Model, Reading

REPAIRED, KEPT = "repaired", "kept"


class Repair(Probe):
    """Shows an attempt and the model's own critique of it, asks the problem once more, and grades the new answer.

    `repaired`: of attempts with a wrong step, those after which the answer is right. `kept`: the same of sound attempts, which
    a critique can talk a model out of. One answer an attempt, critique and answer greedy; the attempts and critiques are
    those of `find_error`. A model may be right without having looked at either: `repaired` is to be read beside solving,
    and only what an arm has more of it than of solving is repair.
    """

    name = "repair"
    reads = ("max_tokens", "attempts")
    metrics = (
        Metric(
            name=REPAIRED,
            title="Repair: wrong attempts",
            meaning="Attempts with a wrong step after which, and the own critique of which, the answer is right.",
        ),
        Metric(
            name=KEPT,
            title="Repair: sound attempts",
            meaning="Sound attempts after which, and the own critique of which, the answer is right.",
            headline=False,
        ),
    )

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        prompts = {problem.id: problem.prompt for problem in items.problems}
        shown = [(prompts[g.attempt.problem_id], g.step_texts) for g in items.attempts]
        critiques = self._asked(model, [wording.critique_prompt(*one) for one in shown], seed)
        # A critique that was never heard is no reason to ask on: such an attempt is not read.
        heard = [at for at, critique in enumerate(critiques) if critique.finish != "error"]
        answers = self._asked(model, [wording.repair_prompt(*shown[at], critiques[at].text) for at in heard], seed)
        attempts = [
            Attempt(
                id=f"{items.attempts[at].attempt.problem_id}/{arm}-{seed}-repair/{at}",
                problem_id=items.attempts[at].attempt.problem_id,
                model=arm,
                seed=seed,
                completion=answer,
            )
            for at, answer in zip(heard, answers, strict=True)
        ]
        outcomes = {
            at: None if graded.attempt.completion.finish == "error" else graded.verdict.outcome
            for at, graded in zip(heard, self.bench.grade(attempts), strict=True)
        }
        return [
            Reading(
                probe=self.name,
                metric=KEPT if label(graded) == -1 else REPAIRED,
                arm=arm,
                seed=seed,
                item_id=graded.attempt.id,
                problem_id=graded.attempt.problem_id,
                mark=outcomes.get(at) or Mark.UNKNOWN,
                value=None if outcomes.get(at) is None else float(outcomes[at] is Mark.RIGHT),
            )
            for at, graded in enumerate(items.attempts)
        ]

    def _asked(self, model: Model, prompts: list[str], seed: int) -> list[Completion]:
        rows = model.generate(prompts, n=1, seed=seed, temperature=0.0, max_tokens=self.spec.max_tokens)
        return [answer for (answer,) in rows]
