from __future__ import annotations

import pytest
from packaging.markers import Marker
from packaging.tags import Tag

from devpi_warmup.errors import InvalidTargetError
from devpi_warmup.inputs.patches import Patches, served_by
from devpi_warmup.inputs.targets import NEWEST_PATCH, Target

ALL_MARKERS = {
    "implementation_name",
    "implementation_version",
    "os_name",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_full_version",
    "python_version",
    "sys_platform",
}


@pytest.mark.parametrize(
    ("python", "platform", "id_"),
    [
        ("3.9", "manylinux2014_x86_64", "cp39-manylinux2014_x86_64"),
        ("3.9.18", "win32", "cp39-win32"),
        ("3.13t", "win_arm64", "cp313t-win_arm64"),
        ("3.7", "manylinux1_i686", "cp37-manylinux1_i686"),
        ("3.10", "manylinux2010_x86_64", "cp310-manylinux2010_x86_64"),
        ("3.14", "musllinux_1_2_aarch64", "cp314-musllinux_1_2_aarch64"),
        ("3.13", "macosx_10_9_x86_64", "cp313-macosx_10_9_x86_64"),
    ],
)
def test_id(python: str, platform: str, id_: str) -> None:
    assert Target(python, platform).id == id_


@pytest.mark.parametrize(
    ("python", "platform", "message"),
    [
        ("3.1x", "win32", r"'3\.1x' is not a Python version\n.*\"3\.1"),
        ("2.7", "win32", "'2.7' is not a Python version"),
        ("3.6", "win32", "Python 3.6 is too old"),
        ("3.12t", "win32", r"first free-threaded Python is 3\.13t"),
        ("3.13", "win64", "'win64' is not a platform tag of wheels\n.*win_amd64"),
        ("3.13", "windows_amd64", "write 'win_amd64'"),
        ("3.13", "manylinux_2_28_sparc", "not a platform tag"),
        ("3.13", "manylinux1_aarch64", "not a platform tag"),
        ("3.13", "manylinux_2_4_x86_64", "not a platform tag"),
        ("3.13", "macosx_10_15_arm64", "not a platform tag"),
        ("3.13", "linux_x86_64", "like 'manylinux_2_28_x86_64': RHEL 7 = 2_17, RHEL 8 = 2_28"),
        ("3.13", "linux_aarch64", "like 'manylinux_2_28_aarch64'"),
        ("3.13", "rhel8", "RHEL 8 has glibc 2.28: write 'manylinux_2_28_x86_64'"),
        ("3.13", "rocky9_aarch64", "RHEL 9 has glibc 2.34: write 'manylinux_2_34_aarch64'"),
        ("3.13", "debian12", "Debian 12 has glibc 2.36: write 'manylinux_2_36_x86_64'"),
        ("3.13", "ubuntu", "Ubuntu 22.04 = 2_35"),
        ("3.13", "alpine", "Alpine has musl: write 'musllinux_1_2_x86_64'"),
        ("3.13", "musl_1_2_x86_64", "did you mean 'musllinux_1_2_x86_64'"),
        ("3.13", "win64", "write 'win_amd64'; a 32-bit Python is 'win32'"),
        ("3.13", "windows_arm64", "write 'win_arm64'"),
        ("3.99", "win32", r"Python 3.99 is not known here\n.*the newest target is 3\.15"),
    ],
)
def test_anything_else_is_refused(python: str, platform: str, message: str) -> None:
    with pytest.raises(InvalidTargetError, match=message):
        Target(python, platform)


def test_a_minor_version_means_its_newest_patch() -> None:
    assert Target("3.9", "win32").full_version == f"3.9.{NEWEST_PATCH[3, 9]}"
    assert Target("3.9.18", "win32").full_version == "3.9.18"


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("win_amd64", ("nt", "win32", "Windows", "AMD64", "0")),
        ("win_arm64", ("nt", "win32", "Windows", "ARM64", "0")),
        ("win32", ("nt", "win32", "Windows", "AMD64", "0")),
        ("macosx_11_0_arm64", ("posix", "darwin", "Darwin", "arm64", "20.0.0")),
        ("macosx_14_0_arm64", ("posix", "darwin", "Darwin", "arm64", "23.0.0")),
        ("macosx_10_15_x86_64", ("posix", "darwin", "Darwin", "x86_64", "19.0.0")),
        ("macosx_26_0_arm64", ("posix", "darwin", "Darwin", "arm64", "25.0.0")),
        ("musllinux_1_2_aarch64", ("posix", "linux", "Linux", "aarch64", "0")),
        ("manylinux2014_x86_64", ("posix", "linux", "Linux", "x86_64", "0")),
    ],
)
def test_all_eleven_markers_come_from_the_target(platform: str, expected: tuple[str, ...]) -> None:
    markers = Target("3.9.18", platform).markers
    keys = ("os_name", "sys_platform", "platform_system", "platform_machine", "platform_release")
    assert tuple(markers[key] for key in keys) == expected
    assert markers.keys() == ALL_MARKERS
    assert markers["python_version"] == "3.9"
    assert markers["python_full_version"] == markers["implementation_version"] == "3.9.18"


def test_manylinux_is_the_whole_ladder() -> None:
    platforms = Target("3.13", "manylinux_2_28_x86_64").platforms
    assert len(platforms) == 27
    assert platforms[0] == "manylinux_2_28_x86_64"
    assert platforms[11:13] == ("manylinux_2_17_x86_64", "manylinux2014_x86_64")
    assert platforms[-2:] == ("manylinux_2_5_x86_64", "manylinux1_x86_64")
    assert len(Target("3.13", "manylinux2014_x86_64").platforms) == 16


def test_other_architectures_begin_with_glibc_2_17() -> None:
    assert Target("3.13", "manylinux2014_aarch64").platforms == (
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
    )


def test_musllinux_and_macos_ladders() -> None:
    assert Target("3.13", "musllinux_1_2_x86_64").platforms == (
        "musllinux_1_2_x86_64",
        "musllinux_1_1_x86_64",
        "musllinux_1_0_x86_64",
    )
    macos = Target("3.13", "macosx_11_0_arm64").platforms
    assert "macosx_10_9_universal2" in macos
    assert "macosx_12_0_arm64" not in macos


@pytest.mark.parametrize(
    ("python", "tag", "fits"),
    [
        ("3.13", Tag("cp313", "cp313", "win_amd64"), True),
        ("3.13", Tag("cp32", "abi3", "win_amd64"), True),
        ("3.13", Tag("cp314", "abi3", "win_amd64"), False),
        ("3.13", Tag("cp313", "cp313t", "win_amd64"), False),
        ("3.13t", Tag("cp313", "cp313t", "win_amd64"), True),
        ("3.13t", Tag("cp38", "abi3", "win_amd64"), False),
        ("3.13", Tag("py3", "none", "any"), True),
        ("3.9", Tag("py310", "none", "any"), False),
        ("3.7", Tag("cp37", "cp37m", "win_amd64"), True),
    ],
)
def test_tags(python: str, tag: Tag, fits: bool) -> None:
    assert (Target(python, "win_amd64").rank(frozenset({tag})) is not None) is fits


def test_the_best_tag_of_a_wheel_decides() -> None:
    target = Target("3.13", "win_amd64")
    exact, generic = Tag("cp313", "cp313", "win_amd64"), Tag("py3", "none", "any")
    assert target.rank(frozenset({exact, generic})) == target.rank(frozenset({exact})) == 0


def test_nothing_of_the_host_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    import platform
    import sysconfig

    def values(target: Target) -> tuple[object, ...]:
        return target.markers, target.tags, target.pip_flags

    before = values(Target("3.13", "manylinux_2_28_x86_64"))
    monkeypatch.setattr("sys.platform", "plan9")
    monkeypatch.setattr("os.name", "nt")
    monkeypatch.setattr(platform, "machine", lambda: "pdp11")
    monkeypatch.setattr(platform, "system", lambda: "Plan 9")
    monkeypatch.setattr(sysconfig, "get_config_var", lambda _: 1)  # Py_DEBUG, Py_GIL_DISABLED
    assert values(Target("3.13", "manylinux_2_28_x86_64")) == before


def test_requires_python() -> None:
    target = Target("3.9.18", "win32")
    assert target.fits_python(">=3.9.1")
    assert not target.fits_python(">=3.9.19")
    assert target.fits_python("")
    assert target.fits_python("no specifier at all")


@pytest.mark.parametrize(
    ("platform", "machines"),
    [
        ("win32", ("AMD64", "x86", "ARM64")),
        ("manylinux2014_i686", ("x86_64", "i686")),
        ("manylinux2014_armv7l", ("aarch64", "armv7l", "armv8l")),
        ("musllinux_1_2_armv7l", ("aarch64", "armv7l", "armv8l")),
        ("win_amd64", ("AMD64",)),
        ("manylinux2014_x86_64", ("x86_64",)),
    ],
)
def test_a_32_bit_python_reports_the_machine_of_the_kernel(
    platform: str, machines: tuple[str, ...]
) -> None:
    target = Target("3.13", platform)
    assert target.machines == machines
    for machine in machines:
        assert target.admits(Marker(f"platform_machine == '{machine}'"))
    assert not target.admits(Marker("platform_machine == 'pdp11'"))


# The patch releases that a lock serves --------------------------------------------------------


NEWEST_311 = f"3.11.{NEWEST_PATCH[3, 11]}"


@pytest.mark.parametrize(
    ("python", "markers", "requires", "expected"),
    [
        ("3.11", (), (), "from 3.11.0"),
        ("3.11", (), (">=3.8", ">=3.11.5"), "from 3.11.5"),
        ("3.11", (), ("!=3.11.4",), "from 3.11.5"),
        ("3.11", ("python_full_version >= '3.11.3'",), (), "from 3.11.3"),
        ("3.11", ("python_full_version < '3.11.3'",), (), "from 3.11.3"),
        ("3.11", ("python_version >= '3.11'", "sys_platform == 'linux'"), (), "from 3.11.0"),
        ("3.11", ("implementation_version >= '3.11.7'",), (">=3.11.2",), "from 3.11.7"),
        ("3.11", ("python_full_version >= '3.11.3' and extra == 'x'",), (), "from 3.11.3"),
        ("3.11", ("python_full_version >= '3.11.3' and extra == 'y'",), (), "from 3.11.0"),
        ("3.11.2", (), (">=3.8",), "from 3.11.0"),
        ("3.11.2", ("python_full_version >= '3.11.3'",), (), "3.11.0 to 3.11.2"),
        ("3.11.2", (), ("==3.11.2",), "only 3.11.2"),
        ("3.11", (), (f"=={NEWEST_311}",), f"only {NEWEST_311}"),
        ("3.11", ("python_full_version >= '3.11.30'",), (), "3.11.0 to 3.11.29"),
        ("3.13t", (), (">=3.13.1",), "from 3.13.1"),
        ("3.11.99", (), (">=3.11.98",), "from 3.11.98"),
    ],
)
def test_the_patches_for_which_everything_is_the_same(
    python: str, markers: tuple[str, ...], requires: tuple[str, ...], expected: str
) -> None:
    evaluated = [(Marker(marker), ("", "x")) for marker in markers]
    found = served_by(Target(python, "manylinux2014_x86_64"), evaluated, requires)
    assert str(found) == expected


@pytest.mark.parametrize(
    ("patches", "inside", "outside"),
    [
        (Patches("3.11.5"), ("3.11.5", "3.11.99"), ("3.11.4", "3.11.5rc1")),
        (Patches("3.11.2", "3.11.4"), ("3.11.2", "3.11.4"), ("3.11.1", "3.11.5")),
    ],
)
def test_a_lock_admits_its_patches(
    patches: Patches, inside: tuple[str, ...], outside: tuple[str, ...]
) -> None:
    assert all(map(patches.admits, inside))
    assert not any(map(patches.admits, outside))
    assert all(patches.specifier.contains(version) for version in inside)
    assert not any(patches.specifier.contains(version) for version in outside)
