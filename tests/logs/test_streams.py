"""Files are read a row at a time, and whatever is wrong with one is a message with its place."""

import json

import pytest

from counterform.errors import DataError
from counterform.logs import streams
from counterform.logs.reader import Broken
from counterform.logs.streams import decode, delimited, head, lines, members


@pytest.mark.parametrize("chunk", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize(
    "document",
    [
        {
            "version": 12345,
            "status": 'a \\" } ] string',
            "samples": [{"id": 1}, {"id": [2, {"x": "é"}]}],
            "after": None,
        },
        {"samples": [], "n": -1.5e-7},
        {"samples": None},
        {},
    ],
)
def test_members_come_whole_wherever_the_file_is_cut_into_chunks(tmp_path, monkeypatch, chunk, document):
    monkeypatch.setattr(streams, "CHUNK", chunk)
    path = tmp_path / "log.json"
    for indent in (None, 2):
        path.write_text(json.dumps(document, indent=indent))
        found = list(members(path, inside="samples"))
        listed = document.get("samples")
        expected = [
            pair
            for name, value in document.items()
            for pair in ([(name, x) for x in value] if value is listed and listed is not None else [(name, value)])
        ]
        assert found == expected


@pytest.mark.parametrize("text", ['{"a": [1, 2', '{"a" 1}', '{"a": 1', "[1, 2", "[1 2]", "", "{", '{"a": "cut'])
def test_a_document_that_ends_too_early_or_errs_is_one_message(tmp_path, text):
    path = tmp_path / "log.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"cannot|not a JSON"):
        list(members(path, inside="a"))


def test_a_document_nested_too_deeply(tmp_path):
    path = tmp_path / "log.json"
    path.write_text('{"a": ' + "[" * 200_000 + "]" * 200_000 + "}")
    with pytest.raises(DataError, match="nested too deeply"):
        list(members(path))


def test_a_value_larger_than_is_ever_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "MAX_LINE", 1000)
    monkeypatch.setattr(streams, "CHUNK", 100)
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"a": "x" * 5000}))
    with pytest.raises(DataError, match="longer than"):
        list(members(path))


def test_bare_nan_is_read(tmp_path):
    assert decode(b'{"a": NaN, "b": Infinity}')["b"] == float("inf")
    with pytest.raises(ValueError, match="Expecting value"):
        decode(b'{"a": nan}')


class TestLines:
    def test_broken_ones_are_counted_with_their_place_and_the_others_read(self, tmp_path):
        path = tmp_path / "rows.jsonl"
        path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n\nnot json\n[1]\n{"a": NaN}\n{"a": "\xff"}\n{"a": 2')
        broken = Broken()
        found = list(lines(path, broken))
        assert [row["a"] for row in found[::2]] == [1, "�"]
        assert len(found) == 3
        assert broken.count == 3
        assert [example.split(":")[0] for example in broken.examples] == ["line 3", "line 4", "line 7"]

    def test_a_line_longer_than_the_limit_is_broken_and_the_next_one_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr(streams, "MAX_LINE", 100)
        path = tmp_path / "rows.jsonl"
        path.write_text(json.dumps({"a": "x" * 1000}) + "\n" + json.dumps({"a": 1}) + "\n")
        broken = Broken()
        assert list(lines(path, broken)) == [{"a": 1}]
        assert broken.count == 1

    def test_deep_nesting_and_huge_numbers_are_broken_rows(self, tmp_path):
        path = tmp_path / "rows.jsonl"
        path.write_text("[" * 100_000 + "\n" + '{"a": ' + "9" * 10_000 + "}\n" + '{"a": 1}\n')
        broken = Broken()
        assert list(lines(path, broken))[-1] == {"a": 1}
        assert broken.count >= 1


def test_csv_and_tsv(tmp_path):
    for sign in ",\t":
        path = tmp_path / "rows.csv"
        path.write_text(f'a{sign}b\n1{sign}"x{sign}\ny"\n{sign}2\nonly one\n')
        broken = Broken()
        assert list(delimited(path, broken)) == [{"a": "1", "b": f"x{sign}\ny"}, {"a": None, "b": "2"}]
        assert broken.count == 1


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_tables_with_any_of_the_usual_signs_between_columns(tmp_path, sign):
    path = tmp_path / "a.csv"
    path.write_text(
        sign.join(["id", "prompt"]) + "\n" + sign.join(["1", f'"q{sign} with\na line"']) + "\n", encoding="utf-8-sig"
    )
    assert list(delimited(path, Broken())) == [{"id": "1", "prompt": f"q{sign} with\na line"}]
    assert head(path, lambda _: ()).container == "csv"


@pytest.mark.parametrize(
    ("start", "said"),
    [(b"\x1f\x8b\x08", "gunzip a"), (b"\x28\xb5\x2f\xfd", "unzstd a"), ('{"id": 1}'.encode("utf-16"), "UTF-16")],
)
def test_files_that_must_be_unpacked_or_saved_anew_say_how(tmp_path, start, said):
    (tmp_path / "a").write_bytes(start)
    with pytest.raises(DataError, match=said):
        head(tmp_path / "a", lambda _: ())
