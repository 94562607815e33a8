"""Run pip as if on another machine: ``python -I foreign_pip.py MARKERS.json install …``.

pip takes tags for another platform, but evaluates markers on the one it runs on
(https://github.com/pypa/pip/issues/11664). All of pip's marker evaluation goes through one
function of its vendored packaging; here that function returns the target's markers. This
file runs in the isolated environment of a session: it may import pip and nothing of ours.
"""

import json
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """Replace the marker environment, make sure that it took, and hand over to pip."""
    markers_file, *arguments = sys.argv[1:]
    environment = json.loads(Path(markers_file).read_text(encoding="utf-8"))
    from pip._vendor.packaging import markers  # noqa: PLC0415

    markers.default_environment = environment.copy
    # The canary: a pip that asks elsewhere must not be believed.
    probe = " and ".join(f'{key} == "{value}"' for key, value in environment.items() if value)
    if not markers.Marker(probe).evaluate():
        sys.stderr.write("ERROR: this pip does not take the markers of another machine\n")
        return 3
    _read_each_wheel_once()
    sys.argv = ["pip", *arguments]
    from pip._internal.cli.main import main as pip_main  # noqa: PLC0415 - after the change above

    return int(pip_main())


def _read_each_wheel_once() -> None:
    """Have pip keep what it reads of a wheel: it opens each three times for the same METADATA."""
    from pip._internal import metadata  # noqa: PLC0415

    distribution = metadata.select_backend().Distribution
    read = distribution.from_wheel
    known: dict[tuple[str, str], Any] = {}

    def from_wheel(wheel: Any, name: str) -> Any:
        key = wheel.location, name
        if key not in known:
            known[key] = read(wheel, name)
        return known[key]

    setattr(distribution, "from_wheel", from_wheel)  # noqa: B010 - of another signature to mypy


if __name__ == "__main__":
    sys.exit(main())
