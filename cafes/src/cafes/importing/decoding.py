"""Opens a file as text, whatever wrote it: UTF-8, UTF-16, or a Windows code page; and refuses what is no text."""

import codecs
import io
from pathlib import Path
from typing import TextIO

from cafes.errors import NotCsv

_SAMPLE_BYTES = 65_536

_SIGNATURES = {
    b"PK\x03\x04": "an Excel workbook or another zip archive: save it as CSV first",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as CSV first",
    b"\x89PNG": "a picture (PNG), not CSV",
    b"\xff\xd8\xff": "a picture (JPEG), not CSV",
    b"GIF8": "a picture (GIF), not CSV",
    b"%PDF": "a PDF, not CSV",
    b"\x1f\x8b": "compressed (gzip): unpack it first",
}
_UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CONTROLS = bytes(code for code in range(32) if code not in b"\0\t\n\f\r\x1a\x1b")


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are no UTF-8, read as Windows reads them. Byte by byte: files are glued together of both."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    try:
        return wrong.decode("cp1252"), error.end
    except UnicodeDecodeError:  # five bytes mean nothing in cp1252
        return wrong.decode("latin-1"), error.end


codecs.register_error("cafes.windows-1252", _as_windows_1252)


def open_text(path: Path) -> TextIO:
    """The file as text, line ends as they are. It is read as a stream, so that it may be a pipe.

    :raises NotCsv: it cannot be read, is empty, or is no text; says what it is.
    """
    try:
        binary = io.BufferedReader(io.FileIO(path), _SAMPLE_BYTES)
        sample = binary.peek(_SAMPLE_BYTES)
    except OSError as error:
        raise NotCsv(str(path), f"cannot be read: {error.strerror or error}.") from error
    try:
        encoding = _encoding_of(path, sample)
    except NotCsv:
        binary.close()
        raise
    errors = "replace" if encoding.startswith("utf-16") else "cafes.windows-1252"
    return io.TextIOWrapper(binary, encoding=encoding, errors=errors, newline="")


def _encoding_of(path: Path, sample: bytes) -> str:
    if not sample.strip(b"\xef\xbb\xbf \t\r\n"):
        raise NotCsv(str(path), "is empty. Expected a header with the columns 'name' and 'city'.")
    for signature, meaning in _SIGNATURES.items():
        if sample.startswith(signature):
            raise NotCsv(str(path), f"is {meaning}.")
    if sample.startswith(_UTF16_BOMS):
        return "utf-16"
    # ASCII letters in UTF-16 have a NUL beside them, always on the same side.
    for encoding, high_bytes in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[0::2])):
        if high_bytes.count(0) * 2 > len(high_bytes):
            return encoding
    if sum(map(sample.count, (bytes((code,)) for code in _CONTROLS))) * 20 > len(sample):
        raise NotCsv(str(path), "is binary data, not CSV.")
    return "utf-8-sig"
