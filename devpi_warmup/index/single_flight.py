"""A value that many threads want is computed once."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Key = TypeVar("Key", bound="Hashable")
Value = TypeVar("Value")


class SingleFlight(Generic[Key, Value]):
    """Computes each value once, in the thread that asks first; the others wait for it."""

    def __init__(self, compute: Callable[[Key], Value]) -> None:
        self._compute = compute
        self._futures: dict[Key, Future[Value]] = {}
        self._guard = threading.Lock()

    def known(self, key: Key) -> Future[Value] | None:
        """Return what becomes of a key that somebody has asked for, or None."""
        with self._guard:
            return self._futures.get(key)

    def __call__(self, key: Key) -> Value:
        """Return the value of a key; an error is raised for all who wait, and not remembered."""
        with self._guard:
            known = self._futures.get(key)
            future = self._futures.setdefault(key, Future()) if known is None else known
        if known is None:
            try:
                future.set_result(self._compute(key))
            except BaseException as error:
                with self._guard:
                    del self._futures[key]  # a later target may have more luck
                future.set_exception(error)
                raise
        return future.result()
