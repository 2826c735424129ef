"""Files as text, whatever wrote them; and files that are none."""

import os
from pathlib import Path

import pytest

from cafes.errors import NotCsv
from cafes.importing.decoding import open_text

TEXT = "name;city\r\nCafé Süd „Blau“ 5 €;Köln\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_encoding_that_people_save_in_is_read(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "cafes.csv"
    file.write_bytes(TEXT.encode(encoding))
    with open_text(file) as text:
        assert text.read() == TEXT


def test_a_windows_code_page_far_into_the_file_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "cafes.csv"
    file.write_bytes(b"name;city\n" + b"Cafe;Ulm\n" * 50_000 + "Café Köln;Köln\n".encode("latin-1"))
    with open_text(file) as text:
        assert text.read().endswith("Café Köln;Köln\n")


def test_a_file_glued_together_of_two_encodings_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "cafes.csv"
    file.write_bytes("name;city\nCafé;Köln\n".encode() + "Café;Köln\n".encode("latin-1") + b"\x81;x\n")
    with open_text(file) as text:
        assert text.read() == "name;city\nCafé;Köln\nCafé;Köln\n\x81;x\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\r\n \r\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is a picture"),
        (b"PK\x03\x04" + bytes(100), "is an Excel workbook or another zip archive: save it as CSV first"),
        (b"%PDF-1.7", "is a PDF"),
        (b"\x1f\x8b\x08", "is compressed"),
        (bytes(range(256)) * 50, "is binary data"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "cafes.csv"
    file.write_bytes(content)
    with pytest.raises(NotCsv, match=said) as raised:
        open_text(file)
    assert str(raised.value).startswith(str(file))
    assert raised.value.exit_code == 2


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotCsv, match="cannot be read: No such file"):
        open_text(tmp_path / "missing.csv")


def test_a_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotCsv, match="cannot be read: Is a directory"):
        open_text(tmp_path)


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "cafes.csv"
    file.write_text(TEXT)
    file.chmod(0)
    if os.access(file, os.R_OK):  # root may
        return
    with pytest.raises(NotCsv, match="cannot be read: Permission denied"):
        open_text(file)
