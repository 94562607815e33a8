"""Which sdists are candidates, in pip's order; and what is said of those that are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from catalogue import Catalogue, Upload, make_wheel
from sdist import make_sdist

from devpi_warmup.errors import InvalidInputError, WarmupError
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.index.pages import IndexFile, Sdist, parse_sdist, parse_wheel
from devpi_warmup.inputs import config, sources
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.requirements import RequirementSet
from devpi_warmup.inputs.sdists import Sdists
from devpi_warmup.inputs.targets import Target
from devpi_warmup.resolve.builds import Built, Unbuilt
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.wheelhouse.build_record import BuildRecord
from devpi_warmup.wheelhouse.lock import Build, Lock, ToBuild
from devpi_warmup.wheelhouse.origins import Origin


class Instead:
    """Builds nothing: the wheel of that version lies in the catalogue, under another project."""

    def __init__(self, fetcher: Fetcher) -> None:
        self.fetcher = fetcher
        self.built: list[str] = []

    def made(self, sdist: Sdist, target: Target, sdists: Sdists) -> Built:
        self.built.append(sdist.file.filename)
        (wheel,) = (
            w
            for w in self.fetcher.page(f"built-{sdist.project}").wheels
            if w.version == sdist.version
        )
        name = wheel.file.filename.removeprefix("built_")
        path = self.fetcher.file(wheel.file).path
        file = IndexFile(name, "", wheel.file.sha256, origin=Origin.BUILT, path=str(path))
        found = parse_wheel(sdist.project, file)
        assert found is not None
        record = BuildRecord("", "", "", "", "", "", {}, 0, (), "")
        build = Build(
            project=sdist.project,
            version=sdist.version,
            sdist=sdist.file,
            sha256="",
            size=0,
            requires=(),
            file=file,
            record=record,
        )
        return Built(found, build)

    def carried(self, unbuilt: Unbuilt, target: Target, sdists: Sdists) -> ToBuild:
        raise AssertionError


def wanted(tmp_path: Path, *lines: str, sdists: tuple[str, ...]) -> RequirementSet:
    (tmp_path / "main.txt").write_text("\n".join(lines))
    table = f'requirements = ["main.txt"]\nsdists = {json.dumps(sdists)}'
    (tmp_path / "pyproject.toml").write_text(f"[tool.devpi-warmup]\n{table}\n")
    (environment,) = config.load(tmp_path, {}).environments
    return sources.load(environment.sources)


@pytest.mark.parametrize(
    ("filename", "project", "version"),
    [
        ("foo-bar-1.0.tar.gz", "foo-bar", "1.0"),
        ("Foo.Bar-1.0.zip", "foo-bar", "1.0"),
        ("x-1.0.tgz", "x", "1.0"),
        ("x-1.0.tar.bz2", "x", "1.0"),
        ("thrift-0.14.0-2.tar.gz", "thrift", "0.14.0.post2"),
        ("dbus-python-1.2.2-word.tar.gz", "dbus-python", None),
        ("x-1.0.egg", "x", None),
        ("x-1.0-py3-none-any.whl", "x", None),
        ("other-1.0.tar.gz", "x", None),
    ],
)
def test_what_is_an_sdist(filename: str, project: str, version: str | None) -> None:
    found = parse_sdist(project, IndexFile(filename, ""))
    assert (found and str(found.version)) == version


def test_pips_order_for_a_listed_project(
    catalogue: Catalogue, fetcher: Fetcher, tmp_path: Path
) -> None:
    catalogue.add("alpha", "1.0")
    catalogue.upload("alpha", make_sdist("alpha", "2.0"))
    catalogue.upload("alpha", make_sdist("alpha", "3.0rc1"))
    catalogue.add("beta", "1.0")
    catalogue.upload("beta", make_sdist("beta", "1.0"))
    catalogue.upload("gamma", make_sdist("gamma", "1.0", requires_python=">=3.99"))
    catalogue.upload("gamma", make_sdist("gamma", "0.9"))
    for name, version in (("alpha", "2.0"), ("gamma", "0.9")):
        filename, data = make_wheel(name, version)
        catalogue.upload(f"built-{name}", Upload(f"built_{filename}", data))
    builds = Instead(fetcher)
    found = wanted(tmp_path, "alpha", "beta", "gamma", sdists=("alpha", "beta", "gamma"))
    lock = resolve(found, Cell(Target("3.12", "win32")), fetcher, builds)
    assert origins(lock) == {
        "alpha": ("2.0", Origin.BUILT),
        "beta": ("1.0", Origin.INDEX),
        "gamma": ("0.9", Origin.BUILT),
    }
    assert len(lock.builds) == 2
    assert {*builds.built} == {"alpha-2.0.tar.gz", "gamma-0.9.tar.gz"}


def origins(lock: Lock) -> dict[str, tuple[str, Origin]]:
    return {pin.project: (str(pin.version), pin.file.origin) for pin in lock.pins}


def test_an_old_wheel_has_a_note_with_the_line(
    catalogue: Catalogue, fetcher: Fetcher, tmp_path: Path
) -> None:
    catalogue.add("seqeval", "0.0.10")
    catalogue.upload("seqeval", Upload("seqeval-1.2.2.tar.gz", b""))
    (note,) = resolve(
        wanted(tmp_path, "seqeval", sdists=("other",)), Cell(Target("3.12", "win32")), fetcher
    ).notes
    assert note == (
        "seqeval 0.0.10 is not the newest: 1.2.2 exists only as an sdist, which "
        'sdists = ["seqeval"] would have built'
    )


def test_a_version_that_consent_leaves_out(
    catalogue: Catalogue, fetcher: Fetcher, tmp_path: Path
) -> None:
    catalogue.upload("only", Upload("only-2.0.tar.gz", b""))
    found = wanted(tmp_path, "only", sdists=("only<2",))
    with pytest.raises(WarmupError) as caught:
        resolve(found, Cell(Target("3.12", "win32")), fetcher)
    assert "2.0 exists only as an sdist" in str(caught.value)
    assert "has it built here" not in str(caught.value)  # it stands there already


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a[x]", "a cannot have extras here"),
        ("a @ https://files.example.com/a.tar.gz", "a cannot have a URL here"),
        (":all:", "':all:' is no project\n.*to build it is to run its code"),
        ("a==", "'a==' is no project"),
    ],
)
def test_what_is_no_consent(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        wanted(tmp_path, "six", sdists=(line,))
    for part in message.split("\n.*"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("requires_python", "sdists", "said", "hint"),
    [
        ("", (), "it has an sdist of 2.0, too", 'sdists = ["foreign"] in [tool.devpi-warmup]'),
        (">=3.99", (), "sdist of 2.0, too, which needs Python >=3.99", "choose a platform"),
        (
            ">=3.99",
            ("foreign",),
            "sdist of 2.0, too, which needs Python >=3.99",
            "choose a platform",
        ),
    ],
)
def test_wheels_for_others_and_an_sdist(
    catalogue: Catalogue,
    fetcher: Fetcher,
    tmp_path: Path,
    requires_python: str,
    sdists: tuple[str, ...],
    said: str,
    hint: str,
) -> None:
    catalogue.add("foreign", "2.0", tag="cp312-cp312-macosx_11_0_arm64")
    catalogue.upload("foreign", make_sdist("foreign", "2.0", requires_python=requires_python))
    with pytest.raises(WarmupError) as caught:
        found = wanted(tmp_path, "foreign==2.0", sdists=sdists)
        resolve(found, Cell(Target("3.12", "win32")), fetcher, Instead(fetcher))
    assert said in str(caught.value)
    assert hint in str(caught.value)
