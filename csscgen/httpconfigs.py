"""How a Prometheus with a URL is logged in to: by the file that promtool takes with ``--http.config.file``.

prometheus.io/docs/prometheus/latest/configuration/promtool ("HTTP configuration"), of which ``basic_auth``,
``authorization`` and ``tls_config`` with files are taken. Secrets are in that file, in files that it names, or in an
environment variable, and never in a setting. TLS is always verified, and no redirect to another address is followed.
"""

from __future__ import annotations

import os
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import yaml

from analysis.shapes import Check, boolean, entries, text
from csscgen import yamlfiles
from workloads.errors import UsageError, brief

if TYPE_CHECKING:
    from requests import PreparedRequest, Session

    from csscgen.context import Context

TOKEN_VARIABLE = "CSSCGEN_PROMETHEUS_TOKEN"
"""A bearer token, where no file says who one is."""

_FORMS: Mapping[str, Check] = {
    "basic_auth": entries({"username": text}, {"password": text, "password_file": text}),
    "authorization": entries({}, {"type": text, "credentials": text, "credentials_file": text}),
    "tls_config": entries({}, {**dict.fromkeys(("ca_file", "cert_file", "key_file"), text)}),
}
_KEYS = {
    "basic_auth": {"username", "password", "password_file"},
    "authorization": {"type", "credentials", "credentials_file"},
    "tls_config": {"ca_file", "cert_file", "key_file", "insecure_skip_verify"},
}


@dataclass(frozen=True)
class HttpConfig:
    """Whom to trust and who one is. ``authorization`` is the header's value, and is not shown."""

    authorization: str = field(default="", repr=False)
    ca: str | None = None
    certificate: tuple[str, str] | None = None
    """The files of the client certificate and of its key."""

    def requests_session(self) -> Session:
        """A session in which requests are signed, and which stays with the address that it was sent to."""
        import requests

        class Staying(requests.Session):
            def get_redirect_target(self, resp: requests.Response) -> str | None:
                target = super().get_redirect_target(resp)
                if target and _origin(there := urljoin(resp.url, target)) != _origin(resp.url):
                    raise requests.TooManyRedirects(f"it sends on to {urlsplit(there).netloc}, which is not followed")
                return target

        def signed(request: PreparedRequest) -> PreparedRequest:
            if self.authorization:
                request.headers["Authorization"] = self.authorization
            return request

        session = Staying()
        session.verify = self.ca or True
        session.cert = self.certificate
        session.auth = signed  # that of a .netrc is not taken
        return session


def of(context: Context) -> HttpConfig | None:
    """How the Prometheus that a stack names by its URL is logged in to; None without one. Raises like `read`."""
    monitoring = context.settings.monitoring
    file = monitoring.prometheusHttpConfig
    return read(monitoring.prometheusUrl, context.root / file if file else None)


def read(url: str | None, file: Path | None, environment: Mapping[str, str] = os.environ) -> HttpConfig | None:
    """How the Prometheus at a URL is logged in to; None without a URL. Raises UsageError for what cannot be used."""
    if url is None:
        return None
    found = _read(file) if file else HttpConfig()
    if not found.authorization and (token := environment.get(TOKEN_VARIABLE)):
        found = HttpConfig(f"Bearer {_secret(token, TOKEN_VARIABLE)}", found.ca, found.certificate)
    parts = urlsplit(url)
    if found.authorization and parts.scheme == "http" and not _loopback(parts.hostname or ""):
        raise UsageError(
            f"monitoring.prometheusUrl {url} would send the login in the clear to another machine: take https, or "
            "leave the login out."
        )
    return found


def _read(file: Path) -> HttpConfig:
    where = f"{file}, the HTTP configuration of Prometheus,"
    try:
        document = yamlfiles.load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError, RecursionError):  # what the parser says may quote a secret
        raise UsageError(f"{where} is not YAML: mend it.") from None
    _check(document, where)
    tls = document.get("tls_config") or {}
    paths = {key: str(file.parent / tls[key]) for key in ("ca_file", "cert_file", "key_file") if key in tls}
    if ("cert_file" in paths) != ("key_file" in paths):
        raise UsageError(f"{where} has cert_file or key_file without the other: set both.")
    pair = (paths["cert_file"], paths["key_file"]) if "cert_file" in paths else None
    try:
        context = ssl.create_default_context(cafile=paths.get("ca_file"))
        if pair:
            context.load_cert_chain(*pair, password=_no_password)
    except (OSError, ValueError) as error:
        raise UsageError(f"{where} names certificates that cannot be used: {brief(error)}.") from None
    return HttpConfig(_authorization(document, file, where), paths.get("ca_file"), pair)


def _no_password() -> str:
    """Instead of a prompt for a key's password."""
    raise ValueError("the key has a password")


def _check(document: Any, where: str) -> None:
    """Raises UsageError for what is no configuration, or one that this program does not do; shows no value."""
    if not isinstance(document, dict):
        raise UsageError(f"{where} has to be an object with {', '.join(_FORMS)}.")
    for key, value in document.items():
        if key not in _FORMS:
            raise UsageError(f"{where} has a key that is not taken; there are {', '.join(_FORMS)}.")
        if not isinstance(value, dict) or set(value) - _KEYS[key] or _FORMS[key](value):
            raise UsageError(
                f"{where} has {key} in a form that cannot be used; it has {', '.join(sorted(_KEYS[key]))}."
            )
    skip = (document.get("tls_config") or {}).get("insecure_skip_verify", False)
    if boolean(skip) or skip:
        raise UsageError(f"{where} has insecure_skip_verify: TLS is always verified, name the CA with ca_file.")
    if len({"basic_auth", "authorization"} & document.keys()) == 2:
        raise UsageError(f"{where} has basic_auth and authorization: leave one of them out.")


def _authorization(document: Mapping[str, Any], file: Path, where: str) -> str:
    """The header's value; empty without a login."""
    if (basic := document.get("basic_auth")) is not None:
        password = _given(basic, "password", file, where)
        pair = f"{basic['username']}:{password}"
        return f"Basic {b64encode(pair.encode()).decode()}"
    if (given := document.get("authorization")) is not None:
        return f"{_secret(given.get('type', 'Bearer'), 'type')} {_given(given, 'credentials', file, where)}"
    return ""


def _given(source: Mapping[str, Any], key: str, file: Path, where: str) -> str:
    """A secret that is there, or in the file that is named. Raises UsageError if neither or both are."""
    other = f"{key}_file"
    if (key in source) == (other in source):
        raise UsageError(f"{where} needs {key} or {other}, one of them.")
    if key in source:
        return _secret(source[key], key)
    path = file.parent / source[other]
    try:
        return _secret(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}, which {file} names, cannot be read: {brief(type(error).__name__)}.") from None


def _secret(value: str, where: str) -> str:
    """A secret as a header can carry it. Raises UsageError, without showing it, for one that is none."""
    if not (found := value.strip()) or not (found.isascii() and found.isprintable()):
        raise UsageError(f"{where} holds no token or password that can be sent: it is empty or not printable.")
    return found


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
