"""What the benchmark gathers."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from indexes import ROOT

PYTHONS = ("3.9", "3.10", "3.13")
_SIX = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
COUNTS = (3, 9, 18, 30)
NOXFILE = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nimport devpi_warmup\n\ndevpi_warmup.register()\n"


@dataclass(frozen=True)
class Workload:
    name: str
    requirements: tuple[str, ...]
    pythons: tuple[str, ...] = PYTHONS
    platforms: tuple[str, ...] = ("manylinux2014_x86_64", "win_amd64", "macosx_11_0_arm64")
    exclude: tuple[str, ...] = ()


W1 = Workload("W1", ("pandas", "requests", "pydantic", "fastapi"))
W2 = Workload(
    "W2",
    (
        *("django", "flask", "fastapi", "requests", "httpx", "pydantic", "sqlalchemy", "alembic"),
        *("celery", "redis", "boto3", "pytest", "mypy", "ruff", "black", "numpy", "pandas"),
        *("matplotlib", "pillow", "lxml", "cryptography", "pyyaml", "jinja2", "click", "rich"),
        *("typer", "uvicorn", "gunicorn", "aiohttp", "beautifulsoup4", "psycopg2-binary"),
        *("pymongo", "tox", "nox", "pre-commit", "coverage", "hypothesis", "sphinx", "attrs"),
        *("tqdm", "python-dotenv", "marshmallow", "scrapy", "paramiko", "docker", "kubernetes"),
        *("google-cloud-storage", "azure-storage-blob", "opentelemetry-sdk", "openpyxl"),
        *("orjson", "websockets", "starlette", "jsonschema", "scipy", "scikit-learn", "networkx"),
        *("sentry-sdk", "prometheus-client", "structlog"),
    ),
    platforms=("manylinux2014_x86_64", "win_amd64", "macosx_14_0_arm64"),
)


# Newer releases of each forbid those of the others, so many are looked at.
BACKTRACKING = Workload("backtracking", ("boto3", "botocore", "aiobotocore"))


def more(work: Workload) -> Workload:
    """One target more, most of whose files are those of another."""
    platform = "manylinux_2_28_x86_64"
    others = tuple(f"cp{python.replace('.', '')}-{platform}" for python in work.pythons[:-1])
    return replace(work, platforms=(*work.platforms, platform), exclude=others)


def many(count: int) -> Workload:
    """W1 for that many targets, three Pythons at first, then six."""
    platforms = (
        *("manylinux_2_28_x86_64", "win_amd64", "macosx_11_0_arm64", "manylinux_2_28_aarch64"),
        "musllinux_1_2_x86_64",
    )
    pythons = PYTHONS if count <= 9 else _SIX
    return replace(W1, name="many", pythons=pythons, platforms=platforms[: count // len(pythons)])


def most() -> Workload:
    """W2 for thirty targets: six Pythons on five platforms that all of it has wheels for."""
    platforms = (
        *("manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "win_amd64"),
        *("macosx_14_0_arm64", "macosx_15_0_arm64"),
    )
    return replace(W2, name="most", pythons=_SIX, platforms=platforms)


def write(root: Path, work: Workload) -> None:
    (root / "requirements").mkdir(parents=True, exist_ok=True)
    table = f"pythons = {json.dumps(work.pythons)}\nplatforms = {json.dumps(work.platforms)}\n"
    table += f"exclude = {json.dumps(work.exclude)}\n" if work.exclude else ""
    (root / "pyproject.toml").write_text(f"[tool.devpi-warmup]\n{table}")
    (root / "noxfile.py").write_text(NOXFILE)
    (root / "requirements" / "main.txt").write_text("\n".join(work.requirements) + "\n")
