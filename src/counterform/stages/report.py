"""Stage 9: the page. It can be made again from the files alone."""

from __future__ import annotations

from collections.abc import Iterator

from counterform.stages.unit import Unit
from counterform.stages.work import Work
from counterform.store import RunDir, key_of
from counterform.study import to_toml


def report_units(work: Work) -> Iterator[Unit]:
    """The report."""
    yield ReportUnit("report", needs=("find",))


class ReportUnit(Unit):
    """All that was found, on one page."""

    def key(self, work: Work) -> str:
        return key_of(work.files.records["find"].key, to_toml(work.study))

    def make(self, work: Work) -> list[str]:
        from counterform.report.page import write_page

        # From the files alone, as `counterform report` would make it again.
        write_page(RunDir(work.files.path))
        return ["report.html"]
