"""Signatures as the real Ratify sees them: every image is put before it, or a sample of them.

One ``ratify serve`` on loopback is asked as Gatekeeper asks it, without its caches: it judges several times as many
images per second as a process of ``ratify verify`` for each (docs/seeding.md has the figures). Images that have to pass
must have as many signatures that it accepts as they are to have; those that have to be refused must be.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from csscgen.artifacts.keys import Trust
from csscgen.artifacts.targets import Target
from csscgen.concurrency import for_each
from infra.local.sockets import free_ports
from workloads.errors import ToolError, brief
from workloads.naming import ImageSet
from workloads.ratify.configuration import configuration
from workloads.registries import is_loopback

AT_A_TIME = 4
"""Images; Ratify reads the signatures of each at once."""
START_SECONDS = 20.0
JUDGE_SECONDS = 90.0
"""More than Ratify gives itself."""


@dataclass(frozen=True)
class Judgement:
    """What Ratify said of a plan's images."""

    judged: int
    accepted: int
    refused: int
    signatures: int
    """Those that it accepted."""
    problems: list[str]


async def judge(
    sets: Sequence[ImageSet],
    target: Target,
    *,
    ratify: Path,
    trust: Trust,
    sample: int | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Judgement:
    """Let the binary ``ratify`` judge every image of ``sets``, or ``sample`` of them that ``seed`` chooses.

    ``on_progress`` gets how many images are judged, of how many. Raises ToolError if Ratify does not run; what it finds
    is in the result.
    """
    wanted = _chosen([(images, tag) for images in dict.fromkeys(sets) for tag in images.tags], sample, seed)
    accepted = refused = signatures = done = 0
    problems: list[str] = []

    async def one(item: tuple[ImageSet, str]) -> None:
        nonlocal accepted, refused, signatures, done
        images, tag = item
        verdict = await ask(f"{target.registry}/{images.repository}:{tag}")
        good = sum(bool(report.get("isSuccess")) for report in verdict.get("verifierReports") or ())
        passed = bool(verdict.get("isSuccess"))
        accepted, refused, signatures = accepted + passed, refused + (not passed), signatures + good
        if problem := _problem(images, verdict, passed, good):
            problems.append(f"{images.repository}:{tag}: {problem}")
        done += 1
        if on_progress is not None:
            on_progress(done, len(wanted))

    async with _serving(ratify, target, trust) as ask:
        await for_each(wanted, one, AT_A_TIME)
    return Judgement(done, accepted, refused, signatures, problems)


def _chosen(images: list[tuple[ImageSet, str]], sample: int | None, seed: int) -> list[tuple[ImageSet, str]]:
    if sample is None or sample >= len(images):
        return images
    return random.Random(seed).sample(images, sample)


def _problem(images: ImageSet, verdict: dict[str, Any], passed: bool, good: int) -> str | None:
    """What is wrong with a verdict; None if nothing is."""
    if error := verdict.get("error"):
        return f"Ratify did not judge it: {brief(error)}"
    must_pass = images.signatures > 0 and (images.variant is None or images.restored)
    if not must_pass:
        return "Ratify accepts it, and it has to refuse it" if passed else None
    if not passed:
        reasons = {report.get("errorReason") or report.get("message") for report in verdict["verifierReports"] or ()}
        return f"Ratify refuses it: {brief('; '.join(sorted(filter(None, reasons)))) or 'it gives no reason'}"
    if good != images.signatures:
        return f"Ratify accepts {good} of its signatures, and it is to have {images.signatures}"
    return None


Ask = Callable[[str], Awaitable[dict[str, Any]]]


@asynccontextmanager
async def _serving(ratify: Path, target: Target, trust: Trust) -> AsyncIterator[Ask]:
    """A Ratify that judges images of a registry; yields what asks it for one, by its reference."""
    with tempfile.TemporaryDirectory(prefix="csscgen-ratify-") as name:
        folder = Path(name)
        (port,) = free_ports(1)
        config = await _configured(folder, target, trust)
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                ratify,
                "serve",
                f"--http=127.0.0.1:{port}",
                f"--config={config}",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"HOME": name, "RATIFY_LOG_LEVEL": "error"},
            )
        try:
            await _ready(process, port, folder / "log")
            timeout = aiohttp.ClientTimeout(total=JUDGE_SECONDS)
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=timeout) as session:
                yield lambda reference: _asked(session, reference, process, folder / "log")
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _configured(folder: Path, target: Target, trust: Trust) -> Path:
    """Ratify's configuration, with the login of the registry's first identity, in a folder that goes with it."""
    (folder / "trust.crt").write_text(trust.certificates)
    login = None
    if target.logins:
        known = await target.logins[0].login()
        auth = b64encode(f"{known.user}:{known.password}".encode()).decode()
        login = folder / "login" / "config.json"
        login.parent.mkdir(mode=0o700)
        login.touch(mode=0o600)
        login.write_text(json.dumps({"auths": {target.registry: {"auth": auth}}}))
    config = configuration(
        cache=str(folder / "blobs"),
        certificate=str(folder / "trust.crt"),
        trust_policy=trust.policy,
        login=str(login) if login else None,
        plain_http=is_loopback(target.registry),
    )
    (folder / "config.json").write_text(json.dumps(config))
    return folder / "config.json"


async def _ready(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while asyncio.get_running_loop().time() < deadline and process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise _did_not_run("start", log)


async def _asked(
    session: aiohttp.ClientSession, reference: str, process: asyncio.subprocess.Process, log: Path
) -> dict[str, Any]:
    """Ratify's verdict on an image: its report, or an ``error`` where there is none."""
    body = {
        "apiVersion": "externaldata.gatekeeper.sh/v1beta1",
        "kind": "ProviderRequest",
        "request": {"keys": [reference]},
    }
    try:
        async with session.post("/ratify/gatekeeper/v1/verify", json=body) as answer:
            response = orjson.loads(await answer.read())["response"]
        if response.get("systemError"):
            return {"error": response["systemError"]}
        (item,) = response["items"]
        if item.get("error"):
            return {"error": item["error"]}
        value = item["value"]
        verdict: dict[str, Any] = orjson.loads(value) if isinstance(value, str) else value
        return verdict
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        if process.returncode is not None:
            raise _did_not_run("go on", log) from None
        return {"error": error}
    except (ValueError, LookupError, TypeError):
        return {"error": "its answer cannot be read"}


def _did_not_run(what: str, log: Path) -> ToolError:
    said = log.read_bytes()[-2000:].decode(errors="replace").strip().splitlines()
    return ToolError(f"Ratify did not {what}: {brief(said[-1]) if said else 'it said nothing'}.")
