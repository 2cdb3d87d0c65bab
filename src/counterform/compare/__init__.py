"""Compare what exists already: logs of two or more arms, paired by item. No training, no study file, no torch."""

from counterform.compare.compare import compare, example_logs

__all__ = ["compare", "example_logs"]
