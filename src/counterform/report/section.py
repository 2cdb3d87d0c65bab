"""What a section of the report offers: blocks, which the page, the Markdown page and the terminal lay out each in its way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

import plotly.graph_objects as go
from msgspec import Struct

from counterform.metrics import M
from counterform.parts import PARTS, made
from counterform.report.data import ReportData
from counterform.report.labels import MetricLabel
from counterform.report.tables import Table
from counterform.results import Baseline, Results


class Plot(Struct, frozen=True, kw_only=True):
    """A figure with the words around it."""

    id: str
    label: MetricLabel
    summary: str
    """What the figure shows, for those who cannot see it."""
    figure: go.Figure
    lines: tuple[Baseline, ...] = ()


class Prose(Struct, frozen=True, tag=True):
    """A paragraph of the page."""

    text: str


class Heading(Struct, frozen=True, tag=True):
    """The heading of a part of a section, on the page."""

    text: str


class Sign(Struct, frozen=True, kw_only=True):
    """One entry of a key: words, and what stands before them."""

    words: str = ""
    css: str = ""
    """Class of the words."""
    line: str = ""
    """Class of a sample of a line or band."""
    arm: str = ""
    """One of several arms in the figures below, which can be shown before the others: its name stands for the words."""
    sign: str = ""
    """The arm's marker, in this colour."""
    colour: str = ""


class Key(Struct, frozen=True, tag=True):
    """What the signs and lines of the figures below it mean."""

    entries: tuple[Sign, ...]


class Figures(Struct, frozen=True, tag=True):
    """Figures side by side, on the page."""

    plots: tuple[Plot, ...]


class Grid(Struct, frozen=True, kw_only=True, tag=True):
    """A table."""

    table: Table
    caption: str
    """On the page."""
    heading: str = ""
    """In Markdown; empty: the section's title."""
    intro: str = ""
    """A sentence before it, in Markdown."""
    page_only: bool = False
    """Markdown leaves it out."""
    of_words: bool = False
    """Its cells are sentences: on a narrow screen a row becomes a card."""


class Notes(Struct, frozen=True, tag=True):
    """Sentences that a reader must know."""

    items: tuple[str, ...]


class Folded(Struct, frozen=True, tag=True):
    """Blocks that the page shows when they are asked for."""

    summary: str
    blocks: tuple[Grid, ...]


Block = Prose | Heading | Key | Figures | Grid | Notes | Folded


class Section(ABC):
    """One section of the report. A section without blocks is not shown."""

    holds_findings: ClassVar[bool] = False
    """The findings and levels of the probe that names it stand here, and not in the general sections."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Its heading; a class attribute will do, here and below."""

    @property
    @abstractmethod
    def link(self) -> str:
        """What leads to it, in the list of sections."""

    @property
    @abstractmethod
    def anchor(self) -> str:
        """Its name in the page's address."""

    @abstractmethod
    def blocks(self, data: ReportData) -> list[Block]:
        """What it shows of a study, in order."""


def own_sections(results: Results) -> dict[str, Section]:
    """The sections that the study's probes name, by probe: those of the package in its order, people's own behind them."""
    known = list(PARTS["section"])
    named = sorted(results.sections.items(), key=lambda item: known.index(item[1]) if item[1] in known else len(known))
    return {probe: made("section", name, {}, "section") for probe, name in named}


def general(results: Results, rows: Iterable[M]) -> list[M]:
    """The rows without those of a probe whose section holds them."""
    apart = {probe for probe, section in own_sections(results).items() if section.holds_findings}
    return [row for row in rows if row.probe not in apart]


def grids(blocks: Iterable[Block]) -> Iterator[Grid]:
    """The tables among some blocks, folded ones too, that have a row."""
    for block in blocks:
        if isinstance(block, Folded):
            yield from grids(block.blocks)
        elif isinstance(block, Grid) and block.table.rows and not block.page_only:
            yield block


def plots(blocks: Iterable[Block]) -> list[Plot]:
    """The figures among some blocks."""
    return [plot for block in blocks if isinstance(block, Figures) for plot in block.plots]


INTERVALS = Sign(words="upright lines: 95 % intervals")
PICK = Sign(words="press a name to see it before the others")
FOREST = Key(
    (
        Sign(words="● better", css="better"),
        Sign(words="◆ worse", css="worse"),
        Sign(words="○ undecided", css="undecided"),
        Sign(words="too small for this study to find (± MDE)", line="band"),
        Sign(words="lines: 95 % intervals"),
    )
)
"""The key of figures of differences."""


def folded(summary: str, *blocks: Grid) -> list[Block]:
    """The tables that have a row, folded away; nothing where none has."""
    shown = tuple(block for block in blocks if block.table.rows)
    return [Folded(summary, shown)] if shown else []


def figures(found: Sequence[Plot]) -> list[Block]:
    """The figures, or nothing where there are none."""
    return [Figures(tuple(found))] if found else []
