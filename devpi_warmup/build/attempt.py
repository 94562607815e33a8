"""One attempt to build one sdist, by one interpreter, offline, in a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeAlias

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from devpi_warmup.build import failure, sandbox
from devpi_warmup.build.archive import unpack
from devpi_warmup.build.backend import Backend
from devpi_warmup.build.repair import Repaired, repair
from devpi_warmup.build.static import static_metadata
from devpi_warmup.wheelhouse.lock import link, links_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from devpi_warmup.build.host import Interpreter
    from devpi_warmup.wheelhouse.files import StoredFile
    from devpi_warmup.wheelhouse.lock import Lock, Pin

Resolve: TypeAlias = "Callable[[Iterable[str]], Lock]"
_OLDEST_TIME = 315_532_800  # 1980-01-01: a zip file knows nothing before
# Backends that fetch crates while they build; an sdist brings them where it has this folder.
_RUST = frozenset({"maturin", "setuptools-rust"})
_CRATES = "vendor"
_COMPILED = (".so", ".pyd", ".dylib", ".dll")
_UNSURE = "its backend does not say here what else it requires"


@dataclass
class Attempt:
    """What was learnt of an sdist, as far as it came.

    :param sdist: the file
    :param filename: its name
    :param interpreter: builds it
    :param folder: empty; everything happens there
    :param kept: folders that the build can read, and not write
    :param resolve: finds and fetches what a build requires
    :param lying: where the file of a pin lies
    :param wants: what building it requires, as lines
    :param unsure: why more may be required, or ""
    :param metadata: core metadata of the wheel, or "" where nobody says
    :param known_by: who says it
    :param tools: what it was built with
    :param backend: how its backend is called
    :param epoch: the time of the newest file of the sdist, which builds take for now
    """

    sdist: StoredFile
    filename: str
    interpreter: Interpreter
    folder: Path
    kept: tuple[Path, ...]
    resolve: Resolve
    lying: Callable[[Pin], Path]
    wants: set[str] = field(default_factory=set)
    unsure: str = ""
    metadata: str = ""
    known_by: str = ""
    tools: Lock | None = None
    backend: str = ""
    epoch: int = 0

    def run(self) -> Repaired:
        """Build the wheel.

        :raises HookError: it cannot be built; with the output of what failed
        :raises subprocess.TimeoutExpired: it takes too long, and was killed
        :raises WarmupError: what building it requires cannot be had
        """
        source = unpack(self.sdist.path, self.filename, _made(self.folder / "source"))
        self.metadata, self.known_by = static_metadata(source)
        python = self.interpreter.pip.python
        self.epoch = _epoch(source)
        box = sandbox.Sandbox(self.folder, self.epoch, self.interpreter.pip.runner, self.kept)
        backend = Backend(source, python, box)
        self.backend = backend.name
        self.wants |= backend.static()
        self._check_crates(source)
        self.unsure = _UNSURE
        tools = self.tools = self.resolve(self.wants)
        page = self._page(tools.pins)
        more = backend.dynamic(tools.pins, page, _made(self.folder / "venv"))
        self.unsure = ""
        if more - self.wants:
            self.wants |= more
            self._check_crates(source)
            tools = self.tools = self.resolve(self.wants)
            page = self._page(tools.pins)
        try:
            own = {path.name for path in source.rglob("*")}
            made = self._wheel(tools, page, box)
            _check_pure(made.path, own)
            return made  # noqa: TRY300
        except (failure.HookError, subprocess.TimeoutExpired):
            if not self.metadata:
                self.metadata = backend.prepared(_made(self.folder / "metadata"))
                self.known_by = "its backend, which says it before it fails"
            raise

    def _check_crates(self, source: Path) -> None:
        rust = _RUST & {_project(want) for want in self.wants}
        if rust and not (source / _CRATES).is_dir():
            raise failure.HookError(
                f"error: {', '.join(rust)} fetches crates of Rust while it builds, and the sdist "
                f"has no {_CRATES}/ with them",
                hopeless=True,
            )

    def _wheel(self, tools: Lock, page: Path, box: sandbox.Sandbox) -> Repaired:
        limits = self.folder / "constraints.txt"
        lines = (f"{pin.project}=={pin.version}\n" for pin in tools.pins)
        limits.write_text("".join(lines), encoding="utf-8")
        own = self.folder / self.filename
        _link(self.sdist.path, own)
        out = _made(self.folder / "out")
        done = box.run(
            [
                *(self.interpreter.pip.python, "-I", "-m", "pip", "wheel", "--no-deps"),
                *("--no-cache-dir", "--no-index", f"--find-links={page}"),
                *(f"--build-constraint={limits}", f"--wheel-dir={out}", "--progress-bar=off"),
                str(own),
            ],
        )
        if done.returncode != 0:
            raise failure.HookError(done.stdout + done.stderr)
        made = sorted(out.iterdir())
        if len(made) != 1:
            raise failure.HookError(f"error: it gives {len(made)} files, and not one wheel")
        return repair(made[0], box, _made(self.folder / "repaired"))

    def _page(self, pins: Iterable[Pin]) -> Path:
        """Write a page of links with hashes, which pip believes also of what builds require."""
        files = _made(self.folder / "files")
        links = []
        for pin in pins:
            there = files / pin.file.filename
            if not there.is_file():
                _link(self.lying(pin), there)
            links.append(link(pin.file.filename, pin.sha256, "files"))
        page = self.folder / "page.html"
        page.write_text(links_page("to build", links), encoding="utf-8")
        return page


def _check_pure(wheel: Path, own: set[str]) -> None:
    """Refuse a wheel that says it is for every platform, and holds what was compiled for one.

    :param own: names of files that the sdist itself has
    """
    if not wheel.name.endswith("-any.whl"):
        return
    with zipfile.ZipFile(wheel) as archive:
        names = (PurePosixPath(name).name for name in archive.namelist())
        compiled = [name for name in names if name.endswith(_COMPILED) and name not in own]
    if compiled:
        raise failure.HookError(
            f"error: {wheel.name} says that it is for every platform, and holds {compiled[0]}, "
            "which was compiled here",
            hopeless=True,
        )


def _project(want: str) -> str:
    try:
        return canonicalize_name(Requirement(want).name)
    except InvalidRequirement:
        return ""


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
