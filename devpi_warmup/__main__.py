"""``python -m devpi_warmup`` is ``devpi-warmup``."""

from devpi_warmup.cli import main

main()
