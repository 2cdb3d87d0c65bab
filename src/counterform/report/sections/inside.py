"""The figures of what changed inside a model: token classes, layers, weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from counterform.report.data import ReportData
from counterform.report.figures import SIDE, bars, layout, share_row
from counterform.report.labels import MetricLabel
from counterform.report.section import INTERVALS, Block, Grid, Heading, Key, Plot, Prose, Section, Sign, figures, folded
from counterform.report.tables import Table, by_arm
from counterform.results import Inside, Level, WeightChange, WeightChanges
from counterform.study import BASE_ARM
from counterform.text.numbers import nats, number, share, share_interval


class WhatChangedInside(Section):
    """Tokens, layers and weights."""

    title = "What changed inside"
    link = "Inside"
    anchor = "inside"

    def blocks(self, data: ReportData) -> list[Block]:
        found = data.results.own_of("internals", Inside)
        if found is None:
            return []
        return [*_tokens(found), *_states(found), *(_weights(found.weights) if found.weights else [])]


def _tokens(found: Inside) -> list[Block]:
    plots = [
        _plot("shares", arm, "; ".join(f"{c.condition} {share(c.estimate)}" for c in classes), token_shares(classes))
        for arm, classes in by_arm(found.shares).items()
    ]
    if not plots:
        return []
    return [
        Heading("Which tokens an arm would say otherwise"),
        Prose(
            "The KL divergence of each arm from the base model, KL(arm ‖ base), summed over the tokens of worked solutions and held-out "
            "attempts, the same texts for every arm; the bars say on which tokens it falls. Form: the fixed words and punctuation of a stated "
            'answer. Step result: the number that a step comes to. Hedge: a word of doubt, such as "wait".'
        ),
        *figures(plots),
        Grid(
            table=divergence_table(found),
            heading="Inside: where the KL from the base model falls",
            caption="KL from the base model by class of token",
        ),
    ]


def _states(found: Inside) -> list[Block]:
    by, controls = by_arm(found.layers), by_arm(found.control)
    base = by.pop(BASE_ARM, [])
    plots = [
        _plot(
            "layers",
            arm,
            "; ".join(f"layer {level.condition} {share(level.estimate)}" for level in levels),
            layers(levels, base, controls[arm]),
        )
        for arm, levels in by.items()
    ]
    if not plots:
        return []
    return [
        Heading('Whether "this step is wrong" can be read off the states'),
        Prose(
            "A linear probe on the state at the end of each step, fitted on one half of the held-out problems and read on the other. AUROC: the "
            "chance that a wrong step scores above a right one; 50 % is none. Layer 0 is the embedding."
        ),
        Key(
            (
                Sign(words="this arm", line="line arm"),
                Sign(words="base model", line="line base"),
                Sign(words="this arm, shuffled labels: must be near 50 %", line="line shuffled"),
                INTERVALS,
            )
        ),
        *figures(plots),
        *folded(
            "The same in figures",
            Grid(
                table=layers_table(found),
                heading="Inside: wrong steps told apart by layer (AUROC)",
                caption="AUROC of the linear probe by layer",
            ),
        ),
    ]


def _weights(found: WeightChanges) -> list[Block]:
    plots = []
    for arm, own in by_arm(found.changes).items():
        profile = weight_sizes(own).items()
        summary = "; ".join(f"{where} {share(sum(sizes) / len(sizes))}" for where, sizes in profile)
        others = [change for change in found.changes if change.arm != arm]
        plots.append(_plot("weights", arm, summary, weight_profile(own, others)))
    if not plots:
        return []
    left_out = (
        f" Only {share(found.compared)} of the base model's weights stand in every checkpoint in the same shape; the others are left out."
        if found.compared < 1
        else ""
    )
    return [
        Heading("How far, where and which way the weights moved"),
        Prose(
            "The length of the change of a layer's weights in per cent of the length of the weights themselves. These are facts about each "
            f"checkpoint; seeds show how much they vary.{left_out}"
        ),
        Key(
            (
                Sign(words="this arm, one line per seed", line="line arm"),
                Sign(words="the other arms", line="line others"),
            )
        ),
        *figures(plots),
        Grid(
            table=cosines_table(found),
            heading="Inside: cosine of the weight changes",
            caption="Cosine of two arms' weight changes: mean over pairs of seeds, with the least and the most. On the diagonal, two seeds of one "
            "arm. 1: the same direction; 0: nothing in common",
        ),
        *folded(
            "The sizes in figures",
            Grid(
                table=weights_table(found),
                heading="Inside: size of the weight changes",
                caption="Relative size of weight changes, mean over seeds",
            ),
        ),
    ]


def _plot(group: str, arm: str, summary: str, figure: go.Figure) -> Plot:
    return Plot(id=f"inside-{group}-{arm}", label=MetricLabel(arm, ""), summary=summary, figure=figure)


def token_shares(classes: Sequence[Level]) -> go.Figure:
    """Of one arm, which share of its KL from the base falls on each class of token: bars with their 95 % intervals."""
    rows = [share_row(level.condition, level.estimate, level.low, level.high, symbol="line-ns") for level in classes]
    figure = bars(rows, (-1, 101))
    figure.update_xaxes(tick0=0, dtick=20, ticksuffix=" %")
    return figure


def layers(arm: Sequence[Level], base: Sequence[Level], control: Sequence[Level]) -> go.Figure:
    """AUROC by layer of one model with its 95 % intervals; the base dashed, the control with shuffled labels grey."""
    figure = _by_layer()
    figure.update_yaxes(ticksuffix=" %")
    figure.add_hline(y=50, line_color="var(--rule)", line_width=1.5, layer="below")
    for levels, colour, dash, width in (
        (control, "var(--muted)", "solid", 1.5),
        (base, "var(--ink)", "dash", 1.5),
        (arm, "var(--accent)", "solid", 2.5),
    ):
        seen = [level for level in levels if math.isfinite(level.estimate)]
        bounded = all(math.isfinite(level.low + level.high) for level in seen)
        figure.add_scatter(
            x=[int(level.condition) for level in seen],
            y=[100 * level.estimate for level in seen],
            mode="lines+markers" if levels is arm else "lines",
            line={"color": colour, "dash": dash, "width": width},
            marker={"color": colour, "size": 7},
            error_y={
                "type": "data",
                "visible": levels is not base and bounded,
                "array": [100 * (level.high - level.estimate) if bounded else 0 for level in seen],
                "arrayminus": [100 * (level.estimate - level.low) if bounded else 0 for level in seen],
                "color": colour,
                "thickness": 1.5,
                "width": 0,
            },
            text=[f"{level.arm}: {share(level.estimate)} {share_interval(level.low, level.high)}" for level in seen],
            hovertemplate="layer %{x}, %{text}<extra></extra>",
        )
    return figure


def weight_profile(arm: Sequence[WeightChange], others: Sequence[WeightChange]) -> go.Figure:
    """How far training moved the weights of each layer, in per cent of their size: one line per seed, other arms grey."""
    figure = _by_layer()
    figure.update_yaxes(ticksuffix=" %", rangemode="tozero")
    for change in (*others, *arm):
        own = change in arm
        figure.add_scatter(
            x=list(range(1, len(change.layers) + 1)),
            y=[100 * size for size in change.layers],
            mode="lines+markers" if own else "lines",
            line={"color": "var(--accent)" if own else "var(--rule)", "width": 2 if own else 1.5},
            marker={"color": "var(--accent)", "size": 6},
            hovertemplate=f"{change.arm}, seed {change.seed}, layer %{{x}}: %{{y:.3g}}<extra></extra>",
        )
    return figure


def _by_layer() -> go.Figure:
    """An empty figure with layers along its foot."""
    figure = go.Figure(layout=layout(240, None))
    figure.update_layout(margin={"l": 46, "r": SIDE, "t": 8, "b": 44})
    title = {"text": "layer", "font": {"size": 12, "color": "var(--muted)"}, "standoff": 6}
    figure.update_xaxes(title=title, showgrid=False, tickformat="d", nticks=0)
    grid = {"fixedrange": True, "gridcolor": "var(--rule)", "zeroline": False}
    figure.update_yaxes(**grid, nticks=6, tickfont={"size": 12, "color": "var(--muted)"})
    return figure


def divergence_table(inside: Inside) -> Table:
    """Where each arm differs from the base: its KL by class of token, as shares and in nats per token."""
    means = {(level.arm, level.condition): level for level in inside.per_token}
    rows = []
    for arm, levels in by_arm(inside.shares).items():
        for level in levels:
            mean = means.get((arm, level.condition))
            spent = (nats(mean.estimate), f"[{nats(mean.low)}, {nats(mean.high)}]") if mean else ("–", "")
            counts = (number(level.n_items), number(level.n_seeds))
            rows.append(
                (arm, level.condition, share(level.estimate), share_interval(level.low, level.high), *spent, *counts)
            )
    headings = ("Arm", "Tokens", "Share of the KL", "95 % interval", "Nats per token", "95 % interval")
    return Table((*headings, "Problems", "Seeds"), tuple(rows), n_text=2, grouped=True)


def layers_table(inside: Inside) -> Table:
    """How well a linear probe tells wrong steps from right ones, layer by layer, beside its control."""
    controls = {(level.arm, level.condition): level for level in inside.control}
    rows = []
    for arm, levels in by_arm(inside.layers).items():
        for level in levels:
            row = [arm, f"layer {level.condition}" if level.condition != "0" else "embedding"]
            for shown in (level, controls[arm, level.condition]):
                row += [share(shown.estimate), share_interval(shown.low, shown.high)]
            rows.append((*row, number(level.n_items), number(level.n_seeds)))
    headings = ("Model", "State after", "AUROC", "95 % interval", "Shuffled labels", "95 % interval")
    return Table((*headings, "Problems", "Seeds"), tuple(rows), n_text=2, grouped=True)


def weights_table(weights: WeightChanges) -> Table:
    """How far training moved the weights of each arm, in per cent of their size: the mean over seeds, least and most."""
    rows = []
    for arm, changes in by_arm(weights.changes).items():
        for where, sizes in weight_sizes(changes).items():
            ends = (share(min(sizes)), share(max(sizes)))
            rows.append((arm, where, share(sum(sizes) / len(sizes)), *ends, number(len(sizes))))
    return Table(("Arm", "Weights", "Change", "Least", "Most", "Seeds"), tuple(rows), n_text=2, grouped=True)


def weight_sizes(changes: Sequence[WeightChange]) -> dict[str, list[float]]:
    """The relative changes of one arm, one number per seed: of all weights, of those in no layer, and of each layer."""
    depth = len(changes[0].layers) if changes else 0
    return {
        "all": [change.overall for change in changes],
        "embedding, head, last norm": [change.outside for change in changes],
        **{f"layer {layer + 1}": [change.layers[layer] for change in changes] for layer in range(depth)},
    }


def cosines_table(weights: WeightChanges) -> Table:
    """How alike the arms changed the weights: the mean cosine over pairs of seeds, with the least and the most.

    On the diagonal stand pairs of seeds of one arm.
    """
    pairs: dict[frozenset[str], list[float]] = {}
    for pair in weights.cosines:
        if pair.cosine is not None:
            pairs.setdefault(frozenset((pair.arm, pair.other)), []).append(pair.cosine)
    arms = list(by_arm(weights.changes))
    return Table(
        ("", *arms),
        tuple((a, *(_cosine(pairs.get(frozenset((a, b)), [])) for b in arms)) for a in arms),
    )


def _cosine(values: Sequence[float]) -> str:
    if not values:
        return "–"
    # "-0.00" is 0.
    mean, least, most = (
        f"{round(v, 2) + 0.0:.2f}".replace("-", "−") for v in (sum(values) / len(values), min(values), max(values))
    )
    return mean if len(values) == 1 else f"{mean} [{least}, {most}]"
