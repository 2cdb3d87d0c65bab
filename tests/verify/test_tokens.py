from __future__ import annotations

import pytest

from counterform.verify.tokens import tokens


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("She has 5 apples", "wnw"),
        ("3 books x 2", "nwxn"),
        ("2x = 6", "nv=n"),
        ("2x3", "nxn"),
        ("2xy", "nF"),
        ("5kg + 3 kg", "nw+nw"),
        ("sqrt(4)", "r(n)"),
        ("log(4)", "F(n)"),
        ("f(4)", "v(n)"),
        ("Area(4)", "F(n)"),
        ("$5 + $3 = $8", "n+n=n"),
        ("$5 + 3$", "Bn+nB"),
        ("20$ + 30$", "nB+nB"),
        (r"$2 * 6$", "BnmnB"),
        (r"$x_1 + x_{12}$", "Bv+vB"),
        (r"$4,\!060$", "BnB"),
        (r"4{,}060", "n"),
        (r"\[ 5 \text{ hours} \]", "BnwB"),
        (r"$3 \star 5$", "BnSnB"),
        ("half of 30 is 15", "honin"),
        ("20 percent of 5", "n%on"),
        ("the eggs is 5", "win"),
        ("5 != 6", "n<n"),
        ("5!=120", "n!=n"),
        ("**5 + 3 = 8**", "n+n=n"),
        ("2**3", "n^n"),
        ("1, 2, ...", "n,n,F"),
        ("- 5 + 3", "n+n"),
        ("1. 5 + 3", "n+n"),
        ("S'mores / 3", "w/n"),
        ("180° - 30^\\circ", "nw-nw"),
        (r"\begin{align*} 5 &= 2 \\ \end{align*}", "BnB=nBB"),
        (r"\begin{pmatrix} 5 \end{pmatrix}", "FnF"),
    ],
)
def test_a_text_is_a_string_of_kinds(text, kinds):
    assert tokens(text).kinds == kinds


def test_what_follows_without_a_space_is_seen():
    assert tokens("2(3) (4)").glued == [True, True, True, True, False, True, True]
