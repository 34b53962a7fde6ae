"""What Kubernetes 1.36.3, Gatekeeper 3.23.1 and Ratify 1.4.6 really said, by cause. Ports and digests are as they came.

Asked for on the local platform with components stopped, killed and restored, and with one negative image of each kind.
"""

from __future__ import annotations

IMAGE = "127.0.0.1:30666/2-containers-2-referrers"
DIGEST = f"{IMAGE}@sha256:9a990535d68022f858cf68fc44f2fbcc0008f15ceb9ac6820fe9585a216ac3e4"
MUTATION = (
    'admission webhook "mutation.gatekeeper.sh" denied the request: failed to resolve external data placeholders: '
)
RESOLVING = (
    f"{MUTATION}failed to retrieve external data item from provider ratify-mutation-provider: "
    "REPOSITORY_OPERATION_FAILURE: failed to get subject descriptor for image "
)
VALIDATION = 'admission webhook "validation.gatekeeper.sh" denied the request: [ratify] '
VERIFICATION = f"{VALIDATION}verification failed for {DIGEST}: "
CALLING = 'Internal error occurred: failed calling webhook "mutation.gatekeeper.sh": failed to call webhook: '
POST = 'Post "https://127.0.0.1:29324/v1/mutate?timeout=2s": '

MESSAGES: dict[str, list[str]] = {
    "webhook-timeout": [f"{CALLING}{POST}context deadline exceeded"],
    "webhook-unreachable": [f"{CALLING}{POST}dial tcp 127.0.0.1:29324: connect: connection refused"],
    "timeout": [
        f"{VALIDATION}Ratify could not be asked: operation failed with error operation timed out after duration 4.9s",
        f"{MUTATION}failed to validate external data response from provider ratify-mutation-provider: non-empty system "
        "error: operation failed with error operation timed out after duration 1.95s",
        f"{VALIDATION}Ratify could not be asked: failed to unmarshal external data response: invalid character '{{' "
        "after top-level value",
    ],
    "ratify-unreachable": [
        f"{VALIDATION}Ratify could not be asked: key is not found in provider cache",
        f"{MUTATION}failed to send external data request to provider ratify-mutation-provider: failed to send external "
        'data request: Post "https://127.0.0.1:27676/ratify/gatekeeper/v1/mutate": dial tcp 127.0.0.1:27676: connect: '
        "connection refused",
        f'{VALIDATION}Ratify could not be asked: failed to send external data request: Post "https://127.0.0.1:24679/'
        'ratify/gatekeeper/v1/verify": EOF',
    ],
    "registry-unavailable": [
        f"{RESOLVING}{IMAGE}:1: Unable to resolve the reference: {IMAGE}:1: Head "
        '"http://127.0.0.1:30666/v2/2-containers-2-referrers/manifests/1": dial tcp 127.0.0.1:30666: connect: '
        "connection refused"
    ],
    "unauthorized": [
        f"{RESOLVING}{IMAGE}:1: Unable to resolve the reference: {IMAGE}:1: HEAD "
        '"http://127.0.0.1:28859/v2/2-containers-2-referrers/manifests/1": GET "http://127.0.0.1:28859/oauth2/token?scope='
        'repository%3A2-containers-2-referrers%3Apull&service=127.0.0.1%3A28859": response status code 401: '
        "unauthorized: authentication required: no such user, or another password"
    ],
    "unresolved": [f"{VERIFICATION}could not resolve descriptor for a subject from any stores"],
    "missing-content": [
        f"{RESOLVING}{IMAGE}:99: Unable to resolve the reference: {IMAGE}:99: {IMAGE}:99: not found",
        f"{VERIFICATION}{DIGEST}: not found",
    ],
    "unsigned": [
        f"{VERIFICATION}No verification results for the artifact {DIGEST}. Ensure verifiers are properly configured "
        "and that artifact metadata is attached",
    ],
    "bad-signature": [
        f"{VERIFICATION}content descriptor mismatch",
        f"{VERIFICATION}signature is invalid. Error: crypto/ecdsa: verification error",
        f"{VERIFICATION}signature is invalid. Error: crypto/rsa: verification error",
        f'{VERIFICATION}digital signature has expired on "Mon, 23 Nov 2026 15:30:23 +0000"',
    ],
    "bad-certificate": [
        f'{VERIFICATION}verification time is after certificate "CN=ratify-perf,O=ratify-perf,ST=WA,C=US" validity '
        'period, it was expired at "Mon, 23 Nov 2026 15:30:21 +0000"',
        f"{VERIFICATION}the signature's certificate chain does not contain any trusted certificate",
        f"{VERIFICATION}signing certificate from the digital signature does not match the X.509 trusted identities "
        '[map["C":"US" "CN":"ratify-perf" "O":"ratify-perf" "ST":"WA"]] defined in the trust policy "default"',
    ],
}
