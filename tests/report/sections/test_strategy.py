import msgspec

from counterform.report.data import load
from counterform.report.markdown import to_markdown
from counterform.report.page import render
from counterform.report.sections import strategy as of_strategy
from counterform.results import Dose, Effect, Strategies


def effect(metric, arm, versus, differs_by, h):
    ends = {"h_low": h - 0.1, "h_high": h + 0.1, "d": h, "d_low": h - 0.1, "d_high": h + 0.1}
    return Effect(metric=metric, arm=arm, versus=versus, differs_by=differs_by, h=h, n_items=40, n_seeds=2, **ends)


def dose(share, asked):
    level = 0.2 + 0.6 * share
    return Dose(
        metric=f"breadth first ({asked})",
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
        effect("breadth first (free form)", "mc", "sums", "domain", 0.05),
        effect("breadth first (free form)", "mc", "<b>ff</b>", "format", 0.6),
        effect("revisits (free form)", "mc", "<b>ff</b>", "format", 0.0),
    ),
    doses=tuple(dose(share, asked) for asked in ("free form", "no format") for share in (0.0, 0.5, 1.0)),
)


def test_format_stands_beside_domain_in_one_forest():
    groups = of_strategy.effects_by_metric(FOUND)
    assert list(groups) == ["breadth first (free form)"]
    [rows] = groups.values()
    assert [row.differs_by for row in rows] == ["format", "domain"]
    figure = of_strategy.effects(rows)
    assert [trace.marker.symbol for trace in figure.data] == ["circle", "circle-open"]
    assert len(of_strategy.effects_table(FOUND).rows) == 3


def test_a_line_a_format_between_two_arms():
    [(key, rows)] = of_strategy.curves(FOUND).items()
    assert key == ("ff", "mc", "breadth first")
    figure = of_strategy.dose_curve(rows)
    assert len(figure.data) == 2
    assert [sign for _, sign in of_strategy.signs(FOUND)] == ["●", "■"]
    assert "50.0 % at 50.0 %" in of_strategy.doses_summary(rows).replace("\u00a0", " ")


def test_the_page_and_the_markdown_have_the_section(make_run, tmp_path):
    run = make_run(tmp_path / "run", n_problems=4)
    run.write_text("strategy.json", msgspec.json.encode(FOUND).decode())
    page = render(load(run))
    assert "How each arm searches" in page
    assert "Between two arms" in page
    assert "<b>ff</b>" not in page
    markdown = to_markdown(load(run))
    assert "## Order of search: effect sizes" in markdown
    assert "## Order of search: between two arms" in markdown
