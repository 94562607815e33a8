"""Configuration of the clients inside: files for pip and uv, and a page about the others.

They are written where they are used: a relative ``find-links`` is taken from the folder that pip
is typed in, so they hold absolute addresses. Nothing is installed; they are there to be copied.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from devpi_warmup.console import spelled
from devpi_warmup.errors import WheelhouseError
from devpi_warmup.wheelhouse.files import LOCKS, write_error, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from devpi_warmup.inputs.urls import IndexUrl
    from devpi_warmup.wheelhouse.files import Wheelhouse

FOLDER = "clients"
_PLACES = """\
| file | copy it to |
|---|---|
| `pip.conf` | Linux: `/etc/pip.conf`, or `~/.config/pip/pip.conf`; macOS: `/Library/Application Support/pip/pip.conf`; `pip.conf` in a virtual environment |
| `pip.ini` | Windows: `C:\\ProgramData\\pip\\pip.ini`, or `%APPDATA%\\pip\\pip.ini` |
| `uv.toml` | Linux: `/etc/uv/uv.toml`, or `~/.config/uv/uv.toml`; Windows: `%APPDATA%\\uv\\uv.toml` |

Or name one for a single command: `PIP_CONFIG_FILE=…/pip.conf`, `UV_CONFIG_FILE=…/uv.toml`. uv does not read
pip's configuration.
"""  # noqa: E501 - rows of tables
_PRE_COMMIT = """\
## pre-commit

It clones its hooks with git, and pip installs them: mirror those repositories inside. Without any
network: `repo: local` with `language: system` and the tools of a lock; or `language: python` with
`additional_dependencies`, which go by pip's configuration above. What they need must be in a lock.
"""


def write(wheelhouse: Wheelhouse, index: IndexUrl | None) -> Path:
    """Write the files for an index, or for the wheelhouse as it lies here; return their folder.

    :param index: whose user is not written anywhere
    :raises WheelhouseError: there is no wheelhouse, or it cannot be written
    """
    if not (wheelhouse.path / LOCKS).is_dir():
        hint = "run nox -s warmup first, or copy the wheelhouse here"
        raise WheelhouseError(f"there is no {wheelhouse.shown}/{LOCKS}/", hint=hint)
    texts = _of_index(index) if index else _of_folder(wheelhouse.path)
    folder = wheelhouse.path / FOLDER / ("index" if index else "folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(wheelhouse.path, error) from None
    for name, text in texts.items():
        write_text(folder / name, text)
    return folder


def _of_folder(path: Path) -> dict[str, str]:
    # As a URL: pip parts the value of find-links at blanks.
    url = path.absolute().as_uri()
    pip = f"[global]\nno-index = true\nfind-links = {url}\ndisable-pip-version-check = true\n"
    uv = f'no-index = true\nfind-links = [{json.dumps(url)}]\npython-downloads = "never"\n'
    page = f"""\
# Clients of this wheelhouse

Written for `{path.absolute()}`; where it moves to, write them again: `{spelled("nox -s clients")}`.

{_PLACES}
A lock is best installed by the command at its head, which needs none of these files, and has
nothing to choose.

## poetry, PDM

poetry reads no folder: `poetry export --without-urls`, and pip installs that. PDM does:

```toml
[[tool.pdm.source]]
name = "pypi"
type = "find_links"
url = "{url}"
```

{_PRE_COMMIT}
## Docker

With the wheelhouse beside the Dockerfile, and CELL for one of `{LOCKS}/`:

```dockerfile
RUN --mount=type=bind,source=wheelhouse,target=/wheelhouse \\
    pip install --no-index --find-links /wheelhouse/{LOCKS}/CELL.html \\
    --require-hashes -r /wheelhouse/{LOCKS}/CELL.txt
```
"""
    return {"pip.conf": pip, "pip.ini": pip, "uv.toml": uv, "README.md": page}


def _of_index(index: IndexUrl) -> dict[str, str]:
    url, split = index.simple, urlsplit(index.url)
    pip = f"[global]\nindex-url = {url}\ndisable-pip-version-check = true\n"
    if split.scheme == "http" and not index.is_loopback:
        pip += f"trusted-host = {split.netloc}\n"
    if split.scheme == "https":
        pip += "# Where its certificate is of a CA of your own:\n# cert = /path/of/ca.pem\n"
    uv = 'python-downloads = "never"\n'
    if split.scheme == "https":
        uv += "# Where its certificate is of a CA of your own:\n# system-certs = true\n"
    uv += f"\n[[index]]\nurl = {json.dumps(url)}\ndefault = true\n"
    page = f"""\
# Clients of {index.url}

Of another index: `{spelled("nox -s clients -- https://devpi.example.com/user/index")}`.

{_PLACES}
## poetry, PDM

```sh
poetry source add --priority=primary inside {url}
pdm config pypi.url {url}
```

A lock that was made outside names other addresses: `poetry lock`, `pdm lock` and `uv lock` make
one here.

{_PRE_COMMIT}
## Docker

```dockerfile
COPY pip.conf /etc/pip.conf
```
"""
    return {"pip.conf": pip, "pip.ini": pip, "uv.toml": uv, "README.md": page}
