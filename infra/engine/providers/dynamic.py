"""Pulumi's dynamic resources: the provider object is in the input ``__provider``, as base64 of dill's pickle.

What differs from the CLI's own dynamic plugin: a change of the provider's code alone is no change of the resource,
``diff`` is called on every run (a process provider sees there that its process died), and a provider may have a method
``recover(props)``, called for a create that was cut off.
"""

from __future__ import annotations

import base64
import threading
from typing import Any

from infra.engine.providers import Diff, Made, NotMadeError
from infra.engine.values import Properties, has_unknown
from workloads.errors import EngineError

CODE = "__provider"
_lock = threading.Lock()


class Dynamic:
    """Makes the resources of every dynamic provider."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def check(self, name: str, old: Properties | None, new: Properties, dry: bool) -> Properties:
        if has_unknown(new):
            return new
        result = self._provider(new).check(old or {}, new)
        if result.failures:
            problems = "; ".join(f"{f.property}: {f.reason}" for f in result.failures)
            raise EngineError(f"The inputs of {name} are wrong: {problems}.")
        return {**result.inputs, CODE: new[CODE]}

    def diff(self, identifier: str, old: Properties, outputs: Properties, new: Properties) -> Diff:
        if has_unknown(new):
            return Diff(changed=True, replace=True)
        result = self._provider(new).diff(identifier, {**outputs, CODE: old[CODE]}, new)
        replaces = bool(result.replaces)
        changes = result.changes
        if changes is None:
            changes = _without_code(old) != _without_code(new)
        return Diff(bool(changes) or replaces, replaces, bool(result.delete_before_replace))

    def create(self, inputs: Properties, timeout: float | None) -> Made:
        result = self._provider(inputs).create(inputs)
        if not result.id:
            raise NotMadeError("The dynamic provider returned no id from create.")
        return Made(str(result.id), _without_code(result.outs or {}))

    def update(
        self,
        identifier: str,
        old: Properties,
        outputs: Properties,
        new: Properties,
        timeout: float | None,
    ) -> Properties:
        result = self._provider(new).update(identifier, {**outputs, CODE: old[CODE]}, new)
        return _without_code(result.outs or {})

    def delete(self, identifier: str, inputs: Properties, outputs: Properties, timeout: float | None) -> None:
        self._provider(inputs).delete(identifier, {**outputs, CODE: inputs[CODE]})

    def read(self, identifier: str) -> Properties:
        raise EngineError(f"The dynamic resource {identifier} cannot be read, only made.")

    def recover(self, inputs: Properties) -> None:
        recover = getattr(self._provider(inputs), "recover", None)
        if recover is not None:
            recover(inputs)

    def secret_outputs(self, inputs: Properties) -> frozenset[str]:
        return frozenset()

    def _provider(self, inputs: Properties) -> Any:
        import dill  # type: ignore[import-untyped]

        code = str(inputs[CODE])
        with _lock:
            if code not in self._loaded:
                self._loaded[code] = dill.loads(base64.b64decode(code))
            return self._loaded[code]


def _without_code(properties: Properties) -> Properties:
    return {k: v for k, v in properties.items() if k != CODE}
