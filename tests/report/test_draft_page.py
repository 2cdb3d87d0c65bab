"""The page of a drafted policy: the text left, rules right, in a real Chromium, and hostile drafts as text."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from counterform.guard.drafting.cases import Case, Example
from counterform.guard.drafting.drafting import Coverage, Drafted, DraftedRule
from counterform.guard.drafting.proof import Proof
from counterform.guard.drafting.sentences import sentences
from counterform.guard.drafting.traces import BrokenCall, OnTraces
from counterform.report.draft_page import render, write_draft_page
from counterform.report.drafted import in_words
from tests.guard.drafting.library import POLICY

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="no Chromium on this machine: install `chromium`"
)
HOSTILE = (
    "</code><script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">{{7*7}}\u202e"
)


def drafted() -> Drafted:
    """Two proven rules, and a refused one that is hostile wherever a model writes."""
    found = sentences(POLICY)
    case = Case(tool="lend_books", arguments={"books": ["b" * 900], HOSTILE: HOSTILE})
    examples = tuple(Example(case=case, label=label, origin="asked") for label in ("keeps", "breaks"))
    proven = Proof(
        name="five_books",
        code="def five_books(state, call):\n    return " + "'x' * 3",
        examples=examples,
        mutants=18,
        searched=1283,
        left_open=("a < b",),
    )
    shown = (BrokenCall(conversation="7, trial 0", message=4, call="lend_books(" + "y" * 280),)
    rules = (
        DraftedRule(
            quotes=(3,),
            background=(1, 2),
            proof=proven,
            logic="sound",
            traces=OnTraces(calls=40, broken=1, unknown=2, shown=shown),
        ),
        DraftedRule(
            quotes=(9, 10),
            background=(),
            proof=msgspec.structs.replace(proven, name=HOSTILE, code=HOSTILE * 50, refused=HOSTILE),
        ),
        DraftedRule(
            quotes=(),
            background=(),
            proof=Proof(name="", code="", examples=(), refused="it quotes no sentence of the policy"),
        ),
    )
    rows = [
        Coverage(sentence=s.number, rules=("five_books",))
        if s.number == 3
        else Coverage(sentence=s.number, reason="its draft was refused", why=HOSTILE)
        if s.number in (9, 10)
        else Coverage(sentence=s.number, reason="needs judgement", why="z" * 500)
        for s in found
    ]
    return Drafted(
        policy="policy.md", model=HOSTILE, text=POLICY, sentences=tuple(found), rules=rules, coverage=tuple(rows)
    )


def test_coverage_in_words() -> None:
    assert in_words(drafted()) == [
        "1 of 11 sentences has a rule that was proven; 1 of 3 drafts was proven.",
        "Needs judgement: 8 sentences (1, 2, 4 to 8, 11).",
        "Its draft was refused: 2 sentences (9, 10).",
    ]


def test_every_sentence_and_draft_is_on_the_page() -> None:
    page = render(drafted())
    assert (
        page.count('<li class="open">') + page.count('<li class="covered">') + page.count('<li class="refused">') == 11
    )
    assert page.count('<article class="rule') == 3
    assert "<script" not in page
    assert "script-src &#39;none&#39;" in page
    assert "<img" not in page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "CI needs a Chromium: install `chromium`"
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_draft_page(drafted(), tmp_path_factory.mktemp("draft") / "draft.html")


@pytest.fixture
def page(browser: Browser, path: Path) -> Iterator[Page]:
    """The page; a request, a script or an error on it fails the test."""
    context = browser.new_context()
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if request.url != path.as_uri() else None)
    page.goto(path.as_uri())
    yield page
    context.close()
    assert problems == []


@needs_chromium
def test_text_left_and_rules_right_and_never_sideways(page: Page) -> None:
    for width, beside in ((1280, True), (768, False), (375, False)):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for rule in page.locator(".rule").all():
            box = rule.bounding_box()
            text = rule.locator("xpath=ancestor::div[contains(@class, 'block')]").locator(".policy").bounding_box()
            assert box
            assert text
            assert box["x"] + box["width"] <= width
            assert (box["x"] >= text["x"] + text["width"]) is beside


@needs_chromium
def test_hostile_text_is_shown_and_never_run(page: Page) -> None:
    assert page.title() == "policy.md · counterform"
    assert page.locator("main script, main img").count() == 0
    assert "</code><script>" in page.locator(".rule.refused").last.inner_text()
    assert "⟨U+202E⟩" in page.locator("main").inner_text()
    assert "\u202e" not in page.content()


@needs_chromium
def test_dark_paper_and_names(page: Page) -> None:
    def of(selector: str, what: str) -> str:
        return str(page.locator(selector).first.evaluate(f"one => getComputedStyle(one).{what}"))

    light = of("body", "backgroundColor"), of("body", "color"), of(".rule.accepted .state", "color")
    page.emulate_media(color_scheme="dark")
    dark = of("body", "backgroundColor"), of("body", "color"), of(".rule.accepted .state", "color")
    assert all(a != b for a, b in zip(light, dark, strict=True))
    page.emulate_media(media="print", color_scheme="light")
    page.set_viewport_size({"width": 720, "height": 1000})
    assert page.evaluate("document.documentElement.scrollWidth") == 720
    assert page.locator(".rule.accepted .examples").is_visible()
    levels = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for control in page.locator("input").all():
        assert control.evaluate("c => c.labels?.length > 0")
