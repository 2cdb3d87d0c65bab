"""What nine published systems say, and what any recorded study says to it. Pure.

A claim is data: where it was published, with which number, and the rule by which figures of a study decide it. `supported`,
`refuted` and `undecided` are said of the study's models and problems; `not asked` where it holds nothing that could decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from counterform.claims.recorded import AWAY, Recorded
from counterform.claims.rules import Above, ClaimVerdict, Difference, Kept, Standing
from counterform.metrics import Measured
from counterform.study import BASE_ARM

NOT_ASKED: Literal["not asked"] = "not asked"


class Claim(Struct, frozen=True, kw_only=True):
    """One sentence of a source, its number, and what decides it here."""

    system: str
    source: str
    says: str
    published: str
    """Its number and at what size it was found; or that there is none."""
    rule: Difference | Standing | Kept


class Asked(Struct, frozen=True, kw_only=True):
    """One claim in one study; or in none."""

    claim: Claim
    verdict: ClaimVerdict
    study: Recorded | None = None
    what: str = ""
    figures: str = ""
    lacking: str = ""
    """Of what is undecided: what would decide it."""


_FORM, _VALID, _MIRAGE = "Instruction semantics", "Invalid rationales", "Chain of thought as a mirage"
_CRITIQUE, _PROCESS, _ROC = "Critique fine-tuning", "Process verification", "GRPO-RoC"
_TRUST, _ERASED, _FORMAT = "Self-trust", "What correctness erases", "Format and strategy"
_NONE = "no number at hand"
_OURS = "not in the source: our question to it"

_SOLVING = Measured(probe="accuracy", metric="pass@1")

CLAIMS = (
    Claim(
        system=_FORM,
        source="arXiv 2305.11383",
        says="Tuning with definitions that only state the answer space does about as well as with whole ones.",
        published="about 3 points less (LLaMA-7B, Alpaca's data)",
        rule=Difference(
            of=Measured(probe="instructions", metric="exact match"),
            arm="instructions(definition=space)",
            versus="instructions",
            way="alike",
        ),
    ),
    Claim(
        system=_FORM,
        source="arXiv 2305.11383",
        says="What a model tuned on little data reaches on new tasks is near a guess in the answer space.",
        published="43 % against 42.6 % for a guess (T5-large)",
        rule=Standing(
            of=Measured(probe="instructions", metric="exact match"), arm="instructions", way="near a guess", bound=0.05
        ),
    ),
    Claim(
        system=_VALID,
        source="arXiv 2307.10573",
        says="As few-shot exemplars, worked answers do better than bare ones.",
        published=f"{_NONE} (Codex, BIG-Bench Hard)",
        rule=Difference(of=Measured(probe="validity", metric="answer"), arm="cot", versus="direct", way="more"),
    ),
    Claim(
        system=_VALID,
        source="arXiv 2307.10573",
        says="As few-shot exemplars, worked answers do better than bare ones (a model asked here).",
        published=f"{_NONE} (Codex, BIG-Bench Hard)",
        rule=Standing(
            of=Measured(probe="validity", metric="answer lost", condition="answer only", against="valid"),
            arm=BASE_ARM,
            way="above",
            bound=0.0,
        ),
    ),
    Claim(
        system=_VALID,
        source="arXiv 2307.10573",
        says="As few-shot exemplars, invalid rationales do nearly as well as valid ones.",
        published="close behind; 80 to 90 % kept in arXiv 2212.10001 (text-davinci-002)",
        rule=Standing(
            of=Measured(probe="validity", metric="answer lost", condition="invalid", against="valid"),
            arm=BASE_ARM,
            way="below",
            bound=0.05,
            given=Above(
                of=Measured(probe="validity", metric="answer lost", condition="answer only", against="valid"), least=0.0
            ),
        ),
    ),
    Claim(
        system=_VALID,
        source="arXiv 2307.10573",
        says="Carried over to training: invalid rationales teach nearly as much as valid ones.",
        published=_OURS,
        rule=Difference(of=_SOLVING, arm="invalid_rationale", versus="sft", way="alike"),
    ),
    Claim(
        system=_MIRAGE,
        source="arXiv 2508.01191",
        says="A composition of known parts that was never trained is not solved.",
        published="100 % in distribution, 0.01 % there (GPT-2 of 4 layers, 2 primitives)",
        rule=Standing(
            of=AWAY,
            arm="sft",
            way="below",
            bound=0.1,
            axis="composition",
            given=Above(of=AWAY, least=0.5),
        ),
    ),
    Claim(
        system=_MIRAGE,
        source="arXiv 2508.01191",
        says="One step more than trained fails.",
        published="trained at length 4, fails at 5 (GPT-2 of 4 layers)",
        rule=Standing(
            of=AWAY,
            arm="sft",
            way="below",
            bound=0.1,
            axis="length",
            given=Above(of=AWAY, least=0.5),
        ),
    ),
    Claim(
        system=_CRITIQUE,
        source="arXiv 2501.17703",
        says="Critique training beats imitation of answers in solving.",
        published="57.1 % against 50.4 % (Qwen2.5-Math-7B, mean of six sets)",
        rule=Difference(of=_SOLVING, arm="cft", versus="sft", way="more"),
    ),
    Claim(
        system=_CRITIQUE,
        source="arXiv 2501.17703",
        says="Imitation of worked solutions takes from a model what it could solve.",
        published="37.4 to 20.2 % (Qwen2.5-7B, mean of six sets)",
        rule=Difference(of=_SOLVING, arm="sft", versus=BASE_ARM, way="less", floor=0.1),
    ),
    Claim(
        system=_CRITIQUE,
        source="arXiv 2501.17703",
        says="Critique training does not: it adds to what a model could solve.",
        published="37.4 to 48.6 % (Qwen2.5-7B, mean of six sets)",
        rule=Difference(of=_SOLVING, arm="cft", versus=BASE_ARM, way="more"),
    ),
    Claim(
        system=_CRITIQUE,
        source="arXiv 2501.17703",
        says="Critique training teaches to find errors.",
        published=_OURS,
        rule=Difference(of=Measured(probe="find_error", metric="F1"), arm="cft", versus=BASE_ARM, way="more"),
    ),
    Claim(
        system=_CRITIQUE,
        source="arXiv 2501.17703",
        says="Critique training beats imitation of answers in mending a wrong attempt.",
        published=_OURS,
        rule=Difference(of=Measured(probe="repair", metric="repaired"), arm="cft", versus="sft", way="more"),
    ),
    Claim(
        system=_PROCESS,
        source="arXiv 2602.11202",
        says="Verifying steps and asking again lifts what is solved, within one budget of tokens.",
        published="pass^4 32 to 87 % at 97 % of the tokens (Qwen3-30B, tau2-bench telecom)",
        rule=Standing(
            of=Measured(
                probe="guard", metric="gain", condition="check and retry", against="none", budget="equal tokens"
            ),
            arm=BASE_ARM,
            way="above",
            bound=0.0,
        ),
    ),
    Claim(
        system=_PROCESS,
        source="arXiv 2602.11202",
        says="Cutting back at the wrong step beats checking the finished answer, within one budget of tokens.",
        published=_NONE,
        rule=Standing(
            of=Measured(
                probe="guard", metric="gain", condition="cut back", against="check and retry", budget="equal tokens"
            ),
            arm=BASE_ARM,
            way="above",
            bound=0.0,
        ),
    ),
    Claim(
        system=_PROCESS,
        source="arXiv 2602.11202",
        says="Scoring outcomes passes attempts that broke a rule on the way.",
        published=_OURS,
        rule=Standing(
            of=Measured(probe="process", metric="right by wrong steps"), arm=BASE_ARM, way="above", bound=0.0
        ),
    ),
    Claim(
        system=_ROC,
        source="arXiv 2508.20722",
        says="Keeping the clean successes beats a blind draw of as many rollouts.",
        published="80.6 % on AIME24 for the whole recipe (14B); no blind draw was tried",
        rule=Difference(of=_SOLVING, arm="roc", versus="grpo_random", way="more"),
    ),
    Claim(
        system=_ROC,
        source="arXiv 2508.20722",
        says="Keeping the clean successes beats plain GRPO.",
        published=_NONE,
        rule=Difference(of=_SOLVING, arm="roc", versus="grpo", way="more"),
    ),
    Claim(
        system=_ROC,
        source="arXiv 2508.20722",
        says="Fewer calls fail inside right answers than after plain GRPO.",
        published="plain GRPO stays at 10 % (14B) and 15 % (32B); RoC falls below, no number at hand",
        rule=Difference(
            of=Measured(probe="tool_errors", metric="failed calls in right answers"),
            arm="roc",
            versus="grpo",
            way="less",
        ),
    ),
    Claim(
        system=_ROC,
        source="arXiv 2508.20722",
        says="Fewer calls fail inside right answers than after a blind draw of as many rollouts.",
        published=_OURS,
        rule=Difference(
            of=Measured(probe="tool_errors", metric="failed calls in right answers"),
            arm="roc",
            versus="grpo_random",
            way="less",
        ),
    ),
    Claim(
        system=_TRUST,
        source="arXiv 2403.09972",
        says="A model trusts its wrong answer more as its own than as somebody else's.",
        published=_NONE,
        rule=Standing(
            of=Measured(probe="trust", metric="self-trust gap", condition="P(True)"),
            arm=BASE_ARM,
            way="above",
            bound=0.0,
        ),
    ),
    Claim(
        system=_TRUST,
        source="arXiv 2403.09972",
        says="Comparing all candidates, each with a justification, brings that down.",
        published=_NONE,
        rule=Standing(
            of=Measured(probe="trust", metric="self-trust gap closed", condition="joint"),
            arm=BASE_ARM,
            way="above",
            bound=0.0,
        ),
    ),
    Claim(
        system=_ERASED,
        source="arXiv 2603.24472",
        says="Right traces written with the solution in sight erase markers of doubt and checking; others do not.",
        published="182.5 to 8.8 markers a trace (R1-Distill-Qwen-7B)",
        rule=Kept(trait="all markers", arm="guided", versus="rft"),
    ),
    Claim(
        system=_ERASED,
        source="arXiv 2603.24472",
        says="Training on such traces costs accuracy against training on the model's own.",
        published="AIME24 20.2 against 51.0 % (R1-Distill-Qwen-7B)",
        rule=Difference(of=_SOLVING, arm="guided", versus="rft", way="less"),
    ),
    Claim(
        system=_ERASED,
        source="arXiv 2603.24472",
        says="Reinforcement learning on outcomes keeps the markers.",
        published="kept or raised (Qwen3-8B)",
        rule=Kept(trait="all markers", arm="grpo", least=0.8),
    ),
    Claim(
        system=_ERASED,
        source="arXiv 2603.24472",
        says="Recorded right answers hold fewer markers than wrong ones.",
        published=_OURS,
        rule=Kept(trait="all markers", arm="right"),
    ),
    Claim(
        system=_FORMAT,
        source="arXiv 2505.10185",
        says="Rewarded on multiple choice a model searches more breadth first than rewarded on free form, asked in neither format.",
        published="share of bottom-up answers 85 to 15 % from multiple choice to free form (R1-Distill-7B)",
        rule=Difference(
            of=Measured(probe="strategy", metric="breadth first", condition="no format"),
            arm="format(answers=multiple choice, objective=grpo)",
            versus="format(answers=free form, objective=grpo)",
            way="more",
        ),
    ),
    Claim(
        system=_FORMAT,
        source="arXiv 2505.10185",
        says="Rewarded on multiple choice a model searches more breadth first than rewarded on free form, asked in multiple choice.",
        published="share of bottom-up answers 85 to 15 % from multiple choice to free form (R1-Distill-7B)",
        rule=Difference(
            of=Measured(probe="strategy", metric="breadth first", condition="multiple choice"),
            arm="format(answers=multiple choice, objective=grpo)",
            versus="format(answers=free form, objective=grpo)",
            way="more",
        ),
    ),
    Claim(
        system=_FORMAT,
        source="arXiv 2505.10185",
        says="Imitating multiple choice a model searches more breadth first than imitating free form, asked in neither format.",
        published=_OURS,
        rule=Difference(
            of=Measured(probe="strategy", metric="breadth first", condition="no format"),
            arm="format(answers=multiple choice)",
            versus="format(answers=free form)",
            way="more",
        ),
    ),
)


def verdicts(studies: Sequence[Recorded]) -> list[Asked]:
    """One row per claim and study that asks it, in the order of the claims; a claim that none of them asks has one, `not asked`."""
    rows = []
    for claim in CLAIMS:
        asked = [
            Asked(
                claim=claim,
                verdict=found.verdict,
                study=study,
                what=found.what,
                figures=found.figures,
                lacking=found.lacking,
            )
            for study in studies
            for found in claim.rule.read(study)
        ]
        rows += asked or [Asked(claim=claim, verdict=NOT_ASKED)]
    return rows
