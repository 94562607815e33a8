"""unpack.py reads members in few steps: never what zipfile would not have read to its end."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from random import Random
from types import ModuleType, SimpleNamespace

import pytest

from devpi_warmup.prove import unpack

INFLATES: tuple[ModuleType, ...] = (zlib,)
try:
    from zlib_ng import zlib_ng
except ImportError:  # the package requires it on some platforms alone
    pass
else:
    INFLATES = (zlib, zlib_ng)
NAMES = ("one/plain.py", "one/ü.py", "one/stored.bin")


def archive(*, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of three members, the last of them stored."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as made:
        for name in NAMES[:2]:
            made.writestr(zipfile.ZipInfo(name), f"{name} = 1\n" * 9, method)
        made.writestr(zipfile.ZipInfo(NAMES[2]), b"stored", zipfile.ZIP_STORED)
    return stream.getvalue()


def whole(data: bytes, inflate: ModuleType = zlib) -> list[bool]:
    """What is said of each member."""
    stream = io.BytesIO(data)
    with zipfile.ZipFile(stream) as opened:
        return [unpack._is_whole(stream, info, inflate) for info in opened.infolist()]


def readable(data: bytes) -> list[bool]:
    """What zipfile says of each member."""

    def reads(info: zipfile.ZipInfo) -> bool:
        size = min(info.file_size, 1 << 20)  # pip/_internal/operations/install/wheel.py
        try:
            with opened.open(info) as stream:
                while size and stream.read(size):
                    pass
        except Exception:  # noqa: BLE001 - a damaged archive raises anything
            return False
        return True

    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return [reads(info) for info in opened.infolist()]


@pytest.fixture(params=[1 << 20, 7])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes in a step."""
    monkeypatch.setattr(unpack, "_CHUNK", request.param)
    return int(request.param)


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("inflate", INFLATES)
def test_plain_members_are_whole(inflate: ModuleType) -> None:
    assert whole(archive(), inflate) == [True, True, True]


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("inflate", INFLATES)
def test_no_damage_is_passed_over(inflate: ModuleType) -> None:
    """Every byte of an archive, changed in three ways: nobody says "whole" where zipfile fails."""
    data = archive()
    refused = 0
    for place in range(len(data)):
        for flip in (0x01, 0x08, 0x80):
            damaged = bytearray(data)
            damaged[place] ^= flip
            try:
                ours, theirs = whole(bytes(damaged), inflate), readable(bytes(damaged))
            except Exception:  # noqa: BLE001 - it is no archive any more
                continue
            assert all(they for we, they in zip(ours, theirs, strict=True) if we), (place, flip)
            refused += not all(ours)
    assert refused > len(data)


def surplus(size: int, more: bytes) -> bytes:
    """A zip of a member whose stream goes on behind what is said to be its size."""
    text = bytes(n % 251 for n in range(size))
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(text + more) + packer.flush(zlib.Z_SYNC_FLUSH) + b"\x07" * 40
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr(zipfile.ZipInfo("x"), packed)
    data = bytearray(stream.getvalue())
    central = data.rindex(b"PK\1\2")
    for place in (0 + 8, central + 10):
        data[place : place + 2] = zipfile.ZIP_DEFLATED.to_bytes(2, "little")
    for place in (0 + 14, central + 16):
        data[place : place + 4] = zlib.crc32(text).to_bytes(4, "little")
    for place in (0 + 22, central + 24):
        data[place : place + 4] = size.to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize("size", [1, 10, 4095, 4096, 5000, (1 << 20) + 10])
@pytest.mark.parametrize("more", [b"", b"m", b"more" * 2000])
@pytest.mark.parametrize("inflate", INFLATES)
@pytest.mark.usefixtures("chunk")
def test_a_stream_that_goes_on_is_left_to_zipfile(
    size: int, more: bytes, inflate: ModuleType
) -> None:
    """zipfile reads 4096 bytes at least, and fails where those behind the size are no deflate."""
    assert whole(surplus(size, more), inflate) == [False]


def test_of_small_members_zipfile_refuses_such_streams() -> None:
    assert readable(surplus(100, b"more" * 50)) == [False]


def of_the_first(**changed: object) -> bool:
    stream = io.BytesIO(archive())
    with zipfile.ZipFile(stream) as opened:
        info = opened.infolist()[0]
    fields = ("flag_bits", "compress_type", "file_size", "compress_size", "CRC")
    known = {name: getattr(info, name) for name in (*fields, "orig_filename", "header_offset")}
    return unpack._is_whole(stream, SimpleNamespace(**known | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flag_bits", 0x1),
        ("flag_bits", 0x20),
        ("flag_bits", 0x40),
        ("compress_type", zipfile.ZIP_BZIP2),
        ("file_size", 5),
        ("file_size", 1 << 40),
        ("compress_size", 5),
        ("compress_size", 0),
        ("CRC", 7),
        ("orig_filename", "another"),
        ("header_offset", 1),
        ("_end_offset", 40),
        ("_end_offset", 0),
    ],
)
def test_what_is_not_plain_is_left_to_zipfile(field: str, value: object) -> None:
    assert of_the_first()
    assert not of_the_first(**{field: value})


@pytest.mark.skipif(len(INFLATES) == 1, reason="zlib-ng is not required on this platform")
def test_both_say_the_same_of_odd_streams() -> None:
    """Bits changed in deflate streams of each kind: accepted by both or by none, as the same."""
    random = Random(11)
    text = Path(__file__).read_bytes()
    agreed = 0
    for level, strategy in ((9, 0), (1, 0), (6, 2), (6, 3), (6, 4), (0, 0)):
        packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy)
        packed = packer.compress(text) + packer.flush()
        for _ in range(500):
            odd = bytearray(packed)
            odd[random.randrange(min(len(odd), 120))] ^= 1 << random.randrange(8)
            said = [inflated(module, bytes(odd), len(text) + 1) for module in INFLATES]
            assert said[0] == said[1]
            agreed += said[0] is not None
    assert 0 < agreed < 3000


def inflated(module: ModuleType, data: bytes, limit: int) -> tuple[bytes, bool] | None:
    stream = module.decompressobj(-zlib.MAX_WBITS)
    try:
        return stream.decompress(data, limit), stream.eof
    except module.error:
        return None
