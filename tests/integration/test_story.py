"""The README's story, command by command, with the package as it is built."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from projects import OWN_PLATFORM, OWN_PYTHON, ROOT, Devpi, linux_only
from readme import run_here

from devpi_warmup.private_server.server import PrivateServer

pytestmark = [linux_only, pytest.mark.xdist_group("story")]
CELL = f"cp{OWN_PYTHON.replace('.', '')}-{OWN_PLATFORM}"


def run(script: str, folder: Path, venv: Path, **environ: str) -> str:
    env = {k: v for k, v in os.environ.items() if k not in {"CI", "VIRTUAL_ENV", "PYTHONPATH"}}
    env |= {
        "PATH": f"{venv / 'bin'}{os.pathsep}{env['PATH']}",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=env | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, f"{script}\n{output}"
    return output


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built."""
    folder = tmp_path_factory.mktemp("dist")
    argv = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)]
    subprocess.run(argv, check=True)
    (built,) = folder.glob("devpi_warmup-*.whl")
    return built


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of a user, with the programs that the README names, and without ours."""
    folder = tmp_path_factory.mktemp("user") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    run("pip install -q nox tox", folder, folder)
    return folder


@pytest.fixture
def repository(wheel: Path, tmp_path: Path, devpi: Devpi) -> Path:
    """A repository of a user, the wheel beside it."""
    if "story-app" not in devpi.upstream.projects:
        devpi.upstream.add("story-app", "1.0", requires=("story-lib",))
        devpi.upstream.add("story-lib", "1.0")
    root = tmp_path / "repository"
    (root / "requirements").mkdir(parents=True)
    (root / "requirements" / "main.txt").write_text("story-app\n")
    table = f'[tool.devpi-warmup]\npythons = ["{OWN_PYTHON}"]\nplatforms = ["{OWN_PLATFORM}"]\n'
    (root / "pyproject.toml").write_text(table)
    (root / wheel.name).write_bytes(wheel.read_bytes())
    return root


@pytest.fixture
def inside(tmp_path: Path, make_server: Callable[[Path], PrivateServer]) -> Iterator[str]:
    """A devpi of the closed side, with an index of a user and nothing in it."""
    server = make_server(tmp_path / "inside")
    root = server.start().url.removesuffix("/root/pypi")
    with requests.Session() as session:
        session.headers["Accept"] = "application/json"
        session.put(f"{root}/user", json={"password": "s3cret"}, timeout=30).raise_for_status()
        session.auth = ("user", "s3cret")
        index = {"type": "stage", "bases": [], "volatile": False}
        session.put(f"{root}/user/index", json=index, timeout=30).raise_for_status()
    yield f"{root}/user/index"
    server.stop()


def test_the_story(repository: Path, venv: Path, inside: str, devpi: Devpi) -> None:
    said = []
    netrc = repository.parent / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password s3cret\n")
    netrc.chmod(0o600)
    clients = {"NETRC": str(netrc)}
    for block in run_here("sh"):
        script = block.replace("https://devpi.example.com/user/index", devpi.index)
        script = script.replace("https://inside.example.com/user/index", inside)
        script = re.sub(r"cp\d+-manylinux\w+", CELL, script).replace("-p 3.13", f"-p {OWN_PYTHON}")
        if "DEVPI_INDEX" not in script:  # as the shell of before would have it
            clients["DEVPI_INDEX"] = inside if inside in "".join(said) else devpi.index
        said.append(script + run(script, repository, venv, **clients))
    story = "".join(said)
    assert "1 of 1 targets covered" in story
    assert story.count("1 of 1 targets served by") == 2
    assert f"{devpi.index}; it is online, and shown to hold 2 of 2 files" in story
    assert f"2 of 2 proven in the store of {inside}" in story
    assert "Successfully installed story-app-1.0 story-lib-1.0" in story


def test_the_two_lines(repository: Path, venv: Path, wheel: Path, devpi: Devpi) -> None:
    run(f"pip install -q {wheel}", repository, venv)
    own = "import nox\n\n@nox.session\ndef lint(session): print('linted')\n\n"
    (block,) = run_here("python")
    (repository / "noxfile.py").write_text(own + block)
    assert "linted" in run("nox", repository, venv)
    covered = run("nox -s warmup", repository, venv, DEVPI_INDEX=devpi.index)
    assert "1 of 1 targets covered" in covered


@pytest.mark.long
def test_tox(repository: Path, venv: Path, wheel: Path, devpi: Devpi) -> None:
    (block,) = run_here("ini")
    (repository / "tox.ini").write_text(block.replace("deps = devpi-warmup", f"deps = {wheel}"))
    done = run("tox -e warmup,verify", repository, venv, DEVPI_INDEX=devpi.index)
    assert "1 of 1 targets covered" in done
    assert f"{CELL} installed: 2 distributions" in done
