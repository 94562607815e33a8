"""What a person does inside, with the kit alone: run by its Python, in a namespace without network.

``python inside.py FOLDER CELL PROJECT MODULE UV``; FOLDER holds what was carried. Prints what each
command says, and ends with "done" on a line of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import requests
from servers import FAST, devpi_server

folder, cell, project, module, uv = Path(sys.argv[1]), *sys.argv[2:]
bin_ = Path(sys.executable).parent
scratch = folder.parent / "scratch"
scratch.mkdir()


def run(*argv: object, **environ: str) -> None:
    print("$", *argv, flush=True)
    subprocess.run([str(word) for word in argv], cwd=folder, env=os.environ | environ, check=True)


run(bin_ / "devpi-warmup", "report")
run(bin_ / "devpi-warmup", "verify-devpi")
netrc = scratch / "netrc"
netrc.write_text("machine 127.0.0.1 login ops password s3cret\n")
netrc.chmod(0o600)
with devpi_server(bin_, scratch / "server", *FAST) as url:
    headers = {"Accept": "application/json"}
    answer = requests.put(f"{url}/ops", json={"password": "s3cret"}, headers=headers, timeout=30)
    answer.raise_for_status()
    index = f"{url}/ops/prod"
    run(bin_ / "devpi-warmup", "publish", "--", index, "--create", NETRC=str(netrc))
    run(bin_ / "devpi-warmup", "publish", "--", index, NETRC=str(netrc))
    run(bin_ / "devpi-warmup", "clients", "--", index)
    written = folder / "wheelhouse" / "clients" / "index"
    for tool in ("pip", "uv"):
        venv = scratch / tool
        run(sys.executable, "-m", "virtualenv", "-q", venv)
        python = venv / "bin" / "python"
        if tool == "pip":
            locked = ("--require-hashes", "-r", folder / "wheelhouse" / "locks" / f"{cell}.txt")
            run(python, "-m", "pip", "install", *locked, PIP_CONFIG_FILE=str(written / "pip.conf"))
        else:
            words = ("pip", "install", "--no-cache", "--python", python, project)
            run(uv, *words, UV_CONFIG_FILE=str(written / "uv.toml"))
        run(python, "-c", f"import {module}")
print("done", flush=True)
