"""What of the last run may stand is looked at beside everything else, and read ahead of that."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from devpi_warmup.errors import WarmupError
from devpi_warmup.standing import may_stand, standing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from packaging.utils import NormalizedName

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.requirements import RequirementSet
    from devpi_warmup.prove.pip import Pip
    from devpi_warmup.resolve.kept import Upgrade
    from devpi_warmup.standing import Standing
    from devpi_warmup.wheelhouse.lock import LockedPin
    from devpi_warmup.wheelhouse.manifest import Manifest

_ENOUGH = 3  # pages that cannot be had: as many as are asked for at once


class Looking:
    """Looks whether cells stand, in threads of its own."""

    def __init__(
        self,
        fetcher: Fetcher,
        before: Manifest,
        upgrade: Upgrade,
        last: Callable[[Cell], tuple[LockedPin, ...]],
    ) -> None:
        """Begin with nothing.

        :param before: what former runs have left
        :param upgrade: which pins are not to stay
        :param last: gives the pins of a cell's last lock
        """
        self.looker = ThreadPoolExecutor(1, thread_name_prefix="looker")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._fetcher = fetcher
        self._before = before
        self._upgrade = upgrade
        self._last = last
        self._asked: set[NormalizedName] = set()
        self._failed = 0
        self._cancelled = False

    def may_stand(self, cell: Cell, requirements: RequirementSet) -> bool:
        """Whether it is worth a look; then its pages are asked for, and its files read ahead.

        Their digests decide whether it stands; what they say of themselves, reports tell. So they
        are read while the index has us wait for its pages.
        """
        if self._upgrade.everything or not may_stand(cell, self._before, requirements):
            return False
        names = self._before.cells[cell.id].files
        projects = [canonicalize_name(self._before.files[name].project) for name in names]
        new = [project for project in dict.fromkeys(projects) if project not in self._asked]
        self._asked |= {*new}
        for project in new:
            self._fetcher.beside(partial(self._ask_ahead, project))
        with suppress(RuntimeError):  # then whoever wants it reads it
            self._reader.submit(self._read_ahead, names)
        return True

    def stands(self, cell: Cell, requirements: RequirementSet, pip: Pip) -> Standing | None:
        """Return a cell that stands, or None where it has to be resolved and judged.

        :raises IndexAccessError: the index does not answer
        """
        with self._fetcher.progress.doing(f"looking whether {cell.id} stands"):
            if self._upgrade.moves(pin.project for pin in self._last(cell)):
                return None
            return standing(cell, self._before, self._fetcher, requirements, pip)

    def cancel(self) -> None:
        """Begin nothing more."""
        self._cancelled = True
        for pool in (self.looker, self._reader):
            pool.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Wait for what is under way."""
        for pool in (self.looker, self._reader):
            pool.shutdown()

    def _ask_ahead(self, project: NormalizedName) -> None:
        """Ask for a page; where several cannot be had, those that are wanted will tell."""
        if self._failed < _ENOUGH:
            try:
                self._fetcher.page(project)
            except WarmupError:
                self._failed += 1

    def _read_ahead(self, files: Mapping[str, str]) -> None:
        if self._fetcher.here(files):
            for name in files:
                if not self._cancelled:
                    self._fetcher.wheelhouse.about(name)
