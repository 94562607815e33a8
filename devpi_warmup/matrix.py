"""The targets as parameters of nox sessions, and which of them this machine can run."""

from __future__ import annotations

import platform
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import nox
from packaging.tags import platform_tags

from devpi_warmup.venvs import NotHere

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devpi_warmup.inputs.targets import Target

_FAMILIES = {"win": "windows", "mac": "macos"}


def parameters(targets: Iterable[Target]) -> list[Any]:
    """Return targets as nox parameters: ids like ``cp313-win_amd64``, tags like ``windows``."""
    return [_parameter(target, target.python) for target in targets]


def verifiable(targets: Iterable[Target]) -> list[Any]:
    """Return targets as parameters of ``verify``: first those that this machine can run."""
    here = [target for target in targets if _runs_here(target)]
    elsewhere = [target for target in targets if not _runs_here(target)]
    return [*parameters(here), *(_parameter(t, NotHere(t.python)) for t in elsewhere)]


def why_not_here(target: Target) -> str:
    """Say why this machine cannot run a target, or return ""."""
    if _runs_here(target):
        return ""
    machine = platform.machine()
    if _family(target) != {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux"):
        return f"this machine is {platform.system()} {machine}"
    if sys.platform == "linux" and target.platform.endswith(f"_{machine}"):
        library, version = platform.libc_ver()
        return f"this machine has {library or 'another C library'} {version}".rstrip()
    return f"this machine is {platform.system()} {platform.release()} {machine}"


def _family(target: Target) -> str:
    return _FAMILIES.get(target.platform[:3], "linux")


def _parameter(target: Target, python: str) -> Any:
    return nox.param(python, target.platform, id=target.id, tags=[_family(target)])


def _runs_here(target: Target) -> bool:
    return target.platform in _own_platforms()


@cache
def _own_platforms() -> frozenset[str]:
    return frozenset(platform_tags())
