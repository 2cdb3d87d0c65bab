"""Every link to a file of the repository leads to one. (`make docs` looks at headings too, and at the generated pages.)"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = {
    ROOT / "docs" / "reference" / name for name in ("study-file.md", "parts.md", "command-line.md", "package.md")
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", re.sub(r"`[^`\n]*`", "", text)):
        if not re.match(r"\w+:", target):
            found = (page.parent / target).resolve()
            assert found.exists() or found in GENERATED, target


def test_the_pages_that_the_site_lists_are_there():
    copied = {"contributing.md", "security.md", "changelog.md"}
    for name in re.findall(r"(?:: |- )([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE):
        path = ROOT / "docs" / name
        assert path.exists() or path in GENERATED or name in copied, name
