"""Fill a devpi cache and a wheelhouse for every target, and prove that both work offline.

Read the modules in the order the data flows: ``targets``, ``config``, ``requirements``,
``index``, ``resolve``, ``lock``, ``wheelhouse``, ``referee``, ``report``, ``sessions``.
"""

__version__ = "0.1.0"
