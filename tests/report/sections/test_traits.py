import pytest
from msgspec.structs import replace

from counterform.report.data import load
from counterform.report.markdown import to_markdown
from counterform.report.page import render
from counterform.report.sections import traits as of_traits
from counterform.results import Finding, Retention, Traits


def row(trait, arm, kept, low, high, **other):
    return Retention(
        trait=trait,
        arm=arm,
        rate=1.0,
        base=5.0,
        kept=kept,
        low=low,
        high=high,
        p_holm=0.001,
        n_answers=400,
        n_problems=100,
        n_seeds=2,
        verdict="undecided" if kept is None else "fell",
        sentence=f"{arm}, {trait}.",
        **other,
    )


HOME = Finding(
    claim="",
    probe="accuracy",
    metric="right answers in distribution",
    arm="guided",
    versus="base",
    baseline=0.4,
    estimate=0.2,
    low=0.1,
    high=0.3,
    p=0.01,
    p_holm=0.01,
    mde=float("inf"),
    n_items=100,
    n_problems=100,
    n_seeds=2,
    n_missing=0,
    verdict="better",
    sentence="",
)
TRAITS = Traits(
    retained=(
        row("all markers", "guided", 0.2, 0.1, 0.3, matched=0.4, matched_low=0.2, matched_high=0.7, in_common=0.5),
        row("all markers", "<b>mine</b>", None, None, None),
        row("self-check", "guided", None, None, None),
        row("said", "guided", 0.5, 0.4, 0.6),
    ),
    accuracy=(HOME,),
)


def test_the_table_has_both_sides_of_the_trade():
    first, second, *_ = of_traits.table(TRAITS).rows
    assert first[:2] == ("All markers", "guided")
    assert [cell.replace("\u00a0", " ") for cell in first[5:9]] == ["20.0 %", "[10.0, 30.0]", "40.0 %", "[20.0, 70.0]"]
    assert first[12:14] == ("+20.0 [+10.0, +30.0]", "–")
    assert second[5:9] == ("undefined", "", "undefined", "")


def test_a_trait_that_is_undefined_for_every_arm_has_no_figure():
    assert list(of_traits.by_trait(TRAITS)) == ["all markers", "said"]
    figure = of_traits.retained(TRAITS.retained[:2])
    assert [trace.x[0] for trace in figure.data] == pytest.approx([20, 40])
    assert of_traits.label("said").title == "Said"


def test_the_trade_is_one_picture():
    away = replace(HOME, metric="right answers out of distribution", estimate=-0.1, low=-0.2, high=0.0)
    figure, words = of_traits.trade(replace(TRAITS, accuracy=(HOME, away)))
    assert [(trace.x[0], trace.y[0]) for trace in figure.data] == [pytest.approx((40, 20)), pytest.approx((40, -10))]
    home = figure.data[0]
    assert (home.error_x.array[0], home.error_x.arrayminus[0]) == pytest.approx((30, 20))  # at like lengths
    assert (home.error_y.array[0], home.error_y.arrayminus[0]) == pytest.approx((10, 10))
    assert (home.marker.symbol, figure.data[1].marker.symbol) == ("circle", "circle-open")
    assert "guided kept 40.0" in words
    assert "OOD −10.0 [−20.0, 0.0]" in words
    assert of_traits.trade(replace(TRAITS, accuracy=())) is None
    assert of_traits.trade(replace(TRAITS, retained=TRAITS.retained[1:])) is None


def test_the_page_and_the_markdown_have_the_section(run, page_of_run, owning):
    assert "What was kept and lost" not in page_of_run
    data = owning(load(run), traits=TRAITS)
    page = render(data)
    assert "What was kept and lost" in page
    assert "<b>mine</b>" not in page
    assert "The trade" in page
    assert "## Traits kept and lost" in to_markdown(data)
