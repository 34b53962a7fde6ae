"""Keys made without a stack, and what is trusted as the files of Ratify and notation."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from csscgen.artifacts import keys
from csscgen.artifacts.signing import LocalSigner, read_key
from infra.local.certificates import authority, root_of, signing_certificate, signing_chain
from tests.csscgen.commands import csscgen
from tests.infra.kubernetes.charts import folder
from workloads.errors import UsageError
from workloads.trust import trust_policy

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys) -> Run:
    return lambda *words: csscgen(capsys, "keys", *map(str, words))


@pytest.fixture
def chain(tmp_path, run) -> Path:
    assert run("create", "--directory", tmp_path / "keys", "--intermediate")[0] == 0
    return Path(tmp_path / "keys" / "signing.crt")


@pytest.mark.parametrize(
    "words", [(), ("--algorithm", "PS256", "--intermediate"), ("--common-name", 'a "b", c', "--validity-days", "2")]
)
def test_a_key_is_made_that_signs_and_that_only_its_owner_may_read(tmp_path, run, words):
    there = tmp_path / "new" / "keys"
    code, out, _ = run("create", "--directory", there, *words, "--json")
    assert code == 0
    assert json.loads(out) == {"key": str(there / "signing.key"), "certificate": str(there / "signing.crt")}
    assert stat.S_IMODE((there / "signing.key").stat().st_mode) == 0o600
    assert sorted(file.name for file in there.iterdir()) == ["signing.crt", "signing.key"]
    LocalSigner(read_key(there / "signing.key"), (there / "signing.crt").read_text())
    chain = x509.load_pem_x509_certificates((there / "signing.crt").read_bytes())
    assert len(chain) == (3 if "--intermediate" in words else 1)
    life = chain[0].not_valid_after_utc - chain[0].not_valid_before_utc
    assert timedelta() < life - timedelta(days=2 if "2" in words else 365) < timedelta(hours=1)


@pytest.mark.parametrize("name", ["signing.key", "signing.crt"])
def test_nothing_is_written_over(tmp_path, run, name):
    (tmp_path / name).write_text("precious")
    code, _, said = run("create", "--directory", tmp_path)
    assert code == 2 and f"{name} is there already, and keys are never written over" in said
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, "precious")]


def test_a_key_without_its_chain_is_not_left(tmp_path, monkeypatch):
    real = keys._write_new

    def full(file: Path, text: str, mode: int = 0o600) -> None:
        if file.name == "signing.crt":
            raise OSError(28, "No space left on device")
        real(file, text, mode)

    monkeypatch.setattr(keys, "_write_new", full)
    with pytest.raises(OSError, match="No space"):
        keys.create(tmp_path, algorithm="ES256", common_name="a test")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [("--algorithm", "RS256"), ("--validity-days", "0"), ("--common-name", "x" * 65)])
def test_a_key_that_cannot_be_is_told(tmp_path, run, words):
    code, _, said = run("create", "--directory", tmp_path / "keys", *words)
    assert code == 2 and "Error" in said and "Traceback" not in said
    assert not (tmp_path / "keys").exists()


def test_a_chain_is_shown_with_what_is_wrong_with_it(tmp_path, run, chain):
    code, out, _ = run("show", chain, "--json")
    leaf, between, root = json.loads(out)
    assert code == 0 and not any(each["problems"] for each in (leaf, between, root))
    assert (leaf["key"], leaf["algorithm"]) == ("EC P-256", "ES256")
    assert (leaf["issuer"], between["issuer"]) == (between["subject"], root["subject"])
    (tmp_path / "tls.crt").write_text(authority("a root").issue("a server")[1])
    code, out, _ = run("show", tmp_path / "tls.crt")
    assert code == 0 and out.count("refused: ") == 2 and "lacks its self-signed root" in out


def exporting(certificate: Path, reader: str, directory: Path) -> tuple[object, ...]:
    return "export", "--certificate", certificate, "--for", reader, "--directory", directory


@pytest.mark.parametrize("content", [b"", b"nothing", bytes(range(256))])
def test_what_is_no_chain_is_told(tmp_path, run, content):
    (tmp_path / "file").write_bytes(content)
    for words in (("show", tmp_path / "file"), exporting(tmp_path / "file", "ratify", tmp_path)):
        code, _, said = run(*words)
        assert code == 2 and "The certificate chain cannot be read" in said


def test_a_file_that_is_not_there_is_told(tmp_path, run):
    code, _, said = run("show", tmp_path / "gone")
    assert code == 1 and "No such file" in said


def test_notation_s_folder_has_the_root_and_the_leaf_s_policy(tmp_path, run, chain):
    code, out, _ = run(*exporting(chain, "notation", tmp_path / "n"), "--json")
    assert code == 0 and all(row["written"] for row in json.loads(out))
    (root,) = (tmp_path / "n/truststore/x509/ca/certs").glob("*.pem")
    assert root.read_text() == root_of(chain.read_text())
    policy = json.loads((tmp_path / "n/trustpolicy.json").read_text())
    assert policy == trust_policy("CN=ratify-perf,O=ratify-perf,ST=WA,C=US")


@pytest.mark.parametrize("reader", ["ratify", "notation"])
def test_what_is_exported_twice_is_as_it_was(tmp_path, run, chain, reader):
    run(*exporting(chain, reader, tmp_path / "certs"))

    def times() -> dict[Path, int]:
        return {file: file.stat().st_mtime_ns for file in (tmp_path / "certs").rglob("*") if file.is_file()}

    (tmp_path / "certs" / "notes.txt").write_text("mine")
    before = times()
    code, out, _ = run(*exporting(chain, reader, tmp_path / "certs"), "--json")
    assert code == 0 and not any(row["written"] for row in json.loads(out))
    assert times() == before


def test_a_policy_that_is_somebody_s_and_another_root_are_left(tmp_path, run, chain):
    (tmp_path / "trustpolicy.json").write_text("{}")
    code, _, said = run(*exporting(chain, "notation", tmp_path))
    assert code == 2 and "trustpolicy.json is there with another content" in said
    assert not (tmp_path / "truststore").exists()
    store = tmp_path / "n" / "truststore/x509/ca/certs"
    store.mkdir(parents=True)
    (store / "old.pem").write_text(signing_certificate("ES256", "old")[1])
    code, _, said = run(*exporting(chain, "notation", tmp_path / "n"))
    assert code == 2 and "old.pem is there with another content" in said
    assert not (tmp_path / "n" / "trustpolicy.json").exists()


def test_ratify_s_resources_have_the_form_of_its_chart(tmp_path, run, chain):
    run(*exporting(chain, "ratify", tmp_path / "r"))
    provider, verifier = yaml.safe_load_all((tmp_path / "r/resources.yaml").read_text())
    assert provider["spec"]["parameters"] == {"contentType": "certificate", "value": root_of(chain.read_text())}
    parameters = verifier["spec"]["parameters"]
    assert parameters["verificationCertStores"] == {"ca": {"certs": [provider["metadata"]["name"]]}}
    assert parameters["trustPolicyDoc"]["trustPolicies"][0]["trustStores"] == ["ca:certs"]
    definitions = {}
    for file in (folder("ratify") / "crds").glob("*.yaml"):
        definition = yaml.safe_load(file.read_text())
        definitions[definition["spec"]["names"]["kind"]] = definition["spec"]
    for resource in (provider, verifier):
        spec = definitions[resource["kind"]]
        group, _, version = resource["apiVersion"].partition("/")
        (served,) = [each for each in spec["versions"] if each["name"] == version and each["served"]]
        assert (spec["group"], spec["scope"]) == (group, "Cluster") and "namespace" not in resource["metadata"]
        fits(resource["spec"], served["schema"]["openAPIV3Schema"]["properties"]["spec"])


def fits(value: Any, schema: dict[str, Any]) -> None:
    """Asserts that the API server would keep all of an object."""
    assert schema["type"] == ("object" if isinstance(value, dict) else "string")
    if isinstance(value, dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        assert set(schema.get("required", ())) <= value.keys() <= schema["properties"].keys()
        for key, inner in value.items():
            fits(inner, schema["properties"][key])


def test_a_stack_s_trust_is_what_its_outputs_say():
    outputs: dict[str, Any] = {"trustStore": "roots", "trustPolicy": {"version": "1.0"}}
    outputs["registries"] = [{"host": "127.0.0.1:5000"}]
    assert keys.trust_of_stack("local-shared", outputs) == keys.Trust("roots", {"version": "1.0"}, plain_http=True)
    outputs["registries"] = [{"host": "registry.example"}]
    assert not keys.trust_of_stack("kubeconfig-shared", outputs).plain_http


def test_a_certificate_in_a_key_vault_is_told_with_what_brings_it():
    outputs = {"vault": {"uri": "https://kv-1.vault.azure.net/"}, "certificateName": "signing"}
    with pytest.raises(UsageError, match="download --vault-name kv-1 --name signing --file signing.crt"):
        keys.trust_of_stack("shared", outputs)


def test_a_subject_that_no_policy_can_list_is_told():
    lacking = x509.Name.from_rfc4514_string("CN=me,C=US")
    with pytest.raises(UsageError, match="CN=me,C=US, lacks ST and O: a trust policy can list only"):
        keys.trust_of_chain(signing_chain("ES256", lacking)[1])


@pytest.mark.parametrize("words", [(), ("--stack", "local-S", "--certificate", "x")])
def test_whom_to_trust_is_said_in_one_way(tmp_path, run, words):
    code, _, said = run("export", *words, "--for", "ratify", "--directory", tmp_path / "r")
    assert code == 2 and "Say whom to trust" in said
