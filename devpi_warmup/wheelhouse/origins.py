"""Where a file of the wheelhouse comes from, and so whether an index can hold it."""

from __future__ import annotations

from enum import Enum


class Origin(Enum):
    """Where a file comes from; the value is what the manifest says."""

    INDEX = "index"
    DIRECT = "direct URL"
    LOCAL = "local"
    BUILT = "built here"
    ITSELF = "devpi-warmup"

    @property
    def told(self) -> str:
        """How messages say it: "it comes from a direct URL"."""
        return _TOLD[self]

    @property
    def hint(self) -> str:
        """How an index may get it all the same."""
        return "upload it to an index of your own, and require it by name"


_TOLD = {
    Origin.INDEX: "comes from the index",
    Origin.DIRECT: "comes from a direct URL",
    Origin.LOCAL: "is a wheel of your own",
    Origin.BUILT: "was built here",
    Origin.ITSELF: "is this package itself",
}
