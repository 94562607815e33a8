"""At the end of a run: devpi is asked whether it holds each file."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from devpi_warmup.errors import FileError, IndexAccessError
from devpi_warmup.wheelhouse.files import write_error
from devpi_warmup.wheelhouse.warmth import NO_DEVPI, UNSWEPT, Proof, Warmth

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devpi_warmup.index.devpi import Devpi
    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import IndexFile

_FEW = 3  # files of which devpi may say nothing, and the others are asked for all the same


class Sweep:
    """Asks the devpi behind an index for the files of a run."""

    def __init__(self, fetcher: Fetcher, devpi: Devpi | None) -> None:
        """Ask for what one fetcher has.

        :param devpi: the server that must hold every file, where the index is a devpi
        """
        self.before = NO_DEVPI if devpi is None else UNSWEPT  # what is known of a file until then
        self._fetcher = fetcher
        self._devpi = devpi
        self._unanswered = itertools.count()

    def __call__(self, wanted: Iterable[IndexFile]) -> dict[IndexFile, Proof]:
        """Ask whether devpi holds each file, several at once.

        What it has not committed, or has no longer on its disk, it is made to fetch once more.

        :raises IndexAccessError: devpi says nothing of several
        """
        if self._devpi is None:
            return {}
        files, devpi = list(wanted), self._devpi
        proofs = self._fetcher.each(lambda file: self._held(file, devpi), files)
        return dict(zip(files, proofs, strict=True))

    def _held(self, file: IndexFile, devpi: Devpi) -> Proof:
        size = self._fetcher.file(file).size
        try:
            proof = devpi.holds(file, size)
        except IndexAccessError as error:
            if next(self._unanswered) >= _FEW:
                raise  # nobody waits for each of many
            said = error.args[0].partition(": ")[2]
            return Proof(Warmth.COLD, f"devpi does not say: {said}")
        if proof.warmth is Warmth.COLD:
            try:
                proof = devpi.warm(file, size, self._fetcher.scratch())
            except FileError:
                pass  # the proof says what is the matter
            except OSError as error:
                raise write_error(self._fetcher.wheelhouse.path, error) from None
        return proof
