"""One context out of a user's kubeconfigs, and nothing else of them."""

from __future__ import annotations

import json

import pytest
import yaml

from infra.kubernetes.kubeconfig import any_there, one_context
from workloads.errors import UsageError


def config(*names: str, current: str | None = None, **user: str) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            **({"current-context": current} if current else {}),
            "clusters": [{"name": f"c-{name}", "cluster": {"server": f"https://{name}"}} for name in names],
            "users": [{"name": f"u-{name}", "user": {"token": f"token of {name}", **user}} for name in names],
            "contexts": [{"name": name, "context": {"cluster": f"c-{name}", "user": f"u-{name}"}} for name in names],
        }
    )


@pytest.fixture(autouse=True)
def nobody(tmp_path, monkeypatch):
    """A user without a kubeconfig."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KUBECONFIG", raising=False)


def test_only_the_current_context_is_taken(tmp_path):
    (tmp_path / "config").write_text(config("one", "two", current="two"))
    text = one_context(str(tmp_path / "config"), None)
    found = json.loads(text)
    assert "one" not in text.replace('"none"', "")
    assert found["current-context"] == "two"
    assert found["clusters"] == [{"name": "c-two", "cluster": {"server": "https://two"}}]
    assert found["users"] == [{"name": "u-two", "user": {"token": "token of two"}}]
    assert found["contexts"] == [{"name": "two", "context": {"cluster": "c-two", "user": "u-two"}}]


def test_a_context_can_be_named(tmp_path):
    (tmp_path / "config").write_text(config("one", "two", current="two"))
    assert json.loads(one_context(str(tmp_path / "config"), "one"))["current-context"] == "one"


def test_the_engine_s_own_reader_finds_the_cluster_in_it(tmp_path):
    from infra.engine.providers.cluster import context_of

    (tmp_path / "config").write_text(config("one", current="one"))
    assert context_of(one_context(str(tmp_path / "config"), None), "").server == "https://one"


def test_files_that_it_names_are_found_from_anywhere(tmp_path):
    text = config("one", current="one", **{"client-key": "keys/me", "client-certificate": "/etc/me"})
    (tmp_path / "config").write_text(text)
    (user,) = json.loads(one_context(str(tmp_path / "config"), None))["users"]
    assert user["user"]["client-key"] == str(tmp_path / "keys/me")
    assert user["user"]["client-certificate"] == "/etc/me"


def test_a_home_is_expanded(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "mine").write_text(config("one", current="one"))
    assert "https://one" in one_context("~/mine", None)


def test_without_a_file_it_is_the_user_s_own(tmp_path, monkeypatch):
    assert not any_there()
    (tmp_path / "home" / ".kube").mkdir(parents=True)
    (tmp_path / "home" / ".kube" / "config").write_text(config("own", current="own"))
    assert any_there()
    assert "https://own" in one_context(None, None)
    (tmp_path / "other").write_text(config("other", current="other"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "other"))
    assert "https://other" in one_context(None, None)


def test_several_files_are_taken_together_and_the_first_goes_before(tmp_path, monkeypatch):
    (tmp_path / "a").write_text(config("one"))
    (tmp_path / "b").write_text(config("one", "two", current="two").replace("https://one", "https://late"))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/a:{tmp_path}/missing:{tmp_path}/b")
    assert "https://two" in one_context(None, None)
    assert "https://one" in one_context(None, "one")


@pytest.mark.parametrize(
    ("text", "context", "told"),
    [
        (None, None, "cannot be read: No such file or directory. Name another, in cluster.kubeconfig"),
        (config("one", "two"), None, "has no current context. Name one in cluster.context; there are one, two."),
        (config("one", "two", current="one"), "tow", "has no context tow. Name another in cluster.context: one, two."),
        (config(current="one"), None, "has no context one. Name another in cluster.context: none."),
        (config("one", current="one").replace("name: u-one", "name: x"), None, "is of user u-one, which it does not"),
        ("a: [", None, "is not a kubeconfig: mend its YAML"),
        ("text", None, "is not a kubeconfig: it has no clusters"),
        ("contexts: 3\ncurrent-context: x", None, "has no context x"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path, text, context, told):
    if text is not None:
        (tmp_path / "config").write_text(text)
    with pytest.raises(UsageError) as error:
        one_context(str(tmp_path / "config"), context)
    assert told in str(error.value)
    assert "token of" not in str(error.value)
