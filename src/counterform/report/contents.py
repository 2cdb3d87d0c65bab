"""The sections of a report in their order: the page, the Markdown page and the terminal all go through them."""

from __future__ import annotations

from counterform.report.section import Section, own_sections
from counterform.report.sections.budgets import Budgets
from counterform.report.sections.claims import Claims
from counterform.report.sections.form import Form
from counterform.report.sections.gains import Contrasts, Gains
from counterform.report.sections.graders import Graders
from counterform.report.sections.levels import Levels
from counterform.report.sections.matching import Matching
from counterform.report.sections.steps import WhileTheyLearnt
from counterform.results import Results

BEFORE: tuple[Section, ...] = (Contrasts(), Gains(), Form(), Levels(), Budgets())
AFTER: tuple[Section, ...] = (WhileTheyLearnt(), Claims(), Matching(), Graders())
"""Around the sections that the study's probes name."""


def sections(results: Results) -> list[Section]:
    """All sections that a study may have, in order; one that has nothing to show of it has no blocks."""
    return [*BEFORE, *own_sections(results).values(), *AFTER]
