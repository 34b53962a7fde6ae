from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from stat import S_IMODE

from infra.local.credentials import _CredentialsProvider
from infra.local.credentials import identities as named
from infra.local.registry import identities

PROGRAM = """
    import pulumi
    from pathlib import Path
    from infra.local.credentials import RegistryCredentials
    folder = Path(pulumi.Config().require("folder"))
    made = RegistryCredentials("logins", folder=folder, hosts=["127.0.0.1:20000"], pushers=2)
    pulumi.export("files", made.files)
"""
HOSTS = ["127.0.0.1:20000", "127.0.0.1:20001"]


def made(folder: Path) -> dict[str, str]:
    props = {"folder": str(folder), "hosts": HOSTS, "pushers": 2, "identities": None}
    outs = _CredentialsProvider().create(props).outs
    assert outs is not None
    return outs


def passwords(file: str, host: str) -> tuple[str, str]:
    user, _, password = b64decode(json.loads(Path(file).read_text())["auths"][host]["auth"]).decode().partition(":")
    return user, password


def test_every_login_is_one_of_the_identities_for_every_registry(tmp_path):
    outs = made(tmp_path / "credentials")
    known = identities.read(Path(outs["identities"]))
    assert set(known) == set(named(2)) == {"push", "push-2", "pull", "pull-2"}
    for name in ("push", "push-2", "pull"):
        for host in HOSTS:
            assert passwords(outs[name], host) == (name, known[name].password)
    assert not known["pull"].may("repository", "app", "push")
    assert all(known[name].may("repository", "app", "push") for name in ("push", "push-2"))
    assert len({identity.password for identity in known.values()}) == len(known)


def test_only_paths_go_through_state_and_the_files_are_their_owners(project, tmp_path):
    folder = tmp_path / "credentials"
    outcome = project.write(PROGRAM).up(folder=str(folder))
    assert outcome.outputs["files"]["push-2"] == str(folder / "push-2/config.json")
    secrets = [passwords(str(folder / name / "config.json"), HOSTS[0])[1] for name in named(2)]
    secrets += [identity.aad_token for identity in identities.read(folder / "identities.json").values()]
    shown = json.dumps([outcome.outputs, [step.inputs for step in outcome.steps]]) + project.state_text()
    assert not [secret for secret in secrets if secret in shown]
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert len(files) == 1 + len(named(2))
    assert {S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_two_stacks_have_different_passwords_and_nothing_is_left(tmp_path):
    one, other = made(tmp_path / "one"), made(tmp_path / "other")
    assert passwords(one["push"], HOSTS[0]) != passwords(other["push"], HOSTS[0])
    _CredentialsProvider().delete("", one)
    assert not (tmp_path / "one").exists()
    _CredentialsProvider().delete("", one)


def test_other_ports_make_other_files():
    provider = _CredentialsProvider()
    olds = {"folder": "x", "hosts": HOSTS, "pushers": 1, "push": "a"}
    assert provider.diff("", olds, {"folder": "x", "hosts": HOSTS, "pushers": 1, "push": None}).changes is False
    assert provider.diff("", olds, {"folder": "x", "hosts": HOSTS[:1], "pushers": 1}).replaces == ["hosts"]
    assert provider.diff("", olds, {"folder": "x", "hosts": HOSTS, "pushers": 2}).replaces == ["pushers"]
