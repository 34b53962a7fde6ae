"""Keeps the secrets of a state file: AES-256-GCM, a fresh nonce for each value.

The key comes from PULUMI_CONFIG_PASSPHRASE by scrypt where that is set (the salt is in the state file), and otherwise
from a file beside the stacks, mode 0600, made on first use. It is derived when the first secret is met, because scrypt
takes a tenth of a second and most commands meet none.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path

from infra.engine.locks import private_folder
from infra.engine.values import Value
from workloads.errors import UsageError

_NONCE, _KEY = 12, 32
"""Lengths in bytes."""
PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"


class Vault:
    """Encrypts and decrypts the values of one state file. ``root`` is the folder of all stacks."""

    def __init__(self, root: Path, salt: str | None = None) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._key: bytes | None = None
        self.salt = salt
        """Base64; None while the key is, or would be, the one in the file."""

    def encrypt(self, value: Value) -> str:
        """A JSON value as base64 of nonce and ciphertext."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._cipher().encrypt(nonce, json.dumps(value).encode(), None)
        return base64.b64encode(nonce + sealed).decode()

    def decrypt(self, text: str) -> Value:
        """The value; raises ``UsageError`` if it was encrypted with another key."""
        from cryptography.exceptions import InvalidTag

        blob = base64.b64decode(text)
        try:
            opened = self._cipher(made=False).decrypt(blob[:_NONCE], blob[_NONCE:], None)
        except InvalidTag:
            hint = f"the {PASSPHRASE} of then" if self.salt else f"the key file {self._key_file} of then"
            raise UsageError(
                f"The state in {self._root} holds secrets that the present key does not open. Bring back {hint}."
            ) from None
        value: Value = json.loads(opened)
        return value

    @property
    def _key_file(self) -> Path:
        return self._root / "key"

    def _cipher(self, *, made: bool = True):  # type: ignore[no-untyped-def]
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        with self._lock:
            if self._key is None:
                self._key = self._derive(made)
            return AESGCM(self._key)

    def _derive(self, made: bool) -> bytes:
        passphrase = os.environ.get(PASSPHRASE)
        if self.salt is None and (passphrase is None or not made):
            return self._key_from_file(made)
        if passphrase is None:
            raise UsageError(f"The state in {self._root} is encrypted with a passphrase. Set {PASSPHRASE} to it.")
        if self.salt is None:
            self.salt = base64.b64encode(secrets.token_bytes(16)).decode()
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

        kdf = Scrypt(salt=base64.b64decode(self.salt), length=32, n=2**15, r=8, p=1)
        return kdf.derive(passphrase.encode())

    def _key_from_file(self, made: bool) -> bytes:
        if made and not self._key_file.exists():
            self._make_key_file()
        try:
            key = base64.b64decode(self._key_file.read_bytes().strip(), validate=True)
            reason = None if len(key) == _KEY else "it is not a key"
        except OSError as error:
            reason = error.strerror
        except ValueError:
            reason = "it is not a key"
        if reason:
            raise UsageError(
                f"The key of the secrets in {self._root} cannot be read from {self._key_file}: {reason}. "
                "Bring the file back, or remove what the stack made by hand and delete the folder."
            )
        return key

    def _make_key_file(self) -> None:
        """Linked into place, so that of two processes that make it at once, both use the first one's."""
        private_folder(self._root)
        draft = self._root / f".key.{os.getpid()}.{threading.get_ident()}"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(base64.b64encode(secrets.token_bytes(_KEY)))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(draft, self._key_file)
        finally:
            draft.unlink()
