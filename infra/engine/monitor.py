"""The two objects that the SDK talks to: the resource monitor and the engine, as plain Python objects.

``pulumi.runtime.Settings`` takes any object with the methods of the gRPC services (pulumi/proto: resource.proto,
engine.proto), which is the seam that Pulumi's own mocks stand on. Here requests become goals. An option that the
embedded engine does not have is refused with a sentence, never ignored; features that are not announced in
``GetDeploymentInfo`` are refused by the SDK itself.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import resource_pb2

from infra.engine import wire
from infra.engine.deployment import Deployment
from infra.engine.providers import unsupported
from infra.engine.resources import Resource
from infra.engine.steps import Goal
from infra.engine.values import UNKNOWN, Properties, has_secret, parse_path, plain_properties
from workloads.errors import EngineError

logger = logging.getLogger(__name__)
Function = Callable[[Properties], Properties]
"""A function of a provider, which a program calls (in Pulumi's words: invokes): arguments in, result out."""
STACK = "pulumi:pulumi:Stack"
STACK_REFERENCE = "pulumi:pulumi:StackReference"
_pb: Any = resource_pb2
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class Monitor:
    """Answers the RPCs of one run. ``stack_outputs`` gives the outputs of another stack, None if it was never made.

    ``functions`` are those that the program can call, by token.
    """

    def __init__(
        self,
        project: str,
        stack: str,
        deployment: Deployment,
        stack_outputs: Callable[[str], Properties | None],
        *,
        dry: bool,
        functions: Mapping[str, Function] | None = None,
    ) -> None:
        self._project = project
        self._stack = stack
        self._functions = functions or {}
        self._deployment = deployment
        self._stack_outputs = stack_outputs
        self._dry = dry
        self.outputs: Properties = {}
        """The stack's outputs, once the program has ended."""
        self._features = (
            _pb.RESOURCE_MONITOR_FEATURE_SECRETS,
            _pb.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
            _pb.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
        )

    def GetDeploymentInfo(self, _request: Any) -> Any:
        return _pb.DeploymentInfo(
            project=self._project,
            stack=self._stack,
            organization="organization",
            dryRun=self._dry,
            supportedFeatures=self._features,
        )

    def SupportsFeature(self, request: Any) -> Any:
        known = {"secrets", "deletedWith", "replaceWith"}
        return _pb.SupportsFeatureResponse(hasSupport=request.id in known)

    def RegisterResource(self, request: Any) -> Any:
        _refuse_options(request)
        goal = self._goal(request)
        registered = self._deployment.register(goal)
        response = _pb.RegisterResourceResponse(urn=registered.urn, id=registered.id)
        if registered.failed:
            response.result = _pb.FAIL
        elif registered.outputs is goal.inputs:
            response.object.CopyFrom(request.object)
        elif registered.outputs:
            response.object.CopyFrom(wire.encode(registered.outputs))
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:
        outputs = wire.decode(request.outputs)
        if request.urn == self._urn(STACK, f"{self._project}-{self._stack}", ""):
            self.outputs = outputs
        else:
            self._deployment.set_outputs(request.urn, outputs)
        return empty_pb2.Empty()

    def ReadResource(self, request: Any) -> Any:
        urn = self._urn(request.type, request.name, request.parent)
        if request.type == STACK_REFERENCE:
            outputs = self._referred(request.id)
        elif self._dry or request.id == wire.UNKNOWN_TEXT:
            outputs = {}
        else:
            outputs = self._deployment.provider(request.type, request.provider).read(request.id)
        self._deployment.record_read(
            Resource(
                urn=urn,
                type=request.type,
                name=request.name,
                custom=True,
                id=request.id,
                outputs={} if self._dry else outputs,
                parent=request.parent,
                provider=request.provider,
                dependencies=tuple(request.dependencies),
            )
        )
        return _pb.ReadResourceResponse(urn=urn, id=request.id, properties=wire.encode(outputs))

    def Invoke(self, request: Any) -> Any:
        if self._dry:
            return _pb.ResourceInvokeResponse(unknown=True)
        if function := self._functions.get(request.tok):
            response = _pb.ResourceInvokeResponse()
            getattr(response, "return").CopyFrom(wire.encode(function(plain_properties(wire.decode(request.args)))))
            return response
        raise EngineError(unsupported(request.tok).replace("Resources of type", "Calls of"))

    def Call(self, request: Any) -> NoReturn:
        raise EngineError(
            f"The call of {request.tok} is a method of a remote component, which needs the Pulumi CLI (--engine cli)."
        )

    def ExistsResource(self, request: Any) -> NoReturn:
        raise EngineError(f"Asking whether a {request.type} exists needs the Pulumi CLI (--engine cli).")

    def SignalAndWaitForShutdown(self, _request: Any) -> Any:
        return empty_pb2.Empty()

    def _urn(self, type_: str, name: str, parent: str) -> str:
        """As the real engine makes it: the types of the parents are in it, but for the stack's."""
        chain = parent.split("::")[2] + "$" if parent else ""
        if chain == f"{STACK}$":
            chain = ""
        return f"urn:pulumi:{self._stack}::{self._project}::{chain}{type_}::{name}"

    def _referred(self, reference: str) -> Properties:
        stack = reference.rpartition("/")[2]
        outputs = self._stack_outputs(stack)
        if outputs is None:
            if not self._dry:
                raise EngineError(
                    f"The program refers to stack {stack}, which has not been made. Run up for {stack} first."
                )
            return {"name": reference, "outputs": UNKNOWN, "secretOutputNames": UNKNOWN}
        names: list[object] = [name for name, value in outputs.items() if has_secret(value)]
        return {"name": reference, "outputs": outputs, "secretOutputNames": names}

    def _goal(self, request: Any) -> Goal:
        before_replace = request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None
        return Goal(
            urn=self._urn(request.type, request.name, request.parent),
            type=request.type,
            name=request.name,
            custom=request.custom,
            inputs=wire.decode(request.object),
            parent=request.parent,
            provider=request.provider,
            dependencies=tuple(request.dependencies),
            property_dependencies={k: list(v.urns) for k, v in request.propertyDependencies.items() if v.urns},
            aliases=tuple(urn.replace(f"::{STACK}$", "::") for urn in _aliases(request)),
            ignore_changes=_paths(request.ignoreChanges),
            replace_on_changes=_paths(request.replaceOnChanges),
            delete_before_replace=before_replace,
            deleted_with=request.deletedWith,
            replace_with=tuple(request.replace_with),
            secret_outputs=tuple(request.additionalSecretOutputs),
            protect=request.protect,
            retain_on_delete=request.retainOnDelete,
            timeouts=_timeouts(request.customTimeouts),
        )


class EngineLog:
    """The engine service: keeps the errors that the program logs, because they fail an update, as with the CLI."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def Log(self, request: Any) -> Any:
        if request.severity == 3:
            self.errors.append(request.message)
        else:
            levels = (logging.DEBUG, logging.INFO, logging.WARNING)
            logger.log(levels[request.severity], "%s", request.message)
        return empty_pb2.Empty()

    def RequirePulumiVersion(self, request: Any) -> NoReturn:
        raise EngineError(
            f"The program requires the Pulumi CLI {request.pulumi_version_range}. Install it and use --engine cli."
        )


def _refuse_options(request: Any) -> None:
    used = {
        "remote": request.remote,
        "import": request.importId,
        "transforms": request.transforms,
        "replacement_trigger": request.HasField("replacement_trigger"),
        "env_var_mappings": request.envVarMappings,
        "state_migrations": request.state_migrations,
    }
    for option, value in used.items():
        if value:
            what = "is a remote component" if option == "remote" else f"has the option {option}"
            raise EngineError(f"{request.name} ({request.type}) {what}, which needs the Pulumi CLI (--engine cli).")


def _aliases(request: Any) -> list[str]:
    return [*request.aliasURNs, *(alias.urn for alias in request.aliases if alias.urn)]


def _paths(paths: Any) -> tuple[str, ...]:
    for path in paths:
        try:
            if path != "*":
                parse_path(path)
        except ValueError:
            raise EngineError(
                f"The property path {path!r} cannot be used here: only keys and indices are known, and * by itself."
            ) from None
    return tuple(paths)


def _timeouts(timeouts: Any) -> dict[str, float]:
    texts = {name: getattr(timeouts, name) for name in ("create", "update", "delete")}
    return {name: _seconds(text) for name, text in texts.items() if text}


def _seconds(text: str) -> float:
    """A duration of Go (``1h5m``, ``90s``) in seconds."""
    if not re.fullmatch(r"(\d+(\.\d+)?(h|ms|m|s))+", text):
        raise EngineError(f"The timeout {text!r} is not a duration. Write it as 30s, 5m or 1h30m.")
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|s)", text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
