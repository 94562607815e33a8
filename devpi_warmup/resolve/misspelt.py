"""Which project was meant by a name that the index does not have."""

from __future__ import annotations

import difflib
from contextlib import suppress
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName

from devpi_warmup.errors import WarmupError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devpi_warmup.index.fetcher import Fetcher

# Of a misspelt name and the right one: how far their lengths, and how near their letters are.
_LENGTHS, _LIKENESS = 2, 0.75
_GUESSES = 3


def nearest(project: NormalizedName, more: Iterable[NormalizedName], fetcher: Fetcher) -> str:
    """Return the name of another project that one may have been meant by, or "".

    :param more: names beside those that the index knows
    """
    known = {*more, *fetcher.names()} - {project}
    near = [n for n in sorted(known) if abs(len(n) - len(project)) <= _LENGTHS]
    found = difflib.get_close_matches(project, near, n=_GUESSES, cutoff=_LIKENESS)
    return next((name for name in found if _is_known(NormalizedName(name), fetcher)), "")


def _is_known(project: NormalizedName, fetcher: Fetcher) -> bool:
    with suppress(WarmupError):
        return fetcher.page(project).known
    return False
