"""Process verification while a model writes, and before a tool call runs. Fail closed: what breaks a rule never passes."""

from counterform.guard.guard import HINT, HINT_AS_STEP, RULE, Guard, GuardedModel
from counterform.guard.watching import Guarded, Intervention, Note

__all__ = ["HINT", "HINT_AS_STEP", "RULE", "Guard", "Guarded", "GuardedModel", "Intervention", "Note"]
