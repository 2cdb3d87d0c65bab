import os
import signal

# Before torch is imported, and for every program that a test starts. One thread: the tiny model is faster so, and
# two programs on two cores do not wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from hypothesis import settings

# The same examples on every run, and no verdict by the clock: a busy machine is no bug.
settings.register_profile("counterform", derandomize=True, deadline=None)
settings.load_profile("counterform")

# A shell's background job ignores Ctrl-C, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
