"""One contract test per RPC that the SDK may send: real protobuf messages in, real ones out."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import engine_pb2, resource_pb2

from infra.engine import wire
from infra.engine.deployment import Deployment
from infra.engine.monitor import EngineLog, Monitor
from infra.engine.progress import Progress
from infra.engine.providers import Registry
from infra.engine.state import StackState
from infra.engine.types import ignore_step
from infra.engine.values import Secret
from workloads.errors import EngineError

from .worlds import THING, Things, World

STACK = "urn:pulumi:dev::perf::pulumi:pulumi:Stack::perf-dev"
INPUTS = {"name": "a", "value": 1, "key": 2, "refs": []}


class Setup:
    def __init__(self, folder: Path, dry: bool = False) -> None:
        self.world = World()
        self.state = StackState.load(folder, folder)
        registry = Registry({"fake:": lambda _type, _config: Things(self.world)})
        self.deployment = Deployment(self.state, registry, Progress(ignore_step), dry=dry)
        others = {"shared": {"host": "h", "token": Secret("hush")}}
        self.monitor = Monitor("perf", "dev", self.deployment, others.get, dry=dry)

    def register(self, name: str = "a", inputs: dict = INPUTS, type_: str = THING, **options):
        options = {"custom": True, "parent": STACK, "object": wire.encode({**inputs, "name": name}), **options}
        return self.monitor.RegisterResource(resource_pb2.RegisterResourceRequest(type=type_, name=name, **options))


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


@pytest.fixture
def preview(tmp_path: Path) -> Setup:
    return Setup(tmp_path, dry=True)


def test_get_deployment_info_announces_only_what_is_there(setup):
    info = setup.monitor.GetDeploymentInfo(empty_pb2.Empty())
    names = {resource_pb2.ResourceMonitorFeature.Name(feature) for feature in info.supportedFeatures}
    assert names == {f"RESOURCE_MONITOR_FEATURE_{name}" for name in ("SECRETS", "DELETED_WITH", "REPLACE_WITH")}
    assert (info.project, info.stack, info.dryRun) == ("perf", "dev", False)


@pytest.mark.parametrize(("feature", "there"), [("secrets", True), ("deletedWith", True), ("transforms", False)])
def test_supports_feature_says_the_same_to_an_older_sdk(setup, feature, there):
    assert setup.monitor.SupportsFeature(resource_pb2.SupportsFeatureRequest(id=feature)).hasSupport is there


def test_register_resource_makes_a_custom_resource(setup):
    response = setup.register()
    assert response.urn == f"urn:pulumi:dev::perf::{THING}::a"
    assert response.id == "id1" and response.result == resource_pb2.SUCCESS
    assert wire.decode(response.object) == {"id": "id1"}, "what equals the inputs is left to the SDK"
    assert setup.world.things["id1"]["value"] == 1, "whole numbers are ints"


def test_register_resource_keeps_secrets_secret_on_the_way_back(setup):
    response = setup.register(inputs={**INPUTS, "value": Secret(5)}, additionalSecretOutputs=["id"])
    assert setup.world.things["id1"]["value"] == 5
    assert wire.decode(response.object) == {"id": Secret("id1")}
    assert setup.state.get(response.urn).inputs["value"] == Secret(5)


def test_register_resource_records_a_component_with_its_chain_of_types(setup):
    component = setup.register("group", type_="test:index:Group", custom=False)
    assert (component.id, component.urn) == ("", "urn:pulumi:dev::perf::test:index:Group::group")
    child = setup.register("child", parent=component.urn)
    assert child.urn == f"urn:pulumi:dev::perf::test:index:Group${THING}::child"


def test_register_resource_reports_a_failure_as_a_result(setup):
    setup.world.failing = {"a"}
    failed = setup.register("a")
    assert failed.result == resource_pb2.FAIL and failed.urn
    after = setup.register("b", dependencies=[failed.urn])
    assert after.result == resource_pb2.FAIL and not setup.world.things
    assert setup.register("c").result == resource_pb2.SUCCESS


def test_register_resource_in_a_preview_echoes_and_has_no_id(preview):
    response = preview.register()
    assert response.id == "" and wire.decode(response.object) == INPUTS
    assert not preview.world.things


@pytest.mark.parametrize(
    "options",
    [
        {"remote": True},
        {"importId": "x"},
        {"replacement_trigger": struct_pb2.Value(string_value="x")},
        {"envVarMappings": {"a": "b"}},
    ],
)
def test_register_resource_refuses_what_it_cannot_do(setup, options):
    with pytest.raises(EngineError, match=r"needs the Pulumi CLI"):
        setup.register(**options)
    assert not setup.world.things


def test_register_resource_takes_durations_of_go(setup):
    timeouts = resource_pb2.RegisterResourceRequest.CustomTimeouts(create="1m30s", delete="1.5h")
    setup.register(customTimeouts=timeouts)
    assert setup.state.live()[0].delete_timeout == 5400


def test_register_resource_outputs_of_the_stack_are_its_outputs(setup):
    outputs = wire.encode({"size": 3, "token": Secret("hush")})
    setup.monitor.RegisterResourceOutputs(resource_pb2.RegisterResourceOutputsRequest(urn=STACK, outputs=outputs))
    assert setup.monitor.outputs == {"size": 3, "token": Secret("hush")}


def test_register_resource_outputs_of_a_component_are_kept(setup):
    urn = setup.register("group", type_="test:index:Group", custom=False).urn
    request = resource_pb2.RegisterResourceOutputsRequest(urn=urn, outputs=wire.encode({"size": 3}))
    setup.monitor.RegisterResourceOutputs(request)
    assert setup.state.get(urn).outputs == {"size": 3}


def read(setup: Setup, type_: str, identifier: str):
    request = resource_pb2.ReadResourceRequest(type=type_, name="seen", id=identifier, parent=STACK)
    response = setup.monitor.ReadResource(request)
    return response, wire.decode(response.properties)


@pytest.mark.parametrize("reference", ["shared", "organization/perf/shared"])
def test_read_resource_of_another_stack(setup, reference):
    _, properties = read(setup, "pulumi:pulumi:StackReference", reference)
    assert properties["outputs"] == {"host": "h", "token": Secret("hush")}
    assert properties["secretOutputNames"] == ["token"]


def test_read_resource_of_a_stack_that_is_not_there(setup, preview):
    with pytest.raises(EngineError, match="Run up for other first"):
        read(setup, "pulumi:pulumi:StackReference", "other")
    _, properties = read(preview, "pulumi:pulumi:StackReference", "other")
    assert repr(properties["outputs"]) == "[unknown]"


def test_read_resource_of_a_provider_is_never_deleted(setup):
    setup.world.things["id9"] = dict(INPUTS)
    response, properties = read(setup, THING, "id9")
    assert response.id == "id9" and properties == INPUTS
    assert setup.state.get(response.urn).external


def test_invoke_is_unknown_in_a_preview_and_refused_otherwise(setup, preview):
    request = resource_pb2.ResourceInvokeRequest(tok="azure-native:authorization:getClientConfig")
    assert preview.monitor.Invoke(request).unknown
    with pytest.raises(EngineError, match="getClientConfig.*needs the Pulumi CLI"):
        setup.monitor.Invoke(request)


def test_invoke_calls_a_function_that_a_test_brings(setup):
    told = {"getSquare": lambda arguments: {"square": arguments["side"] ** 2, "secret": Secret("hush")}}
    monitor = Monitor("perf", "dev", setup.deployment, lambda _stack: None, dry=False, functions=told)
    request = resource_pb2.ResourceInvokeRequest(tok="getSquare", args=wire.encode({"side": Secret(3)}))
    answer = getattr(monitor.Invoke(request), "return")
    assert wire.decode(answer) == {"square": 9, "secret": Secret("hush")}


def test_call_and_exists_are_refused(setup):
    with pytest.raises(EngineError, match="needs the Pulumi CLI"):
        setup.monitor.Call(resource_pb2.ResourceCallRequest(tok="a:b:c/method"))
    with pytest.raises(EngineError, match="needs the Pulumi CLI"):
        setup.monitor.ExistsResource(resource_pb2.ExistsResourceRequest(type=THING))


def test_signal_and_wait_for_shutdown_returns(setup):
    assert setup.monitor.SignalAndWaitForShutdown(empty_pb2.Empty()) == empty_pb2.Empty()


def test_engine_log_keeps_errors_and_passes_the_rest_on(caplog):
    log = EngineLog()
    caplog.set_level("INFO")
    log.Log(engine_pb2.LogRequest(severity=engine_pb2.WARNING, message="careful"))
    log.Log(engine_pb2.LogRequest(severity=engine_pb2.ERROR, message="broken"))
    assert log.errors == ["broken"] and caplog.messages == ["careful"]


def test_engine_require_pulumi_version_is_refused():
    with pytest.raises(EngineError, match=">=3.0.0"):
        EngineLog().RequirePulumiVersion(engine_pb2.RequirePulumiVersionRequest(pulumi_version_range=">=3.0.0"))
