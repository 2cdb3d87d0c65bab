"""What a probe reads of [probe] is what it declares: a change of any other key must not change its readings."""

import ast
import inspect
from pathlib import Path

import pytest

from counterform.models import sampling
from counterform.parts import PARTS, part
from counterform.probes.probe import Probe
from counterform.study import ProbeSpec

ITEMS = ("attempts", "shifted", "exemplars")
"""Keys that come with items of their own."""


def attributes(tree, of):
    """Names behind `spec.` or `self.spec.`, and behind `items.`"""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if owner == of:
                yield node.attr


def read_by(probe):
    bases = (base for base in inspect.getmro(probe) if issubclass(base, Probe) and base is not Probe)
    source = "\n".join(Path(inspect.getfile(base)).read_text() for base in bases)
    tree = ast.parse(source.replace("from __future__ import annotations", ""))
    names = {*attributes(tree, "spec"), *(name for name in attributes(tree, "items") if name in ITEMS)}
    if "answers_for" in source:
        names |= {*attributes(ast.parse(inspect.getsource(sampling.answers_for)), "spec")}
    if "bench.lexicon" in source:
        names.add("lexicon")
    return names


@pytest.mark.parametrize("name", PARTS["probe"])
def test_a_probe_declares_exactly_what_it_reads(name):
    probe = part("probe", name)
    assert set(probe.reads) == read_by(probe) & set(ProbeSpec.__struct_fields__)
    assert len(set(probe.reads)) == len(probe.reads)


def test_one_that_declares_nothing_reads_everything():
    assert set(Probe.reads) == set(ProbeSpec.__struct_fields__)
