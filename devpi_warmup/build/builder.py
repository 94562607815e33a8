"""sdist → wheel: what it requires is resolved and fetched, real pip builds it, offline."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from devpi_warmup import console
from devpi_warmup.build import failure, sandbox
from devpi_warmup.build.archive import unpack
from devpi_warmup.build.backend import Backend
from devpi_warmup.build.former import Former, entered, told
from devpi_warmup.build.host import host_target
from devpi_warmup.digests import digest
from devpi_warmup.errors import WarmupError, indented
from devpi_warmup.index.pages import IndexFile, parse_wheel
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.patches import Patches
from devpi_warmup.inputs.requirement_files import Reader
from devpi_warmup.inputs.requirements import RequirementSet
from devpi_warmup.resolve.impossible import ImpossibleError
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.wheelhouse.build_record import BuildRecord
from devpi_warmup.wheelhouse.files import write_error
from devpi_warmup.wheelhouse.lock import LINKS_FOOT, LINKS_HEAD, Build, Lock, Pin, link
from devpi_warmup.wheelhouse.origins import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import Sdist, Wheel
    from devpi_warmup.inputs.sdists import Sdists
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.prove.pip import Pip
    from devpi_warmup.wheelhouse.files import StoredFile
    from devpi_warmup.wheelhouse.manifest import FileEntry

_OLDEST_TIME = 315_532_800  # 1980-01-01: a zip file knows nothing before
_LARGE = 100_000_000  # bytes of an sdist that is worth a word before it is built
LOGS = "build-logs"


class BuildError(ImpossibleError):
    """An sdist cannot be built here, or its wheel does not serve the target.

    As for pip, that is final: no older version is tried in its place.
    """

    def __init__(self, sdist: Sdist, message: str, *, hint: str = "") -> None:
        """Name the sdist that it is about."""
        super().__init__(message, hint=hint, projects=[sdist.project])


@dataclass
class Builder:
    """Builds the sdists of a run, each once.

    :param pip: of the environment of the session
    :param known: files of former runs, of which some were built
    :param root: the repository
    """

    fetcher: Fetcher
    pip: Pip
    known: Mapping[str, FileEntry]
    root: Path
    _done: dict[tuple[IndexFile, Sdists], Build | BuildError] = field(default_factory=dict)
    _wheels: dict[IndexFile, Wheel] = field(default_factory=dict)
    _builds: dict[IndexFile, Build] = field(default_factory=dict)
    _open: list[Sdist] = field(default_factory=list)

    def wheel(self, sdist: Sdist, target: Target, sdists: Sdists) -> Wheel:
        """Return the wheel that is built of an sdist, for a target that it serves.

        :raises WarmupError: it cannot be built, or the wheel is not for that target
        """
        key = (sdist.file, sdists)
        if key not in self._done:
            try:
                former = Former(self.fetcher, self.known).build(sdist, sdists)
                self._done[key] = self._enter(*former) if former else self._build(sdist, sdists)
            except BuildError as error:
                self._done[key] = error
        build = self._done[key]
        if isinstance(build, BuildError):
            raise build
        wheel = self._wheels[build.file]
        if target.rank(wheel.tags) is None:
            tags = ", ".join(sorted(map(str, wheel.tags)))
            raise BuildError(
                sdist,
                f"{sdist}: the wheel that is built of its sdist is for "
                f"{tags}, and not for this target",
                hint="build a wheel of it on such a machine, and name it in wheels of "
                "[tool.devpi-warmup]; or require a version that has one",
            )
        return wheel

    def record(self, wheel: Wheel) -> Build:
        """Return how a wheel was built."""
        return self._builds[wheel.file]

    def _build(self, sdist: Sdist, sdists: Sdists) -> Build:
        if sdist in self._open:
            way = " → ".join(map(str, (*self._open, sdist)))
            raise BuildError(
                sdist,
                f"{sdist} needs itself to be built: {way}",
                hint="one of them must have a wheel: require another version of it",
            )
        host = host_target()
        if not host.fits_python(sdist.file.requires_python):
            raise BuildError(
                sdist,
                f"{sdist} needs Python {sdist.file.requires_python} to be built, and nox runs on "
                f"{host.full_version}",
                hint="run nox with such a Python, or allow another version in sdists",
            )
        self._open.append(sdist)
        try:
            with _folder() as folder:
                return self._build_in(folder, sdist, sdists)
        except subprocess.TimeoutExpired:
            raise BuildError(
                sdist,
                f"{sdist} was not built within {sandbox.TIMEOUT / 60:.0f} minutes",
                hint="leave it out of sdists, or require a version that has a wheel",
            ) from None
        finally:
            self._open.pop()

    def _build_in(self, folder: Path, sdist: Sdist, sdists: Sdists) -> Build:
        stored = self.fetcher.lying(sdist.file)
        size = f" ({console.megabytes(stored.size)})" if stored.size > _LARGE else ""
        console.say(f"{sdist} has no wheel that fits: building it of {sdist.file.filename}{size}")
        source = unpack(stored.path, sdist.file.filename, _made(folder / "source"))
        box = sandbox.Sandbox(folder, _epoch(source), self.pip.runner, self._kept(folder))
        try:
            backend = Backend(source, self.pip.python, box)
            wants = backend.static()
            tools = self._resolve(wants, sdists, sdist)
            page = self._page(folder, tools.pins)
            more = backend.dynamic(tools.pins, page, _made(folder / "venv"))
            if more - wants:
                tools = self._resolve(wants | more, sdists, sdist)
        except failure.HookError as error:
            raise self._failed(sdist, error.output, "says what it requires") from None
        page = self._page(folder, tools.pins)
        limits = folder / "constraints.txt"
        lines = (f"{pin.project}=={pin.version}\n" for pin in tools.pins)
        limits.write_text("".join(lines), encoding="utf-8")
        own = folder / sdist.file.filename
        _link(stored.path, own)
        out = _made(folder / "out")
        done = box.run(
            [
                *(self.pip.python, "-I", "-m", "pip", "wheel", "--no-deps", "--no-cache-dir"),
                *("--no-index", f"--find-links={page}", f"--build-constraint={limits}"),
                *(f"--wheel-dir={out}", "--progress-bar=off", str(own)),
            ],
        )
        if done.returncode != 0:
            raise self._failed(sdist, done.stdout + done.stderr, "is built")
        return self._taken(out, sdist, stored, tools, sdists, backend.name)

    def _taken(  # noqa: PLR0917 - each is another part of the record
        self,
        out: Path,
        sdist: Sdist,
        stored: StoredFile,
        tools: Lock,
        sdists: Sdists,
        backend: str,
    ) -> Build:
        made = sorted(out.iterdir())
        if len(made) != 1:
            raise BuildError(sdist, f"{sdist} is built into {len(made)} files, and not into one")
        place = self.fetcher.wheelhouse.staging / f"{uuid4().hex}.built"
        try:
            shutil.move(made[0], place)
        except OSError as error:
            raise write_error(self.fetcher.wheelhouse.path, error) from None
        file = IndexFile(made[0].name, "", digest(place), origin=Origin.BUILT, path=str(place))
        wheel = parse_wheel(sdist.project, file)
        if wheel is None or wheel.version != sdist.version:
            raise BuildError(
                sdist,
                f"{sdist.file.filename} gives {file.filename}, which is not {sdist}",
                hint="require another version",
            )
        version = self.pip.run("-m", "pip", "--version").stdout.split()
        record = BuildRecord(
            sdist=sdist.file.filename,
            sha256=stored.sha256,
            python=host_target().full_version,
            platform=host_target().platform,
            pip=version[1] if len(version) > 1 else "",
            backend=backend,
            requires={pin.file.filename: pin.sha256 for pin in tools.pins},
            constraints=told(sdists),
            isolation=sandbox.name(),
        )
        console.say(f"{sdist}: built, {file.filename}, with {_names(tools.pins)}")
        return self._enter(wheel, entered(sdist, stored, wheel, tools, record))

    def _enter(self, wheel: Wheel, build: Build) -> Build:
        self._wheels[build.file] = wheel
        self._builds[build.file] = build
        return build

    def _kept(self, folder: Path) -> tuple[Path, ...]:
        """Return what a build must not change, though it runs as the user."""
        wheelhouse = self.fetcher.wheelhouse.path
        environment = Path(self.pip.python).parent.parent
        kept = (self.root, wheelhouse, environment, Path.home())
        return tuple(p.resolve() for p in kept if not folder.resolve().is_relative_to(p.resolve()))

    def _resolve(self, wants: Iterable[str], sdists: Sdists, sdist: Sdist) -> Lock:
        """Resolve what a build requires, for this machine and all together."""
        reader = Reader(Path(), {})
        for want in sorted(wants):
            reader.line(want, f"{sdist} (to be built)")
        if reader.problems:
            lines = indented(map(str, reader.problems))
            raise BuildError(sdist, f"{sdist} requires to be built what cannot be had:\n{lines}")
        found = reader.found()
        if not found.requirements:
            return Lock(Cell(host_target()), (), Patches("", ""))
        both = RequirementSet(found.requirements, sdists.constraints, "", sdists=sdists)
        try:
            return resolve(both, Cell(host_target()), self.fetcher, self)
        except WarmupError as error:
            raise BuildError(
                sdist,
                f"{sdist}: what it requires to be built cannot be had\n{error.args[0]}",
                hint=error.hint,
            ) from None

    def _page(self, folder: Path, pins: Iterable[Pin]) -> Path:
        """Write a page of links with hashes, which pip believes also of what builds require."""
        files = _made(folder / "files")
        links = []
        for pin in pins:
            there = files / pin.file.filename
            if not there.is_file():
                _link(self.fetcher.lying(pin.file).path, there)
            links.append(link(pin.file.filename, pin.sha256, "files"))
        page = folder / "page.html"
        page.write_text("\n".join([LINKS_HEAD, *links, LINKS_FOOT]), encoding="utf-8")
        return page

    def _failed(self, sdist: Sdist, output: str, when: str) -> BuildError:
        try:
            logs = _made(self.fetcher.wheelhouse.path / LOGS)
            log = logs / f"{sdist.project}-{sdist.version}.txt"
            log.write_text(output, encoding="utf-8", errors="replace")
        except OSError as error:
            raise write_error(self.fetcher.wheelhouse.path, error) from None
        shown = f"{self.fetcher.wheelhouse.shown}/{LOGS}/{log.name}"
        *more, last = failure.lines_that_matter(output) or ["it says nothing"]
        more.append(f"the whole output is in {shown}")
        return BuildError(
            sdist,
            f"{sdist} cannot be built: {last}\n{indented([f'(when its sdist {when})', *more])}",
            hint=failure.hint(output, sdist.project),
        )


def _names(pins: Iterable[Pin]) -> str:
    return ", ".join(map(str, pins)) or "nothing"


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="devpi-warmup-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _made(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def _link(path: Path, there: Path) -> None:
    try:
        there.symlink_to(path)
    except OSError:  # Windows, without the privilege
        shutil.copyfile(path, there)


def _epoch(source: Path) -> int:
    """Return the time of the newest file of an sdist, in seconds since 1970."""
    times = (int(path.stat().st_mtime) for path in source.rglob("*") if path.is_file())
    return max([_OLDEST_TIME, *times])
