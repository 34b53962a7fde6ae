"""Shards of a load on the real control plane.

Its nodes are simulated and run no container. So the Job is real down to its pods, and their containers are processes
here: the same command, plan, index and service account.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from csscgen.sharding.jobs import NAME, NAMESPACE
from tests.end_to_end.conftest import ROOT, Place

pytestmark = pytest.mark.real
STACK = ("--stack", "local-smoke")
LOAD = ("scenario.shards=5", "load.mode=created", "load.rate=5", "load.shards=2", "monitoring.prometheus=off")
SETTINGS = [word for each in LOAD for word in ("--set", each)]
INDEX = "batch.kubernetes.io/job-completion-index"


def test_two_drivers_send_a_run_s_load(place: Place) -> None:
    done = place.csscgen("run", *STACK, *SETTINGS, "--json")

    assert done.returncode == 0, done.stderr
    load = json.loads(done.stdout)["load"]
    assert (load["objects"], load["failed"]) == (5, 0)
    assert load["requested_per_s"] == pytest.approx(5, rel=0.001)
    assert [(row["shard"], row["objects"]) for row in load["shards"]] == [(0, 3), (1, 2)]
    assert all(0 <= row["begin_skew_seconds"] < 2 for row in load["shards"])
    assert place.leftovers() == []


def test_the_job_is_accepted_and_its_pods_may_send_their_shards_and_do_nothing_else(
    place: Place, tmp_path: Path
) -> None:
    from kubernetes import client, config, utils

    up = place.csscgen("up", *STACK, *SETTINGS)
    assert up.returncode == 0, up.stderr
    seeded = place.csscgen("artifacts", "seed", *STACK, *SETTINGS)
    assert seeded.returncode == 0, seeded.stderr
    printed = place.csscgen("shards", "job", *STACK, *SETTINGS, "--image", "example.org/csscgen:1", "--begin-in", "30")
    assert printed.returncode == 0, printed.stderr
    outputs = json.loads(place.csscgen("outputs", *STACK, "--show-secrets").stdout)
    admin = json.loads(outputs["kubeconfig"])
    api = config.new_client_from_config_dict(admin)
    documents = list(yaml.safe_load_all(printed.stdout))
    for document in documents:
        utils.create_from_dict(api, document)

    pods = _pods(client.CoreV1Api(api), 2)
    assert sorted(pod.metadata.annotations[INDEX] for pod in pods) == ["0", "1"]
    assert {pod.spec.service_account_name for pod in pods} == {NAME}

    account = _account(client.CoreV1Api(api), admin)
    (tmp_path / "kubeconfig").write_text(json.dumps(account))
    (plan,) = next(each for each in documents if each["kind"] == "ConfigMap")["data"].values()
    (tmp_path / "plan.json").write_text(plan)
    logs = _send(tmp_path)
    merged = place.csscgen("shards", "merge", *map(str, logs), "--requests", str(tmp_path / "all.jsonl"), "--json")
    assert merged.returncode == 0, merged.stderr
    figures = json.loads(merged.stdout)
    assert (figures["objects"], figures["failed"]) == (5, 0)
    assert [row["objects"] for row in figures["shards"]] == [3, 2]
    assert len((tmp_path / "all.jsonl").read_text().splitlines()) == 5

    pod = config.new_client_from_config_dict(account)
    for forbidden in (
        lambda: client.CoreV1Api(pod).list_namespaced_pod("ratify-perf-0"),
        lambda: client.AppsV1Api(pod).list_namespaced_deployment("ratify-perf-0"),
        lambda: client.AppsV1Api(pod).delete_namespaced_deployment("x", "default"),
        lambda: client.BatchV1Api(pod).delete_namespaced_job(NAME, NAMESPACE),
    ):
        with pytest.raises(client.ApiException) as refused:
            forbidden()
        assert refused.value.status == 403
    assert place.csscgen("destroy", *STACK, "--shared").returncode == 0
    assert place.leftovers() == []


def _pods(core: Any, count: int) -> list[Any]:
    end = time.monotonic() + 30
    while len(found := core.list_namespaced_pod(NAMESPACE).items) < count:
        assert time.monotonic() < end, "the Job's pods never appeared"
        time.sleep(0.2)
    return list(found)


def _account(core: Any, admin: dict[str, Any]) -> dict[str, Any]:
    """The kubeconfig of the pods' service account."""
    token = core.create_namespaced_service_account_token(
        NAME, NAMESPACE, {"spec": {"expirationSeconds": 600}}
    ).status.token
    users = [{"name": user["name"], "user": {"token": token}} for user in admin["users"]]
    return {**admin, "users": users}


def _send(folder: Path) -> list[Path]:
    """Runs both shards as their containers would, and returns their logs."""
    logs, shards = [folder / f"shard-{index}.log" for index in range(2)], []
    for index, log in enumerate(logs):
        environment = {
            **os.environ,
            "JOB_COMPLETION_INDEX": str(index),
            "KUBECONFIG": str(folder / "kubeconfig"),
        }
        argv = [sys.executable, "-m", "csscgen", "shards", "send", "--plan", str(folder / "plan.json")]
        with log.open("wb") as file:
            shards.append(subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=file))
    assert [shard.wait(90) for shard in shards] == [0, 0]
    return logs
