"""The private server goes into the gap: sealed, copied, started offline, and asked by pip."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from catalogue import Catalogue, make_wheel, served
from projects import (
    NO_SETTINGS,
    OWN_PLATFORM,
    OWN_PYTHON,
    ROOT,
    Devpi,
    Project,
    linux_only,
    mirror,
    new_project,
    upstream_of,
)
from sdist import make_sdist

from devpi_warmup.errors import ServerError
from devpi_warmup.inputs.pip_config import clean_environment
from devpi_warmup.private_server.server import PrivateServer

Make = Callable[[Path], PrivateServer]
pytestmark = [linux_only, pytest.mark.xdist_group("moving")]


@pytest.fixture(scope="module")
def pristine(make_server: Make, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a warm private server, whose upstream is gone."""
    project = new_project(tmp_path_factory.mktemp("pristine"))
    upstream = Catalogue()
    upstream.add("move-app", "1.0", requires=("move-lib; sys_platform == 'win32'",))
    upstream.add("move-lib", "1.0")
    project.write("move-app", pythons=("3.13",))
    with upstream_of(make_server(project.root / ".devpi"), upstream):
        done = project.nox("-s", "warmup")
        assert done.returncode == 0, done.output
    shutil.rmtree(project.root / ".nox")  # its environments know where they are
    return project


@pytest.fixture
def warm(pristine: Project, tmp_path: Path) -> Project:
    """A copy of it for one test."""
    return Project(shutil.copytree(pristine.root, tmp_path / "project", symlinks=True))


def fetch(session: requests.Session, index: str, project: str) -> None:
    """Have devpi fetch and commit the one file of a project."""
    page = session.get(f"{index}/+simple/{project}/", timeout=30).text
    path = page.partition('href="../../')[2].partition("#")[0]
    assert session.get(f"{index}/{path}", timeout=30).ok
    # On the same connection: its answer means that the commit before it is done.
    session.head(f"{index}/{path}", timeout=30)


def carry(project: Project, destination: Path, make_server: Make) -> Project:
    """Copy what crosses the gap, and take the original away."""
    destination.mkdir()
    for name in ("noxfile.py", "pyproject.toml"):
        shutil.copy(project.root / name, destination)
    for name in ("requirements", "wheelhouse"):
        shutil.copytree(project.root / name, destination / name)
    make_server(destination / ".devpi")
    shutil.copytree(project.root / ".devpi" / "data", destination / ".devpi" / "data")
    shutil.rmtree(project.root)
    return Project(destination)


def test_sealed_copied_and_served_offline(warm: Project, make_server: Make, tmp_path: Path) -> None:
    sealed = warm.nox("-s", "seal")
    assert sealed.returncode == 0, sealed.output
    assert "2 files are in .devpi/data, which is sealed" in sealed.stdout
    assert "devpi-server --serverdir data --offline-mode" in sealed.stdout
    inside = carry(warm, tmp_path / "inside", make_server)
    done = inside.nox("-s", "verify-devpi")
    assert done.returncode == 0, done.output
    assert (
        "2 of 2 targets served by the private devpi-server; network kept away by an empty"
        in done.stdout
    )
    # Not from the wheelhouse: without devpi's file it fails.
    (path,) = (inside.root / ".devpi" / "data").rglob("move_lib-1.0-py3-none-any.whl")
    path.unlink()
    done = inside.nox("-s", "verify-devpi")
    assert done.returncode == 1
    assert "devpi does not serve: cp313-win_amd64" in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.long
def test_what_no_index_has_goes_with_the_wheelhouse(make_server: Make, tmp_path: Path) -> None:
    """What was built here, and wheels of the user's own, beside the private server's files."""
    project = new_project(tmp_path / "project")
    upstream = Catalogue()
    upstream.add("move-kit", "1.0")
    upstream.upload("move-source", make_sdist("move-source", "1.0", static=("move-kit",)))
    filename, data = make_wheel("move-own", "1.0", requires=("move-source",))
    (project.root / "dist").mkdir()
    (project.root / "dist" / filename).write_bytes(data)
    more = 'sdists = ["move-source"]\nwheels = ["dist/*.whl"]'
    project.write("move-own", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM,), more=more)
    with upstream_of(make_server(project.root / ".devpi"), upstream):
        done = project.nox("-s", "warmup")
        assert done.returncode == 0, done.output
    sealed = project.nox("-s", "seal")
    assert sealed.returncode == 0, sealed.output
    assert "2 files are in .devpi/data" in sealed.stdout  # the sdist and its kit
    assert "--find-links wheelhouse/locks/" in sealed.stdout
    served = project.nox("-s", "verify-devpi")
    assert served.returncode == 0, served.output
    assert project.nox("-s", "verify").returncode == 0
    for path in (project.root / ".devpi" / "data").rglob("move_kit-*.whl"):
        path.unlink()
    again = project.nox("-s", "seal")
    assert again.returncode == 1
    assert "move_kit-1.0-py3-none-any.whl: " in again.stderr


def test_nothing_is_sealed_while_a_file_is_missing(warm: Project) -> None:
    assert warm.nox("-s", "seal").returncode == 0
    (path,) = (warm.root / ".devpi" / "data").rglob("move_lib-1.0-py3-none-any.whl")
    path.unlink()
    done = warm.nox("-s", "seal")
    assert done.returncode == 1
    assert "move_lib-1.0-py3-none-any.whl: devpi has committed it, but it is not" in done.stderr
    assert "is sealed" not in done.stdout


def test_nothing_is_sealed_while_a_file_is_damaged(warm: Project) -> None:
    (path,) = (warm.root / ".devpi" / "data").rglob("move_lib-1.0-py3-none-any.whl")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    done = warm.nox("-s", "seal")
    assert done.returncode == 1
    assert "devpi-fsck finds the data folder damaged" in done.stderr
    assert "is sealed" not in done.stdout


def test_nothing_is_sealed_that_is_not_covered(warm: Project) -> None:
    warm.write("move-app", "move-lib", pythons=("3.13",))
    done = warm.nox("-s", "seal")
    assert done.returncode == 1
    assert "the requirements have changed since its warmup" in done.stderr


def test_a_server_that_is_not_ours_is_not_sealed(warm: Project) -> None:
    more = 'index-url = "http://127.0.0.1:9/root/pypi"'
    warm.write("move-app", pythons=("3.13",), more=more)
    done = warm.nox("-s", "seal")
    assert done.returncode == 1
    assert "its server is not ours to stop or move" in done.stderr


def test_a_server_that_is_not_ours_serves_and_is_asked(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add("served-app", "1.0", requires=("served-lib; sys_platform == 'win32'",))
    lib = devpi.upstream.add("served-lib", "1.0")
    warmed.write("served-app", pythons=("3.13",))
    assert warmed.nox("-s", "warmup").returncode == 0
    devpi.upstream.asked.clear()
    done = warmed.nox("-s", "verify-devpi")
    assert done.returncode == 0, done.output
    assert f"2 of 2 targets served by {devpi.index}; it is online, and shown to" in done.stdout
    assert "hold 2 of 2 files" in done.stdout
    assert not [path for path in devpi.upstream.asked if path.endswith(".whl")]
    # pip would not notice that devpi has lost a file, since devpi fetches it again.
    (stored,) = devpi.data.rglob(lib.filename)
    stored.unlink()
    done = warmed.nox("-s", "verify-devpi")
    assert done.returncode == 1
    assert f"{lib.filename}: devpi has committed it, but it is not on its disk" in done.stderr
    assert "served by" not in done.stdout
    assert warmed.nox("-s", "warmup").returncode == 0  # it is fetched again
    assert stored.exists()
    # The proof sees the length, pip the bytes.
    stored.write_bytes(stored.read_bytes()[:-1] + b"x")
    done = warmed.nox("-s", "verify-devpi")
    assert done.returncode == 1
    assert "devpi does not serve: cp313-win_amd64" in done.stderr
    assert "a file is damaged in the store of devpi: delete it there" in done.stderr


def test_data_that_was_copied_wrongly_is_named(warm: Project) -> None:
    data = warm.root / ".devpi" / "data"
    shutil.copytree(data, data / "devpi-data")
    done = warm.nox("-s", "verify-devpi")
    assert done.returncode == 1
    assert ".devpi/data holds the data of another devpi-server: devpi-data/" in done.stderr
    shutil.rmtree(data / "devpi-data")
    (data / ".serverversion").unlink()
    done = warm.nox("-s", "verify-devpi")
    assert "is not the whole data of a devpi-server: it has no .serverversion" in done.stderr
    shutil.rmtree(data)
    done = warm.nox("-s", "verify-devpi")
    assert "there is no .devpi/data" in done.stderr
    assert "copy what the sender has brought" in done.stderr


@pytest.mark.long
def test_data_that_is_not_sealed_says_so(warm: Project) -> None:
    words = "is not sealed since the last warmup"
    assert words in warm.nox("-s", "verify-devpi").stderr
    assert warm.nox("-s", "seal").returncode == 0
    done = warm.nox("-s", "verify-devpi")
    assert done.returncode == 0, done.output
    assert words not in done.stderr


@pytest.mark.long
def test_what_no_index_holds_is_not_passed_over(project: Project, make_server: Make) -> None:
    """A file of a direct URL is in the wheelhouse, and stays behind when devpi alone is moved."""
    upstream, elsewhere = Catalogue(), Catalogue()
    upstream.add("held", "1.0")
    direct = elsewhere.add("direct", "1.0")
    with served(elsewhere) as url, upstream_of(make_server(project.root / ".devpi"), upstream):
        file = f"{url.partition('/+simple')[0]}/files/{direct.filename}#egg=direct"
        project.write("held", f"direct @ {file}", pythons=("3.13",), platforms=("win_amd64",))
        done = project.nox("-s", "warmup")
        assert done.returncode == 0, done.output
        assert "1 of 1" in done.stdout
        for session in ("seal", "verify-devpi"):
            done = project.nox("-s", session)
            assert done.returncode == 1, done.output
            assert "it comes from a direct URL, which this index does not serve" in done.stderr
        pyproject = project.root / "pyproject.toml"
        pyproject.write_text(f"{pyproject.read_text()}require-warm = true\n")
        done = project.nox("-s", "warmup")
    assert done.returncode == 1
    assert "direct comes from a direct URL" in done.stderr


@pytest.mark.long
def test_served_without_the_libraries_of_the_engine(warm: Project, tmp_path: Path) -> None:
    home = tmp_path / "only-nox"
    subprocess.run([sys.executable, "-m", "virtualenv", "-q", str(home)], check=True)
    python = str(home / "bin" / "python")
    env = clean_environment()
    argv = [python, "-I", "-m", "pip", "install", "-q", "nox"]
    subprocess.run(argv, check=True, env=env)
    for session in ("verify-devpi", "seal", "warmup"):
        done = subprocess.run(
            [python, "-m", "nox", "-s", session],
            cwd=warm.root,
            env=warm.env(PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert "libraries of the engine are missing: " in done.stderr
        assert "verify and report work without" in done.stderr.replace("\n", " ")
        assert "Traceback" not in done.stdout + done.stderr
        assert "devpi does not serve" not in done.stderr


def test_an_index_that_is_no_devpi_proves_nothing(project: Project) -> None:
    upstream = Catalogue()
    upstream.add("plain", "1.0")
    project.write("plain", pythons=("3.13",), platforms=("win_amd64",))
    with served(upstream) as url:
        assert project.nox("-s", "warmup", DEVPI_INDEX=url).returncode == 0
        done = project.nox("-s", "verify-devpi", DEVPI_INDEX=url)
    assert done.returncode == 1
    assert "does not answer as a devpi-server: what it holds cannot be shown" in done.stderr


@pytest.mark.parametrize("sealed", [False, True])
def test_a_file_deleted_and_fetched_again_survives_the_next_start(
    make_server: Make, tmp_path: Path, sealed: bool
) -> None:
    """The first trap: at its start devpi repeats the deletion that was its last transaction."""
    upstream = Catalogue()
    wheel = upstream.add("trap", "1.0").filename
    server = make_server(tmp_path)
    with served(upstream) as url:
        index = mirror(server, url)
        auth = ("root", (tmp_path / "root-password").read_text())
        with requests.Session() as session:
            fetch(session, index, "trap")
            assert session.delete(f"{index}/trap/1.0?force=1", auth=auth, timeout=30).ok
            assert not list(tmp_path.rglob(wheel))
            fetch(session, index, "trap")
        assert list(tmp_path.rglob(wheel))
        if sealed:
            server.seal()
        server.stop()
        server.start()
        server.stop()
    assert bool(list((tmp_path / "data").rglob(wheel))) == sealed


@pytest.mark.parametrize("sealed", [False, True])
def test_a_copy_that_lacks_a_file_is_found_out(
    make_server: Make, tmp_path: Path, sealed: bool
) -> None:
    """The second trap: a copy without the file of the last transaction does not even start."""
    upstream = Catalogue()
    wheel = upstream.add("lack", "1.0").filename
    server = make_server(tmp_path)
    with served(upstream) as url:
        index = mirror(server, url)
        with requests.Session() as session:
            fetch(session, index, "lack")
        if sealed:
            server.seal()
        server.stop()
    (stored,) = (tmp_path / "data").rglob(wheel)
    stored.unlink()
    copy = PrivateServer(tmp_path, settings=NO_SETTINGS, offline=True)
    if sealed:
        copy.start()
        copy.stop()
        with pytest.raises(ServerError, match=r"damaged:\n.*Missing file"):
            copy.check_files()
    else:
        with pytest.raises(ServerError, match=r"did not start.*; its last lines:"):
            copy.start()
