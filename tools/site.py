"""What mkdocs is told beside the pages: the generated reference, and links that leave the folder of documents."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, os.path.dirname(__file__))
from reference import PAGES

ROOT = Path(__file__).parents[1]
COPIED = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md", "security.md": "SECURITY.md"}
"""Pages of the site that stand at the root of the repository."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages that are made, not written."""
    for place, page in PAGES.items():
        files.append(File.generated(config, place, content=page()))
    for place, name in COPIED.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        # As if it stood in the folder of documents, one below the root.
        files.append(File.generated(config, place, content=re.sub(r"\]\((?!\w+:|#)", "](../", text)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files of the repository that are no pages become the words and the path. Raises FileNotFoundError for one that is not there."""
    folder = (Path(config.docs_dir) / page.file.src_uri).parent

    def shown(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        copied = next((place for place, name in COPIED.items() if target == ROOT / name), None)
        if copied:
            return f"[{link[1]}]({os.path.relpath(Path(config.docs_dir) / copied, folder)}{link[3] or ''})"
        if target.is_relative_to(Path(config.docs_dir).resolve()):
            return f"[{link[1]}]({os.path.relpath(target, folder)}{link[3] or ''})"
        if not target.exists():
            raise FileNotFoundError(f"{page.file.src_uri} links to {link[2]}, which is not there")
        path = f"`{target.relative_to(ROOT)}`"
        return path if link[1].strip("`") in (target.name, path.strip("`")) else f"{link[1]} ({path})"

    return re.sub(r"(?<!!)\[([^\]\n]+)\]\((\.\.?/[^)#\s]+)(#[^)\s]*)?\)", shown, markdown)
