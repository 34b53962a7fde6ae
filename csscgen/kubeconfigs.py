"""A kubeconfig's login: where the API server is, whom to trust, and how to say who one is.

Credentials are read by the official client, so that every kind of kubeconfig works: certificates, tokens, login
programs. Whatever is asked of the API server, or of what it proxies, is asked with a session of this login.
"""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
import yaml
from yarl import URL

from csscgen import yamlfiles
from csscgen.connections import Origin
from workloads.errors import ClusterError, brief, quoted

if TYPE_CHECKING:
    from requests import PreparedRequest, Session

MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, yaml.YAMLError)
"""What a library that reads a document says of one that it did not expect."""
ADVICE = "`csscgen up` makes a stack's kubeconfig anew."


class Login:
    """The login that a kubeconfig names."""

    def __init__(self, kubeconfig: str) -> None:
        """``kubeconfig`` is its text, JSON or YAML. Raises ClusterError if it cannot be used."""
        self._settings = _read(kubeconfig)
        self.server: str = self._settings.host.rstrip("/")
        try:
            self.tls = ssl.create_default_context(cafile=self._settings.ssl_ca_cert)
            if self._settings.cert_file:
                self.tls.load_cert_chain(self._settings.cert_file, self._settings.key_file)
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"The certificates in the stack's kubeconfig cannot be used: {brief(error)}. {ADVICE}"
            ) from error
        self.headers()

    def headers(self) -> dict[str, str]:
        """What says who one is in a request; a token that a login program gave is renewed when it has expired.

        Raises ClusterError if that is no token.
        """
        token = self._settings.get_api_key_with_prefix("BearerToken", "authorization") or ""
        if not (token.isascii() and token.isprintable()):  # it is not shown
            raise ClusterError(f"The stack's kubeconfig cannot be used: its token is none. {ADVICE}")
        return {"Authorization": token} if token else {}

    @property
    def origin(self) -> Origin:
        """Where the API server is."""
        url = URL(self.server)
        assert url.host and url.port and url.host_port_subcomponent  # or it had been refused
        return Origin(url.scheme == "https", url.host, url.port, url.host_port_subcomponent)

    @property
    def path(self) -> str:
        """What the API server's paths begin with, where it is behind a proxy; else nothing."""
        return URL(self.server).raw_path.rstrip("/")

    def open(self, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
        """A session in which the API server is trusted; :meth:`headers` go with each of its requests."""
        connector = aiohttp.TCPConnector(ssl=self.tls, limit=0)
        return aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=1 << 20)

    def requests_session(self) -> Session:
        """The same for libraries that use requests."""
        import requests

        def signed(request: PreparedRequest) -> PreparedRequest:
            request.headers.update(self.headers())
            return request

        session = requests.Session()
        session.trust_env = False  # nothing but the kubeconfig says whom to trust and who one is
        session.verify = self._settings.ssl_ca_cert or True
        if self._settings.cert_file:
            session.cert = (self._settings.cert_file, self._settings.key_file)
        session.auth = signed
        return session


def _read(kubeconfig: str) -> Any:
    """The client's configuration of a kubeconfig's text. Raises ClusterError if it cannot be used."""
    from kubernetes import client, config

    settings = client.Configuration()
    log = _Log()
    logging.getLogger().addHandler(log)  # where the client tells of a login program that failed, and goes on
    try:
        config.load_kube_config_from_dict(yamlfiles.load(kubeconfig), client_configuration=settings)  # type: ignore[no-untyped-call]
        server = URL(settings.host)
        if server.scheme not in ("http", "https") or not server.host or " " in server.host or not server.port:
            raise ValueError(f"its server is {quoted(settings.host)}")
        if log.errors:
            raise ValueError(log.errors[0])
    except (config.ConfigException, *MALFORMED) as error:
        raise ClusterError(f"The stack's kubeconfig cannot be used: {brief(error)}. {ADVICE}") from error
    finally:
        logging.getLogger().removeHandler(log)
    return settings


class _Log(logging.Handler):
    """Keeps the errors that are logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.errors.append(record.getMessage())
