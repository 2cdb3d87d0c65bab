import io
from collections import Counter

import pytest
from rich.console import Console

from counterform.report.data import load
from counterform.report.labels import VERDICT_SIGNS
from counterform.report.terminal import print_results
from counterform.store import RunDir


def _printed(run: RunDir, width: int) -> str:
    data = load(run)
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_results(data, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("width", [80, 120])
def test_every_gain_stands_on_one_line_with_its_verdict_in_words(run: RunDir, width: int) -> None:
    text = _printed(run, width)
    lines = [line.split() for line in text.splitlines()]
    assert ["sft", "+31.1", "[+27.0,", "+35.2]", "5.8", "1,200", "●", "better"] in lines
    assert ["cft", "−11.8", "[−15.9,", "−7.7]", "5.8", "1,200", "◆", "worse"] in lines
    verdicts = Counter(line[-1] for line in lines if line and line[-1] in VERDICT_SIGNS)
    assert verdicts == Counter(finding.verdict for finding in load(run).results.findings)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "Right by wrong steps (↓ better)" in text


def test_the_answer_comes_first_and_the_notes_last(run: RunDir) -> None:
    text = _printed(run, 120)
    answer, table, note = (
        text.index(part) for part in ("Of 5 arms, 3 came out", "Gain over", "3 pairs of the critique")
    )
    assert answer < table < note
