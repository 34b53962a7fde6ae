"""Settings of what a shared stack keeps: the registries and the signing certificate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from infra.settings.declaring import CERTIFICATE_NAME, COMMON_NAME, HOST, NAME, setting
from workloads.algorithms import AlgorithmName, EnvelopeName
from workloads.registries import SizeName


@dataclass(frozen=True)
class Region:
    """One registry of the shared stack."""

    name: str = field(metadata={"form": NAME})
    size: SizeName = field()
    location: str | None = setting(None, "Region of Azure that it is in; null if that is its name.", form=NAME)
    zones: bool = setting(False, "Whether it is spread over Azure's availability zones.")
    host: str | None = setting(
        None, "Where a registry of kind existing is: a host as in an image reference.", form=HOST
    )


@dataclass(frozen=True)
class Registry:
    """The registries: what serves the images and how many requests it admits."""

    kind: Literal["emulator", "distribution", "acr", "existing"] | None = setting(
        None,
        "What serves the images: on this machine the emulator of ACR, or distribution, the CNCF registry (no "
        "throttling); on Azure acr; with a kubeconfig existing ones, by host. Null for the platform's first.",
    )
    size: SizeName = setting("L", "Which of the shared stack's registries the run uses: the one of this size.")
    regions: tuple[Region, ...] = setting(
        (
            Region("eastus2", "L"),
            Region("centralus", "M", zones=True),
            Region("eastus2az", "S", location="eastus2", zones=True),
            Region("eastus2euap", "XS"),
        ),
        "The registries of the shared stack: a list of {name, size, location, zones, host}.",
    )
    sku: Literal["Basic", "Standard", "Premium"] = setting("Premium", "SKU of the registries on Azure.")
    permissions: Literal["rbac", "abac"] = setting(
        "rbac",
        "Permissions mode of the registries on Azure: rbac (AcrPull, AcrPush), or abac (roles per repository).",
    )
    credentials: str | None = setting(
        None, "Docker config.json with the logins of existing registries; null where nobody has to log in."
    )
    port: int = setting(
        0, "Port of the first region's registry, the others follow; 0 for free ones.", minimum=0, maximum=65_000
    )
    storage: Literal["memory", "disk"] = setting(
        "memory", "Where the emulator keeps contents: disk for ones that outlast its process."
    )
    login: bool = setting(
        True,
        "Whether the emulator asks for logins, as ACR does: each operation costs Ratify a 401 and a token as well.",
    )
    pushers: int = setting(
        1,
        "How many identities the emulator has for pushing. A registry admits twice as much of all as of one: with two, "
        "seeding is twice as fast where the registry throttles.",
        minimum=1,
        maximum=8,
    )
    anonymousPull: bool = setting(False, "Whether the emulator gives tokens to pull to those without a login.")
    tokenSeconds: int = setting(
        3600, "How long an access token of the emulator is good for.", unit="s", minimum=1, maximum=86_400
    )
    referrersApi: bool = setting(True, "Whether the emulator has the referrers API; off for the tags in its place.")
    referrersPage: int = setting(100, "Referrers that a page of the emulator's lists has.", minimum=1, maximum=10_000)
    dataEndpoint: bool = setting(
        True,
        "Whether GETs of blobs are sent on (307) to a data endpoint: the emulator's, or a Premium registry's on Azure.",
    )
    latencyMs: float = setting(0, "How long the emulator holds each answer back.", unit="ms", minimum=0, maximum=60_000)
    bandwidthMbps: float | None = setting(
        None, "Link that all answers of an emulated registry share; null for no limit.", unit="Mbit/s", minimum=0.001
    )


@dataclass(frozen=True)
class Signing:
    """The signing certificate, which the shared stack keeps."""

    algorithm: AlgorithmName = setting(
        "ES256", "Signature algorithm: EC P-256, P-384 or P-521 key, or RSA 2048, 3072 or 4096."
    )
    envelope: EnvelopeName = setting("jws", "Format of the signatures: JWS (application/jose+json), or COSE.")
    intermediate: bool = setting(
        False, "Whether an intermediate authority issued the certificate and a root that; off for a self-signed one."
    )
    commonName: str = setting("ratify-perf", "Common name of the certificate's subject.", form=COMMON_NAME)
    certificateName: str = setting("ratify-perf", "Name of the certificate in the Key Vault.", form=CERTIFICATE_NAME)
    keyFile: str | None = setting(
        None, "An existing private key in PEM form, which only its owner may read; null for one that the stack makes."
    )
    certificateFile: str | None = setting(
        None, "The certificate of keyFile in PEM form, with those above it, from leaf to root."
    )
