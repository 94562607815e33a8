"""Fill a devpi cache and a wheelhouse for every target, and prove that both work offline.

Read ``noxfile.py`` first, then the modules in the order the data flows: ``errors``,
``targets``, ``config``, ``requirements``, ``process``, ``ambient``, ``credentials``,
``wheelhouse``, ``connection``, ``transport``, ``index``, ``devpi``, ``wheels``, ``gather``,
``lock``, ``explain``, ``finder``, ``candidates``, ``resolve``, ``pipshim``, ``referee``,
``manifest``, ``install``, ``serve``, ``server``, ``report``, ``warmup``, ``moving``,
``sessions``. A module imports only what stands before it.
"""

__version__ = "0.1.0"
