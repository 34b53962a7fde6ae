"""Logins to Azure: what is told where none works, by the real chain of azure-identity."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError, DecodeError, HttpResponseError
from azure.identity import CredentialUnavailableError

from csscgen.azure.credentials import code_of, told
from workloads.errors import AzureError

ROOT = Path(__file__).parents[3]
SECRET = "not-to-be-seen"


def test_the_chain_without_any_login_is_one_sentence_and_no_paragraph_of_the_library():
    """In a process of its own, as a user has it: nothing of the library reaches the terminal."""
    code = (
        "from csscgen.azure.credentials import credential, told\n"
        "from workloads.errors import AzureError\n"
        "try:\n"
        "    with credential() as who, told('a test', 'nothing'):\n"
        "        who.get_token('https://vault.azure.net/.default')\n"
        "except AzureError as error:\n"
        "    print(error)\n"
    )
    environment = {"PATH": "/nonexistent", "AZURE_TOKEN_CREDENTIALS": "dev", "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.startswith(
        "Azure failed at a test: no login to it works. Log in with `az login`, or set AZURE_TENANT"
    )
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CredentialUnavailableError(f"EnvironmentCredential: {SECRET}"), "no login to it works. Log in"),
        (
            ClientAuthenticationError(f"AADSTS7000215: Invalid client secret provided {SECRET}"),
            r"no login to it works \(Microsoft Entra ID answered AADSTS7000215\). Log in",
        ),
        (
            ClientAuthenticationError(f"Failed: HTTPSConnection(host='login.example', port=443): {SECRET}"),
            r"no login to it works \(login.example cannot be reached\). Log in",
        ),
        (
            ClientAuthenticationError(f"Failed: HTTPConnection(host='169.254.169.254', port=80): {SECRET}"),
            "no login to it works. Log in",
        ),
        (DecodeError(SECRET), "its library raised DecodeError"),
    ],
)
def test_what_the_library_raises_is_told_without_what_it_quotes(error, said):
    with pytest.raises(AzureError, match=said) as raised, told("a test", "nothing"):
        raise error
    assert SECRET not in str(raised.value)


def test_an_error_without_a_body_has_no_code():
    assert code_of(HttpResponseError("no")) == ""


def test_what_is_no_error_of_azure_s_passes():
    with pytest.raises(KeyError), told("a test", "nothing"):
        raise KeyError
