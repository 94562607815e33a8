"""What the resolver asks of whoever builds sdists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devpi_warmup.index.pages import Sdist, Wheel
    from devpi_warmup.inputs.sdists import Sdists
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.wheelhouse.build_record import ToBuildRecord
    from devpi_warmup.wheelhouse.lock import Build, ToBuild
    from devpi_warmup.wheelhouse.wheels import Metadata


@dataclass(frozen=True)
class Built:
    """A wheel that was built here, and serves the target."""

    wheel: Wheel
    build: Build


@dataclass(frozen=True)
class Unbuilt:
    """An sdist that has to be built where it is installed.

    :param metadata: what the wheel requires, as far as it is known here
    """

    sdist: Sdist
    metadata: Metadata
    record: ToBuildRecord


class Builds(Protocol):
    """Builds the sdists that may be built, each once."""

    def made(self, sdist: Sdist, target: Target, sdists: Sdists) -> Built | Unbuilt:
        """Return what becomes of an sdist for a target.

        :raises WarmupError: it can be built neither here nor, as far as is known, elsewhere
        """

    def carried(
        self, unbuilt: Sequence[Unbuilt], target: Target, sdists: Sdists
    ) -> tuple[ToBuild, ...]:
        """Return what has to be carried to build sdists on a target, all with the same files.

        :raises WarmupError: what building them requires cannot be had, or not together
        """
