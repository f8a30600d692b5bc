"""Two-dimensional ``.npy`` files: written block by block, read memory-mapped, refused when cut or of another kind."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from pipeline import storage
from pipeline.storage import OutputFile


def write_array(
    folder: str, path: str, scratch: str, shape: tuple[int, ...], dtype: npt.DTypeLike, blocks: Iterable[np.ndarray]
) -> OutputFile:
    """Write an array whose rows come in blocks; the bytes don't depend on how they are cut.

    Args:
        folder: The stage folder.
        path: Relative to it, ending in ``.npy``.
        scratch: As in ``storage.atomic_writer``.
        shape: Of the whole array: the header comes first.
        dtype: Of the file; stored little-endian.
        blocks: Arrays [rows, *shape[1:]] in order.

    Raises:
        ValueError: The blocks' rows or shapes are not those of ``shape``; no file is left.
    """
    stored = np.dtype(dtype).newbyteorder("<")
    rows = 0
    with storage.atomic_writer(storage.join(folder, path), scratch) as stream:
        header = {"descr": np.lib.format.dtype_to_descr(stored), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for block in blocks:
            if block.shape[1:] != shape[1:]:
                raise ValueError(f"{path}: rows must be of shape {shape[1:]}; got a block of {block.shape}")
            stream.write(np.ascontiguousarray(block, stored).tobytes())
            rows += len(block)
        if rows != shape[0]:
            raise ValueError(f"{path}: the header says {shape[0]} rows; the blocks gave {rows}")
    return OutputFile(path, stream.sha256, rows, stream.bytes)


def open_array(path: str, dtypes: tuple[str, ...], columns: int) -> np.ndarray:
    """Open an array for reading: memory-mapped on this machine, read whole from an object store.

    Args:
        path: The file.
        dtypes: Names of the dtypes that are allowed, as ``("uint16", "uint32")``.
        columns: What the second axis must have; -1 = any size.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is cut, has bytes to spare, is no ``.npy``, or has another dtype or shape.
    """
    if not storage.exists(path):
        raise FileNotFoundError(f"{path}: no such file")
    array = _map(path) if storage.is_local(path) else _read(path)
    if array.ndim != 2 or columns not in (-1, array.shape[1]):
        wanted = "any number of" if columns == -1 else columns
        raise ValueError(f"{path}: a row must have {wanted} columns; the header says shape {array.shape}")
    if array.dtype.name not in dtypes:
        raise ValueError(f"{path}: dtype must be {' or '.join(dtypes)}; the header says {array.dtype}")
    return array


def _map(path: str) -> np.ndarray:
    try:
        with open(path, "rb") as stream:
            if np.lib.format.read_magic(stream) != (1, 0):
                raise ValueError("the header must be of .npy version 1.0")
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
            start = stream.tell()
    except ValueError as error:
        raise ValueError(f"{path}: not an array file: {error}") from error
    expected, found = start + int(np.prod(shape)) * dtype.itemsize, storage.size(path)
    if expected != found:
        raise ValueError(f"{path}: the header promises {expected} bytes ({dtype} {shape}); the file has {found}")
    if fortran_order or 0 in shape:  # an empty file cannot be mapped
        return np.load(path)
    return np.memmap(path, dtype, "r", start, shape)


def _read(path: str) -> np.ndarray:
    with storage.open_read(path) as stream:
        try:
            return np.load(stream)
        except (ValueError, EOFError) as error:
            raise ValueError(f"{path}: not a whole array file: {error}") from error
