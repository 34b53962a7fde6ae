"""``csscgen genk8s``: the Go tool's objects, what was added to them, and what other load generators read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from csscgen.stackfiles import project_root, read
from tests.csscgen.commands import csscgen

HOST = ("--registry-host", "name.azurecr.io")
NAME, GROUP = "{{.Name}}", "{{.Group}}"


@pytest.fixture
def generated(capsys: pytest.CaptureFixture[str]):
    def run(*words: str) -> list[dict[str, Any]]:
        code, out, err = csscgen(capsys, "genk8s", *HOST, *words)
        assert (code, err) == (0, "")
        return list(yaml.safe_load_all(out))

    return run


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]):
    def run(*words: str) -> str:
        code, out, err = csscgen(capsys, "genk8s", *words)
        assert (code, out) == (2, "") and "Traceback" not in err
        return err

    return run


def containers(repository: str, count: int) -> list[dict[str, str]]:
    return [
        {"name": f"{repository}{number}", "image": f"name.azurecr.io/{repository}:{number}"}
        for number in range(1, count + 1)
    ]


def test_a_deployment_is_the_go_tools(generated):
    """As createDeployment of its genk8s.go writes it, without the empty fields of Go's types."""
    [made] = generated("-t", "deployment", "-c", "2", "--num-replicas", "200", "--num-referrers", "5")

    assert made == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "labels": {"group": GROUP}},
        "spec": {
            "replicas": 200,
            "selector": {"matchLabels": {"name": NAME}},
            "template": {
                "metadata": {"labels": {"name": NAME, "group": GROUP}},
                "spec": {"containers": containers("2-containers-5-referrers", 2)},
            },
        },
    }


def test_a_job_is_the_go_tools(generated):
    """As createJob of its genk8s.go writes it."""
    [made] = generated("-t", "job", "-c", "3", "--num-replicas", "4", "-n", "here", "--name", "one", "--group", "all")

    assert made == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "one", "namespace": "here", "labels": {"group": "all"}},
        "spec": {
            "parallelism": 4,
            "completions": 4,
            "completionMode": "Indexed",
            "template": {
                "metadata": {"labels": {"group": "all"}},
                "spec": {"containers": containers("3-containers-1-referrers", 3), "restartPolicy": "OnFailure"},
            },
        },
    }


def test_with_its_defaults_it_is_one_deployment_of_one_container(generated):
    [made] = generated()

    assert made["kind"] == "Deployment" and made["spec"]["replicas"] == 1
    assert made["spec"]["template"]["spec"]["containers"] == containers("1-containers-1-referrers", 1)


def test_pods_are_objects_of_their_own(generated):
    made = generated("-t", "pod", "--num-replicas", "3", "--name", "load", "--group", "g")

    assert [each["metadata"]["name"] for each in made] == ["load-0", "load-1", "load-2"]
    assert made[0]["metadata"]["labels"] == {"name": "load-0", "group": "g"}


def test_shards_share_the_pods_and_namespaces_are_taken_in_turn(generated):
    made = generated("--shards", "3", "--num-replicas", "8", "-n", "ns", "--namespaces", "2", "--unique-images")

    namespaces, objects = made[:2], made[2:]
    assert [(each["kind"], each["metadata"]["name"]) for each in namespaces] == [
        ("Namespace", "ns-0"),
        ("Namespace", "ns-1"),
    ]
    assert [each["spec"]["replicas"] for each in objects] == [3, 3, 2]
    assert [each["metadata"]["namespace"] for each in objects] == ["ns-0", "ns-1", "ns-0"]
    images = [each["spec"]["template"]["spec"]["containers"][0]["image"] for each in objects]
    assert images == [f"name.azurecr.io/1-containers-1-referrers-{index}:1" for index in range(3)]


def test_what_is_asked_for_beside_it_is_in_the_pods(generated):
    words = ["-t", "job", "--requests", "cpu=10m", "--requests", "memory=16Mi", "--limits", "cpu=1"]
    words += ["--toleration", "kwok.x-k8s.io/node=fake:NoSchedule", "--toleration", "other", "--label", "team=me"]
    [made] = generated(*words, "--node-selector", "type=kwok", "--pull-secret", "login", "--job-seconds", "5")

    spec = made["spec"]["template"]["spec"]
    assert spec["containers"][0]["resources"] == {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "1"}}
    assert spec["containers"][0]["args"] == ["5s"]
    assert spec["tolerations"] == [
        {"key": "kwok.x-k8s.io/node", "operator": "Equal", "value": "fake", "effect": "NoSchedule"},
        {"key": "other", "operator": "Exists"},
    ]
    assert spec["nodeSelector"] == {"type": "kwok"} and spec["imagePullSecrets"] == [{"name": "login"}]
    assert made["metadata"]["labels"] == {"group": GROUP, "team": "me"}


def test_names_that_look_like_numbers_or_dates_stay_text(generated):
    made = generated("-t", "pod", "--num-replicas", "2", "--name", "2024-01", "--group", "7", "-n", "1")

    assert made[1]["metadata"] == {
        "name": "2024-01-1",
        "namespace": "1",
        "labels": {"name": "2024-01-1", "group": "7"},
    }


def test_lines_of_json_are_the_same_objects(capsys, generated):
    words = ["--shards", "5", "--num-replicas", "12", "-n", "ns", "--namespaces", "2", "-c", "2", "--label", "a=b"]
    code, out, _ = csscgen(capsys, "genk8s", *HOST, *words, "--format", "jsonl")

    assert code == 0
    assert [json.loads(line) for line in out.splitlines()] == generated(*words)


def test_a_file_is_whole_or_not_there(capsys, tmp_path: Path):
    file = tmp_path / "load.yaml"

    assert csscgen(capsys, "genk8s", *HOST, "--name", "a", "--group", "b", "-f", str(file)) == (0, "", "")

    assert yaml.safe_load(file.read_text())["metadata"]["name"] == "a"
    assert os.listdir(tmp_path) == ["load.yaml"]


def test_cluster_loader_gets_a_template_and_a_test_that_uses_it(capsys, tmp_path: Path):
    words = ["--shards", "6", "--num-replicas", "12", "--namespaces", "3", "--unique-images", "--qps", "50"]
    code, out, _ = csscgen(capsys, "genk8s", *HOST, *words, "--format", "clusterloader2", "-f", str(tmp_path))

    assert (code, out) == (0, "")
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert config["namespace"] == {"number": 3, "prefix": "ratify"}
    assert config["tuningSets"] == [{"name": "Load", "globalQPSLoad": {"qps": 50, "burst": 1}}]
    phases = config["steps"][1]["phases"]
    assert [phase["namespaceRange"] for phase in phases] == [{"min": each, "max": each} for each in (1, 2, 3)]
    assert {phase["replicasPerNamespace"] for phase in phases} == {2}
    [bundles] = zip(*(phase["objectBundle"] for phase in phases), strict=True)
    assert {bundle["objectTemplatePath"] for bundle in bundles} == {"deployment.yaml"}
    assert [bundle["templateFillMap"]["First"] for bundle in bundles] == [0, 2, 4]
    waits = [step["measurements"][0] for step in config["steps"] if "measurements" in step]
    assert [(wait["Method"], wait["Params"]["action"]) for wait in waits[:2]] == [
        ("WaitForControlledPodsRunning", "start"),
        ("WaitForControlledPodsRunning", "gather"),
    ]
    # As text/template would fill it in for the second object of the third namespace.
    text = (tmp_path / "deployment.yaml").read_text()
    for placeholder, value in (("{{.Name}}", "ratify-1"), ("{{.Group}}", "ratify"), ("{{AddInt .First .Index}}", "5")):
        assert placeholder in text
        text = text.replace(placeholder, value)
    made = yaml.safe_load(text)
    assert made["metadata"] == {"name": "ratify-1", "labels": {"group": "ratify"}} and made["spec"]["replicas"] == 2
    image = made["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "name.azurecr.io/1-containers-1-referrers-5:1"


@pytest.mark.parametrize(
    ("words", "method"),
    [
        (["-t", "pod"], "WaitForRunningPods"),
        (["-t", "job"], "WaitForControlledPodsRunning"),
        (["-t", "job", "--job-seconds", "5"], "WaitForFinishedJobs"),
    ],
)
def test_cluster_loader_waits_for_what_becomes_of_the_kind(words: list[str], method: str, capsys, tmp_path: Path):
    assert csscgen(capsys, "genk8s", *HOST, *words, "--format", "clusterloader2", "-f", str(tmp_path))[0] == 0

    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert config["steps"][2]["measurements"][0]["Method"] == method


def test_kube_burner_gets_a_template_and_a_job_that_uses_it(capsys, tmp_path: Path):
    words = ["-t", "pod", "--num-replicas", "20", "--namespaces", "4", "--unique-images", "--name", "load"]
    assert csscgen(capsys, "genk8s", *HOST, *words, "--format", "kube-burner", "-f", str(tmp_path))[0] == 0

    [job] = yaml.safe_load((tmp_path / "config.yaml").read_text())["jobs"]
    assert (job["jobIterations"], job["objects"]) == (4, [{"objectTemplate": "pod.yaml", "replicas": 5}])
    assert (job["qps"], job["burst"], job["namespacedIterations"], job["preLoadImages"]) == (10, 1, True, False)
    made = yaml.safe_load((tmp_path / "pod.yaml").read_text())
    assert made["metadata"]["name"] == "load-{{.Iteration}}-{{.Replica}}"
    image = made["spec"]["containers"][0]["image"]
    assert image == "name.azurecr.io/1-containers-1-referrers-{{sub (add (mul .Iteration 5) .Replica) 1}}:1"


def test_a_stack_gives_what_its_scenario_says_where_no_option_does(generated):
    """As a run of it names namespaces and images; local-negatives has shares of every kind of negative image."""
    stack = read(project_root(), "local-negatives")
    plan = stack.settings.plan

    made = generated("--stack", "local-negatives", "--group", "g")

    objects = [each for each in made if each["kind"] != "Namespace"]
    assert [each["metadata"]["namespace"] for each in objects] == [plan.namespace(each) for each in range(plan.shards)]
    assert [each["spec"]["replicas"] for each in objects] == [plan.pods(each) for each in range(plan.shards)]
    images = [[container["image"] for container in each["spec"]["template"]["spec"]["containers"]] for each in objects]
    assert images == [list(plan.images(each).references("name.azurecr.io")) for each in range(plan.shards)]
    assert plan.negatives


def test_an_option_wins_over_the_scenario(generated):
    made = generated("--stack", "local-S", "-t", "pod", "--num-replicas", "2", "--set", "scenario.containers=3")

    assert [each["kind"] for each in made] == ["Pod", "Pod"]
    assert [each["name"] for each in made[0]["spec"]["containers"]] == [
        f"3-containers-5-referrers{i}" for i in (1, 2, 3)
    ]


def test_a_stack_of_jobs_as_a_test_of_cluster_loaders(capsys, tmp_path: Path):
    words = ["--stack", "local-S-jobs", "--format", "clusterloader2", "-f", str(tmp_path)]

    assert csscgen(capsys, "genk8s", *HOST, *words) == (0, "", "")

    scenario = read(project_root(), "local-S-jobs").settings.scenario
    made = yaml.safe_load((tmp_path / "job.yaml").read_text())
    containers = made["spec"]["template"]["spec"]["containers"]
    assert [each["args"] for each in containers] == [[f"{scenario.jobSeconds}s"]] * scenario.containers
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["steps"][1]["phases"] == [
        {
            "namespaceRange": {"min": 1, "max": 1},
            "replicasPerNamespace": scenario.shards,
            "tuningSet": "Load",
            "objectBundle": [
                {"basename": "ratify", "objectTemplatePath": "job.yaml", "templateFillMap": {"Group": "ratify"}}
            ],
        }
    ]


def test_nobody_reads_the_rest():
    """``| head``: a broken pipe is not a word on stderr."""
    words = [*HOST, "-t", "pod", "-c", "10", "--num-replicas", "20000"]
    with subprocess.Popen(
        [sys.executable, "-m", "csscgen", "genk8s", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"---\n"
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 1)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Missing option '--registry-host'"),
        (["--registry-host", "docker.io"], "one that everybody shares"),
        (["--registry-host", "user:secret@host/x"], "is not the address of a registry"),
        ([*HOST, "-c", "0"], "0 is not in the range 1<=x<=100"),
        ([*HOST, "-c", "10000"], "10000 is not in the range 1<=x<=100"),
        ([*HOST, "--num-referrers", "10000"], "10000 is not in the range 0<=x<=50"),
        ([*HOST, "--num-replicas", "0"], "0 is not in the range"),
        ([*HOST, "-t", "statefulset"], "'statefulset' is not one of 'deployment', 'job', 'pod'"),
        ([*HOST, "--name", "No Name"], "'No Name' is not a name that Kubernetes takes"),
        ([*HOST, "-n", "{{.Namespace}}"], "is not a name that Kubernetes takes"),
        ([*HOST, "--label", "a={name}"], "is not KEY=VALUE"),
        ([*HOST, "--requests", "cpu=lots"], "is not KEY=VALUE"),
        ([*HOST, "--toleration", "a=b:Never"], "is not KEY, KEY:EFFECT or KEY=VALUE:EFFECT"),
        ([*HOST, "--shards", "3"], "3 objects cannot share 1 pods"),
        ([*HOST, "-t", "pod", "--shards", "3"], "--shards is for Deployments and Jobs"),
        ([*HOST, "--job-seconds", "3"], "--job-seconds is for Jobs"),
        ([*HOST, "--namespaces", "2"], "--namespaces needs --namespace"),
        ([*HOST, "-f", "missing/load.yaml"], "missing/load.yaml cannot be written: No such file"),
        ([*HOST, "--format", "kube-burner"], "Name a folder for them with -f"),
        ([*HOST, "--format", "kube-burner", "-f", "x", "-n", "a"], "Leave --namespace out"),
        (
            [*HOST, "--format", "kube-burner", "-f", "x", "--shards", "2", "--num-replicas", "3"],
            "cannot be shared evenly",
        ),
        ([*HOST, "--format", "clusterloader2", "-f", "x", "--namespaces", "2"], "cannot be spread evenly"),
        ([*HOST, "--stack", "local-negatives", "--format", "kube-burner", "-f", "x"], "has images of one kind"),
        ([*HOST, "--format", "kube-burner", "-f", "x", "--qps", "0.5"], "kube-burner waits for ever"),
        ([*HOST, "--label", "name=a"], "The label name says which object a pod is of: give it by --name"),
        ([*HOST, "-t", "job", "--num-replicas", "100001"], "100000 pods at once at most"),
        ([*HOST, "-t", "pod", "--num-replicas", "10", "--name", "a" * 61], "60 characters are left"),
        ([*HOST, "-t", "job", "--num-replicas", "10", "--name", "a" * 61], "60 characters are left"),
        ([*HOST, "--namespaces", "2", "-n", "a" * 62], "too long for the number"),
        ([*HOST, "-t", "pod", "--stack", "local-S", "--set", "scenario.uniqueImages=true"], "images of its own"),
        ([*HOST, "--stack", "shared"], "shared is a shared stack, which has no workloads"),
        ([*HOST, "--stack", "nobody"], "nobody"),
        ([*HOST, "--set", "scenario.shards=2"], "--set is of a stack"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(words: list[str], told: str, refused, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    said = " ".join(refused(*words).split())

    assert told in said and "secret" not in said
    assert os.listdir(tmp_path) == []


def test_many_objects_are_streamed():
    """20,000 pods of ten containers need the memory of a few hundred."""
    few, many = (_peak(count) for count in (200, 20_000))

    assert many - few < 8_000, "kB more"


def _peak(pods: int) -> int:
    """The most resident memory, in kB, of a process that prints so many pods."""
    code = (
        "import resource, sys; from csscgen.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    words = ["genk8s", *HOST, "-t", "pod", "-c", "10", "--num-replicas", str(pods), "--format", "jsonl"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert sum(1 for _ in process.stdout) == pods
        return int(process.stderr.read())
