"""The wheelhouse judged by a tool that shares no code with ours: uv, offline, for each target.

uv resolves the requirements with each lock as constraints' stand-in: the lock is the input, the
wheelhouse the only source. ``nox -s measure -- independent``, after ``nox -s warmup``.
"""

from __future__ import annotations

import re
import subprocess
import sys

from indexes import ROOT

from devpi_warmup.inputs import config
from devpi_warmup.inputs.pip_config import clean_environment

PLATFORMS = {
    "manylinux2014_x86_64": "x86_64-manylinux2014",
    "win_amd64": "x86_64-pc-windows-msvc",
    "macosx_11_0_arm64": "aarch64-apple-darwin",
}


def main() -> int:
    loaded = config.load(ROOT, {})
    good = 0
    for cell in loaded.cells:
        target = cell.target
        lock = loaded.wheelhouse / "locks" / f"{cell.id}.txt"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--offline"),
                *("--no-index", f"--find-links={loaded.wheelhouse}", "--only-binary=:all:"),
                *(
                    "--no-python-downloads",
                    "--python",
                    sys.executable,
                    "--no-config",
                    "--no-header",
                ),
                *("--python-version", target.full_version, "--no-annotate", "--no-strip-extras"),
                *("--python-platform", PLATFORMS[target.platform], str(lock)),
            ],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        ours = set(re.findall(r"^(\S+==\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
        complete = done.returncode == 0 and set(done.stdout.split()) == ours
        good += complete
        print(f"{cell.id}: {'complete' if complete else done.stderr + done.stdout}")
    print(f"{good} of {len(loaded.cells)} complete by uv")
    return good != len(loaded.cells)


if __name__ == "__main__":
    sys.exit(main())
