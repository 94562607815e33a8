"""Pin this repository's own action, or its workflow, to the commit that is checked out.

A commit cannot name itself, so it takes two: after a change of ``action.yml`` or of the package was
committed, ``pin_action.py action`` writes that commit into the workflow; after this was committed,
``pin_action.py workflow`` writes the next into the example, which calls the workflow.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PINS = "scripts/action_pins.txt"
WORKFLOW = ".github/workflows/wheelhouse.yml"
OWN = "devpi-warmup/devpi-warmup"
USED_IN = {
    "action": (OWN, (PINS, WORKFLOW)),
    "workflow": (f"{OWN}/{WORKFLOW}", (PINS, "examples/ci/github.yml")),
}


def main() -> None:
    """Write the commit into every file that uses the one that is named."""
    name, files = USED_IN[sys.argv[1]]
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    pin = re.compile(rf"(\b{re.escape(name)}[@ ])[0-9a-f]{{40}}")
    for file in files:
        path = ROOT / file
        text = path.read_text(encoding="utf-8")
        path.write_text(pin.sub(rf"\g<1>{done.stdout.strip()}", text), encoding="utf-8")


if __name__ == "__main__":
    main()
