import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scan_twin import twin_decode

from filters.utf8 import decode, encode

ALL_CHARACTERS = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
EXTREMES = [chr(code_point).encode() for code_point in (0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xFFFF, 0x10000, 0x10FFFF)]
NEAR_UTF_8 = st.lists(st.binary(max_size=4) | st.sampled_from(EXTREMES)).map(b"".join)


def decoded(data: bytes) -> list[tuple[int, bytes]]:
    array, characters, position = np.frombuffer(data + b"\x80" * 8, np.uint8), [], 0
    while position < len(data):
        code_point, size = decode(array, position, len(data))
        characters.append((code_point, data[position : position + size]))
        position += size
    return characters


def test_every_character_is_read_and_written() -> None:
    assert [code_point for code_point, _ in decoded(ALL_CHARACTERS.encode())] == list(map(ord, ALL_CHARACTERS))
    for character in ALL_CHARACTERS[::7]:
        number, size = encode(ord(character))
        assert int(number).to_bytes(4, "little")[:size] == character.encode()
        assert int(number) < 1 << 8 * size


@settings(deadline=None)
@given(NEAR_UTF_8)
@example(
    b"\xc1\x80\xc2\x80\xf4\x8f\xbf\xbf\xf4\x90\x80\x80\xf5\x80\x80\x80\xed\xa0\x80\xe0\x80\x80\xf0\x80\x80\xa0\xe0\x9f\xbf"
)
def test_any_bytes_are_read_like_by_the_twin(data: bytes) -> None:
    assert decoded(data) == twin_decode(data)
    assert decoded(data[:-1]) == twin_decode(data[:-1])
