"""The policy, evaluated by the OPA that Gatekeeper is made of: a small program is built from Gatekeeper's pins."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.kubernetes.policy import REGO
from infra.local.tools import MODULES

pytestmark = pytest.mark.real

SIGNED = {"isSuccess": True, "verifierReports": [{"message": "verified"}]}
Evaluate = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program. What it needs is in the caches of whoever has built Gatekeeper."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("there is no go on PATH")
    folder = tmp_path_factory.mktemp("evaluator")
    for file in (*(MODULES / "gatekeeper").glob("go.*"), Path(__file__).with_name("evaluator") / "main.go"):
        shutil.copy(file, folder)
    build = [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", "evaluator", "."]
    subprocess.run(build, cwd=folder, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    return folder / "evaluator"


@pytest.fixture
def evaluate(evaluator: Path) -> Evaluate:
    """Evaluates an object with what Ratify answers about each of its images."""

    def run(obj: dict, responses: list | None = None, errors: list | None = None, system_error: str = "") -> dict:
        answer = {"responses": responses or [], "errors": errors or [], "system_error": system_error}
        request = {"policy": REGO.read_text(), "input": {"review": {"object": obj}}, "answer": answer}
        done = subprocess.run([evaluator], input=json.dumps(request), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return {"messages": [violation["msg"] for violation in found["violations"]], "asked": found["asked"]}

    return run


def pod(*images: str, **more: list[str]) -> dict[str, Any]:
    spec = {kind: [{"image": image} for image in named] for kind, named in {"containers": images, **more}.items()}
    return {"kind": "Pod", "spec": spec}


def test_an_image_that_ratify_vouches_for_is_let_in(evaluate: Evaluate):
    found = evaluate(pod("a"), [["a", SIGNED]])
    assert found["messages"] == []
    assert found["asked"] == [{"provider": "ratify-provider", "keys": ["a"]}]


def test_every_kind_of_container_is_asked_about_and_each_image_once(evaluate: Evaluate):
    obj = pod("a", "b", "a", initContainers=["c"], ephemeralContainers=["d"])
    (question,) = evaluate(obj)["asked"]
    assert sorted(question["keys"]) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda spec: {"kind": "Deployment", "spec": {"template": {"spec": spec}}},
        lambda spec: {"kind": "Job", "spec": {"template": {"spec": spec}}},
        lambda spec: {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}},
    ],
)
def test_what_makes_pods_is_asked_about_as_they_are(evaluate: Evaluate, wrap):
    found = evaluate(wrap(pod("a")["spec"]), [["a", {"isSuccess": False}]])
    assert found["asked"] == [{"provider": "ratify-provider", "keys": ["a"]}]
    assert len(found["messages"]) == 1


def test_an_object_without_images_is_let_in_unasked(evaluate: Evaluate):
    found = evaluate({"kind": "Service", "spec": {"ports": []}})
    assert found == {"messages": [], "asked": []}


@pytest.mark.parametrize(
    ("reports", "reason"),
    [
        ([], "no signature that the policy accepts"),
        (None, "no signature that the policy accepts"),
        ([{"message": "failed for a", "errorReason": "expired"}], "expired"),
        ([{"message": "failed for a", "errorReason": ""}], "failed for a"),
        ([{"message": "failed for a"}], "failed for a"),
        ([{"errorReason": "expired"}, {"errorReason": "expired"}, {"errorReason": "revoked"}], "expired; revoked"),
        ([{"nothing": "known"}], "no signature that the policy accepts"),
    ],
)
def test_a_denial_names_the_image_and_what_the_verifiers_said(evaluate: Evaluate, reports, reason):
    verdict = {"isSuccess": False, "verifierReports": reports}
    assert evaluate(pod("a"), [["a", verdict]])["messages"] == [f"verification failed for a: {reason}"]


def test_one_bad_image_among_good_ones_is_enough(evaluate: Evaluate):
    found = evaluate(pod("a", "b"), [["a", SIGNED], ["b", {"isSuccess": False}]])
    assert found["messages"] == ["verification failed for b: no signature that the policy accepts"]


@pytest.mark.parametrize("verdict", [{}, {"isSuccess": None}, {"isSuccess": False}, None, "signed"])
def test_anything_but_a_success_is_a_denial(evaluate: Evaluate, verdict):
    assert len(evaluate(pod("a"), [["a", verdict]])["messages"]) == 1


def test_an_image_that_ratify_could_not_judge_is_denied(evaluate: Evaluate):
    found = evaluate(pod("a"), errors=[["a", "the registry answered 429"]])
    assert found["messages"] == ["Ratify failed on a: the registry answered 429"]


def test_a_ratify_that_could_not_be_asked_is_a_denial(evaluate: Evaluate):
    found = evaluate(pod("a"), system_error="connection refused")
    assert found["messages"] == ["Ratify could not be asked: connection refused"]


@pytest.mark.parametrize("responses", [[], [["b", SIGNED]]])
def test_an_image_that_nothing_was_answered_about_is_denied(evaluate: Evaluate, responses):
    assert evaluate(pod("a"), responses)["messages"] == ["Ratify said nothing about a"]
