"""Files that run code when they are opened, recognised by what is in them, not by their names.

A pickle is a program; joblib, cloudpickle and the usual saves of scikit-learn and PyTorch are
pickles, some compressed, some in a zip. None is ever opened here: a pickle is only read as
the list of its instructions (`pickletools`), which runs nothing. A zip is looked into as far
as saves of models nest, with a bound on what it unpacks to.
"""

import io
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
    (b"\x5d\x00\x00", "a compressed pickle (lzma)"),
    (b"\x04\x22\x4d\x18", "a compressed pickle (lz4)"),
    (b"\x28\xb5\x2f\xfd", "a compressed file (zstd)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"#!", "a program"),
)
_ZIP: Final = b"PK"
_NUMPY: Final = b"\x93NUMPY"
_OBJECTS: Final = re.compile(rb"'descr': *[^,]*\|?O")  # an array of objects is a pickle inside
_CATBOOST: Final = b"CBM1"  # its first letter is an instruction, too

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
        # The header of an array is short; what follows it are numbers, or a pickle.
        if _OBJECTS.search(data[:_LOOKED_AT].partition(b"\n")[0]):
            raise _refused("an array of pickled objects", inside, data)
    elif not data.startswith(_CATBOOST) and _is_old_pickle(data):
        raise _refused("a pickle", inside, data)


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
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError,
            ValueError, OverflowError) as error:  # fmt: skip
        raise _refused("a zip archive that does not unpack", "", data) from error


def _is_old_pickle(data: bytes) -> bool:
    """Whether these are instructions up to an end: protocols 0 and 1 have no first bytes."""
    try:
        return any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(data))
    except (ValueError, IndexError, OverflowError):
        return False


def _refused(name: str, inside: str, data: bytes) -> ArtefactRefused:
    begin = data[:_LOOKED_AT]
    way = next((way for library, way in _WAYS_OUT if library in begin), _ANY_WAY_OUT)
    return ArtefactRefused(
        f"model file: {name}{inside} can run code when it is opened; export the model in its "
        f"own format instead: {way}"
    )
