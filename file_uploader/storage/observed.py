"""Operations of a store that are counted, timed and traced under their names."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    aclosing,
    contextmanager,
)
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from file_uploader import metrics, tracing


class Observed(Protocol):
    """A store, or a part of one: figures call it by its ``kind``."""

    @property
    def kind(self) -> str:
        """``local`` or ``s3``."""
        ...


P = ParamSpec("P")
S = TypeVar("S", bound=Observed)
T = TypeVar("T")

Call = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]
Items = Callable[Concatenate[S, P], AsyncGenerator[T, None]]
Opening = Callable[Concatenate[S, P], AbstractAsyncContextManager[T]]


def observed(operation: str) -> Callable[[Call[S, P, T]], Call[S, P, T]]:
    """Observe a coroutine method."""

    def decorate(method: Call[S, P, T]) -> Call[S, P, T]:
        @wraps(method)
        async def call(store: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            with _observation(store.kind, operation):
                return await method(store, *args, **kwargs)

        return call

    return decorate


def observed_items(operation: str) -> Callable[[Items[S, P, T]], Items[S, P, T]]:
    """Observe an asynchronous generator, from its first item to its end."""

    def decorate(method: Items[S, P, T]) -> Items[S, P, T]:
        @wraps(method)
        async def items(store: S, /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
            with _observation(store.kind, operation):
                async with aclosing(method(store, *args, **kwargs)) as found:
                    async for item in found:
                        yield item

        return items

    return decorate


def observed_opening(operation: str) -> Callable[[Opening[S, P, T]], Opening[S, P, T]]:
    """Observe how something is opened, and not what is done while it is open."""

    def decorate(method: Opening[S, P, T]) -> Opening[S, P, T]:
        @wraps(method)
        def opening(
            store: S, /, *args: P.args, **kwargs: P.kwargs
        ) -> AbstractAsyncContextManager[T]:
            return _Opening(method(store, *args, **kwargs), store.kind, operation)

        return opening

    return decorate


class _Opening(AbstractAsyncContextManager[T]):
    def __init__(self, inner: AbstractAsyncContextManager[T], kind: str, operation: str) -> None:
        self._inner = inner
        self._kind = kind
        self._operation = operation

    async def __aenter__(self) -> T:
        with _observation(self._kind, self._operation):
            return await self._inner.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._inner.__aexit__(kind, error, trace)


def _observation(kind: str, operation: str) -> AbstractContextManager[object]:
    counting = metrics.StoreOperation(kind, operation)
    return _traced(counting, operation) if tracing.active() else counting


@contextmanager
def _traced(counting: AbstractContextManager[object], operation: str) -> Iterator[None]:
    with counting, tracing.span(f"store.{operation}"):
        yield
