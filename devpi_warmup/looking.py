"""What of the last run may stand is looked at beside everything else, and read ahead of that."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName, canonicalize_name

from devpi_warmup.standing import standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.requirements import RequirementSet
    from devpi_warmup.prove.pip import Pip
    from devpi_warmup.resolve.kept import Upgrade
    from devpi_warmup.standing import Standing
    from devpi_warmup.wheelhouse.lock import LockedPin
    from devpi_warmup.wheelhouse.manifest import CellEntry, Manifest


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
        self._asked = set[NormalizedName]()
        self._cancelled = False

    def may_stand(self, cell: Cell, requirements: RequirementSet) -> bool:
        """Whether it is worth a look; then its pages are asked for, and its files read ahead.

        Their digests decide whether it stands; what they say of themselves, reports tell. So they
        are read while the index has us wait for its pages.
        """
        entry = self._before.cells.get(cell.id)
        if entry is None or not entry.verdict or entry.requirements_sha256 != requirements.digest:
            return False
        if self._upgrade.everything:
            return False
        files = [self._before.files[name] for name in entry.files]
        new = {canonicalize_name(file.project) for file in files} - self._asked
        self._asked |= new
        with suppress(RuntimeError):  # then whoever wants it reads it
            self._fetcher.pages(sorted(new))
            self._reader.submit(self._read_ahead, entry)
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

    def _read_ahead(self, entry: CellEntry) -> None:
        if self._fetcher.here(entry.files):
            for name in entry.files:
                if not self._cancelled:
                    self._fetcher.wheelhouse.about(name)
