"""Requirement files as the tests read them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from devpi_warmup.inputs.requirements import RequirementSet
from devpi_warmup.inputs.sources import Source, Sources, load


def load_files(
    root: Path,
    *names: str,
    constraints: tuple[str, ...] = (),
    environ: Mapping[str, str] = os.environ,
) -> RequirementSet:
    """Read requirement and constraint files by their names in a folder."""
    files = tuple(Source(root / name) for name in names)
    limits = tuple(root / name for name in constraints)
    return load(Sources(root, files, constraints=limits), environ=environ)
