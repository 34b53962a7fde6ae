from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.faults import Fault
from infra.settings import SUBJECTS, Region, Settings
from infra.settings.contradictions import KINDS as REGISTRY_KINDS
from infra.settings.scenarios import Referrer
from infra.values import GREATEST
from tests.infra.test_values import JSON
from workloads import negatives
from workloads.errors import SettingsError, UsageError
from workloads.negatives import KINDS
from workloads.referrers import Extra
from workloads.schedules import Phase
from workloads.sizes import SIZES
from workloads.thresholds import OPERATORS

KEYS = [(name, field.name) for name, subject in SUBJECTS.items() for field in fields(subject)]
TOP_KEYS = [field.name for field in fields(Settings)]
FORMS = {
    "nodeCpu": st.from_regex(r"[1-9][0-9]{0,4}(\.[0-9]{1,3})?m?", fullmatch=True),
    "nodeMemory": st.from_regex(r"[1-9][0-9]{0,4}(Ki|[MGT]i?)?", fullmatch=True),
    "commonName": st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64),
    "runId": st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True),
}
NEVER_FIT = [object(), b"bytes", {"a": object()}, [object()], [["nested"]]]


def read(**config: Any) -> Settings:
    return Settings.read(config, "the tests")


def problems(**config: Any) -> list[str]:
    with pytest.raises(SettingsError) as told:
        read(**config)
    return told.value.problems


def values(cls: type, name: str) -> st.SearchStrategy[Any]:
    """Any valid value of one setting."""
    field = next(f for f in fields(cls) if f.name == name)
    hint = get_type_hints(cls)[name]
    if get_origin(hint) is not Literal and type(None) in get_args(hint):
        return st.none() | plain(next(a for a in get_args(hint) if a is not type(None)), field)
    return plain(hint, field)


def plain(hint: Any, field: Any) -> st.SearchStrategy[Any]:
    least, greatest = field.metadata.get("minimum"), field.metadata.get("maximum")
    greatest = GREATEST if greatest is None else greatest
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if field.name in FORMS:
        return FORMS[field.name]
    if form := field.metadata.get("form"):
        return st.from_regex(form[0], fullmatch=True)
    if hint == tuple[Region, ...]:
        sizes = st.sampled_from(get_args(get_type_hints(Region)["size"]))
        regions = st.builds(Region, st.from_regex(r"[a-z][a-z0-9]{0,12}", fullmatch=True), sizes)
        unique = st.lists(regions, min_size=1, max_size=5, unique_by=lambda region: region.name)
        return unique.map(lambda drawn: [asdict(region) for region in drawn])
    if hint == tuple[Fault, ...]:
        faults = st.builds(
            Fault,
            st.sampled_from(["gatekeeper", "etcd", "ratify-0"]),
            st.sampled_from(["kill", "stop"]),
            *[st.floats(0.1, 900)] * 2,
        )
        return st.lists(faults, max_size=3, unique_by=lambda fault: fault.target).map(
            lambda drawn: [asdict(fault) for fault in drawn]
        )
    if hint == tuple[Phase, ...]:
        paced = st.builds(Phase, st.sampled_from(["constant", "poisson"]), rate=st.floats(0.01, 100))
        last = paced | st.builds(Phase, st.just("closed"), workers=st.integers(1, 9))  # takes all that is left
        return st.lists(last, max_size=1).map(lambda drawn: [asdict(phase) for phase in drawn])
    if hint == tuple[Referrer, ...]:
        keys = {
            "bytes": st.integers(1, 100_000),
            "count": values(Referrer, "count"),
            "share": st.sampled_from([0.5, 1]),
        }
        drawn = st.fixed_dictionaries({"artifactType": st.sampled_from(["a/b", "a/c+json"])}, optional=keys)
        return st.lists(drawn, max_size=3)
    if get_origin(hint) is tuple:
        return st.lists(st.text()).map(tuple)
    if field.name == "negatives":
        return st.dictionaries(st.sampled_from(sorted(KINDS)), st.sampled_from([0.0, 0.02, 0.1]))
    if get_origin(hint) is Mapping:
        limits = st.builds("{} {}".format, st.sampled_from(OPERATORS), st.integers(0, 100) | st.just("pods.expected"))
        return st.dictionaries(st.sampled_from(["pods.ready", "pods.denied", "ratify.timeouts"]), limits)
    strategies: dict[Any, st.SearchStrategy[Any]] = {
        bool: st.booleans(),
        int: st.integers(least, greatest),
        float: st.floats(least, greatest),
        str: st.text(min_size=1).filter(lambda text: text != "null"),
    }
    return strategies[hint]


@st.composite
def configurations(draw: Any) -> dict[str, Any]:
    """Any valid config: some keys of some subjects, without contradictions."""
    config: dict[str, Any] = {}
    for name, subject in SUBJECTS.items():
        keys = draw(st.sets(st.sampled_from([f.name for f in fields(subject)])))
        if keys:
            config[name] = {key: draw(values(subject, key)) for key in sorted(keys)}
    for key in draw(st.sets(st.sampled_from([key for key in TOP_KEYS if key not in SUBJECTS]))):
        config[key] = draw(values(Settings, key))
    return consistent(config)


def consistent(config: dict[str, Any]) -> dict[str, Any]:
    """The config without the keys that might contradict others in it."""
    scenario, cluster = config.get("scenario", {}), config.get("cluster", {})
    gatekeeper, ratify = config.get("gatekeeper", {}), config.get("ratify", {})
    if (scenario.get("shards") or 1) > (scenario.get("replicas") or SIZES[scenario.get("size", "S")].replicas):
        del scenario["shards"]
    if config.get("sharedStack"):
        for key in ("replicas", "shards", "containers", "size"):
            scenario.pop(key, None)
        for key in ("nodes", "maxPods", "systemNodes"):
            cluster.pop(key, None)
    load = config.get("load", {})
    if load.get("phases") or load.get("template"):
        load["mode"] = "created"
    load.pop("shards", None)
    if load.get("template"):
        scenario.pop("negatives", None)
    shares = scenario.get("negatives", {})
    if negatives.problems(shares, scenario.get("shards", 1)) or not scenario.get("signatures", 5):
        scenario.pop("negatives", None)
    for ours, theirs, usual in (("verification", "validation", 5), ("mutation", "mutation", 2)):
        seconds = gatekeeper.get(f"{theirs}TimeoutSeconds", usual)
        if seconds < usual or ratify.get(f"{ours}TimeoutMs", 0) >= seconds * 1000:
            gatekeeper.pop(f"{theirs}TimeoutSeconds", None)
            ratify.pop(f"{ours}TimeoutMs", None)
    platform = config.get("platform", "local")
    if config.get("registry", {}).get("kind") not in REGISTRY_KINDS[platform]:
        config.get("registry", {}).pop("kind", None)
    if platform != "local":
        config.pop("faults", None)
        scenario.pop("restored", None)
        ratify.pop("cache", None)
        for subject in (ratify, gatekeeper):  # Ratify's chart ties its deadlines to Gatekeeper's
            for key in [key for key in subject if "Timeout" in key]:
                del subject[key]
    if platform == "azure":
        for subject, keys in (
            ("azure", ("location", "tags")),
            ("registry", ("regions", "sku", "anonymousPull")),
            ("scenario", ("negatives",)),
            ("cluster", ("maxPods", "zones", "tier", "networkPlugin")),
        ):
            for key in keys:
                config.get(subject, {}).pop(key, None)
    signing = config.get("signing", {})
    given = [bool(signing.get(key)) for key in ("keyFile", "certificateFile")]
    if platform == "azure" or given[0] != given[1] or signing.get("intermediate"):
        for key in ("keyFile", "certificateFile", "intermediate"):
            signing.pop(key, None)
    if platform == "kubeconfig" and not config.get("sharedStack"):
        config["registry"] = {"regions": [{"name": "here", "size": "L", "host": "registry.example"}]}
    for key in ("prometheusUrl", "prometheusHttpConfig"):
        config.get("monitoring", {}).pop(key, None)
    ratify.update(mode="ha-without-dapr" if ratify.get("replicas", 1) > 1 else "regular")
    for subject, key in ((gatekeeper, "port"), (ratify, "port")):
        subject.pop(key, None)
    return config


def test_nothing_set_is_the_defaults():
    assert read() == Settings()


def test_one_error_names_every_bad_key_and_the_nearest_known_one():
    told = problems(
        scenaro={"size": "S"},
        platform="lokal",
        scenario={"replica": 5, "shards": "many", "size": "XXL", "containers": 0},
        gatekeeper={"auditIntervall": 1, "logDenies": "perhaps"},
        load="fast",
    )
    starts = {
        "scenaro: there is no such key; did you mean scenario?",
        "platform: expected one of azure, local, kubeconfig, got 'lokal'.",
        "scenario.replica: there is no such key; did you mean scenario.replicas?",
        "scenario.shards: expected a whole number, got 'many'.",
        "scenario.size: expected one of S, M, L, XL, got 'XXL'.",
        "scenario.containers: expected from 1 to 100, got 0.",
        "gatekeeper.auditIntervall: there is no such key; did you mean gatekeeper.auditInterval?",
        "gatekeeper.logDenies: expected on or off, got 'perhaps'.",
        "load: expected an object with the keys mode, start, rate, phases, shards, template, deadlineSeconds, "
        "quietSeconds, retrySeconds.",
    }
    assert set(told) == starts


def test_the_error_says_where_and_is_a_usage_error():
    with pytest.raises(UsageError) as told:
        Settings.read({"platform": 5}, "stack local-S")
    assert str(told.value) == (
        "The settings of stack local-S are wrong:\n  - platform: expected one of azure, local, kubeconfig, got 5."
    )
    assert told.value.exit_code == 2


@pytest.mark.parametrize("key", [5, None, True, 1.5])
def test_a_key_that_is_no_text_is_told_like_any_other(key):
    with pytest.raises(SettingsError, match=f"{key}: there is no such key"):
        Settings.read({key: 1}, "the tests")


@pytest.mark.parametrize("replicas", [0, -1, "-5", 1_250_001])
def test_replicas_have_bounds(replicas):
    (problem,) = problems(scenario={"replicas": replicas})
    assert problem == f"scenario.replicas: expected from 1 to 1250000, got {int(replicas)}."


def test_more_pods_than_the_nodes_hold_are_refused_with_what_to_change():
    (problem,) = problems(sharedStack="local-shared", scenario={"replicas": 81}, cluster={"nodes": 2, "maxPods": 40})
    assert problem.startswith("scenario.replicas: 81 pods do not fit on 2 nodes with 40 pods each (80 in all)")
    assert "cluster.nodes" in problem
    assert read(sharedStack="local-shared", scenario={"replicas": 80}, cluster={"nodes": 2, "maxPods": 40})


def test_a_shared_stack_has_no_nodes_that_could_be_full():
    assert read(scenario={"replicas": 10_000}, cluster={"nodes": 1})


@pytest.mark.parametrize("size", SIZES)
def test_a_size_names_replicas_and_nodes_that_fit(size):
    found = read(sharedStack="local-shared", scenario={"size": size})
    assert (found.replicas, found.nodes) == (SIZES[size].replicas, SIZES[size].nodes)


def test_what_is_set_goes_before_the_size():
    found = read(scenario={"size": "XL", "replicas": 7}, cluster={"nodes": 3})
    assert (found.replicas, found.nodes) == (7, 3)


def test_more_shards_than_replicas_are_refused():
    (problem,) = problems(scenario={"replicas": 2, "shards": 3})
    assert problem.startswith("scenario.shards: 3 workloads cannot share 2 replicas")


def test_the_shares_of_negative_images_are_checked_against_the_workloads():
    (problem,) = problems(scenario={"shards": 5, "negatives": {"expired": 0.05}})
    assert problem == "scenario.negatives: of 5 workloads the share of expired comes to none; 10 shards would do."
    (problem,) = problems(scenario={"negatives": {"expird": 1}})
    assert problem.endswith("did you mean expired?")
    assert read(scenario={"shards": 10, "negatives": {"expired": 0.05}}).plan.negatives == {"expired": 0.05}


def test_extra_referrers_are_read_and_checked():
    sbom = {"artifactType": "application/spdx+json", "bytes": "2048", "share": 0.5}
    plan = read(scenario={"referrers": [sbom, {"artifactType": "a/b"}], "seed": 3}).plan
    assert plan.referrers == (Extra("application/spdx+json", 2048, 1, 0.5), Extra("a/b", 4096))
    assert (plan.images(0).extras, plan.images(0).seed) == (plan.referrers, 3)
    assert read(scenario={"seed": 3}).plan.images(0).seed == 0


@pytest.mark.parametrize(
    ("referrer", "told"),
    [
        ({}, "{} lacks artifactType."),
        ({"artifactType": "sbom"}, "referrer.artifactType: expected a media type such as application/spdx+json"),
        ({"artifactType": "a/b", "bytes": 0}, "referrer.bytes: expected from 1 to 8000000, got 0."),
        ({"artifactType": "a/b", "count": 51}, "referrer.count: expected from 1 to 50, got 51."),
        ({"artifactType": "a/b", "share": 1.5}, "referrer.share: expected from 0 to 1, got 1.5."),
        ({"artifactType": "a/b", "size": 1}, "referrer.size: there is no such key"),
        ({"artifactType": "a/b", "share": 0.01}, "of 10 images the share 0.01 of a/b comes to none; 0.05 would do."),
        ({"artifactType": "application/vnd.cncf.notary.signature"}, "their number is scenario.signatures"),
    ],
)
def test_a_wrong_extra_referrer_is_named(referrer, told):
    (problem,) = problems(scenario={"referrers": [referrer]})
    assert problem.startswith("scenario.referrers: ")
    assert told in problem


def test_negative_images_need_signatures_to_differ_from_unsigned_ones():
    (problem,) = problems(scenario={"signatures": 0, "negatives": {"expired": 1}})
    assert problem.startswith("scenario.negatives: with scenario.signatures 0 every image is unsigned as it is")


def test_images_that_take_a_signer_of_their_own_are_none_of_azure_s():
    shares = {"wrong-ca": 0.5, "expired": 0.25, "revoked": 0}
    (problem,) = problems(platform="azure", scenario={"shards": 4, "negatives": shares})
    assert problem == (
        "scenario.negatives: on Azure nobody signs but the key vault, so there are no images of the kind wrong-ca; "
        "leave that out, the others are unsigned, tampered-manifest, tampered-envelope, expired, wrong-subject, "
        "missing-blob, sbom."
    )
    assert read(scenario={"shards": 4, "negatives": shares}).scenario.negatives == shares


@pytest.mark.parametrize(
    ("ratify", "gatekeeper", "named"),
    [
        ({"verificationTimeoutMs": 5_000}, {}, ("ratify.verificationTimeoutMs", "gatekeeper.validationTimeoutSeconds")),
        ({}, {"validationTimeoutSeconds": 4}, ("ratify.verificationTimeoutMs", "gatekeeper.validationTimeoutSeconds")),
        ({"mutationTimeoutMs": 2_500}, {}, ("ratify.mutationTimeoutMs", "gatekeeper.mutationTimeoutSeconds")),
        ({}, {"mutationTimeoutSeconds": 1}, ("ratify.mutationTimeoutMs", "gatekeeper.mutationTimeoutSeconds")),
    ],
)
def test_a_timeout_of_ratify_that_gatekeeper_s_would_hide_is_refused(ratify, gatekeeper, named):
    (problem,) = problems(ratify=ratify, gatekeeper=gatekeeper)
    assert all(key in problem for key in named)


@pytest.mark.parametrize(
    ("signing", "said"),
    [
        ({"keyFile": "/k"}, "signing.keyFile: an existing key needs signing.certificateFile"),
        ({"certificateFile": "/c"}, "signing.keyFile: an existing key needs signing.certificateFile"),
        (
            {"keyFile": "/k", "certificateFile": "/c", "intermediate": True},
            "signing.intermediate: the chain in signing.certificateFile is taken as it is",
        ),
    ],
)
def test_an_existing_key_comes_with_its_chain(signing, said):
    (problem,) = problems(signing=signing)
    assert problem.startswith(said)


@pytest.mark.parametrize("signing", [{"intermediate": True}, {"keyFile": "/k", "certificateFile": "/c"}])
def test_on_azure_the_key_vault_makes_the_certificate(signing):
    (problem,) = problems(platform="azure", signing=signing)
    assert "on Azure the key" in problem


def test_longer_timeouts_that_go_together_are_taken():
    assert read(ratify={"verificationTimeoutMs": 9_900}, gatekeeper={"validationTimeoutSeconds": 10})


@pytest.mark.parametrize("regions", ["[]", [], [{"name": "a", "size": "S"}, {"name": "a", "size": "M"}]])
def test_regions_have_to_be_there_and_different(regions):
    (problem,) = problems(registry={"regions": regions})
    assert problem.startswith("registry.regions: ")


@pytest.mark.parametrize(
    "region", [{"name": "a"}, {"size": "S"}, {"name": "a", "size": "XXL"}, {"name": "../a", "size": "S"}, "a", 5]
)
def test_a_region_has_a_name_and_a_size(region):
    (problem,) = problems(registry={"regions": [region]})
    assert problem.startswith("registry.regions: ")


def test_two_components_cannot_have_one_port():
    (problem,) = problems(cluster={"apiServerPort": 6443}, ratify={"port": 6443})
    assert problem == "ratify.port: 6443 is the port of cluster.apiServerPort; set another, or 0 for a free one."


@pytest.mark.parametrize("limit", ["few", "<= ", "~ 5", "5", 5, "<= 1 2"])
def test_a_threshold_that_cannot_be_evaluated_is_refused(limit):
    (problem,) = problems(thresholds={"pods.ready": limit})
    assert problem.startswith("thresholds.pods.ready: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("cluster", "nodeCpu"), "many"),
        (("cluster", "nodeMemory"), "256 GB"),
        (("cluster", "nodeMemory"), "-1Gi"),
        (("signing", "commonName"), ""),
        (("signing", "commonName"), "x" * 65),
    ],
)
def test_text_has_the_form_that_kubernetes_and_certificates_ask_for(key, value):
    (problem,) = problems(**{key[0]: {key[1]: value}})
    assert problem.startswith(f"{key[0]}.{key[1]}: expected ")


@pytest.mark.parametrize("run_id", ["", "a b", "-a", "a" * 64, "a/b"])
def test_a_run_id_is_a_label_s_value(run_id):
    (problem,) = problems(runId=run_id)
    assert problem.startswith("runId: expected ")


@pytest.mark.parametrize("spelling", ["on", "off", '"on"', '"off"', "true", "false", "yes", "no"])
def test_a_switch_is_read_from_yaml_however_it_is_spelt(spelling):
    found = Settings.read(yaml.safe_load(f"ratify: {{cache: {spelling}}}"), "the tests")
    assert found.ratify.cache is (spelling.strip('"') in ("on", "true", "yes"))


@pytest.mark.parametrize("spelling", ["on", "off", "auto", '"on"'])
def test_prometheus_may_be_written_without_quotes(spelling):
    found = Settings.read(yaml.safe_load(f"monitoring: {{prometheus: {spelling}}}"), "the tests")
    assert found.monitoring.prometheus == spelling.strip('"')


@pytest.mark.parametrize(
    ("monitoring", "told"),
    [
        ({"prometheusHttpConfig": "http.yaml"}, "it is the login to monitoring.prometheusUrl, which is not set"),
        ({"prometheusUrl": "ftp://there"}, "expected a URL such as"),
        ({"prometheusUrl": "https://"}, "expected a URL such as"),
        ({"prometheusUrl": "https://there:nowhere"}, "expected a URL such as"),
        ({"prometheusUrl": "https://there/?token=s3cret"}, "expected a URL such as"),
        ({"prometheusUrl": "https://me:s3cret@there"}, "it has a login in it, which settings do not hold"),
    ],
)
def test_a_prometheus_has_a_url_without_a_login_in_it(monitoring, told):
    with pytest.raises(SettingsError) as caught:
        read(monitoring=monitoring)
    assert told in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("cache", [True, False])
def test_cache_off_turns_gatekeeper_s_response_cache_off_too(cache):
    found = read(ratify={"cache": cache}, gatekeeper={"responseCacheSeconds": 60})
    assert found.response_cache_seconds == (60 if cache else 0)


PHASES = [{"pattern": "constant", "rate": 10, "objects": 3}, {"pattern": "closed", "workers": 2}]


def test_phases_are_the_schedule_and_without_any_the_rate_is():
    created = read(scenario={"shards": 5}, load={"mode": "created", "phases": PHASES}).load
    assert [phase.pattern for phase in created.schedule] == ["constant", "closed"]
    (only,) = read(load={"mode": "created", "rate": 3}).load.schedule
    assert (only.pattern, only.rate) == ("constant", 3)


@pytest.mark.parametrize(
    ("load", "told"),
    [
        ({"phases": PHASES}, "load.phases: mode declared declares all workloads at once; set load.mode to created."),
        ({"mode": "created", "phases": PHASES[:1]}, "load.phases: together they create 3 objects, and scenario.shards"),
        ({"mode": "created", "phases": [{"pattern": "ramp"}]}, "load.phases[0].rate: ramp needs it."),
        ({"mode": "created", "phases": [{"pattern": "sine"}]}, "load.phases: phase.pattern: expected one of constant"),
        (
            {"mode": "created", "phases": [{"pattern": "closed", "workers": 500}]},
            "load.phases: phase.workers: expected",
        ),
        ({"template": "x"}, "load.template: mode declared declares the scenario's own workloads"),
        ({"mode": "created", "shards": 2, "template": "x"}, "load.shards: each driver makes its objects"),
        ({"shards": 2}, "load.shards: mode declared has one driver; set load.mode to created."),
        ({"mode": "created", "shards": 6}, "load.shards: 6 drivers cannot share 5 objects"),
        ({"mode": "created", "phases": PHASES, "shards": 3}, "load.shards: 3 drivers cannot share the 2 workers"),
    ],
)
def test_phases_that_cannot_be_are_told(load, told):
    with pytest.raises(SettingsError) as error:
        read(scenario={"shards": 5}, load=load)
    assert any(problem.startswith(told) for problem in error.value.problems), error.value.problems


def test_the_plan_is_the_scenario_s():
    scenario = {"workload": "job", "shards": 5, "replicas": 11, "containers": 2, "signatures": 3, "jobSeconds": 1}
    plan = read(scenario=scenario, runId="r1").plan
    assert [plan.pods(shard) for shard in range(5)] == [3, 2, 2, 2, 2]
    assert (plan.kind, plan.containers, plan.signatures, plan.job_seconds, plan.run_id) == ("job", 2, 3, 1, "r1")


@settings(deadline=None)
@given(configurations())
def test_any_valid_settings_survive_a_round_trip(config):
    first = read(**config)
    assert read(**asdict(first)) == first


@settings(deadline=None)
@given(configurations())
def test_any_valid_settings_are_the_same_as_json_text_as_pulumi_hands_them_on(config):
    first = read(**config)
    texts = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in json.loads(json.dumps(asdict(first))).items()
    }
    assert read(**texts) == first


@settings(deadline=None)
@given(st.sampled_from(KEYS), JSON)
def test_a_garbage_value_is_taken_or_told_with_its_key(key, value):
    subject, name = key
    try:
        read(**{subject: {name: value}})
    except SettingsError as error:
        assert all(f"{subject}.{name}" in problem for problem in error.problems)


@settings(deadline=None)
@given(st.sampled_from(TOP_KEYS), JSON)
def test_a_garbage_subject_is_taken_or_told_with_its_key(key, value):
    try:
        read(**{key: value})
    except SettingsError as error:
        assert all(problem.startswith(key) for problem in error.problems)


@pytest.mark.parametrize(("subject", "name"), KEYS)
@pytest.mark.parametrize("value", NEVER_FIT, ids=repr)
def test_a_value_of_no_fitting_type_is_told_with_its_key(subject, name, value):
    told = problems(**{subject: {name: value}})
    assert [problem.partition(":")[0] for problem in told] == [f"{subject}.{name}"]


@given(st.dictionaries(st.text() | st.integers() | st.none() | st.booleans(), JSON, max_size=4))
def test_any_garbage_at_all_is_taken_or_a_settings_error(config):
    try:
        Settings.read(config, "the tests")
    except SettingsError as error:
        assert error.problems


@pytest.mark.parametrize(
    "key", [("load", "deadlineSeconds"), ("gatekeeper", "auditInterval"), ("ratify", "cacheSizeMb")]
)
def test_no_number_is_larger_than_the_components_can_read(key):
    (problem,) = problems(**{key[0]: {key[1]: GREATEST + 1}})
    assert problem == f"{key[0]}.{key[1]}: expected {GREATEST} or less, got {GREATEST + 1}."


@pytest.mark.parametrize("ratify", [{"replicas": 3}, {"mode": "regular", "replicas": 2}])
def test_regular_is_one_replica(ratify):
    (problem,) = problems(ratify=ratify)
    assert problem.startswith(f"ratify.replicas: mode regular has 1 replica, not {ratify['replicas']}")
    assert "ha-without-dapr" in problem


def test_high_availability_needs_two_replicas():
    (problem,) = problems(ratify={"mode": "ha-without-dapr"})
    assert problem == "ratify.replicas: mode ha-without-dapr needs 2 to 20 replicas, got 1."
    assert read(ratify={"mode": "ha-without-dapr", "replicas": 2}).ratify.replicas == 2
    assert problems(ratify={"mode": "ha-without-dapr", "replicas": 21})
