from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.azure.naming import RULES, SUFFIX, name

AZURE = {  # "Naming rules and restrictions for Azure resources", and AKS' own for pools and node resource groups
    "resource group": r"[\w().-]{0,89}[\w()-]",
    "node resource group": r"[\w().-]{0,79}[\w()-]",
    "registry": r"[a-zA-Z0-9]{5,50}",
    "vault": r"(?!.*--)[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]",
    "cluster": r"[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9_-]{0,61}[a-zA-Z0-9]",
    "dns prefix": r"[a-zA-Z]|[a-zA-Z][a-zA-Z0-9-]{0,52}[a-zA-Z0-9]",
    "node pool": r"[a-z][a-z0-9]{0,11}",
    "identity": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}",
    "federated credential": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,119}",
}
WORDS = st.lists(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9._-]{1,100}", fullmatch=True), max_size=4)
SUFFIXES = st.from_regex(rf"[a-z0-9]{{{SUFFIX}}}", fullmatch=True)


def test_every_kind_has_its_rule_here():
    assert AZURE.keys() == RULES.keys()


@pytest.mark.parametrize("kind", AZURE)
@given(words=WORDS, suffix=SUFFIXES)
def test_every_name_is_one_that_azure_takes(kind, words, suffix):
    made = name(kind, words, suffix if RULES[kind].unique else "")
    assert re.fullmatch(AZURE[kind], made, re.ASCII), made
    assert re.fullmatch(RULES[kind].form, made), made
    assert made == made.lower()


@pytest.mark.parametrize("kind", [kind for kind, rule in RULES.items() if rule.unique])
@given(words=WORDS, other=WORDS, suffixes=st.lists(SUFFIXES, min_size=2, max_size=2, unique=True))
def test_the_suffix_is_never_cut_so_that_two_stacks_differ_whatever_they_are_called(kind, words, other, suffixes):
    one, two = name(kind, words, suffixes[0]), name(kind, other, suffixes[1])
    assert one.endswith(suffixes[0]) and two.endswith(suffixes[1])
    assert one != two


@given(words=WORDS, kind=st.sampled_from(list(AZURE)))
def test_the_same_words_are_the_same_name(words, kind):
    assert name(kind, words) == name(kind, list(words))


def test_what_is_too_long_loses_the_end_of_its_words():
    assert name("vault", ["a-stack-with-a-long-name"], "12345678") == "a-stack-with-a-12345678"
    assert name("registry", ["Ratify-Perf", "eastus2"], "12345678") == "ratifyperfeastus212345678"
    assert name("node pool", ["load", "11"]) == "load11"


def test_what_begins_with_a_digit_or_with_nothing_is_given_a_letter():
    assert name("vault", ["9lives"], "12345678") == "n9lives-12345678"
    assert name("identity", ["…"]) == "n00"


def test_names_that_others_may_not_have_are_made_anew_in_every_stack(azure):
    first, second = azure.up("perf-S"), azure.up("perf-M")
    kept = azure.up("perf-S")
    for stack, other in ((first, second), (second, first)):
        names = {step.inputs.get("resourceGroupName") for step in stack.of_type(":ResourceGroup")}
        assert names and not names & {step.inputs.get("resourceGroupName") for step in other.of_type(":ResourceGroup")}
    assert kept.inputs("group") == first.inputs("group")
    assert set(kept.outcome.changes) == {"same", "read"}


def test_registries_of_one_stack_that_is_called_very_long_have_different_names(azure):
    regions = [
        {"name": f"{'r' * 40}{n}", "size": size, "location": "eastus2"} for n, size in enumerate(("L", "M", "S"))
    ]
    outputs = azure.up("shared", registry={"regions": regions}).outcome.outputs
    assert Counter(registry["name"] for registry in outputs["registries"]).most_common(1)[0][1] == 1
