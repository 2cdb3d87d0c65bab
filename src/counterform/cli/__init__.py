"""The command line: one subcommand per stage, no logic."""

from __future__ import annotations

import io
import os
import sys
import warnings

from counterform.cli import guards, logs, studies, worlds
from counterform.cli.app import app
from counterform.cli.printing import say, silence
from counterform.errors import CounterformError

__all__ = ["app", "guards", "logs", "main", "studies", "worlds"]


def main() -> None:
    """Run the command line. Anything a user can mend is one message and exit code 2."""
    # Nothing this program loads should phone home or paint bars over its own lines.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    warnings.filterwarnings("ignore", category=FutureWarning)  # of libraries to each other; no user can mend them
    warnings.filterwarnings("ignore", message="You are using .rollout_func.")  # TRL's hook, held by contract tests
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # closed, or somebody else's, it is none
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except CounterformError as error:
        say(f"counterform: {error}")
        sys.exit(2)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            say(f"counterform: cannot write what was to be shown: {error.strerror}. What was finished is kept.")
        silence(sys.stdout)
        sys.exit(2)
