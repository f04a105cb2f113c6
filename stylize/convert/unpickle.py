"""Reads torch files and pickles as plain data, without looking up or running anything they name.

A pickle is a program that can call any function by name. Here ``pickletools`` decodes it, and only the operations that
build data are executed. A name must be in ``MEANINGS``, which gives it a harmless meaning of our own; any other is
refused. ``torch.load(weights_only=True)`` supports neither NVIDIA's pickles nor OmegaConf's classes, and lets a file
request unlimited memory. Formats: torch's zip files, its files from before 1.6, and plain pickles.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
import struct
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from types import UnionType
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from stylize.errors import CheckpointError

MAX_STEPS = 1_000_000  # of one pickle; e4e needs 40,000
MAX_NUMBERS = 2**28  # of one tensor
LEGACY_START = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."  # the pickle of torch's magic number


class Record(dict[Any, Any]):
    """The attributes of an object; its class is ignored."""


class Array:
    """A NumPy array; its numbers follow the object itself."""

    tensor: Tensor | None = None


@dataclass(frozen=True)
class Name:
    """A class or function named by a pickle, and its meaning here: a function, a dtype or nothing."""

    name: str
    meaning: Any


class _Refusal(Exception):
    """The rest of a sentence that starts with the file's name."""


def load(stream: IO[bytes], name: str) -> Any:
    """The content of a torch file or pickle: numbers, texts, lists, tuples, dicts, tensors on the CPU, and for objects
    of known classes a ``Record`` of their attributes. ``name`` is the file's name in errors.

    Raises CheckpointError if the file is damaged, requests too much memory, or names an unknown class.
    """
    try:
        start = stream.read(len(LEGACY_START))
        stream.seek(0)
        if start.startswith(b"PK"):
            with zipfile.ZipFile(stream) as archive:
                return _zip(archive, stream.seek(0, io.SEEK_END))
        return _legacy(stream) if start == LEGACY_START else _pickle(stream)
    except _Refusal as refusal:
        raise CheckpointError(f"{name} {refusal}") from None
    except Exception:  # on damaged files torch, zipfile and pickletools raise many kinds of exception
        raise CheckpointError(f"{name} is incomplete, damaged or not a checkpoint; download it again.") from None


def _zip(archive: zipfile.ZipFile, length: int) -> Any:
    if sum(info.file_size for info in archive.infolist()) > length:
        raise _Refusal("would unpack to more than its own size, which torch's files never do; download it again.")
    (record,) = (entry for entry in archive.namelist() if entry.endswith("/data.pkl"))
    folder = record.removesuffix("data.pkl")
    if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
        raise _Refusal("was written on a big-endian machine; save it again on a little-endian one.")
    storages: dict[str, Tensor] = {}

    def storage(dtype: torch.dtype, key: str, count: int) -> Tensor:
        if key not in storages:
            storages[key] = _numbers(archive.read(f"{folder}data/{key}"), dtype, count)
        return storages[key]

    return _pickle(io.BytesIO(archive.read(record)), storage)


def _legacy(stream: IO[bytes]) -> Any:
    """Five pickles (magic number, version, machine, content, storage keys), then the numbers of the storages."""
    left = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    storages: dict[str, Tensor] = {}

    def storage(dtype: torch.dtype, key: str, count: int) -> Tensor:
        nonlocal left
        if key not in storages:
            left -= count * dtype.itemsize
            if left < 0:
                raise _Refusal("is incomplete; download it again.")
            storages[key] = torch.empty(count, dtype=dtype)
        return storages[key]

    _pickle(stream), _pickle(stream)
    if _pickle(stream).get("little_endian") is not True:
        raise _Refusal("was written on a big-endian machine; save it again on a little-endian one.")
    content = _pickle(stream, storage)
    if sorted(keys := _pickle(stream)) != sorted(storages):
        raise ValueError("the keys are not those of the storages")
    for key in keys:
        own = storages[key]
        (count,) = struct.unpack("<q", stream.read(8))
        own.copy_(_numbers(stream.read(own.nbytes), own.dtype, count))
    return content


def _numbers(data: bytes, dtype: torch.dtype, count: int) -> Tensor:
    if len(data) != count * dtype.itemsize:
        raise ValueError("a storage has another length")
    return torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)


# --- the machine --------------------------------------------------------------------------------------

# Opcodes that push the value following them, and those that push a constant or an empty container.
LITERALS = {
    op.name
    for op in pickletools.opcodes
    if op.arg and not op.stack_before and op.stack_after not in ([], [pickletools.anyobject])
}
CONSTANT_OPCODES: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,
    "EMPTY_DICT": dict,
}
KEYS = (str, int, float, bytes, type(None), Name)  # hashable without recursion


def _pickle(stream: IO[bytes], storage: Callable[[torch.dtype, str, int], Tensor] | None = None) -> Any:
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    operations: Iterable[tuple[pickletools.OpcodeInfo, Any, int | None]] = pickletools.genops(stream)
    for step, (opcode, arg, _) in enumerate(operations):
        if step > MAX_STEPS:
            raise _Refusal("is far too complex for a checkpoint; use another file.")
        op = opcode.name
        if op in LITERALS:
            stack.append(arg)
        elif op in CONSTANT_OPCODES:
            stack.append(CONSTANT_OPCODES[op]())
        elif op in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[arg] = stack[-1]
        elif op == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif op in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[arg])
        elif op == "MARK":
            marks.append(len(stack))
        elif op in ("TUPLE1", "TUPLE2", "TUPLE3"):
            stack[-int(op[-1]) :] = [tuple(stack[-int(op[-1]) :])]
        elif op in ("TUPLE", "LIST", "FROZENSET"):
            items = since_mark()
            stack.append(tuple(items) if op == "TUPLE" else items)
        elif op == "DICT":
            items = since_mark()
            stack.append(_filled({}, items))
        elif op in ("APPEND", "APPENDS", "ADDITEMS"):
            items = [stack.pop()] if op == "APPEND" else since_mark()
            _known(stack[-1], list).extend(items)
        elif op in ("SETITEM", "SETITEMS"):
            items = [stack.pop(-2), stack.pop()] if op == "SETITEM" else since_mark()
            _filled(_known(stack[-1], dict), items)
        elif op in ("GLOBAL", "STACK_GLOBAL"):
            module, name = arg.split(" ", 1) if op == "GLOBAL" else (stack.pop(-2), stack.pop())
            stack.append(_named(f"{_known(module, str)}.{_known(name, str)}"))
        elif op in ("REDUCE", "NEWOBJ"):
            args = _known(stack.pop(), tuple)
            called = _known(stack.pop(), Name)
            if not callable(called.meaning):
                raise _Refusal(f"is refused: it calls {called.name}, which no checkpoint needs.")
            stack.append(called.meaning(*args))
        elif op == "BUILD":
            state = stack.pop()
            _build(stack[-1], state)
        elif op == "BINPERSID" and storage:
            kind, dtype, key, _, count, *view = _known(stack.pop(), tuple)
            if kind != "storage" or view not in ([], [None]):
                raise ValueError("not a storage")
            stack.append(storage(_known(_known(dtype, Name).meaning, torch.dtype), _known(key, str), count))
        elif op == "STOP":
            return stack.pop()
        elif op not in ("PROTO", "FRAME"):
            raise ValueError(f"the operation {op} is not known")
    raise EOFError


def _named(name: str) -> Name:
    name = re.sub(r"^__builtin__\.", "builtins.", name)
    name = re.sub(r"^numpy\.core\.", "numpy._core.", name)
    if name.startswith(("dnnlib.tflib.", "tfutil.")):
        raise _Refusal(
            "is a network of TensorFlow, which cannot be read without running its code; use the same for PyTorch: "
            "stylegan2-ffhq-1024x1024.pkl of NVIDIA's stylegan3, or what `python -m stylize download stylegan2-ffhq` "
            "fetches."
        )
    name = re.sub(r"^pathlib\._local\.", "pathlib.", name)
    if name not in MEANINGS:
        shown = name if name.isprintable() and len(name) < 100 else ascii(name[:100])
        raise _Refusal(f"is refused: unpickling it would use {shown}, which no checkpoint needs and may run code.")
    return Name(name, MEANINGS[name])


def _known(value: Any, kind: type | UnionType) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"not a {kind}")
    return value


def _filled(target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, KEYS):
            raise TypeError("not a key")
        target[key] = value
    return target


def _build(target: Any, state: Any) -> None:
    if isinstance(target, Record):
        for part in state if isinstance(state, tuple) else (state,):  # (attributes, slots)
            target.update(_known({} if part is None else part, dict))
    elif isinstance(target, Array):
        _, shape, dtype, fortran, data = state
        flat = np.frombuffer(_known(data, bytes), _known(dtype, np.dtype)).copy()
        target.tensor = torch.from_numpy(flat.reshape(shape, order="F" if fortran else "C"))
    elif isinstance(target, np.dtype):
        if state[1] not in ("<", "|", "="):
            raise ValueError("big-endian numbers")
    elif not isinstance(target, dict):  # a state dict's own attributes are not needed
        raise TypeError("cannot be built")


# --- meanings of names -----------------------------------------------------------------------------


def _record(*_: Any, **__: Any) -> Record:
    return Record()


def _tensor(numbers: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    if math.prod(_known(number, int) for number in size) > MAX_NUMBERS:
        raise _Refusal(f"holds a tensor of {math.prod(size):,} numbers, too many for a checkpoint.")
    return _known(numbers, Tensor).as_strided(size, stride, offset)


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    return _filled({}, [value for pair in _known(pairs, list | tuple) for value in _known(pair, list | tuple)])


def _posix(*parts: Any) -> str:
    """A path as text; nothing opens it."""
    return str(PurePosixPath(*(_known(part, str) for part in parts)))


def _windows(*parts: Any) -> str:
    return str(PureWindowsPath(*(_known(part, str) for part in parts)))


def _encode(text: str, encoding: str) -> bytes:  # protocol 2 writes bytes this way
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(encoding)
    return text.encode("latin-1")


def _dtype(code: str, *_: Any) -> np.dtype[Any]:
    if not re.fullmatch(r"[<|=]?[biuf][1248]", code):
        raise ValueError(code)
    return np.dtype(code)


def _scalar(dtype: np.dtype[Any], data: bytes) -> Any:
    return np.frombuffer(_known(data, bytes), _known(dtype, np.dtype))[0].item()


STORAGES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
}
MEANINGS: dict[str, Any] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch._utils._rebuild_parameter_with_state": lambda tensor, *_: tensor,
    "torch._tensor._rebuild_from_type_v2": lambda rebuild, _, args, __: _known(rebuild, Name).meaning(*args),
    "torch.storage._load_from_bytes": lambda data: _legacy(io.BytesIO(data)),
    **dict.fromkeys(("pathlib.PosixPath", "pathlib.PurePosixPath"), _posix),
    **dict.fromkeys(("pathlib.WindowsPath", "pathlib.PureWindowsPath"), _windows),
    "torch.Size": lambda sizes: _known(sizes, tuple),
    "collections.OrderedDict": _ordered,
    "builtins.set": lambda items: _known(items, list),
    "_codecs.encode": _encode,
    "numpy.dtype": _dtype,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.multiarray._reconstruct": lambda *_: Array(),
    # NVIDIA's networks; their source code, ``module_src``, is plain text here
    "torch_utils.persistence._reconstruct_persistent_obj": lambda meta: Record(_known(meta, dict)),
    **{f"torch.{name}Storage": dtype for name, dtype in STORAGES.items()},
    **dict.fromkeys(
        (
            *("argparse.Namespace", "dnnlib.util.EasyDict", "easydict.EasyDict", "types.SimpleNamespace"),
            *("collections.defaultdict", "torch.device"),
            *("omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig", "omegaconf.base.Metadata"),
            "omegaconf.base.ContainerMetadata",
            *(f"omegaconf.nodes.{kind}Node" for kind in ("Any", "Integer", "Float", "String", "Boolean")),
        ),
        _record,
    ),
    **dict.fromkeys(  # only named, never called
        (
            *(f"builtins.{name}" for name in ("dict", "list", "tuple", "int", "long", "float", "str", "bool")),
            *("typing.Any", "numpy.ndarray", "torch.Tensor", "torch.nn.parameter.Parameter", "pathlib.Path"),
            *(f"torch.{name}" for name in ("float16", "bfloat16", "float32", "float64", "int32", "int64")),
        )
    ),
}
