"""What building an sdist requires, resolved for one target and all together."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from devpi_warmup.build.error import BuildError
from devpi_warmup.errors import WarmupError, indented
from devpi_warmup.index.pages import parse_wheel
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.patches import Patches
from devpi_warmup.inputs.requirement_files import Reader
from devpi_warmup.inputs.requirements import RequirementSet
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.wheelhouse.lock import Lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.markers import Marker

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import Sdist
    from devpi_warmup.inputs.sdists import Sdists
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.resolve.builds import Builds
    from devpi_warmup.wheelhouse.lock import Build, Pin


_OWN_WHEELS = Version("70.1")


@dataclass(frozen=True)
class Together:
    """What builds require.

    :param lock: as exact files
    :param evaluated: every marker that was evaluated to know that
    """

    lock: Lock
    evaluated: tuple[Marker, ...]

    @property
    def pins(self) -> tuple[Pin, ...]:
        """The exact files."""
        return self.lock.pins

    @property
    def builds(self) -> tuple[Build, ...]:
        """How the ones among them were built that were built here."""
        return self.lock.builds


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
        return self.together(dict.fromkeys(wants, sdist), sdists, target).lock

    def together(self, wants: Mapping[str, Sdist], sdists: Sdists, target: Target) -> Together:
        """Return what several builds require on a target, in one version each.

        :param wants: what is required, as lines, and by what sdist
        :raises BuildError: it cannot be had, or not together
        """
        cell = Cell(target)
        reader = Reader(Path(), {})
        for want, sdist in sorted(wants.items()):
            reader.line(want, f"{sdist} (to be built)")
        names = ", ".join(dict.fromkeys(map(str, wants.values())))
        first = next(iter(wants.values()), None)
        if first is None:
            return Together(Lock(cell, (), Patches("", "")), ())
        found = reader.found()
        roots = found.requirements
        urls = [f"{root.where}: {root} is past the index" for root in roots if root.url]
        if wrong := [*map(str, reader.problems), *urls]:
            raise BuildError(
                first, f"{names} requires to be built what cannot be had:\n{indented(wrong)}"
            )
        both = RequirementSet(found.requirements, sdists.constraints, "", sdists=sdists)
        try:
            lock = resolve(both, cell, self._fetcher, self._builds)
            if _lacks_wheel(lock):
                reader.line("wheel", f"{first} (to be built)")
                both = replace(both, requirements=reader.found().requirements)
                lock = resolve(both, cell, self._fetcher, self._builds)
        except WarmupError as error:
            raise BuildError(
                first,
                f"{names}: what it requires to be built cannot be had\n{error.args[0]}",
                hint=error.hint,
            ) from None
        if lock.to_build:
            inner = ", ".join(f"{one.project} {one.version}" for one in lock.to_build)
            raise BuildError(
                first,
                f"{names} requires {inner} to be built, which has no wheel for {target} itself",
                hint="bring a wheel of it: wheels = […]",
            )
        lines = (root.requirement.marker for root in both.requirements)
        return Together(lock, (*filter(None, lines), *self._markers(lock)))

    def _markers(self, lock: Lock) -> Iterator[Marker]:
        """Yield the markers in the metadata of what builds require."""
        for pin in lock.pins:
            wheel = parse_wheel(pin.project, pin.file)
            if wheel is not None:
                requires = self._fetcher.metadata(wheel).requires
                yield from filter(None, (requirement.marker for requirement in requires))


def _lacks_wheel(lock: Lock) -> bool:
    """Whether setuptools is to build without ``wheel``, which it needs before 70.1 (its changelog).

    Then its backend asks for it, whatever that of this machine has said.
    """
    versions = {pin.project: pin.version for pin in lock.pins}
    setuptools = versions.get(canonicalize_name("setuptools"))
    return setuptools is not None and setuptools < _OWN_WHEELS and "wheel" not in versions
