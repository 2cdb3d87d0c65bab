"""What a unit of work is made with: kept in its record, since another may be made elsewhere."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from counterform import __version__


@cache
def versions() -> dict[str, str]:
    """Of everything that decides numbers."""
    found = {"counterform": __version__, "python": platform.python_version()}
    for package in ("torch", "transformers", "trl", "peft", "math-verify", "numpy", "scipy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """What this process runs on; the device where it has used one."""
    found: dict[str, Any] = {"cores": os.cpu_count() or 0, "platform": platform.platform(terse=True)}
    if "counterform.models.loading" in sys.modules:
        from counterform.models.loading import best_device

        found = {"device": str(best_device()), **found}
    return found
