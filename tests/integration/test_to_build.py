"""What is built for one machine, and carried to be built on others; nothing of it is "covered"."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from projects import OWN_PLATFORM, OWN_PYTHON, Devpi, Project, linux_only
from sdist import compiled, make_sdist

from devpi_warmup.digests import digest
from devpi_warmup.inputs.toml import read_toml

OWN = f"cp{OWN_PYTHON.replace('.', '')}-{OWN_PLATFORM}"
WINDOWS = f"cp{OWN_PYTHON.replace('.', '')}-win_amd64"
# One that no policy of manylinux has.
LIBRARY = Path("/lib/x86_64-linux-gnu/liblzma.so.5")
# What no manylinux2014 has: since then it is in libc itself.
NEWER_THAN_2014 = "pthread_key_create"

pytestmark = [
    linux_only,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed"),
]


def write(project: Project, *lines: str, carry: tuple[str, ...] = (), more: str = "") -> None:
    table = f"sdists = {json.dumps(lines)}\ncarry = {json.dumps(carry)}\n{more}"
    project.write(*lines, pythons=(OWN_PYTHON,), more=table)


def test_a_wheel_for_this_machine_and_a_source_for_the_other(warmed: Project, devpi: Devpi) -> None:
    for name in ("tb-dep", "tb-tool", "tb-win", "tb-linux"):
        devpi.upstream.add(name, "1.0")
    build = compiled("tb_comp") + "\nMETA['files']['tb_comp_more.py'] = ''"
    static = ("tb-tool", "tb-win; sys_platform == 'win32'", "tb-linux; sys_platform == 'linux'")
    sdist = make_sdist("tb-comp", "1.0", build=build, static=static, requires=("tb-dep",))
    devpi.upstream.upload("tb-comp", sdist)
    write(warmed, "tb-comp")
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1, done.output
    assert f"{WINDOWS} is to build: tb-comp 1.0 is to be built inside: the wheel" in done.stderr
    assert 'carry = ["tb-comp"]' in done.stderr
    assert "(like \"tb-comp; sys_platform == 'win32'\")" in done.stderr
    assert "1 of 2 targets covered, 1 to build inside" in done.stdout
    assert f"to be built inside, and not named in carry: {WINDOWS} (tb-comp)" in done.stderr
    assert warmed.states() == {OWN: "covered", WINDOWS: "to build"}
    before = warmed.files()
    # Named, it is what the user wants; nothing has to be gathered or built again for that.
    write(warmed, "tb-comp", carry=("tb-comp; sys_platform == 'linux'",))
    assert warmed.nox("-s", "report").returncode == 1
    write(warmed, "tb-comp", carry=("tb-comp==1.*; sys_platform == 'win32'",))
    report = warmed.nox("-s", "report")
    assert report.returncode == 0, report.output
    assert "to build inside: tb-comp" in report.stdout
    again = warmed.nox("-s", "warmup")
    assert again.returncode == 0, again.output
    assert "building it" not in again.stderr
    assert warmed.files() == before
    # Each lock holds what its own target is to get.
    locks = warmed.wheelhouse / "locks"
    source = digest(warmed.wheelhouse / "tb_comp-1.0.tar.gz")
    windows, own = (locks / f"{WINDOWS}.txt").read_text(), (locks / f"{OWN}.txt").read_text()
    assert f"tb-comp==1.0 \\\n    --hash=sha256:{source}" in windows
    assert "tb-dep==1.0" in windows
    assert f"--build-constraint wheelhouse/locks/{WINDOWS}.build.txt" in windows
    assert source not in own
    assert "manylinux" in (locks / f"{OWN}.html").read_text()
    (packaged,) = (
        package
        for package in read_toml(locks / f"pylock.{WINDOWS}.toml", "pylock")["packages"]
        if package["name"] == "tb-comp"
    )
    assert packaged["sdist"]["hashes"] == {"sha256": source}
    tools = (locks / f"{WINDOWS}.build.txt").read_text()
    assert "tb-win==1.0" in tools
    assert "tb-linux" not in tools
    entry = warmed.manifest()["targets"][WINDOWS]
    assert "not" not in str(entry["reason"])
    record = entry["to_build"]["tb_comp-1.0.tar.gz"]  # type: ignore[index]
    assert record["known_by"] == "that wheel"
    assert "Requires-Dist: tb-dep" in record["metadata"]
    built = warmed.manifest()["files"]
    (wheel,) = (name for name in built if name.startswith("tb_comp") and name.endswith(".whl"))
    assert built[wheel]["built"]["auditwheel"]  # type: ignore[index]
    assert built["tb_comp-1.0.tar.gz"]["warm"] == "warm"
    # It installs where it was built, and is built again there from what is carried.
    verified = warmed.nox("-s", "verify", "--", "--from-source")
    assert verified.returncode == 0, verified.output
    assert "built again from its sdist" in verified.stdout
    assert "installed: 2 distributions, pip check passes, 3 of 3 modules" in verified.stdout
    # What building takes is part of what must be there.
    (warmed.wheelhouse / "tb_win-1.0-py3-none-any.whl").write_bytes(b"x")
    report = warmed.nox("-s", "report")
    assert report.returncode == 1
    assert "1 of 2 targets covered\n" in report.stdout


def test_a_wheel_too_new_for_the_target_is_built_inside(warmed: Project, devpi: Devpi) -> None:
    for name, version in (("tb-set", "1.0"), ("tb-set", "2.0"), ("tb-dep", "1.0")):
        devpi.upstream.add(name, version)
    spy = "\nimport os; assert 's3cret' not in str(os.environ), 'a secret'"
    build = compiled("tb_new", NEWER_THAN_2014) + spy
    sdist = make_sdist("tb-new", "1.0", build=build, static=("tb-set<2",), requires=("tb-dep",))
    devpi.upstream.upload("tb-new", sdist)
    other = make_sdist("tb-pure", "1.0", static=("tb-set>=2",))
    devpi.upstream.upload("tb-pure", other)
    write(warmed, "tb-new", "tb-pure", carry=("tb-new",))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert "0 of 2 targets covered, 2 to build inside" in done.stdout
    why = warmed.manifest()["targets"][OWN]["to_build"]["tb_new-1.0.tar.gz"]["why"]  # type: ignore[index]
    assert "the wheel that is built of it here is for" in why
    assert "manylinux_2_34" in why
    # What was built here takes another version of the tool: no build inside may choose that.
    locks = warmed.wheelhouse / "locks"
    assert "\ntb-set==1.0\n" in (locks / f"{OWN}.build.txt").read_text()
    page = (locks / f"{OWN}.build.html").read_text()
    assert "tb_set-1.0" in page
    assert "tb_set-2.0" not in page
    assert (warmed.wheelhouse / "tb_set-2.0-py3-none-any.whl").is_file()
    before = warmed.files()
    again = warmed.nox("-s", "warmup")
    assert "building it" not in again.stderr
    assert warmed.files() == before
    verified = warmed.nox("-s", "verify", TOKEN="s3cret")
    assert verified.returncode == 0, verified.output
    assert "installed: 3 distributions (tb-new built from source), pip check" in verified.stdout
    assert "3 of 3 modules imported" in verified.stdout
    # What its build takes is held to its hash, and to what is carried.
    (locks / f"{OWN}.build.html").write_text(page.replace("tb_set-1.0", "gone"))
    refused = warmed.nox("-s", "verify")
    assert refused.returncode == 1
    assert "is not the file that its warmup left there" in refused.stderr


def test_what_fails_here_may_still_be_built_elsewhere(warmed: Project, devpi: Devpi) -> None:
    """By its own word, which is in PKG-INFO; a target of this kind of machine is missing."""
    devpi.upstream.add("tb-dep", "1.0")
    fails = "raise SystemExit('error: tb.h: not found')"
    sdist = make_sdist("tb-hdr", "1.0", build=fails, requires=("tb-dep",), final=True)
    devpi.upstream.upload("tb-hdr", sdist)
    write(warmed, "tb-hdr", carry=("tb-hdr",))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert warmed.states() == {OWN: "missing", WINDOWS: "to build"}
    assert f"{OWN} is missing: tb-hdr 1.0 cannot be built: error: tb.h: not found" in done.stderr
    said = "here it cannot be built: error: tb.h: not found; what it requires is taken from its"
    assert said in done.stderr
    assert "0 of 2 targets covered, 1 to build inside" in done.stdout
    assert "tb-dep==1.0" in (warmed.wheelhouse / "locks" / f"{WINDOWS}.txt").read_text()
    # Where that is the only target, devpi is shown to serve it.
    more = 'sdists = ["tb-hdr"]\ncarry = ["tb-hdr"]'
    warmed.write("tb-hdr", pythons=(OWN_PYTHON,), platforms=("win_amd64",), more=more)
    served = warmed.nox("-s", "verify-devpi")
    assert served.returncode == 0, served.output
    assert "shown to hold 2 of 2 files" in served.stdout
    # The machine may have got what it lacked: it is tried again.
    assert "building it" in warmed.nox("-s", "warmup").stderr


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("tb-dark", {"build": "raise SystemExit('error: dark')"}, "cannot be built: error: dark"),
        ("tb-rust", {"static": ("maturin>=1",), "final": True}, "fetches crates of Rust"),
        (
            "tb-net",
            {
                "build": "import urllib.request as r; r.urlopen('http://127.0.0.1:9/')",
                "final": True,
            },
            "cannot be built: urllib.error.URLError",
        ),
        ("tb-late", {"dynamic": ("setuptools-rust",), "final": True}, "fetches crates of Rust"),
        (
            "tb-any",
            {"build": compiled("tb_any") + "\nMETA['tag'] = 'py3-none-any'"},
            "says that it is for every platform, and holds tb_any.cpython-3",
        ),
        (
            "tb-url",
            {"static": ("x @ https://h.example.com/x.whl ; sys_platform == 'win32'",)},
            "requires to be built what cannot be had",
        ),
        ("tb-needs", {"static": ("tb-nowhere",), "final": True}, "requires to be built cannot be"),
    ],
)
def test_what_is_built_nowhere_is_missing(
    warmed: Project, devpi: Devpi, name: str, more: dict[str, object], message: str
) -> None:
    devpi.upstream.upload(name, make_sdist(name, "1.0", **more))
    write(warmed, name, carry=(name,))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert message in done.stderr
    assert set(warmed.states().values()) == {"missing"}, done.output


def test_what_the_backend_says_before_it_fails(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add("tb-dep", "1.0")
    code = (
        "def prepare_metadata_for_build_wheel(folder, config_settings=None):\n"
        "    info = 'tb_says-1.0.dist-info'\n"
        "    os.mkdir(os.path.join(folder, info))\n"
        "    open(os.path.join(folder, info, 'METADATA'), 'w').write(META['metadata'])\n"
        "    return info\n"
    )
    fails = "raise SystemExit('error: tb.h: not found')"
    sdist = make_sdist("tb-says", "1.0", code=code, build=fails, requires=("tb-dep",))
    devpi.upstream.upload("tb-says", sdist)
    write(warmed, "tb-says", carry=("tb-says",))
    assert warmed.nox("-s", "warmup").returncode == 1
    assert warmed.states() == {OWN: "missing", WINDOWS: "to build"}
    record = warmed.manifest()["targets"][WINDOWS]["to_build"]["tb_says-1.0.tar.gz"]  # type: ignore[index]
    assert record["known_by"] == "its backend, which says it before it fails"
    assert "tb-dep==1.0" in (warmed.wheelhouse / "locks" / f"{WINDOWS}.txt").read_text()


@pytest.mark.skipif(not LIBRARY.exists(), reason=f"there is no {LIBRARY.name} here")
def test_a_library_of_the_system_is_not_copied(warmed: Project, devpi: Devpi) -> None:
    linked = f"'-Wl,--no-as-needed', 'm.c', '{LIBRARY}', '-o'"
    build = compiled("tb_lib").replace("'m.c', '-o'", linked)
    devpi.upstream.upload("tb-lib", make_sdist("tb-lib", "1.0", build=build))
    write(warmed, "tb-lib", carry=("tb-lib",))
    done = warmed.nox("-s", "warmup")
    assert warmed.states()[OWN] == "to build", done.output
    assert "is to be built inside: it needs liblzma.so.5" in done.stderr
    assert not list(warmed.wheelhouse.glob("tb_lib*.whl"))


def test_consent_comes_before_carrying(warmed: Project) -> None:
    warmed.write("six", more='carry = ["tb-other"]')
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert "tb-other is not among the sdists" in done.stderr


@pytest.mark.long
def test_two_builds_that_want_two_versions_of_a_tool(warmed: Project, devpi: Devpi) -> None:
    """pip takes one page for both, and would give one of them the wrong version."""
    for version in ("1.0", "2.0"):
        devpi.upstream.add("tb-both", version)
    for name, static in (("tb-old", "tb-both<2"), ("tb-young", "tb-both>=2")):
        sdist = make_sdist(name, "1.0", build=compiled(name.replace("-", "_")), static=(static,))
        devpi.upstream.upload(name, sdist)
    write(warmed, "tb-old", "tb-young", carry=("tb-old", "tb-young"))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert warmed.states() == {OWN: "covered", WINDOWS: "missing"}
    assert "tb-old 1.0, tb-young 1.0: what it requires to be built cannot be had" in done.stderr


def test_a_build_limits_the_patch_releases_too(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add("tb-patch", "1.0", requires_python=">=3.9.10")
    devpi.upstream.add("tb-dep", "1.0")
    static = ("tb-patch", "tb-dep; python_full_version < '3.13.2'")
    sdist = make_sdist("tb-from", "1.0", build=compiled("tb_from"), static=static)
    devpi.upstream.upload("tb-from", sdist)
    more = 'sdists = ["tb-from"]\ncarry = ["tb-from"]'
    warmed.write("tb-from", pythons=("3.9", "3.13"), platforms=("win_amd64",), more=more)
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    cells = warmed.manifest()["targets"]
    assert cells["cp39-win_amd64"]["from"] == "3.9.10"
    assert cells["cp313-win_amd64"]["from"] == "3.13.2"


@pytest.mark.long
def test_old_setuptools_gets_the_wheel_that_it_needs(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add("setuptools", "68.0", requires_python="<3.8")
    devpi.upstream.add("setuptools", "84.0", requires_python=">=3.9")
    devpi.upstream.add("wheel", "0.42")
    static = ("setuptools",)
    build = compiled("tb_seven")
    devpi.upstream.upload("tb-seven", make_sdist("tb-seven", "1.0", build=build, static=static))
    more = 'sdists = ["tb-seven"]\ncarry = ["tb-seven"]'
    warmed.write("tb-seven", pythons=("3.7", "3.13"), platforms=("win_amd64",), more=more)
    assert warmed.nox("-s", "warmup").returncode == 0
    locks = warmed.wheelhouse / "locks"
    assert "wheel==0.42" in (locks / "cp37-win_amd64.build.txt").read_text()
    assert "wheel==" not in (locks / "cp313-win_amd64.build.txt").read_text()
    head = (locks / "cp37-win_amd64.txt").read_text()
    assert "with pip 24.0 or newer" in head
    assert "--build-constraint" not in head


@pytest.mark.long
def test_what_fits_by_now_is_built_again(warmed: Project, devpi: Devpi) -> None:
    """What a former run has learnt of a wheel never stands in the place of the wheel."""
    devpi.upstream.upload("tb-again", make_sdist("tb-again", "1.0", build=compiled("tb_again")))
    write(warmed, "tb-again", carry=("tb-again",))
    assert warmed.nox("-s", "warmup").returncode == 0
    assert warmed.states() == {OWN: "covered", WINDOWS: "to build"}
    (wheel,) = warmed.wheelhouse.glob("tb_again*.whl")
    wheel.unlink()
    assert warmed.nox("-s", "warmup").returncode == 0
    assert warmed.states() == {OWN: "covered", WINDOWS: "to build"}
    assert wheel.is_file()
    assert warmed.nox("-s", "verify").returncode == 0


def test_a_build_inside_changes_nothing_of_the_user(warmed: Project, devpi: Devpi) -> None:
    """Nor does it in a warmup, where it tries to make its folders writable again."""
    root = str(warmed.root)
    spoil = (
        "import subprocess\n"
        f"for place in ('{root}', '{root}/wheelhouse'):\n"
        "    subprocess.run(['mount', '-o', 'remount,bind,rw', place])\n"
        "    try: open(place + '/spoilt', 'w'); raise SystemExit('error: ' + place + ' is spoilt')\n"
        "    except OSError: pass\n"
    )
    sdist = make_sdist("tb-spoil", "1.0", build=spoil + compiled("tb_spoil", NEWER_THAN_2014))
    devpi.upstream.upload("tb-spoil", sdist)
    write(warmed, "tb-spoil", carry=("tb-spoil",))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    verified = warmed.nox("-s", "verify")
    assert verified.returncode == 0, verified.output
    assert not (warmed.root / "spoilt").exists()
