"""Builds of former runs, which stand while everything that went into them is the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from devpi_warmup.build.host import host_target
from devpi_warmup.index.pages import IndexFile, parse_sdist, parse_wheel
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.patches import Patches
from devpi_warmup.wheelhouse.lock import Build, Lock, Pin
from devpi_warmup.wheelhouse.origins import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import Sdist, Wheel
    from devpi_warmup.inputs.sdists import Sdists
    from devpi_warmup.wheelhouse.build_record import BuildRecord
    from devpi_warmup.wheelhouse.files import StoredFile
    from devpi_warmup.wheelhouse.manifest import FileEntry


@dataclass(frozen=True)
class Former:
    """What was built before, by the manifest.

    :param known: its files
    """

    fetcher: Fetcher
    known: Mapping[str, FileEntry]

    def build(self, sdist: Sdist, sdists: Sdists) -> tuple[Wheel, Build] | None:
        """Return the wheel that was built of an sdist, and how, where it would be the same."""
        host = host_target()
        wanted = (sdist.file.filename, host.full_version, host.platform, told(sdists))
        for filename, entry in self.known.items():
            record = entry.built
            if record is None or wanted != (
                *(record.sdist, record.python, record.platform, record.constraints),
            ):
                continue
            if sdist.file.sha256 in {"", record.sha256} and (
                found := self._again(filename, entry, sdist)
            ):
                return found
        return None

    def _again(self, filename: str, entry: FileEntry, sdist: Sdist) -> tuple[Wheel, Build] | None:
        record, wheelhouse = entry.built, self.fetcher.wheelhouse
        path = str(wheelhouse.path / filename)
        file = IndexFile(filename, "", entry.sha256, origin=Origin.BUILT, path=path)
        wheel = parse_wheel(sdist.project, file)
        if record is None or wheel is None or wheelhouse.find(filename, entry.sha256) is None:
            return None
        stored = self.fetcher.lying(sdist.file)
        if stored.sha256 != record.sha256:
            return None
        pins, builds = list[Pin](), list[Build]()
        for name, sha256 in record.requires.items():
            tool = self._tool(name, sha256, builds)
            if tool is None:
                return None
            needs = str(self.fetcher.metadata(tool).requires_python)
            size = self.fetcher.lying(tool.file).size
            pins.append(Pin(tool.project, tool.version, tool.file, sha256, size, (), (), needs))
        pins.sort(key=lambda pin: pin.project)
        tools = Lock(Cell(host_target()), tuple(pins), Patches("", ""), (), tuple(builds))
        return wheel, entered(sdist, stored, wheel, tools, record)

    def _tool(self, filename: str, sha256: str, builds: list[Build]) -> Wheel | None:
        """Return what a build required: the index still has that file, or it was built.

        :param builds: takes how it was
        """
        project = canonicalize_name(filename.split("-", maxsplit=1)[0])
        page = self.fetcher.page(project)
        for wheel in page.wheels:
            if wheel.file.filename == filename:
                return wheel if self.fetcher.file(wheel.file).sha256 == sha256 else None
        entry = self.known.get(filename)
        if entry is None or entry.built is None or entry.sha256 != sha256:
            return None
        for file in page.others:
            if file.filename == entry.built.sdist and (sdist := parse_sdist(project, file)):
                found = self._again(filename, entry, sdist)
                if found is not None:
                    builds.append(found[1])
                    return found[0]
        return None


def entered(
    sdist: Sdist, stored: StoredFile, wheel: Wheel, tools: Lock, record: BuildRecord
) -> Build:
    """Return a build as locks and the manifest have it.

    :param tools: what it required, resolved
    """
    return Build(
        wheel.file, sdist.file, stored.sha256, stored.size, tools.pins, record, tools.builds
    )


def told(sdists: Sdists) -> tuple[str, ...]:
    """Return the constraints of builds as records have them."""
    return tuple(str(root.requirement) for root in sdists.constraints)
