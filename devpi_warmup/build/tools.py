"""What building an sdist requires, resolved for one target and all together."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from devpi_warmup.build.error import BuildError
from devpi_warmup.errors import WarmupError, indented
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.patches import Patches
from devpi_warmup.inputs.requirement_files import Reader
from devpi_warmup.inputs.requirements import RequirementSet
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.wheelhouse.lock import Lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import Sdist
    from devpi_warmup.inputs.sdists import Sdists
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.resolve.builds import Builds


class Tools:
    """Resolves what builds require, which may take builds itself."""

    def __init__(self, fetcher: Fetcher, builds: Builds) -> None:
        """Resolve from one index.

        :param builds: builds what has no wheel among them
        """
        self._fetcher = fetcher
        self._builds = builds
        self._open: list[Sdist] = []

    @contextmanager
    def opened(self, sdist: Sdist) -> Iterator[None]:
        """Know that an sdist is being built.

        :raises BuildError: it is so already, and so needs itself
        """
        if sdist in self._open:
            way = " → ".join(map(str, (*self._open, sdist)))
            raise BuildError(
                sdist,
                f"{sdist} needs itself to be built: {way}",
                hint="one of them must have a wheel: require another version of it",
            )
        self._open.append(sdist)
        try:
            yield
        finally:
            self._open.pop()

    def resolve(self, wants: Iterable[str], sdists: Sdists, sdist: Sdist, target: Target) -> Lock:
        """Return what a build requires on a target, as exact files.

        :raises BuildError: it cannot be had
        """
        cell = Cell(target)
        reader = Reader(Path(), {})
        for want in sorted(wants):
            reader.line(want, f"{sdist} (to be built)")
        if reader.problems:
            lines = indented(map(str, reader.problems))
            raise BuildError(sdist, f"{sdist} requires to be built what cannot be had:\n{lines}")
        found = reader.found()
        if not found.requirements:
            return Lock(cell, (), Patches("", ""))
        both = RequirementSet(found.requirements, sdists.constraints, "", sdists=sdists)
        try:
            lock = resolve(both, cell, self._fetcher, self._builds)
        except WarmupError as error:
            raise BuildError(
                sdist,
                f"{sdist}: what it requires to be built cannot be had\n{error.args[0]}",
                hint=error.hint,
            ) from None
        if lock.to_build:
            names = ", ".join(f"{one.project} {one.version}" for one in lock.to_build)
            raise BuildError(
                sdist,
                f"{sdist} requires {names} to be built, which has no wheel for {target} itself",
                hint="bring a wheel of it: wheels = […]",
            )
        return lock
