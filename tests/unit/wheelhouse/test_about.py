"""What files say of themselves, the hostile ones among them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from catalogue import make_wheel, make_zip, metadata

from devpi_warmup.wheelhouse.about import About, Licence, Stated, about, embedded

MIT = "License :: OSI Approved :: MIT License"


def wheel(folder: Path, *headers: str, files: dict[str, str] | None = None) -> Path:
    name, data = make_wheel("some", "1.0", headers=headers, files=files)
    (folder / name).write_bytes(data)
    return folder / name


@pytest.mark.parametrize(
    ("headers", "licence"),
    [
        (
            ("License-Expression: MIT OR Apache-2.0", "License: BSD", f"Classifier: {MIT}"),
            Licence(Stated.EXPRESSION, "MIT OR Apache-2.0", classifiers=(MIT,)),
        ),
        (
            ("License: BSD", f"Classifier: {MIT}", "License-File: LICENSE", "License-File: b/N"),
            Licence(Stated.TEXT, "BSD", classifiers=(MIT,), files=("LICENSE", "b/N")),
        ),
        (
            ("License: UNKNOWN", f"Classifier: {MIT}"),
            Licence(Stated.CLASSIFIERS, MIT, whole=True, classifiers=(MIT,)),
        ),
        (
            ("License: Copyright\n        All rights",),
            Licence(Stated.TEXT, "Copyright … (a whole text)", False),
        ),
        (("Classifier: Topic :: Office",), Licence(Stated.NOWHERE)),
    ],
)
def test_the_word_that_counts_first(
    tmp_path: Path, headers: tuple[str, ...], licence: Licence
) -> None:
    assert about(wheel(tmp_path, *headers)).licence == licence


def test_a_hostile_file_says_one_short_line(tmp_path: Path) -> None:
    hostile = "<b>\x1b[2J ::add-mask::x " + "L" * 1_000_000
    found = about(wheel(tmp_path, f"License: {hostile}", f"Summary: {hostile}"))
    for text in (found.licence.text, found.summary):
        assert len(text) < 300
        assert "\x1b" not in text
    assert not found.licence.whole


def test_the_description_is_not_read(tmp_path: Path) -> None:
    found = about(wheel(tmp_path, "License: MIT", "\nLicense: GPL\nSummary: no"))
    assert (found.licence.text, found.summary) == ("MIT", "")


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_an_sdist_is_asked_the_same(tmp_path: Path, suffix: str) -> None:
    text = metadata("some", "1.0", requires_python=">=3.9", headers=("License-Expression: MIT",))
    path = tmp_path / f"some-1.0{suffix}"
    if suffix == ".zip":
        path.write_bytes(make_zip({"some-1.0/a": "", "some-1.0/PKG-INFO": text}))
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, data in (
                ("some-1.0/x/PKG-INFO", b"Name: no"),
                ("some-1.0/PKG-INFO", text.encode()),
            ):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    found = about(path)
    assert (found.licence, found.requires_python) == (Licence(Stated.EXPRESSION, "MIT"), ">=3.9")


@pytest.mark.parametrize("name", ["some-1.0-py3-none-any.whl", "some-1.0.tar.gz", "some-1.0.zip"])
@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x1f\x8b\x08\x00", make_zip({"a": ""})])
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    found = about(tmp_path / name)
    assert found.problem.startswith("its metadata cannot be read: ")
    assert found == About(problem=found.problem)


def test_bills_within_a_wheel(tmp_path: Path) -> None:
    info = "some-1.0.dist-info/sboms"
    files = {f"{info}/a.json": "{}", f"{info}/b/ü c.json": "[]", "other/sboms/y.json": "no"}
    path = wheel(tmp_path, files=files)
    assert about(path).boms == ("a.json", "b/ü c.json")
    assert list(embedded(path, 10)) == [("a.json", b"{}"), ("b/ü c.json", b"[]")]
    assert list(embedded(path, 1)) == [("a.json", None), ("b/ü c.json", None)]
    many = wheel(tmp_path, files={f"{info}/{n:03}.json": "" for n in range(70)})
    assert about(many).boms[-1] == "and 20 more"
    assert len(list(embedded(many, 1))) == 50


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\xa0", "\x00"])
def test_what_some_reader_takes_for_another_line_is_not_the_whole(tmp_path: Path, end: str) -> None:
    for field in ("License", "License-Expression"):
        found = about(wheel(tmp_path, f"{field}: MIT{end}AND GPL-3.0-only"))
        assert found.problem or not found.licence.whole


@pytest.mark.parametrize(
    "headers",
    [
        ("License-Expression: MIT", "License-Expression: GPL-3.0-only"),
        ("License: MIT", "License: GPL"),
        ("License-Expression: GPL-3.0-only \udcff", "License: MIT"),
    ],
)
def test_a_licence_that_stands_there_twice_or_unreadably_is_no_licence(
    tmp_path: Path, headers: tuple[str, ...]
) -> None:
    text = metadata("some", "1.0", headers=headers).encode(errors="surrogateescape")
    (tmp_path / "some-1.0.zip").write_bytes(make_zip({"some-1.0/PKG-INFO": text}))
    assert "cannot be read" in about(tmp_path / "some-1.0.zip").problem


def test_hostile_lists_are_cut(tmp_path: Path) -> None:
    many = [f"Classifier: License :: {n}" for n in range(500)]
    files = [f"License-File: {n}" for n in range(500)]
    licence = about(wheel(tmp_path, *many, *files)).licence
    assert (len(licence.classifiers), licence.files[-1]) == (51, "and 450 more")
