"""Operations of a store that are counted, timed and traced under their names.

Figures call a store by the name of its package.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, aclosing
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from file_uploader import tracing
from file_uploader.metrics import store_operation_began, store_operation_ended

P = ParamSpec("P")
T = TypeVar("T")

Call = Callable[P, Coroutine[Any, Any, T]]
Items = Callable[P, AsyncGenerator[T, None]]
Opening = Callable[P, AbstractAsyncContextManager[T]]


def observed(operation: str) -> Callable[[Call[P, T]], Call[P, T]]:
    """Observe a coroutine method."""

    def decorate(method: Call[P, T]) -> Call[P, T]:
        store, step = _store_of(method), f"store.{operation}"

        @wraps(method)
        async def call(*args: P.args, **kwargs: P.kwargs) -> T:
            began, failure = store_operation_began(operation), None
            try:
                with tracing.span(step):
                    return await method(*args, **kwargs)
            except BaseException as error:
                failure = type(error)
                raise
            finally:
                store_operation_ended(store, operation, began, failure)

        return call

    return decorate


def observed_items(operation: str) -> Callable[[Items[P, T]], Items[P, T]]:
    """Observe an asynchronous generator, from its first item to its end."""

    def decorate(method: Items[P, T]) -> Items[P, T]:
        store, step = _store_of(method), f"store.{operation}"

        @wraps(method)
        async def items(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
            began, failure = store_operation_began(operation), None
            try:
                with tracing.span(step):
                    async with aclosing(method(*args, **kwargs)) as found:
                        async for item in found:
                            yield item
            except BaseException as error:
                failure = type(error)
                raise
            finally:
                store_operation_ended(store, operation, began, failure)

        return items

    return decorate


def observed_opening(operation: str) -> Callable[[Opening[P, T]], Opening[P, T]]:
    """Observe how something is opened, and not what is done while it is open."""

    def decorate(method: Opening[P, T]) -> Opening[P, T]:
        @observed(operation)
        @wraps(method)  # It is counted as that one.
        async def enter(opened: AbstractAsyncContextManager[T]) -> T:
            return await opened.__aenter__()

        @wraps(method)
        def opening(*args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[T]:
            return _Opening(method(*args, **kwargs), enter)

        return opening

    return decorate


class _Opening(AbstractAsyncContextManager[T]):
    def __init__(
        self,
        opened: AbstractAsyncContextManager[T],
        enter: Call[[AbstractAsyncContextManager[T]], T],
    ) -> None:
        self._opened = opened
        self._enter = enter

    async def __aenter__(self) -> T:
        return await self._enter(self._opened)

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._opened.__aexit__(*error)


def _store_of(method: Callable[..., object]) -> str:
    """``local`` or ``s3``."""
    return method.__module__.split(".")[2]
