"""Keys and certificates to seed with where there is no stack, and what is trusted as the files of Ratify and notation.

A private key is written once, with mode 0600, and never over another. What is exported holds certificates and a trust
policy, which are no secrets. Sources: trust-store-trust-policy.md of the Notary Project, and notation-go's dir/path.go
for the names of its folders; the chart and the custom resources of Ratify 1.4.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from csscgen.artifacts import chains
from csscgen.artifacts.algorithms import algorithm_of, kind_of
from infra.local.certificates import root_of, signing_certificate, trusted_identity
from workloads.errors import UsageError
from workloads.ratify.configuration import configuration
from workloads.registries import is_loopback
from workloads.trust import SIGNATURE_TYPE, STORE, trust_policy

KEY, CHAIN = "signing.key", "signing.crt"
STORES = "truststore/x509"
"""notation's folder of trust stores, below that of its configuration."""
PROVIDER = "csscgen-signing"
"""The KeyManagementProvider."""
VERIFIER = "verifier-notation"
"""The Verifier, named as by Ratify's chart: applied beside the chart it takes the place of its own."""


@dataclass(frozen=True)
class Trust:
    """What verifiers are to trust."""

    certificates: str
    """Roots, as PEM."""
    policy: dict[str, Any]
    plain_http: bool = False
    """Whether the registries have no TLS, as those on this machine."""


def create(
    directory: Path, *, algorithm: str, common_name: str, intermediate: bool = False, days: int = 365
) -> tuple[Path, Path]:
    """Makes a key and its chain in ``directory``; returns their files. Raises UsageError if either is there."""
    key, chain = directory / KEY, directory / CHAIN
    for file in (key, chain):
        if file.exists():
            raise UsageError(f"{file} is there already, and keys are never written over. Give another directory.")
    texts = signing_certificate(algorithm, common_name, intermediate=intermediate, valid=timedelta(days=days))
    directory.mkdir(parents=True, exist_ok=True)
    _write_new(key, texts[0])
    try:
        _write_new(chain, texts[1])
    except BaseException:
        key.unlink()
        raise
    return key, chain


def shown(pem: str, at: datetime) -> list[dict[str, Any]]:
    """Each certificate of a chain, from leaf to root, with what verifiers would refuse it for ``at`` a time."""
    certificates = chains.read(pem)
    problems = {id(certificate): wrong for certificate, wrong in chains.problems(certificates, at=at)}
    return [_shown(certificate, problems.get(id(certificate), [])) for certificate in certificates]


def _shown(certificate: x509.Certificate, problems: list[str]) -> dict[str, Any]:
    key = certificate.public_key()
    algorithm = algorithm_of(key)
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "key": kind_of(key),
        "algorithm": algorithm.name if algorithm else None,
        "from": certificate.not_valid_before_utc.isoformat(),
        "until": certificate.not_valid_after_utc.isoformat(),
        "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        "problems": problems,
    }


def trust_of_chain(pem: str) -> Trust:
    """Trust in whoever signs with a chain, from leaf to root: its root, and its leaf's subject.

    Raises UsageError for a chain that verifiers would refuse now, or that no trust policy can list.
    """
    chain = chains.checked(pem, at=datetime.now(UTC))
    return Trust(root_of(pem), trust_policy(trusted_identity(chain.certificates[0].subject)))


def trust_of_stack(name: str, outputs: Mapping[str, Any]) -> Trust:
    """Trust as a shared stack of these outputs has it. Raises UsageError if its certificate is in a Key Vault."""
    if "vault" in outputs:
        vault = str(outputs["vault"]["uri"]).partition("//")[2].partition(".")[0]
        raise UsageError(
            f"The signing certificate of stack {name} is in the Key Vault. `az keyvault certificate download "
            f"--vault-name {vault} --name {outputs['certificateName']} --file signing.crt` brings it here; then give "
            "--certificate signing.crt."
        )
    plain = all(is_loopback(str(registry["host"])) for registry in outputs["registries"])
    return Trust(outputs["trustStore"], outputs["trustPolicy"], plain)


def for_notation(trust: Trust) -> dict[str, str]:
    """notation's configuration folder: a file for each root, and the policy. Path below the folder → content."""
    roots = x509.load_pem_x509_certificates(trust.certificates.encode())
    store = {
        f"{STORES}/ca/{STORE}/{root.fingerprint(hashes.SHA256()).hex()[:16]}.pem": root.public_bytes(
            Encoding.PEM
        ).decode()
        for root in roots
    }
    return {**store, "trustpolicy.json": _json(trust.policy)}


def for_ratify(trust: Trust, directory: Path) -> dict[str, str]:
    """Ratify's configuration: by file (`ratify verify -c config.json`), and as custom resources for a cluster."""
    roots = directory.absolute() / "trust.crt"
    config = configuration(certificate=str(roots), trust_policy=trust.policy, plain_http=trust.plain_http)
    return {
        "trust.crt": trust.certificates,
        "config.json": _json(config),
        "resources.yaml": yaml.safe_dump_all(_resources(trust), sort_keys=False),
    }


def _resources(trust: Trust) -> list[dict[str, Any]]:
    def resource(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        api = "config.ratify.deislabs.io/v1beta1"
        return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec}

    parameters = {
        "verificationCertStores": {"ca": {STORE: [PROVIDER]}},
        "trustPolicyDoc": trust.policy,
    }
    spec = {"name": "notation", "version": "1.0.0", "artifactTypes": SIGNATURE_TYPE, "parameters": parameters}
    inline = {"contentType": "certificate", "value": trust.certificates}
    return [
        resource("KeyManagementProvider", PROVIDER, {"type": "inline", "parameters": inline}),
        resource("Verifier", VERIFIER, spec),
    ]


def export(files: Mapping[str, str], directory: Path) -> list[Path]:
    """Writes files below ``directory``; returns those that were not there. What is there and differs is left alone.

    The policy comes last of notation's, so that it is never in force without its certificates. Raises UsageError for a
    file with another content, and for another certificate in the trust store, which would be trusted as well.
    """
    wanted = {directory / name: text for name, text in files.items()}
    folders = {(directory / name).parent for name in files if name.startswith(STORES)}
    there = [file for folder in folders for file in folder.glob("*")]
    for file in [*wanted, *there]:
        if file.exists() and (file not in wanted or file.read_bytes() != wanted[file].encode()):
            raise UsageError(
                f"{file} is there with another content, and nothing is written over. Remove it, or give another "
                "directory."
            )
    missing = [file for file in wanted if not file.exists()]
    for file in missing:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write_new(file, wanted[file], 0o644)
    return missing


def _write_new(file: Path, text: str, mode: int = 0o600) -> None:
    """Writes a file that is there with all of its text or not at all. Raises UsageError if it is there already."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as handle:
            handle.write(text)
        os.link(draft, file)
    except FileExistsError:
        raise UsageError(f"{file} is there already, and nothing is written over. Give another directory.") from None
    finally:
        draft.unlink(missing_ok=True)


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"
