from __future__ import annotations

import json
from pathlib import Path

import pytest
from tables import load, problems

from devpi_warmup.errors import InvalidInputError
from devpi_warmup.inputs import config, sources
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.targets import Target

HEAD = """
[tool.devpi-warmup]
pythons = ["3.11", "3.12"]
platforms = ["manylinux2014_x86_64", "win_amd64"]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "requirements"
    folder.mkdir()
    (folder / "base.txt").write_text("django<5\n")
    (folder / "dev.txt").write_text("django>=5\n")
    return tmp_path


def test_what_an_environment_does_not_say_is_said_above(root: Path) -> None:
    found = load(
        root,
        f"""{HEAD}
        exclude = ["cp311-win_amd64"]
        [tool.devpi-warmup.environments.prod]
        requirements = ["requirements/base.txt"]
        [tool.devpi-warmup.environments.dev]
        requirements = ["requirements/dev.txt"]
        pythons = ["3.12"]
        [tool.devpi-warmup.environments.gpu]
        platforms = ["manylinux_2_28_x86_64"]
        exclude = []
        """,
    )
    assert [cell.id for cell in found.cells] == [
        "prod-cp311-manylinux2014_x86_64",
        "prod-cp312-manylinux2014_x86_64",
        "prod-cp312-win_amd64",
        "dev-cp312-manylinux2014_x86_64",
        "dev-cp312-win_amd64",
        "gpu-cp311-manylinux_2_28_x86_64",
        "gpu-cp312-manylinux_2_28_x86_64",
    ]
    wanted = [str(sources.load(e.sources).requirements[0]) for e in found.environments]
    assert wanted == ["django<5", "django>=5", "django<5"]
    digests = {sources.load(e.sources).digest for e in found.environments}
    assert len(digests) == 3
    assert found.counted == "cells"


def test_without_environments_a_cell_is_its_target(root: Path) -> None:
    found = load(root, HEAD)
    assert [e.name for e in found.environments] == [""]
    assert found.cells[0] == Cell(Target("3.11", "manylinux2014_x86_64"))
    assert found.cells[0].id == found.cells[0].target.id
    assert found.counted == "targets"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a-b", "letters, digits and underscores alone"),
        ("3d", "must begin with a letter"),
        ("데브", "letters, digits and underscores alone"),
        ("cp312", "looks like a target"),
        ("CP313t_x", "looks like a target"),
        ("win_amd64", "looks like a target"),
        ("pylock", "looks like a target"),
        ("a" * 41, "longer than 40 letters"),
        ("windows", "a meaning of its own"),
        ("and", "a meaning of its own"),
    ],
)
def test_names(root: Path, name: str, reason: str) -> None:
    text = f'{HEAD}\n[tool.devpi-warmup.environments."{name}"]\n'
    assert reason in problems(root, text)


def test_a_name_twice_but_for_case(root: Path) -> None:
    environments = "[tool.devpi-warmup.environments.Dev]\n[tool.devpi-warmup.environments.dev]\n"
    assert "'Dev' and 'dev' differ by case alone" in problems(root, HEAD + environments)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[tool.devpi-warmup.environments]", "environments is empty"),
        ('environments = ["dev"]', "environments must be a table"),
        ("[tool.devpi-warmup.environments]\ndev = 3", "environments.dev must be a table"),
        (
            '[tool.devpi-warmup.environments.dev]\nindex-url = "x"',
            "environments.dev: unknown key 'index-url'\n.*it stands in [tool.devpi-warmup] itself",
        ),
        (
            '[tool.devpi-warmup.environments.dev]\nrequirments = ["x"]',
            "environments.dev: unknown key 'requirments'\n.*did you mean 'requirements'",
        ),
        (
            '[tool.devpi-warmup.environments.dev]\nrequirements = ["no.txt"]',
            "environments.dev.requirements: no file 'no.txt'",
        ),
        (
            '[tool.devpi-warmup.environments.dev]\npythons = ["3.99"]',
            "environments.dev.pythons: Python 3.99 is not known here",
        ),
        (
            'exclude = ["cp39-*"]\n[tool.devpi-warmup.environments.dev]',
            "exclude: 'cp39-*' excludes no target",
        ),
        ("[tool.devpi-warmup.environments.dev]\nrequirements = []", "dev: requirements is empty"),
    ],
)
def test_a_wrong_environment_says_what_and_where(root: Path, table: str, message: str) -> None:
    found = problems(root, f"{HEAD}\n{table}\n")
    for part in message.split("\n.*"):
        assert part in found


def test_a_problem_of_the_whole_table_is_told_once(root: Path) -> None:
    text = HEAD.replace("3.11", "3.99")
    text += "[tool.devpi-warmup.environments.a]\n[tool.devpi-warmup.environments.b]\n"
    assert problems(root, text).count("Python 3.99 is not known here") == 1


def test_a_file_that_is_named_is_meant_though_it_constrains_too(root: Path) -> None:
    text = f"""{HEAD}
        constraints = ["requirements/base.txt"]
        [tool.devpi-warmup.environments.prod]
        requirements = ["requirements/base.txt", "requirements/dev.txt"]
        [tool.devpi-warmup.environments.all]
        requirements = ["requirements/*.txt"]
    """
    named = [
        [source.path.name for source in environment.sources.requirements]
        for environment in load(root, text).environments
    ]
    assert named == [["base.txt", "dev.txt"], ["dev.txt"]]


@pytest.mark.parametrize("pattern", [".", "x" * 300, "a\0b", "**"])
def test_a_pattern_that_is_none(root: Path, pattern: str) -> None:
    assert "no file" in problems(root, f"{HEAD}\nrequirements = [{json.dumps(pattern)}]")


def test_a_link_to_nowhere_is_not_no_table(root: Path) -> None:
    (root / "pyproject.toml").symlink_to("nowhere")
    with pytest.raises(InvalidInputError, match=r"pyproject\.toml cannot be read"):
        config.load(root, {})


def test_a_number_without_end(root: Path) -> None:
    assert "it is not valid TOML" in problems(root, f"{HEAD}\nx = 1{'0' * 5000}")
