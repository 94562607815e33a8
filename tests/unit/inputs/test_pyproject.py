from __future__ import annotations

from pathlib import Path

import pytest

from devpi_warmup.errors import InvalidInputError
from devpi_warmup.inputs import config, sources
from devpi_warmup.inputs.requirements import RequirementSet, for_target
from devpi_warmup.inputs.targets import Target

PROJECT = """
[project]
name = "My.App"
requires-python = ">=3.11"
dependencies = ["lib>=1", "tool; sys_platform == 'win32'"]
[project.optional-dependencies]
web = ["flask", "my-app[db]"]
db = ["sqlalchemy"]
all = ["my_app[web,db]"]
[dependency-groups]
lint = ["ruff"]
Dev = ["pytest", {include-group = "lint"}]
"""


def load(
    root: Path, *named: str, groups: tuple[str, ...] = (), text: str = PROJECT
) -> RequirementSet:
    quoted = ", ".join(f'"{name}"' for name in named)
    of_groups = ", ".join(f'"{name}"' for name in groups)
    table = f"\n[tool.devpi-warmup]\nrequirements = [{quoted}]\ngroups = [{of_groups}]\n"
    (root / "pyproject.toml").write_text(text + table, encoding="utf-8")
    (environment,) = config.load(root, {}).environments
    return sources.load(environment.sources)


def names(found: RequirementSet) -> list[str]:
    return [str(root) for root in found.requirements]


def test_the_dependencies_of_a_project(tmp_path: Path) -> None:
    found = load(tmp_path, "pyproject.toml")
    assert names(found) == ["lib>=1", "tool"]
    assert found.requirements[0].where == "pyproject.toml: project.dependencies"
    assert [limit.python for limit in found.limits] == [">=3.11"]


def test_extras_and_the_extras_they_name(tmp_path: Path) -> None:
    every = ["lib>=1", "tool", "flask", "sqlalchemy"]
    assert names(load(tmp_path, "pyproject.toml[web]")) == every
    assert sorted(names(load(tmp_path, "pyproject.toml[ all ]"))) == sorted(every)
    assert names(load(tmp_path, "pyproject.toml[db, db]")) == ["lib>=1", "tool", "sqlalchemy"]


def test_groups_alone_and_what_they_include(tmp_path: Path) -> None:
    assert names(load(tmp_path, groups=("dev",))) == ["pytest", "ruff"]


def test_the_digest_changes_with_what_is_required(tmp_path: Path) -> None:
    one = load(tmp_path, "pyproject.toml").digest
    assert one == load(tmp_path, "pyproject.toml").digest
    assert one != load(tmp_path, "pyproject.toml", text=PROJECT.replace("lib>=1", "lib>=2")).digest
    assert one != load(tmp_path, "pyproject.toml", text=PROJECT.replace("3.11", "3.12")).digest
    # What is not required may change.
    assert one == load(tmp_path, "pyproject.toml", text=PROJECT.replace("flask", "quart")).digest


@pytest.mark.parametrize(
    ("named", "groups", "old", "new", "message"),
    [
        ("pyproject.toml[wbe]", (), "", "", "pyproject.toml has no extra 'wbe'\n.*'web'?"),
        ("pyproject.toml", ("devel",), "", "", "there is no dependency group 'devel'\n.*'dev'?"),
        (
            "pyproject.toml",
            (),
            "dependencies = [",
            'dynamic = ["dependencies"]\nignored = [',
            "project.dependencies is dynamic: only building the project would tell",
        ),
        (
            "pyproject.toml[web]",
            (),
            'name = "My.App"',
            'name = "a"\ndynamic = ["optional-dependencies"]',
            "project.optional-dependencies is dynamic",
        ),
        ("pyproject.toml", (), "[project", "[other", "pyproject.toml: it has no table [project]"),
        (
            "pyproject.toml",
            (),
            '"lib>=1"',
            '"lib>>1", "a @ git+https://git.example.com/a"',
            "pyproject.toml: project.dependencies: 'lib>>1' does not parse\n.*a is a VCS requirement",
        ),
        ("pyproject.toml", (), '["lib>=1"', "[3", "project.dependencies: it must be a list of"),
        (
            "pyproject.toml[web]",
            (),
            '["flask", "my-app[db]"]',
            '"flask"',
            "project.optional-dependencies.web: it must be a list of strings",
        ),
        ("pyproject.toml", (), ">=3.11", "three", "requires-python is 'three'"),
        ("pyproject.toml", (), '">=3.11"', '[">=3.11"]', "requires-python is of type list"),
        (
            "pyproject.toml",
            (),
            'name = "My',
            'dynamic = "dependencies"\nname = "My',
            "project.dynamic",
        ),
        ("pyproject.toml", ("dev",), "Dev =", "dev = []\nDev =", "'Dev' stands there twice"),
        ("pyproject.toml[web]", (), "web =", "Web = []\nweb =", "'web' stands there twice"),
        (
            "pyproject.toml",
            ("lint",),
            'lint = ["ruff"]',
            'lint = [{include-group = "dev"}, {other = "x"}]',
            "it includes itself: lint → dev → lint\n.*a dict is no requirement",
        ),
    ],
)
def test_problems_name_the_key(
    tmp_path: Path, named: str, groups: tuple[str, ...], old: str, new: str, message: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load(tmp_path, named, groups=groups, text=PROJECT.replace(old, new) if old else PROJECT)
    for part in message.split("\n.*"):
        assert part in str(caught.value)


def test_extras_are_not_for_requirement_files(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("six")
    with pytest.raises(InvalidInputError, match=r"a.toml has no extras"):
        load(tmp_path, "a.toml[web]")


def test_the_marker_of_an_extra_of_its_own_goes_with_it(tmp_path: Path) -> None:
    text = PROJECT.replace('"my-app[db]"', "\"my-app[db]; sys_platform == 'win32'\"")
    found = load(tmp_path, "pyproject.toml[web]", text=text)
    linux, windows = Target("3.12", "manylinux2014_x86_64"), Target("3.12", "win32")
    assert "sqlalchemy" in [r.name for r in for_target(found, windows).requirements]
    assert "sqlalchemy" not in [r.name for r in for_target(found, linux).requirements]


def test_groups_that_include_each_other_many_times(tmp_path: Path) -> None:
    lines = [
        f"g{n} = [{{include-group = 'g{n + 1}'}}, {{include-group = 'g{n + 1}'}}]"
        for n in range(1500)
    ]
    groups = "\n".join(["[dependency-groups]", *lines, "g1500 = ['six']"])
    assert names(load(tmp_path, groups=("g0",), text=groups)) == ["six"]


@pytest.mark.parametrize(
    ("named", "old", "new"),
    [
        ("pyproject.toml", ">=3.11", "https://u:s3cret@h"),
        ("pyproject.toml", '"ruff"', '{git = "https://u:s3cret@h"}'),
        ("pyproject.toml", '"ruff"', '{include-group = "https://u:s3cret@h"}'),
        ("https://u:s3cret@h/req.txt", "", ""),
    ],
)
def test_no_message_holds_what_may_be_secret(
    tmp_path: Path, named: str, old: str, new: str
) -> None:
    text = PROJECT.replace(old, new) if old else PROJECT
    with pytest.raises(InvalidInputError) as caught:
        load(tmp_path, named, groups=("lint",), text=text)
    assert "s3cret" not in str(caught.value)


def test_an_empty_file_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "pyproject.toml").write_text("")
    with pytest.raises(InvalidInputError, match=r"sub/pyproject.toml: it has no table"):
        load(tmp_path, "pyproject.toml", "sub/pyproject.toml")
