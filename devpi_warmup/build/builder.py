"""What becomes of an sdist for a target: a wheel that is built here, or one to be built there."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from packaging.version import Version

from devpi_warmup import console
from devpi_warmup.build import failure, former, sandbox
from devpi_warmup.build.attempt import Attempt
from devpi_warmup.build.error import BuildError
from devpi_warmup.build.host import is_native
from devpi_warmup.build.tools import Tools
from devpi_warmup.digests import digest
from devpi_warmup.errors import WarmupError, indented
from devpi_warmup.index.pages import IndexFile, parse_wheel
from devpi_warmup.resolve.builds import Built, Unbuilt
from devpi_warmup.wheelhouse.build_record import BuildRecord, ToBuildRecord
from devpi_warmup.wheelhouse.files import write_error
from devpi_warmup.wheelhouse.lock import Build, ToBuild
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.wheels import core_of, parse_metadata, read_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devpi_warmup.build.host import Interpreter, Interpreters
    from devpi_warmup.build.repair import Repaired
    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import Sdist
    from devpi_warmup.inputs.sdists import Sdists
    from devpi_warmup.inputs.targets import Target

_LARGE = 100_000_000  # bytes of an sdist that is worth a word before it is built
LOGS = "build-logs"


@dataclass(frozen=True)
class _Tried:
    """What one interpreter has made of an sdist.

    :param built: the wheel, if there is one
    :param error: why there is none
    :param record: what is known for whoever builds it elsewhere; None: not enough
    """

    built: Built | None
    error: BuildError | None
    record: ToBuildRecord | None


@dataclass
class Builder:
    """Builds the sdists of a run, each once by an interpreter.

    :param interpreters: the Pythons that can build
    :param former: what was built before
    :param root: the repository
    """

    fetcher: Fetcher
    interpreters: Interpreters
    former: former.Former
    root: Path
    _tried: dict[tuple[IndexFile, Sdists, Target], _Tried] = field(default_factory=dict)
    _before: dict[tuple[IndexFile, Sdists], tuple[tuple[Built, ...], tuple[ToBuildRecord, ...]]] = (
        field(default_factory=dict)
    )

    def __post_init__(self) -> None:
        """Have what builds require resolved, which may take builds itself."""
        self._tools = Tools(self.fetcher, self)

    def made(self, sdist: Sdist, target: Target, sdists: Sdists) -> Built | Unbuilt:
        """Return what becomes of an sdist for a target.

        :raises WarmupError: it can be built neither here nor, as far as is known, elsewhere
        """
        if fitting := self._fitting(sdist, target, sdists):
            return fitting
        native = is_native(target)
        if native:
            # The patch release aside, as wheels have it.
            _, records = self._former(sdist, sdists)
            mine = [r for r in records if Version(r.python).release[:2] == target.version[:2]]
            if mine:
                return self._unbuilt(sdist, target, mine[0], mine[0].problem)
        able, same = self._builders(sdist, target)
        for interpreter in (able, same):
            if interpreter is not None:
                tried = self._try(sdist, interpreter, sdists)
                if fitting := self._fitting(sdist, target, sdists):
                    return fitting
        if tried.error is not None and (native or tried.record is None):
            raise tried.error
        assert tried.record is not None  # noqa: S101 - what is built is known
        lacks = f"there is no Python {target.python} to build it with where nox looks for one"
        why = "" if not native else lacks if same is None else tried.record.problem
        return self._unbuilt(sdist, target, tried.record, why)

    def _fitting(self, sdist: Sdist, target: Target, sdists: Sdists) -> Built | None:
        """Return a wheel of an sdist that fits a target, built before or in this run."""
        tried = [one.built for key, one in self._tried.items() if key[:2] == (sdist.file, sdists)]
        for built in (*self._former(sdist, sdists)[0], *tried):
            if built and target.rank(built.wheel.tags) is not None:
                return built
        return None

    def _builders(self, sdist: Sdist, target: Target) -> tuple[Interpreter, Interpreter | None]:
        """Return a Python that can build an sdist, and that of the target where it is here.

        :raises BuildError: there is none
        """
        needs = sdist.file.requires_python
        able = self.interpreters.able(needs)
        if able is None:
            raise BuildError(
                sdist,
                f"{sdist} needs Python {needs} to be built, and nox runs on "
                f"{self.interpreters.own.target.full_version}",
                hint="install such a Python where nox finds it, or allow another version in sdists",
            )
        return able, self.interpreters.of(target) if is_native(target) else None

    @property
    def ran(self) -> bool:
        """Whether anything was built, or was tried to be."""
        return any(tried.error or tried.built for tried in self._tried.values())

    def carried(self, unbuilt: Unbuilt, target: Target, sdists: Sdists) -> ToBuild:
        """Return what has to be carried to build an sdist on a target.

        :raises WarmupError: what building it requires cannot be had
        """
        sdist = unbuilt.sdist
        stored = self.fetcher.file(sdist.file)
        tools = self._tools.resolve(unbuilt.record.wants, sdists, sdist, target)
        return ToBuild(
            project=sdist.project,
            version=sdist.version,
            sdist=sdist.file,
            sha256=stored.sha256,
            size=stored.size,
            requires=tools.pins,
            builds=tools.builds,
            record=unbuilt.record,
        )

    def _former(
        self, sdist: Sdist, sdists: Sdists
    ) -> tuple[tuple[Built, ...], tuple[ToBuildRecord, ...]]:
        key = (sdist.file, sdists)
        if key not in self._before:
            own = self.interpreters.own.target
            self._before[key] = (
                tuple(self.former.built(sdist, sdists, own)),
                self.former.to_build(sdist, sdists, own),
            )
        return self._before[key]

    def _unbuilt(self, sdist: Sdist, target: Target, record: ToBuildRecord, why: str) -> Unbuilt:
        if record.failed:
            why = f"here it cannot be built: {record.failed}"
        elif not why:
            why = f"the wheel that is built of it here is for {record.tags}"
        why += f"; what it requires is taken from {record.known_by}"
        if record.unsure:
            why += f", and {record.unsure}"
        wheel = parse_wheel(sdist.project, _stand_in(sdist))
        assert wheel is not None  # noqa: S101
        try:
            metadata = parse_metadata(record.metadata.encode(), wheel)
        except WarmupError as error:
            raise BuildError(sdist, f"{sdist} says of itself what cannot be: {error}") from None
        if not target.fits_python(str(metadata.requires_python)):
            raise BuildError(
                sdist,
                f"{sdist} is for Python {metadata.requires_python}, the target has "
                f"{target.full_version}",
                hint="require another version of it for that target",
            )
        return Unbuilt(sdist, metadata, replace(record, why=why))

    def _try(self, sdist: Sdist, interpreter: Interpreter, sdists: Sdists) -> _Tried:
        key = (sdist.file, sdists, interpreter.target)
        if key not in self._tried:
            version = interpreter.target.full_version
            known = [r for r in self._former(sdist, sdists)[1] if r.python == version]
            if known:
                self._tried[key] = _Tried(None, None, known[0])
                return self._tried[key]
            with self._tools.opened(sdist):
                self._tried[key] = self._attempt(sdist, interpreter, sdists)
        return self._tried[key]

    def _attempt(self, sdist: Sdist, interpreter: Interpreter, sdists: Sdists) -> _Tried:
        size = self.fetcher.size(sdist.file)
        if size > _LARGE:
            console.say(
                f"{sdist} has no wheel that fits: its sdist has {console.megabytes(size)}; to "
                "fetch and build it takes minutes, and its wheel may be as large"
            )
        stored = self.fetcher.file(sdist.file)
        own = interpreter is self.interpreters.own
        by = "" if own else f" with Python {interpreter.target.full_version}"
        console.say(f"{sdist} has no wheel that fits: building it of {sdist.file.filename}{by}")
        with _folder() as folder:
            attempt = Attempt(
                sdist=stored,
                filename=sdist.file.filename,
                interpreter=interpreter,
                folder=folder,
                kept=self._kept(folder, interpreter),
                resolve=lambda wants: self._tools.resolve(wants, sdists, sdist, interpreter.target),
                lying=lambda pin: self.fetcher.file(pin.file).path,
            )
            hopeless = False
            try:
                with console.never_silent(f"{sdist} is being built"):
                    made = attempt.run()
                built, problem = self._taken(sdist, attempt, made, sdists)
            except failure.HookError as error:
                hopeless, failed = error.hopeless, self._failed(sdist, error.output)
            except subprocess.TimeoutExpired:
                failed = BuildError(
                    sdist,
                    f"{sdist} was not built within {sandbox.TIMEOUT / 60:.0f} minutes",
                    hint="leave it out of sdists, or require a version that has a wheel",
                )
            except BuildError as error:
                failed = error
            else:
                tags = ", ".join(sorted(map(str, built.wheel.tags)))
                record = self._record(attempt, sdists, tags=tags, problem=problem)
                return _Tried(built, None, record)
            known = bool(attempt.metadata) and not hopeless
            said, _, why = failed.title.partition("cannot be built: ")
            short = (why or said).rstrip(".")
            return _Tried(
                None, failed, self._record(attempt, sdists, failed=short) if known else None
            )

    @staticmethod
    def _record(
        attempt: Attempt, sdists: Sdists, *, tags: str = "", problem: str = "", failed: str = ""
    ) -> ToBuildRecord:
        target = attempt.interpreter.target
        return ToBuildRecord(
            why="",
            metadata=attempt.metadata,
            known_by=attempt.known_by,
            wants=tuple(sorted(attempt.wants)),
            unsure=attempt.unsure,
            failed=failed,
            tags=tags,
            problem=problem,
            python=target.full_version,
            platform=target.platform,
            constraints=former.told(sdists),
        )

    def _taken(
        self, sdist: Sdist, attempt: Attempt, made: Repaired, sdists: Sdists
    ) -> tuple[Built, str]:
        """Take a wheel that was built into the staging of the wheelhouse, if it is of its sdist."""
        place = self.fetcher.wheelhouse.staging / f"{uuid4().hex}.built"
        try:
            shutil.move(made.path, place)
        except OSError as error:
            raise write_error(self.fetcher.wheelhouse.path, error) from None
        file = IndexFile(made.path.name, "", digest(place), origin=Origin.BUILT, path=str(place))
        wheel = parse_wheel(sdist.project, file)
        if wheel is None or wheel.version != sdist.version:
            raise BuildError(
                sdist,
                f"{sdist.file.filename} gives {file.filename}, which is not {sdist}",
                hint="require another version",
            )
        try:
            attempt.metadata = core_of(read_metadata(place, wheel))
        except WarmupError as error:
            raise BuildError(sdist, f"{sdist}: {error}") from None
        attempt.known_by = "that wheel"
        assert attempt.tools is not None  # noqa: S101 - it was built with them
        pins, target = attempt.tools.pins, attempt.interpreter.target
        record = BuildRecord(
            sdist=sdist.file.filename,
            sha256=attempt.sdist.sha256,
            python=target.full_version,
            platform=target.platform,
            pip=attempt.interpreter.pip.version,
            backend=attempt.backend,
            requires={pin.file.filename: pin.sha256 for pin in pins},
            epoch=attempt.epoch,
            constraints=former.told(sdists),
            isolation=sandbox.name(),
            auditwheel=made.version,
        )
        names = ", ".join(map(str, pins)) or "nothing"
        console.say(f"{sdist}: built, {file.filename}, with {names}")
        build = Build(
            project=sdist.project,
            version=sdist.version,
            sdist=sdist.file,
            sha256=attempt.sdist.sha256,
            size=attempt.sdist.size,
            requires=pins,
            builds=attempt.tools.builds,
            file=file,
            record=record,
        )
        return Built(wheel, build), made.problem

    def _kept(self, folder: Path, interpreter: Interpreter) -> tuple[Path, ...]:
        """Return what a build must not change, though it runs as the user."""
        wheelhouse = self.fetcher.wheelhouse.path
        environment = Path(interpreter.pip.python).parent.parent
        kept = (self.root, wheelhouse, environment, Path.home())
        return tuple(p.resolve() for p in kept if not folder.resolve().is_relative_to(p.resolve()))

    def _failed(self, sdist: Sdist, output: str) -> BuildError:
        try:
            logs = self.fetcher.wheelhouse.path / LOGS
            logs.mkdir(exist_ok=True)
            log = logs / f"{sdist.project}-{sdist.version}.txt"
            log.write_text(output, encoding="utf-8", errors="replace")
        except OSError as error:
            raise write_error(self.fetcher.wheelhouse.path, error) from None
        shown = f"{self.fetcher.wheelhouse.shown}/{LOGS}/{log.name}"
        *more, last = failure.lines_that_matter(output) or ["it says nothing"]
        more.append(f"the whole output is in {shown}")
        return BuildError(
            sdist,
            f"{sdist} cannot be built: {last}\n{indented(more)}",
            hint=failure.hint(output, sdist.project),
        )


def _stand_in(sdist: Sdist) -> IndexFile:
    """Return the name of a wheel of an sdist that nobody has built."""
    name = sdist.project.replace("-", "_")
    return IndexFile(f"{name}-{sdist.version}-py3-none-any.whl", "")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="devpi-warmup-", ignore_cleanup_errors=True) as name:
        yield Path(name)
