import pytest
from rich.console import Console

from counterform.report.data import load
from counterform.report.markdown import to_markdown
from counterform.report.page import render
from counterform.report.sections import trust as of_trust
from counterform.report.terminal import print_trust
from counterform.results import ReliabilityBin, SelfTrust
from counterform.trust import Confidence, Trust


def one(arm, method, confidence, right):
    low, high = max(right - 0.1, 0), min(right + 0.1, 1)
    return ReliabilityBin(
        arm=arm, method=method, confidence=confidence, right=right, low=low, high=high, n_answers=40, n_problems=20
    )


TRUST = SelfTrust(
    reliability=(
        one("base", "P(True)", 0.55, 0.3),
        one("base", "P(True)", 0.95, 0.6),
        one("base", "joint", 0.4, 0.4),
        one("<b>mine</b>", "P(True)", 0.5, 0.5),
    )
)


def test_a_line_a_method_beside_the_diagonal():
    figure = of_trust.reliability(of_trust.by_arm(TRUST)["base"])
    diagonal, alone, joint = figure.data
    assert (list(diagonal.x), list(diagonal.y)) == ([0, 100], [0, 100])
    assert list(alone.y) == pytest.approx([30, 60])
    assert list(joint.y) == pytest.approx([40])
    assert of_trust.signs(TRUST) == [("P(True)", "●"), ("joint", "■")]
    assert "55.0 % sure 30.0 % right" in of_trust.summary(of_trust.by_arm(TRUST)["base"]).replace("\u00a0", " ")


def test_the_page_and_the_markdown_have_the_section(run, owning):
    data = owning(load(run), trust=TRUST)
    page = render(data)
    assert "How far each model trusts" in page
    assert "<b>mine</b>" not in page
    assert "## Reliability" in to_markdown(data)


def test_the_terminal_shows_a_row_a_candidate(capsys):
    candidates = (
        Confidence(answer="The answer is 4.", says="4", times=2, alone=0.8, joint=None, consistency=2 / 3),
        Confidence(answer="\x1b[31m5", says="\x1b[31m5", times=1, alone=0.1, joint=0.25, consistency=1 / 3),
    )
    print_trust(
        Trust(question="2 + 2?", candidates=candidates, from_logprobs=True, notes=("one [b]note[/b]",)),
        Console(width=100),
    )
    shown = capsys.readouterr().out.replace("\u00a0", " ")
    assert "80.0 %" in shown
    assert "–" in shown
    assert "one [b]note[/b]" in shown
    assert "\x1b" not in shown
