"""The options that say what an artifacts command works on, and what they come to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from csscgen.assignments import PROFILES, Assignment, image_sets, of_options, of_stack
from csscgen.commands import options
from csscgen.context import Context, open_context
from csscgen.progress import Progress
from workloads.errors import UsageError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = [
    click.option("--stack", "-s", metavar="NAME", help="A file stacks/Pulumi.NAME.yaml, whose shared stack is up."),
    options.changes,
    options.instance,
    options.engine,
    click.option("--all-registries", "every", is_flag=True, help="Every registry of the stack's shared stack."),
    click.option(
        "--registry-host", "hosts", multiple=True, metavar="HOST", help="Without a stack: a registry; may be repeated."
    ),
    click.option(
        "--credentials",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A docker config.json with a login to the registries; repeated, its identities take turns.",
    ),
    click.option(
        "--profile",
        type=click.Choice(PROFILES, case_sensitive=False),
        help="What the registries admit, which is never asked for more: a SKU of ACR or a size. Default: the "
        "emulator's size, premium for *.azurecr.io, else none.",
    ),
    options.quiet,
]
_IMAGES = [
    click.option("--num-containers", "-c", "containers", type=int, metavar="N", help="Without a stack: images."),
    click.option("--num-referrers", "signatures", type=int, metavar="N", help="Without a stack: signatures of each."),
    click.option("--shards", type=int, default=1, metavar="N", help="Without a stack: workloads; see --unique-images."),
    click.option("--unique-images", "unique", is_flag=True, help="Without a stack: each workload has its own images."),
]


@dataclass(frozen=True)
class Choice:
    """What the options say; ``open`` makes of it what the command works on."""

    stack: str | None
    changes: tuple[str, ...]
    instance: str | None
    engine: str
    every: bool
    hosts: tuple[str, ...]
    credentials: tuple[Path, ...]
    profile: str | None
    quiet: bool
    containers: int | None = None
    signatures: int | None = None
    shards: int = 1
    unique: bool = False

    @contextmanager
    def open(self, *, images: bool = True) -> Iterator[Chosen]:
        """What to work on; ``images`` says that it is images, and not whatever is there.

        Raises UsageError if the options do not say it, or name what cannot be used.
        """
        if (self.stack is None) == (not self.hosts):
            raise UsageError(
                "Say what to work on: either --stack NAME, or --registry-host HOST (with --num-containers and "
                "--num-referrers)."
            )
        with ExitStack() as held:
            yield self._of_stack(held) if self.stack is not None else self._of_options(held, images)

    def _of_stack(self, held: ExitStack) -> Chosen:
        from csscgen.guarding import guarded
        from csscgen.seeding import azure_identity

        if self.containers is not None or self.signatures is not None or self.shards != 1 or self.unique:
            raise UsageError(
                "The images of a stack are in its scenario: change them with --set scenario.containers=N and "
                "scenario.signatures=N."
            )
        assert self.stack is not None
        context = open_context(
            self.stack, self.changes, self.engine, instance=self.instance, quiet=self.quiet, scenario=True
        )
        context.shared_outputs()  # refuses a stack that is not up
        held.enter_context(guarded(context))
        who = azure_identity(context, held)
        assignment = of_stack(context, every=self.every, credentials=self.credentials, profile=self.profile, who=who)
        return Chosen(assignment, context.progress, held, context, who)

    def _of_options(self, held: ExitStack, images: bool) -> Chosen:
        from csscgen.interruptions import interruptible
        from csscgen.stackfiles import chosen_folder, project_root
        from infra.engine.places import STATE_VARIABLE

        if self.changes or self.instance or self.every:
            raise UsageError("--set, --instance and --all-registries are of a stack: name it with --stack.")
        sets = []
        if images:
            if self.containers is None or self.signatures is None:
                raise UsageError("Say which images: --num-containers N and --num-referrers N, the signatures of each.")
            sets = image_sets(self.containers, self.signatures, self.shards, unique=self.unique)
        state = chosen_folder(STATE_VARIABLE, project_root() / ".state")
        assignment = of_options(self.hosts, sets, state, credentials=self.credentials, profile=self.profile)
        held.enter_context(interruptible())
        return Chosen(assignment, Progress(quiet=self.quiet), held)


@dataclass(frozen=True)
class Chosen:
    """What a command works on."""

    assignment: Assignment
    progress: Progress
    held: ExitStack
    """Closed at the end of the command."""
    context: Context | None = None
    """Of the stack, if it is one."""
    who: TokenCredential | None = None
    """Whoever Azure knows the caller by, if the stack is there."""


def on_registries(command: F) -> F:
    """The options of a command on registries, which gets them as ``choice``."""
    return _with(_OPTIONS, command)


def on_images(command: F) -> F:
    """The same, with those that say which images."""
    return _with([*_OPTIONS, *_IMAGES], command)


def which_images(command: F) -> F:
    """Those alone that say which images, for a command that asks no registry; it gets them as they are."""
    for option in reversed(_IMAGES):
        command = option(command)
    return command


def _with(chosen: list[Any], command: F) -> F:
    @functools.wraps(command)
    def call(**words: Any) -> Any:
        own = {name: words.pop(name) for name in list(words) if name in Choice.__dataclass_fields__}
        return command(choice=Choice(**own), **words)

    for option in reversed(chosen):
        call = option(call)
    return call  # type: ignore[return-value]  # what it takes is click's
