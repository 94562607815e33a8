"""What setup.py does in the field, with real setuptools: what is built, and what is said where it is not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from catalogue import Catalogue, Upload, make_wheel, metadata
from projects import Project, linux_only, upstream_of
from sdist import make_sdist, make_tar

from devpi_warmup import process
from devpi_warmup.build.attempt import Attempt
from devpi_warmup.build.failure import HookError
from devpi_warmup.build.host import Interpreter, host_target
from devpi_warmup.digests import digest
from devpi_warmup.index.pages import IndexFile, parse_wheel
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.patches import Patches
from devpi_warmup.private_server.server import PrivateServer
from devpi_warmup.prove.pip import Pip
from devpi_warmup.wheelhouse.files import StoredFile
from devpi_warmup.wheelhouse.lock import Lock, Pin

WITH_PKG_RESOURCES, WITHOUT = "80.9.0", "82.0.1"  # of setuptools

pytestmark = linux_only


@pytest.fixture(scope="module")
def setuptools(tmp_path_factory: pytest.TempPathFactory) -> list[Upload]:
    """The real wheels, by pip from its own index."""
    folder = tmp_path_factory.mktemp("setuptools")
    for version in (WITH_PKG_RESOURCES, WITHOUT):
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        argv += ["--only-binary=:all:", f"--dest={folder}", f"setuptools=={version}"]
        subprocess.run(argv, check=True)
    return [Upload(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]


def plain(
    name: str, setup: str = "", *, version: str = "1.0", pyproject: str | None = None
) -> Upload:
    """Make an sdist as setuptools has made them for twenty years.

    :param setup: of setup.py; by default a module of that name
    """
    module = name.replace("-", "_")
    stem = f"{module}-{version}"
    told = setup or "from setuptools import setup\nsetup(NAME)"
    told = told.replace("NAME", f"name={name!r}, version={version!r}, py_modules=[{module!r}]")
    contents = {
        f"{stem}/setup.py": told,
        f"{stem}/{module}.py": "",
        f"{stem}/PKG-INFO": metadata(name, version),
    }
    if pyproject is not None:
        contents[f"{stem}/pyproject.toml"] = pyproject
    return Upload(f"{stem}.tar.gz", make_tar(contents))


BUILT = {
    "st-plain": plain("st-plain"),
    "st-tools": plain("st-tools", pyproject="[tool.black]\nline-length = 100\n"),
    "st-core": plain("st-core", "from distutils.core import setup\nsetup(NAME)"),
    "st-asks": plain(
        "st-asks", "from setuptools import setup\nsetup(NAME, setup_requires=['st-six'])"
    ),
    # Static and dynamic requirements that pip alone would choose apart, and then refuse.
    "st-apart": plain(
        "st-apart", "from setuptools import setup\nsetup(NAME, setup_requires=['setuptools<82'])"
    ),
}
FAILS = {
    "st-eggs": (
        plain(
            "st-eggs",
            "from setuptools import setup, Distribution\n"
            "Distribution().fetch_build_eggs(['st-six'])\nsetup(NAME)",
        ),
        "st-eggs 1.0 cannot be built: ",
    ),
    "st-two": (
        plain("st-two", "from setuptools import setup\nsetup(NAME, use_2to3=True)"),
        "use_2to3 is invalid",
    ),
    "st-pkg": (
        plain("st-pkg", "import pkg_resources\nfrom setuptools import setup\nsetup(NAME)"),
        'hint: build-constraints = ["setuptools<82"]',
    ),
    "st-lacks": (
        plain("st-lacks", "import nowhere\nfrom setuptools import setup\nsetup(NAME)"),
        "No module named 'nowhere'",
    ),
    "st-norequires": (
        plain("st-norequires", pyproject="[build-system]\nbuild-backend = 'x'\n"),
        "requires",
    ),
    "st-noback": (
        plain(
            "st-noback",
            pyproject="[build-system]\nrequires = []\nbuild-backend = 'setuptools.build_meta'\n",
        ),
        "No module named 'setuptools'",
    ),
    "st-other": (
        plain(
            "st-other",
            "from setuptools import setup\nsetup(name='st-other', version='2.0', py_modules=[])",
        ),
        "st_other-1.0.tar.gz gives st_other-2.0-py3-none-any.whl, which is not st-other 1.0",
    ),
    "st-odd": (
        plain("st-odd", "from setuptools import setup\nsetup(name='st-odd', version='one')"),
        "st-odd 1.0 cannot be built: ",
    ),
}


@pytest.mark.long
def test_the_table_of_setup_py(
    project: Project, make_server: Callable[[Path], PrivateServer], setuptools: list[Upload]
) -> None:
    upstream = Catalogue()  # of its own: no other test has a setuptools there
    for upload in setuptools:
        upstream.upload("setuptools", upload)
    upstream.add("st-six", "1.0")
    for name, upload in (*BUILT.items(), *((name, row[0]) for name, row in FAILS.items())):
        upstream.upload(name, upload)
    with upstream_of(make_server(project.root / ".devpi"), upstream):
        check_table(project)


def check_table(warmed: Project) -> None:
    table = {"pythons": ("3.13",), "platforms": ("win_amd64",)}
    warmed.write(*BUILT, **table, more=f"sdists = {[*BUILT]}")
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert (
        f"st-apart 1.0: built, st_apart-1.0-py3-none-any.whl, with setuptools=={WITH_PKG_RESOURCES}"
        in (done.stderr)
    )
    assert "with setuptools==82.0.1, st-six==1.0" in done.stderr
    # One run names every one that fails, each with what matters.
    warmed.write(*FAILS, **table, more=f"sdists = {[*FAILS]}")
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert f"{len(FAILS)} problems:" in done.stderr
    for name, (_, words) in FAILS.items():
        assert f"building it of {name.replace('-', '_')}-1.0.tar.gz" in done.stderr
        assert words in done.stderr, name
    # And the line that the hint names has it built.
    more = "sdists = ['st-pkg']\nbuild-constraints = ['setuptools<82']"
    warmed.write("st-pkg", **table, more=more)
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output


def test_a_build_takes_no_file_that_was_changed(tmp_path: Path) -> None:
    """The page of links holds the hash of each, and pip believes that for what builds require."""
    filename, data = make_wheel("tampered", "1.0")
    (tmp_path / filename).write_bytes(data)
    file = IndexFile(filename, "", digest(tmp_path / filename))
    wheel = parse_wheel("tampered", file)  # type: ignore[arg-type]
    assert wheel is not None
    pin = Pin(wheel.project, wheel.version, file, file.sha256, len(data), (), (), "")
    sdist = make_sdist("uses", "1.0", static=("tampered",))
    (tmp_path / sdist.filename).write_bytes(sdist.data)
    target = host_target()

    def attempt(folder: Path) -> Attempt:
        folder.mkdir()
        return Attempt(
            sdist=StoredFile(tmp_path / sdist.filename, "", len(sdist.data)),
            filename=sdist.filename,
            interpreter=Interpreter(Pip(sys.executable, process.run), target),
            folder=folder,
            kept=(),
            resolve=lambda wants: Lock(Cell(target), (pin,), Patches("", "")),
            lying=lambda pin: tmp_path / filename,
        )

    assert attempt(tmp_path / "right").run().path.name == "uses-1.0-py3-none-any.whl"
    _, other = make_wheel("tampered", "1.0", files={"tampered/evil.py": ""})
    (tmp_path / filename).write_bytes(other)
    with pytest.raises(HookError, match="DO NOT MATCH THE HASHES"):
        attempt(tmp_path / "wrong").run()
