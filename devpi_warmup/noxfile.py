"""Fill a devpi cache and a wheelhouse for every target, and prove that both work offline.

devpi-warmup warmup                       every target of [tool.devpi-warmup]
devpi-warmup warmup -p 3.13               every platform of one Python
devpi-warmup "warmup(cp313-win_amd64)"    one target
devpi-warmup report                       the table of what the wheelhouse covers
devpi-warmup verify -p 3.13               install offline on the real interpreter
devpi-warmup bundle                       one folder of all that crosses the gap
devpi-warmup seal                         make the private devpi ready to move
devpi-warmup verify-devpi                 prove that devpi serves every lock
devpi-warmup publish -- URL               send the wheelhouse into the index inside
devpi-warmup clients                      write pip.conf, pip.ini and uv.toml
"""

from devpi_warmup import cli
from devpi_warmup.sessions import registration

registration.register(cli.ROOT, command=f"{cli.NAME} ")
