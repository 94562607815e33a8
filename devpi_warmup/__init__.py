"""Fill a devpi cache and a wheelhouse for every target, and prove that both work offline.

Read ``noxfile.py`` first, then the modules in the order the data flows: ``errors``,
``platform_hints``, ``targets``, ``patches``, ``process``, ``wheelhouse``, ``config``,
``requirements``, ``ambient``, ``credentials``, ``connection``, ``transport``, ``warmth``,
``bases``, ``index``, ``devpi``, ``wheels``, ``members``, ``gather``, ``lock``, ``finder``,
``candidates``, ``explain``, ``others``, ``unfit``, ``resolve``, ``pipshim``, ``referee``,
``pipjudge``, ``judge``, ``manifest``, ``coverage``, ``journal``, ``install``, ``serve``,
``server``, ``report``, ``warmup``, ``moving``, ``sessions``. A module imports only what stands
before it.
"""

__version__ = "0.1.0"
