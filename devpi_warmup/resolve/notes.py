"""What there is to say of a lock beside its pins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from devpi_warmup.index.pages import SDIST
from devpi_warmup.resolve.others import newest_without_wheel
from devpi_warmup.wheelhouse.origins import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from devpi_warmup.index.pages import IndexFile
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.resolve.chosen import Chosen
    from devpi_warmup.resolve.roots import Roots
    from devpi_warmup.wheelhouse.lock import Pin
    from devpi_warmup.wheelhouse.wheels import Metadata

_UNKNOWABLE = ("platform_release", "platform_version")


def notes(
    chosen: Chosen,
    pins: Sequence[Pin],
    target: Target,
    roots: Roots,
    broken: Mapping[IndexFile, str],
) -> Iterator[str]:
    """Yield what a user may want to know of what was chosen.

    :param pins: of what was chosen
    :param broken: wheels that were opened and are no good, and why
    """
    for pin in pins:
        metadata = chosen.metadata[pin.project]
        for extra in pin.extras:
            if extra not in metadata.extras:
                wanters = ", ".join(pin.via)
                yield f"{pin.project} {pin.version} has no extra {extra!r}, wanted by {wanters}"
        if pin.file.yanked and pin.project in roots.kept:
            yield (
                f"{pin.project} {pin.version} is yanked on the index, and stays as the last "
                f"lock has it (-- --upgrade {pin.project} moves it)"
            )
        if pin.file.origin is not Origin.DIRECT:
            yield from _older_than_it_could_be(chosen, pin, target, roots)
        yield from _unknowable(metadata, pin.project, target)
    for file, problem in broken.items():
        if canonicalize_name(file.filename.partition("-")[0]) in chosen.files:
            yield f"passed over, as pip does: {problem}"


def _older_than_it_could_be(
    chosen: Chosen, pin: Pin, target: Target, roots: Roots
) -> Iterator[str]:
    admitted = chosen.specifiers[pin.project] & roots.constraint(pin.project).specifier
    newer = newest_without_wheel(chosen.fetcher.page(pin.project), admitted, target)
    if newer is not None and newer[0] > pin.version:
        only = f"{newer[0]} exists only as {newer[1]}"
        if newer[1] == SDIST and not roots.sdists.mentions(pin.project):
            only += f', which sdists = ["{pin.project}"] would have built'
        yield f"{pin.project} {pin.version} is not the newest: {only}"


def _unknowable(metadata: Metadata, project: str, target: Target) -> Iterator[str]:
    for requirement in metadata.requires:
        for name in _UNKNOWABLE:
            if name in str(requirement.marker or ""):
                yield (
                    f"{project} asks for the {name} of the machine ({requirement}), which "
                    f"cannot be known here: it was taken for {target.markers[name]!r}"
                )
