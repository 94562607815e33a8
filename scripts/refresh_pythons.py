"""Write the newest patch release of each Python into devpi_warmup/inputs/python_releases.json.

``nox -s refresh`` runs it with uv, which carries the list of the CPython releases it can install.
A minor version that this list has dropped keeps what it had: its last release was its newest.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from packaging.version import Version

RELEASES = Path(__file__).parent.parent / "devpi_warmup" / "inputs" / "python_releases.json"
LIST = ("uv", "python", "list", "--all-versions", "--only-downloads", "--output-format=json")


def main() -> None:
    """Read uv's list, and write what is newer than what stands there."""
    newest: dict[str, int] = json.loads(RELEASES.read_text(encoding="utf-8"))
    listed = subprocess.run(LIST, capture_output=True, text=True, check=True).stdout
    for item in json.loads(listed):
        version = Version(item["version"])
        if item["implementation"] != "cpython" or version.is_prerelease:
            continue
        minor = str(version.minor)
        if version.major == 3 and version.minor >= min(map(int, newest)):  # noqa: PLR2004
            newest[minor] = max(version.micro, newest.get(minor, 0))
    ordered = {minor: newest[minor] for minor in sorted(newest, key=int)}
    RELEASES.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
