"""The index that a measurement runs on: DEVPI_INDEX, or the private server in .devpi/."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from devpi_warmup import process
from devpi_warmup.inputs import pip_config
from devpi_warmup.inputs.urls import IndexUrl, parse_index_url
from devpi_warmup.private_server.server import PrivateServer

ROOT = Path(__file__).parent.parent.parent


def plain(server: PrivateServer) -> IndexUrl:
    """Start the server as most devpis are: pip takes it for fatal that METADATA is missing."""
    url = server.start()
    requests.patch(
        url.url,
        json=["mirror_provides_core_metadata=False"],
        auth=("root", (server.folder / "root-password").read_text()),
        headers={"Accept": "application/json"},
        timeout=30,
    ).raise_for_status()
    return url


@contextmanager
def index() -> Iterator[IndexUrl]:
    if os.environ.get("DEVPI_INDEX"):
        yield parse_index_url(os.environ["DEVPI_INDEX"])
        return
    settings = pip_config.read(process.run, sys.executable)
    server = PrivateServer(ROOT / ".devpi", settings=settings)
    try:
        yield plain(server)
    finally:
        server.stop()
