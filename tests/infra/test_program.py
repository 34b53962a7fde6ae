from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
import yaml

from csscgen import stackfiles
from infra.engine import StepEvent, select
from infra.engine.embedded import EmbeddedEngine
from infra.local.certificates import root_of, signing_certificate
from infra.settings import SUBJECTS
from tests.infra.stacks import CA, CERTIFICATE, ROOT, Declared, Remembering, on_a_bare_machine
from workloads.errors import EngineError, ProjectError, SettingsError, UsageError
from workloads.naming import ImageSet
from workloads.negatives import REFUSED_SIGNERS

STACKS = stackfiles.stack_names(ROOT)
LOCAL = [name for name in STACKS if name.startswith("local-")]
RUNS = [name for name in LOCAL if name != "local-shared"]
WEBHOOKS = ("admission-mutating", "admission-validating")
LAST = "admission-validating"


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Declared]:
    """local-smoke as its file has it."""
    with on_a_bare_machine(tmp_path_factory.mktemp("smoke")) as world:
        yield world.up("local-smoke")


def webhook(declared, name):
    (only,) = declared.inputs(name)["webhooks"]
    return only


@pytest.mark.parametrize("name", LOCAL)
def test_every_local_stack_can_be_previewed_and_nothing_is_touched(world, name):
    engine = select("embedded", root=ROOT, state=world.state)
    outcome = engine.preview(name, world.config(name, {}))
    assert {step.op for step in outcome.steps} <= {"create", "read"}
    assert len({step.urn for step in outcome.steps}) == len(outcome.steps) > 8
    assert not world.state.exists()
    assert not engine.exists(name)


@pytest.mark.parametrize("name", LOCAL)
def test_what_is_up_as_declared_is_the_same_the_next_time(world, name):
    first = world.up(name)
    assert set(first.outcome.changes) <= {"create", "read"}
    assert set(world.up(name).outcome.changes) <= {"same", "read"}


@pytest.mark.parametrize("name", LOCAL)
def test_no_secret_is_in_inputs_outputs_or_state(world, name):
    declared = world.up(name)
    shown = json.dumps([declared.outcome.outputs, declared.state])
    shown += json.dumps([step.inputs for step in declared.outcome.steps])
    for word in ("PRIVATE KEY", "[secret]", "client-key-data", "password", "bearer"):
        assert word not in shown


@pytest.mark.parametrize("name", RUNS)
def test_a_run_s_stack_has_every_component(world, name):
    declared = world.up(name)
    processes = {step.name for step in declared.of_type("local:Process")}
    assert {name for name in processes if not name.startswith(("ratify-", "front-"))} == {
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kwok",
        "gatekeeper",
    }
    assert "ratify-0" in processes
    assert set(declared.outcome.outputs["targets"]) == processes
    assert "things.gatekeeper.sh" in declared.steps


HA = {"mode": "ha-without-dapr", "replicas": 3}


def test_replicas_of_ratify_have_everything_of_their_own_and_one_address(world):
    declared = world.up("local-smoke", ratify={**HA, "port": 26_001})
    front = declared.inputs("front-ratify")["argv"]
    assert "--port=26001" in front
    listening, metrics, homes, caches = set(), set(), set(), set()
    for number in range(3):
        name = f"ratify-{number}"
        process = declared.inputs(name)
        (own,) = (word.rpartition(":")[2] for word in process["argv"] if word.startswith("--http=127.0.0.1:"))
        assert f"--endpoint={name}={own}" in front
        listening.add(own)
        metrics.add(declared.outcome.outputs["targets"][name]["metrics"])
        homes.add(process["env"]["HOME"])
        assert f"--cert-dir={process['folder']}/pki/{name}" in process["argv"]
        (store,) = json.loads(declared.inputs(f"{name}-config.json")["text"])["store"]["plugins"]
        caches.add(store["localCachePath"])
    assert {len(each) for each in (listening, metrics, homes, caches)} == {3}
    assert {"ratify-0", "ratify-1", "ratify-2"} <= declared.needs("front-ratify")
    assert "front-ratify" in declared.needs("admission-ratify-provider")
    spec = declared.inputs("admission-ratify-provider")["spec"]
    assert spec["url"] == "https://127.0.0.1:26001/ratify/gatekeeper/v1/verify"


def test_one_ratify_and_an_undisturbed_gatekeeper_have_nothing_in_front(smoke):
    assert not [name for name in smoke.steps if name.startswith("front-")]


def test_a_gatekeeper_that_a_fault_hits_is_reached_by_way_of_its_readiness(world):
    kill = {"target": "gatekeeper", "action": "kill", "at": 1, "seconds": 1}
    declared = world.up("local-smoke", gatekeeper={"port": 24_443}, faults=[kill])
    (own,) = (word for word in declared.inputs("gatekeeper")["argv"] if word.startswith("--port="))
    assert own != "--port=24443"
    front = declared.inputs("front-gatekeeper")["argv"]
    assert "--port=24443" in front
    (endpoint,) = (word for word in front if word.startswith("--endpoint="))
    assert endpoint.startswith(f"--endpoint=gatekeeper={own.removeprefix('--port=')},")
    assert endpoint.endswith("/readyz")
    assert webhook(declared, LAST)["clientConfig"]["url"] == "https://127.0.0.1:24443/v1/admit"
    assert "front-gatekeeper" in declared.needs(LAST)


def test_certificates_that_are_not_valid_yet_are_made_only_for_who_needs_one(world):
    skew = {"target": "ratify-1", "action": "clock-skew", "at": 1, "seconds": 1}
    declared = world.up("local-smoke", ratify=HA, faults=[skew])
    identities = declared.inputs("certificates")["identities"]
    assert [name for name, identity in identities.items() if identity.get("later")] == ["ratify-1"]
    targets = declared.outcome.outputs["targets"]
    assert targets["ratify-1"]["certificates"]["serving"].endswith("/pki/ratify-1/tls.crt")
    assert "certificates" not in targets["ratify-0"]


def test_the_shared_stack_has_a_registry_per_region_and_the_certificate(world):
    declared = world.up("local-shared")
    outputs = declared.outcome.outputs
    assert [registry["size"] for registry in outputs["registries"]] == ["L", "M", "S", "XS"]
    assert all(registry["host"].startswith("127.0.0.1:") for registry in outputs["registries"])
    assert len({registry["host"] for registry in outputs["registries"]}) == 4
    assert outputs["signingCertificate"] == f"{CERTIFICATE} of ratify-perf\n"
    assert str(outputs["signingKeyFile"]).startswith(str(world.state))
    argv = declared.inputs("registry-eastus2euap")["argv"]
    assert {"--size=XS", "--region=eastus2euap"} <= set(argv)


def test_the_trust_store_has_certificates_whose_signatures_are_refused_for_something_else(world):
    declared = world.up("local-smoke")
    outputs = world.up("local-shared").outcome.outputs
    assert outputs["refusedSigners"].keys() == REFUSED_SIGNERS.keys()
    assert len({who["keyFile"] for who in outputs["refusedSigners"].values()} | {outputs["signingKeyFile"]}) == 4
    assert outputs["trustStore"].splitlines() == [
        f"{CERTIFICATE} of ratify-perf",
        f"{CERTIFICATE} of ratify-perf, expired",
        f"{CERTIFICATE} of ratify-perf-revoked",
    ]
    assert declared.inputs("ratify-trust.crt")["text"] == outputs["trustStore"]


def test_the_trust_policy_lists_the_genuine_signer_s_subject(world):
    outputs = world.up("local-shared", signing={"commonName": "me, myself"}).outcome.outputs
    (policy,) = outputs["trustPolicy"]["trustPolicies"]
    assert policy["trustedIdentities"] == ["x509.subject: CN=me\\, myself,O=ratify-perf,ST=WA,C=US"]


def test_a_distribution_registry_is_configured_by_file_and_listens_on_loopback(world):
    declared = world.up("local-shared", registry={"kind": "distribution", "port": 25_000})
    step = declared.inputs("registry-centralus")
    assert step["argv"][0].endswith("/registry")
    text = yaml.safe_load(declared.inputs("distribution-centralus.yaml")["text"])
    assert text["http"]["addr"] == "127.0.0.1:25001"
    assert step["argv"][-1] == declared.inputs("distribution-centralus.yaml")["path"]


def test_the_registries_take_the_ports_after_the_first(world):
    outputs = world.up("local-shared", registry={"port": 25_000}).outcome.outputs
    assert [registry["host"] for registry in outputs["registries"]] == [f"127.0.0.1:{25_000 + n}" for n in range(4)]


def test_who_pushes_and_who_pulls_has_a_login_of_their_own(world):
    declared = world.up("local-S")
    shared = world.up("local-shared")
    credentials = shared.outcome.outputs["credentials"]
    assert {f"--identities={shared.inputs('registry-credentials')['folder']}/identities"} <= set(
        shared.inputs("registry-eastus2")["argv"]
    )
    config = json.loads(declared.inputs("ratify-0-config.json")["text"])
    (store,) = config["store"]["plugins"]
    assert store["authProvider"] == {"name": "dockerConfig", "configPath": credentials["pull"]}
    assert credentials["push"] != credentials["pull"]


@pytest.mark.parametrize("registry", [{"login": False}, {"kind": "distribution"}])
def test_a_registry_without_logins_is_asked_without(world, registry):
    assert "credentials" not in world.up("local-shared", registry=registry).outcome.outputs
    config = json.loads(world.up("local-S", registry=registry).inputs("ratify-0-config.json")["text"])
    assert "authProvider" not in config["store"]["plugins"][0]


@pytest.mark.parametrize(
    ("key", "value", "flag"),
    [
        ("storage", "disk", "--storage="),
        ("anonymousPull", True, "--anonymous-pull"),
        ("tokenSeconds", 5, "--token-seconds=5"),
        ("referrersApi", False, "--referrers-page=0"),
        ("referrersPage", 7, "--referrers-page=7"),
        ("latencyMs", 2.5, "--latency-ms=2.500000"),
        ("bandwidthMbps", 100, "--bandwidth-mbps=100.000000"),
        ("dataEndpoint", True, "--data-port="),
        ("login", True, "--identities="),
    ],
)
def test_the_emulators_settings_reach_its_command_line(world, key, value, flag):
    """A value that differs from the default adds its flag, and the default of another kind does not have it."""
    other = {"dataEndpoint": False, "login": False}.get(key)
    without = {key: other} if other is not None else {}
    assert any(word.startswith(flag) for word in argv(world, **{key: value}))
    assert not any(word.startswith(flag) for word in argv(world, **without))


def argv(world, **registry) -> list[str]:
    return list(world.up("local-shared", registry=registry).inputs("registry-eastus2")["argv"])


@pytest.mark.parametrize("name", WEBHOOKS)
def test_the_webhooks_cover_pods_and_what_makes_them_but_for_the_system_s(smoke, name):
    rules = webhook(smoke, name)["rules"]
    resources = {resource for rule in rules for resource in rule["resources"]}
    assert {"pods", "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs"} <= resources
    assert all(rule["operations"] == ["CREATE", "UPDATE"] for rule in rules)
    (selector,) = webhook(smoke, name)["namespaceSelector"]["matchExpressions"]
    assert selector["operator"] == "NotIn"
    assert {"kube-system", "gatekeeper-system"} <= set(selector["values"])


def test_the_webhooks_are_gatekeeper_s_paths_with_the_authority_s_certificate(world):
    declared = world.up("local-smoke", gatekeeper={"port": 24_443})
    for name, path in zip(WEBHOOKS, ("mutate", "admit"), strict=True):
        client = webhook(declared, name)["clientConfig"]
        assert client["url"] == f"https://127.0.0.1:24443/v1/{path}"
        assert base64.b64decode(client["caBundle"]).decode() == CA
    assert "--port=24443" in declared.inputs("gatekeeper")["argv"]


def test_each_webhook_and_each_provider_has_the_timeout_of_its_kind(world):
    chosen = {"validationTimeoutSeconds": 9, "mutationTimeoutSeconds": 4}
    declared = world.up("local-smoke", gatekeeper=chosen)
    assert webhook(declared, "admission-mutating")["timeoutSeconds"] == 4
    assert webhook(declared, "admission-validating")["timeoutSeconds"] == 9
    assert declared.inputs("admission-ratify-mutation-provider")["spec"]["timeout"] == 4
    assert declared.inputs("admission-ratify-provider")["spec"]["timeout"] == 9


def test_ratify_s_endpoints_are_the_providers(world):
    declared = world.up("local-smoke", ratify={"port": 26_001})
    for name, path in (("ratify-provider", "verify"), ("ratify-mutation-provider", "mutate")):
        spec = declared.inputs(f"admission-{name}")["spec"]
        assert spec["url"] == f"https://127.0.0.1:26001/ratify/gatekeeper/v1/{path}"
        assert base64.b64decode(spec["caBundle"]).decode() == CA
    assert "--http=127.0.0.1:26001" in declared.inputs("ratify-0")["argv"]


@pytest.mark.parametrize("policy", ["Ignore", "Fail"])
def test_the_failure_policy_is_a_setting_of_both_webhooks(world, policy):
    declared = world.up("local-smoke", policy={"failurePolicy": policy})
    assert [webhook(declared, name)["failurePolicy"] for name in WEBHOOKS] == [policy, policy]


@pytest.mark.parametrize(
    ("match", "kinds"), [("pods", {"Pod"}), ("workloads", {"Pod", "Deployment", "Job", "CronJob"})]
)
def test_the_constraint_matches_what_is_set_and_denies(world, match, kinds):
    spec = world.up("local-smoke", policy={"match": match}).inputs("policy-constraint")["spec"]
    found = {kind for group in spec["match"]["kinds"] for kind in group["kinds"]}
    assert kinds <= found
    assert (found == {"Pod"}) is (match == "pods")
    assert spec["enforcementAction"] == "deny"


def test_the_template_s_kind_is_the_constraint_s(smoke):
    template = smoke.inputs("policy-template")
    kind = template["spec"]["crd"]["spec"]["names"]["kind"]
    assert template["metadata"]["name"] == kind.lower()
    assert smoke.inputs("policy-constraint")["kind"] == kind
    assert f"package {kind.lower()}" in template["spec"]["targets"][0]["rego"]


def test_tags_become_digests_in_pods_and_in_everything_that_makes_them(smoke):
    places = {step.inputs["spec"]["location"] for step in smoke.of_type(":Assign")}
    paths = ("spec", "spec.template.spec", "spec.jobTemplate.spec.template.spec")
    assert places == {f"{path}.{c}[name:*].image" for path in paths for c in ("containers", "initContainers")}


def test_without_mutation_there_is_neither_webhook_nor_mutator(world):
    declared = world.up("local-smoke", gatekeeper={"mutation": False})
    assert "admission-mutating" not in declared.steps
    assert not declared.of_type(":Assign")
    assert LAST in declared.steps


def test_the_webhooks_are_the_last_of_the_policy_and_the_load_waits_for_them(smoke):
    before = {"gatekeeper", "ratify-0", "policy-template", "policy-constraint", "kube-apiserver", "etcd"}
    assert before <= smoke.needs(LAST)
    assert {LAST, "namespaces-0", *before} <= smoke.needs("workload-0")
    assert LAST not in smoke.needs("gatekeeper")


def test_gatekeeper_starts_after_its_definitions_and_its_rights(smoke):
    assert {"things.gatekeeper.sh", "gatekeeper-system", "access-gatekeeper"} <= smoke.needs("gatekeeper")
    assert {"access-kwok", "kwok.yaml"} <= smoke.needs("kwok")


def test_what_is_in_the_cluster_goes_with_its_api_server(smoke):
    server = smoke.steps["kube-apiserver"].urn
    inside = [step for step in smoke.outcome.steps if step.type.startswith("kubernetes:")]
    assert len(inside) > 15
    for step in [*inside, smoke.steps["nodes"]]:
        assert smoke.state[step.name]["deleted_with"] == server, step.name


@pytest.mark.parametrize("cache", ["on", "off"])
def test_cache_off_turns_off_every_cache_on_the_way(world, cache):
    declared = world.up("local-smoke", ratify={"cache": cache})
    seconds = {"on": 180, "off": 0}[cache]
    flags = declared.inputs("gatekeeper")["argv"]
    assert f"--external-data-provider-response-cache-ttl={seconds}s" in flags
    assert f"--cache-enabled={str(cache == 'on').lower()}" in declared.inputs("ratify-0")["argv"]
    (store,) = json.loads(declared.inputs("ratify-0-config.json")["text"])["store"]["plugins"]
    assert store["cacheEnabled"] is (cache == "on")


def test_the_stacks_of_the_scenario_matrix_measure_without_a_cache(world):
    for name in RUNS:
        assert "--external-data-provider-response-cache-ttl=0s" in world.up(name).inputs("gatekeeper")["argv"]


def test_the_jobs_stack_has_five_indexed_jobs_that_share_the_replicas(world):
    jobs = world.up("local-S-jobs").of_type("batch/v1:Job")
    assert len(jobs) == 5
    for job in jobs:
        assert job.inputs["spec"]["completionMode"] == "Indexed"
        assert job.inputs["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true"
    assert sum(job.inputs["spec"]["completions"] for job in jobs) == 200


def test_the_deployment_runs_the_images_of_the_naming_module_on_the_stack_s_own_registry(world):
    declared = world.up("local-S")
    (deployment,) = declared.of_type("apps/v1:Deployment")
    spec = deployment.inputs["spec"]
    images = [container["image"] for container in spec["template"]["spec"]["containers"]]
    assert spec["replicas"] == 200
    assert images == list(ImageSet(10, 5).references(str(declared.outcome.outputs["registry"])))
    assert images[0].startswith("127.0.0.1:")


def test_a_registry_of_another_size_is_another_host(world):
    sizes = ("L", "M", "S", "XS")
    hosts = {size: world.up("local-smoke", registry={"size": size}).outcome.outputs["registry"] for size in sizes}
    assert len(set(hosts.values())) == 4


@pytest.mark.parametrize("load", [{"start": False}, {"mode": "created"}])
def test_there_is_no_load_until_it_is_asked_for(world, load):
    declared = world.up("local-smoke", load=load)
    assert "workload-0" not in declared.steps
    assert "namespaces-0" in declared.steps


def test_prometheus_scrapes_every_target_if_it_is_asked_for(world):
    declared = world.up("local-smoke", monitoring={"prometheus": "on", "scrapeSeconds": 1})
    jobs = yaml.safe_load(declared.inputs("prometheus.yaml")["text"])["scrape_configs"]
    targets = declared.outcome.outputs["targets"]
    assert {job["job_name"] for job in jobs} == set(targets) - {"prometheus"}
    assert declared.outcome.outputs["prometheus"].startswith("http://127.0.0.1:")
    without = world.up("local-smoke", monitoring={"prometheus": "off"})
    assert without.steps["prometheus"].op == "delete"
    assert "prometheus" not in without.outcome.outputs


def test_every_process_listens_on_loopback_only(world):
    for step in world.up("local-smoke", monitoring={"prometheus": "on"}).of_type("local:Process"):
        assert not [word for word in step.inputs["argv"] if "=0.0.0.0" in word or "=:" in word]
        probe = step.inputs["ready"]
        assert "tls" in probe or "//127.0.0.1:" in probe["http"]


def test_a_process_reads_files_whose_change_starts_it_anew(world):
    first = world.up("local-S-jobs").inputs("kwok")["files"]
    second = world.up("local-S-jobs", scenario={"jobSeconds": 99}).inputs("kwok")["files"]
    assert first != second
    assert len(first) == len(second) == 3  # the authority's certificate, the kubeconfig, the stages


def test_gatekeeper_and_kwok_may_write_no_more_than_they_have_to(smoke):
    for who in ("gatekeeper", "kwok"):
        for rule in smoke.inputs(f"access-{who}-role")["rules"]:
            writes = set(rule["verbs"]) - {"get", "list", "watch"}
            assert "*" not in rule["verbs"]
            assert "*" not in rule["apiGroups"] or not writes
            assert not {"secrets", "clusterroles", "clusterrolebindings"} & set(rule["resources"]) or not writes
            if "" in rule["apiGroups"] and writes and who == "gatekeeper":
                assert rule["resources"] == ["events"]
        subjects = smoke.inputs(f"access-{who}")["subjects"]
        assert [subject["name"] for subject in subjects] == [f"ratify-perf:{who}"]


def test_kubeconfigs_name_key_files_and_hold_none(world):
    declared = world.up("local-smoke")
    kubeconfig = json.loads(str(declared.outcome.outputs["kubeconfig"]))
    user = kubeconfig["users"][0]["user"]
    assert user["client-key"].startswith(str(world.state))
    assert set(user) == {"client-certificate", "client-key"}


def test_every_bad_key_of_a_stack_is_told_by_the_program_too(world):
    engine = select("embedded", root=ROOT, state=world.state)
    config = {"platform": "local", "scenario": {"replicas": 0, "shard": 1}}
    with pytest.raises(SettingsError) as told:
        engine.preview("dev", config)
    assert told.value.problems == [
        "scenario.replicas: expected from 1 to 1250000, got 0.",
        "scenario.shard: there is no such key; did you mean scenario.shards?",
    ]


def test_settings_of_other_namespaces_are_left_to_their_providers(world, monkeypatch):
    engine = select("embedded", root=ROOT, state=world.state)
    monkeypatch.setenv("CSSCGEN_CONFIG", json.dumps({"registry": {"size": "M"}, "azure-native:location": "eastus2"}))
    assert engine.preview("dev", {"platform": "local", "azure-native:location": "eastus2"}).steps


def test_what_is_changed_for_one_run_goes_before_the_stack_file(world, monkeypatch):
    monkeypatch.setenv("CSSCGEN_CONFIG", json.dumps({"signing": {"commonName": "for this once"}}))
    assert world.up("local-shared").inputs("signing")["subject"].startswith("CN=for this once,")


def test_a_size_that_the_shared_stack_does_not_have_is_told(world):
    world.up("local-shared", registry={"regions": [{"name": "one", "size": "S"}]})
    engine = select("embedded", root=ROOT, state=world.state)
    with pytest.raises(UsageError, match="local-shared has no registry of size L: it has S"):
        engine.preview("local-smoke", world.config("local-smoke", {}))


def test_the_subjects_are_those_of_the_stack_files():
    used = {key for name in STACKS for key in stackfiles.read(ROOT, name).config}
    assert used - set(SUBJECTS) <= {"platform", "sharedStack", "runId", "thresholds", "faults"}


def test_the_audit_log_has_what_goes_through_the_webhooks_without_bodies_in_a_private_folder_of_bounded_size(smoke):
    argv = smoke.inputs("kube-apiserver")["argv"]
    flags = dict(word[2:].split("=", 1) for word in argv[1:] if "=" in word)
    audit = smoke.outcome.outputs["audit"]
    assert flags["audit-log-path"] == audit["log"]
    assert flags["audit-log-maxbackup"] == str(audit["old_files"])
    assert int(flags["audit-log-maxsize"]) > 0
    policy = json.loads(smoke.inputs("audit-policy.json")["text"])
    assert smoke.inputs("audit-policy.json")["path"] == flags["audit-policy-file"]
    first, rest = policy["rules"]
    assert (first["level"], rest) == ("Metadata", {"level": "None"})
    resources = {resource for group in first["resources"] for resource in group["resources"]}
    assert resources == {"pods", "deployments", "replicasets", "jobs"}


def test_the_policy_that_names_pods_in_the_audit_log_can_refuse_nothing(smoke):
    spec = smoke.inputs("trail-policy")["spec"]
    assert spec["failurePolicy"] == "Ignore"
    assert "validations" not in spec
    binding = smoke.inputs("trail-binding")["spec"]
    assert binding == {"policyName": smoke.inputs("trail-policy")["metadata"]["name"], "validationActions": ["Audit"]}


def test_workloads_wait_for_the_policy_that_names_their_pods(smoke):
    assert "trail-binding" in smoke.needs("workload-0")


def test_a_workload_that_is_refused_keeps_no_other_from_being_declared(world):
    class Refusing(Remembering):
        def create(self, inputs, timeout):
            if (inputs.get("metadata") or {}).get("name") == "ratify-1":
                raise EngineError('admission webhook "validation.gatekeeper.sh" denied the request')
            return super().create(inputs, timeout)

    four = {"scenario": {"shards": 4}}
    world.up("local-smoke", load={"start": False}, **four)
    kinds = ("kubernetes:", "pulumi-python:dynamic", "pulumi:providers")
    engine = EmbeddedEngine(ROOT, world.state, dict.fromkeys(kinds, lambda type_, _config: Refusing(type_)))
    told: list[StepEvent] = []
    with pytest.raises(EngineError):
        engine.up("local-smoke", world.config("local-smoke", four), told.append)
    ends = {event.name: event.status for event in told if event.status != "started"}
    workloads = {name: status for name, status in ends.items() if name.startswith("workload-")}
    assert workloads == {"workload-0": "done", "workload-1": "failed", "workload-2": "done", "workload-3": "done"}


def test_the_trust_store_has_roots_and_the_policy_the_leaf_where_there_is_an_intermediate(world):
    outputs = world.up("local-shared", signing={"intermediate": True, "algorithm": "PS384"}).outcome.outputs
    assert outputs["trustStore"].splitlines()[0] == f"the root of {CERTIFICATE} of ratify-perf"
    assert outputs["signingCertificate"] == f"{CERTIFICATE} of ratify-perf\n"
    (policy,) = outputs["trustPolicy"]["trustPolicies"]
    assert policy["trustedIdentities"] == ["x509.subject: CN=ratify-perf,O=ratify-perf,ST=WA,C=US"]


def test_an_existing_key_is_used_where_it_is_and_its_name_is_the_refused_signers(world, tmp_path):
    key, chain = signing_certificate("ES384", "theirs", organization="they", intermediate=True)
    (tmp_path / "key.pem").write_text(key)
    (tmp_path / "chain.pem").write_text(chain)
    signing = {"keyFile": str(tmp_path / "key.pem"), "certificateFile": str(tmp_path / "chain.pem")}
    declared = world.up("local-shared", signing=signing)
    outputs = declared.outcome.outputs
    assert (outputs["signingKeyFile"], outputs["signingCertificate"]) == (signing["keyFile"], chain)
    assert outputs["trustStore"].startswith(root_of(chain))
    (policy,) = outputs["trustPolicy"]["trustPolicies"]
    assert policy["trustedIdentities"] == ["x509.subject: CN=theirs,O=they,ST=WA,C=US"]
    subjects = {kind: declared.inputs(f"signing-{kind}")["subject"] for kind in REFUSED_SIGNERS}
    assert subjects["wrong-ca"] == subjects["expired-certificate"] == "CN=theirs,O=they,ST=WA,C=US"
    assert subjects["revoked"] == "CN=ratify-perf,O=ratify-perf-revoked,ST=WA,C=US"
    assert "signing" not in declared.steps
    assert key not in json.dumps(declared.state)


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "cannot be read: No such file"), ("nothing", "has no certificate in PEM form")],
)
def test_an_existing_certificate_that_cannot_be_read_is_told(world, tmp_path, text, said):
    if text is not None:
        (tmp_path / "chain.pem").write_text(text)
    signing = {"keyFile": str(tmp_path / "key.pem"), "certificateFile": str(tmp_path / "chain.pem")}
    with pytest.raises(ProjectError, match=said):
        world.up("local-shared", signing=signing)
