"""A model that has the worked solutions, and gives them every other time."""

from typing import ClassVar

from counterform.models.scripted import ScriptedModel


class Known(ScriptedModel):
    """Its wrong attempts are solutions of other problems."""

    solutions: ClassVar[dict[str, str]] = {}
    """By prompt."""

    @classmethod
    def open(cls, spec):
        return cls(cls.answered)

    @classmethod
    def answered(cls, prompt, sample):
        asked = next(known for known in cls.solutions if known in prompt)
        own = cls.solutions[asked]
        return own if sample % 2 else next(other for other in cls.solutions.values() if other[-12:] != own[-12:])
