from collections.abc import Callable
from pathlib import Path

import msgspec

from counterform.claims.recorded import read_all
from counterform.report.claims_page import claims_page
from counterform.report.data import load, recorded
from counterform.report.markdown import record, to_markdown
from counterform.report.overview import overview
from counterform.store import RunDir
from counterform.text.numbers import points, share


def test_every_figure_of_the_run_is_there(run: RunDir) -> None:
    data = load(run)
    text = to_markdown(data)
    assert all(points(finding.estimate) in text for finding in data.results.findings)
    assert all(share(level.estimate).replace("\u00a0", " ") in text for level in data.results.levels)
    assert "| Solving (pass@1) | sft | +31.1 | [+27.0, +35.2] | better | 5.8 | 0.002 |" in text
    assert "| Solving (pass@1) | answer_only | sft | 30.2 % | [22.2, 38.2] | 1,200 | 300 | 2 |" in text
    assert "| Solving (pass@1) | rft | sft | undefined |  | 1,200 | 300 | 2 |" in text
    assert "torch 2.13.0" in text
    assert "- Seeds: 0, 1." in text
    assert data.study_text in text


def test_tables_are_whole(run: RunDir) -> None:
    widths = [line.count("|") for line in to_markdown(load(run)).splitlines() if line.startswith("|")]
    assert set(widths) <= {13, 8, 7, 9, 3, 6, 4}


def test_text_cannot_break_out_of_the_page(make_run: Callable[..., RunDir], tmp_path: Path) -> None:
    run = make_run(tmp_path / "hostile", n_problems=2)
    results = load(run).results
    hostile = "<img src=x onerror=alert(1)> | a cell\n# a heading [link](javascript:alert(1)) ```"
    run.write_text("findings.json", msgspec.json.encode(msgspec.structs.replace(results, notes=(hostile,))).decode())
    run.write_text("study.toml", "# ````\n" + load(run).study_text)
    text = to_markdown(load(run))
    assert "<img" not in text
    assert "\n# a heading" not in text
    assert "](javascript" not in text
    assert "`````toml" in text


def test_a_study_is_kept_as_a_page_and_as_figures_that_claims_are_read_from(run: RunDir, tmp_path: Path) -> None:
    page, figures = record(run, tmp_path / "studies")
    assert page.read_text(encoding="utf-8") == to_markdown(load(run))
    [study] = read_all(tmp_path / "studies")
    assert (study.parameters, study.training_seconds) == (0, sum(c.ledger.seconds for c in load(run).checkpoints))
    other = msgspec.structs.replace(study, name="recorded", model="of others")
    study = msgspec.structs.replace(study, parameters=1_000_000, training_seconds=9_000.0)
    assert (figures.name, study.name) == ("first-study.json", "first-study")
    assert overview(study.results).blocks == overview(load(run).results).blocks
    text = claims_page([study, other])
    _, by_size, *systems, hours = text.split("\n## ")
    [row] = [line for line in by_size.splitlines() if "answers in solving" in line]
    assert row.endswith(
        "| **refuted**: [first-study](studies/first-study.md) | **refuted**: [recorded](studies/recorded.md) |"
    )
    assert {line.count("|") for line in by_size.splitlines() if line.startswith("|")} == {4}
    assert "1.0 M: the world's base | Size not known: endpoints, recorded answers of models of others |" in by_size
    assert "| not asked | not asked |" in by_size
    figures_of_claims = "".join(systems)
    assert "| refuted | cft − sft: −42.9 points [−47.0, −38.8] (" in figures_of_claims
    assert (
        "| [first-study](studies/first-study.md): ledger, the world's base of 1.0 M parameters |" in figures_of_claims
    )
    assert {line.count("|") for line in figures_of_claims.splitlines() if line.startswith("|")} == {5}
    decided = len(
        {
            claim
            for claim in systems
            for claim in claim.split("\n\n**")[1:]
            if "| supported |" in claim or "| refuted |" in claim
        }
    )
    assert "| 2.500 | " in hours
    assert hours.rstrip().endswith(f"| {decided} | {2.5 / decided:.3f} |")


def test_the_size_of_a_model_is_what_the_base_says_that_was_read(
    make_run: Callable[..., RunDir], tmp_path: Path
) -> None:
    run = make_run(tmp_path / "sized", n_problems=2)
    for whose, size in (("base", 1_500_003), ("cft", 1_600_000)):
        unit = f"units/probe/{whose}/0/accuracy.json"
        record = msgspec.json.decode((run / unit).read_bytes())
        record["facts"]["parameters"] = size
        run.write_text(unit, msgspec.json.encode(record).decode())
    run = RunDir(run.path)
    assert recorded(load(run)).setting == "ledger, the world's base of 1.5 M parameters"
