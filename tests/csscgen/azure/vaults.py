"""A Key Vault of straw: the documented REST protocol behind the SDK's own transport seam, with keys that really sign.

What the protocol is: learn.microsoft.com/rest/api/keyvault (certificates: create, get, pending; keys: get, sign). A
request without a token is answered 401 with a challenge and must have no body; a certificate is first pending; its key
has its name and version; the key signs a digest.
"""

from __future__ import annotations

import base64
import io
import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.core.pipeline.transport import RequestsTransport
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.x509.oid import NameOID, ObjectIdentifier

TOKEN = "a-token-that-is-not-to-be-seen"
VAULT = "https://kv-test.vault.azure.net/"
VERSION = "0123456789abcdef0123456789abcdef"
SHARED: dict[str, Any] = {
    "vault": {"uri": VAULT, "name": "kv-test", "id": "/subscriptions/x"},
    "certificateName": "signing",
    "trustedIdentity": "x509.subject: CN=ratify-perf,O=ratify-perf,ST=WA,C=US",
}
USAGES = (
    *("digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign"),
    *("cRLSign", "encipherOnly", "decipherOnly"),
)
"""In the order of X.509, and of x509.KeyUsage."""
X500 = {"C": NameOID.COUNTRY_NAME, "ST": NameOID.STATE_OR_PROVINCE_NAME, "O": NameOID.ORGANIZATION_NAME}
X500["CN"] = NameOID.COMMON_NAME
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Credential:
    """A login that always works, and notes for what."""

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        return AccessToken(self.token, int(time.time()) + 3600)

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        return AccessTokenInfo(self.get_token(*scopes).token, int(time.time()) + 3600)


@dataclass
class Answer:
    """A status with a JSON body, and header fields."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def error(status: int, code: str, message: str = "no", inner: str | None = None) -> Answer:
    """An error in Key Vault's form."""
    body: dict[str, Any] = {"code": code, "message": message}
    if inner:
        body["innererror"] = {"code": inner}
    return Answer(status, {"error": body})


@dataclass
class Vault(requests.adapters.BaseAdapter):
    """What is in the vault. ``faults`` are answered, or raised, in place of the next requests that match the path."""

    pending: int = 1
    """How often the operation that makes a certificate is still in progress when it is asked for."""
    failure: str | None = None
    """Why that operation fails, if it does."""
    certificate: bytes | None = None
    """DER."""
    policy: dict[str, Any] = field(default_factory=dict)
    key: Key | None = None
    faults: list[tuple[str, Answer | Exception]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """Method and path of every request that had a token."""
    enabled: bool = True
    deleted: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self._asked = 0

    def transport(self) -> Transport:
        return Transport(self)

    def close(self) -> None:
        pass

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        path = urlsplit(str(request.url)).path
        if request.headers.get("Authorization") is None:
            assert not request.body, "a body was sent to whoever answers, before it is known who that is"
            challenge = 'Bearer authorization="https://login.example/tenant", resource="https://vault.azure.net"'
            return _response(request, Answer(401, {}, {"WWW-Authenticate": challenge}))
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        self.seen.append(f"{request.method} {path}")
        for number, (pattern, fault) in enumerate(self.faults):
            if re.search(pattern, f"{request.method} {path}"):
                del self.faults[number]
                if isinstance(fault, Exception):
                    raise fault
                return _response(request, fault)
        body = json.loads(request.body) if request.body else {}
        return _response(request, self._answer(str(request.method), path.rstrip("/").split("/")[1:], body))

    def _answer(self, method: str, path: list[str], body: dict[str, Any]) -> Answer:
        match method, path:
            case "GET", ["certificates", name]:
                return (
                    self._bundle(name) if self.certificate and not self.deleted else error(404, "CertificateNotFound")
                )
            case "POST", ["certificates", name, "create"]:
                if self.deleted:
                    return error(409, "Conflict", "deleted but recoverable", "ObjectIsDeletedButRecoverable")
                self.policy = body["policy"]
                return Answer(202, self._operation(name))
            case "GET", ["certificates", name, "pending"]:
                self._asked += 1
                if self._asked > self.pending and not self.failure:
                    self.make()
                return Answer(200, self._operation(name))
            case "GET", ["keys", name, _]:
                return Answer(200, {"key": self._jwk(name)})
            case "POST", ["keys", name, version, "sign"] if version == VERSION:
                signature = sign(self.key, body["alg"], _decode(body["value"]))
                return Answer(200, {"kid": f"{VAULT}keys/{name}/{VERSION}", "value": _encode(signature)})
        raise AssertionError(f"{method} {path} is no request of the protocol that is known here")

    def make(self) -> None:
        """The certificate of the policy, as Key Vault makes it."""
        wanted, kind = self.policy["x509_props"], self.policy["key_props"]
        self.key = _new_key(kind)
        now = datetime.now(UTC)
        name = x500(wanted["subject"])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=10))
            .not_valid_after(now + timedelta(days=30 * wanted["validity_months"]))
            .add_extension(key_usage(wanted["key_usage"]), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ObjectIdentifier(each) for each in wanted["ekus"]]), critical=False)
        )
        self.hold(builder.sign(self.key, hashes.SHA256()), self.key)

    def hold(self, certificate: x509.Certificate, key: Key) -> None:
        self.certificate, self.key = certificate.public_bytes(serialization.Encoding.DER), key

    def _bundle(self, name: str) -> Answer:
        body = {
            "id": f"{VAULT}certificates/{name}/{VERSION}",
            "kid": f"{VAULT}keys/{name}/{VERSION}",
            "sid": f"{VAULT}secrets/{name}/{VERSION}",
            "attributes": {"enabled": self.enabled, "created": 0, "updated": 0},
            "policy": self.policy,
        }
        if self.certificate:
            body["cer"] = base64.b64encode(self.certificate).decode()
        return Answer(200, body)

    def _operation(self, name: str) -> dict[str, Any]:
        status = "completed" if self.certificate else "inProgress"
        body: dict[str, Any] = {
            "id": f"{VAULT}certificates/{name}/pending",
            "issuer": {"name": "Self"},
            "status": "failed" if self.failure and self._asked > self.pending else status,
            "request_id": "1",
        }
        return {**body, "error": {"code": "Bad", "message": self.failure}} if self.failure else body

    def _jwk(self, name: str) -> dict[str, Any]:
        assert self.key is not None
        numbers = self.key.public_key().public_numbers()
        jwk: dict[str, Any] = {"kid": f"{VAULT}keys/{name}/{VERSION}", "key_ops": ["sign", "verify"]}
        if isinstance(numbers, ec.EllipticCurvePublicNumbers):
            return {
                **jwk,
                "kty": "EC",
                "crv": f"P-{numbers.curve.key_size}",
                "x": _number(numbers.x),
                "y": _number(numbers.y),
            }
        return {**jwk, "kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}


class Transport(RequestsTransport):  # type: ignore[misc]
    """The SDK's transport with a vault in place of the network, and no time in which to wait."""

    def __init__(self, vault: Vault) -> None:
        session = requests.Session()
        session.mount("https://", vault)
        super().__init__(session=session, session_owner=False)
        self.slept: list[float] = []

    def sleep(self, duration: float) -> None:
        self.slept.append(duration)


def sign(key: Key | None, algorithm: str, digest: bytes) -> bytes:
    """What Key Vault's operation `sign` answers for a digest."""
    chosen: hashes.HashAlgorithm = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[
        algorithm[2:]
    ]
    assert len(digest) == chosen.digest_size, "what is signed is no digest of the algorithm's hash"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        assert {"ES256": 256, "ES384": 384, "ES512": 521}[algorithm] == key.key_size
        r, s = decode_dss_signature(key.sign(digest, ec.ECDSA(Prehashed(chosen))))
        length = (key.key_size + 7) // 8
        return r.to_bytes(length, "big") + s.to_bytes(length, "big")
    assert isinstance(key, rsa.RSAPrivateKey)
    assert {"PS256": 2048, "PS384": 3072, "PS512": 4096}[algorithm] == key.key_size
    return key.sign(digest, padding.PSS(padding.MGF1(chosen), salt_length=chosen.digest_size), Prehashed(chosen))


def x500(text: str) -> x509.Name:
    """X.500 text as Windows reads it: a value in quotes may hold anything, a quote in it is doubled."""
    parts = re.findall(r'\s*(\w+)=("(?:[^"]|"")*"|[^,"]*)\s*(?:,|$)', text)
    assert ",".join(f"{key}={value}" for key, value in parts) == re.sub(r", (?=(C|ST|O|CN)=)", ",", text)
    values = [(key, value[1:-1].replace('""', '"') if value.startswith('"') else value) for key, value in parts]
    return x509.Name([x509.NameAttribute(X500[key], value) for key, value in values])


def key_usage(names: list[str]) -> x509.KeyUsage:
    return x509.KeyUsage(*(name in names for name in USAGES))


def _new_key(kind: dict[str, Any]) -> Key:
    assert kind["exportable"] is False
    if kind["kty"] == "EC":
        curves = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
        return ec.generate_private_key(curves[kind["crv"]])
    return rsa.generate_private_key(65537, kind["key_size"])


def _response(request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    response = requests.Response()
    response.status_code, response.request, response.url = answer.status, request, str(request.url)
    response.headers.update({"Content-Type": "application/json", **answer.headers})
    body = json.dumps(answer.body).encode()
    response.raw = urllib3.HTTPResponse(io.BytesIO(body), answer.headers, answer.status, preload_content=False)
    return response


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(value: int) -> str:
    return _encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
