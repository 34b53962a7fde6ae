from __future__ import annotations

import pytest
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, ResourceProvider
from pulumi.dynamic.dynamic import serialize_provider

from infra.engine.providers import Diff, Made, NotMadeError
from infra.engine.providers.dynamic import CODE, Dynamic
from infra.engine.values import UNKNOWN
from workloads.errors import EngineError


def note(props: dict, text: str) -> None:
    """Providers are pickled by value, so what they do is seen in a file only."""
    with open(props["log"], "a") as log:
        log.write(f"{text}\n")


class Plain(ResourceProvider):
    def create(self, props):
        return CreateResult(props["id"], {"made": True, CODE: props[CODE]})


class Full(Plain):
    def check(self, _olds, news):
        failures = [CheckFailure("size", "must be positive")] if news["size"] < 1 else []
        return CheckResult({**news, "checked": True}, failures)

    def diff(self, _id, olds, news):
        note(news, f"diff {_id} {sorted(olds)}")
        return DiffResult(replaces=["size"], delete_before_replace=True)

    def delete(self, _id, props):
        note(props, f"delete {_id} {sorted(props)}")

    def recover(self, props):
        note(props, f"recover {props['id']}")


PLAIN, FULL = serialize_provider(Plain()), serialize_provider(Full())


def inputs(code: str, **more) -> dict:
    return {CODE: code, "id": "x", "size": 1, **more}


def test_create_returns_the_outputs_without_the_code():
    assert Dynamic().create(inputs(PLAIN), None) == Made("x", {"made": True})


def test_create_without_an_id_is_refused():
    with pytest.raises(NotMadeError, match="returned no id"):
        Dynamic().create(inputs(PLAIN, id=""), None)


def test_check_completes_the_inputs_or_says_what_is_wrong():
    assert Dynamic().check("n", None, inputs(FULL), False) == inputs(FULL, checked=True)
    with pytest.raises(EngineError, match="inputs of n are wrong: size: must be positive"):
        Dynamic().check("n", None, inputs(FULL, size=0), False)
    assert Dynamic().check("n", None, inputs(FULL, size=UNKNOWN), True) == inputs(FULL, size=UNKNOWN)


def test_diff_without_an_opinion_compares_but_for_the_code():
    assert Dynamic().diff("x", inputs(FULL), {}, inputs(PLAIN)) == Diff()
    assert Dynamic().diff("x", inputs(PLAIN), {}, inputs(PLAIN, size=2)) == Diff(True)
    assert Dynamic().diff("x", inputs(PLAIN), {}, inputs(PLAIN, size=UNKNOWN)) == Diff(True, True)


def test_diff_and_delete_see_the_outputs_and_the_code(tmp_path):
    log = tmp_path / "log"
    wanted, outputs = inputs(FULL, log=str(log)), {"made": True, "log": str(log)}
    assert Dynamic().diff("x", wanted, outputs, wanted) == Diff(True, True, True)
    Dynamic().delete("x", wanted, outputs, None)
    seen = sorted([CODE, "made", "log"])
    assert log.read_text() == f"diff x {seen}\ndelete x {seen}\n"


def test_recover_is_optional(tmp_path):
    log = tmp_path / "log"
    Dynamic().recover(inputs(PLAIN))
    Dynamic().recover(inputs(FULL, log=str(log)))
    assert log.read_text() == "recover x\n"
