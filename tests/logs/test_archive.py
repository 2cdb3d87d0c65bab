"""Archives with members of every method, and what is wrong with a broken one."""

import json
import zipfile

import pytest

from counterform.errors import DataError
from counterform.logs import archive as module
from counterform.logs.archive import archive, names

MEMBERS = {"samples/1_epoch_1.json": b'{"id": 1}' * 400, "header.json": json.dumps({"status": "success"}).encode()}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, 93])
def test_members_of_every_method(tmp_path, writers, method):
    path = tmp_path / "log.eval"
    writers["write_zip"](path, MEMBERS, method)
    with archive(path) as log:
        assert log.names == list(MEMBERS)
        assert {name: log.read(name) for name in log.names} == MEMBERS


def test_a_truncated_archive_says_how_much_is_left(tmp_path, writers):
    path = tmp_path / "log.eval"
    writers["write_zip"](path, MEMBERS)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(DataError, match=r"truncated zip archive.*1 samples begin"):
        names(path)


@pytest.mark.parametrize(("method", "flip"), [(zipfile.ZIP_STORED, 60), (zipfile.ZIP_DEFLATED, 55), (93, 60)])
def test_a_changed_byte_is_found(tmp_path, writers, method, flip):
    path = tmp_path / "log.eval"
    writers["write_zip"](path, MEMBERS, method)
    data = bytearray(path.read_bytes())
    data[flip] ^= 0x55
    path.write_bytes(bytes(data))
    with archive(path) as log, pytest.raises(ValueError, match=r"."):
        log.read("samples/1_epoch_1.json")


def test_a_member_that_unpacks_to_more_than_is_read(tmp_path, writers, monkeypatch):
    path = tmp_path / "log.eval"
    writers["write_zip"](path, MEMBERS)
    monkeypatch.setattr(module, "MAX_MEMBER", 100)
    with archive(path) as log, pytest.raises(ValueError, match="at most"):
        log.read("samples/1_epoch_1.json")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, 93])
def test_a_member_that_holds_more_than_its_directory_says_is_not_unpacked(tmp_path, writers, method):
    path = tmp_path / "log.eval"
    writers["write_zip"](path, {"samples/1_epoch_1.json": b"x" * 1_000_000}, method)
    with archive(path) as log:
        log._index["samples/1_epoch_1.json"].file_size = 10
        with pytest.raises(ValueError, match="checksum"):
            log.read("samples/1_epoch_1.json")


def test_a_method_that_nobody_knows(tmp_path, writers):
    path = tmp_path / "log.eval"
    writers["write_zip"](path, MEMBERS)
    with archive(path) as log:
        log._index["header.json"].compress_type = 97
        with pytest.raises(ValueError, match="method 97"):
            log.read("header.json")
