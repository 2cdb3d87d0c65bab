import io

import msgspec
import pytest
from rich.console import Console

from counterform.report.data import ReportData, load
from counterform.report.terminal import LINES, print_results
from counterform.report.unread import Answered
from counterform.store import RunDir


def printed(data: ReportData, run: RunDir, width: int) -> list[str]:
    file = io.StringIO()
    print_results(data, run / "report.html", Console(file=file, width=width, color_system=None))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_answer_table_and_path_in_twenty_lines(run: RunDir, width: int) -> None:
    lines = printed(load(run), run, width)
    assert len([line for line in lines if "report.html" not in line]) <= LINES
    rows = [line.split() for line in lines]
    assert any(row[:5] == ["sft", "+31.1", "[+27.0,", "+35.2]", "●"] for row in rows)
    assert any(row[:3] == ["answer_only", "(control)", "+9.4"] for row in rows)
    assert lines[0].startswith("Over the base model's 44.2")
    assert "notes     1 to read before it is believed, under Graders and gaps" in lines
    first = next(at for at, row in enumerate(rows) if row[:3] == ["cft", "−", "sft"])
    assert first < next(at for at, row in enumerate(rows) if row[:1] == ["sft"])


def test_many_rows_and_a_warning_stay_in_twenty_lines(run: RunDir) -> None:
    data = load(run)
    more = [
        msgspec.structs.replace(f, arm=f"{f.arm}{n}")
        for n in range(3)
        for f in data.results.findings
        if f.versus == "base"
    ]
    results = msgspec.structs.replace(data.results, findings=(*data.results.findings, *more))
    cut = Answered(n=8, unknown=6, cut=6, unheard=0, reason="")
    data = msgspec.structs.replace(data, results=results, answered=dict.fromkeys(("base", "sft"), cut))
    lines = printed(data, run, 200)
    assert len(lines) <= LINES
    assert lines[0].startswith("! base: 75.0")
    assert lines[0].endswith("And 1 more arms.")
    assert any(line.startswith("and ") and line.endswith(" more") for line in map(str.strip, lines))
