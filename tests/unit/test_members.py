"""What the wheels of a lock put where."""

from __future__ import annotations

import pytest

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
    ],
)
def test_wheels_of_one_lock(
    first: tuple[str, ...], second: tuple[str, ...], wrong: tuple[Target, ...], message: str
) -> None:
    wheels = {"one.whl": first, "two.whl": second}
    for target in (LINUX, WINDOWS, MACOS):
        found = members.problems(wheels, target)
        assert bool(found) == (target in wrong), (target, found)
        assert not found or message in found[0]


def test_a_long_path_is_a_note_on_windows_alone() -> None:
    wheels = {"one.whl": ("a/" * 90 + "b.py",), "two.whl": ("short.py",), "empty.whl": ()}
    (note,) = members.notes(wheels, WINDOWS)
    assert note.startswith("one.whl has paths of up to 188 characters")
    assert members.notes(wheels, LINUX) == members.notes(wheels, MACOS) == []
