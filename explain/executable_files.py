"""Files that run code when they are opened, recognised by what is in them, not by their names.

A pickle is a program; joblib, cloudpickle and the usual saves of scikit-learn and PyTorch are
pickles, some compressed, some in a zip. None is ever opened here: a pickle is only read as
the list of its instructions, which runs nothing. A zip is looked into as far
as saves of models nest, with a bound on what it unpacks to.
"""

import io
import lzma
import pickletools
import re
import zipfile
import zlib
from typing import Final

from explain.errors import ArtefactRefused

__all__ = ["MAX_UNPACKED_BYTES", "refuse_code"]

MAX_UNPACKED_BYTES: Final = 2**30  # of a zip, all members together; a bomb is stopped there
MAX_MEMBERS: Final = 100_000  # of a zip; one array of a skops file is one member
MAX_NESTING: Final = 2  # a skops file holds sparse arrays as zips of arrays
_LOOKED_AT: Final = 65_536  # bytes in which the name of the library is looked for

# First bytes of files that run code, or hide what they hold, when they are opened.
_STARTS: Final = (
    (b"\x80", "a pickle"),
    (b"\x1f\x8b", "a compressed pickle (gzip)"),
    (b"x\x9c", "a compressed pickle (zlib)"),
    (b"x\x01", "a compressed pickle (zlib)"),
    (b"x\xda", "a compressed pickle (zlib)"),
    (b"x^", "a compressed pickle (zlib)"),
    (b"ZF", "a compressed pickle (joblib)"),
    (b"BZh", "a compressed pickle (bzip2)"),
    (b"\xfd7zXZ", "a compressed pickle (xz)"),
    (b"\x5d\x00", "a compressed pickle (lzma)"),  # the size of the dictionary follows
    (b"\x04\x22\x4d\x18", "a compressed pickle (lz4)"),
    (b"\x28\xb5\x2f\xfd", "a compressed file (zstd)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"#!", "a program"),
)
_ZIP: Final = b"PK"
_DAMAGED: Final = (  # what a zip that does not hold together raises
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError),
    *(EOFError, OSError, ValueError, OverflowError, MemoryError),
)
_NUMPY: Final = b"\x93NUMPY"
# A header of an array as NumPy writes it, of plain numbers or of records of them: an array of
# objects is a pickle inside.
_PLAIN: Final = rb"'[<>|][?a-zA-NP-Z][0-9]*(?:\[[0-9A-Za-z]+\])?'"
_FIELD: Final = rb"\('[^'\\]*', " + _PLAIN + rb"(?:, \([0-9, ]*\))?\)"
_ARRAY: Final = re.compile(
    rb"\{'descr': (?:" + _PLAIN + rb"|\[" + _FIELD + rb"(?:, " + _FIELD + rb")*\]), "
    rb"'fortran_order': (?:True|False), 'shape': \([0-9, ]*\), \} *\n"
)
_CATBOOST: Final = b"CBM1"  # its first letter is an instruction, too

_OPCODES: Final = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
_FETCHES_BY_LINES: Final = frozenset({"GLOBAL", "INST"})
_FETCHES: Final = frozenset({"STACK_GLOBAL", "EXT1", "EXT2", "EXT4"})
_WIDTHS: Final = {  # of the length that comes before an argument
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}

_WAYS_OUT: Final = (
    (b"xgboost", "booster.save_model('model.json')"),
    (b"lightgbm", "booster.save_model('model.txt')"),
    (b"catboost", "model.save_model('model.cbm')"),
    (b"interpret", "explain.additive.ebm_document(model)"),
    (b"sklearn", "skops.io.dump(model, 'model.skops')"),
)
_ANY_WAY_OUT: Final = (
    "XGBoost: booster.save_model('model.json'), LightGBM: booster.save_model('model.txt'), "
    "CatBoost: model.save_model('model.cbm'), scikit-learn: skops.io.dump, others: ONNX"
)


def refuse_code(data: bytes, *, zipped: bool = False) -> None:
    """Return if no part of the file runs code when it is opened.

    `zipped`: it is meant to be a zip of plain parts, as a skops file is.

    Raises:
        ArtefactRefused: one does, or may; the text says in which way to export instead.
    """
    _refuse(data, "", MAX_NESTING)
    if data.startswith(_ZIP) and not zipped:
        raise _refused("a zip archive", "", data)


def _refuse(data: bytes, inside: str, nesting: int) -> None:
    for start, name in _STARTS:
        if data.startswith(start):
            raise _refused(name, inside, data)
    if data.startswith(_ZIP):
        _refuse_members(data, nesting)
    elif data.startswith(_NUMPY):
        if not _is_plain_array(data):
            raise _refused("an array of pickled objects", inside, data)
    elif _runs_code(data) or (not data.startswith(_CATBOOST) and _is_old_pickle(data)):
        raise _refused("a pickle", inside, data)


def _is_plain_array(data: bytes) -> bool:
    width = 2 if data[6:7] == b"\x01" else 4
    start = 8 + width
    size = int.from_bytes(data[8:start], "little")
    return size <= _LOOKED_AT and _ARRAY.fullmatch(data[start : start + size]) is not None


def _refuse_members(data: bytes, nesting: int) -> None:
    if nesting == 0:
        raise ArtefactRefused("model file: zips are nested too deeply")
    room = MAX_UNPACKED_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if len(archive.infolist()) > MAX_MEMBERS:
                raise ArtefactRefused("model file: too many files in the zip")
            for member in archive.infolist():
                with archive.open(member) as stream:
                    content = stream.read(room + 1)
                room -= len(content)
                if room < 0:
                    raise ArtefactRefused("model file: the zip unpacks to too much")
                _refuse(content, " in a zip", nesting - 1)
    except _DAMAGED as error:
        raise _refused("a zip archive that does not unpack", "", data) from error


def _is_old_pickle(data: bytes) -> bool:
    """Whether these are instructions up to an end: protocols 0 and 1 have no first bytes."""
    try:
        return any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(data))
    except (ValueError, IndexError, OverflowError):
        return False


def _runs_code(data: bytes) -> bool:
    """Whether instructions lead to one that fetches what can be called, ended or not.

    What was run before a broken end has been run, so nothing has to follow. Arguments are passed
    over as the unpickler reads them, not parsed: it takes more forms of a number than pickletools
    does. Calls (REDUCE, BUILD, ...) need something fetched; to fetch by PERSID takes a program
    that has been written for it.
    """
    stream = io.BytesIO(data)
    while (opcode := _OPCODES.get(stream.read(1))) is not None:
        if opcode.name in _FETCHES:
            return True
        if opcode.name in _FETCHES_BY_LINES:
            module, name = stream.readline(), stream.readline()
            if _is_path(module) and _is_path(name):
                return True
        elif opcode.arg is not None:
            size = opcode.arg.n
            if size == pickletools.UP_TO_NEWLINE:
                stream.readline()
                continue
            if size in _WIDTHS:
                size = int.from_bytes(stream.read(_WIDTHS[size]), "little")
            if size > len(data):
                return False
            stream.seek(size, io.SEEK_CUR)
    return False


def _is_path(line: bytes) -> bool:
    """Whether a line names something to import: a text that happens to begin with c does not."""
    names = line.decode("utf-8", "replace").removesuffix("\n").split(".")
    return line.endswith(b"\n") and all(map(str.isidentifier, names))


def _refused(name: str, inside: str, data: bytes) -> ArtefactRefused:
    begin = data[:_LOOKED_AT]
    way = next((way for library, way in _WAYS_OUT if library in begin), _ANY_WAY_OUT)
    return ArtefactRefused(
        f"model file: {name}{inside} can run code when it is opened; export the model in its "
        f"own format instead: {way}"
    )
