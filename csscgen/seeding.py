"""The seed step of a run, and every other seeding: images and what is attached to them into one registry or several.

What it needs is in the outputs of the shared stack alone: the registries, who signs (a key in a file, or in a Key
Vault), who may push (a docker config.json, or a login of Azure's, or nobody has to log in). So images can be seeded
before the run's own stack is there, as those who run the Pulumi CLI themselves do. Without a stack, options say it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csscgen.assignments import Assignment, of_stack
from csscgen.context import Context
from csscgen.interruptions import run
from csscgen.meters import Meter, Step
from csscgen.progress import Progress
from infra.local import tools
from workloads.errors import ProjectError, UsageError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.transport import HttpTransport

    from csscgen.artifacts.seeder import SeedProgress, SeedReport
    from csscgen.artifacts.signing import Signer

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
    (report,) = seed_stack(context, azure_login=azure_login, transport=transport)
    return report


def seed_stack(
    context: Context,
    *,
    every: bool = False,
    credentials: Sequence[Path] = (),
    profile: str | None = None,
    prune: bool = False,
    azure_login: AzureLogin | None = None,
    transport: HttpTransport[Any, Any] | None = None,
) -> list[dict[str, Any]]:
    """The same for the registries of a stack that :func:`csscgen.assignments.of_stack` chooses."""
    with ExitStack() as held:
        who = azure_identity(context, held, azure_login)
        assignment = of_stack(context, every=every, credentials=credentials, profile=profile, who=who)
        signers = Signers(_vault(context, who, held, transport)) if who else _files(context, assignment)
        return seed_all(assignment, signers, context.progress, prune=prune)


def seed_all(
    assignment: Assignment, signers: Signers, progress: Progress, *, prune: bool = False
) -> list[dict[str, Any]]:
    """Seeds every registry of an assignment, all of them at once; a report for each, with its ``registry``.

    One that fails holds up no other. Raises its error when all have ended.
    """
    import uvloop

    from csscgen.artifacts.seeder import seed

    waiter = build_waiter(progress)
    meter = Meter(progress.update, [target.registry for target in assignment.targets])

    async def all_of_them() -> list[SeedReport | BaseException]:
        return await asyncio.gather(
            *(
                seed(
                    assignment.sets,
                    target,
                    signer=signers.genuine,
                    refused=signers.refused,
                    waiter=waiter,
                    prune=prune,
                    on_progress=_told(meter.of(target.registry)),
                )
                for target in assignment.targets
            ),
            return_exceptions=True,
        )

    results = run(all_of_them(), uvloop.new_event_loop)
    hosts = [target.registry for target in assignment.targets]
    return [{"registry": host, **asdict(report)} for host, report in zip(hosts, sound(hosts, results), strict=True)]


def _told(tell: Callable[[Step], None]) -> Callable[[SeedProgress], None]:
    """The progress of a seeding for a meter."""

    def told(progress: SeedProgress) -> None:
        what = "waiting for another seeding" if progress.stage == "wait" else progress.stage
        tell(Step(what, progress.done, progress.images, progress.pushed, progress.throttled))

    return told


def sound(hosts: Sequence[str], results: Sequence[Any]) -> list[Any]:
    """What was done in each registry. Raises the error of the one that failed, or one that tells those of several."""
    errors = [result for result in results if isinstance(result, BaseException)]
    for error in errors:
        if not isinstance(error, ProjectError):
            raise error
    if not errors:
        return list(results)
    if len(results) == 1:
        raise errors[0]
    done = [host for host, result in zip(hosts, results, strict=True) if not isinstance(result, BaseException)]
    rest = f"The other registries have what they should: {', '.join(done)}." if done else "No registry is done."
    raise type(errors[0])("\n".join([*(str(error) for error in errors), rest]))


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


def _files(context: Context, assignment: Assignment) -> Signers:
    """Who signs where the keys are in files of a shared stack."""
    shared = context.shared_outputs()
    in_use = {images.variant for images in assignment.sets}
    refused = {kind: who for kind, who in shared.get("refusedSigners", {}).items() if kind in in_use}
    return Signers(
        file_signer(Path(shared["signingKeyFile"]), shared["signingCertificate"]),
        {kind: file_signer(Path(who["keyFile"]), who["certificate"]) for kind, who in refused.items()},
    )


def _vault(
    context: Context, who: TokenCredential, held: ExitStack, transport: HttpTransport[Any, Any] | None
) -> Signer:
    """Who signs where the key is in a Key Vault; ``held`` closes it at the end."""
    from csscgen.azure import certificates
    from csscgen.azure.signing import VaultSigner

    update = context.progress.update
    signing = (context.stack.shared or context.stack).settings.signing
    certificate = certificates.ensure(context.shared_outputs(), signing, who, tell=update, transport=transport)
    return held.enter_context(VaultSigner(certificate, who, tell=update, transport=transport))


def file_signer(key: Path, certificate: str) -> Signer:
    """Signs with a key in a file; ``certificate`` is its chain, as PEM. Raises UsageError if they cannot be used."""
    from csscgen.artifacts.signing import LocalSigner

    try:
        pem = key.read_bytes().decode(errors="replace")
    except OSError as error:
        raise UsageError(f"The signing key {key} cannot be read: {error.strerror}.") from None
    return LocalSigner(pem, certificate)
