"""The policy pack: as the SDK sees it, and as the Pulumi CLI does, which starts it and asks over gRPC."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pulumi_policy
import pytest
import yaml
from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from infra.policy import pack
from infra.policy.rules import RULES

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "infra" / "policy"
REGISTRY = "azure-native:containerregistry:Registry"
_pb: Any = analyzer_pb2


def test_there_is_a_mandatory_policy_for_every_rule_that_a_pack_can_judge_by():
    made = pack.policies()
    assert [policy.name for policy in made] == [rule.name for rule in RULES if rule.pack]
    assert {rule.name for rule in RULES} - {policy.name for policy in made} == {"secrets-are-marked"}
    for policy in made:
        assert policy.enforcement_level is pulumi_policy.EnforcementLevel.MANDATORY
        assert isinstance(policy, pulumi_policy.ResourceValidationPolicy)


def test_what_serves_is_a_pack_of_these_policies(monkeypatch):
    started = []
    monkeypatch.setattr(pack, "PolicyPack", lambda *arguments: started.append(arguments))
    pack.serve()
    ((name, policies, level),) = started
    assert (name, level) == ("ratify-perf", pulumi_policy.EnforcementLevel.MANDATORY)
    assert [policy.name for policy in policies] == [policy.name for policy in pack.policies()]


def reported(policy_name: str, kind: str, props: dict[str, Any], **options: Any) -> list[str]:
    (policy,) = [each for each in pack.policies() if each.name == policy_name]
    assert isinstance(policy, pulumi_policy.ResourceValidationPolicy)
    timeouts = pulumi_policy.PolicyCustomTimeouts(0, 0, 0)
    opts = pulumi_policy.PolicyResourceOptions(options.get("protect", False), [], None, [], timeouts, [])
    args = pulumi_policy.ResourceValidationArgs(kind, unknown_checking_proxy(props), "urn:x", "x", opts, None)
    found: list[str] = []

    def report(message: str, urn: str | None = None) -> None:
        found.append(message)

    policy.validate(args, report)
    return found


def test_violations_are_reported_as_sentences():
    (said,) = reported("no-admin-user", REGISTRY, {"adminUserEnabled": True})
    assert said.startswith(f"x ({REGISTRY}) does not rule out its admin user")
    assert reported("no-admin-user", REGISTRY, {"adminUserEnabled": False}) == []


def test_what_is_not_known_stops_no_policy():
    props = {"tags": UNKNOWN_STRING_VALUE, "adminUserEnabled": True, "list": [UNKNOWN_STRING_VALUE, {"a": 1}]}
    assert pack.plain(unknown_checking_proxy(props)) == {
        "tags": "[unknown]",
        "adminUserEnabled": True,
        "list": ["[unknown]", {"a": 1}],
    }
    assert reported("tagged", REGISTRY, props) == []


def test_the_protect_option_reaches_the_rules():
    assert len(reported("deletable", REGISTRY, {}, protect=True)) == 1


def test_importing_what_the_cli_runs_starts_nothing():
    done = subprocess.run([sys.executable, "-c", "import infra.policy.__main__"], cwd=ROOT, timeout=30, check=False)
    assert done.returncode == 0


def test_the_project_of_the_pack_names_what_it_needs():
    project = yaml.safe_load((FOLDER / "PulumiPolicy.yaml").read_text())
    assert project["runtime"]["name"] == "python"
    needed = (FOLDER / "requirements.txt").read_text()
    assert "pulumi-policy>=" in needed
    version = next(line for line in (ROOT / "requirements-dev.txt").read_text().splitlines() if "pulumi-policy" in line)
    assert version.split()[0] in needed


class Served:
    """The pack in a process of its own, started as the CLI starts it."""

    def __init__(self, folder: Path, platform: str) -> None:
        config = json.dumps({"ratify-perf:platform": platform})
        environment = {**os.environ, "PULUMI_CONFIG": config, "PYTHONPATH": ""}
        command = [sys.executable, "-u", str(FOLDER)]
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.channel = grpc.insecure_channel(f"127.0.0.1:{int(self.process.stdout.readline())}")
        self.asked = analyzer_pb2_grpc.AnalyzerStub(self.channel)

    def analyze(self, kind: str, properties: dict[str, Any]) -> dict[str, str]:
        struct = struct_pb2.Struct()
        struct.update(properties)
        options = _pb.AnalyzerResourceOptions()
        request = _pb.AnalyzeRequest(type=kind, name="x", urn="urn:x", properties=struct, options=options)
        answer = self.asked.Analyze(request)
        assert all(each.enforcementLevel == _pb.MANDATORY for each in answer.diagnostics)
        return {each.policyName: each.message for each in answer.diagnostics}

    def close(self) -> None:
        self.channel.close()
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module", params=["azure", "kubeconfig"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Served]]:
    pack = Served(tmp_path_factory.mktemp("elsewhere"), request.param)
    yield request.param, pack
    pack.close()


def test_the_cli_finds_the_policies_when_it_starts_the_pack(served):
    platform, running = served
    info = running.asked.GetAnalyzerInfo(empty_pb2.Empty())
    assert info.name == "ratify-perf"
    assert {policy.name: policy.enforcementLevel for policy in info.policies} == {
        rule.name: _pb.MANDATORY for rule in RULES if rule.pack
    }


def test_the_cli_is_told_what_breaks_which_policy_on_the_platform_of_its_stack(served):
    platform, running = served
    tags = UNKNOWN_STRING_VALUE
    said = running.analyze(REGISTRY, {"adminUserEnabled": True, "anonymousPullEnabled": False, "tags": tags})
    assert list(said) == ["no-admin-user"]
    assert "set adminUserEnabled to false" in said["no-admin-user"]
    release = running.analyze("kubernetes:helm.sh/v3:Release", {"values": {"oras": {"useHttp": True}}})
    assert list(release) == (["ratify-uses-https"] if platform == "azure" else [])
