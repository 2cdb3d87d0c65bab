"""A comparison's page: what stands on it, in words and in a real Chromium, whatever the logs say."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.sync_api import Page, expect, sync_playwright

from counterform.compare import compare_arms
from counterform.errors import DataError
from counterform.report.compared_page import page, require_free, write_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
in_browser = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="no Chromium on this machine: install `chromium`"
)
HOSTILE = (
    "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\"> \u202egnorw {{7*7}} "
    + "y" * 300
)


def write(path: Path, right: object, n: int = 100, text: str = "") -> Path:
    rows = [
        {
            "id": f"{k} {text}", "prompt": f"What is {k}? {text}", "answer": str(k), "model": f"{path.stem}{text}",
            "response": f"{k} + 0 = {k}. The answer is {k if right(k) else -1}. {text}", "correct": int(right(k)), "task": f"t {text}",
        }
        for k in range(n)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log against another: 20 items lost, 20 gained; all that can be text is hostile."""
    folder = tmp_path_factory.mktemp("compared")
    a = write(folder / "a.jsonl", lambda k: k % 5 != 0, text=HOSTILE)
    b = write(folder / "b.jsonl", lambda k: k % 5 != 1, text=HOSTILE)
    written, _ = write_page(compare_arms([a, b], detail=True), folder / "out")
    return written


@pytest.fixture
def opened(report: Path) -> Iterator[Page]:
    """The page; a request, a refused script or an error on it fails the test."""
    assert CHROMIUM, "CI needs a Chromium: install `chromium`"
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        found = browser.new_page()
        found.on("console", lambda message: problems.append(message.text))
        found.on("pageerror", lambda error: problems.append(str(error)))
        found.on("request", lambda request: problems.append(request.url) if request.url != report.as_uri() else None)
        found.goto(report.as_uri())
        yield found
        browser.close()
    assert problems == []


@in_browser
def test_read_search_and_size(opened: Page) -> None:
    """What went from right to wrong stands first, the reverse a click away; nothing hostile runs; no width scrolls sideways."""
    expect(opened.locator("#matches")).to_have_text("1 to 20 of 20 items")
    first = opened.locator("#list > li").first
    expect(first).to_contain_text("⟨U+202E⟩gnorw {{7*7}}")
    expect(first.locator(".response").nth(0)).to_contain_text("✓ correct")
    expect(first.locator(".response").nth(1)).to_contain_text("✗ correct")
    opened.get_by_role("button", name="A wrong, B right").click()
    expect(opened.locator("#matches")).to_have_text("1 to 20 of 20 items")
    expect(opened.locator("#list > li").first.locator(".response").nth(1)).to_contain_text("✓ correct")
    opened.get_by_label("Search").fill("What is 25?")
    expect(opened.locator("#matches")).to_have_text("1 to 1 of 1 items")
    assert opened.locator("#list img, #list script").count() == 0
    assert opened.title().endswith("counterform")
    for scheme in ("light", "dark"):
        opened.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (1280, 375):
            opened.set_viewport_size({"width": width, "height": 800})
            assert opened.evaluate("document.documentElement.scrollWidth") == width
    for control in opened.locator("input, select, button").all():
        assert control.evaluate("c => c.labels?.length > 0 || c.textContent.trim() !== ''")
    opened.emulate_media(media="print")
    assert opened.locator("#list").is_visible()
    assert not opened.locator("#filters").is_visible()


def test_the_page_says_what_was_found(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a.jsonl", lambda k: k % 5 != 0), write(tmp_path / "b.jsonl", lambda k: k % 3 != 0)
    text = page(compare_arms([a, b], detail=True))
    for words in (
        "66.0 %",
        "A right, B wrong <b>27</b>",
        "Graded again by counterform",
        "It contradicts none of their marks.",
        "the tool&#39;s id",
        "a wrong step",
    ):
        assert words in text


def test_thousands_of_answers_stay_small(tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", lambda k: k % 2 == 0, n=50, text=" and so on" * 90)
    b = write(tmp_path / "b.jsonl", lambda k: k % 2 == 1, n=50, text=" and so on" * 90)
    found = compare_arms([a, b], detail=True)
    assert found.differing == {"flip": 25, "gain": 25}
    text = page(replace(found, shown=found.shown * 50, differing={"flip": 2000, "gain": 1250}))
    assert len(text.encode()) < 6e6
    assert "2,500 of 3,250 are on this page" in text
    assert "more characters are not kept" in text


def test_a_folder_of_somebody_elses_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="holds other things"):
        require_free(tmp_path)
    (tmp_path / "ours" / "answers").mkdir(parents=True)
    require_free(tmp_path / "ours")
