"""What changed inside? KL to the base by class of token, whether "this step is wrong" can be read off the states, and
how far and which way training moved the weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from counterform.errors import ModelError, extra
from counterform.findings.inside import AUROC, CONTROL, KL, LAYER, TOKENS, find_inside
from counterform.findings.stats import auroc_pseudo_values
from counterform.metrics import Metric
from counterform.models.hf import Trace
from counterform.models.inside import trace
from counterform.models.loading import load
from counterform.models.sampling import derived_seed
from counterform.probes.probe import Context, Found, HeldOut, Probe
from counterform.results import TOKEN_CLASSES, Baseline, WeightChange, WeightChanges, WeightCosine
from counterform.store import key_of
from counterform.study import ModelSpec, ProbeSpec
from counterform.text.lexicon import Lexicon
from counterform.text.token_classes import token_classes
from counterform.types import Mark, Model, Problem, Reading

with extra("train"):
    import torch
    from safetensors import safe_open

Floats = NDArray[np.float64]
Values = dict[tuple[str, str], dict[str, float | None]]
"""By metric and condition, the value of each problem."""

SHUFFLES = 16
"""Shuffled labellings of which the control is the mean."""
PENALTIES = np.logspace(-4, 2, 13)
"""Ridge penalties that are tried, as shares of the number of training steps."""

NUMBERS_AT_ONCE = 1_000_000
"""Weights of one tensor that are compared at once."""


class _Text(Struct, frozen=True, kw_only=True):
    """One text that every model reads: a worked solution or a held-out attempt."""

    problem_id: str
    prompt: str
    text: str
    steps: tuple[tuple[int, bool], ...] = ()
    """Of each step with a grade: its last character, and whether it is wrong."""


class Internals(Probe):
    """Reads worked solutions and held-out attempts, the same texts for every arm, beside the base model.

    `KL`: the sum of KL(arm || base) in nats before the tokens of a class (the condition), one number per problem; `tokens`: how many
    there are. The texts are worked solutions and the attempts of `find_error`, half of which have a wrong step: a class's share of the
    KL is of these texts, not of what a model would write. Before a token: the distribution from which that token was to be predicted. The direction is that of
    the KL penalty of reinforcement learning: it weighs what the arm would say and the base would not.

    `AUROC of a layer` (the condition is its number) and the same with shuffled labels: a linear probe (ridge regression) for "this step is wrong" on the state at
    the step's end, fitted on one half of the problems and read on the other; labels are the step verifier's, UNKNOWN
    left out. A problem's number is its pseudo-value (stats.auroc_pseudo_values); layer 0 is the
    embedding. The control has the same features and shuffled labels. `AUROC` is the mean over the layers above 0.

    A model whose insides cannot be seen, or that has no base beside it, is UNKNOWN throughout.
    """

    name = "internals"
    reads = ("problems", "attempts", "lexicon")
    needs = frozenset({"hidden"})
    section = "inside"
    metrics = (
        Metric(
            name=AUROC,
            title="Wrong steps told apart inside (AUROC)",
            meaning="Chance that a linear probe on the hidden states scores a wrong step above a right one, mean over the layers; 50 % is none.",
        ),
        Metric(
            name=KL,
            title="KL from the base model: {condition}",
            unit="nats",
            better="neither",
            bounds=(0.0, None),
            headline=False,
        ),
        Metric(
            name=TOKENS, title="Tokens: {condition}", unit="count", better="neither", bounds=(0.0, None), headline=False
        ),
        Metric(name=LAYER, title="AUROC, layer {condition}", headline=False),
        Metric(name=CONTROL, title="AUROC, layer {condition}, shuffled labels", better="neither", headline=False),
    )

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        texts = list(_texts(items, self.spec))
        opened: AbstractContextManager[Model | None] = items.open_base() if items.open_base else nullcontext(None)
        with opened as base:
            depth = _depth(base, texts)
            try:
                divergences, states = _look(model, base, texts, self.bench.lexicon)
            except ModelError:
                divergences, states = None, None
        values = {**_divergences(texts, divergences), **_wrong_steps(texts, states, depth)}
        return [
            Reading(
                probe=self.name,
                metric=metric,
                condition=condition,
                arm=arm,
                seed=seed,
                item_id=problem,
                problem_id=problem,
                mark=Mark.UNKNOWN if value is None else Mark.RIGHT,
                value=value,
            )
            for (metric, condition), row in values.items()
            for problem, value in row.items()
        ]

    def baselines(self, train: Sequence[Problem], items: HeldOut) -> list[Baseline]:
        """A probe that tells no wrong step from a right one."""
        return [Baseline(probe=self.name, metric=AUROC, name="random", value=0.5)]

    def find(self, readings: Sequence[Reading], context: Context) -> Found:
        """What changed inside; of that, the mean AUROC alone is a share of which more is better."""
        own, notes = find_inside(readings, self.declared, context.weights, context.fixed)
        return Found(readings=[r for r in readings if r.metric == AUROC], own=own, notes=notes)


def _texts(items: HeldOut, spec: ProbeSpec) -> Iterator[_Text]:
    prompts = {problem.id: problem.prompt for problem in items.problems}
    for problem in items.problems[: spec.problems]:
        if problem.solution:
            yield _Text(problem_id=problem.id, prompt=problem.prompt, text=problem.solution)
    for graded in items.attempts:
        read = [step for step in graded.verdict.steps if step.mark is not Mark.UNKNOWN]
        yield _Text(
            problem_id=graded.attempt.problem_id,
            prompt=prompts[graded.attempt.problem_id],
            text=graded.attempt.completion.text,
            steps=tuple((step.span[1] - 1, step.mark is Mark.WRONG) for step in read),
        )


def _depth(base: Model | None, texts: Sequence[_Text]) -> int:
    """Layers that every model of the study has, with the embedding; 0 where the base does not show them."""
    if base is None or not texts:
        return 0
    try:
        return len(trace(base, texts[0].prompt, texts[0].text).hidden)
    except ModelError:
        return 0


def _look(
    model: Model, base: Model | None, texts: Sequence[_Text], lexicon: Lexicon
) -> tuple[Floats, list[NDArray[np.float32]]]:
    """What there is to see: KL and tokens by class, (texts, 2, classes); of each text (layers, graded steps, width).

    Raises ModelError for a model or a base whose insides cannot be seen.
    """
    if base is None:
        raise ModelError("there is no base model to compare with.")
    sums, states = np.zeros((len(texts), 2, len(TOKEN_CLASSES))), []
    for index, text in enumerate(texts):
        seen, before = trace(model, text.prompt, text.text), trace(base, text.prompt, text.text)
        if seen.spans != before.spans or seen.logprobs.shape != before.logprobs.shape:
            raise ModelError(f"{model.name!r} and its base {base.name!r} do not share their tokens.")
        classes = token_classes(text.text, seen.spans, lexicon)
        sums[index] = [np.bincount(classes, weights, len(TOKEN_CLASSES)) for weights in (_kl(seen, before), None)]
        states.append(_states_at(seen, [end for end, _ in text.steps]))
    return sums, states


def _kl(seen: Trace, before: Trace) -> Floats:
    """KL(seen || before) before each token, in nats."""
    terms = torch.nn.functional.kl_div(before.logprobs, seen.logprobs, reduction="none", log_target=True)
    # A sum of rounded terms may fall under 0 by a rounding error.
    found: Floats = terms.sum(-1).clamp(min=0).double().cpu().numpy()
    return found


def _states_at(seen: Trace, ends: Sequence[int]) -> NDArray[np.float32]:
    """(layers, ends, width): the state after the token with each of these characters; NaN where there is none."""
    found = np.full((len(seen.hidden), len(ends), seen.hidden.shape[-1]), np.nan, dtype=np.float32)
    for column, end in enumerate(ends):
        at = [token for token, (a, b) in enumerate(seen.spans) if a <= end < b]
        if at:
            found[:, column] = seen.hidden[:, at[-1]].cpu().numpy()
    return found


def _divergences(texts: Sequence[_Text], sums: Floats | None) -> Values:
    """KL and tokens of every class and problem."""
    values: Values = {}
    for row, what in enumerate((KL, TOKENS)):
        for column, name in enumerate(TOKEN_CLASSES):
            of_problem = values[what, name] = {}
            for index, text in enumerate(texts):
                so_far = of_problem.get(text.problem_id) or 0.0
                of_problem[text.problem_id] = None if sums is None else so_far + float(sums[index, row, column])
    return values


def _wrong_steps(texts: Sequence[_Text], states: Sequence[NDArray[np.float32]] | None, depth: int) -> Values:
    """The AUROC of every layer, its control and the mean over layers, of every problem that has a graded step."""
    # In the order of a hash, so that the halves are the same for every arm and follow nothing else.
    problems = sorted({text.problem_id for text in texts if text.steps}, key=key_of)
    if not problems:
        return {}
    place = {problem: index for index, problem in enumerate(problems)}
    clusters = np.array([place[text.problem_id] for text in texts for _ in text.steps])
    wrong = np.array([is_wrong for text in texts for _, is_wrong in text.steps])
    fitted = clusters % 2 == 0
    if states is None:
        found = np.full((depth, 2, len(problems) // 2), np.nan)
    else:
        layers = np.concatenate(states, axis=1)
        labels = np.column_stack([wrong, *_shuffled(wrong, fitted)])
        seen = ~np.isnan(layers).any(axis=(0, 2))
        found = np.array(
            [_held_out_auroc(layer[seen], labels[seen], clusters[seen] // 2, fitted[seen]) for layer in layers]
        )
    metrics = {(AUROC, ""): found[1:, 0].mean(axis=0) if depth > 1 else np.full(len(problems) // 2, np.nan)}
    metrics |= {(LAYER, f"{layer}"): found[layer, 0] for layer in range(depth)}
    metrics |= {(CONTROL, f"{layer}"): found[layer, 1] for layer in range(depth)}
    return {
        metric: {problem: float(v) if np.isfinite(v) else None for problem, v in zip(problems[1::2], row, strict=True)}
        for metric, row in metrics.items()
    }


def _shuffled(wrong: NDArray[np.bool_], fitted: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """The labels, shuffled within each half, so that each half keeps its number of wrong steps."""
    rng = np.random.default_rng(derived_seed("internals"))
    for _ in range(SHUFFLES):
        labels = wrong.copy()
        for half in (fitted, ~fitted):
            labels[half] = rng.permutation(labels[half])
        yield labels


def _held_out_auroc(
    states: NDArray[np.float32], labels: NDArray[np.bool_], clusters: NDArray[np.int64], fitted: NDArray[np.bool_]
) -> Floats:
    """(2, problems read): pseudo-values of the AUROC of the first labelling, and the mean of those of all others.

    states: (steps, width); labels: (steps, labellings); clusters: the problem of each step, counted in its half;
    fitted: whether a step stands in the half on which the probe is fitted. NaN where a half has too few of a kind.
    """
    n = int(clusters[~fitted].max(initial=-1)) + 1
    if not 0 < labels[fitted, 0].sum() < fitted.sum():
        return np.full((2, n), np.nan)
    scores = _ridge(states[fitted], labels[fitted], states[~fitted])
    rows = [
        auroc_pseudo_values(scores[:, column], labels[~fitted, column], clusters[~fitted])
        for column in range(labels.shape[1])
    ]
    shuffled = [row for row in rows[1:] if not np.isnan(row).any()]
    if not shuffled:
        return np.full((2, n), np.nan)
    return np.array([rows[0], np.mean(shuffled, axis=0)])


def _ridge(states: NDArray[np.float32], labels: NDArray[np.bool_], new: NDArray[np.float32]) -> Floats:
    """(new, labellings): scores of new states by ridge regression on standardised ones, a fit a labelling.

    Each fit takes the penalty of least generalised cross-validation error (Golub, Heath and Wahba 1979).
    """
    x, y = states.astype(float), labels.astype(float)
    mean, spread = x.mean(0), x.std(0)
    # What does not vary but for rounding says nothing.
    spread[spread <= 1e-6 * np.abs(x).max(0)] = np.inf
    u, s, vt = np.linalg.svd((x - mean) / spread, full_matrices=False)
    y = y - y.mean(0)
    along = u.T @ y
    shrunk = s**2 / (s**2 + len(x) * PENALTIES[:, None])
    left = (y**2).sum(0) - (2 * shrunk - shrunk**2) @ along**2
    best = (left / (len(x) - 1 - shrunk.sum(1, keepdims=True)) ** 2).argmin(0)
    weights = vt.T @ (s[:, None] / (s[:, None] ** 2 + len(x) * PENALTIES[best]) * along)
    found: Floats = ((new.astype(float) - mean) / spread) @ weights
    return found


def weight_changes(base: str | ModelSpec, checkpoints: Mapping[tuple[str, int], Path]) -> WeightChanges:
    """How far every checkpoint (by arm and seed) moved from the model at `base`, layer by layer, and how alike.

    Reads safetensors a few rows at a time: beside the base, no second model stands in memory. Weights that are shared
    (a head with its embedding) count once. Raises ModelError where the base cannot be loaded.
    """
    model, _ = load(base, dtype=torch.float32)
    weights = {name: weight.detach() for name, weight in model.named_parameters() if weight.dim()}
    with ExitStack() as stack:
        stored = [_tensors(path, stack) for path in checkpoints.values()]
        common = [
            name for name, weight in weights.items() if all(_alike(weight, files.get(name), name) for files in stored)
        ]
        size: dict[int, float] = {}
        products: dict[int, Floats] = {}
        for name in common:
            layer = _layer_of(name)
            for before, after in _rows(weights[name], [files[name] for files in stored], name):
                moved = after - before
                size[layer] = size.get(layer, 0.0) + float(before @ before)
                products[layer] = products.get(layer, 0.0) + (moved @ moved.T).numpy()
    compared = sum(weights[name].numel() for name in common) / sum(weight.numel() for weight in weights.values())
    return _summed(list(checkpoints) if common else [], size, products, compared)


def _summed(
    whose: Sequence[tuple[str, int]], size: Mapping[int, float], products: Mapping[int, Floats], compared: float
) -> WeightChanges:
    """From |W0|^2 and the inner products of all W - W0, by layer (-1: of no layer)."""
    whole = np.sum(list(products.values()), axis=0) if products else np.zeros((len(whose), len(whose)))
    moved = {layer: np.sqrt(np.diag(inner) / size[layer]) for layer, inner in products.items() if size[layer] > 0}
    overall = np.sqrt(np.diag(whole) / (sum(size.values()) or 1.0))
    lengths = np.sqrt(np.outer(np.diag(whole), np.diag(whole)))
    return WeightChanges(
        changes=tuple(
            WeightChange(
                arm=arm,
                seed=seed,
                overall=float(overall[at]),
                layers=tuple(float(moved[layer][at]) for layer in sorted(moved) if layer >= 0),
                outside=float(moved[-1][at]) if -1 in moved else 0.0,
            )
            for at, (arm, seed) in enumerate(whose)
        ),
        cosines=tuple(
            WeightCosine(
                arm=whose[a][0],
                seed=whose[a][1],
                other=whose[b][0],
                other_seed=whose[b][1],
                cosine=float(whole[a, b] / lengths[a, b]) if lengths[a, b] > 0 else None,
            )
            for a, b in combinations(range(len(whose)), 2)
        ),
        compared=compared,
    )


def _tensors(path: Path, stack: ExitStack) -> dict[str, Any]:
    """Which open safetensors file of a checkpoint holds each of its tensors."""
    files = [stack.enter_context(safe_open(file, "pt")) for file in sorted(path.glob("*.safetensors"))]
    return {name: file for file in files for name in file.keys()}  # noqa: SIM118 (a file is no dict)


def _alike(weight: torch.Tensor, file: Any, name: str) -> bool:
    return file is not None and file.get_slice(name).get_shape() == list(weight.shape)


def _layer_of(name: str) -> int:
    """`model.layers.3.mlp.up_proj.weight` -> 3; -1 for a weight of no layer."""
    number = re.search(r"\.(\d+)\.", name)
    return int(number.group(1)) if number else -1


def _rows(weight: torch.Tensor, files: Sequence[Any], name: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Of a few rows at a time: the base's numbers, and those of each checkpoint, (checkpoints, numbers)."""
    step = max(1, NUMBERS_AT_ONCE * len(weight) // weight.numel())
    for at in range(0, len(weight), step):
        after = [file.get_slice(name)[at : at + step].double().flatten() for file in files]
        yield weight[at : at + step].double().flatten(), torch.stack(after)
