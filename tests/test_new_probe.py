"""What somebody touches who adds a probe with findings and a section of its own: at most four files, and nothing else of the package."""

import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import counterform
from counterform.results import Results, decode

PACKAGE = Path(counterform.__file__).parent
FILES = {
    "findings/loudness.py": '''
"""How loud each model is: the mean number of exclamation marks in an answer. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from counterform.findings.table import tables
from counterform.metrics import Metrics
from counterform.types import Reading


class Loudness(Struct, frozen=True, kw_only=True):
    """By arm, exclamation marks in an answer."""

    marks: dict[str, float]


def loudness(readings: Sequence[Reading], metrics: Metrics) -> Loudness:
    """The mean over answers and seeds."""
    [table] = tables(readings, metrics)
    return Loudness(marks={arm: float(values.mean()) for arm, values in table.values.items()})
''',
    "probes/loudness.py": '''
"""How loud is it? Exclamation marks in an answer."""

from counterform.findings.loudness import loudness
from counterform.metrics import Metric
from counterform.models.sampling import answers_for
from counterform.probes.probe import Context, Found, Probe
from counterform.types import Mark, Reading


class Loud(Probe):
    """Counts in the samples that every probe reads."""

    name = "loudness"
    section = "loudness"
    metrics = (Metric(name="marks", title="Exclamation marks", unit="count", better="low", bounds=(0.0, None)),)

    def __call__(self, model, items, *, arm, seed):
        attempts = answers_for(self.bench, model, items.problems[: self.spec.problems], arm=arm, seed=seed)
        return [self.reading(attempt, arm, seed, at % self.spec.samples) for at, attempt in enumerate(attempts)]

    def reading(self, attempt, arm, seed, sample):
        heard = attempt.completion.finish != "error"
        return Reading(
            probe=self.name,
            metric="marks",
            arm=arm,
            seed=seed,
            item_id=f"{attempt.problem_id}/{sample}",
            problem_id=attempt.problem_id,
            mark=Mark.RIGHT if heard else Mark.UNKNOWN,
            value=float(attempt.completion.text.count("!")) if heard else None,
        )

    def find(self, readings, context: Context) -> Found:
        return Found(readings=readings, own=loudness(readings, self.declared), notes=["loudness was read"])
''',
    "report/sections/loudness.py": '''
"""How loud each model is."""

from counterform.findings.loudness import Loudness
from counterform.report.data import ReportData
from counterform.report.section import Block, Grid, Section
from counterform.report.tables import Table


class HowLoud(Section):
    """One row per model."""

    title = "How loud each model is"
    link = "Loudness"
    anchor = "loudness"

    def blocks(self, data: ReportData) -> list[Block]:
        found = data.results.own_of("loudness", Loudness)
        rows = tuple((arm, f"{marks:.2f}") for arm, marks in found.marks.items()) if found else ()
        return [Grid(table=Table(("Model", "Marks"), rows), caption="Exclamation marks in an answer")]
''',
}
LINES = {
    '    "probe": {\n': '        "loudness": "counterform.probes.loudness:Loud",\n',
    '    "section": {\n': '        "loudness": "counterform.report.sections.loudness:HowLoud",\n',
}
STUDY = """
name = "loud"
seeds = [0]
arms = ["sft"]
probes = ["loudness"]
[problems]
family = "ledger"
train = 24
held_out = 8
[attempts]
samples = 3
max_tokens = 48
[match]
cases = 6
[train]
trainer = "dry"
[probe]
samples = 1
k = 1
max_tokens = 48
"""
SCRIPT = """
from pathlib import Path
import counterform
from counterform.report.markdown import record
from counterform.store import RunDir
run = counterform.run(counterform.load_study("study.toml"), "run")
record(RunDir(Path("run")), Path("pages"))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The package with one more probe, and a tiny study that asks it."""
    root = tmp_path_factory.mktemp("package")
    shutil.copytree(PACKAGE, root / "counterform", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.items():
        (root / "counterform" / name).write_text(text.lstrip(), encoding="utf-8")
    parts = root / "counterform" / "parts.py"
    text = parts.read_text(encoding="utf-8")
    for line, more in LINES.items():
        assert text.count(line) == 1
        text = text.replace(line, line + more)
    parts.write_text(text, encoding="utf-8")
    (root / "study.toml").write_text(STUDY, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return root


def changed(one: Path, other: Path) -> list[str]:
    """The files that differ between two folders or stand in one of them alone."""
    names = {p.relative_to(root) for root in (one, other) for p in root.rglob("*") if p.is_file()}
    names = {name for name in names if "__pycache__" not in name.parts}
    return sorted(
        str(name)
        for name in names
        if not ((one / name).exists() and (other / name).exists())
        or not filecmp.cmp(one / name, other / name, shallow=False)
    )


def test_a_probe_with_findings_and_a_section_touches_at_most_four_files(copy):
    touched = changed(PACKAGE, copy / "counterform")
    assert touched == sorted([*FILES, "parts.py"])
    assert len(touched) <= 4


def test_its_findings_have_their_unit_and_stand_beside_what_is_its_own(copy):
    results = decode((copy / "run" / "findings.json").read_bytes(), Results)
    [finding] = results.findings
    assert (finding.probe, finding.metric, results.metric(finding).unit) == ("loudness", "marks", "count")
    assert "points" not in finding.sentence
    assert set(results.own["loudness"]["marks"]) == {"base", "sft"}
    assert "loudness was read" in results.notes


def test_page_and_markdown_show_its_section(copy):
    page, text = ((copy / name).read_text(encoding="utf-8") for name in ("run/report.html", "pages/loud.md"))
    assert 'id="loudness"' in page
    assert 'href="#loudness"' in page
    assert "Exclamation marks in an answer" in page
    assert "## How loud each model is" in text
