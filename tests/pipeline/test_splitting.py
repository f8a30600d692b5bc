from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import pytest

from pipeline.splitting import is_splittable, offset_kind

RECORD = b"WARC/1.0\r\nWARC-Type: warcinfo\r\nContent-Length: 4\r\n\r\nabcd\r\n\r\n"


@pytest.mark.parametrize(
    ("format", "data", "kind", "can_be_cut"),
    [
        ("warc", RECORD * 2, "byte", True),
        ("warc", gzip.compress(RECORD, mtime=0) * 2, "gzip member", True),
        ("warc", gzip.compress(RECORD * 2, mtime=0), "decompressed byte", False),
        ("jsonl", b'{"text": "a"}\n', "byte", True),
        ("c4", gzip.compress(b'{"text": "a"}\n', mtime=0), "decompressed byte", False),
        ("wikipedia", bz2.compress(b"<mediawiki/>"), "decompressed byte", False),
        ("gutenberg", gzip.compress(b"text", mtime=0), "file", False),
        ("code", gzip.compress(b"tar", mtime=0), "archive member", False),
        ("parquet", b"PAR1", "row", True),
    ],
)
def test_by_the_files_head(tmp_path: Path, format: str, data: bytes, kind: str, can_be_cut: bool) -> None:
    path = tmp_path / "named.anything"
    path.write_bytes(data)
    assert offset_kind(str(path), format) == kind
    assert is_splittable(str(path), format) is can_be_cut
