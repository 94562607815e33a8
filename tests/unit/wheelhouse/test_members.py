"""What the wheels of a lock put where."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalogue import make_zip

from devpi_warmup.inputs.targets import Target
from devpi_warmup.wheelhouse import members

LINUX = Target("3.13", "manylinux_2_28_x86_64")
WINDOWS = Target("3.13", "win_amd64")
MACOS = Target("3.13", "macosx_14_0_arm64")
LONG = "x" * 252


@pytest.mark.parametrize(
    ("first", "second", "wrong", "message"),
    [
        (("a/__init__.py",), ("a/__init__.py", "b.py"), (), ""),
        (("a/b.py",), ("a",), (LINUX, WINDOWS, MACOS), "a of two.whl is a file, and a/b.py of one"),
        (("a", "a/b.py"), (), (LINUX, WINDOWS, MACOS), "a of one.whl is a file"),
        (("one-1.data/purelib/a",), ("a/b.py",), (LINUX, WINDOWS, MACOS), "is a file, and"),
        (("one-1.data/scripts/a",), ("a/b.py",), (), ""),
        (("one-1.data/headers/a",), ("two-1.data/headers/a/b.h",), (), ""),
        (
            ("one-1.data/data/share/a",),
            ("two-1.data/data/share/a/b",),
            (LINUX, WINDOWS, MACOS),
            "is a",
        ),
        (("Foo.py", "foo.py"), (), (WINDOWS, MACOS), "Foo.py of one.whl are one file there"),
        (("pkg/Foo.py",), ("pkg/foo.py",), (WINDOWS, MACOS), "pkg/Foo.py of one.whl are one file"),
        (("A/b.py",), ("a",), (WINDOWS, MACOS), "a of two.whl is a file, and A/b.py of one.whl"),
        ((f"{LONG}.py",), (), (), ""),
        ((f"{LONG}x.py",), (), (LINUX, WINDOWS, MACOS), "has a name of over 255 characters"),
        (("가" * 84 + ".py",), (), (), ""),
        (("가" * 85 + ".py",), (), (LINUX,), "has a name of over 255 characters"),
        (("a:b.py",), (), (WINDOWS,), "a name that Windows does not allow: a:b.py"),
        (("a /b.py",), (), (WINDOWS,), "a name that Windows does not allow"),
        (("a.b/.c.py", "a..b"), (), (), ""),
        (("pkg/aux.py",), (), (WINDOWS,), "a name that Windows does not allow: pkg/aux.py"),
        (("con/x.txt", "auxiliary.py", "com.py"), (), (WINDOWS,), "does not allow: con/x.txt"),
        (("..\\..\\evil.py",), (), (WINDOWS,), "a name that Windows does not allow"),
        (("one-1.data/scripts/run?",), (), (WINDOWS,), "does not allow: one-1.data/scripts/run?"),
        (("e\u0301.py",), ("\u00e9.py",), (WINDOWS, MACOS), "are one file there"),
        (("one-1.data/data/lib",), (), (LINUX, MACOS, WINDOWS), "data/lib of one.whl is a file"),
        (("one-1.data/data/bin/python/x",), (), (LINUX, MACOS), "bin/python of the environment"),
        (
            ("one-1.data/data/bin/tool/x",),
            ("two-1.data/scripts/tool",),
            (LINUX, MACOS),
            "scripts/tool of two.whl is a file",
        ),
    ],
)
def test_wheels_of_one_lock(
    first: tuple[str, ...], second: tuple[str, ...], wrong: tuple[Target, ...], message: str
) -> None:
    wheels = {"one.whl": first, "two.whl": second}
    for target in (LINUX, WINDOWS, MACOS):
        found = members.problems(wheels, target).errors
        assert bool(found) == (target in wrong), (target, found)
        assert not found or message in found[0]


def test_a_long_path_is_a_note_on_windows_alone() -> None:
    wheels = {"one.whl": ("a/" * 90 + "b.py",), "two.whl": ("short.py",), "empty.whl": ()}
    (note,) = members.problems(wheels, WINDOWS).notes
    assert note.startswith("one.whl has paths of up to 202 characters")
    for target in (LINUX, MACOS):
        assert members.problems(wheels, target) == members.Problems((), ())


def test_a_text_of_two_spellings_is_a_note() -> None:
    """pip overwrites the one with the other, and nothing is imported from either."""
    wheels = {"one.whl": ("LICENSE",), "two.whl": ("License",)}
    found = members.problems(wheels, WINDOWS)
    assert not found.errors
    assert found.notes == ("License of two.whl and LICENSE of one.whl are one file there",)


def test_scripts_that_pip_makes_are_files(tmp_path: Path) -> None:
    text = "[console_scripts]\nTool = a:b\n# c\nother=a:b [x]\n[gui_scripts]\nwin = a:b\n[x]\ny = z"
    path = tmp_path / "x.whl"
    path.write_bytes(make_zip({"a.py": "", "x-1.dist-info/entry_points.txt": text}))
    assert members.names(path)[2:] == (
        "x-1.data/scripts/Tool",
        "x-1.data/scripts/other",
        "x-1.data/scripts/win",
    )
