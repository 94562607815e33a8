"""One run names every problem of a cell, each with what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from catalogue import Catalogue, Resolve, Upload
from sites import Answer
from wanted import load_files

from devpi_warmup.errors import ResolutionError, SeveralError, WarmupError
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.sources import Source, Sources
from devpi_warmup.inputs.sources import load as load_sources
from devpi_warmup.inputs.targets import Target
from devpi_warmup.resolve.resolver import resolve, survey


def parts(lock: Resolve, *lines: str, **more: object) -> list[str]:
    with pytest.raises(WarmupError) as caught:
        lock(*lines, **more)
    return [part.partition("\n")[0] for part in caught.value.parts]


def test_one_run_names_every_problem(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("good", "1.0", requires=("deep>=2",))
    catalogue.add("deep", "1.0")
    catalogue.add("old", "1.0")
    catalogue.upload("source", Upload("source-1.0.tar.gz", b""))
    catalogue.add("windows", "1.0", tag="cp313-cp313-win_amd64")
    catalogue.add("requests", "1.0")
    lines = ("good", "source", "reqeusts", "old>=3", "windows")
    with pytest.raises(SeveralError) as caught:
        lock(*lines)
    assert [part.partition("\n")[0] for part in caught.value.parts] == [
        "source: the index has no wheel of it, 1.0 exists only as an sdist",
        "reqeusts: the index has no such project",
        "old: none of its versions matches >=3",
        "windows: no wheel for this target: 1.0 (1.0 has wheels for: win_amd64)",
        "deep: none of its versions matches >=2",
    ]
    assert "hint: did you mean 'requests'?" in str(caught.value)
    assert "deep>=2, wanted by good 1.0 (for main.txt:1)" in str(caught.value)
    assert str(caught.value).startswith("5 problems:")


def test_a_conflict_does_not_hide_another_problem(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("a", "1.0", requires=("shared<2",))
    catalogue.add("b", "1.0", requires=("shared>=2",))
    catalogue.add("shared", "1.0")
    catalogue.add("shared", "2.0")
    found = parts(lock, "a", "b", "nothing-there")
    assert len(found) == 2
    assert found[0] == "nothing-there: the index has no such project"
    assert "shared" in found[1]


def test_names_of_the_users_own_lines_are_meant_too(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("sqlalchemy", "1.0")
    catalogue.faults["/+simple/"] = [Answer(500)]
    with pytest.raises(WarmupError, match="did you mean 'sqlalchemy'"):
        lock("sqlalchmey", "sqlalchemy")


def test_a_name_like_no_other_is_not_guessed(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("numpy", "1.0")
    with pytest.raises(WarmupError, match="check how it is spelled"):
        lock("something-of-ours")


def test_the_list_of_projects_is_asked_for_once_and_after_a_failure_alone(
    catalogue: Catalogue, lock: Resolve
) -> None:
    catalogue.add("app", "1.0")
    lock("app")
    assert catalogue.asked["/+simple/"] == 0
    parts(lock, "apq", "axp", "app")
    assert catalogue.asked["/+simple/"] == 1


def test_the_pythons_of_a_file_are_a_limit(
    catalogue: Catalogue, fetcher: Fetcher, tmp_path: Path
) -> None:
    catalogue.add("lib", "1.0")
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\nrequires-python = ">=3.12.3"\ndependencies = ["lib"]')
    wanted = load_sources(Sources(tmp_path, (Source(path),)))
    assert resolve(wanted, Cell(Target("3.12", "win32")), fetcher).patches.oldest == "3.12.3"
    with pytest.raises(ResolutionError, match=r"pyproject.toml is for Python >=3.12.3, the target"):
        resolve(wanted, Cell(Target("3.11", "win32")), fetcher)


def test_a_survey_opens_no_wheel(catalogue: Catalogue, fetcher: Fetcher, tmp_path: Path) -> None:
    catalogue.add("app", "1.0", requires=("lib",))
    (tmp_path / "main.txt").write_text("app\nnothing\n")
    found = survey(load_files(tmp_path, "main.txt"), Target("3.12", "win32"), fetcher)
    assert [error.title for error in found] == ["nothing: the index has no such project"]
    assert not [path for path in catalogue.asked if ".whl" in path]


def test_only_names_that_exist_are_meant(catalogue: Catalogue, lock: Resolve) -> None:
    with pytest.raises(WarmupError) as caught:
        lock("missing-1", "missing-2", "missing-3")
    assert "did you mean" not in str(caught.value)
    assert str(caught.value).count("check how it is spelled") == 3


def test_a_project_of_a_refused_url_is_no_second_problem(
    catalogue: Catalogue, lock: Resolve
) -> None:
    catalogue.add("a", "1.0", requires=("foo>=1",))
    url = "foo @ https://h.example.com/foo-1.0-py3-none-win_amd64.whl"
    assert [part.partition(": ")[0] for part in parts(lock, "a", url)] == ["main.txt:2"]


def test_a_python_that_only_metadata_wants_does_not_end_the_search(
    catalogue: Catalogue, lock: Resolve
) -> None:
    upload = catalogue.add("p", "1.0", requires_python=">=3.99")
    catalogue.projects["p"] = [replace(upload, requires_python="")]
    catalogue.add("q", "1.0", requires=("nodep",))
    found = parts(lock, "p", "q", "nosuch")
    assert [part.partition(":")[0] for part in found] == ["nosuch", "p", "nodep"]
    assert found[1] == "p: made for another Python:"


def test_a_list_of_projects_that_is_made_to_take_long(catalogue: Catalogue, lock: Resolve) -> None:
    catalogue.add("numpy", "1.0")
    catalogue.faults["/+simple/"] = [Answer(200, "text/html", b"<a " * 300_000)]
    with pytest.raises(WarmupError, match="check how it is spelled"):
        lock("nmupy")


def test_what_else_is_wrong_is_not_looked_for_at_any_price(
    catalogue: Catalogue, lock: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.add("a", "1.0", requires=("missing",))
    lines = ("nothing-there", "a")
    assert len(parts(lock, *lines)) == 2
    monkeypatch.setattr("devpi_warmup.resolve.attempt._FURTHER", 1)  # rounds
    assert parts(lock, *lines) == ["nothing-there: the index has no such project"]


def test_what_takes_too_many_steps_is_said(
    catalogue: Catalogue, lock: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.add("a", "1.0", requires=("b",))
    catalogue.add("b", "1.0")
    monkeypatch.setattr("devpi_warmup.resolve.attempt._MAX_ROUNDS", 2)
    assert parts(lock, "a") == ["the requirements need over 2 steps to resolve"]
