"""What becomes of an sdist for a target: a wheel that is built here, or one to be built there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from packaging.tags import Tag
from packaging.version import Version

from devpi_warmup.build.error import BuildError
from devpi_warmup.build.host import is_native
from devpi_warmup.build.repair import AUDITWHEEL
from devpi_warmup.build.tools import Tools
from devpi_warmup.build.workshop import Tried, Workshop
from devpi_warmup.errors import WarmupError
from devpi_warmup.index.pages import IndexFile, Wheel
from devpi_warmup.resolve.builds import Built, Unbuilt
from devpi_warmup.wheelhouse.lock import ToBuild
from devpi_warmup.wheelhouse.wheels import parse_metadata

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from devpi_warmup.build.former import Former
    from devpi_warmup.build.host import Interpreter, Interpreters
    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import Sdist
    from devpi_warmup.inputs.sdists import Sdists
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.wheelhouse.build_record import ToBuildRecord


@dataclass
class Builder:
    """Builds the sdists of a run, each once by an interpreter.

    :param interpreters: the Pythons that can build
    :param former: what was built before
    :param root: the repository
    """

    fetcher: Fetcher
    interpreters: Interpreters
    former: Former
    root: Path
    _tried: dict[tuple[IndexFile, Sdists, Target], Tried] = field(default_factory=dict)
    _before: dict[tuple[IndexFile, Sdists], tuple[tuple[Built, ...], tuple[ToBuildRecord, ...]]] = (
        field(default_factory=dict)
    )

    def __post_init__(self) -> None:
        """Have what builds require resolved, which may take builds itself."""
        self._tools = Tools(self.fetcher, self)
        own = self.interpreters.own
        self._workshop = Workshop(self.fetcher, self._tools, own, self.root)

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
        lacks = f"no Python {target.python} was found here to build it (PYENV_VERSION, with pyenv)"
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
        wheel = Wheel(sdist.project, sdist.version, (), frozenset(), sdist.file)
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

    def _try(self, sdist: Sdist, interpreter: Interpreter, target: Target, sdists: Sdists) -> Tried:
        key = (sdist.file, sdists, interpreter.target)
        if key not in self._tried:
            for record in self._former(sdist, sdists)[1]:
                same = record.python == interpreter.target.full_version
                if same and _is_for_others(record, target):
                    return Tried(None, None, record)
            with self._tools.opened(sdist):
                self._tried[key] = self._workshop.attempt(sdist, interpreter, sdists)
        return self._tried[key]


def _is_for_others(record: ToBuildRecord, target: Target) -> bool:
    """Whether the wheel that a record is of does not serve a target, as far as that is known."""
    tags = frozenset(Tag(*tag.split("-")) for tag in record.tags.split(", ") if tag.count("-") == 2)  # noqa: PLR2004
    return target.rank(tags) is None and not record.problem.startswith(AUDITWHEEL)
