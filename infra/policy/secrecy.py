"""Rules about secrets: what looks like one is marked as one, in inputs and in the stack's outputs.

Only ``csscgen preview`` judges by them. The Pulumi CLI hands secrets to a policy pack in clear, so that a pack cannot
tell one that is marked from one that is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.policy.resources import SECRET, Path, Platform, Resource, Rule, leaves, shown

NAMES = re.compile(
    r"kubeconfig|(.*[-_.])?(pass(word|wd|phrase)|secret|token|credentials?)|.*(Password|Passphrase|Secret|Token)"
    r"|.*(private|access|account|shared)[-_]?key|.*connection[-_]?string|client-key-data",
    re.IGNORECASE,
)
"""Names of what is secret: of a leaf, not of a file or a reference."""
REFERENCES = frozenset({"registryCredsSecret"})
"""Values of charts that are so named and hold the name of a Secret of the cluster, not what is in it."""
TEXTS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|client-key-data|AccountKey=|SharedAccessKey="
    r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.|\"auth\": *\"[A-Za-z0-9+/=]{8,}\""
)
"""What only a secret has in it, whatever its name."""
DRAWN_IN_CLEAR = ("random:index/randomId:RandomId", "random:index/randomString:RandomString")
"""Their values are in the state in clear, and in the id, which nothing can mark."""
KEY = re.compile(r"(^|[-_])(key|password|passphrase|secret|token)([-_]|$)")
KUBERNETES_SECRET = "kubernetes:core/v1:Secret"


def _inputs(resource: Resource, platform: Platform) -> Iterator[str]:
    if resource.type.endswith(":Stack"):
        return
    for path, value in leaves(resource.inputs):
        if resource.type == KUBERNETES_SECRET and path[0] in ("data", "stringData") and value != SECRET:
            yield f"{resource} has {shown(path)} in clear: wrap it in pulumi.Output.secret."
        elif looks_secret(path, value, platform):
            yield f"{resource} has what looks like a secret in clear at {shown(path)}: wrap it in pulumi.Output.secret."


def output_problems(outputs: Mapping[str, Any], platform: Platform) -> Iterator[str]:
    """The outputs of the stack; one that is secret is ``[secret]`` as a whole."""
    for path, value in leaves(dict(outputs)):
        if looks_secret(path, value, platform):
            yield (
                f"The stack's output {shown(path)} looks like a secret and is in clear: "
                "export it by pulumi.Output.secret."
            )


def looks_secret(path: Path, value: Any, platform: Platform) -> bool:
    """Whether a leaf is a secret that is not marked.

    On this machine, where every key is a file of the stack, a name alone says nothing: its value is a file's name.
    """
    if not isinstance(value, str) or not value or value == SECRET:
        return False
    if TEXTS.search(value):
        return True
    named = path[-1] if path else ""
    return platform != "local" and named not in REFERENCES and NAMES.fullmatch(named) is not None


def _drawn(resource: Resource, _platform: Platform) -> Iterator[str]:
    if resource.type in DRAWN_IN_CLEAR and KEY.search(resource.name):
        yield f"{resource} draws what is to be a secret, and keeps it in clear: draw a RandomPassword or RandomBytes."


RULES = (
    Rule("secrets-are-marked", "What looks like a secret is marked as one.", _inputs, pack=False),
    Rule("secrets-are-drawn-as-such", "Nothing secret is drawn by what keeps it in clear.", _drawn),
)
OUTPUTS, OUTPUTS_DESCRIPTION = "secret-outputs", "What looks like a secret among the stack's outputs is marked as one."
"""The rule about outputs."""
