"""Warmups against a cold devpi of somebody else: default start, default settings, empty store.

The worst moment for a client: the server has just bound its port, knows no project, and loads
the list of all names when the first page is asked for. After each run every file of every lock
must lie in the server's own folder, by its hash. ``nox -s measure -- cold [TIMES]``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from indexes import ROOT

sys.path.insert(0, str(ROOT / "tests" / "support"))

from servers import devpi_server

from devpi_warmup import process
from devpi_warmup.digests import digest
from devpi_warmup.inputs import pip_config
from devpi_warmup.private_server.server import PrivateServer


def run(scripts: Path) -> str:
    with tempfile.TemporaryDirectory() as place:
        project = Path(place, "project")
        project.mkdir()
        for name in ("noxfile.py", "pyproject.toml"):
            shutil.copy(ROOT / name, project)
        shutil.copytree(ROOT / "requirements", project / "requirements")
        (project / "devpi_warmup").symlink_to(ROOT / "devpi_warmup")
        data = Path(place, "server")
        with devpi_server(scripts, data) as url:
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", "nox", "-s", "warmup"],
                cwd=project,
                env=os.environ | {"NOX_SCRIPT_MODE": "none", "DEVPI_INDEX": f"{url}/root/pypi"},
                capture_output=True,
                text=True,
                check=False,
            )
            seconds = time.perf_counter() - start
        if done.returncode:
            print(done.stdout[-3000:], done.stderr[-3000:])
        manifest = json.loads((project / "wheelhouse" / "manifest.json").read_text())
        held = {digest(path) for path in data.rglob("*.whl")}
        wanted = {file["sha256"] for file in manifest["files"].values()}
        covered = sum(entry["state"] == "covered" for entry in manifest["targets"].values())
    return (
        f"exit {done.returncode}, {covered} of {len(manifest['targets'])} covered, "
        f"{len(wanted & held)} of {len(wanted)} files on the server's disk, {seconds:.0f} s"
    )


def main() -> None:
    times = int(sys.argv[1]) if sys.argv[1:] else 20
    settings = pip_config.read(process.run, sys.executable)
    server = PrivateServer(ROOT / ".devpi", settings=settings)
    scripts = server.environment().parent
    results = []
    for number in range(1, times + 1):
        results.append(run(scripts))
        print(f"{number}: {results[-1]}", flush=True)
    good = sum(result.startswith("exit 0, 9 of 9 covered, 67 of 67") for result in results)
    print(f"{good} of {times} complete")


if __name__ == "__main__":
    main()
