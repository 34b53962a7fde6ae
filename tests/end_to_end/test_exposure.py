"""local-smoke with every real component, and login to the registry: nothing listens but on loopback, and no secret is
shown, neither while it runs nor by what it leaves."""

from __future__ import annotations

import pytest

from tests.end_to_end.conftest import Place
from tests.end_to_end.exposing import watching
from tests.end_to_end.searching import Secret, contents, exposed_modes, searched, secrets_in

pytestmark = pytest.mark.real

STACK = ("--stack", "local-smoke")
PASSPHRASE = "correct horse battery staple"


VARIANTS = {
    "file": [],
    "passphrase": [
        "ratify.mode=ha-without-dapr",
        "ratify.replicas=2",
        "registry.storage=disk",
        "signing.algorithm=PS256",
    ],
}
"""Where the key of the state's secrets comes from, and what else of the stack differs."""


@pytest.mark.parametrize("key", VARIANTS)
def test_nothing_is_shown_to_anybody(place: Place, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    if key == "passphrase":
        monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", PASSPHRASE)
    changes = ["ratify.logLevel=debug", "gatekeeper.logLevel=DEBUG", *VARIANTS[key]]
    run = place.start("run", *STACK, "--keep", *(word for change in changes for word in ("--set", change)))
    with watching(place, run.pid) as shown:
        output, _ = run.communicate(timeout=240)
    assert run.returncode == 0, output
    assert {"etcd", "kube-apiserver", "gatekeeper", "ratify"} <= set(shown.listening), "they were not looked at"

    assert sorted(shown.elsewhere) == []

    secrets, holders = secrets_in(place.folder / "state")
    if key == "passphrase":
        secrets.append(Secret("the passphrase", PASSPHRASE.encode()))
    names = " ".join(secret.name for secret in secrets)
    for expected in ("signing.key", "service-account", "kube-apiserver", "ratify", "password of push", "login of"):
        assert expected in names, f"{expected} was not looked for"
    found = list(exposed_modes(holders, place.folder / "state"))
    for state in (place.folder / "state").rglob("state.json"):
        if state.stat().st_mode & 0o077:
            found.append(f"{state} has mode {state.stat().st_mode & 0o777:o}.")
    outputs = place.csscgen("outputs", *STACK)
    shown.words["the output of csscgen"] = {output.encode(), outputs.stdout.encode(), outputs.stderr.encode()}
    looked = 0
    for where, texts in shown.words.items():
        for text in texts:
            found += searched(where, text, secrets)
    for where, content in contents(place.folder, holders):
        looked += 1
        found += searched(where, content, secrets)
    assert looked > 30, "there are more files than these"
    assert found == []

    destroyed = place.csscgen("destroy", *STACK, "--shared")
    assert destroyed.returncode == 0, destroyed.stderr
    assert place.leftovers() == []
