"""Hugging Face's ZeroGPU: a GPU that is lent per call; each call runs in another process.

Arguments and results of a call are pickled, and of exceptions only gr.Error survives. So lent functions take and return
plain data on the CPU, and a StylizeError travels as a value.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import wraps
from typing import Any

from stylize.errors import StylizeError
from stylize.ui.studio import Studio

# The work that uses the device, and the most seconds to request for it.
OF_STYLIZER = {"faces": 30, "instant": 30, "sample": 30, "views": 30}
OF_STUDIO = {
    "random": 30, "picture": 60, "preview": 30, "cells": 60, "walk": 120, "restyle": 120, "learn_words": 120,
    "learn_pictures": 120,
}  # fmt: skip

Gpu = Callable[..., Callable[[Callable[..., Any]], Callable[..., Any]]]  # spaces.GPU


def lend(studio: Studio, gpu: Gpu) -> None:
    """Runs all of the studio's device work where ZeroGPU lends a GPU."""
    for owner, work in ((studio.stylizer, OF_STYLIZER), (studio, OF_STUDIO)):
        for name, seconds in work.items():
            setattr(owner, name, lent(getattr(owner, name), gpu(duration=seconds)))


def lent(work: Callable[..., Any], borrow: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Callable[..., Any]:
    """``work`` run through ``borrow``, unchanged for its callers: a generator remains one and raises the same
    errors."""
    if inspect.isgeneratorfunction(work):

        @borrow
        def steps(*args: Any, **given: Any) -> Iterator[Any]:
            try:
                yield from work(*args, **given)
            except StylizeError as error:
                yield error

        @wraps(work)
        def generator(*args: Any, **given: Any) -> Iterator[Any]:
            with closing(steps(*args, **given)) as items:
                for item in items:
                    yield _or_raise(item)

        return generator

    @borrow
    def there(*args: Any, **given: Any) -> Any:
        try:
            return work(*args, **given)
        except StylizeError as error:
            return error

    @wraps(work)
    def call(*args: Any, **given: Any) -> Any:
        return _or_raise(there(*args, **given))

    return call


def _or_raise(item: Any) -> Any:
    if isinstance(item, StylizeError):
        raise item
    return item
