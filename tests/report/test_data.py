import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import RunDirError
from counterform.report import data as data_module
from counterform.report.data import ReportData, even_shares, load
from counterform.report.markdown import to_markdown
from counterform.report.page import write_page
from counterform.results import Inside, Results, decode
from counterform.store import RunDir


def test_load_reads_every_part(run: RunDir) -> None:
    data = load(run)
    assert data.name == "first-study"
    assert len(data.results.findings) == 48
    assert data.card is not None
    assert [arm.arm for arm in data.card.arms] == list(dict.fromkeys(c.arm for c in data.checkpoints))
    assert (len(data.checkpoints), len(data.audit), len(data.problems)) == (10, 3, 40)
    assert data.n_attempts == len(data.attempts) == 11 * 40 * 2
    assert data.n_readings == 440
    assert data.attempts[0].arm == "base"
    assert data.results.own_of("internals", Inside) is not None


def test_a_figure_inside_that_is_none_is_not_a_number_again(run: RunDir, owning: Callable[..., ReportData]) -> None:
    inside = load(run).results.own_of("internals", Inside)
    assert inside is not None
    unbounded = msgspec.structs.replace(inside.per_token[0], high=math.inf)
    data = owning(load(run), internals=msgspec.structs.replace(inside, per_token=(unbounded,)))
    again = decode(msgspec.json.encode(data.results), Results).own_of("internals", Inside)
    assert again is not None
    assert math.isnan(again.per_token[0].high)
    assert "| rft" in to_markdown(data)


def test_an_empty_directory_still_makes_a_report(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    data = load(run)
    assert data.card is None
    assert data.attempts == ()
    assert "There are no findings yet." in write_page(run).read_text(encoding="utf-8")
    assert "There are no findings yet." in to_markdown(load(run))


def test_a_failed_arm_is_told_and_the_rest_is_shown(make_run: Callable[..., RunDir], tmp_path: Path) -> None:
    run = make_run(tmp_path / "failed", n_problems=4)
    checkpoint = load(run).checkpoints[0]
    failed = msgspec.structs.replace(checkpoint, failure="the loss is nan at step 12")
    run.write_text(
        f"checkpoints/{checkpoint.arm}/{checkpoint.seed}/checkpoint.json", msgspec.json.encode(failed).decode()
    )
    run.clear(f"readings/attempts/{checkpoint.arm}-{checkpoint.seed}.parquet")
    sentence = "sft, seed 0, stopped early and was not read: the loss is nan at step 12"
    assert sentence in write_page(run).read_text(encoding="utf-8")
    assert sentence in to_markdown(load(run))


def test_what_was_never_read_is_no_number_and_no_crash(make_run: Callable[..., RunDir], tmp_path: Path) -> None:
    run = make_run(tmp_path / "unread", n_problems=2)
    results = load(run).results
    unread = msgspec.structs.replace(
        results.findings[0], estimate=math.nan, low=-math.inf, high=math.inf, mde=math.inf, verdict="undecided"
    )
    results = msgspec.structs.replace(results, findings=(unread, *results.findings[1:]))
    run.write_text("findings.json", msgspec.json.encode(results).decode())
    assert math.isnan(load(run).results.findings[0].estimate)
    assert "| sft | – | [–, –] | undecided | – |" in to_markdown(load(run))
    assert "NaN" not in re.sub(r"<script.*?</script>", "", write_page(run).read_text("utf-8"), flags=re.DOTALL)


def test_a_broken_file_is_named(make_run: Callable[..., RunDir], tmp_path: Path) -> None:
    run = make_run(tmp_path / "broken", n_problems=2)
    run.write_text("findings.json", '{"question": 3}')
    with pytest.raises(RunDirError, match=r"findings\.json cannot be read"):
        load(run)


def test_a_sample_is_even_and_shows_the_same_problems_of_every_arm(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_module, "MAX_ATTEMPTS", 240)
    first, second = load(run), load(run)
    assert first.attempts == second.attempts
    assert Counter(attempt.arm for attempt in first.attempts) == dict.fromkeys(
        ("base", "sft", "rft", "cft", "shuffled_target", "answer_only"), 40
    )
    shown = {arm: set[str]() for arm in ("sft", "cft")}
    for attempt in first.attempts:
        if attempt.arm in shown:
            shown[attempt.arm].add(attempt.graded.attempt.problem_id)
    assert shown["sft"] == shown["cft"]


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 500), max_size=8), st.integers(0, 1000))
def test_even_shares(sizes: dict[str, int], total: int) -> None:
    shares = even_shares(sizes, total)
    assert all(0 <= shares[name] <= size for name, size in sizes.items())
    assert sum(shares.values()) == min(total, sum(sizes.values()))
    cut = [shares[name] for name, size in sizes.items() if shares[name] < size]
    assert not cut or max(cut) - min(cut) <= 1
