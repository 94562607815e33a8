"""The interpreter that builds, as an exact target of its own."""

from __future__ import annotations

import platform
from functools import cache

from packaging.tags import platform_tags

from devpi_warmup.errors import InvalidTargetError, WarmupError
from devpi_warmup.inputs.targets import Target


@cache
def host_target(python: str | None = None) -> Target:
    """Return the target that this machine is.

    :param python: its version; by default that of this interpreter
    :raises WarmupError: it is none that is known here
    """
    version = (python or platform.python_version()).removesuffix("+")
    for tag in platform_tags():
        try:
            return Target(version, tag)
        except InvalidTargetError:
            continue
    raise WarmupError(
        f"nothing can be built here: Python {version} on {platform.platform()} is no target",
        hint="warm up on a machine whose platform can be a target",
    )
