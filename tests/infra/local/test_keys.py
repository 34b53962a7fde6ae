from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from workloads.algorithms import ALGORITHMS

PROGRAM = """
    import pulumi
    from pathlib import Path
    from infra.local.keys import LocalCertificates, SigningCertificate
    config = pulumi.Config()
    folder = Path(config.require("folder"))
    pki = LocalCertificates(
        "pki", folder=folder / "pki", identities={"admin": ("the-admin", ["system:masters"]), "etcd": ("etcd", [])},
        later=["etcd"],
    )
    signing = SigningCertificate(
        "signing", folder=folder / "signing", algorithm=config.require("type"), subject="CN=tests,O=ours",
        intermediate=config.get_bool("intermediate") or False,
    )
    SigningCertificate(
        "old", folder=folder / "old", algorithm="ES256", subject="CN=tests,O=theirs,ST=WA,C=US", expired=True
    )
    pulumi.export("ca", pki.ca_pem)
    pulumi.export("keyFile", signing.key_file)
    pulumi.export("certificate", signing.certificate)
    pulumi.export("root", signing.root)
"""


def up(project, folder: Path, kind: str = "ES256", **more: str):
    return project.write(PROGRAM).up(folder=str(folder), type=kind, **more)


def test_private_keys_are_in_files_of_mode_0600_and_nowhere_else(project, tmp_path):
    folder = tmp_path / "files"
    outcome = up(project, folder)
    names = ("pki/admin/tls.key", "pki/etcd/tls.key", "signing/signing.key", "old/signing.key")
    keys = [folder / name for name in names]
    found = [file for file in folder.rglob("*") if file.is_file() and "PRIVATE KEY" in file.read_text()]
    assert sorted(found) == sorted(keys)
    for file in folder.rglob("*"):
        if file.is_file():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = json.dumps([outcome.outputs, [step.inputs for step in outcome.steps]])
    secret_lines = [line for key in keys for line in key.read_text().splitlines()[1:-1]]
    assert "PRIVATE" not in shown + project.state_text()
    assert not [line for line in secret_lines if line in shown + project.state_text()]


def test_the_authority_s_own_key_is_kept_nowhere(project, tmp_path):
    up(project, tmp_path)
    authority = x509.load_pem_x509_certificate((tmp_path / "pki/ca.crt").read_bytes())
    for file in tmp_path.rglob("*.key"):
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
        assert key.public_key() != authority.public_key()


def test_a_certificate_that_is_not_valid_yet_is_for_the_same_key_and_made_only_where_it_is_asked_for(project, tmp_path):
    up(project, tmp_path)
    assert [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("not-yet-valid.crt")] == [
        "pki/etcd/not-yet-valid.crt"
    ]
    now, later = (
        x509.load_pem_x509_certificate((tmp_path / "pki/etcd" / name).read_bytes())
        for name in ("tls.crt", "not-yet-valid.crt")
    )
    assert now.public_key() == later.public_key()
    assert now.subject == later.subject
    assert now.not_valid_before_utc < datetime.now(UTC) < later.not_valid_before_utc
    later.verify_directly_issued_by(x509.load_pem_x509_certificate((tmp_path / "pki/ca.crt").read_bytes()))


def test_each_identity_has_a_certificate_with_its_user_and_groups(project, tmp_path):
    outcome = up(project, tmp_path)
    certificate = x509.load_pem_x509_certificate((tmp_path / "pki/admin/tls.crt").read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(str(outcome.outputs["ca"]).encode()))
    names = [
        [attribute.value for attribute in certificate.subject.get_attributes_for_oid(oid)]
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    ]
    assert names == [["the-admin"], ["system:masters"]]


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_the_signing_key_is_the_one_of_the_certificate(project, tmp_path, kind):
    outputs = up(project, tmp_path, kind).outputs
    key = serialization.load_pem_private_key(Path(str(outputs["keyFile"])).read_bytes(), password=None)
    certificate = x509.load_pem_x509_certificate(str(outputs["certificate"]).encode())
    assert key.public_key() == certificate.public_key()


def test_a_self_signed_certificate_is_its_own_root_and_a_chain_ends_with_one(project, tmp_path):
    outputs = up(project, tmp_path / "one").outputs
    assert outputs["root"] == outputs["certificate"]
    outputs = up(project, tmp_path / "three", intermediate="true").outputs
    leaf, between, root = x509.load_pem_x509_certificates(str(outputs["certificate"]).encode())
    assert x509.load_pem_x509_certificates(str(outputs["root"]).encode()) == [root]
    leaf.verify_directly_issued_by(between)
    between.verify_directly_issued_by(root)


def test_a_certificate_can_be_of_others_and_have_ended(project, tmp_path):
    up(project, tmp_path)
    certificate = x509.load_pem_x509_certificate((tmp_path / "old/signing.crt").read_bytes())
    assert certificate.not_valid_after_utc < datetime.now(UTC)
    assert certificate.subject.rfc4514_string() == "CN=tests,O=theirs,ST=WA,C=US"


def test_keys_stay_until_something_about_them_changes(project, tmp_path):
    first = up(project, tmp_path).outputs
    assert up(project, tmp_path).outputs == first
    second = up(project, tmp_path, "PS256").outputs
    assert second["certificate"] != first["certificate"]
    assert second["ca"] == first["ca"]


def test_destroy_removes_every_key(project, tmp_path):
    up(project, tmp_path / "files")
    project.destroy()
    assert not list((tmp_path / "files").rglob("*.*"))
