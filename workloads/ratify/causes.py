"""Why admission refused, told from the text of the refusal, as data.

Who refuses says so in its own words: the API server when it could not ask a webhook, Gatekeeper when it could not ask
Ratify, Ratify about an image. The patterns are of Kubernetes 1.36, Gatekeeper 3.23 and Ratify 1.4.6, checked against
texts that these really said, as far as a run produced them. The first cause of the table that a text has is its cause:
a refusal lists every image that failed, and one that was not looked at at all explains more than one that was.

Two things the text does not tell. Ratify retries a request that the registry answers with 429 or 5xx for longer than
its own deadline lasts, so both end as a timeout. And whatever went wrong when it asked for an image's descriptor, it
says that it could not be resolved: missing, out of reach and refused credentials are one text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

OTHER = "other"
_CALLING = r"failed calling webhook"
_UNREACHABLE = r"connection refused|connection reset|no such host|no route to host|\bEOF\b"
_REFUSED = re.compile(rf"admission webhook|{_CALLING}")


@dataclass(frozen=True)
class Cause:
    """One cause: how it is recognised, what it means, what to do."""

    name: str
    pattern: str
    meaning: str
    advice: str
    passing: bool = False
    """Whether a later attempt may succeed with nothing changed."""


CAUSES = (
    Cause(
        "webhook-timeout",
        rf"{_CALLING}.*(context deadline exceeded|Client\.Timeout|request did not complete|i/o timeout)",
        "Gatekeeper did not answer the API server within the webhook's deadline, because it or the Ratify that it "
        "asked was too slow.",
        "Where the registry answered 429, Ratify was waiting for it. Else compare ratify.verification_seconds with "
        "gatekeeper.validation_seconds: where only Gatekeeper's are long, raise gatekeeper.maxServingThreads.",
        passing=True,
    ),
    Cause(
        "webhook-unreachable",
        _CALLING,
        "The API server had no connection to Gatekeeper, or could not trust its certificate.",
        "Look for restarts of Gatekeeper and at its log.",
        passing=True,
    ),
    Cause(
        "throttled",
        r"status code 429|\b429 Too Many Requests|toomanyrequests",
        "The registry answered 429 Too Many Requests.",
        "Take a larger registry, turn the caches on, or spread the load over a longer time.",
        passing=True,
    ),
    Cause(
        "timeout",
        # One whose work ends at its deadline is answered twice by Ratify, which is no JSON.
        r"timed out after duration|serving context canceled|caller cancelled query|context deadline exceeded"
        r"|Client\.Timeout|failed to unmarshal external data response",
        "Ratify did not get through within its own deadline.",
        "If the registry answered 429 or 5xx, that is why: Ratify's retries last longer than its deadline. If not, "
        "look at ratify.cpu_cores and at the time that the registry takes.",
        passing=True,
    ),
    Cause(
        "ratify-unreachable",
        rf"external data request.*({_UNREACHABLE}|x509:|tls:)|not found in provider cache",
        "Gatekeeper had no connection to Ratify, or lost it, or had just started and did not know yet where it is.",
        "Look for restarts of Ratify and Gatekeeper and at their logs.",
        passing=True,
    ),
    Cause(
        "unauthorized",
        r"status code 40[13]|\b401 Unauthorized|denied: requested access",
        "The registry refused the credentials.",
        "Check the pull credentials that Ratify is given.",
    ),
    Cause(
        "registry-unavailable",
        rf"status code 5\d\d|dial tcp .*({_UNREACHABLE})|{_UNREACHABLE}|i/o timeout",
        "The registry could not be reached, or answered with an error of its own.",
        "Look at the registry's log and at its answers by status.",
        passing=True,
    ),
    Cause(
        "unresolved",
        r"could not resolve descriptor for a subject",
        "Ratify could not learn from the registry what the image is; its text does not tell whether the image is "
        "missing, the credentials were refused, or the registry could not be reached.",
        "The registry's answers by status tell: 404, 401, or none.",
        passing=True,
    ),
    Cause(
        "bad-certificate",
        r"does not contain any trusted certificate|does not match the X\.509 trusted identities"
        r"|verification time is (after|before) certificate|timestamp can be (after|before) certificate"
        r"|was not valid when the digital signature was produced|certificate with subject .* (is revoked|revocation)"
        r"|no applicable trust policy|no x509 trusted identities",
        "The image is signed, by a certificate that the trust policy does not accept: not from the trust store, not of "
        "a trusted identity, expired or revoked.",
        "Compare the signing certificate with Ratify's trust store and trust policy.",
    ),
    Cause(
        "bad-signature",
        r"content descriptor mismatch|signature is invalid|digital signature has expired|signature envelope format"
        r"|signature envelope is not present|unable to parse the digital signature",
        "The image has a signature that does not hold: it was tampered with, is of another image, or has expired.",
        "Sign the image again.",
    ),
    Cause(
        "missing-content",
        r": not found|status code 404|MANIFEST_UNKNOWN|BLOB_UNKNOWN|NAME_UNKNOWN|manifest unknown|blob unknown",
        "The registry does not have the image, or a part of its signature.",
        "Seed the images again; the reason names what was not found.",
    ),
    Cause(
        "unsigned",
        r"No verification results for the artifact|no signature that the policy accepts",
        "The image has no signature that a verifier of Ratify looks at. An SBOM in place of a signature is told with "
        "the same text.",
        "Sign the image, or configure a verifier for what is attached to it.",
    ),
    Cause(
        "quota",
        r"exceeded quota|must specify limits|violates PodSecurity",
        "Kubernetes' own admission refused the pod: a quota, a limit or a pod security level.",
        "Look at the namespace's quotas and labels.",
    ),
    Cause(
        OTHER,
        r"",
        "The text is not one that is known.",
        "Read the reason, and the logs of the components.",
        passing=True,
    ),
)
"""In the order in which they are looked for."""

BY_NAME = {cause.name: cause for cause in CAUSES}
_PATTERNS = [(cause.name, re.compile(cause.pattern, re.DOTALL)) for cause in CAUSES]


def classify(message: str) -> str:
    """The name of a message's cause."""
    return next(name for name, pattern in _PATTERNS if pattern.search(message))


def refused(message: str) -> bool:
    """Whether admission refused: a webhook did, or the API server because it could not ask one."""
    return _REFUSED.search(message) is not None


def may_pass(cause: str) -> bool:
    """Whether another attempt may succeed after this cause."""
    return BY_NAME[cause].passing
