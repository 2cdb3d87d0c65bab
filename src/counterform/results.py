"""What a study found: the content of findings.json."""

from __future__ import annotations

import math
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from counterform.errors import StudyError
from counterform.metrics import Measured, Metric, Metrics

T = TypeVar("T")


def metric_of(metrics: Metrics, measured: Measured) -> Metric:
    """The declaration of what was measured. Raises StudyError, with the metrics that there are, where there is none."""
    declared = metrics.get(measured.probe, ())
    for metric in declared:
        if metric.name == measured.metric:
            return metric
    names = ", ".join(repr(metric.name) for metric in declared) or "none"
    raise StudyError(
        f"probe {measured.probe!r} gave a reading of the metric {measured.metric!r}, which it does not declare. It declares: {names}. "
        "Add it to the probe's `metrics`, with its unit, bounds and direction."
    )


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
    wrong_cut: int = 0
    """Cases whose wrong attempt was cut at max_tokens."""
    wrong_unanswered: int = 0
    """Cases whose wrong attempt states no answer, and is wrong by the grade that came with it."""
    same_texts: int = 0
    """Cases whose right and wrong attempts are the same text, white space apart."""
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


Verdict = Literal["better", "worse", "more", "less", "undecided"]
"""Of an arm against another; `more` and `less` of a metric that is better neither high nor low."""


class Finding(Measured, frozen=True, kw_only=True):
    """One comparison, paired by item, clustered by problem, over seeds."""

    claim: str
    arm: str
    versus: str
    baseline: float
    """The metric of `versus`."""
    estimate: float
    """metric(arm) - metric(versus), in the metric's own unit."""
    low: float
    high: float
    """95 % interval of `estimate`."""
    p: float
    p_holm: float
    """Corrected over all comparisons of the same measurement; under a shift, of all levels of its axis."""
    mde: float
    """Smallest true difference that this design would find with 80 % power."""
    n_items: int
    n_problems: int
    n_seeds: int
    n_missing: int
    """Pairs dropped because one side was never read."""
    verdict: Verdict
    sentence: str


class FormShare(Measured, frozen=True, kw_only=True):
    """How much of an arm's gain is form: gain(control) / gain(full arm), on one metric."""

    control: str
    full: str
    share: float | None
    """None where a share would mean nothing; `why` says which of the reasons it is."""
    low: float | None
    high: float | None
    why: str = ""
    """Why there is no share, in words: `undefined: no clear gain`, `no share: the control gains nothing`."""
    n_items: int
    n_problems: int
    n_seeds: int
    sentence: str


class Level(Measured, frozen=True, kw_only=True):
    """Where one model stands on one metric."""

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
    """What changed inside the models. The condition of a level is a class of token, or the number of a layer."""

    shares: tuple[Level, ...]
    """Of the KL from the base, the share that falls on each class of token."""
    per_token: tuple[Level, ...]
    """Mean KL from the base at a token of each class, in nats."""
    layers: tuple[Level, ...]
    """AUROC of a linear probe for "this step is wrong", by layer; 0 is the embedding."""
    control: tuple[Level, ...]
    """The same with shuffled labels."""
    weights: WeightChanges | None = None


class Retention(Struct, frozen=True, kw_only=True):
    """How much of a trait an arm has kept: its rate over the base model's, as they come and at like lengths."""

    trait: str
    arm: str
    rate: float
    base: float
    """Markers per 1,000 tokens, nats per token, tokens per answer, or a share of answers."""
    kept: float | None
    low: float | None
    high: float | None
    """rate / base with its 95 % interval; None where the base model's rate is not clear of 0."""
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
    """What training did to traits that accuracy does not see."""

    retained: tuple[Retention, ...]
    accuracy: tuple[Finding, ...] = ()
    """Right answers in training's distribution and, pooled over the shifts, away from it: what was gained meanwhile."""


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
    """How well every model's confidence in its own answers fits them."""

    reliability: tuple[ReliabilityBin, ...]


class Effect(Measured, frozen=True, kw_only=True):
    """How far two arms stand apart on one measurement, as effect sizes with 95 % intervals."""

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


class Dose(Measured, frozen=True, kw_only=True):
    """One measurement of a model part of the way from one arm's weights to another's."""

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
    """How training changed the order of search."""

    effects: tuple[Effect, ...]
    doses: tuple[Dose, ...] = ()


class Baseline(Measured, frozen=True, kw_only=True):
    """What a metric shows without any ability: a guess in the answer space, or always the commonest answer."""

    name: Literal["random", "majority"]
    value: float


class Rate(Struct, frozen=True, kw_only=True):
    """One learning rate of an arm that was swept."""

    name: str
    """Under which it was read."""
    learning_rate: float
    right: float | None
    """Share of right answers in validation, over all seeds; what could not be graded is none. None: its training stopped early."""
    unknown: float
    """Share of those answers that could not be graded."""
    n_problems: int


class Sweep(Struct, frozen=True, kw_only=True):
    """The learning rates of one arm, and which stands for it by the declared rule."""

    arm: str
    rates: tuple[Rate, ...]

    @property
    def chosen(self) -> str | None:
        """The name of the rate with most right answers in validation, of two alike the lower one; None where none could be read."""
        read = [(rate.right, -rate.learning_rate, rate.name) for rate in self.rates if rate.right is not None]
        return max(read)[2] if read else None


class Results(Struct, frozen=True, kw_only=True):
    """All that a study found: the content of findings.json, read by `decode`."""

    question: str
    findings: tuple[Finding, ...]
    levels: tuple[Level, ...]
    baselines: tuple[Baseline, ...]
    form_shares: tuple[FormShare, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader must know before believing the numbers: arms that failed, grades that are missing."""
    existing: dict[str, str] = {}
    """Arms that were not trained here, and what each of them is."""
    partway: dict[str, tuple[str, float]] = {}
    """Readings on the way of a training, by the names under which they stand: of which arm, after which share of its steps."""
    sweeps: tuple[Sweep, ...] = ()
    """Arms that were trained at several learning rates."""
    metrics: dict[str, tuple[Metric, ...]] = {}
    """What each probe declares of its numbers, by its name."""
    sections: dict[str, str] = {}
    """By probe, the section of the report that shows what it found; a probe without one stands in the general sections."""
    own: dict[str, dict[str, Any]] = {}
    """By probe, what it found that is no gain or loss, as plain values; its section knows as what to read it (`own_of`)."""

    def metric(self, measured: Measured) -> Metric:
        """The declaration of a number in these results. Raises StudyError where there is none."""
        return metric_of(self.metrics, measured)

    def own_of(self, probe: str, kind: type[T]) -> T | None:
        """What a probe found of its own; None where it was not asked."""
        return as_struct(self.own[probe], kind) if probe in self.own else None


def decode(found: bytes, kind: type[T]) -> T:
    """JSON of figures as a struct. JSON has no word for what is not a number and says null; where a number must stand that is NaN.

    Raises msgspec.DecodeError for what is no JSON, and its subclass ValidationError for what is no `kind`.
    """
    return as_struct(msgspec.json.decode(found), kind)


def as_struct(plain: Any, kind: type[T]) -> T:
    """Plain values of JSON as a struct, as `decode` does it. Raises msgspec.ValidationError for what is no `kind`."""
    return msgspec.convert(_with_nan(plain, kind), kind)


def _with_nan(plain: Any, hint: Any) -> Any:
    """The plain value with NaN for every null where the type says a number and no None."""
    if plain is None:
        return math.nan if hint is float else None
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        kinds = [kind for kind in args if kind is not type(None)]
        return _with_nan(plain, kinds[0]) if len(kinds) == 1 else plain
    if origin is tuple and isinstance(plain, list):
        hints = args[:1] * len(plain) if args[1:] == (...,) else args
        return [_with_nan(one, kind) for one, kind in zip(plain, hints, strict=False)]
    if origin is dict and isinstance(plain, dict):
        return {name: _with_nan(one, args[1]) for name, one in plain.items()}
    if isinstance(hint, type) and issubclass(hint, Struct) and isinstance(plain, dict):
        fields = get_type_hints(hint)
        return {name: _with_nan(one, fields.get(name)) for name, one in plain.items()}
    return plain
