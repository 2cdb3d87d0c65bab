from counterform.report.data import load
from counterform.report.markdown import to_markdown
from counterform.report.page import render
from counterform.report.sections import strategy as of_strategy
from counterform.results import Dose, Effect, Results, Strategies


def effect(metric, arm, versus, differs_by, h):
    ends = {"h_low": h - 0.1, "h_high": h + 0.1, "d": h, "d_low": h - 0.1, "d_high": h + 0.1}
    return Effect(
        probe="strategy",
        metric=metric,
        condition="free form",
        arm=arm,
        versus=versus,
        differs_by=differs_by,
        h=h,
        n_items=40,
        n_seeds=2,
        **ends,
    )


def dose(share, asked):
    level = 0.2 + 0.6 * share
    return Dose(
        probe="strategy",
        metric="breadth first",
        condition=asked,
        arm="ff",
        other="mc",
        share=share,
        estimate=level,
        low=level - 0.1,
        high=level + 0.1,
        n_items=40,
        n_seeds=2,
    )


FOUND = Strategies(
    effects=(
        effect("breadth first", "mc", "sums", "domain", 0.05),
        effect("breadth first", "mc", "<b>ff</b>", "format", 0.6),
        effect("revisits", "mc", "<b>ff</b>", "format", 0.0),
    ),
    doses=tuple(dose(share, asked) for asked in ("free form", "no format") for share in (0.0, 0.5, 1.0)),
)


def test_format_stands_beside_domain_in_one_forest(declared):
    results = Results(question="?", findings=(), levels=(), baselines=(), metrics=declared)
    [rows] = of_strategy.effects_drawn(FOUND)
    assert [row.differs_by for row in rows] == ["format", "domain"]
    figure = of_strategy.effects(rows)
    assert [trace.marker.symbol for trace in figure.data] == ["circle", "circle-open"]
    assert len(of_strategy.effects_table(results, FOUND).rows) == 3


def test_a_line_a_format_between_two_arms():
    [(key, rows)] = of_strategy.curves(FOUND).items()
    assert key == ("ff", "mc", "breadth first")
    figure = of_strategy.dose_curve(rows)
    assert len(figure.data) == 2
    assert [sign for _, sign in of_strategy.signs(FOUND)] == ["●", "■"]
    assert "50.0 % at 50.0 %" in of_strategy.doses_summary(rows).replace("\u00a0", " ")


def test_the_page_and_the_markdown_have_the_section(run, owning):
    data = owning(load(run), strategy=FOUND)
    page = render(data)
    assert "How each arm searches" in page
    assert "Between two arms" in page
    assert "<b>ff</b>" not in page
    markdown = to_markdown(data)
    assert "## Order of search: effect sizes" in markdown
    assert "## Order of search: between two arms" in markdown
