"""Fill a devpi cache and a wheelhouse for every target, and prove that both work offline.

``docs/architecture.md`` is the way in: a page, a picture, and where to find what.
"""

__version__ = "0.1.0"
