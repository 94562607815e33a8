"""The sessions about a devpi-server: seal the private one, have pip prove that one serves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import devpi_warmup
from devpi_warmup import console, process
from devpi_warmup.errors import WarmupError
from devpi_warmup.inputs import pip_config
from devpi_warmup.prove.pip import Pip
from devpi_warmup.sessions.common import fail, import_engine, python_of

if TYPE_CHECKING:
    import nox

    from devpi_warmup.inputs.config import Config

_SEAL = "devpi_warmup.private_server.seal"


def seal(session: nox.Session, config: Config) -> None:
    """Make the private server's data ready to be copied into the gap."""
    engine = import_engine(session, _SEAL)
    console.quiet_libraries()
    try:
        print(console.spelled(engine.seal(config, python=python_of(session))), flush=True)  # noqa: T201
    except WarmupError as error:
        fail(session, str(error))


def verify_devpi(session: nox.Session, config: Config) -> None:
    """Have pip download every lock from devpi: the private one without network, or the index."""
    if config.index is None:
        import_engine(session, _SEAL)
        isolation = process.isolation()
        typed = console.spelled("nox -s warmup").removesuffix("warmup")
        argv = [*isolation.prefix, sys.executable, "-m", _SEAL]
        argv += [str(config.root), python_of(session), typed]
        package = {"PYTHONPATH": str(Path(devpi_warmup.__file__).parent.parent)}
        env = os.environ | dict(isolation.env) | package
        if subprocess.run(argv, env=env, check=False).returncode != 0:
            session.error("devpi does not serve every target; the reasons stand above")
        by = f"the private devpi-server; network kept away by {isolation.name}"
    else:
        engine = import_engine(session, "devpi_warmup.prove.server")
        console.quiet_libraries()
        try:
            pip = Pip(python_of(session), process.run)
            settings = pip_config.read(process.run, pip.python)
            by = engine.prove_served(config, config.index, settings, pip=pip)
        except WarmupError as error:
            fail(session, str(error))
    count = len(config.cells)
    print(f"{count} of {count} {config.counted} served by {by}", flush=True)  # noqa: T201
