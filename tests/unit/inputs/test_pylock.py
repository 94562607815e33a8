from __future__ import annotations

from pathlib import Path

import pytest

from devpi_warmup.errors import InvalidInputError
from devpi_warmup.inputs.requirements import RequirementSet, for_target
from devpi_warmup.inputs.sources import Source, Sources, load
from devpi_warmup.inputs.targets import Target

HEAD = """
lock-version = "1.0"
created-by = "test"
requires-python = ">=3.10"
extras = ["web"]
dependency-groups = ["dev", "docs", "My_Group"]
default-groups = ["dev", "My_Group"]
"""
WHEEL = 'wheels = [{name = "%s-%s-py3-none-any.whl", url = "https://files.example.com/x.whl", hashes = {sha256 = "%s"}}]'


def package(name: str, version: str, marker: str = "", digit: str = "a", more: str = "") -> str:
    lines = ["[[packages]]", f'name = "{name}"', f'version = "{version}"']
    lines += [f"marker = {marker!r}"] if marker else []
    return "\n".join([*lines, more or WHEEL % (name, version, digit * 64)]) + "\n"


def read(root: Path, *packages: str, extras: tuple[str, ...] = ()) -> RequirementSet:
    path = root / "pylock.toml"
    path.write_text(HEAD + "\n".join(packages), encoding="utf-8")
    return load(Sources(root, (Source(path, extras),)))


def test_a_lock_is_read_as_pins_with_markers_and_hashes(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        package("numpy", "2.2.6", 'python_version < "3.11"', "a"),
        package("numpy", "2.4.6", 'python_version >= "3.11"', "b"),
    )
    old, new = (for_target(found, Target(p, "win_amd64")).requirements for p in ("3.10", "3.12"))
    assert [str(root) for root in (*old, *new)] == ["numpy==2.2.6", "numpy==2.4.6"]
    assert new[0].hashes == {"b" * 64}
    assert new[0].where == "pylock.toml: numpy"
    assert [limit.python for limit in found.limits] == [">=3.10"]
    assert "files.example.com" not in repr(found)


@pytest.mark.parametrize(
    ("marker", "extras", "wanted"),
    [
        ("'dev' in dependency_groups", (), True),
        ("'docs' in dependency_groups", (), False),
        ("'docs' not in dependency_groups", (), True),
        ("'web' in extras", (), False),
        ("'web' in extras", ("web",), True),
        ("'my-group' in dependency_groups", (), True),
        ("'web' in extras", ("Web",), True),
        ("'web' in extras and sys_platform == 'linux'", ("web",), False),
    ],
)
def test_default_groups_and_chosen_extras(
    tmp_path: Path, marker: str, extras: tuple[str, ...], wanted: bool
) -> None:
    found = read(tmp_path, package("x", "1.0"), package("y", "1.0", marker), extras=extras)
    names = [r.name for r in for_target(found, Target("3.12", "win_amd64")).requirements]
    assert names == (["x", "y"] if wanted else ["x"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('vcs = {type = "git", url = "https://git.example.com/x", commit-id = "1"}', "from a VCS"),
        ('directory = {path = "."}', "it comes from a folder, past the index"),
        (
            WHEEL.replace("sha256", "md5") % ("x", "1.0", "a" * 32),
            "none of its files has a sha256 hash",
        ),
    ],
)
def test_what_cannot_come_from_the_index(tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        read(tmp_path, package("x", "1.0", more=more))
    assert "pylock.toml: x: " in str(caught.value)


def test_an_invalid_lock_and_an_unknown_extra(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="it is no valid lock"):
        read(tmp_path, "packages = 3")
    with pytest.raises(InvalidInputError, match=r"has no extra 'wbe'\n.*known: web"):
        read(tmp_path, package("x", "1.0"), extras=("wbe",))


def test_a_package_without_a_version(tmp_path: Path) -> None:
    text = package("x", "1.0").replace('version = "1.0"\n', "")
    with pytest.raises(InvalidInputError, match=r"pylock\.toml: x: it has no version"):
        read(tmp_path, text)


def test_what_a_lock_and_its_packages_are_for(tmp_path: Path) -> None:
    mark = "sys_platform == 'linux'"
    needs = package("x", "1.0", mark).replace("wheels =", 'requires-python = ">=3.12"\nwheels =')
    found = read(tmp_path, needs, package("y", "1.0"))
    linux, windows = "manylinux2014_x86_64", "win_amd64"
    told = {
        (python, platform): [
            w for w in (limit.why_not(Target(python, platform)) for limit in found.limits) if w
        ]
        for python in ("3.9", "3.11", "3.12")
        for platform in (linux, windows)
    }
    assert told["3.12", linux] == told["3.11", windows] == []
    assert told["3.9", windows][0].startswith("is for Python >=3.10, the target has 3.9.")
    assert told["3.11", linux][0].startswith("is for Python >=3.12, the target has 3.11.")
    path = tmp_path / "pylock.toml"
    path.write_text(
        path.read_text().replace(
            "extras =", "environments = [\"sys_platform == 'linux'\"]\nextras ="
        )
    )
    only = load(Sources(tmp_path, (Source(path),)))
    assert not any(limit.why_not(Target("3.12", linux)) for limit in only.limits)
    (why,) = (w for limit in only.limits if (w := limit.why_not(Target("3.12", windows))))
    assert why == 'is for sys_platform == "linux" alone'
