"""What a study found: the content of findings.json, and of the files beside it that hold what is no difference of a share."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

LOWER_IS_BETTER = frozenset(
    {
        "violated",
        "refused",
        "tokens",
        "seconds",
        "right by wrong steps",
        "failed calls",
        "failed calls in right answers",
        "answer lost",
        "ECE",
        "self-trust gap",
        "edit distance, answer",
        "edit distance, reasoning",
        "edit distance, whole",
    }
)
"""Metrics of which a model is better the lower it stands, whatever condition follows in brackets, and at whatever shift."""


class ArmCard(Struct, frozen=True, kw_only=True):
    """What one arm holds, counted before training."""

    arm: str
    differs_by: str
    examples: int
    problems: int
    prompt_tokens: int
    loss_tokens: int


class MatchCard(Struct, frozen=True, kw_only=True):
    """What is equal between the arms of a study, and what is not."""

    by: Literal["examples", "loss_tokens"]
    cases: int
    problems_with_right_only: int
    problems_with_wrong_only: int
    wrong_with_located_error: int
    """Cases whose wrong attempt has a first wrong step that the step verifier can name."""
    arms: tuple[ArmCard, ...]


class AuditRow(Struct, frozen=True, kw_only=True):
    """How a verifier did on one kind of known answer."""

    verifier: str
    check: str
    """`own solutions`, `planted: KIND`, `recorded grades`."""
    passed: int
    total: int
    unknown: int
    required: float
    """The share that must pass; 0: shown, not required."""


class Finding(Struct, frozen=True, kw_only=True):
    """One comparison, paired by item, clustered by problem, over seeds."""

    claim: str
    probe: str
    metric: str
    arm: str
    versus: str
    baseline: float
    """The metric of `versus`."""
    estimate: float
    """metric(arm) - metric(versus), in the metric's own unit (a share unless said otherwise)."""
    low: float
    high: float
    """95 % interval of `estimate`."""
    p: float
    p_holm: float
    """Corrected over all comparisons of the same metric; under a shift, of all levels of its axis."""
    mde: float
    """Smallest true difference that this design would find with 80 % power."""
    n_items: int
    n_problems: int
    n_seeds: int
    n_missing: int
    """Pairs dropped because one side was never read."""
    verdict: Literal["supported", "refuted", "undecided"]
    sentence: str


class FormShare(Struct, frozen=True, kw_only=True):
    """How much of an arm's gain is form: gain(control) / gain(full arm), on one metric."""

    probe: str
    metric: str
    control: str
    full: str
    share: float | None
    """None: the full arm's gain is not clear of zero, so there is nothing to have a share of."""
    low: float | None
    high: float | None
    n_items: int
    n_problems: int
    n_seeds: int
    sentence: str


class Level(Struct, frozen=True, kw_only=True):
    """Where one model stands on one metric."""

    probe: str
    metric: str
    arm: str
    estimate: float
    low: float
    high: float
    n_items: int
    n_seeds: int
    unknown: float
    """Share of readings whose mark is UNKNOWN."""


TOKEN_CLASSES = ("form", "step result", "answer", "hedge", "other")
"""What the tokens of a worked attempt are for: fixed words and punctuation of a stated answer, the number that a step
comes to, the answer itself, a word of doubt, and the rest."""


class WeightChange(Struct, frozen=True, kw_only=True):
    """How far training moved the weights of one checkpoint, as a share of the base's: |W - W0| / |W0|."""

    arm: str
    seed: int
    overall: float
    layers: tuple[float, ...]
    """Of each layer's weights, from the first to the last."""
    outside: float
    """Of the weights that belong to no layer: embeddings, the head, the last norm."""


class WeightCosine(Struct, frozen=True, kw_only=True):
    """How alike two trainings changed the weights: the cosine of W_a - W0 and W_b - W0 over all of them."""

    arm: str
    seed: int
    other: str
    other_seed: int
    cosine: float | None
    """None: one of the two changed nothing."""


class WeightChanges(Struct, frozen=True, kw_only=True):
    """What training did to the weights of every checkpoint of a study."""

    changes: tuple[WeightChange, ...]
    cosines: tuple[WeightCosine, ...]
    """Of every pair of checkpoints, two seeds of one arm too."""
    compared: float
    """Share of the base's weights that every checkpoint has under the same name and in the same shape."""


class Inside(Struct, frozen=True, kw_only=True):
    """What changed inside the models: the content of internals.json. Each `metric` is a token class or a layer."""

    shares: tuple[Level, ...]
    """Of the KL from the base, the share that falls on each class of token."""
    per_token: tuple[Level, ...]
    """Mean KL from the base at a token of each class, in nats."""
    layers: tuple[Level, ...]
    """AUROC of a linear probe for "this step is wrong", by layer; 0 is the embedding."""
    control: tuple[Level, ...]
    """The same with shuffled labels."""
    weights: WeightChanges | None = None
    notes: tuple[str, ...] = ()


class Retention(Struct, frozen=True, kw_only=True):
    """How much of a trait an arm has kept: its rate over the untrained model's, as they come and at like lengths."""

    trait: str
    arm: str
    rate: float
    base: float
    """Markers per 1,000 tokens, nats a token, tokens an answer, or a share of answers."""
    kept: float | None
    low: float | None
    high: float | None
    """rate / base with its 95 % interval; None where the untrained model's rate is not clear of 0."""
    p_holm: float
    """Of no change, corrected over the arms."""
    matched: float | None = None
    matched_low: float | None = None
    matched_high: float | None = None
    """The same between answers of like length; None where there are too few, and for the length itself."""
    in_common: float = 0.0
    """The part of the two distributions of lengths that is common to both."""
    n_answers: int
    n_problems: int
    n_seeds: int
    verdict: Literal["fell", "rose", "undecided"]
    """Of the rate as it comes."""
    sentence: str


class Traits(Struct, frozen=True, kw_only=True):
    """What training did to traits that accuracy does not see: the content of traits.json."""

    retained: tuple[Retention, ...]
    accuracy: tuple[Finding, ...] = ()
    """Right answers in training's distribution and, pooled over the shifts, away from it: what was gained meanwhile."""
    notes: tuple[str, ...] = ()


class ReliabilityBin(Struct, frozen=True, kw_only=True):
    """Answers in which a model's confidence lies in one bin, over all seeds, and how many of them are right."""

    arm: str
    method: str
    confidence: float
    """Mean of the bin."""
    right: float
    low: float
    high: float
    """Share of right answers with its 95 % interval, clustered by problem."""
    n_answers: int
    n_problems: int


class SelfTrust(Struct, frozen=True, kw_only=True):
    """How well every model's confidence in its own answers fits them: the content of trust.json."""

    reliability: tuple[ReliabilityBin, ...]
    notes: tuple[str, ...] = ()


class Effect(Struct, frozen=True, kw_only=True):
    """How far two arms stand apart on one metric of the probe `strategy`, as effect sizes with 95 % intervals."""

    metric: str
    arm: str
    versus: str
    differs_by: str
    """In what the two arms differ: `format`, `domain`, `objective`, several of them, or nothing known."""
    d: float
    d_low: float
    d_high: float
    h: float
    h_low: float
    h_high: float
    n_items: int
    n_seeds: int


class Dose(Struct, frozen=True, kw_only=True):
    """One metric of the probe `strategy` of a model part of the way from one arm's weights to another's."""

    metric: str
    arm: str
    other: str
    share: float
    """Of the way: 0 is `arm`, 1 is `other`."""
    estimate: float
    low: float
    high: float
    n_items: int
    n_seeds: int


class Strategies(Struct, frozen=True, kw_only=True):
    """How training changed the order of search: the content of strategy.json."""

    effects: tuple[Effect, ...]
    doses: tuple[Dose, ...] = ()
    notes: tuple[str, ...] = ()


class Baseline(Struct, frozen=True, kw_only=True):
    """What a metric shows without any ability: a guess in the answer space, or always the commonest answer."""

    probe: str
    metric: str
    name: Literal["random", "majority"]
    value: float


class Results(Struct, frozen=True, kw_only=True):
    """All that a study found: the content of findings.json."""

    question: str
    findings: tuple[Finding, ...]
    levels: tuple[Level, ...]
    baselines: tuple[Baseline, ...]
    form_shares: tuple[FormShare, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader must know before believing the numbers: arms that failed, grades that are missing."""
