from __future__ import annotations

from pathlib import Path

import pytest
from catalogue import Catalogue, Resolve, Upload, make_wheel
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from wanted import load_files

from devpi_warmup.errors import FileError, ResolutionError
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.inputs.requirements import for_target
from devpi_warmup.inputs.targets import Target
from devpi_warmup.resolve import provider
from devpi_warmup.resolve.lock_files import to_pylock
from devpi_warmup.resolve.requirement import Candidate, ResolverRequirement
from devpi_warmup.resolve.roots import roots_of
from devpi_warmup.wheelhouse.lock import Lock


def pins(lock: Lock) -> list[str]:
    return [str(pin) for pin in lock.pins]


def files(lock: Lock) -> list[str]:
    return [pin.file.filename for pin in lock.pins]


def test_the_newest_of_everything_with_who_wants_it(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("app", "1.0", requires=("lib>=1",))
    catalogue.add("lib", "1.0")
    upload = catalogue.add("lib", "2.0", requires_python=">=3.8")
    found = lock("app")
    assert pins(found) == ["app==1.0", "lib==2.0"]
    app, lib = found.pins
    assert app.via == ("-r main.txt",)
    assert lib.via == ("app",)
    assert (lib.sha256, lib.size) == (upload.digest, len(upload.data))
    assert lib.requires_python == ">=3.8"


def test_markers_are_those_of_the_target(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add(
        "app",
        "1.0",
        requires=(
            "colorama; sys_platform == 'win32'",
            "uvloop; platform_system != 'Windows'",
            "tomli; python_version < '3.11'",
            "arm; platform_machine == 'arm64'",
        ),
    )
    for name in ("colorama", "uvloop", "tomli", "arm"):
        catalogue.add(name, "1")
    assert pins(lock("app", platform="win_amd64")) == ["app==1.0", "colorama==1"]
    assert pins(lock("app", python="3.9")) == ["app==1.0", "tomli==1", "uvloop==1"]
    assert pins(lock("app", platform="macosx_11_0_arm64")) == ["app==1.0", "arm==1", "uvloop==1"]


def test_extras(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add(
        "app",
        "1.0",
        requires=("base", "fast; extra == 'speed-up'", "slow; extra == 'b'"),
        extras=("Speed_Up", "b"),
    )
    for name in ("base", "fast", "slow"):
        catalogue.add(name, "1")
    assert pins(lock("app[speed.up]==1.0")) == ["app[speed-up]==1.0", "base==1", "fast==1"]
    typo = lock("app[unknown]")
    assert pins(typo) == ["app[unknown]==1.0", "base==1"]
    assert typo.notes == ("app 1.0 has no extra 'unknown', wanted by -r main.txt",)


def test_an_extra_of_itself(catalogue: Catalogue, lock: Resolve) -> None:
    requires = ("app[a,b]; extra == 'all'", "x; extra == 'a'", "y; extra == 'b'")
    catalogue.add("app", "1.0", requires=requires, extras=("all", "a", "b"))
    catalogue.add("x", "1")
    catalogue.add("y", "1")
    assert pins(lock("app[all]")) == ["app[a,all,b]==1.0", "x==1", "y==1"]


def test_an_extra_must_agree_with_its_base(catalogue: Catalogue, lock: Resolve) -> None:
    for version in ("1.0", "2.0"):
        catalogue.add("app", version, requires=("x; extra == 'a'",), extras=("a",))
    catalogue.add("x", "1", requires=("app<2",))
    assert pins(lock("app[a]")) == ["app[a]==1.0", "x==1"]


def test_backtracking(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("app", "2.0", requires=("lib>=2",))
    catalogue.add("app", "1.0", requires=("lib>=1",))
    catalogue.add("other", "1.0", requires=("lib<2",))
    catalogue.add("lib", "1.0")
    catalogue.add("lib", "2.0")
    assert pins(lock("app", "other")) == ["app==1.0", "lib==1.0", "other==1.0"]


def test_what_is_left_over_may_require_itself(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("aa", "1.5", requires=("aa[x,y]", "dd<2.0; extra == 'y'"), extras=("y",))
    catalogue.add("dd", "1.0")
    catalogue.add("dd", "2.0", requires=("aa",))
    with pytest.raises(ResolutionError, match="go round in circles"):
        lock("dd")
    assert pins(lock("dd<2")) == ["dd==1.0"]


def test_constraints(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("app", "1.0", requires=("lib",))
    for version in ("1.0", "2.0", "3.0"):
        catalogue.add("lib", version)
    limits = ("lib<3", "lib<2; sys_platform == 'win32'", "unused==9")
    assert pins(lock("app", constraints=limits)) == ["app==1.0", "lib==2.0"]
    assert pins(lock("app", constraints=limits, platform="win32")) == ["app==1.0", "lib==1.0"]


def test_pre_releases_as_pep_440_says(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("lib", "1.0")
    catalogue.add("lib", "2.0rc1")
    catalogue.add("only", "1.0a1")
    assert pins(lock("lib")) == ["lib==1.0"]
    assert pins(lock("lib>=2.0rc0")) == ["lib==2.0rc1"]
    assert pins(lock("only")) == ["only==1.0a1"]


def test_yanked_files_serve_exact_pins_only(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("lib", "1.0")
    catalogue.add("lib", "2.0", yanked=True)
    assert pins(lock("lib")) == ["lib==1.0"]
    assert pins(lock("lib==2.0")) == ["lib==2.0"]
    assert pins(lock("lib===2.0")) == ["lib==2.0"]
    with pytest.raises(ResolutionError, match=r"yanked from the index: 2\.0"):
        lock("lib>=2")


def test_requires_python_of_the_page_and_of_the_wheel(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("lib", "1.0")
    catalogue.add("lib", "2.0", requires_python=">=3.10")
    filename, data = make_wheel("lib", "3.0", requires_python=">=3.11")
    catalogue.upload("lib", Upload(filename, data))  # its page does not say so
    assert pins(lock("lib", python="3.9")) == ["lib==1.0"]
    assert pins(lock("lib", python="3.10")) == ["lib==2.0"]
    assert pins(lock("lib", python="3.13")) == ["lib==3.0"]


def test_the_best_of_several_wheels(catalogue: Catalogue, lock: Resolve) -> None:
    for tag in (
        "py3-none-any",
        "cp32-abi3-manylinux1_x86_64",
        "cp313-cp313-manylinux2014_x86_64",
        "cp313-cp313-manylinux_2_27_x86_64.manylinux_2_28_x86_64",
        "cp313-cp313-manylinux_2_35_x86_64",
        "cp313-cp313-win_amd64",
        "cp39-abi3-macosx_10_9_universal2",
    ):
        catalogue.add("lib", "1.0", tag=tag)
    assert files(lock("lib")) == [
        "lib-1.0-cp313-cp313-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"
    ]
    assert files(lock("lib", platform="manylinux_2_17_x86_64")) == [
        "lib-1.0-cp313-cp313-manylinux2014_x86_64.whl"
    ]
    assert files(lock("lib", python="3.14")) == ["lib-1.0-cp32-abi3-manylinux1_x86_64.whl"]
    assert files(lock("lib", platform="macosx_11_0_arm64")) == [
        "lib-1.0-cp39-abi3-macosx_10_9_universal2.whl"
    ]
    assert files(lock("lib", python="3.13t")) == ["lib-1.0-py3-none-any.whl"]


def test_build_tags_decide_between_equals(catalogue: Catalogue, lock: Resolve) -> None:
    for build in ("", "9", "10"):
        catalogue.add("lib", "1.0", build=build)
    assert files(lock("lib")) == ["lib-1.0-10-py3-none-any.whl"]


def test_hashes_choose_the_file(catalogue: Catalogue, lock: Resolve) -> None:
    old = catalogue.add("lib", "1.0")
    catalogue.add("lib", "2.0")
    assert pins(lock(f"lib --hash=sha256:{old.digest}")) == ["lib==1.0"]
    with pytest.raises(ResolutionError, match="one of the hashes"):
        lock(f"lib==2.0 --hash=sha256:{old.digest}")


def test_hashes_hold_where_the_page_has_none(catalogue: Catalogue, lock: Resolve) -> None:
    filename, data = make_wheel("lib", "1.0")
    catalogue.upload("lib", Upload(filename, data, sha256=""))
    own = Upload(filename, data).digest
    assert pins(lock(f"lib --hash=sha256:{own}")) == ["lib==1.0"]
    with pytest.raises(ResolutionError, match="one of the hashes"):
        lock(f"lib==1.0 --hash=sha256:{'0' * 64}")


def test_a_marker_that_cannot_be_evaluated(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("app", "2.0", requires=("lib; sys_platform ~= 'linux'",))
    catalogue.add("app", "1.0")
    with pytest.raises(FileError, match=r"app-2\.0.* has a marker that cannot be evaluated"):
        lock("app")


def test_arbitrary_equality_and_exclusions(catalogue: Catalogue, lock: Resolve) -> None:
    for version in ("1.0", "1.1", "1.2"):
        catalogue.add("lib", version)
    assert pins(lock("lib===1.1")) == ["lib==1.1"]
    assert pins(lock("lib!=1.2,>=1.0")) == ["lib==1.1"]
    assert pins(lock("lib~=1.0,!=1.2")) == ["lib==1.1"]


def test_a_direct_wheel_url(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("lib", "2.0")
    special = catalogue.add("lib", "1.5", requires=("x; extra == 'a'",), extras=("a",))
    catalogue.add("x", "1")
    catalogue.add("app", "1", requires=("lib>=1",))
    url = f"https://me:s3cret@other.example.com/files/{special.filename}?token=s3cret"
    found = lock(f"lib[a] @ {url} --hash=sha256:{special.digest}", "app")
    assert pins(found) == ["app==1", "lib[a]==1.5", "x==1"]
    assert [pin.file.origin.value for pin in found.pins] == ["index", "direct URL", "index"]
    assert "s3cret" not in found.to_requirements("wheelhouse") + to_pylock(found)
    assert pins(lock(url)) == ["lib==1.5"]


def test_a_direct_wheel_that_does_not_fit(catalogue: Catalogue, lock: Resolve) -> None:
    url = "https://devpi.example.com/files/lib-1.0-cp39-cp39-win_amd64.whl"
    with pytest.raises(
        ResolutionError, match=r"is not a wheel for this target\n.*marker"
    ) as caught:
        lock(url)
    assert "main.txt:1" in str(caught.value)


def test_a_broken_direct_wheel(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.upload("lib", Upload("lib-1.0-py3-none-any.whl", b"no zip"))
    with pytest.raises(FileError, match=r"lib-1\.0-py3-none-any\.whl cannot be unpacked"):
        lock("https://devpi.example.com/files/lib-1.0-py3-none-any.whl")


def test_a_wrong_hash_of_a_direct_wheel(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("lib", "1.0")
    url = "https://devpi.example.com/files/lib-1.0-py3-none-any.whl"
    with pytest.raises(FileError, match="its sha256 is"):
        lock(f"{url}#sha256={'0' * 64}")


def test_a_damaged_wheel_is_not_passed_over(catalogue: Catalogue, lock: Resolve) -> None:
    """pip stops there, too; an older version in its place would be a silent step back."""
    catalogue.add("lib", "1.0")
    catalogue.upload("lib", Upload("lib-2.0-py3-none-any.whl", b"no zip"))
    with pytest.raises(FileError, match=r"lib-2\.0-.*cannot be unpacked.*\n.*lib!=2\.0"):
        lock("lib")
    assert pins(lock("lib!=2.0")) == ["lib==1.0"]


def test_what_pip_passes_over_with_a_warning_is_a_note(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("lib", "1.0")
    _, data = make_wheel("lib", "3.0")
    name = "lib-2.0-py3-none-any.whl"
    catalogue.upload("lib", Upload(name, data))
    found = lock("lib")
    assert pins(found) == ["lib==1.0"]
    assert found.notes[0].startswith("passed over, as pip does: lib-2.0-py3-none-any.whl")
    with pytest.raises(ResolutionError, match=r"says it is lib 3\.0"):
        lock("lib==2.0")


def test_an_invalid_requirement_makes_pip_pass_over_the_whole_version(
    catalogue: Catalogue, lock: Resolve
) -> None:
    catalogue.add("lib", "1.0")
    catalogue.add("lib", "2.0", tag="py3-none-any")
    catalogue.add("lib", "2.0", requires=("idna (>=",), tag="cp313-none-any")
    found = lock("lib")
    assert pins(found) == ["lib==1.0"]
    assert "has an invalid requirement" in found.notes[0]


def test_a_dependency_past_the_index_is_refused(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("app", "1", requires=("x @ https://u:s3cret@e.example.com/x-1-py3-none-any.whl",))
    with pytest.raises(ResolutionError, match="past the index") as caught:
        lock("app")
    assert "s3cret" not in str(caught.value)


def test_nothing_for_this_target(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("lib", "1")
    assert lock("lib; sys_platform == 'win32'").pins == ()


# Why not ------------------------------------------------------------------------------------


def why(lock: Resolve, *lines: str, **kwargs: object) -> str:
    with pytest.raises(ResolutionError) as caught:
        lock(*lines, **kwargs)
    return str(caught.value)


def test_why_no_such_project(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("app", "1.0", requires=("nothing>=1",))
    text = why(lock, "app")
    assert "nothing>=1, wanted by app 1.0" in text
    assert "nothing: the index has no such project" in text
    assert "hint: " in text


def test_why_no_such_version(catalogue: Catalogue, lock: Resolve) -> None:
    for minor in range(12):
        catalogue.add("lib", f"1.{minor}")
    text = why(lock, "# first", "lib>=9")
    assert "lib>=9, wanted by main.txt:2" in text
    assert "the index has wheels of 12 versions, newest 1.11, 1.10, 1.9, 1.8, 1.7" in text
    assert "lib: none of its versions matches >=9" in text
    assert "1.11 fits the target, and lib>=9 (main.txt:2) excludes it" in text


def test_why_no_wheel_for_these_tags(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("lib", "1.0", tag="cp313-cp313-win_amd64")
    catalogue.add("lib", "1.0", tag="cp313-cp313-macosx_11_0_arm64")
    catalogue.add("lib", "0.9", requires_python="<3.9", tag="py3-none-any")
    text = why(lock, "lib")
    assert (
        "no wheel for this target: 1.0 (1.0 has wheels for: macosx_11_0_arm64, win_amd64)" in text
    )
    assert "needs Python <3.9, the target has 3.13." in text


@pytest.mark.parametrize(
    ("platform", "few"),
    [
        ("win_arm64", "win32, win_amd64, macosx_10_9_x86_64, macosx_11_0_arm64, manylinux1_i686"),
        (
            "manylinux_2_28_aarch64",
            "manylinux1_i686, manylinux1_x86_64, manylinux_2_5_i686, manylinux_2_5_x86_64, macosx_10_9_x86_64",
        ),
    ],
)
def test_of_many_platforms_those_like_the_target_are_named(
    catalogue: Catalogue, lock: Resolve, platform: str, few: str
) -> None:
    linux = "manylinux1_i686.manylinux_2_5_i686", "manylinux1_x86_64.manylinux_2_5_x86_64"
    for name in (*linux, "win_amd64", "win32", "macosx_10_9_x86_64", "macosx_11_0_arm64"):
        catalogue.add("lib", "1.0", tag=f"cp313-cp313-{name}")
    assert f"has wheels for: {few} and 3 more)" in why(lock, "lib", platform=platform)


def test_why_no_wheel_of_this_interpreter(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("lib", "1.0", tag="cp313-cp313-win_amd64")
    catalogue.add("lib", "1.0", tag="cp313-cp313-win32")
    text = why(lock, "lib", python="3.13t", platform="win_amd64")
    assert "(1.0 has wheels for: cp313-cp313-win_amd64)" in text


def test_why_only_sdists(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.upload("lib", Upload("lib-1.0.tar.gz", b"x"))
    text = why(lock, "lib")
    assert "the index has no wheel of it, 1.0 exists only as an sdist\n" in text
    assert 'sdists = ["lib"] in [tool.devpi-warmup] has it built here' in text


def test_why_names_the_nearest_class_first(catalogue: Catalogue, lock: Resolve) -> None:
    """What would fit but is yanked is nearer than what is for another machine."""
    catalogue.add("lib", "1.0", yanked=True)
    catalogue.add("lib", "1.0", tag="cp313-cp313-win_amd64")
    catalogue.add("lib", "0.9", tag="cp313-cp313-win_amd64")
    text = why(lock, "lib")
    assert "lib: yanked from the index: 1.0\n" in text
    assert "no wheel for this target: 0.9 (0.9 has wheels for: win_amd64)" in text
    assert "py3-none-any" not in text
    assert text.count("yanked from") == 1


def test_why_a_newer_variant_does_not_count(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("torch", "2.9.1")
    catalogue.upload(
        "torch", Upload("torch-2.13.0-cp313-cp313-manylinux_2_28_x86_64-cu128.whl", b"")
    )
    text = why(lock, "torch>=2.10")
    assert "2.13.0 exists only as a wheel variant (cu128), which pip does not know" in text
    assert "2.9.1 fits the target, and torch>=2.10 (main.txt:1) excludes it" in text


def test_an_old_wheel_beside_newer_sdists_or_variants_has_a_note(
    catalogue: Catalogue, lock: Resolve
) -> None:
    catalogue.add("seqeval", "0.0.10")
    catalogue.upload("seqeval", Upload("seqeval-1.2.2.tar.gz", b""))
    catalogue.upload("seqeval", Upload("seqeval-9.0.tar.gz", b"", yanked=True))
    catalogue.upload("seqeval", Upload("seqeval-8.0.zip", b"", requires_python=">=3.99"))
    catalogue.upload("seqeval", Upload("seqeval-2.0rc1.tar.gz", b""))
    catalogue.add("other", "1.0")
    catalogue.upload("other", Upload("other-1.0.tar.gz", b""))
    catalogue.upload("other", Upload("other-0.9.tar.gz", b""))
    note = (
        "seqeval 0.0.10 is not the newest: 1.2.2 exists only as an sdist, which "
        'sdists = ["seqeval"] would have built'
    )
    assert lock("seqeval", "other").notes == (note,)
    assert lock("seqeval<1").notes == ()
    catalogue.add("young", "1.0")
    catalogue.upload("young", Upload("young-2.0rc1.tar.gz", b""))
    assert lock("young").notes == ()
    assert "2.0rc1 exists only as an sdist" in lock("young>=1.0a1").notes[0]
    assert lock("seqeval", constraints=("seqeval<1",)).notes == ()


def test_who_wants_it_down_to_a_line_of_the_user(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("app", "1.0", requires=("mid[b,c]",))
    catalogue.add(
        "mid", "2.0", requires=("low; extra == 'b'", "x; extra == 'c'"), extras=("b", "c")
    )
    catalogue.add("low", "3.0", requires=("gone>=1",))
    catalogue.add("x", "1")
    text = why(lock, "app")
    assert "gone>=1, wanted by low 3.0 (for mid[b] 2.0, for app 1.0, for main.txt:1)" in text


def test_a_target_of_several_machines_serves_them_all(catalogue: Catalogue, lock: Resolve) -> None:
    """A 32-bit Python says AMD64 on a 64-bit Windows, and x86 on a 32-bit one."""
    greenlet = "greenlet; platform_machine == 'AMD64'"
    catalogue.add("sqlalchemy", "2.0.44", requires=(greenlet, "old; platform_machine == 'x86'"))
    catalogue.add("greenlet", "3.0", tag="cp313-cp313-win32")
    catalogue.add("old", "1.0")
    found = lock("sqlalchemy", platform="win32")
    assert pins(found) == ["greenlet==3.0", "old==1.0", "sqlalchemy==2.0.44"]
    assert pins(lock("only; platform_machine == 'x86'", "old", platform="win_amd64")) == [
        "old==1.0"
    ]


def test_a_target_of_several_machines_that_cannot_serve_them_all(
    catalogue: Catalogue, lock: Resolve
) -> None:
    catalogue.add("sqlalchemy", "2.0.44", requires=("greenlet; platform_machine == 'AMD64'",))
    catalogue.add("greenlet", "3.0", tag="cp313-cp313-win_amd64")
    text = why(lock, "sqlalchemy", platform="win32")
    assert "greenlet: no wheel for this target: 3.0" in text
    assert "win32 is judged for AMD64, x86, ARM64 together" in text


def test_what_cannot_be_known_of_the_machine_is_a_note(catalogue: Catalogue, lock: Resolve) -> None:
    requires = ("objc; platform_release >= '24.0'", "smp; 'SMP' in platform_version")
    catalogue.add("app", "1.0", requires=requires)
    found = lock("app", platform="macosx_14_0_arm64")
    assert pins(found) == ["app==1.0"]
    first, second = found.notes
    assert first.startswith("app asks for the platform_release of the machine (objc;")
    assert first.endswith("cannot be known here: it was taken for '23.0.0'")
    assert second.endswith("it was taken for ''")


def test_a_lock_says_from_which_patch_on_it_holds(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("app", "1.0", requires=("lib; python_full_version >= '3.11.3'",))
    catalogue.add("lib", "2.0", requires_python=">=3.11.5")
    catalogue.add("lib", "1.0")
    assert str(lock("app", python="3.11").patches) == "from 3.11.5"
    assert str(lock("app", "six; python_full_version >= '3.11.8'", python="3.11.7").patches) == (
        "3.11.5 to 3.11.7"
    )
    limits = ("lib<9; python_full_version > '3.11.6'",)
    assert str(lock("app", python="3.11", constraints=limits).patches) == "from 3.11.7"


def test_why_the_wheel_needs_another_python(catalogue: Catalogue, lock: Resolve) -> None:
    filename, data = make_wheel("lib", "1.0", requires_python=">=3.14")
    catalogue.upload("lib", Upload(filename, data))
    text = why(lock, "lib")
    assert "Python >=3.14, wanted by lib 1.0" in text
    assert "the target has 3.13." in text


def test_why_two_requirements_fight(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("a", "1", requires=("lib<2",))
    catalogue.add("b", "1", requires=("lib>=2",))
    catalogue.add("lib", "1.0")
    catalogue.add("lib", "2.0")
    text = why(lock, "a", "b")
    assert "lib<2, wanted by a 1" in text
    assert "lib>=2, wanted by b 1" in text


def test_why_a_constraint_forbids_it(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("lib", "2.0")
    text = why(lock, "lib", constraints=("lib<2",))
    assert "2.0 fits the target, and lib<2 (constraints.txt:1) excludes it" in text
    assert "lib<2, constrained by constraints.txt:1" in text


def test_why_names_the_constraint_that_excludes(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("lib", "4.0")
    text = why(lock, "lib>=3", constraints=("lib<3", "lib>=1"))
    assert "4.0 fits the target, and lib<3 (constraints.txt:1) excludes it" in text


def test_why_blames_what_a_user_can_change(catalogue: Catalogue, lock: Resolve) -> None:
    """Two versions of a parent exclude one another; what they want does not hold together."""
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        catalogue.add("a", version, requires=(f"b=={version}",))
        catalogue.add("b", version)
    text = why(lock, "a!=2.0.0", "b>=2,<3")
    assert "none of its versions satisfies all that was tried" in text
    assert "3.0.0 fits the target, and b<3,>=2 (main.txt:2) excludes it" in text


@pytest.mark.parametrize(
    ("more", "hint"),
    [
        ({"yanked": True}, "a yanked file serves only who pins it"),
        ({"requires_python": "<3"}, "require a version for that Python"),
        ({"tag": "py3-none-win32"}, "choose a platform that it has wheels for"),
    ],
)
def test_a_hint_can_be_acted_on(
    catalogue: Catalogue, lock: Resolve, more: dict[str, object], hint: str
) -> None:
    catalogue.add("lib", "1.0", **more)
    assert f"hint: {hint}" in why(lock, "lib")


def test_why_hashes_that_contradict_each_other(catalogue: Catalogue, lock: Resolve) -> None:
    upload = catalogue.add("lib", "1.0")
    lines = [f"lib==1.0 --hash=sha256:{digest}" for digest in (upload.digest, "0" * 64)]
    text = why(lock, *lines)
    assert "the --hash lines contradict each other: 1.0" in text
    assert "lib==1.0 --hash=sha256:00000000…, wanted by main.txt:2" in text


def test_why_a_page_without_files(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.projects["lib"] = []
    text = why(lock, "lib")
    assert "the index has no file of it\n" in text
    assert "it answered a page without files (3 times, " in text


def test_the_budget_names_what_fights(
    catalogue: Catalogue, lock: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "BUDGET", 5)
    for minor in range(20):
        catalogue.add("big", f"1.{minor}", requires=("lib<1",))
    catalogue.add("lib", "1.0")
    text = why(lock, "big", "lib")
    assert "big: 5 of its wheels were opened and none fits" in text
    assert "big, wanted by main.txt:1" in text
    assert "pin big" in text


def test_the_order_of_decisions_is_pips(fetcher: Fetcher, tmp_path: Path) -> None:
    """pip/_internal/resolution/resolvelib/provider.py, ``get_preference``."""
    (tmp_path / "main.txt").write_text("zwanted\n")
    wanted = load_files(tmp_path, "main.txt")
    target = Target("3.13", "win32")
    roots = roots_of(for_target(wanted, target), target, [])
    asked = provider.Provider(roots, target, fetcher, {})
    exact = Candidate(canonicalize_name("zdirect"), frozenset(), Version("1"), None)
    information = {
        "afree": [ResolverRequirement(canonicalize_name("afree"))],
        "bnonfree": [wish("bnonfree>=1")],
        "zwanted": [wish("zwanted")],
        "zbounded": [wish("zbounded<2")],
        "zprefix": [wish("zprefix==1.*")],
        "zpinned": [wish("zpinned==1")],
        "zdirect": [ResolverRequirement(exact.project, exact=exact)],
    }
    pairs = {name: [(wish, None) for wish in wishes] for name, wishes in information.items()}
    order = sorted(pairs, key=lambda name: asked.get_preference(name, {}, {}, pairs, []))
    assert order == ["zdirect", "zpinned", "zbounded", "zprefix", "zwanted", "bnonfree", "afree"]


def wish(text: str) -> ResolverRequirement:
    requirement = Requirement(text)
    return ResolverRequirement(canonicalize_name(requirement.name), specifier=requirement.specifier)


# What it costs ------------------------------------------------------------------------------


def test_targets_share_pages_and_files(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("app", "1.0", requires=("lib",))
    catalogue.add("lib", "1.0")
    for python in ("3.9", "3.10", "3.13"):
        lock("app", python=python)
    assert set(catalogue.asked.values()) == {1}


def test_an_upper_bound_is_decided_before_it_costs_wheels(
    catalogue: Catalogue, lock: Resolve
) -> None:
    """A free requirement must not walk through versions that a bounded one rules out."""
    for minor in range(30):
        catalogue.add("cloud", f"1.{minor}", requires=("date<3",))
    catalogue.add("date", "2.0")
    catalogue.add("date", "4.0")
    found = lock("date", "cloud")
    assert pins(found) == ["cloud==1.29", "date==2.0"]
    opened = [path for path in catalogue.asked if "cloud-1" in path]
    assert len(opened) == 1
