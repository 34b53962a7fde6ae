"""Logins to Azure, and what its libraries raise, told as this program tells errors.

Their messages name every way to log in that was tried and every header of an answer. What is told here is the service,
the status and code of its answer, and what to do. No token, and nothing of a request, is in a message.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from workloads.errors import AzureError, brief

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError
    from azure.identity import DefaultAzureCredential

T = TypeVar("T")
ROLE_SECONDS = 300.0
"""How long a role that was just given may take until every service knows of it."""
EVERY_SECONDS = 5.0
RETRIES = {"retry_total": 8, "retry_status": 8, "retry_connect": 3, "retry_backoff_max": 20}
"""Of the clients: a busy vault is asked again for a minute and a half, one that cannot be reached for a few seconds."""
LOG_IN = (
    "Log in with `az login`, or set AZURE_TENANT_ID and AZURE_CLIENT_ID with AZURE_CLIENT_SECRET or "
    "AZURE_FEDERATED_TOKEN_FILE"
)
Tell = Callable[[str], None]


def credential() -> DefaultAzureCredential:
    """A login by azure-identity's default chain: environment, workload identity, managed identity, CLI.

    No token is asked for yet. It is a context manager.
    """
    from azure.identity import DefaultAzureCredential

    # What no handler takes goes to stderr: a paragraph for each way to log in that does not work here.
    logging.getLogger("azure").addHandler(logging.NullHandler())
    return DefaultAzureCredential()


@contextmanager
def told(what: str, needs: str) -> Iterator[None]:
    """Tells what Azure's libraries raise inside as an AzureError.

    ``what`` was done, such as "reading the certificate x in https://…"; ``needs`` is what the login needs for it, such
    as "the role Key Vault Crypto User on the vault".
    """
    from azure.core import exceptions as azure

    try:
        yield
    except azure.ClientAuthenticationError as error:  # CredentialUnavailableError is one
        raise AzureError(f"Azure failed at {what}: no login to it works{_cause(str(error))}. {LOG_IN}.") from None
    except azure.HttpResponseError as error:
        # One without a status is about an answer that could not be read.
        refusal = _refusal(error, needs) if error.status_code else f"its library raised {type(error).__name__}."
        raise AzureError(f"Azure failed at {what}: {refusal}") from error
    except (azure.ServiceRequestError, azure.ServiceResponseError) as error:
        reason = re.sub(r"<[^>]*>: ", "", brief(error))
        raise AzureError(
            f"Azure failed at {what}: the connection failed ({reason}). Check the network: what is private is reached "
            "from its own virtual network only."
        ) from error
    except azure.AzureError as error:
        raise AzureError(f"Azure failed at {what}: its library raised {type(error).__name__}.") from error


def patiently(call: Callable[[], T], what: str, tell: Tell) -> T:
    """What ``call`` returns; it is called again, for a while, as long as the answer is that the login lacks a role."""
    from azure.core.exceptions import HttpResponseError

    started = time.monotonic()
    while True:
        try:
            return call()
        except HttpResponseError as error:
            waited = time.monotonic() - started
            if not _may_be_soon(error) or waited >= ROLE_SECONDS:
                raise
            tell(f"{what}: 403, waiting {waited:.0f} s for the role to be known (up to {ROLE_SECONDS:.0f} s)")
            time.sleep(EVERY_SECONDS)


def code_of(error: HttpResponseError) -> str:
    """The innermost code of an error of Key Vault, such as ForbiddenByRbac; empty if it has none."""
    inner = getattr(error.error, "innererror", None) or {}
    return str(inner.get("code") or getattr(error.error, "code", None) or "")


def _may_be_soon(error: HttpResponseError) -> bool:
    return error.status_code == 403 and code_of(error) in ("ForbiddenByRbac", "Forbidden", "")


def _cause(text: str) -> str:
    """What Microsoft Entra ID said to a login, or that it cannot be reached; nothing if there was none to try."""
    if code := re.search(r"AADSTS\d+", text):
        return f" (Microsoft Entra ID answered {code[0]})"
    # By its name: where there is a number, it was looked for whether this is a machine of Azure's.
    host = re.search(r"host='([a-z][a-z0-9.-]+)'", text)
    return f" ({host[1]} cannot be reached)" if host else ""


def _refusal(error: HttpResponseError, needs: str) -> str:
    code = code_of(error)
    answer = f"it answered {error.status_code}{f' ({brief(code)})' if code else ''}"
    if code == "ForbiddenByFirewall":
        return f"{answer}. Its firewall lets this machine not in: allow its address, or work from an allowed network."
    if error.status_code == 403:
        return f"{answer}. The login needs {needs}; a role that was just given takes some minutes."
    if error.status_code == 404:
        return f"{answer}. It is not there any more: bring the shared stack up again."
    if error.status_code == 429:
        return f"{answer} again and again. Others use up its limit: wait a minute and start again, what is there stays."
    message = getattr(error.error, "message", None)
    return f"{answer}{f': {brief(message)}' if message else ''}."
