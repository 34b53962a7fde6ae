from __future__ import annotations

import asyncio

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime import rpc

from infra.engine import wire
from infra.engine.values import UNKNOWN, Secret
from workloads.errors import EngineError

numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.text() | st.booleans() | numbers | st.just(UNKNOWN)
keys = st.text(min_size=1).filter(lambda key: key != wire.MARKER)
values = st.recursive(leaves, lambda v: st.lists(v) | st.dictionaries(keys, v) | v.map(Secret), max_leaves=10)


@given(st.dictionaries(keys, values))
def test_what_is_encoded_is_decoded(properties):
    assert wire.decode(wire.encode(properties)) == properties


def test_whole_numbers_are_ints_and_others_floats():
    decoded = wire.decode(wire.encode({"whole": 3.0, "half": 0.5, "huge": 2.0**60}))
    assert decoded == {"whole": 3, "half": 0.5, "huge": 2.0**60}
    assert isinstance(decoded["whole"], int) and isinstance(decoded["huge"], float)


def test_none_is_dropped():
    assert wire.decode(wire.encode({"a": None})) == {}


def test_the_markers_are_the_sdks():
    assert rpc._special_sig_key == wire.MARKER and rpc._special_secret_sig == wire.SECRET
    assert rpc._special_output_value_sig == wire.OUTPUT and rpc.UNKNOWN == wire.UNKNOWN_TEXT


def test_an_asset_is_refused():
    struct = asyncio.run(rpc.serialize_properties({"a": pulumi.StringAsset("x")}, {}))
    with pytest.raises(EngineError, match="cannot carry assets"):
        wire.decode(struct)
