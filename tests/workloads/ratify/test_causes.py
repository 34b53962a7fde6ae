from __future__ import annotations

import re

import pytest

from csscgen.reasons import group
from tests.workloads.ratify.messages import DIGEST, MESSAGES, VALIDATION, VERIFICATION
from workloads.ratify.causes import BY_NAME, CAUSES, OTHER, classify, may_pass, refused

SAID = [(cause, message) for cause, messages in MESSAGES.items() for message in messages]


@pytest.mark.parametrize(("cause", "message"), SAID)
def test_what_the_components_said_is_told_apart(cause: str, message: str):
    assert classify(message) == cause
    assert classify(f"Error creating: {message}") == cause
    assert refused(message)


@pytest.mark.parametrize(("cause", "message"), SAID)
def test_the_cause_of_a_grouped_reason_is_the_same(cause: str, message: str):
    assert classify(group(message)) == cause


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        # Not said in a run: Ratify's retries last longer than its deadline. The text is oras-go's.
        ("throttled", f'{VERIFICATION}GET "http://r/v2/x/manifests/1": response status code 429: toomanyrequests'),
        ("registry-unavailable", 'HEAD "http://r/v2/x/manifests/1": response status code 503: Service Unavailable'),
        ("unauthorized", 'HEAD "http://r/v2/x/manifests/1": response status code 401: Unauthorized'),
        (
            "quota",
            'pods "ratify-0-abc" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=2, limited: pods=2',
        ),
        (OTHER, "Unschedulable: 0/1 nodes are available."),
        (OTHER, ""),
    ],
)
def test_what_others_would_say(cause: str, message: str):
    assert classify(message) == cause


def test_a_quota_is_no_refusal_of_a_webhook():
    assert not refused('pods "ratify-0-abc" is forbidden: exceeded quota: pods')


def test_an_image_that_was_not_looked_at_explains_more_than_one_that_was():
    unsigned = f"verification failed for {DIGEST}: No verification results for the artifact {DIGEST}."
    throttled = f"verification failed for {DIGEST}: response status code 429: toomanyrequests"
    assert classify(f"{VALIDATION}{unsigned} [ratify] {throttled}") == "throttled"


def test_an_attempt_after_a_bad_image_is_in_vain_and_one_after_a_timeout_is_not():
    in_vain = {"unsigned", "bad-signature", "bad-certificate", "missing-content", "unauthorized", "quota"}
    assert {cause.name for cause in CAUSES if not may_pass(cause.name)} == in_vain


def test_every_cause_is_explained_in_sentences():
    assert len(BY_NAME) == len(CAUSES)
    for cause in CAUSES:
        for text in (cause.meaning, cause.advice):
            assert re.fullmatch(r"[A-Z].*\.", text), text
