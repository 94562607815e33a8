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
    assert "carry = [\"tb-comp; sys_platform == 'win32'\"]" in done.stderr
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
    # Two builds, two versions of one tool: the page has both, and no constraint forbids one.
    locks = warmed.wheelhouse / "locks"
    tools = (locks / f"{OWN}.build.txt").read_text()
    assert "# each build has its own: tb-set==2.0, tb-set==1.0" in tools
    assert "\ntb-set" not in tools
    assert "tb_set-1.0" in (locks / f"{OWN}.build.html").read_text()
    before = warmed.files()
    again = warmed.nox("-s", "warmup")
    assert "building it" not in again.stderr
    assert warmed.files() == before
    verified = warmed.nox("-s", "verify", TOKEN="s3cret")
    assert verified.returncode == 0, verified.output
    assert "installed: 3 distributions (tb-new built from source), pip check" in verified.stdout
    assert "3 of 3 modules imported" in verified.stdout
    # What its build takes is held to its hash, and to what is carried.
    page = locks / f"{OWN}.build.html"
    text = page.read_text()
    page.write_text(text.replace("tb_set-1.0-py3-none-any.whl", "gone"))
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
