"""Where each model stands on every measurement, against what no ability would show."""

from __future__ import annotations

from counterform.metrics import by_key
from counterform.report import figures, tables
from counterform.report.data import ReportData
from counterform.report.labels import label_of
from counterform.report.section import Block, Grid, Plot, Section, general
from counterform.report.section import figures as drawn
from counterform.text.numbers import level as written


class Levels(Section):
    """The levels of all models."""

    title = "Where each model stands"
    link = "Levels"
    anchor = "levels"

    def blocks(self, data: ReportData) -> list[Block]:
        results = data.results
        levels = general(results, results.levels)
        if not levels:
            return []
        plots = []
        for at, (key, group) in enumerate(by_key(levels).items()):
            metric, lines = results.metric(group[0]), [line for line in results.baselines if line.key == key]
            plots.append(
                Plot(
                    id=f"level-{at}-{group[0].probe}",
                    label=label_of(results, group[0]),
                    summary="; ".join(f"{one.arm} {written(metric, one.estimate)}" for one in group),
                    figure=figures.levels(metric, group, lines),
                    lines=tuple(lines),
                )
            )
        return [
            *drawn(plots),
            Grid(
                table=tables.levels_table(results, levels),
                heading="Levels",
                caption="Levels, in per cent unless a unit says otherwise; unknown: the share of readings that nobody could grade",
            ),
        ]
