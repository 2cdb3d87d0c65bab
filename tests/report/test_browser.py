"""The page in a real Chromium. Skipped where there is none, except in CI, which must have one."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from counterform.report.page import write_page
from counterform.store import RunDir
from counterform.types import Graded

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="no Chromium on this machine: install `chromium`"
)
HOSTILE = (
    "</script><script>document.title = 'owned'</script>",
    "<img src=x onerror=\"document.title = 'owned'\">",
    "{{7*7}} ${7*7} &lt;b&gt;",
    "right to left \u202egnorw\u202c and \u2066isolated\u2069",
    "y" * 1_000_000,
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "CI needs a Chromium: install `chromium`"
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])


@pytest.fixture(scope="module")
def report(make_run: Callable[..., RunDir], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report whose base wrote hostile text."""
    run = make_run(tmp_path_factory.mktemp("browser") / "hostile")
    rows = run.read_rows("readings/attempts/accuracy/base-0.parquet", Graded)
    for index, text in enumerate(HOSTILE):
        completion = msgspec.structs.replace(rows[index].attempt.completion, text=text)
        attempt = msgspec.structs.replace(rows[index].attempt, completion=completion)
        verdict = msgspec.structs.replace(rows[index].verdict, steps=())
        rows[index] = msgspec.structs.replace(rows[index], attempt=attempt, verdict=verdict)
    run.write_rows("readings/attempts/accuracy/base-0.parquet", rows, Graded)
    return write_page(run)


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """The drawn page; a request, a refused script or an error on it fails the test."""
    context = browser.new_context()
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if request.url != report.as_uri() else None)
    page.goto(report.as_uri())
    page.wait_for_selector("html[data-drawn=all]")
    yield page
    context.close()
    assert problems == []


def test_the_plots_are_drawn(page: Page) -> None:
    assert page.locator(".plot svg.main-svg").count() >= 24
    assert page.locator("#gains .plot").first.locator(".point").count() == 5
    assert "sft" in page.locator("#gains .plot").first.inner_text()


def test_filters_and_search(page: Page) -> None:
    def matches(text: str) -> None:
        page.get_by_text(text, exact=True).wait_for(timeout=2_000)

    matches("1 to 25 of 880 attempts")
    page.get_by_role("button", name="Next").click()
    matches("26 to 50 of 880 attempts")
    page.get_by_role("combobox", name="Arm", exact=True).select_option("cft")
    matches("1 to 25 of 160 attempts")
    page.get_by_label("Process").select_option("violated")
    page.get_by_label("Outcome").select_option("wrong")
    page.wait_for_timeout(300)
    items = page.locator("#list > li")
    assert items.count() > 0
    assert (
        items.first.locator(".pieces .wrong .tag").first.inner_text().startswith("✗ wrong · arithmetic · right would")
    )
    page.get_by_title("Show all attempts at this problem").first.click()
    matches("1 to 22 of 22 attempts")
    page.get_by_label("Search").fill("no such words")
    matches("No attempts match these filters.")


def test_the_address_brings_back_what_was_chosen(page: Page) -> None:
    page.get_by_role("button", name="base right, arm wrong").click()
    page.get_by_role("combobox", name="Arm", exact=True).select_option("cft")
    page.get_by_label("Order").select_option("longest")
    page.get_by_label("Decided rows only").check()
    page.wait_for_timeout(300)
    arms = page.locator("#list .head b").all_inner_texts()
    assert {"base", "cft"} == set(arms)
    page.get_by_title("A link to this one").nth(3).click()
    opened = page.locator("#list > .opened")
    expect(opened).to_be_in_viewport()
    words = opened.inner_text()
    page.get_by_role("link", name="Gains", exact=True).first.click()
    assert page.evaluate("location.hash").startswith("#gains?")
    page.goto(page.evaluate("location.href"))
    page.reload()
    page.wait_for_selector("html[data-drawn=all]")
    assert page.locator("#list > .opened").inner_text() == words
    assert page.get_by_role("combobox", name="Arm", exact=True).input_value() == "cft"
    assert page.locator("tr.open").first.is_hidden()
    assert page.get_by_role("button", name="base right, arm wrong").get_attribute("aria-pressed") == "true"


def test_a_section_lands_where_its_link_points(browser: Browser, report: Path) -> None:
    page = browser.new_page()
    page.goto(f"{report.as_uri()}#matching")
    page.wait_for_selector("html[data-drawn=all]")
    page.locator("#list > li").first.wait_for()
    assert abs(page.locator("#matching").evaluate("section => section.getBoundingClientRect().top")) < 2
    page.close()


def test_a_table_as_csv(page: Page) -> None:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV: Gains over the base model").click()
    rows = list(csv.reader(Path(waiting.value.path()).read_text(encoding="utf-8-sig").splitlines()))
    assert rows[0][:4] == ["Metric", "Arm", "Difference", "95 % interval"]
    assert rows[1][:4] == ["Solving (pass@1)", "sft", "+31.1", "[+27.0, +35.2]"]
    assert rows[3][2] == "-11.8"  # a minus that a spreadsheet knows
    assert page.evaluate("""quoted("=1+1") + quoted("+a") + quoted('a "b"')""") == """"'=1+1""'+a""a ""b""\""""


def test_hostile_text_is_shown_and_never_run(page: Page) -> None:
    page.get_by_role("combobox", name="Arm", exact=True).select_option("base")
    for words, shown in (
        ("</script>", "</script><script>document.title"),
        ("onerror", "<img src=x onerror"),
        ("{{7*7}}", "{{7*7}} ${7*7} &lt;b&gt;"),
        ("right to left", "⟨U+202E⟩gnorw⟨U+202C⟩ and ⟨U+2066⟩isolated⟨U+2069⟩"),
        ("yyyy", "992,000 more characters are not kept on this page."),
    ):
        page.get_by_label("Search").fill(words)
        expect(page.locator("#list > li")).to_have_count(1)
        expect(page.locator("#list")).to_contain_text(shown)
    assert page.locator("#list img, #list script").count() == 0
    assert page.title() == "first-study · counterform"


def test_the_page_never_scrolls_sideways(page: Page) -> None:
    page.get_by_label("Search").fill("yyyy")
    expect(page.locator("#list > li")).to_have_count(1)
    assert page.locator(".tools.wide").count() == 0
    for width in (1280, 768, 375):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(400)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        plot = page.locator(".plot svg.main-svg").first.bounding_box()
        assert plot
        assert plot["x"] + plot["width"] <= width
    assert page.locator(".tools.wide .cue").first.is_visible()


def test_dark_and_paper_repaint_the_plots(page: Page) -> None:
    def ink() -> str:
        return str(page.locator(".plot .annotation-text").first.evaluate("text => getComputedStyle(text).fill"))

    light = ink()
    page.emulate_media(color_scheme="dark")
    assert ink() != light
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert ink() == light
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("#list").is_visible()
    assert page.get_by_text("left out on paper").is_visible()


def test_everything_that_takes_input_has_a_name(page: Page) -> None:
    for control in page.locator("input, select, button").all():
        assert control.evaluate("c => c.labels?.length > 0 || c.textContent.trim() !== ''")
    levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_a_full_page_is_small_and_opens_whole(
    browser: Browser, make_run: Callable[..., RunDir], tmp_path: Path
) -> None:
    run = make_run(tmp_path / "full", n_problems=120, samples=4, readings=5_500, padding=" and so on" * 80)
    path = write_page(run)
    assert path.stat().st_size < 6e6
    page = browser.new_page()
    page.goto(path.as_uri())
    page.locator("#list > li").nth(24).wait_for()
    page.wait_for_selector("html[data-drawn=all]")
    page.get_by_label("Search").fill("right would be: 2")
    page.get_by_text("of 5,000 attempts").wait_for(state="detached")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint < 1_500
    assert "5,000 of 5,280 held-out attempts" in page.locator("#attempts").inner_text()
    page.close()
