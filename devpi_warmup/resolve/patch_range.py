"""The patch releases of Python that a lock serves, by pins, metadata and requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpi_warmup.inputs.patches import served_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packaging.markers import Marker
    from packaging.utils import NormalizedName

    from devpi_warmup.inputs.patches import Patches
    from devpi_warmup.inputs.requirements import TargetRequirements
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.wheelhouse.lock import Pin, ToBuild
    from devpi_warmup.wheelhouse.wheels import Metadata


def patch_range(
    target: Target,
    own: TargetRequirements,
    pins: Sequence[Pin],
    known: Mapping[NormalizedName, Metadata],
    to_build: Sequence[ToBuild] = (),
) -> Patches:
    """Return it: nothing that was decided for one of them may depend on its patch.

    :param own: the user's own lines
    :param known: the metadata of the pins
    :param to_build: of those, what has to be built
    """
    evaluated: list[tuple[Marker, Sequence[str]]] = [(marker, ("",)) for marker in own.markers]
    evaluated += [(marker, ("",)) for one in to_build for marker in one.markers]
    for pin in pins:
        metadata = known[pin.project]
        extras = ("", *sorted(set(pin.extras) & metadata.extras))
        evaluated += [(one.marker, extras) for one in metadata.requires if one.marker is not None]
    return served_by(
        target,
        evaluated,
        [
            *(pin.requires_python for pin in pins),
            *(limit.python for limit in own.limits if limit.marker is None),
            *(pin.requires_python for one in to_build for pin in one.requires),
        ],
    )
