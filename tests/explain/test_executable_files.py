"""Files that run code are known by what is in them, whatever they are called or packed into."""

import bz2
import gzip
import io
import lzma
import pickle
import zipfile
import zlib
from typing import Any

import joblib
import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from explain import executable_files
from explain.errors import ArtefactRefused
from explain.executable_files import refuse_code

PICKLES = [pickle.dumps({"weights": [1.5]}, protocol) for protocol in range(6)]


def zipped(**members: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return held.getvalue()


def array(values: Any) -> bytes:
    held = io.BytesIO()
    np.save(held, values, allow_pickle=True)
    return held.getvalue()


def joblibbed(compress: Any) -> bytes:
    held = io.BytesIO()
    joblib.dump({"weights": np.ones(3)}, held, compress=compress)
    return held.getvalue()


@pytest.mark.parametrize("data", PICKLES, ids=range(6))
def test_a_pickle_of_every_protocol_is_refused_with_the_way_out(data: bytes) -> None:
    with pytest.raises(ArtefactRefused, match=r"a pickle can run code .* own format instead"):
        refuse_code(data)


@pytest.mark.parametrize(
    "compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)]
)
def test_what_joblib_writes_is_refused(compress: Any) -> None:
    with pytest.raises(ArtefactRefused, match="can run code"):
        refuse_code(joblibbed(compress))


@pytest.mark.parametrize(
    "pack", [bz2.compress, gzip.compress, lzma.compress, zlib.compress], ids=lambda one: one.__module__
)  # fmt: skip
def test_a_compressed_pickle_is_refused(pack: Any) -> None:
    with pytest.raises(ArtefactRefused, match="can run code"):
        refuse_code(pack(PICKLES[4]))


@pytest.mark.parametrize("data", PICKLES, ids=range(6))
def test_a_pickle_in_a_zip_is_refused_whatever_it_is_called(data: bytes) -> None:
    # As PyTorch saves: a zip with a pickle in it. Under an innocent name, and one zip deeper.
    for held in (zipped(**{"data.pkl": data}), zipped(**{"weights.txt": data})):
        for packed in (held, zipped(inner=held)):
            with pytest.raises(ArtefactRefused, match="a pickle in a zip"):
                refuse_code(packed, zipped=True)


def test_an_array_of_objects_is_a_pickle() -> None:
    with pytest.raises(ArtefactRefused, match="pickled objects in a zip"):
        refuse_code(zipped(a=array(np.array([{}, {}]))), zipped=True)
    refuse_code(zipped(a=array(np.ones(3)), b=b"{}"), zipped=True)


CALL = b"cos\nsystem\n(S'true'\ntR"


@pytest.mark.parametrize(
    "data",
    [
        CALL,
        b"I0x1\n0" + CALL + b".",
        b"F1.0\x00more\n0" + CALL,
        b"CBM1".ljust(68) + b"0" + CALL + b".",
        b"(ios\nabort\n",
        b"\x8c\x02os\x8c\x05abort\x93",
        b"U\x02os0X\x01\x00\x00\x00a0\x82\x01",
    ],
    ids=["no end", "hexadecimal", "zero byte", "as catboost", "inst", "from stack", "extension"],
)
def test_a_pickle_is_known_by_what_it_fetches_whether_or_not_it_ends(data: bytes) -> None:
    for each in (data, zipped(model=data)):
        with pytest.raises(ArtefactRefused, match="a pickle"):
            refuse_code(each, zipped=True)


@pytest.mark.parametrize(
    "text",
    [
        b"catboost==1.2.8\nnumpy==2.3.5\n",
        b"ipython 9\njinja2 3\n",
        b"cos",
        b"Python 3.13.1\n",
        b"READ ME\n",
        b"T\xff\xff\xff\xff" + CALL,
    ],
)
def test_a_text_that_begins_as_an_instruction_passes(text: bytes) -> None:
    refuse_code(text)


def test_an_lzma_file_is_known_whatever_its_dictionary() -> None:
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 6144}]
    with pytest.raises(ArtefactRefused, match="lzma"):
        refuse_code(lzma.compress(PICKLES[4], lzma.FORMAT_ALONE, filters=filters))


def test_an_array_passes_only_with_numbers_or_records_of_them() -> None:
    record = [("at", "<i8"), ("", "|V7"), ("bits", "<u4", (8,))]
    for plain in (np.ones(3), np.array(["a"]), np.array(["2026"], "M8[D]"), np.zeros(2, record)):
        refuse_code(array(plain))
    header = array(np.ones(3))
    for held in (
        array(np.zeros(1, [("a", "<f8"), ("b", "O")])),
        array(np.zeros(1, [("a", [("b", "O")])])),
        header.replace(b"'<f8', ", b"'object',"),
        header.replace(b"(3,), }             ", b"(3,), 'descr':'|O', }")[:128],
        header[:20],
    ):
        with pytest.raises(ArtefactRefused, match="pickled objects"):
            refuse_code(held)


def test_the_way_out_is_that_of_the_library_whose_pickle_it_is() -> None:
    booster = xgboost.train({}, xgboost.DMatrix(np.eye(2), [0, 1]), 1)
    with pytest.raises(ArtefactRefused, match=r"model\.json"):
        refuse_code(pickle.dumps(booster))
    with pytest.raises(ArtefactRefused, match="others: ONNX"):
        refuse_code(PICKLES[4])


@pytest.mark.parametrize(
    "data",
    [b"PK\x03\x04", zipped(a=b"text")[:-9], zipped(a=b"text")],
    ids=["head", "cut", "whole"],  # the zip has the time of day in it
)
def test_a_zip_is_no_model_where_none_is_meant(data: bytes) -> None:
    with pytest.raises(ArtefactRefused, match="a zip archive"):
        refuse_code(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_with_a_damaged_member_is_refused(method: int) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        archive.writestr("a", b"text" * 99)
    refused = 0
    for at in range(31, 60):  # the member, behind its head and its name; some bits are idle
        damaged = bytearray(held.getvalue())
        damaged[at] ^= 0xFF
        try:
            refuse_code(bytes(damaged), zipped=True)
        except ArtefactRefused:
            refused += 1
    assert refused


def test_a_zip_that_unpacks_to_too_much_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executable_files, "MAX_UNPACKED_BYTES", 1_000)
    refuse_code(zipped(a=b"{" * 1_000), zipped=True)
    with pytest.raises(ArtefactRefused, match="too much"):
        refuse_code(zipped(a=b"{" * 900, b=b"{" * 900), zipped=True)
    monkeypatch.setattr(executable_files, "MAX_MEMBERS", 1)
    with pytest.raises(ArtefactRefused, match="too many"):
        refuse_code(zipped(a=b"{", b=b"{"), zipped=True)
    with pytest.raises(ArtefactRefused, match="too deeply"):
        refuse_code(zipped(a=zipped(b=zipped(c=b"{"))), zipped=True)


def test_models_in_their_own_formats_pass(model_json: bytes, model_ubj: bytes) -> None:
    for data in (model_json, model_ubj, b"tree\nversion=v4\n", b"CBM1.", b"\x08\x0a.", b""):
        refuse_code(data)


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_pass_or_are_our_error(data: bytes, wanted: bool) -> None:
    for each in (data, b"PK\x03\x04" + data, zipped(a=data)[: len(data) + 40]):
        try:
            refuse_code(each, zipped=wanted)
        except ArtefactRefused:
            continue
