"""The seed step of a run: the scenario's images and signatures in its registry, on every platform.

What it needs is in the outputs of the shared stack alone: the registries, who signs (a key in a file, or in a Key
Vault), who may push (a docker config.json, or a login of Azure's, or nobody has to log in). So images can be seeded
before the run's own stack is there, as those who run the Pulumi CLI themselves do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csscgen.context import Context
from csscgen.interruptions import run
from infra.local import tools
from workloads.registries import host_of

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.transport import HttpTransport

    from csscgen.artifacts.logins import LoginSource
    from csscgen.artifacts.seeder import SeedProgress
    from csscgen.artifacts.signing import Signer
    from infra.settings import Signing

WAITER = "waiter"


def seed(
    context: Context,
    *,
    azure_login: Callable[[], AbstractContextManager[TokenCredential]] | None = None,
    transport: HttpTransport[Any, Any] | None = None,
) -> dict[str, Any]:
    """Brings the scenario's images and signatures into its registry and verifies them; returns what was done.

    ``azure_login`` takes the place of azure-identity's default chain, ``transport`` that of the network to Key Vault.
    """
    import uvloop

    from csscgen.artifacts import seeder
    from csscgen.artifacts.targets import Target
    from infra.local.tools import builds

    shared, stack = context.shared_outputs(), context.stack.shared or context.stack
    signing = stack.settings.signing
    host = host_of(shared["registries"], context.settings.registry.size, stack.name)
    sets = context.settings.plan.image_sets
    in_use = {images.variant for images in sets}
    refused = {kind: who for kind, who in shared.get("refusedSigners", {}).items() if kind in in_use}
    builds.install([tools.TOOLS[WAITER]], lambda _tool, what, *_: context.progress.update(f"building {WAITER}: {what}"))

    def tell(progress: SeedProgress) -> None:
        context.progress.update(f"{progress.stage} {progress.done} of {progress.images} images")

    with ExitStack() as held:
        if "vault" in shared:
            signer, logins = _azure(context, shared, host, held, azure_login, transport)
        else:
            signer, logins = _files(shared, host, signing)
        report = run(
            seeder.seed(
                sets,
                Target(host, _hosts(shared), logins, journal=journal_file(context.files(stack), host)),
                signer=signer,
                refused={
                    kind: _file_signer(who["keyFile"], who["certificate"], signing, expired=True)
                    for kind, who in refused.items()
                },
                waiter=tools.path(WAITER),
                on_progress=tell,
            ),
            uvloop.new_event_loop,
        )
    return asdict(report)


def journal_file(folder: Path, registry: str) -> Path:
    """Where the journal of a registry is, below the folder of a stack's files or of all states."""
    return folder / "seeded" / f"{registry.replace(':', '_')}.jsonl"


def _files(shared: Mapping[str, Any], host: str, signing: Signing) -> tuple[Signer, list[LoginSource]]:
    """Who signs and who pushes, where both are in files of a shared stack."""
    from csscgen.artifacts.logins import read_login

    logins = shared.get("credentials")
    signer = _file_signer(shared["signingKeyFile"], shared["signingCertificate"], signing)
    return signer, [read_login(Path(logins["push"]), host)] if logins else []


def _azure(
    context: Context,
    shared: Mapping[str, Any],
    host: str,
    held: ExitStack,
    azure_login: Callable[[], AbstractContextManager[TokenCredential]] | None,
    transport: HttpTransport[Any, Any] | None,
) -> tuple[Signer, list[LoginSource]]:
    """Who signs and who pushes, where both are in Azure; ``held`` closes them at the end."""
    from csscgen.azure import certificates, registries
    from csscgen.azure.credentials import credential
    from csscgen.azure.signing import VaultSigner

    update = context.progress.update
    signing = (context.stack.shared or context.stack).settings.signing
    who = held.enter_context((azure_login or credential)())
    certificate = certificates.ensure(shared, signing, who, tell=update, transport=transport)
    signer = held.enter_context(
        VaultSigner(certificate, who, tell=update, transport=transport, envelope=signing.envelope)
    )
    return signer, [registries.EntraLogin(host, who, allowed=_hosts(shared), tenant=shared.get("tenantId"))]


def _hosts(shared: Mapping[str, Any]) -> list[str]:
    return [registry["host"] for registry in shared["registries"]]


def _file_signer(key_file: str, certificate: str, signing: Signing, *, expired: bool = False) -> Signer:
    from csscgen.artifacts.signing import LocalSigner, read_key

    return LocalSigner(read_key(Path(key_file)), certificate, envelope=signing.envelope, expired=expired)
