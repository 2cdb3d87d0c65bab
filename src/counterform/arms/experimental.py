"""Arms whose trainer is among what TRL calls experimental: it may be missing, and then the arm is refused and the others go on."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from counterform.arms.recipe import Recipe


class Experimental(Recipe):
    """An arm that `trl.experimental` trains, in the module of its objective's name."""

    @property
    def lacks(self) -> str:
        """That trainer, where TRL is installed without it; nothing of TRL is imported."""
        trl = find_spec("trl")
        folders = trl.submodule_search_locations if trl else None
        there = folders is None or any((Path(folder) / "experimental" / self.objective).is_dir() for folder in folders)
        name = self.objective
        return (
            ""
            if there
            else f"{name.upper()}, which this version of TRL does not have (trl.experimental.{name}); 1.16 has it"
        )
