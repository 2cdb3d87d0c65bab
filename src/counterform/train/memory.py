"""How much memory this process has held."""

from __future__ import annotations

import resource
import sys


def process_peak_mb() -> float:
    """The most memory that this process has held at once, in MiB. macOS counts it in bytes, Linux in kilobytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
