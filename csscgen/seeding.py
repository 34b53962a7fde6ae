"""The seed step of a run, and every other seeding: images and what is attached to them into one registry or several.

What it needs is in the outputs of the shared stack alone: the registries, who signs (a key in a file, or in a Key
Vault), who may push (a docker config.json, or a login of Azure's, or nobody has to log in). So images can be seeded
before the run's own stack is there, as those who run the Pulumi CLI themselves do. Without a stack, options say it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csscgen.assignments import Assignment, of_stack
from csscgen.context import Context
from csscgen.meters import Step
from csscgen.progress import Progress
from csscgen.several import Tell, at_once, rows
from csscgen.trusting import chain_in
from infra.local import tools
from workloads.algorithms import EnvelopeName
from workloads.errors import UsageError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.transport import HttpTransport

    from csscgen.artifacts.descriptors import Attachment, Descriptor
    from csscgen.artifacts.signing import Signer
    from csscgen.artifacts.targets import Target

WAITER = "waiter"
AzureLogin = Callable[[], AbstractContextManager["TokenCredential"]]


@dataclass(frozen=True)
class Signers:
    """Who signs images."""

    genuine: Signer
    refused: Mapping[str, Signer] = field(default_factory=dict)
    """Whose signatures are to be refused, by the kind of negative image that they sign."""


def seed(
    context: Context, *, azure_login: AzureLogin | None = None, transport: HttpTransport[Any, Any] | None = None
) -> dict[str, Any]:
    """Brings the scenario's images and signatures into its registry and checks them; returns what was done.

    ``azure_login`` takes the place of azure-identity's default chain, ``transport`` that of the network to Key Vault.
    """
    with ExitStack() as held:
        who = azure_identity(context, held, azure_login)
        assignment = of_stack(context, who=who)
        signers = stack_signers(context, assignment, who, held, transport)
        (report,) = seed_all(assignment, signers, context.progress)
    return report


def seed_all(
    assignment: Assignment, signers: Signers, progress: Progress, *, prune: bool = False
) -> list[dict[str, Any]]:
    """Seeds every registry of an assignment, all of them at once; a report for each, with its ``registry``."""
    from csscgen.artifacts.seeder import SeedProgress, SeedReport, seed

    waiter = build_waiter(progress)

    async def one(target: Target, tell: Tell) -> SeedReport:
        def told(at: SeedProgress) -> None:
            what = "waiting for another seeding" if at.stage == "wait" else at.stage
            tell(Step(what, at.done, at.images, manifests=at.pushed, throttled=at.throttled))

        return await seed(
            assignment.sets,
            target,
            signer=signers.genuine,
            refused=signers.refused,
            waiter=waiter,
            prune=prune,
            on_progress=told,
        )

    return rows(assignment, at_once(assignment, progress, one))


def build_waiter(progress: Progress) -> Path:
    """The binary that the images run, built if it is not there."""
    from infra.local.tools import builds

    builds.install([tools.TOOLS[WAITER]], lambda _tool, what, *_: progress.update(f"building {WAITER}: {what}"))
    return tools.path(WAITER)


def azure_identity(context: Context, held: ExitStack, azure_login: AzureLogin | None = None) -> TokenCredential | None:
    """Whoever Azure knows the caller by, where a stack's key is in a Key Vault; None elsewhere."""
    if "vault" not in context.shared_outputs():
        return None
    from csscgen.azure.credentials import credential

    return held.enter_context((azure_login or credential)())


def stack_signers(
    context: Context,
    assignment: Assignment,
    who: TokenCredential | None,
    held: ExitStack,
    transport: HttpTransport[Any, Any] | None = None,
) -> Signers:
    """Who signs a stack's images: the Key Vault as ``who``, or keys in files of its shared stack.

    ``held`` closes what is opened for it. Raises UsageError or AzureError for keys that cannot be used.
    """
    if who is not None:
        return Signers(_vault(context, who, held, transport))
    shared, envelope = context.shared_outputs(), (context.stack.shared or context.stack).settings.signing.envelope
    in_use = {images.variant for images in assignment.sets}
    refused = {kind: one for kind, one in shared.get("refusedSigners", {}).items() if kind in in_use}
    return Signers(
        file_signer(Path(shared["signingKeyFile"]), shared["signingCertificate"], envelope),
        {
            kind: file_signer(Path(one["keyFile"]), one["certificate"], envelope, expired=True)
            for kind, one in refused.items()
        },
    )


def given_signers(
    assignment: Assignment, key: Path | None, certificate: Path | None, envelope: EnvelopeName = "jws"
) -> Signers:
    """Who signs images without a stack: the key and the certificates in these files.

    Raises UsageError if they are needed and not given, or cannot be used.
    """
    if not any(images.signatures for images in assignment.sets):
        return Signers(_Nobody())
    if key is None or certificate is None:
        raise UsageError(
            "Say who signs: --key FILE with the key, and --certificate FILE with its certificates. `csscgen keys "
            "create --directory keys` makes both."
        )
    return Signers(file_signer(key, chain_in(certificate), envelope))


class _Nobody:
    """A signer of images that have no signatures."""

    remote = False
    thumbprints = ""

    def sign(self, subject: Descriptor, at: datetime, expiry: datetime | None = None) -> Attachment:
        raise AssertionError("nobody signs these images")


def _vault(
    context: Context, who: TokenCredential, held: ExitStack, transport: HttpTransport[Any, Any] | None
) -> Signer:
    """Who signs where the key is in a Key Vault; ``held`` closes it at the end."""
    from csscgen.azure import certificates
    from csscgen.azure.signing import VaultSigner

    update = context.progress.update
    signing = (context.stack.shared or context.stack).settings.signing
    certificate = certificates.ensure(context.shared_outputs(), signing, who, tell=update, transport=transport)
    return held.enter_context(
        VaultSigner(certificate, who, tell=update, transport=transport, envelope=signing.envelope)
    )


def file_signer(key: Path, certificate: str, envelope: EnvelopeName = "jws", *, expired: bool = False) -> Signer:
    """Signs with a key in a file; ``certificate`` is its chain, as PEM, which may have ended if ``expired``.

    Raises UsageError if they cannot be used.
    """
    from csscgen.artifacts.signing import LocalSigner, read_key

    return LocalSigner(read_key(key), certificate, envelope=envelope, expired=expired)
