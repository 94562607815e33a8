"""An sdist that cannot be built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpi_warmup.resolve.impossible import ImpossibleError

if TYPE_CHECKING:
    from devpi_warmup.index.pages import Sdist


class BuildError(ImpossibleError):
    """An sdist cannot be built here, or its wheel does not serve the target.

    As for pip, that is final: no older version is tried in its place.
    """

    def __init__(self, sdist: Sdist, message: str, *, hint: str = "") -> None:
        """Name the sdist that it is about."""
        super().__init__(message, hint=hint, projects=[sdist.project])
