import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.report import page
from counterform.report.data import ReportData, load
from counterform.report.html import script_json
from counterform.report.page import attempts_json, pieces, write_page
from counterform.results import Inside
from counterform.store import RunDir
from counterform.types import Mark, StepVerdict

HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(1)> {{7*7}} & \u2028\u2029\u202e"


def _with_text(data: ReportData, text: str) -> ReportData:
    shown = data.attempts[0]
    completion = msgspec.structs.replace(shown.graded.attempt.completion, text=text)
    attempt = msgspec.structs.replace(shown.graded.attempt, completion=completion)
    shown = msgspec.structs.replace(shown, graded=msgspec.structs.replace(shown.graded, attempt=attempt))
    return msgspec.structs.replace(data, attempts=(shown, *data.attempts[1:]))


@pytest.fixture(scope="module")
def html(run: RunDir) -> str:
    return write_page(run).read_text(encoding="utf-8")


def test_the_page_loads_nothing(html: str) -> None:
    markup = re.sub(r"<script[^>]*>.*?</script>", "", html, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)=\"(?!#)|url\(|@import|https?:", markup)
    assert "default-src 'none'" in markup


def test_the_policy_lets_only_the_pages_own_scripts_run(html: str) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    hashes = {f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}" for text in scripts}
    policy = re.search(r"script-src (.*?); base-uri", html)
    assert policy
    assert len(scripts) == 3
    assert set(policy.group(1).replace("&#39;", "").split()) == hashes


def test_sections_stand_in_order(html: str) -> None:
    parts = (
        "<h1",
        'class="cards screen"',
        'id="claims"',
        'id="gains"',
        'id="levels"',
        'id="contrasts"',
        'id="inside"',
        'id="matching"',
        'id="trust"',
        'id="attempts"',
    )
    places = [html.index(part) for part in (*parts, 'id="reading"', "name = &#34;first-study&#34;")]
    assert places == sorted(places)


def test_what_changed_inside_stands_there_if_anything_was_read(run: RunDir, owning: Callable[..., ReportData]) -> None:
    data = load(run)
    text = page.render(data)
    assert text.count('data-figure="inside-') == 15
    for part in ("31.0\u00a0%", "0.0344", "0.90", "shuffled labels: must be near"):
        assert part in text, part
    unasked = msgspec.structs.replace(data, results=msgspec.structs.replace(data.results, own={}))
    assert 'id="inside"' not in page.render(unasked)
    nothing = Inside(shares=(), per_token=(), layers=(), control=(), weights=None)
    assert 'id="inside"' not in page.render(owning(data, internals=nothing))


def test_hostile_attempts_and_words_stay_text(run: RunDir) -> None:
    data = _with_text(load(run), HOSTILE)
    results = msgspec.structs.replace(data.results, question=HOSTILE, notes=(HOSTILE,))
    text = page.render(msgspec.structs.replace(data, results=results, name=HOSTILE))
    assert "<script>alert(1)" not in text
    assert "<img" not in text
    assert "{{7*7}}" in text
    assert "\u2028" not in attempts_json(data)[0]


def test_a_megabyte_of_text_is_cut_and_counted(run: RunDir) -> None:
    block, limit = attempts_json(_with_text(load(run), "x" * 1_000_000))
    assert limit == page.TEXT_LIMITS[0]
    row = msgspec.json.decode(str(block))["rows"][0]
    assert row[9] == 1_000_000 - limit


def test_many_long_texts_are_cut_until_they_fit(make_run: Callable[..., RunDir], tmp_path: Path) -> None:
    run = make_run(tmp_path / "long", samples=4, padding=" <&>" * 1_500)
    block, limit = attempts_json(load(run))
    assert limit < page.TEXT_LIMITS[0]
    assert len(block) <= page.MAX_ATTEMPT_BYTES


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_script_json_comes_back_and_holds_no_markup(value: object) -> None:
    text = script_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert msgspec.json.decode(str(text)) == value


@given(st.text(max_size=40), st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=6))
def test_pieces_lose_nothing_but_blanks(text: str, spans: list[tuple[int, int]]) -> None:
    steps = tuple(StepVerdict(mark=Mark.RIGHT, rule="r", span=span) for span in spans)
    joined = "".join(piece if isinstance(piece, str) else piece[0] for piece in pieces(text, steps))
    assert "".join(joined.split()) == "".join(text.split())
