"""ONNX files, looked at before a runtime sees them: versions, operators, and no other files.

Only as much of the form is read as a refusal needs (protocol buffers, onnx.proto3): which
version of the format and of its operator sets, that every operator is of the standard, that no
tensor lies in a file beside this one, that none is sparse, and that nothing loops.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from explain.errors import ArtefactRefused

__all__ = ["check"]

# What onnxruntime 1.32 reads; a file beyond is of a newer one.
MAX_IR_VERSION: Final = 14
MAX_OPSETS: Final = {"": 27, "ai.onnx": 27, "ai.onnx.ml": 5}
MAX_NODES: Final = 10_000

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES: Final = 10
_MAX_TAG: Final = 2**32 - 1  # a larger one is no tag; some readers take its lower half
# Numbers of fields in onnx.proto3: of a model, an operator set, a graph, a node and its
# attributes, a tensor.
_IR_VERSION, _GRAPH, _OPSET_IMPORT, _TRAINING_INFO, _FUNCTIONS = 1, 7, 8, 20, 25
_DOMAIN, _VERSION = 1, 2
_NODE, _INITIALIZER, _SPARSE_INITIALIZER = 1, 5, 15
_ATTRIBUTE, _NODE_DOMAIN = 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_ATTRIBUTE_SPARSE: Final = frozenset({22, 23})
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
Field = tuple[int, int | memoryview]


def check(data: bytes) -> None:
    """Return if the file may be given to the runtime.

    Raises:
        ArtefactRefused: it may not.
    """
    fields = list(_fields(memoryview(data)))
    if any(number in {_TRAINING_INFO, _FUNCTIONS} for number, _ in fields):
        raise ArtefactRefused("model file: more than a graph of standard operators")
    versions = [value for number, value in fields if number == _IR_VERSION]
    if len(versions) != 1 or not isinstance(versions[0], int) or not versions[0]:
        raise ArtefactRefused("model file: not as ONNX is written")
    if versions[0] > MAX_IR_VERSION:
        raise ArtefactRefused("model file: its form is newer than the runtime's: update it")
    opsets = [_opset(value) for value in _inside(fields, _OPSET_IMPORT)]
    for domain, version in opsets:
        if domain not in MAX_OPSETS:
            raise ArtefactRefused("model file: operators that are not of the ONNX standard")
        if version > MAX_OPSETS[domain]:
            raise ArtefactRefused("model file: operators newer than the runtime's: update it")
    graphs = _inside(fields, _GRAPH)
    if len(graphs) != 1 or not opsets:
        raise ArtefactRefused("model file: not as ONNX is written")
    _check_graph(graphs[0])


def _inside(fields: Iterable[Field], wanted: int) -> list[memoryview]:
    """Return the messages of one number; anything else in their place is passed over."""
    return [value for number, value in fields if number == wanted and isinstance(value, memoryview)]


def _opset(data: memoryview) -> tuple[str, int]:
    domain, newest = "", 0
    for number, value in _fields(data):
        if number == _DOMAIN and isinstance(value, memoryview):
            domain = bytes(value).decode("utf-8", "replace")
        elif number == _VERSION and isinstance(value, int):
            newest = value
    return domain, newest


def _check_graph(graph: memoryview) -> None:
    fields = list(_fields(graph))
    nodes = _inside(fields, _NODE)
    if not 1 <= len(nodes) <= MAX_NODES:
        raise ArtefactRefused("model file: no operators, or too many")
    for node in nodes:
        _check_node(node)
    if any(number == _SPARSE_INITIALIZER for number, _ in fields):
        raise ArtefactRefused("model file: sparse tensors")
    for tensor in _inside(fields, _INITIALIZER):
        _check_tensor(tensor)


def _check_node(node: memoryview) -> None:
    fields = list(_fields(node))
    for domain in _inside(fields, _NODE_DOMAIN):
        if bytes(domain).decode("utf-8", "replace") not in MAX_OPSETS:
            raise ArtefactRefused("model file: operators that are not of the ONNX standard")
    for attribute in _inside(fields, _ATTRIBUTE):
        held = list(_fields(attribute))
        if any(number in {_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS} for number, _ in held):
            raise ArtefactRefused("model file: operators that loop or branch")
        if any(number in _ATTRIBUTE_SPARSE for number, _ in held):
            raise ArtefactRefused("model file: sparse tensors")
        for tensor in _inside(held, _ATTRIBUTE_TENSOR) + _inside(held, _ATTRIBUTE_TENSORS):
            _check_tensor(tensor)


def _check_tensor(tensor: memoryview) -> None:
    for number, value in _fields(tensor):
        if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value):
            raise ArtefactRefused("model file: numbers that lie in another file")


def _fields(data: memoryview) -> Iterator[Field]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag > _MAX_TAG:
            raise ArtefactRefused("model file: not as ONNX is written")
        number, kind = tag >> 3, tag & 7
        size = 0
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in {_FIXED32, _FIXED64}:
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ArtefactRefused("model file: not as ONNX is written")
        if not number or size > len(data) - at:
            raise ArtefactRefused("model file: not as ONNX is written")
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(data[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004  # the last one has no mark
            return value, at + place + 1
    raise ArtefactRefused("model file: not as ONNX is written")
