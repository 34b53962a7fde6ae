from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csscgen.reasons import LIMIT, group

DIGEST = "sha256:" + "0e76bf2cb550a918" * 4
OTHER = "sha256:" + "62ee5aae36f70510" * 4


def denial(port: int, *digests: str) -> str:
    """What Gatekeeper says with Ratify's words, one line per image."""
    lines = []
    for digest in digests:
        image = f"127.0.0.1:{port}/2-containers-0-referrers@{digest}"
        lines.append(
            f"[ratify] verification failed for {image}: failed to verify artifact: {image} (No verification results "
            f"for the artifact {image}. Ensure verifiers are configured and that artifact metadata is attached)"
        )
    return 'admission webhook "validation.gatekeeper.sh" denied the request: ' + "\n".join(lines)


GROUPED = (
    "denied by validation.gatekeeper.sh: verification failed for <image>: failed to verify artifact: <image> (No "
    "verification results for the artifact <image>. Ensure verifiers are configured and that artifact "
    "metadata is attached)"
)


def test_a_denial_names_the_complaint_once_and_no_image():
    assert group(f"Error creating: {denial(21644, DIGEST, OTHER)}") == GROUPED


def test_the_same_denial_of_a_controller_and_of_the_engine_are_one():
    engine = (
        "The Kubernetes API answered PATCH /apis/apps/v1/namespaces/ratify-perf-0/deployments/ratify-0 with 403: "
        + denial(20349, OTHER)
    )
    assert group(engine) == group(f"Error creating: {denial(21644, DIGEST, OTHER)}")


def test_different_complaints_are_kept():
    message = 'admission webhook "v" denied the request: [ratify] a for ' + DIGEST + "\n[ratify] b\n[ratify] b"
    assert group(message) == "denied by v: a for <digest>; b"


def test_a_webhook_that_did_not_answer():
    message = (
        "Error creating: Internal error occurred: failed calling webhook "
        '"validation.gatekeeper.sh": failed to call webhook: Post "https://127.0.0.1:{}/v1/admit?timeout=5s": '
        "context deadline exceeded"
    )
    assert group(message.format(22864)) == group(message.format(26637))
    assert "context deadline exceeded" in group(message.format(1))


def test_names_times_and_ids_are_taken_out():
    a = 'pods "ratify-0-abc" is forbidden at 2026-01-02T10:15:00.123Z (6ba7b810-9dad-11d1-80b4-00c04fd430c8)'
    b = 'pods "ratify-0-xyz" is forbidden at 2026-01-02T10:16:00Z (7ba7b810-9dad-11d1-80b4-00c04fd430c8)'
    assert group(a) == group(b) == "pod is forbidden at <time> (<id>)"


def test_a_tag_on_loopback_is_an_image_too():
    assert group("no such image 127.0.0.1:5000/ratify/r:tag-1") == "no such image <image>"


@pytest.mark.parametrize("message", ["", " ", "\n", "[ratify] ", "[ratify] [ratify]"])
def test_what_has_no_words_is_a_line_all_the_same(message: str):
    assert "\n" not in group(message)


FRAGMENTS = st.sampled_from(
    [
        denial(20349, DIGEST, OTHER),
        "[ratify]",
        "[ratify] verification failed",
        "Error creating: Internal error occurred",
        f"127.0.0.1:5000/a/b@{DIGEST}",
        "127.0.0.1:5000/a:b",
        DIGEST,
        "2026-01-02T10:15:00Z",
        'pods "x-1"',
        "\n",
        "\t",
        ",",
    ]
)
MESSAGES = st.lists(FRAGMENTS | st.text(max_size=40), max_size=12).map(" ".join)


@given(MESSAGES)
def test_a_reason_is_one_line_of_bounded_length(message: str):
    reason = group(message)
    assert len(reason) <= LIMIT
    assert reason == " ".join(reason.split())


@given(st.lists(FRAGMENTS, max_size=12).map(" ".join))
def test_grouping_a_reason_again_changes_nothing(message: str):
    assert group(group(message)) == group(message)


def test_a_long_message_keeps_who_refused_and_why():
    reason = group('admission webhook "v" denied the request: ' + "very " * 200 + "status code 429")
    assert reason.startswith("denied by v: ")
    assert reason.endswith("status code 429")


def test_the_time_that_a_signature_expired_is_taken_out():
    said = 'digital signature has expired on "Mon, 23 Nov 2026 15:30:23 +0000"'
    assert group(said) == 'digital signature has expired on "<time>"'
