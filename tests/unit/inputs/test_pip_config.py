"""pip's settings: which are kept, and which are dropped and named."""

from __future__ import annotations

import os
import sys

import pytest

from devpi_warmup.errors import WarmupError
from devpi_warmup.inputs import pip_config
from devpi_warmup.process import Completed

if sys.version_info >= (3, 11):
    pass
else:
    pass

LISTING = """\
:env:.find-links='/links'
:env:.timeout='60'
global.cert='/ca.pem'
global.index-url='https://u:p@devpi.example.com/simple'
global.no-binary=':all:'
global.timeout='15'
global.trusted-host='a.example.com\\nb.example.com:8443'
install.constraint='/c.txt'
install.user='true'
list.format='columns'
not a setting
global.broken=x y
"""


def test_settings_are_kept_or_named() -> None:
    found = pip_config.parse(LISTING)
    assert found.kept["cert"] == "/ca.pem"
    assert found.timeout == 60.0
    assert found.retries == 5
    assert found.trusted_hosts == {"a.example.com", "b.example.com:8443"}
    assert found.index_url == "https://u:p@devpi.example.com/simple"
    assert found.ignored == (
        "constraint (pip.conf)",
        "find-links (environment)",
        "index-url (pip.conf)",
        "no-binary (pip.conf)",
        "user (pip.conf)",
    )
    assert "u:p" not in repr(found)


def test_a_configuration_that_pip_cannot_read() -> None:
    def runner(argv, *, env, timeout=None):
        assert "PIP_QUIET" not in env
        return Completed(1, "", "ERROR: Configuration file contains invalid syntax")

    with pytest.raises(WarmupError, match="pip cannot read its own configuration: ERROR"):
        pip_config.read(runner, "python", {"PIP_QUIET": "3"})


def test_a_clean_environment() -> None:
    env = pip_config.clean_environment(
        {
            "PIP_TARGET": "x",
            "UV_INDEX": "x",
            "PYTHONPATH": "x",
            "VIRTUAL_ENV": "x",
            "HOME": "/home/me",
            "https_proxy": "http://proxy.example.com",
        }
    )
    assert env["PIP_CONFIG_FILE"] == os.devnull
    assert env["HOME"] == "/home/me"
    assert env["https_proxy"] == "http://proxy.example.com"
    assert not {"PIP_TARGET", "UV_INDEX", "PYTHONPATH", "VIRTUAL_ENV"} & env.keys()
