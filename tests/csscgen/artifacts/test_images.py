from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csscgen.artifacts.images import base, image
from tests.csscgen.artifacts.conftest import ELF
from workloads.errors import UsageError
from workloads.naming import ImageSet


def test_the_layer_holds_the_binary_and_nothing_else(waiter):
    with tarfile.open(fileobj=io.BytesIO(base(waiter).layer.data), mode="r:gz") as archive:
        (member,) = archive.getmembers()
        content = archive.extractfile(member)
        assert content is not None
        assert content.read() == waiter.read_bytes()
    assert (member.name, member.mode, member.uid, member.gid, member.mtime) == (("waiter", 0o755, 0, 0, 0))


def test_the_config_names_the_uncompressed_layer(waiter):
    shared = base(waiter)
    config = json.loads(shared.config.data)
    archive = gzip.decompress(shared.layer.data)
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(archive).hexdigest()}"]
    assert config["config"]["Entrypoint"] == ["/waiter"]
    assert config["os"] == "linux"
    assert config["architecture"] in {"amd64", "arm64"}


@pytest.mark.parametrize(("machine", "architecture"), [(62, "amd64"), (183, "arm64")])
def test_the_config_names_the_machine_that_the_binary_is_for_and_not_this_one(waiter, machine, architecture):
    waiter.write_bytes(ELF[:18] + bytes([machine, 0]) + ELF[20:])
    assert json.loads(base(waiter).config.data)["architecture"] == architecture


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF", b"#!/bin/sh\n", b"\xcf\xfa\xed\xfe" + bytes(30), ELF[:18] + b"\x28\0"]
)
def test_what_no_node_can_run_is_refused(waiter, content):
    waiter.write_bytes(content)
    with pytest.raises(UsageError, match="is no program for Linux on amd64 or arm64"):
        base(waiter)


def test_the_manifest_points_at_config_and_layer(waiter):
    shared = base(waiter)
    manifest = json.loads(image(shared, ImageSet(2, 1), "1").data)
    for pointer, content in [
        (manifest["config"], shared.config),
        (manifest["layers"][0], shared.layer),
    ]:
        assert pointer["digest"] == f"sha256:{hashlib.sha256(content.data).hexdigest()}"
        assert pointer["size"] == len(content.data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_image_has_a_digest_of_its_own_and_always_the_same(waiter, data):
    sets = st.builds(ImageSet, st.integers(1, 9), st.integers(0, 9), st.none() | st.integers(0, 9))
    one, two = data.draw(sets), data.draw(sets)
    tag, other = data.draw(st.sampled_from(one.tags)), data.draw(st.sampled_from(two.tags))
    first = image(base(waiter), one, tag).descriptor.digest
    second = image(base(waiter), two, other).descriptor.digest
    assert (first == second) == ((one, tag) == (two, other))


def test_the_first_bytes_of_the_layer_do_not_depend_on_the_time(waiter):
    assert base(waiter).layer.data[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def test_a_missing_binary_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        base(tmp_path / "absent")
