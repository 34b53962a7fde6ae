"""The state of one stack: what was made, what is being made, and the outputs, in ``<state>/<stack>/state.json``.

The file is the only memory that a destroy needs, so it is replaced atomically, has mode 0600, and an intent is on disk
(fsync) before its step is taken: a create that a kill cut off is found again under ``pending``, a delete under a
resource with ``"delete": true``. Steps in parallel share one write. The names are those of Pulumi's own deployment
files where the meaning is the same, but the file is not one: `pulumi stack import` does not read it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

from infra.engine.locks import private_folder
from infra.engine.places import instance_of
from infra.engine.resources import Pending, Resource
from infra.engine.values import Properties, Secret, Value
from infra.engine.vault import Vault
from workloads.errors import EngineError, quoted

_MARKER = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
FILE = "state.json"
_VERSION = 1


class UnreadableStateError(EngineError):
    """A state file is there and is none: torn, changed by hand, or of another version of this program."""

    def __init__(self, file: Path, error: Exception) -> None:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)[:200]
        instance = instance_of(file.parent.parent)
        words = f"--stack {file.parent.name}" + (f" --instance {instance}" if instance else "")
        super().__init__(
            f"The state file {file} cannot be read ({reason}). Restore it; or run `csscgen destroy {words}`, which "
            "stops what the stack started and keeps the file under another name."
        )


class StackState:
    """The state of one stack, in memory and on disk. Safe for threads."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        self._file = folder / FILE
        self._vault = vault
        self._lock = threading.Lock()
        self._writer = threading.Lock()
        self._version = self._written = self._synced = 0
        self._closed = False
        self._live: dict[str, Resource] = {}
        self._condemned: list[Resource] = []
        self._pending: dict[str, Pending] = {}
        self._outputs: Properties = {}
        self._outputs_text = "{}"
        self._texts: dict[int, str] = {}

    @classmethod
    def load(cls, folder: Path, root: Path) -> StackState:
        """Reads the state of the stack in ``folder``; empty if there is none.

        Raises ``UnreadableStateError`` on a file that is not one, ``UsageError`` on one whose secrets the present key
        does not open.
        """
        file = folder / FILE
        try:
            raw = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(folder, Vault(root))
        except (ValueError, RecursionError) as error:
            raise UnreadableStateError(file, error) from None
        try:
            if _entry(raw, "version", object) != _VERSION:
                raise ValueError(f"its version is {quoted(raw['version'])}, this program writes {_VERSION}")
            state = cls(folder, Vault(root, _entry(raw, "salt", str | None)))
            for item in _entry(raw, "resources", list):
                state._add(state._open(item))
            for urn, item in _entry(raw, "pending", dict).items():
                resource = state._open(_entry(item, "resource", dict))
                state._pending[urn] = Pending(_entry(item, "op", str), resource)
            state.set_outputs(state._decoded(_entry(raw, "outputs", dict)))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise UnreadableStateError(file, error) from None
        for resource in (*state.resources(), *(p.resource for p in state._pending.values())):
            state._texts[id(resource)] = state._text(resource)
            state._version = max(state._version, resource.kept, resource.ended)
        state._written = state._synced = state._version
        return state

    def get(self, urn: str) -> Resource | None:
        """The live resource of a URN."""
        with self._lock:
            return self._live.get(urn)

    def resources(self) -> list[Resource]:
        """Every resource: the live ones in the order of their making, then the condemned ones."""
        with self._lock:
            return [*self._live.values(), *self._condemned]

    def live(self) -> list[Resource]:
        with self._lock:
            return list(self._live.values())

    def condemned(self) -> list[Resource]:
        with self._lock:
            return list(self._condemned)

    def pending(self) -> dict[str, Pending]:
        with self._lock:
            return dict(self._pending)

    def unfinished(self) -> list[Resource]:
        """What a create that was cut off may have left behind."""
        with self._lock:
            return [p.resource for p in self._pending.values() if p.op == "create"]

    @property
    def outputs(self) -> Properties:
        with self._lock:
            return dict(self._outputs)

    def empty(self) -> bool:
        with self._lock:
            return not (self._live or self._condemned or self._pending)

    def provider(self, reference: str) -> Resource | None:
        """The provider resource that ``<urn>::<id>`` refers to, condemned ones included."""
        urn, _, identifier = reference.rpartition("::")
        found = [r for r in self.resources() if r.urn == urn and r.id == identifier]
        return found[0] if found else None

    def begin(self, op: Literal["create", "update"], resource: Resource) -> None:
        """Puts the intent on disk; returns when it is there."""
        with self._lock:
            self._version += 1
            resource = replace(resource, kept=self._version)
        text = self._text(resource)
        with self._lock:
            self._pending[resource.urn] = Pending(op, resource)
            self._texts[id(resource)] = text
            self._version += 1
        self.save(sync=True)

    def put(self, resource: Resource, *, save: bool = True) -> Resource:
        """Records a resource as it is now, and that nothing is pending on it. Returns the recorded one."""
        with self._lock:
            self._version += 1
            old = self._live.get(resource.urn)
            resource = replace(resource, made=old.made if old else self._version, kept=self._version)
        text = self._text(resource)
        with self._lock:
            self._drop_pending(resource.urn)
            self._forget_text(self._live.get(resource.urn))
            self._live[resource.urn] = resource
            self._texts[id(resource)] = text
            self._version += 1
        if save:
            self.save()
        return resource

    def abandon(self, urn: str) -> None:
        """Nothing came of the pending step on this URN, or it was cleaned up."""
        with self._lock:
            self._drop_pending(urn)
            self._version += 1
        self.save()

    def condemn(self, resource: Resource, *, sync: bool = False) -> Resource:
        """Marks a live resource for deletion; its URN is free again. Returns the marked one."""
        with self._lock:
            self._version += 1
            marked = replace(resource, delete=True, ended=self._version)
        text = self._text(marked)
        with self._lock:
            self._drop_live(resource)
            self._condemned.append(marked)
            self._texts[id(marked)] = text
            self._version += 1
        self.save(sync=sync)
        return marked

    def remove(self, resource: Resource, *, save: bool = True) -> None:
        """Forgets a resource that is gone."""
        with self._lock:
            self._drop_live(resource)
            self._condemned = [r for r in self._condemned if r is not resource]
            self._version += 1
        if save:
            self.save()

    def rename(self, resource: Resource, urn: str) -> Resource:
        """Takes a live resource over to a new URN (an alias)."""
        renamed = replace(resource, urn=urn)
        with self._lock:
            del self._live[resource.urn]
            self._forget_text(resource)
        return self.put(renamed)

    def set_outputs(self, outputs: Properties) -> None:
        text = json.dumps(self._encoded(outputs))
        with self._lock:
            self._outputs, self._outputs_text = outputs, text
            self._version += 1

    def save(self, *, sync: bool = False) -> None:
        """Writes the file, unless another thread has already written this version of it."""
        with self._lock:
            wanted = self._version
        with self._writer:
            if self._closed or (self._synced if sync else self._written) >= wanted:
                return
            with self._lock:
                version, text = self._version, self._document()
            self._write(text, sync)
            self._written = version
            if sync:
                self._synced = version

    def close(self) -> None:
        """Writes the file a last time: from here on it belongs to whoever takes the stack's lock next."""
        self.save()
        with self._writer:
            self._closed = True

    def delete_file(self) -> None:
        """Removes the file of a stack that has nothing left."""
        with self._writer:
            self._file.unlink(missing_ok=True)

    def _write(self, text: str, sync: bool) -> None:
        draft = self._file.with_suffix(".tmp")
        private_folder(self._file.parent)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(draft, self._file)

    def _document(self) -> str:
        resources = ",\n".join(self._texts[id(r)] for r in (*self._live.values(), *self._condemned))
        pending = ",\n".join(
            f'{json.dumps(urn)}:{{"op":"{p.op}","resource":{self._texts[id(p.resource)]}}}'
            for urn, p in self._pending.items()
        )
        head = f'"version":{_VERSION},"salt":{json.dumps(self._vault.salt)}'
        return f'{{{head},\n"resources":[{resources}],\n"pending":{{{pending}}},\n"outputs":{self._outputs_text}}}\n'

    def _add(self, resource: Resource) -> None:
        if resource.urn in self._live and not resource.delete:
            raise ValueError(f"{quoted(resource.urn)} is there twice")
        if resource.delete:
            self._condemned.append(resource)
        else:
            self._live[resource.urn] = resource

    def _drop_live(self, resource: Resource) -> None:
        if self._live.get(resource.urn) is resource:
            del self._live[resource.urn]
            pending = self._pending.get(resource.urn)
            if pending is not None and pending.op == "update":
                self._drop_pending(resource.urn)
        self._forget_text(resource)

    def _drop_pending(self, urn: str) -> None:
        dropped = self._pending.pop(urn, None)
        if dropped is not None:
            self._forget_text(dropped.resource)

    def _forget_text(self, resource: Resource | None) -> None:
        if resource is not None:
            self._texts.pop(id(resource), None)

    def _text(self, resource: Resource) -> str:
        """A resource as JSON; rendered once, because a file of CRDs is large and written often."""
        item: dict[str, Any] = {}
        for name in _NAMES:
            value = getattr(resource, name)
            if value or name == "custom":
                item[name] = self._encoded(value) if name in ("inputs", "outputs") else value
        return json.dumps(item)

    def _open(self, item: dict[str, Any]) -> Resource:
        known: dict[str, Any] = {name: _entry(item, name, _KINDS.get(name, str)) for name in _NAMES if name in item}
        for name in ("urn", "type", "name"):
            _entry(item, name, str)
        for name in ("inputs", "outputs"):
            known[name] = self._decoded(known.get(name, {}))
        known["dependencies"] = tuple(known.get("dependencies", ()))
        return Resource(**known)

    def _encoded(self, value: Value) -> Value:
        if isinstance(value, Secret):
            return {_MARKER: _SECRET, "ciphertext": self._vault.encrypt(self._encoded(value.value))}
        if isinstance(value, dict):
            return {k: self._encoded(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._encoded(v) for v in value]
        return value

    def _decoded(self, value: Any) -> Any:
        if isinstance(value, dict):
            if value.get(_MARKER) == _SECRET:
                return Secret(self._decoded(self._vault.decrypt(_entry(value, "ciphertext", str))))
            return {k: self._decoded(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._decoded(v) for v in value]
        return value


_NAMES = tuple(f.name for f in fields(Resource))
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("inputs", "outputs", "property_dependencies"), dict),
    **dict.fromkeys(("custom", "protect", "retain_on_delete", "external", "delete"), bool),
    **dict.fromkeys(("made", "kept", "ended"), int),
    "dependencies": list,
    "delete_timeout": int | float | None,
    "init_error": str | None,
}
"""What the entries of a resource are; text if they are not here."""


def _entry(holder: Any, name: str, kind: Any) -> Any:
    """An entry of what should be an object. Raises ValueError if it is not there, or of another kind."""
    if not isinstance(holder, dict):
        raise ValueError(f"{quoted(holder)} is no object")
    if name not in holder:
        raise ValueError(f"it has no {name}")
    if not isinstance(holder[name], kind):
        raise ValueError(f"its {name} is {quoted(holder[name])}")
    return holder[name]


def set_aside(folder: Path) -> Path:
    """Gives a state file that cannot be read another name, so that the stack can be made anew; returns that."""
    moment = time.strftime("%Y%m%d-%H%M%S")
    aside = folder / f"{FILE}.unreadable-{moment}"
    os.replace(folder / FILE, aside)
    return aside
