"""Compare what exists already: logs, checkpoints, endpoints, paired by item. No training and no study file; torch only for a checkpoint."""

from counterform.compare.asking import Asking
from counterform.compare.compare import compare_arms, example_logs

__all__ = ["Asking", "compare_arms", "example_logs"]
