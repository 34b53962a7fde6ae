from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import infra.engine
from infra.engine.locks import stack_lock
from infra.engine.resources import Pending, Resource
from infra.engine.state import StackState
from infra.engine.values import Secret
from infra.engine.vault import PASSPHRASE
from workloads.errors import EngineError, UsageError


def resource(name: str, **changes) -> Resource:
    return Resource(**{"urn": f"urn:{name}", "type": "t", "name": name, "custom": True, **changes})


@pytest.fixture
def state(tmp_path: Path) -> StackState:
    return StackState.load(tmp_path / "dev", tmp_path)


def reloaded(tmp_path: Path) -> StackState:
    return StackState.load(tmp_path / "dev", tmp_path)


def test_everything_comes_back(state, tmp_path):
    full = resource(
        "a",
        id="1",
        inputs={"token": Secret({"deep": ["hush"]}), "n": 1},
        outputs={"x": 0.5},
        dependencies=("urn:b",),
        property_dependencies={"n": ["urn:b"]},
        delete_timeout=3.0,
        init_error="late",
        protect=True,
    )
    stored = state.put(full)
    state.begin("create", resource("c", inputs={"k": Secret("v")}))
    state.set_outputs({"out": Secret("hush")})
    condemned = state.condemn(state.put(resource("d")))
    state.close()
    again = reloaded(tmp_path)
    assert again.get("urn:a") == stored and again.condemned() == [condemned]
    assert again.outputs == {"out": Secret("hush")}
    assert again.pending()["urn:c"] == Pending("create", again.unfinished()[0])
    text = (tmp_path / "dev" / "state.json").read_text()
    assert "hush" not in text and stat.S_IMODE((tmp_path / "dev" / "state.json").stat().st_mode) == 0o600


def test_an_intent_is_on_disk_when_begin_returns(state, tmp_path):
    state.begin("create", resource("a"))
    assert [r.name for r in reloaded(tmp_path).unfinished()] == ["a"]
    state.put(resource("a", id="1"))
    assert not reloaded(tmp_path).pending()
    assert [r.id for r in reloaded(tmp_path).live()] == ["1"]


def test_many_threads_lose_nothing(state, tmp_path):
    def work(start: int) -> None:
        for index in range(start, start + 20):
            state.begin("create", resource(str(index)))
            state.put(resource(str(index), id="x"))

    threads = [threading.Thread(target=work, args=(20 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = reloaded(tmp_path)
    assert len(again.live()) == 160 and not again.pending()


def test_after_close_nothing_is_written(state, tmp_path):
    state.put(resource("a"))
    state.close()
    state.put(resource("b"))
    assert reloaded(tmp_path).get("urn:b") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"version": 1, "salt": null, "resources": [1]}'])
def test_a_broken_file_is_told_in_one_sentence(tmp_path, text):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "state.json").write_text(text)
    with pytest.raises(EngineError, match="state.json cannot be read"):
        reloaded(tmp_path)


def test_a_lost_key_is_a_usage_error(state, tmp_path):
    state.put(resource("a", inputs={"token": Secret("hush")}))
    (tmp_path / "key").unlink()
    with pytest.raises(UsageError, match="cannot be read from"):
        reloaded(tmp_path)
    other = StackState.load(tmp_path / "other" / "dev", tmp_path / "other")
    other.put(resource("a", inputs={"token": Secret("hush")}))
    (tmp_path / "key").write_bytes((tmp_path / "other" / "key").read_bytes())
    with pytest.raises(UsageError, match="the present key does not open"):
        reloaded(tmp_path)


def test_a_passphrase_replaces_the_key_file(tmp_path, monkeypatch):
    monkeypatch.setenv(PASSPHRASE, "correct horse")
    StackState.load(tmp_path / "dev", tmp_path).put(resource("a", inputs={"token": Secret("hush")}))
    assert not (tmp_path / "key").exists()
    assert [r.inputs for r in reloaded(tmp_path).live()] == [{"token": Secret("hush")}]
    monkeypatch.setenv(PASSPHRASE, "wrong")
    with pytest.raises(UsageError, match=f"Bring back the {PASSPHRASE} of then"):
        reloaded(tmp_path)
    monkeypatch.delenv(PASSPHRASE)
    with pytest.raises(UsageError, match=f"Set {PASSPHRASE}"):
        reloaded(tmp_path)


def test_a_lock_names_its_holder_and_leaves_no_file(tmp_path):
    folder = tmp_path / "dev"
    with stack_lock(folder, "dev"):
        with (
            pytest.raises(UsageError, match=f"Stack dev is in use by process {os.getpid()}"),
            stack_lock(folder, "dev"),
        ):
            pass
        assert (folder / "lock").exists()
    assert not folder.exists()


def test_the_lock_of_a_dead_process_is_free(tmp_path):
    code = "import sys, os; from pathlib import Path; from infra.engine.locks import stack_lock\n"
    code += "with stack_lock(Path(sys.argv[1]), 'dev'): os._exit(0)"
    root = Path(infra.engine.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=root, check=True)
    assert (tmp_path / "lock").exists()
    with stack_lock(tmp_path, "dev"):
        pass
    assert not tmp_path.exists()


def test_the_file_says_what_it_is(state, tmp_path):
    state.put(resource("a", id="1"))
    document = json.loads((tmp_path / "dev" / "state.json").read_text())
    assert set(document) == {"version", "salt", "resources", "pending", "outputs"}
    assert document["resources"][0]["id"] == "1"
