"""Properties to and from the protobuf Structs that the SDK speaks (pulumi/runtime/rpc.py has the other side).

A Struct knows floats only: whole numbers come back as ints here, because Kubernetes refuses 3.0 for an int32. What the
engine cannot carry (assets, archives, references to resources of remote components) is refused with a sentence.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import struct_pb2  # type: ignore[import-untyped]

from infra.engine.values import UNKNOWN, Properties, Secret, Value
from workloads.errors import EngineError

MARKER = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_WHOLE = 2.0**53


def decode(struct: Any) -> Properties:
    """A Struct as properties; None values are dropped, as the SDK drops them."""
    return {k: v for k, v in ((k, _decode(v)) for k, v in struct.fields.items()) if v is not None}


def _decode(value: Any) -> Value:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text: str = value.string_value
        return UNKNOWN if text == UNKNOWN_TEXT else text
    if kind == "number_value":
        number: float = value.number_value
        return int(number) if number.is_integer() and abs(number) <= _WHOLE else number
    if kind == "bool_value":
        return bool(value.bool_value)
    if kind == "list_value":
        return [_decode(item) for item in value.list_value.values]
    if kind == "struct_value":
        fields = value.struct_value.fields
        if MARKER in fields:
            return _decode_marked(fields)
        return {k: _decode(v) for k, v in fields.items()}
    return None


def _decode_marked(fields: Any) -> Value:
    signature = fields[MARKER].string_value
    if signature == SECRET:
        return Secret(_decode(fields["value"]))
    if signature == OUTPUT:
        value = _decode(fields["value"]) if "value" in fields else UNKNOWN
        return Secret(value) if "secret" in fields and fields["secret"].bool_value else value
    raise EngineError(
        "The embedded engine cannot carry assets, archives or references to resources as properties. "
        "Pass the file's content or the resource's outputs, or use the Pulumi CLI (--engine cli)."
    )


def encode(properties: Properties) -> struct_pb2.Struct:
    """Properties as a Struct, with secrets and unknowns marked."""
    struct = struct_pb2.Struct()
    struct.update({k: _encode(v) for k, v in properties.items()})
    return struct


def _encode(value: Value) -> Value:
    if isinstance(value, Secret):
        return {MARKER: SECRET, "value": _encode(value.value)}
    if value is UNKNOWN:
        return UNKNOWN_TEXT
    if isinstance(value, dict):
        return {k: _encode(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(v) for v in value]
    return value
