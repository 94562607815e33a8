"""What the engine costs: the shipped targets from a warm server into an empty wheelhouse.

Four ways, one after the other in each round: our engine (resolve and download), the same with
the proof that devpi holds every file and the last sweep, a plain concurrent fetch of the very
same files, and the usual loop around pip download. Absolute times mean little; the ratios of the
medians are the result. ``nox -s measure -- benchmark [ROUNDS]``.
"""

from __future__ import annotations

import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from indexes import ROOT, index

from devpi_warmup.index.devpi import Warmth, detect
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.index.simple import Index
from devpi_warmup.index.transport import FILE_CONNECTIONS, Transport
from devpi_warmup.inputs import config, requirement_files
from devpi_warmup.inputs.pip_config import clean_environment
from devpi_warmup.inputs.urls import parse_index_url
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.wheelhouse.files import Wheelhouse

Result = dict[str, object]


def engine(url: str, folder: Path, *, prove: bool) -> Result:
    loaded = config.load(ROOT, {})
    wanted = requirement_files.load(loaded.requirements, loaded.constraints, root=ROOT)
    wheelhouse = Wheelhouse(folder)
    start = time.perf_counter()
    with wheelhouse.held():
        index = Index(Transport(parse_index_url(url)))
        devpi = detect(index.transport, index.check(wanted.requirements[0].name))
        fetcher = Fetcher(index, wheelhouse, devpi if prove else None)
        files = {}
        pins = set()
        for target in loaded.targets:
            for pin in resolve(wanted, target, fetcher).pins:
                fetcher.published(pin.file)
                files[pin.file.url] = pin.sha256
                pins.add(pin.file)
        swept = time.perf_counter()
        proofs = fetcher.sweep(pins)
        assert not prove or {proof.warmth for proof in proofs.values()} == {Warmth.WARM}
        seconds = time.perf_counter() - start
        swept = time.perf_counter() - swept
        fetcher.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "files": files, "MiB": peak, "sweep": swept}


def fetch(files: dict[str, str], folder: Path) -> float:
    threads = threading.local()

    def one(item: tuple[str, str]) -> None:
        url, sha256 = item
        if not hasattr(threads, "session"):
            threads.session = requests.Session()
            threads.session.trust_env = False
        digest = hashlib.sha256()
        path = folder / url.rpartition("/")[2]
        with threads.session.get(url, stream=True, timeout=60) as answer, path.open("wb") as file:
            for piece in answer.iter_content(1 << 18):
                digest.update(piece)
                file.write(piece)
        assert digest.hexdigest() == sha256

    start = time.perf_counter()
    with ThreadPoolExecutor(FILE_CONNECTIONS) as pool:
        list(pool.map(one, files.items()))
    return time.perf_counter() - start


def loop(url: str, folder: Path) -> float:
    loaded = config.load(ROOT, {})
    start = time.perf_counter()
    for target in loaded.targets:
        subprocess.run(
            [
                *(sys.executable, "-I", "-m", "pip", "download", "--quiet", "--no-cache-dir"),
                *("--only-binary=:all:", f"--index-url={url}/+simple/", f"--dest={folder}"),
                *(f"--python-version={target.python}", f"--platform={target.platform}"),
                *[f"--requirement={path}" for path in loaded.requirements],
            ],
            env=clean_environment(),
            stderr=subprocess.DEVNULL,
            check=False,
        )
    return time.perf_counter() - start


def main() -> None:
    if sys.argv[1:2] == ["--engine"]:  # in a process of its own, for its memory
        print(json.dumps(engine(sys.argv[2], Path(sys.argv[3]), prove=sys.argv[4] == "proof")))
        return
    rounds = int(sys.argv[1]) if sys.argv[1:] else 5
    seconds: dict[str, list[float]] = {"engine": [], "proof": [], "fetch": [], "loop": []}
    sweeps: list[float] = []
    with index() as url:
        for number in range(rounds + 1):
            with tempfile.TemporaryDirectory() as folder:
                places = [Path(folder, name) for name in seconds]
                for place in places:
                    place.mkdir()
                results = []
                for name, place in zip(("engine", "proof"), places, strict=False):
                    argv = [sys.executable, __file__, "--engine", url.url, str(place), name]
                    done = subprocess.run(argv, capture_output=True, check=True)
                    results.append(json.loads(done.stdout))
                result, proved = results
                if number == 0:
                    continue  # the server is warm now
                seconds["engine"].append(result["seconds"])
                seconds["proof"].append(proved["seconds"])
                sweeps.append(proved["sweep"])
                seconds["fetch"].append(fetch(result["files"], places[2]))
                seconds["loop"].append(loop(url.url, places[3]))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        shown = " ".join(f"{value:.2f}" for value in values)
        print(f"{name:<7} median {medians[name]:6.2f} s   ({shown})")
    print(
        f"{len(result['files'])} files; engine : fetch = {medians['engine'] / medians['fetch']:.2f}"
    )
    cost = medians["proof"] - medians["engine"]
    sweep = statistics.median(sweeps)
    count = len(result["files"])
    print(f"the proof costs {cost:.2f} s; a sweep of {count} files {sweep:.3f} s")
    print(f"engine : loop = 1 : {medians['loop'] / medians['engine']:.1f}")
    print(f"peak memory of the engine {result['MiB']:.0f} MiB")


if __name__ == "__main__":
    main()
