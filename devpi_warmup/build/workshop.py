"""Where one interpreter builds one sdist: a wheel comes of it, or the reason why none does."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from devpi_warmup import console
from devpi_warmup.build import failure, former, sandbox
from devpi_warmup.build.attempt import Attempt
from devpi_warmup.build.error import BuildError
from devpi_warmup.digests import digest
from devpi_warmup.errors import WarmupError, indented
from devpi_warmup.index.pages import IndexFile, parse_wheel
from devpi_warmup.resolve.builds import Built
from devpi_warmup.wheelhouse.build_record import BuildRecord, ToBuildRecord
from devpi_warmup.wheelhouse.files import write_error
from devpi_warmup.wheelhouse.lock import Build
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.wheels import core_of, read_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devpi_warmup.build.host import Interpreter
    from devpi_warmup.build.repair import Repaired
    from devpi_warmup.build.tools import Tools
    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import Sdist
    from devpi_warmup.inputs.sdists import Sdists

_LARGE = 100_000_000  # bytes of an sdist that is worth a word before it is built
LOGS = "build-logs"


@dataclass(frozen=True)
class Tried:
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


@dataclass(frozen=True)
class Workshop:
    """Builds sdists.

    :param tools: finds what that requires
    :param own: the interpreter that needs no word
    :param root: the repository
    """

    fetcher: Fetcher
    tools: Tools
    own: Interpreter
    root: Path

    def attempt(self, sdist: Sdist, interpreter: Interpreter, sdists: Sdists) -> Tried:
        """Build an sdist, and tell what came of it.

        :raises FileError: it cannot be had
        """
        size = self.fetcher.size(sdist.file)
        if size > _LARGE:
            console.say(
                f"{sdist} has no wheel that fits: its sdist has {console.megabytes(size)}; to "
                "fetch and build it takes minutes, and its wheel may be as large"
            )
        stored = self.fetcher.file(sdist.file)
        own = interpreter is self.own
        by = "" if own else f" with Python {interpreter.target.full_version}"
        console.say(f"{sdist} has no wheel that fits: building it of {sdist.file.filename}{by}")
        with _folder() as folder:
            attempt = Attempt(
                sdist=stored,
                filename=sdist.file.filename,
                interpreter=interpreter,
                folder=folder,
                kept=self._kept(interpreter),
                resolve=lambda wants: self.tools.resolve(wants, sdists, sdist, interpreter.target),
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
                return Tried(built, None, record)
            known = bool(attempt.metadata) and not hopeless
            said, _, why = failed.title.partition("cannot be built: ")
            short = (why or said).rstrip(".")
            if not known:
                return Tried(None, failed, None, hopeless)
            return Tried(None, failed, self._record(attempt, sdists, failed=short))

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
        except (WarmupError, ValueError) as error:
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


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="devpi-warmup-", ignore_cleanup_errors=True) as name:
        yield Path(name)
