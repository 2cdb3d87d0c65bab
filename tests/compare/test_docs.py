"""What docs/compare.md shows must work as it stands there."""

import json
import re
import sys
from pathlib import Path

from typer.testing import CliRunner

from counterform.cli import app
from counterform.report.compared import lines

DOCS = Path(__file__).parents[2] / "docs" / "compare.md"
READER, CHECK = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_reader_that_is_shown(tmp_path, monkeypatch):
    (tmp_path / "our_logs.py").write_text(READER, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    logs = []
    for name, right in (("a", 3), ("b", 2)):
        rows = [
            {"problem": n, "said": f"It is {n}.", "gold": str(n), "passed": n % right > 0, "model": name}
            for n in range(20)
        ]
        logs.append(tmp_path / f"{name}.jsonl")
        logs[-1].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "copies").mkdir()
    from our_logs import Ours

    exec(CHECK, {"Ours": Ours, "path": logs[0], "tmp": tmp_path / "copies"})
    done = CliRunner().invoke(app, ["compare", *map(str, logs), "--reader", "our_logs:Ours", "--json"])
    assert json.loads(done.stdout)["comparisons"][0]["pairs"] == 20
    del sys.modules["our_logs"]


def test_the_example_is_the_real_output():
    from counterform.compare import compare_arms, example_logs

    shown = DOCS.read_text(encoding="utf-8")
    for line in lines(compare_arms(example_logs()))[2:]:
        assert line in shown
