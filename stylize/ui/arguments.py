"""Checks the arguments of the endpoints for scripts: says what each must be, and what is wrong with a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr

from stylize.errors import StylizeError
from stylize.ui.uploads import photo_input

MAX_ITEMS = 100  # of a list
LARGEST_WHOLE = 2**32 - 1
NOT_HERE = "A file that was given is not one of those uploaded to this server; upload it and pass on what that answers."


@contextmanager
def sentences() -> Iterator[None]:
    """Turns every StylizeError into the sentence that the caller gets."""
    try:
        yield
    except StylizeError as error:
        raise gr.Error(str(error), print_exception=False) from None


@dataclass(frozen=True)
class Argument:
    """An argument of an endpoint: a hidden field of the page, what its value must be, in words and as a test, and its
    default; ``needed`` if there is no default."""

    field: Any
    words: str
    fits: Callable[[Any], bool]
    default: Any = None
    needed: bool = False

    def checked(self, name: str, value: Any) -> Any:
        """The value, or the default for None. Raises StylizeError naming the argument."""
        if value is None and not self.needed:
            return self.default
        if value is None:
            raise StylizeError("{} is missing; give {}.", name, self.words)
        if not self.fits(value):
            raise StylizeError("{} must be {}, not {}.", name, self.words, shown(value))
        return value


def shown(value: Any) -> str:
    words = ascii(value)
    return words if len(words) <= 60 else f"{words[:57]}..."


def is_file(value: Any) -> bool:
    """A file as Gradio's clients send it: uploaded, or as an address."""
    meta = value.get("meta") if isinstance(value, dict) else None
    return isinstance(meta, dict) and meta.get("_type") == "gradio.FileData" and isinstance(value.get("path"), str)


def is_text(value: Any) -> bool:
    """Text that can be encoded, without lone surrogates."""
    return isinstance(value, str) and not re.search(r"[\ud800-\udfff]", value)


def words(value: str = "") -> Argument:
    return Argument(gr.Textbox(value), "words", is_text, value)


def many() -> Argument:
    texts = gr.Dropdown([], multiselect=True, allow_custom_value=True)
    texts.api_info = lambda: {"type": "array", "items": {"type": "string"}}  # "not one of the choices"

    def fits(value: Any) -> bool:
        return isinstance(value, list) and len(value) <= MAX_ITEMS and all(is_text(item) for item in value)

    return Argument(texts, f"a list of at most {MAX_ITEMS} words", fits, [])


def number(value: float, low: float, high: float) -> Argument:
    return Argument(
        gr.Number(value),
        f"a number from {low:g} to {high:g}",
        lambda given: type(given) in (int, float) and low <= given <= high,
        value,
    )


def whole_number(value: int) -> Argument:
    return Argument(
        gr.Number(value, precision=0),
        f"a whole number from {-LARGEST_WHOLE:,} to {LARGEST_WHOLE:,}",
        lambda given: type(given) in (int, float) and abs(given) <= LARGEST_WHOLE and given == int(given),
        value,
    )


def choice(*names: str, value: str = "") -> Argument:
    first = value or names[0]
    return Argument(gr.Radio(names, value=first), f"one of {', '.join(names)}", lambda given: given in names, first)


def yes_or_no() -> Argument:
    return Argument(gr.Checkbox(False), "true or false", lambda given: isinstance(given, bool), False)


def file(what: str, needed: bool = False) -> Argument:
    return Argument(gr.File(), f"an uploaded file, {what}", is_file, needed=needed)


def files(what: str) -> Argument:
    def fits(value: Any) -> bool:
        return isinstance(value, list) and len(value) <= MAX_ITEMS and all(is_file(item) for item in value)

    return Argument(gr.File(file_count="multiple"), f"a list of at most {MAX_ITEMS} uploaded files, {what}", fits)


def photo() -> Argument:
    return Argument(photo_input(), "an uploaded file, a picture with a face", is_file, needed=True)


class Endpoints(gr.Blocks):  # type: ignore[misc]  # a class of Gradio
    """Blocks that report what is wrong with an argument of a public endpoint before any field processes it."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        self.arguments: dict[str, dict[str, Argument]] = {}
        super().__init__(*args, **settings)

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *rest: Any, **settings: Any) -> Any:
        arguments = self.arguments.get(block_fn.api_name if isinstance(block_fn.api_name, str) else "")
        if arguments is None:
            return await super().preprocess_data(block_fn, inputs, *rest, **settings)
        with sentences():
            given = [*inputs, *[None] * (len(arguments) - len(inputs))]
            inputs = [
                argument.checked(name, value) for (name, argument), value in zip(arguments.items(), given, strict=False)
            ]
        try:
            return await super().preprocess_data(block_fn, inputs, *rest, **settings)
        except gr.Error:
            raise
        except Exception:  # of an invalid path, a path outside the uploads, or an address
            raise gr.Error(NOT_HERE, print_exception=False) from None
