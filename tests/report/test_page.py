import base64
import gzip
import hashlib
import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.report import glossary, page
from counterform.report.data import ReportData, load
from counterform.report.html import packed, packed_json
from counterform.report.page import attempts_json, pieces, write_page
from counterform.report.unread import Answered
from counterform.results import Inside
from counterform.store import RunDir
from counterform.types import Mark, StepVerdict

PLAIN = set(string.ascii_letters + string.digits + "+/=")
HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(1)> {{7*7}} & \u2028\u2029\u202e"


def unpacked(block: str) -> Any:
    return msgspec.json.decode(gzip.decompress(base64.b64decode(block)))


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
    library = gzip.decompress(base64.b64decode(re.search(r'id="plotly">(.*?)<', html)[1]))  # type: ignore[index]
    hashes.add(f"sha256-{base64.b64encode(hashlib.sha256(library).digest()).decode()}")
    assert len(scripts) == 6
    assert set(policy.group(1).replace("&#39;", "").split()) == hashes


def test_sections_stand_in_order(html: str) -> None:
    parts = (
        "<h1",
        'class="cards screen contrasts"',
        'class="cards screen treatments"',
        'class="cards screen controls"',
        'id="contrasts"',
        'id="gains"',
        'id="levels"',
        'id="inside"',
        'id="claims"',
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
    assert set(attempts_json(data)[0]) <= PLAIN


def test_a_megabyte_of_text_is_cut_and_counted(run: RunDir) -> None:
    block, limit = attempts_json(_with_text(load(run), "x" * 1_000_000))
    assert limit == page.TEXT_LIMITS[0]
    row = unpacked(block)["rows"][0]
    assert row[9] == 1_000_000 - limit


def test_texts_are_cut_until_they_fit(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MAX_ATTEMPT_BYTES", 1)
    assert attempts_json(load(run))[1] == page.TEXT_LIMITS[-1]


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_packed_json_comes_back_and_holds_no_markup(value: object) -> None:
    text = packed_json(value)
    assert set(text) <= PLAIN
    assert unpacked(text) == value


def test_the_same_content_is_packed_alike() -> None:
    assert packed(b"words") == packed(b"words")


def test_what_is_unknown_opens_the_page_with_the_reason_and_the_fix(run: RunDir) -> None:
    data = load(run)
    six_of_eight = Answered(n=8, unknown=6, cut=6, unheard=0, reason="")
    text = page.render(msgspec.structs.replace(data, answered={**data.answered, "cft": six_of_eight}))
    assert re.search(r"cft: 75.0.% .* UNKNOWN: 6 of 8 cut at max_tokens = \d+. Raise max_tokens in \[probe\]", text)
    assert 'class="warning" role="note"' not in page.render(data)


def test_each_arm_is_described_where_it_is_named(html: str) -> None:
    assert '<span title="critique of a wrong attempt">cft</span>' in html
    assert '<span class="of what">critique of a wrong attempt</span>' in html


def test_terms_lead_to_their_meaning(html: str) -> None:
    for anchor in re.findall(r'href="#([^"?]+)"', html):
        assert f'id="{anchor}"' in html, anchor
    assert '<a href="#term-mde">MDE</a>' in html
    for term in (*glossary.STUDY.terms, *glossary.COMPARISON.terms):
        assert (Path(__file__).parents[2] / "docs" / term.page).is_file(), term.page


@given(st.text(max_size=40), st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=6))
def test_pieces_lose_nothing_but_blanks(text: str, spans: list[tuple[int, int]]) -> None:
    steps = tuple(StepVerdict(mark=Mark.RIGHT, rule="r", span=span) for span in spans)
    joined = "".join(piece if isinstance(piece, str) else piece[0] for piece in pieces(text, steps))
    assert "".join(joined.split()) == "".join(text.split())
