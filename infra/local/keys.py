"""Keys and certificates of a local stack as Pulumi resources.

Private keys are made where they are used: they go from here into files of mode 0600 and never through inputs, outputs
or state, which hold only paths and certificates.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pulumi
from cryptography import x509
from pulumi.dynamic import CreateResult, Resource

from infra.local.certificates import authority, root_of, signing_chain
from infra.local.files import ReplacedFolder, write

LATER = "not-yet-valid.crt"
NOT_YET_VALID = timedelta(days=1)


class _AuthorityProvider(ReplacedFolder):
    inputs = ("folder", "identities")

    def create(self, props: dict[str, Any]) -> CreateResult:
        folder = Path(props["folder"])
        ca = authority(props["common_name"])
        write(folder / "ca.crt", ca.cert_pem)
        for name, identity in props["identities"].items():
            key, cert = ca.issue(identity["common_name"], organization=identity["groups"])
            write(folder / name / "tls.key", key)
            write(folder / name / "tls.crt", cert)
            if identity.get("later"):
                _, later = ca.issue(
                    identity["common_name"], organization=identity["groups"], key_pem=key, after=NOT_YET_VALID
                )
                write(folder / name / LATER, later)
        return CreateResult(str(folder), {**props, "ca_pem": ca.cert_pem})


class LocalCertificates(Resource, module="local", name="Certificates"):
    """A certificate authority and the certificates that it issued: ``ca.crt`` and ``<identity>/tls.{crt,key}``.

    Each certificate is good for a server on 127.0.0.1 and for a client with the identity's user name and groups. The
    authority's key is thrown away at once.
    """

    folder: pulumi.Output[str]
    ca_pem: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        folder: Path,
        identities: Mapping[str, tuple[str, Sequence[str]]],
        later: Collection[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """``identities``: name of the folder → (common name, groups).

        Those ``later`` get ``not-yet-valid.crt`` too: for the same key, good from tomorrow on. Faults need it, and no
        certificate can be issued any more when they do.
        """
        named: dict[str, dict[str, Any]] = {
            name: {"common_name": cn, "groups": list(groups), **({"later": True} if name in later else {})}
            for name, (cn, groups) in identities.items()
        }
        props = {"folder": str(folder), "common_name": resource_name, "identities": named, "ca_pem": None}
        super().__init__(_AuthorityProvider(), resource_name, props, opts)


class _SigningProvider(ReplacedFolder):
    inputs = ("folder", "algorithm", "subject", "expired", "intermediate")

    def create(self, props: dict[str, Any]) -> CreateResult:
        folder = Path(props["folder"])
        key, chain = signing_chain(
            props["algorithm"],
            x509.Name.from_rfc4514_string(props["subject"]),
            expired=props["expired"],
            intermediate=props["intermediate"],
        )
        write(folder / "signing.key", key)
        write(folder / "signing.crt", chain)
        outs = {"key_file": str(folder / "signing.key"), "certificate_file": str(folder / "signing.crt")}
        return CreateResult(str(folder), {**props, **outs, "certificate": chain, "root": root_of(chain)})


class SigningCertificate(Resource, module="local", name="SigningCertificate"):
    """A key and a certificate that images are signed with, in files of mode 0600; one that is ``expired`` ended."""

    key_file: pulumi.Output[str]
    certificate_file: pulumi.Output[str]
    certificate: pulumi.Output[str]
    """The chain, from leaf to root."""
    root: pulumi.Output[str]
    """Its last certificate, for the trust store."""

    def __init__(
        self,
        resource_name: str,
        *,
        folder: Path,
        algorithm: str,
        subject: str,
        expired: bool = False,
        intermediate: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """``subject`` is RFC 4514's text."""
        props = {
            "folder": str(folder),
            "algorithm": algorithm,
            "subject": subject,
            "expired": expired,
            "intermediate": intermediate,
            "key_file": None,
            "certificate_file": None,
            "certificate": None,
            "root": None,
        }
        super().__init__(_SigningProvider(), resource_name, props, opts)
