"""The command line: names of the commands, and what happens to an error. The commands are in csscgen/commands.

A command's module is imported when the command is used, so that ``csscgen --help`` answers at once.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence

import click

import csscgen
from workloads.errors import ProjectError, brief

COMMANDS = {
    "plan": "Tell what a run would do, take and cost.",
    "run": "Run a stack's scenario from nothing to a report.",
    "repeat": "Run a stack's scenario several times, one after another, as a set.",
    "up": "Bring up a stack and the shared stack that it needs, without load.",
    "preview": "Show what up would do.",
    "destroy": "Remove what a stack made.",
    "outputs": "Print the outputs of a stack as JSON.",
    "artifacts": "Seed signed images, and see to what was seeded.",
    "keys": "Make keys to sign with, look at chains, and export what verifiers are to trust.",
    "genk8s": "Print workloads with the images that csscgen seeds.",
    "load": "Send a stack's load and record what becomes of it.",
    "shards": "Send a load from several drivers on a cluster: print their Job, be one of them, merge what they told.",
    "collect": "Collect logs and queries into a run's folder, and report.",
    "report": "Make a run's summary and report again.",
    "runs": "List the runs that there are, show them, and trace their figures to records.",
    "compare": "Tell what got better or worse from the runs BASE to the runs NEW.",
    "baselines": "Keep runs by a name, to compare others with.",
    "doctor": "Show what runs, and what is left of commands that are gone.",
    "tools": "Find or build the real binaries of a local stack.",
}
"""Name → the line that ``--help`` shows, which is the first of the command's own help."""

INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"csscgen.commands.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "CSSCGEN"})
@click.version_option(csscgen.__version__, prog_name="csscgen")
def cli() -> None:
    """Load tests for Ratify and Gatekeeper: seed signed images, drive load, measure, judge.

    \b
    Example:
      csscgen run --stack local-S
    """


def main(words: Sequence[str] | None = None) -> None:
    """The entry point: errors of this project are told in a sentence, with the exit code that they carry.

    ``words`` are the command line's after the program's name; those of this process if there are none.
    """
    try:
        cli.main(words, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as left:
        sys.exit(left.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ProjectError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        print("Interrupted.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read stdout has gone. What is left in its buffer must not be written at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        print(f"Error: {_refusal(error)}", file=sys.stderr)
        sys.exit(1)
    finally:
        if words is None:  # while the interpreter ends, Ctrl-C ends it without a word
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def _refusal(error: OSError) -> str:
    """What the operating system refused, as a sentence."""
    what = f" {brief(error.filename)}" if error.filename is not None else ""
    return f"The system refused{what}: {error.strerror or error or type(error).__name__}. Mend that and try again."
