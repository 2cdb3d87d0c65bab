"""What a study, or a comparison of logs, will cost and could find, before compute is spent on it."""

from counterform.plan.logs import plan_logs
from counterform.plan.study import plan_study

__all__ = ["plan_logs", "plan_study"]
