from __future__ import annotations

from pathlib import Path

import pytest

from devpi_warmup.errors import InvalidInputError
from devpi_warmup.inputs import config, environments
from devpi_warmup.inputs.environments import Environment
from devpi_warmup.inputs.urls import IndexUrl, parse_index_url


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "requirements"
    folder.mkdir()
    (folder / "main.txt").write_text("six\n")
    return tmp_path


def load(project: Path, table: str, **environ: str) -> config.Config:
    (project / "pyproject.toml").write_text(f"[tool.devpi-warmup]\n{table}\n", encoding="utf-8")
    return config.load(project, environ)


def names(environment: Environment, *, constraints: bool = False) -> list[str]:
    sources = environment.sources
    paths = sources.constraints if constraints else [s.path for s in sources.requirements]
    return [path.name for path in paths]


def test_without_a_table_there_are_defaults(project: Path) -> None:
    found = config.load(project, {})
    (environment,) = found.environments
    platforms = [target.platform for target in environment.targets]
    assert platforms == list(environments.DEFAULT_PLATFORMS)
    assert names(environment) == ["main.txt"]
    assert environment.sources.constraints == ()
    assert found.index is None
    assert not found.require_warm
    assert found.wheelhouse == project / "wheelhouse"


def test_every_key(project: Path) -> None:
    (project / "other.in").write_text("six\n")
    (project / "limits.txt").write_text("six<2\n")
    found = load(
        project,
        """
        pythons = ["3.9", "3.13t"]
        platforms = ["win_amd64", "macosx_11_0_arm64"]
        exclude = ["cp39-macosx*"]
        requirements = ["requirements/*.txt", "other.in"]
        constraints = ["limits.txt"]
        index-url = "https://devpi.example.com/user/index/+simple/"
        wheelhouse = "carry"
        require-warm = true
        """,
    )
    ids = [cell.id for cell in found.cells]
    assert ids == ["cp39-win_amd64", "cp313t-win_amd64", "cp313t-macosx_11_0_arm64"]
    assert names(found.environments[0]) == ["main.txt", "other.in"]
    assert names(found.environments[0], constraints=True) == ["limits.txt"]
    assert found.index == IndexUrl("https://devpi.example.com/user/index")
    assert found.wheelhouse == project / "carry"
    assert found.require_warm


def test_a_constraints_file_among_the_requirements_is_one(project: Path) -> None:
    (project / "requirements" / "constraints.txt").write_text("six<2\n")
    found = config.load(project, {})
    assert names(found.environments[0]) == ["main.txt"]
    assert names(found.environments[0], constraints=True) == ["constraints.txt"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('python = ["3.9"]', r"unknown key 'python'\n.*did you mean 'pythons'\?"),
        ("pythons = [3.10]", r"pythons must be a list of strings\n.*in quotes"),
        ('platforms = "win32"', "platforms must be a list of strings"),
        ("wheelhouse = 3", "wheelhouse must be a string"),
        ('require-warm = "yes"', "require-warm must be true or false"),
        ('wheelhouse = ""', "wheelhouse must be a string, and not empty"),
        ('requirements = [""]', "no file ''"),
        ('requirements = ["**x"]', r"no file '\*\*x'"),
        ('platforms = ["win64"]', "platforms: 'win64' is not a platform tag"),
        ("pythons = []", "pythons is empty"),
        ('pythons = ["3.9", "3.9.18"]\nplatforms = ["win32"]', "cp39-win32 stands there twice"),
        ('exclude = ["cp27-*"]', r"'cp27-\*' excludes no target\n.*targets: cp3"),
        ('exclude = ["*"]', "every target is excluded"),
        ('requirements = ["missing.txt"]', "no file 'missing.txt'"),
        ("requirements = []", "requirements is empty"),
        ('index-url = "devpi.example.com"', "must begin with https:// or http://"),
        ('index-url = "https://u:s3cret@devpi.example.com/a/b"', "index-url holds a password"),
    ],
)
def test_a_wrong_table_says_what_and_where(project: Path, table: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        load(project, table)
    assert "s3cret" not in str(caught.value)


def test_all_problems_come_together(project: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load(project, 'pythons = ["3"]\nplatforms = ["win64", "amiga"]\nexclude = []')
    assert len(caught.value.problems) == 3


def test_no_requirement_files(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no requirement files"):
        config.load(tmp_path, {})


def test_broken_toml(project: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"pyproject\.toml cannot be read"):
        load(project, "pythons = [")


@pytest.mark.parametrize(
    "text",
    [
        "http://host:3141/user/index",
        "http://host:3141/user/index/",
        "http://host:3141/user/index/+simple",
        "http://host:3141/user/index/+simple/",
        " http://host:3141/user/index\n",
    ],
)
def test_an_index_url_in_each_of_its_forms(text: str) -> None:
    index = parse_index_url(text)
    assert index.url == "http://host:3141/user/index"
    assert index.simple == "http://host:3141/user/index/+simple/"


def test_the_environment_wins(project: Path) -> None:
    found = load(
        project, 'index-url = "https://a.example.com/u/i"', DEVPI_INDEX="https://b.example.com/u/i"
    )
    assert found.index is not None
    assert found.index.url == "https://b.example.com/u/i"


def test_a_password_is_kept_apart_and_never_shown() -> None:
    index = parse_index_url("https://me%40corp:s3cret%2Fw@devpi.example.com/user/index")
    assert index.url == "https://devpi.example.com/user/index"
    assert (index.user, index.password) == ("me@corp", "s3cret/w")
    assert "s3cret" not in repr(index)


@pytest.mark.parametrize(
    "text",
    [
        "http://me:9/s3cret@h/x",
        "ftp://u:s3cret@host/x",
        "https://u:s3cret@host:port/x",
        "https://u:s3cret@host/x?y=1",
    ],
)
def test_a_wrong_index_url_does_not_show_its_password(project: Path, text: str) -> None:
    with pytest.raises(InvalidInputError, match="DEVPI_INDEX") as caught:
        load(project, "", DEVPI_INDEX=text)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "url", "simple"),
    [
        ("https://h/simple/", "https://h/simple", "https://h/simple/"),
        ("https://u:p@h:8/api/x/simple", "https://h:8/api/x/simple", "https://h:8/api/x/simple/"),
        ("https://h/u/simple/+simple/", "https://h/u/simple", "https://h/u/simple/+simple/"),
        ("https://h/u/not-simple", "https://h/u/not-simple", "https://h/u/not-simple/+simple/"),
    ],
)
def test_a_plain_index_is_taken_as_it_is(text: str, url: str, simple: str) -> None:
    index = parse_index_url(text)
    assert (index.url, index.simple) == (url, simple)


def test_a_table_of_nearly_our_name(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.devpi_warmup]\n")
    with pytest.raises(
        InvalidInputError, match=r"devpi_warmup\] is no table of ours\n.*devpi-warmup"
    ):
        config.load(project, {})
