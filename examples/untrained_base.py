"""Writes a base that has learnt nothing: the world's architecture and tokenizer, with random weights.

    python examples/untrained_base.py DIR

The shipped base read every pair of operations before any study. A study of what a model does with a pair that nobody ever
showed it must start from here (examples/mirage.toml).
"""

import sys

from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, set_seed

from counterform.models.source import source_of

world, out = source_of("world"), sys.argv[1]
set_seed(0)
AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(world)).save_pretrained(out)
AutoTokenizer.from_pretrained(world).save_pretrained(out)
