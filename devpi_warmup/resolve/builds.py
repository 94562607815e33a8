"""What the resolver asks of whoever builds sdists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from devpi_warmup.index.pages import Sdist, Wheel
    from devpi_warmup.inputs.sdists import Sdists
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.wheelhouse.lock import Build


class Builds(Protocol):
    """Builds the sdists that may be built, each once."""

    def wheel(self, sdist: Sdist, target: Target, sdists: Sdists) -> Wheel:
        """Return the wheel that is built of an sdist, for a target that it serves.

        :raises WarmupError: it cannot be built, or the wheel is not for that target
        """

    def record(self, wheel: Wheel) -> Build:
        """Return how a wheel was built."""
