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

from packaging.tags import Tag
from packaging.version import Version

from devpi_warmup import console
from devpi_warmup.build import failure, former, sandbox
from devpi_warmup.build.attempt import Attempt
from devpi_warmup.build.error import BuildError
from devpi_warmup.build.host import is_native
from devpi_warmup.build.repair import AUDITWHEEL
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
    from collections.abc import Iterator, Sequence

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
    :param hopeless: whether it fails on every machine that has no network
    """

    built: Built | None
    error: BuildError | None
    record: ToBuildRecord | None
    hopeless: bool = False


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
        tried = self._known(sdist, target, sdists)
        if tried is not None:
            return self._unbuilt(sdist, target, tried, tried.problem if native else "")
        able, same = self._builders(sdist, target)
        found = []
        for interpreter in dict.fromkeys((able, same)):
            if interpreter is not None:
                found.append(self._try(sdist, interpreter, target, sdists))
                if fitting := self._fitting(sdist, target, sdists):
                    return fitting
        last = found[-1]
        if native and last.error is not None:
            raise last.error
        record = next((one.record for one in reversed(found) if one.record is not None), None)
        if record is None or last.hopeless:
            assert last.error is not None  # noqa: S101 - what is built is known
            raise last.error
        lacks = f"no Python {target.python} was found here that can build it"
        why = "" if not native else lacks if same is None else record.problem
        return self._unbuilt(sdist, target, record, why)

    def _known(self, sdist: Sdist, target: Target, sdists: Sdists) -> ToBuildRecord | None:
        """Return what a former run has learnt of an sdist by the Python of a target.

        What fits the target by now is built again, and so is what auditwheel had no word on.
        """
        for record in self._former(sdist, sdists)[1]:
            # The patch release aside, as wheels have it.
            same = Version(record.python).release[:2] == target.version[:2]
            if same and _is_for_others(record, target):
                return record
        return None

    def _fitting(self, sdist: Sdist, target: Target, sdists: Sdists) -> Built | None:
        """Return a wheel of an sdist that fits a target, built before or in this run."""
        tried = [one.built for key, one in self._tried.items() if key[:2] == (sdist.file, sdists)]
        for built in (*self._former(sdist, sdists)[0], *tried):
            if built and target.rank(built.wheel.tags) is not None:
                return built
        return None

    def _builders(self, sdist: Sdist, target: Target) -> tuple[Interpreter, Interpreter | None]:
        """Return a Python that can build an sdist, and that of the target if it is here.

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
        return able, self.interpreters.of(target)

    @property
    def ran(self) -> bool:
        """Whether anything was built, or was tried to be."""
        return any(tried.error or tried.built for tried in self._tried.values())

    def carried(
        self, unbuilt: Sequence[Unbuilt], target: Target, sdists: Sdists
    ) -> tuple[ToBuild, ...]:
        """Return what has to be carried to build sdists on a target, all with the same files.

        pip builds them with what one page has, and takes the newest of it.

        :raises WarmupError: what building them requires cannot be had, or not together
        """
        wants = {want: one.sdist for one in unbuilt for want in one.record.wants}
        tools = self._tools.together(wants, sdists, target)
        return tuple(
            ToBuild(
                project=one.sdist.project,
                version=one.sdist.version,
                sdist=one.sdist.file,
                sha256=(stored := self.fetcher.file(one.sdist.file)).sha256,
                size=stored.size,
                requires=tools.pins,
                builds=tools.builds,
                record=one.record,
                markers=tools.evaluated,
            )
            for one in unbuilt
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

    def _try(
        self, sdist: Sdist, interpreter: Interpreter, target: Target, sdists: Sdists
    ) -> _Tried:
        key = (sdist.file, sdists, interpreter.target)
        if key not in self._tried:
            for record in self._former(sdist, sdists)[1]:
                same = record.python == interpreter.target.full_version
                if same and _is_for_others(record, target):
                    return _Tried(None, None, record)
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
                kept=self._kept(interpreter),
                resolve=lambda wants: self._tools.resolve(wants, sdists, sdist, interpreter.target),
                lying=lambda pin: self.fetcher.file(pin.file).path,
            )
            hopeless = False
            try:
                with console.never_silent(f"{sdist} is being built"):
                    made = attempt.run()
                built, problem = self._taken(sdist, attempt, made, sdists)
            except failure.HookError as error:
                hopeless = error.hopeless
                failed = self._failed(sdist, interpreter, error.output)
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
            if not known:
                return _Tried(None, failed, None, hopeless)
            return _Tried(None, failed, self._record(attempt, sdists, failed=short))

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

    def _kept(self, interpreter: Interpreter) -> tuple[Path, ...]:
        """Return what a build must not change, though it runs as the user."""
        places = interpreter.pip.places
        return (self.root, self.fetcher.wheelhouse.path, *places, Path.home())

    def _failed(self, sdist: Sdist, interpreter: Interpreter, output: str) -> BuildError:
        try:
            logs = self.fetcher.wheelhouse.path / LOGS
            logs.mkdir(exist_ok=True)
            log = logs / f"{sdist.project}-{sdist.version}-{interpreter.target.abi}.txt"
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


def _is_for_others(record: ToBuildRecord, target: Target) -> bool:
    """Whether the wheel that a record is of does not serve a target, as far as that is known."""
    tags = frozenset(Tag(*tag.split("-")) for tag in record.tags.split(", ") if tag.count("-") == 2)  # noqa: PLR2004
    return target.rank(tags) is None and not record.problem.startswith(AUDITWHEEL)


def _stand_in(sdist: Sdist) -> IndexFile:
    """Return the name of a wheel of an sdist that nobody has built."""
    name = sdist.project.replace("-", "_")
    return IndexFile(f"{name}-{sdist.version}-py3-none-any.whl", "")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="devpi-warmup-", ignore_cleanup_errors=True) as name:
        yield Path(name)
