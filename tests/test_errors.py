import inspect
import re

import pytest

from counterform import errors

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", ALL)
def test_one_base_catches_all(kind):
    assert issubclass(kind, errors.CounterformError)


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = set(re.findall(r"^\s*[├└─ ]*([A-Z]\w+) {2,}", errors.__doc__ or "", re.MULTILINE))
    assert drawn == {kind.__name__ for kind in ALL}


def test_unknown_name_says_value_neighbour_and_options():
    message = errors.unknown_name("arm", "critiques", ["rejection", "critique", "imitation"])
    assert message == "unknown arm 'critiques'. Did you mean 'critique'? Options: critique, imitation, rejection"


def test_unknown_name_without_a_neighbour():
    assert errors.unknown_name("arm", "zzz", iter(["cft"])) == "unknown arm 'zzz'. Options: cft"


def test_missing_extra_names_the_command():
    assert "pip install 'counterform[train]'" in str(errors.MissingExtra("torch", "train"))
