"""``kill -9`` at random moments of a warmup, each followed by a plain second run.

After every kill: no file under a final name is partial, and every target that the manifest
calls covered has its lock and its files on disk, by their hashes. After every second run: all
targets are covered. ``nox -s measure -- kills [TIMES]``.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from indexes import ROOT

from devpi_warmup.digests import digest

WHEELHOUSE = ROOT / "wheelhouse"
COMMAND = [sys.executable, "-m", "nox", "-s", "warmup"]
ENV = os.environ | {"NOX_SCRIPT_MODE": "none"}


def warmup() -> float:
    start = time.perf_counter()
    done = subprocess.run(COMMAND, cwd=ROOT, env=ENV, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 of 9 targets covered" in done.stdout
    return time.perf_counter() - start


def check(known: dict[str, str]) -> int:
    for path in WHEELHOUSE.glob("*.whl"):
        assert digest(path) == known[path.name], f"{path.name} is partial"
    path = WHEELHOUSE / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"targets": {}}
    covered = [e for e in manifest["targets"].values() if e["state"] == "covered"]
    for entry in covered:
        for name, sha256 in (entry["locks"] | entry["files"]).items():
            assert digest(WHEELHOUSE / name) == sha256
    return len(covered)


def clear() -> None:
    for path in WHEELHOUSE.iterdir():
        if path.name != "README.md":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> None:
    times = int(sys.argv[1]) if sys.argv[1:] else 20
    warmup()
    known = {path.name: digest(path) for path in WHEELHOUSE.glob("*.whl")}
    clear()
    whole = warmup()
    for number in range(1, times + 1):
        clear()
        process = subprocess.Popen(
            COMMAND,
            cwd=ROOT,
            env=ENV,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        moment = random.uniform(0, whole)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        covered = check(known)
        warmup()
        assert check(known) == 9
        print(f"{number}: killed after {moment:.2f} s, {covered} covered then, 9 after", flush=True)
    print(f"{times} kills: no partial file, no wrong manifest, nine covered each time")


if __name__ == "__main__":
    main()
