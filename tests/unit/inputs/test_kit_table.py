"""The kit in the configuration, and this package as a wheel."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tables import load, problems

from devpi_warmup.inputs import sources, this_package
from devpi_warmup.inputs.this_package import build

HEAD = """
[tool.devpi-warmup]
pythons = ["3.9", "3.13"]
platforms = ["manylinux2014_x86_64", "win_amd64"]
exclude = ["cp39-win_amd64"]
"""


@pytest.fixture(autouse=True)
def requirements(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "main.txt").write_text("six\n")


def test_it_is_an_environment_of_its_own_for_every_target(tmp_path: Path) -> None:
    found = load(tmp_path, f"{HEAD}kit = true\n")
    assert [cell.id for cell in found.cells] == [
        *("cp39-manylinux2014_x86_64", "cp313-manylinux2014_x86_64", "cp313-win_amd64"),
        *("kit-cp39-manylinux2014_x86_64", "kit-cp313-manylinux2014_x86_64"),
        "kit-cp313-win_amd64",
    ]
    assert found.counted == "cells"
    kit = found.environments[-1]
    wanted = sources.load(kit.sources)
    lines = [str(root) for root in wanted.requirements]
    assert lines[:5] == ["pip", "virtualenv", "nox", "devpi-server==6.20.3", "devpi-client"]
    assert [root.optional for root in wanted.requirements] == [False] * 3 + [True] * 3
    assert [wheel.path.name for wheel in wanted.wheels] == [build()[0]]
    assert not wanted.constraints


def test_targets_of_several_environments_have_one_kit_each(tmp_path: Path) -> None:
    text = f'{HEAD}kit = ["cp313-*"]\n[tool.devpi-warmup.environments.one]\n'
    found = load(tmp_path, f'{text}[tool.devpi-warmup.environments.two]\npythons = ["3.13"]\n')
    kits = [cell.id for cell in found.cells if cell.environment == "kit"]
    assert kits == ["kit-cp313-manylinux2014_x86_64", "kit-cp313-win_amd64"]


def test_none_is_none(tmp_path: Path) -> None:
    assert len(load(tmp_path, f"{HEAD}kit = false\n").environments) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('kit = "yes"', "kit must be true, or a list of patterns of targets"),
        ("kit = [1]", "kit must be true, or a list of patterns of targets"),
        ("kit = []", "kit is empty"),
        ('kit = ["cp313-win"]', "'cp313-win' matches no target"),
        ('kit = ["cp313-win"]', "did you mean 'cp313-win_amd64'?"),
    ],
)
def test_mistakes(tmp_path: Path, line: str, said: str) -> None:
    assert said in problems(tmp_path, f"{HEAD}{line}\n")


def test_its_name_is_taken(tmp_path: Path) -> None:
    text = f"{HEAD}kit = true\n[tool.devpi-warmup.environments.kit]\n"
    assert "'kit' is the name of the kit" in problems(tmp_path, text)
    # Also where there is none: its locks are taken for what they are by their name.
    assert "is the name of the kit" in problems(tmp_path, text.replace("kit = true", ""))


def test_it_stands_in_the_table_itself(tmp_path: Path) -> None:
    text = f"{HEAD}[tool.devpi-warmup.environments.one]\nkit = true\n"
    assert "it stands in [tool.devpi-warmup] itself" in problems(tmp_path, text)


def unpacked(data: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)


def built_in(folder: Path) -> str:
    """Build the wheel with a package that lies elsewhere; return its name and digest."""
    code = (
        "import hashlib; from devpi_warmup.inputs.this_package import build; n = build()\n"
        "print(n[0], hashlib.sha256(n[1]).hexdigest()) if isinstance(n, tuple) else print(n)"
    )
    env = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_wheel_is_the_same_from_a_checkout_and_from_where_it_is_installed(
    tmp_path: Path,
) -> None:
    name, data = build()
    assert build() == (name, data)
    unpacked(data, tmp_path)
    (tmp_path / "devpi_warmup" / "__pycache__").mkdir()
    (tmp_path / "devpi_warmup" / "__pycache__" / "errors.cpython-311.pyc").write_bytes(b"no")
    (tmp_path / "devpi_warmup" / "errors.py.orig").write_text("left by an editor")
    import hashlib

    assert built_in(tmp_path) == f"{name} {hashlib.sha256(data).hexdigest()}"
    # One state of a version is never taken for another.
    with (tmp_path / "devpi_warmup" / "errors.py").open("a") as stream:
        stream.write("# changed\n")
    other = built_in(tmp_path).partition(" ")[0]
    assert other.partition("-1x")[0] == name.partition("-1x")[0]
    assert other != name


def test_a_package_of_which_nobody_says_what_it_requires(tmp_path: Path) -> None:
    _, data = build()
    unpacked(data, tmp_path)
    for path in tmp_path.glob("*.dist-info/METADATA"):
        path.unlink()
    said = built_in(tmp_path)
    assert "the kit cannot hold this package: nothing beside devpi_warmup/ says" in said


def test_the_wheel_has_every_file_of_the_package() -> None:
    _, data = build()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    package = Path(this_package.__file__).parent.parent
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=package, capture_output=True, text=True
    ).stdout.splitlines()
    assert {f"devpi_warmup/{line}" for line in tracked} <= {*names}
    assert json.dumps(names).count(".dist-info/") == 5


def test_its_script_is_that_of_the_project() -> None:
    _, data = build()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (path,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        text = archive.read(path).decode()
    pyproject = Path(this_package.__file__).parent.parent.parent / "pyproject.toml"
    assert 'devpi-warmup = "devpi_warmup.cli:main"' in pyproject.read_text()
    assert text == "[console_scripts]\ndevpi-warmup = devpi_warmup.cli:main\n"
