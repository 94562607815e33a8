"""Projects without wheels: built by consent, once, offline, with what that takes carried."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from catalogue import make_wheel
from projects import OWN_PLATFORM, OWN_PYTHON, Devpi, Project, linux_only
from sdist import make_sdist

from devpi_warmup import process
from devpi_warmup.build.host import host_target
from devpi_warmup.build.sandbox import Sandbox
from devpi_warmup.digests import digest

ABI = f"cp{OWN_PYTHON.replace('.', '')}"
CELL = f"cp{OWN_PYTHON.replace('.', '')}-{OWN_PLATFORM}"


def write(project: Project, *lines: str, sdists: tuple[str, ...] = (), more: str = "") -> None:
    project.write(*lines, more=f"sdists = {json.dumps(sdists)}\n{more}")


@linux_only
def test_built_once_for_all_and_never_again(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add("sd-tool", "1.0", requires_python=">=3.8")
    devpi.upstream.add("sd-extra", "1.0")
    devpi.upstream.add("sd-lib", "1.0")
    code = 'import sd_tool; print("the backend has its tool")'
    more = {"static": ("sd-tool",), "dynamic": ("sd-extra>=1",), "requires": ("sd-lib",)}
    devpi.upstream.upload("sd-pure", make_sdist("sd-pure", "2.0", code=code, **more))
    devpi.upstream.add("sd-pure", "1.0")
    pythons = tuple(dict.fromkeys(("3.9", "3.13", OWN_PYTHON)))
    warmed.write("sd-pure", pythons=pythons, more='sdists = ["sd-pure"]')
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    count = 2 * len(pythons)
    assert f"{count} of {count} targets covered" in done.stdout
    assert done.stderr.count("building it of sd_pure-2.0.tar.gz") == 1
    assert "with sd-extra==1.0, sd-tool==1.0" in done.stderr
    assert {path.name for path in warmed.wheelhouse.iterdir() if path.is_file()} >= {
        "sd_pure-2.0-py3-none-any.whl",
        "sd_pure-2.0.tar.gz",
        "sd_tool-1.0-py3-none-any.whl",
        "sd_extra-1.0-py3-none-any.whl",
        "sd_lib-1.0-py3-none-any.whl",
    }
    lock = (warmed.wheelhouse / "locks" / "cp39-win_amd64.txt").read_text()
    wheel = warmed.wheelhouse / "sd_pure-2.0-py3-none-any.whl"
    assert f"sd-pure==2.0 \\\n    --hash=sha256:{digest(wheel)}" in lock
    build = (warmed.wheelhouse / "locks" / "cp39-win_amd64.build.txt").read_text()
    assert [line for line in build.splitlines() if not line.startswith("#")] == [
        "sd-extra==1.0",
        "sd-tool==1.0",
    ]
    manifest = warmed.manifest()
    entry = manifest["files"][wheel.name]
    assert entry["origin"] == "built here"
    built = entry["built"]
    assert built["sdist"] == "sd_pure-2.0.tar.gz"  # type: ignore[index]
    assert built["sha256"] == digest(warmed.wheelhouse / "sd_pure-2.0.tar.gz")  # type: ignore[index]
    assert set(built["requires"]) == {
        "sd_tool-1.0-py3-none-any.whl",
        "sd_extra-1.0-py3-none-any.whl",
    }  # type: ignore[index]
    assert built["python"] == host_target().full_version  # type: ignore[index]
    for name in ("sd_pure-2.0.tar.gz", "sd_tool-1.0-py3-none-any.whl"):
        assert manifest["files"][name]["warm"] == "warm"
    before = warmed.files()
    again = warmed.nox("-s", "warmup")
    assert again.returncode == 0, again.output
    assert "building it" not in again.stderr
    assert warmed.files() == before
    verified = warmed.nox("-s", "verify", "-p", OWN_PYTHON)
    assert verified.returncode == 0, verified.output
    assert "installed: 2 distributions" in verified.stdout
    # What is carried of it is part of what is covered.
    (warmed.wheelhouse / "sd_tool-1.0-py3-none-any.whl").write_bytes(b"x")
    report = warmed.nox("-s", "report")
    assert report.returncode == 1
    assert "sd_tool-1.0-py3-none-any.whl is not the file that its warmup left" in report.stdout


def test_nobody_is_built_who_is_not_listed(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.upload("sd-shy", make_sdist("sd-shy", "1.0", code="raise SystemExit('ran')"))
    devpi.upstream.add("sd-app", "1.0", requires=("sd-shy",))
    write(warmed, "sd-app")
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert "sd-shy: the index has no wheel of it, 1.0 exists only as an sdist" in done.stderr
    assert 'sdists = ["sd-shy"] in [tool.devpi-warmup] has it built here' in done.stderr
    assert "sd-shy, wanted by sd-app 1.0 (for requirements/main.txt:1)" in done.stderr
    assert "building" not in done.stderr
    assert not [path for path in devpi.upstream.asked if path.endswith("sd_shy-1.0.tar.gz")]


@pytest.mark.long
def test_which_versions_and_targets_may_be_built(warmed: Project, devpi: Devpi) -> None:
    for version in ("1.0", "2.0"):
        devpi.upstream.upload("sd-some", make_sdist("sd-some", version))
    devpi.upstream.add("sd-some", "0.5")
    write(warmed, "sd-some", sdists=("sd-some==1.*; sys_platform == 'win32'",))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    locks = warmed.wheelhouse / "locks"
    assert "sd-some==1.0 " in (locks / "cp39-win_amd64.txt").read_text()
    assert "sd-some==0.5 " in (locks / "cp39-manylinux2014_x86_64.txt").read_text()
    assert not (locks / "cp39-manylinux2014_x86_64.build.txt").exists()
    # Consent that is withdrawn leaves no build behind.
    write(warmed, "sd-some")
    assert warmed.nox("-s", "report").returncode == 1
    assert warmed.nox("-s", "warmup").returncode == 0
    assert not list(locks.glob("*.build.*"))


def test_what_fails_to_build_says_why_once(warmed: Project, devpi: Devpi) -> None:
    code = "import pkg_resources"
    devpi.upstream.upload("sd-old", make_sdist("sd-old", "1.0", code=code))
    write(warmed, "sd-old", sdists=("sd-old",))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    # Once by the Python of nox, and once by each other Python of a target that is here.
    assert done.stderr.count("building it of sd_old-1.0.tar.gz\n") == 1
    assert done.stderr.count("with Python 3.9") <= 1
    assert "sd-old 1.0 cannot be built: ModuleNotFoundError: No module named" in done.stderr
    assert 'hint: build-constraints = ["setuptools<82"]' in done.stderr
    assert "the whole output is in wheelhouse/build-logs/sd-old-1.0-" in done.stderr
    assert (
        "pkg_resources"
        in (
            warmed.wheelhouse / "build-logs" / f"sd-old-1.0-{CELL.split('-', maxsplit=1)[0]}.txt"
        ).read_text()
    )
    assert done.stdout.count("sd-old 1.0 cannot be built: ModuleNotFoundError") == 1
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        (
            "sd-lie",
            {"built_as": ("sd-lie", "2.0")},
            "sd_lie-1.0.tar.gz gives sd_lie-2.0-py3-none-any.whl, which is not sd-lie 1.0",
        ),
        pytest.param(
            "sd-other",
            {"built_as": ("another", "1.0")},
            "sd_other-1.0.tar.gz gives another-1.0-py3-none-any.whl, which is not sd-other 1.0",
            marks=pytest.mark.long,
        ),
        ("sd-lack", {"static": ("sd-nowhere>=1",)}, "what it requires to be built cannot be had"),
        pytest.param(
            "sd-host",
            {
                "tag": f"cp{OWN_PYTHON.replace('.', '')}-cp{OWN_PYTHON.replace('.', '')}-linux_x86_64"
            },
            "sd-host 1.0 is to be built inside: the wheel that is built of it here is for",
            marks=pytest.mark.long,
        ),
        ("sd-new", {"requires_python": ">=3.99"}, "sd-new"),
        ("sd-urls", {"static": ("x @ https://files.example.com/x.whl",)}, "cannot be had"),
        pytest.param(
            "sd-boom",
            {"build": "os._exit(3)"},
            "sd-boom 1.0 cannot be built: ",
            marks=pytest.mark.long,
        ),
    ],
)
def test_what_cannot_be_covered(
    warmed: Project, devpi: Devpi, name: str, more: dict[str, object], message: str
) -> None:
    devpi.upstream.upload(name, make_sdist(name, "1.0", **more))
    write(warmed, name, sdists=(name,))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr.replace(
        "Traceback (most recent call last):\n        ", ""
    )
    assert "covered" not in warmed.states().values()


def test_a_build_that_needs_itself(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.upload("sd-egg", make_sdist("sd-egg", "1.0", static=("sd-hen",)))
    devpi.upstream.upload("sd-hen", make_sdist("sd-hen", "1.0", static=("sd-egg",)))
    write(warmed, "sd-egg", sdists=("sd-egg", "sd-hen"))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert "sd-egg 1.0 → sd-hen 1.0 → sd-egg 1.0" in done.stderr


@pytest.mark.long
def test_a_build_requirement_that_is_an_sdist_itself(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.upload("sd-inner", make_sdist("sd-inner", "1.0"))
    outer = make_sdist("sd-outer", "1.0", static=("sd-inner",), build="import sd_inner")
    devpi.upstream.upload("sd-outer", outer)
    write(warmed, "sd-outer", sdists=("sd-outer",))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert 'sdists = ["sd-inner"]' in done.stderr
    write(warmed, "sd-outer", sdists=("sd-outer", "sd-inner"))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert warmed.nox("-s", "report").returncode == 0
    assert warmed.nox("-s", "warmup").returncode == 0


def test_build_constraints(warmed: Project, devpi: Devpi) -> None:
    for version in ("1.0", "2.0"):
        devpi.upstream.add("sd-kit", version)
    code = "import importlib.metadata as m; assert m.version('sd-kit') == '1.0', 'too new a kit'"
    devpi.upstream.upload("sd-cap", make_sdist("sd-cap", "1.0", static=("sd-kit",), code=code))
    write(warmed, "sd-cap", sdists=("sd-cap",))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert "too new a kit" in done.stderr
    write(warmed, "sd-cap", sdists=("sd-cap",), more='build-constraints = ["sd-kit<2"]')
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output


@linux_only
def test_a_build_sees_no_secret_and_no_network(warmed: Project, devpi: Devpi) -> None:
    port = int(devpi.index.split(":")[2].split("/")[0])
    code = (
        "import socket\n"
        "print('ENVIRON', sorted(os.environ.items()))\n"
        f"try: socket.create_connection(('127.0.0.1', {port}), 1); print('CONNECTED')\n"
        "except OSError as error: print('CUT', error)\n"
        "raise SystemExit('stop')"
    )
    devpi.upstream.upload("sd-spy", make_sdist("sd-spy", "1.0", code=code))
    write(warmed, "sd-spy", sdists=("sd-spy",))
    secrets = {"TOKEN": "s3cret-token", "PIP_EXTRA_INDEX_URL": "https://u:s3cret@h.example.com"}
    done = warmed.nox("-s", "warmup", **secrets)
    assert done.returncode == 1
    log = (
        warmed.wheelhouse / "build-logs" / f"sd-spy-1.0-{CELL.split('-', maxsplit=1)[0]}.txt"
    ).read_text()
    assert "ENVIRON" in log
    assert "s3cret" not in log + done.output
    assert "CUT" in log
    assert "CONNECTED" not in log
    assert str(Path.home()) not in log.partition("ENVIRON")[2].partition("PATH")[0]


@linux_only
def test_a_build_that_hangs_leaves_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devpi_warmup.build.sandbox.TIMEOUT", 2.0)
    mark = f"31{tmp_path.stat().st_ino}"
    code = f"import subprocess, time; subprocess.Popen(['sleep', '{mark}']); time.sleep(60)"
    box = Sandbox(tmp_path, 0, process.run)
    with pytest.raises(subprocess.TimeoutExpired):
        box.run([sys.executable, "-c", code])
    for _ in range(50):  # the kernel takes a moment
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        if f"sleep {mark}" not in listed.stdout:
            return
        time.sleep(0.1)
    pytest.fail("the grandchild still runs")


@linux_only
@pytest.mark.long
def test_wheels_of_ones_own(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add("sd-dep", "1.0")
    dist = warmed.root / "dist"
    dist.mkdir()
    for version in ("1.0", "2.0"):
        filename, data = make_wheel("sd-own", version, requires=("sd-dep",))
        (dist / filename).write_bytes(data)
    warmed.write("sd-own", pythons=(OWN_PYTHON,), more='wheels = ["dist/*.whl"]')
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert "sd-own==2.0" in (warmed.wheelhouse / "locks" / f"{CELL}.txt").read_text()
    file = warmed.manifest()["files"]["sd_own-2.0-py3-none-any.whl"]
    assert (file["origin"], file["warm"]) == ("local", "cannot be shown")
    shutil.rmtree(dist)
    assert "no file 'dist/*.whl'" in warmed.nox("-s", "report").stderr
    dist.mkdir()
    (dist / filename).write_bytes(data)
    (dist / filename.replace("2.0", "1.0")).write_bytes(make_wheel("sd-own", "1.0")[1])
    assert "the requirements have changed" in warmed.nox("-s", "report").stdout
    assert warmed.nox("-s", "warmup").returncode == 0
    assert warmed.nox("-s", "verify").returncode == 0
    served = warmed.nox("-s", "verify-devpi")
    assert served.returncode == 1
    assert "it is a wheel of your own, which this index does not serve" in served.stderr


@pytest.mark.parametrize("listed", [("alpha", "beta", "gamma"), ("gamma",)])
def test_the_same_as_pip(warmed: Project, devpi: Devpi, listed: tuple[str, ...]) -> None:
    """``pip install --only-binary`` of every project that is not listed."""
    if "sd-alpha" not in devpi.upstream.projects:
        devpi.upstream.add("sd-alpha", "1.0")
        devpi.upstream.upload("sd-alpha", make_sdist("sd-alpha", "2.0"))
        devpi.upstream.add("sd-beta", "1.0")
        devpi.upstream.upload("sd-beta", make_sdist("sd-beta", "1.0"))
        devpi.upstream.add("sd-gamma", "0.1")
        gamma = make_sdist("sd-gamma", "1.0", requires=("sd-alpha", "sd-beta"))
        devpi.upstream.upload("sd-gamma", gamma)
    names = tuple(f"sd-{name}" for name in listed)
    others = {"sd-alpha", "sd-beta", "sd-gamma"} - {*names}
    warmed.write(
        "sd-gamma",
        pythons=(OWN_PYTHON,),
        platforms=(OWN_PLATFORM,),
        more=f"sdists = {json.dumps(names)}",
    )
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    lock = (warmed.wheelhouse / "locks" / f"{CELL}.txt").read_text()
    ours = {line.split(" ")[0] for line in lock.splitlines() if "==" in line}
    argv = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    argv += ["--report=-", f"--index-url={devpi.index}/+simple/", "--no-cache-dir"]
    argv += [f"--only-binary={','.join(others)}"] if others else []
    said = subprocess.run([*argv, "sd-gamma"], capture_output=True, text=True, check=True)
    items = [item["metadata"] for item in json.loads(said.stdout)["install"]]
    assert ours == {f"{item['name']}=={item['version']}" for item in items}


@pytest.mark.long
def test_cells_that_build_with_the_same(warmed: Project, devpi: Devpi) -> None:
    """What one cell has put into the wheelhouse, another builds with."""
    devpi.upstream.add("sd-shared", "1.0")
    for name in ("sd-one", "sd-two"):
        devpi.upstream.upload(name, make_sdist(name, "1.0", static=("sd-shared",)))
    lines = ("sd-one; sys_platform == 'linux'", "sd-two; sys_platform == 'win32'")
    write(warmed, *lines, sdists=("sd-one", "sd-two"))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output


def test_a_build_within_a_build_is_carried_and_not_done_again(
    warmed: Project, devpi: Devpi
) -> None:
    devpi.upstream.upload("sd-nin", make_sdist("sd-nin", "1.0"))
    outer = make_sdist("sd-nout", "1.0", static=("sd-nin",), build="import sd_nin")
    devpi.upstream.upload("sd-nout", outer)
    write(warmed, "sd-nout", sdists=("sd-nout", "sd-nin"))
    assert warmed.nox("-s", "warmup").returncode == 0
    assert (warmed.wheelhouse / "sd_nin-1.0.tar.gz").is_file()
    entry = warmed.manifest()["files"]["sd_nin-1.0-py3-none-any.whl"]
    assert entry["built"]["sdist"] == "sd_nin-1.0.tar.gz"  # type: ignore[index]
    before = warmed.files()
    again = warmed.nox("-s", "warmup")
    assert again.returncode == 0, again.output
    assert "building it" not in again.stderr
    assert warmed.files() == before


@linux_only
def test_a_build_changes_nothing_of_the_user(warmed: Project, devpi: Devpi) -> None:
    root = str(warmed.root)
    build = (
        "import glob\n"
        f"places = ['{root}/noxfile.py', '{root}/wheelhouse/x.whl', '{root}/src.py']\n"
        f"places += glob.glob('{root}/.nox/*/lib/python*/site-packages/pip/__init__.py')\n"
        "done = []\n"
        "for place in places:\n"
        "    try: open(place, 'a').write('# x'); done.append(place)\n"
        "    except OSError: pass\n"
        "assert not done and len(places) > 3, done"
    )
    devpi.upstream.upload("sd-writes", make_sdist("sd-writes", "1.0", build=build))
    write(warmed, "sd-writes", sdists=("sd-writes",))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("sd-wrong", {"requires": ("six>=1.*.x",)}, "sd-wrong"),
        ("sd-digit", {"dynamic": (1,)}, "sd-digit 1.0 cannot be built: "),
    ],
)
def test_what_builds_badly_ends_in_words(
    warmed: Project, devpi: Devpi, name: str, more: dict[str, object], message: str
) -> None:
    devpi.upstream.upload(name, make_sdist(name, "1.0", **more))
    write(warmed, name, sdists=(name,))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert message in done.stderr
    assert "raised exception" not in done.stderr


@pytest.mark.long
def test_a_build_with_an_older_wheel_of_itself(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add("sd-self", "1.0")
    devpi.upstream.upload("sd-self", make_sdist("sd-self", "2.0", static=("sd-self<2",)))
    write(warmed, "sd-self", sdists=("sd-self",))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output


@pytest.mark.long
def test_a_marker_of_a_build_constraint_counts(warmed: Project, devpi: Devpi) -> None:
    for version in ("1.0", "2.0"):
        devpi.upstream.add("sd-cmk", version)
    devpi.upstream.upload("sd-cmx", make_sdist("sd-cmx", "1.0", static=("sd-cmk",)))
    write(warmed, "sd-cmx", sdists=("sd-cmx",), more='build-constraints = ["sd-cmk<2"]')
    assert "with sd-cmk==1.0" in warmed.nox("-s", "warmup").stderr
    more = "build-constraints = [\"sd-cmk<2; sys_platform == 'nowhere'\"]"
    write(warmed, "sd-cmx", sdists=("sd-cmx",), more=more)
    assert warmed.nox("-s", "report").returncode == 1
    assert "with sd-cmk==2.0" in warmed.nox("-s", "warmup").stderr


@pytest.mark.long
def test_environments_that_need_two_files_of_one_name(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add("sd-dep", "1.0")
    for folder in ("a", "b"):
        (warmed.root / folder).mkdir()
        filename, data = make_wheel("sd-same", "1.0", files={f"sd_same/{folder}.py": ""})
        (warmed.root / folder / filename).write_bytes(data)
    tables = "".join(
        f'[tool.devpi-warmup.environments.{name}]\nwheels = ["{name}/*.whl"]\n' for name in "ab"
    )
    warmed.write("sd-same", pythons=("3.13",), platforms=("win_amd64",), more=tables)
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert "is two different files, one of which is a wheel of your own" in done.stderr
    assert warmed.states() == {"a-cp313-win_amd64": "covered", "b-cp313-win_amd64": "missing"}
