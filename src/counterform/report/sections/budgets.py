"""Curves over the budget and over learning rates: every reading of them, and none that was picked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from counterform.metrics import by_key
from counterform.report.data import ReportData
from counterform.report.labels import label_of
from counterform.report.section import Block, Grid, Prose, Section, general
from counterform.report.tables import Table
from counterform.results import Level, Results
from counterform.text.numbers import level, level_interval, share


class Budgets(Section):
    """Arms that were read on the way of their training, and arms that were trained at several learning rates."""

    title = "Over the budget, and over learning rates"
    link = "Budgets"
    anchor = "budgets"

    def blocks(self, data: ReportData) -> list[Block]:
        results, blocks = data.results, list[Block]()
        if results.partway:
            words = (
                "Every arm after shares of its steps, beside its end. Each of these readings is compared with the base above, and corrected for "
                "with the others; none was picked."
            )
            table = curves_table(results)
            blocks += [Prose(words), Grid(table=table, heading="Over the budget", intro=words, caption=words)]
        if results.sweeps:
            words = (
                "Every arm at every learning rate. Where a contrast or a form share names the arm, the rate stands for it that had most right "
                "answers to the validation problems, training problems of which no case was made."
            )
            table = rates_table(results)
            blocks += [Prose(words), Grid(table=table, heading="Over learning rates", intro=words, caption=words)]
        return blocks


def curves_table(results: Results) -> Table:
    """One row for each arm and measurement, a column for each share of its steps."""
    parts = sorted({part for _, part in results.partway.values()})
    names = {(arm, part): name for name, (arm, part) in results.partway.items()}
    rows = []
    for group in by_key(general(results, results.levels)).values():
        standing = {one.arm: one for one in group}
        for arm in dict.fromkeys(arm for arm, _ in names):
            read = [names.get((arm, part), "") for part in parts] + [arm]
            if any(name in standing for name in read):
                rows.append(
                    (label_of(results, group[0]).title, arm, *(_cell(results, standing, name) for name in read))
                )
    headings = ("Metric", "Arm", *(f"{100 * part:g} % of its steps" for part in parts), "all")
    return Table(headings, tuple(rows), n_text=2, grouped=True)


def rates_table(results: Results) -> Table:
    """One row for each arm and rate: in validation, and held out."""
    measured = [one for one in by_key(general(results, results.levels)).values() if one[0].metric == "pass@1"]
    standing = {one.arm: one for group in measured[:1] for one in group}
    return Table(
        ("Arm", "Learning rate", "Stands for the arm", "Validation", "UNKNOWN", "Problems", "Held out (pass@1)"),
        tuple(_rates(results, standing)),
        n_text=3,
        grouped=True,
    )


def _rates(results: Results, standing: Mapping[str, Level]) -> Iterator[tuple[str, ...]]:
    for sweep in results.sweeps:
        for rate in sweep.rates:
            yield (
                sweep.arm,
                f"{rate.learning_rate:g}",
                "yes" if rate.name == sweep.chosen else "",
                "stopped early" if rate.right is None else share(rate.right),
                share(rate.unknown),
                str(rate.n_problems),
                _cell(results, standing, rate.name),
            )


def _cell(results: Results, standing: Mapping[str, Level], name: str) -> str:
    one = standing.get(name)
    if one is None:
        return "–"
    metric = results.metric(one)
    unknown = f", {share(one.unknown)} UNKNOWN" if one.unknown else ""
    return f"{level(metric, one.estimate)} {level_interval(metric, one.low, one.high)}{unknown}"
