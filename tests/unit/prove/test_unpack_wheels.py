"""unpack.py reads members in one step: never what zipfile would not have read to its end."""

from __future__ import annotations

import io
import zipfile
from types import SimpleNamespace

import pytest

from devpi_warmup.prove import unpack

NAMES = ("one/plain.py", "one/ü.py", "one/stored.bin")


def archive(*, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of three members, the last of them stored."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as made:
        for name in NAMES[:2]:
            made.writestr(zipfile.ZipInfo(name), f"{name} = 1\n" * 9, method)
        made.writestr(zipfile.ZipInfo(NAMES[2]), b"stored", zipfile.ZIP_STORED)
    return stream.getvalue()


def whole(data: bytes) -> list[bool]:
    """What is said of each member."""
    stream = io.BytesIO(data)
    with zipfile.ZipFile(stream) as opened:
        return [unpack._is_whole(stream, info) for info in opened.infolist()]


def readable(data: bytes) -> list[bool]:
    """What zipfile says of each member."""

    def reads(name: zipfile.ZipInfo) -> bool:
        try:
            opened.open(name).read()
        except Exception:  # noqa: BLE001 - a damaged archive raises anything
            return False
        return True

    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return [reads(info) for info in opened.infolist()]


def test_plain_members_are_read_in_one_step() -> None:
    assert whole(archive()) == [True, True, True]


def test_no_damage_is_passed_over() -> None:
    """Every byte of an archive, changed in three ways: nobody says "whole" where zipfile fails."""
    data = archive()
    refused = 0
    for place in range(len(data)):
        for flip in (0x01, 0x08, 0x80):
            damaged = bytearray(data)
            damaged[place] ^= flip
            try:
                ours, theirs = whole(bytes(damaged)), readable(bytes(damaged))
            except Exception:  # noqa: BLE001 - it is no archive any more
                continue
            assert all(they for we, they in zip(ours, theirs, strict=True) if we), (place, flip)
            refused += not all(ours)
    assert refused > len(data)


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
        ("file_size", unpack._AT_ONCE + 1),
        ("compress_size", unpack._AT_ONCE + 1),
        ("file_size", 5),
        ("CRC", 7),
        ("orig_filename", "another"),
        ("header_offset", 1),
        ("_end_offset", 40),
    ],
)
def test_what_is_not_plain_is_left_to_zipfile(field: str, value: object) -> None:
    assert of_the_first()
    assert not of_the_first(**{field: value})
