from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from csscgen.loading import send
from csscgen.templates import MOST_BYTES, Template
from tests.csscgen.commands import csscgen
from tests.csscgen.servers import ApiServer, in_background, plan
from workloads.errors import UsageError
from workloads.ratify.objects import RUN_LABEL, WORKLOAD_LABEL, workload_objects
from workloads.schedules import Phase, work_out

HOST = "registry.example:5000"
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{.Name}}
  labels: {app: mine, number: "{{ .Index }}"}
spec:
  replicas: {{.Replicas}}
  selector: {matchLabels: {name: "{{.Name}}"}}
  template:
    metadata:
      labels: {name: "{{.Name}}"}
    spec:
      containers:
        - {name: one, image: "{{.Registry}}/mine:{{.Iteration}}-{{.Replica}}"}
"""
JOB = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: '{{.Name}}'}\nspec: {template: {spec: {containers: []}}}\n"


def objects(folder: Path, text: str, **changes: Any) -> list[dict[str, Any]]:
    return Template(written(folder, text)).objects(plan(**changes), HOST)


def written(folder: Path, text: str | bytes) -> str:
    file = folder / "template.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(file)


def test_each_shard_has_an_object_with_its_values_in_place_of_the_placeholders(tmp_path: Path):
    made = objects(tmp_path, DEPLOYMENT, shards=4, replicas=6, namespaces=2)
    assert [each["metadata"]["name"] for each in made] == [f"ratify-{n}" for n in range(4)]
    assert [each["metadata"]["namespace"] for each in made] == [f"ratify-perf-{n % 2}" for n in range(4)]
    assert [each["metadata"]["labels"]["number"] for each in made] == ["0", "1", "2", "3"]
    assert [each["spec"]["replicas"] for each in made] == [2, 2, 1, 1]
    images = [each["spec"]["template"]["spec"]["containers"][0]["image"] for each in made]
    assert images == [f"{HOST}/mine:{where}" for where in ("0-1", "1-1", "0-2", "1-2")]


def test_an_object_has_what_a_run_follows_it_by_beside_the_labels_of_its_own(tmp_path: Path):
    made = objects(tmp_path, DEPLOYMENT, run_id="run-7")[0]
    own = workload_objects(plan(run_id="run-7"), HOST)[0]
    for theirs, ours in ((made, own), (made["spec"]["template"], own["spec"]["template"])):
        for label in (RUN_LABEL, WORKLOAD_LABEL):
            assert theirs["metadata"]["labels"][label] == ours["metadata"]["labels"][label]
    assert made["metadata"]["labels"]["app"] == "mine"
    assert made["spec"]["template"]["metadata"]["labels"]["name"] == "ratify-0"


def test_what_is_left_out_is_the_scenario_s(tmp_path: Path):
    (made,) = objects(tmp_path, JOB, kind="job", replicas=3)
    assert (made["spec"]["completions"], made["spec"]["parallelism"]) == (3, 3)
    assert made["metadata"]["namespace"] == "ratify-perf-0"


def test_the_family_s_own_workload_is_a_template_too(tmp_path: Path):
    (own,) = workload_objects(plan(), HOST)
    assert objects(tmp_path, yaml.safe_dump(own)) == [own]


def test_objects_of_a_template_are_sent_as_the_family_s_own(tmp_path: Path):
    made = objects(tmp_path, DEPLOYMENT, shards=3, namespaces=3)
    with in_background(ApiServer()) as api:
        parts = work_out([Phase("constant", rate=1000)], 3)
        answered = send(api.kubeconfig, made, parts, lambda _: None)
    assert sorted(request.object for request in answered) == [
        f"deployment/ratify-perf-{n}/ratify-{n}" for n in range(3)
    ]
    assert {request.status for request in answered} == {"created"}


def changed(old: str, new: str) -> str:
    assert old in DEPLOYMENT
    return DEPLOYMENT.replace(old, new)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (changed("{{.Name}}", "{{AddInt .First .Index}}"), "AddInt .First .Index.*functions"),
        (changed("{{.Name}}", "{{.Group}}"), "{{.Group}}.*placeholders, which are {{.Name}}"),
        (changed("{{.Name}}", "{{Name}}"), "{{Name}}"),
        (changed("{{.Name}}", "{{}}"), "{{}}"),
        (changed("{{.Name}}", "{{if .Name}}x{{end}}"), "if .Name"),
        (changed("{{.Name}}", "{{.Name | quote}}"), "quote"),
        (changed("{{.Name}}", "{{- .Name -}}"), "- .Name -"),
        (changed("{{.Name}}", "{{.Name.Other}}"), "Name.Other"),
        (changed("{{.Name}}", "{{.Name"), "placeholders"),
        (changed("{{.Name}}", "{{" + "x" * 100_000 + "}}"), "placeholders"),
        (changed("name: {{.Name}}\n", "name: mine\n"), "metadata.name is 'mine'.*'ratify-0'.*{{.Name}}"),
        (changed("  name: {{.Name}}\n", "  name: {{.Name}}\n  namespace: default\n"), "metadata.namespace"),
        (changed("replicas: {{.Replicas}}", "replicas: 7"), "spec.replicas is 7.*3.*{{.Replicas}}"),
        (changed("replicas: {{.Replicas}}", "replicas: '{{.Replicas}}'"), "spec.replicas is '3'"),
        (changed("replicas: {{.Replicas}}", "replicas: -1"), "spec.replicas is -1"),
        (changed("kind: Deployment", "kind: StatefulSet"), "has to be a Deployment of apps/v1"),
        (changed("apps/v1", "apps/v1beta1"), "has to be a Deployment of apps/v1"),
        (JOB, "scenario.workload is deployment"),
        (DEPLOYMENT + "---" + DEPLOYMENT, "one document"),
        ("", "has to be a Deployment"),
        ("[]", "has to be a Deployment"),
        ("apiVersion: {{.Name}", "not closed"),
        ("a: [", "one document"),
        ("a: 1\na: 2", "twice"),
        ("[" * 20_000, "one document"),
        ("a: !!python/object/apply:os.system [ls]", "one document"),
        ("a: 2026-99-99", "one document"),
        (changed('labels: {app: mine, number: "{{ .Index }}"}', "labels: [a]"), "metadata.labels has to be a mapping"),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: x\nspec: {}", "metadata has to be a mapping"),
        ("apiVersion: apps/v1\nkind: Deployment\nspec: {template: 1}", "spec.template has to be a mapping"),
        (b"\xff\xfe", "cannot be read"),
        (b"a: \x00", "one document"),
        (b" " * (MOST_BYTES + 1), "more than"),
    ],
)
def test_a_template_that_is_none_is_refused_and_told_why(tmp_path: Path, text: str | bytes, said: str):
    with pytest.raises(UsageError, match=said) as refused:
        Template(written(tmp_path, text)).check(plan())
    assert len(str(refused.value)) < 1_000 and str(refused.value).isprintable()


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(UsageError, match="cannot be read"):
        Template(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("command", ["load", "run"])
def test_a_template_that_is_none_is_refused_before_anything_is_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
):
    file = written(tmp_path, changed("{{.Name}}", "{{.Group}}"))
    code, _, said = csscgen(capsys, command, "--stack", "local-smoke", "--template", file, "--objects", "2")
    assert code == 2
    assert "{{.Group}}" in said


def test_a_template_is_of_mode_created(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    word = f"load.template={written(tmp_path, DEPLOYMENT)}"
    code, _, said = csscgen(capsys, "run", "--stack", "local-smoke", "--set", word)
    assert code == 2
    assert "set load.mode to created" in said
