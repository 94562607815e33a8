"""The index that a measurement runs on: DEVPI_INDEX, or the private server in .devpi/."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devpi_warmup import process
from devpi_warmup.inputs import pip_config
from devpi_warmup.inputs.urls import IndexUrl, parse_index_url
from devpi_warmup.private_server.server import PrivateServer

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def index() -> Iterator[IndexUrl]:
    if os.environ.get("DEVPI_INDEX"):
        yield parse_index_url(os.environ["DEVPI_INDEX"])
        return
    settings = pip_config.read(process.run, sys.executable)
    server = PrivateServer(ROOT / ".devpi", settings=settings)
    try:
        yield server.start()
    finally:
        server.stop()
