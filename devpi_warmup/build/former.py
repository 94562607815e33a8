"""Builds of former runs, which stand while everything that went into them is the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from devpi_warmup.index.pages import IndexFile, parse_sdist, parse_wheel
from devpi_warmup.resolve.builds import Built
from devpi_warmup.wheelhouse.lock import Build, Pin
from devpi_warmup.wheelhouse.origins import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import Sdist, Wheel
    from devpi_warmup.inputs.sdists import Sdists
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.wheelhouse.build_record import ToBuildRecord
    from devpi_warmup.wheelhouse.file_entry import FileEntry
    from devpi_warmup.wheelhouse.manifest import Manifest


@dataclass(frozen=True)
class Former:
    """What was built before, by the manifest.

    :param manifest: as it was before the run
    """

    fetcher: Fetcher
    manifest: Manifest

    def built(self, sdist: Sdist, sdists: Sdists, own: Target) -> Iterator[Built]:
        """Yield the wheels of an sdist, and how they were built, where that would be so again.

        :param own: the interpreter that builds what is not of one version of Python
        """
        wanted = (sdist.file.filename, own.platform, told(sdists))
        for filename, entry in self.manifest.files.items():
            record = entry.built
            if record is None or wanted != (record.sdist, record.platform, record.constraints):
                continue
            if sdist.file.sha256 not in {"", record.sha256}:
                continue
            if record.python != own.full_version and filename.endswith("-any.whl"):
                continue
            if found := self._again(filename, entry, sdist):
                yield found

    def to_build(self, sdist: Sdist, sdists: Sdists, own: Target) -> tuple[ToBuildRecord, ...]:
        """Return what is known of an sdist that has to be built elsewhere, and was built here.

        What failed here is tried again: the machine may have what it lacked.

        :param own: the interpreter that builds what is not of one version of Python
        """
        name = sdist.file.filename
        cells = [cell for cell in self.manifest.cells.values() if name in cell.to_build]
        if not cells:
            return ()
        sha256 = self.fetcher.file(sdist.file).sha256
        wanted = ("", own.platform, told(sdists))
        records = [cell.to_build[name] for cell in cells if cell.files[name] == sha256]
        return tuple(r for r in records if (r.failed, r.platform, r.constraints) == wanted)

    def _again(self, filename: str, entry: FileEntry, sdist: Sdist) -> Built | None:
        record, wheelhouse = entry.built, self.fetcher.wheelhouse
        path = str(wheelhouse.path / filename)
        file = IndexFile(filename, "", entry.sha256, origin=Origin.BUILT, path=path)
        wheel = parse_wheel(sdist.project, file)
        if record is None or wheel is None or wheelhouse.find(filename, entry.sha256) is None:
            return None
        stored = self.fetcher.file(sdist.file)
        if stored.sha256 != record.sha256:
            return None
        pins, builds = list[Pin](), list[Build]()
        for name, sha256 in record.requires.items():
            tool = self._tool(name, sha256, builds)
            if tool is None:
                return None
            needs = str(self.fetcher.metadata(tool).requires_python)
            size = self.fetcher.file(tool.file).size
            pins.append(Pin(tool.project, tool.version, tool.file, sha256, size, (), (), needs))
        build = Build(
            project=sdist.project,
            version=sdist.version,
            sdist=sdist.file,
            sha256=stored.sha256,
            size=stored.size,
            requires=tuple(sorted(pins, key=lambda pin: pin.project)),
            builds=tuple(builds),
            file=file,
            record=record,
        )
        return Built(wheel, build)

    def _tool(self, filename: str, sha256: str, builds: list[Build]) -> Wheel | None:
        """Return what a build required: the index still has that file, or it was built.

        :param builds: takes how it was
        """
        project = canonicalize_name(filename.split("-", maxsplit=1)[0])
        page = self.fetcher.page(project)
        for wheel in page.wheels:
            if wheel.file.filename == filename:
                return wheel if self.fetcher.file(wheel.file).sha256 == sha256 else None
        entry = self.manifest.files.get(filename)
        if entry is None or entry.built is None or entry.sha256 != sha256:
            return None
        for file in page.others:
            if file.filename == entry.built.sdist and (sdist := parse_sdist(project, file)):
                found = self._again(filename, entry, sdist)
                if found is not None:
                    builds.append(found.build)
                    return found.wheel
        return None


def told(sdists: Sdists) -> tuple[str, ...]:
    """Return the constraints of builds as records have them."""
    return tuple(str(root.requirement) for root in sdists.constraints)
