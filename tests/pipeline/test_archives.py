"""Archives of every packing, joined, cut and damaged: each member is given, or it is said that some are lost."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping

import lz4.frame
import pytest
import zstandard

from pipeline.archives import DamagedArchiveError, archive_members

FILES = {f"root/{number}.py": random.Random(number).randbytes(number * 150) for number in range(12)}
PACKERS = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
    "lz4": lz4.frame.compress,
}


def tar(files: Mapping[str, bytes], format: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def read(data: bytes) -> tuple[dict[str, bytes], DamagedArchiveError | None]:
    """What can be had, and why there is no more."""
    found: dict[str, bytes] = {}
    try:
        for member in archive_members(io.BytesIO(data)):
            found[member.path] = member.read()
    except DamagedArchiveError as error:
        return found, error
    return found, None


def headers(plain: bytes) -> list[int]:
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        return [info.offset for info in archive]


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_one_stream_or_several_hold_the_same(pack: Callable[[bytes], bytes], format: int) -> None:
    """As parallel packers write them: a stream for each stretch."""
    plain = tar(FILES, format)
    assert read(pack(plain)) == (FILES, None)
    for size in (700, 5000):
        assert read(b"".join(pack(plain[at : at + size]) for at in range(0, len(plain), size))) == (FILES, None)


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_joined_archives_are_read_one_after_the_other(pack: Callable[[bytes], bytes]) -> None:
    names = list(FILES)
    parts = [tar({name: FILES[name] for name in names[at : at + 4]}) for at in (0, 4, 8)]
    assert read(b"".join(map(pack, parts))) == (FILES, None)
    found, error = read(pack(parts[0]) + pack(parts[1][:700]))
    assert list(found) == names[:4]
    assert error is not None


def test_every_cut_is_told() -> None:
    """At each header, inside it and behind it; whole is the archive only with the block of zeros at its end."""
    plain = tar(FILES)
    starts = headers(plain)
    end = plain.rindex(FILES["root/11.py"][-9:]) + 9
    end += -end % 512
    for cut in {at + step for at in (*starts, end) for step in (-1, 0, 1, 100, 511, 512, 513)}:
        found, error = read(plain[: max(0, cut)])
        assert (error is None) == (cut >= end + 512), cut
        sound = [name for name, at in zip(FILES, starts, strict=True) if at + 512 + len(FILES[name]) <= cut]
        assert found == {name: FILES[name] for name in sound}, cut
        if error is not None and cut < end:
            assert error.offset + error.length == max(0, cut)


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_damaged_header_is_told(format: int) -> None:
    """Its check sum tells; the last bytes of that field mean nothing."""
    plain, rng = tar(FILES, format), random.Random(0)
    for start in headers(plain):
        for _ in range(20):
            at = start + rng.randrange(512)
            broken = bytearray(plain)
            broken[at] ^= 1 << rng.randrange(8)
            found, error = read(bytes(broken))
            assert found == FILES if error is None else error.offset == start
            assert error is not None or at - start in (154, 155)


@pytest.mark.parametrize("name", [name for name in PACKERS if name != "plain"])
def test_every_cut_of_a_packed_archive_is_told(name: str) -> None:
    data = PACKERS[name](tar(FILES))
    for cut in range(0, len(data) - 1, 97):
        assert read(data[:cut])[1] is not None


def test_a_wrong_check_sum_of_gzip_is_told() -> None:
    data = bytearray(gzip.compress(tar(FILES)))
    data[-6] ^= 1
    _, error = read(bytes(data))
    assert "CRC" in str(error).upper() or "CHECKSUM" in str(error).upper()


@pytest.mark.parametrize("content", [b"", b"root/LICENSE"], ids=["nothing", "garbage"])
def test_what_follows_the_end_of_a_tar(content: bytes) -> None:
    found, error = read(tar(FILES) + content)
    assert found == FILES
    assert (error is None) == (content == b"")


@pytest.mark.parametrize("name", ["PKG-INFO", "PK\x03\x04", "BZh9"])
@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_a_tar_may_begin_with_any_name(name: str, format: int) -> None:
    assert read(tar({name: b"x"}, format)) == ({name: b"x"}, None)


def test_zip() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    assert read(out.getvalue()) == (FILES, None)
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    assert read(empty.getvalue()) == ({}, None)


@pytest.mark.parametrize("name", ["gzip", "bzip2", "lz4"])
def test_bombs_are_not_held(name: str) -> None:
    """Sixty megabytes in a member that nobody reads, or in the header of a long name."""
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 60_000_000
    member, header = (
        PACKERS[name](plain) for plain in (tar({"a": bytes(60_000_000)}), long_name.tobuf() + bytes(61_000_000))
    )
    tracemalloc.start()
    try:
        assert [one.path for one in archive_members(io.BytesIO(member))] == ["a"]
        assert "60000000 bytes" in str(read(header)[1])
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
