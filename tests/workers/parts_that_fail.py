"""Trainers that do not do what they should."""

import os
import signal

from parts_of_a_study import Copy

from counterform.errors import StudyError


class Refuses(Copy):
    """One arm it does not train."""

    def train(self, arm, *, base, seed, out):
        if arm.name == "other":
            raise StudyError("it will not do")
        return super().train(arm, base=base, seed=seed, out=out)


class Breaks(Copy):
    """It has an error of its own."""

    def train(self, arm, *, base, seed, out):
        raise ZeroDivisionError("by nothing")


class Dies(Copy):
    """It ends its process, as one does that takes more memory than there is."""

    def train(self, arm, *, base, seed, out):
        os.kill(os.getpid(), signal.SIGKILL)


class NeedsAnother(Copy):
    """An option of it cannot be."""

    def __init__(self, *, spec, bench):
        raise StudyError("$.train.sft.learning_rate: is too large")
