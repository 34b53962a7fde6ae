"""How long a seeding takes by the limits, the identities and who signs; against what real ones took."""

from __future__ import annotations

import pytest

from csscgen.planning.abilities import Abilities
from csscgen.planning.bodies import Bodies
from csscgen.planning.seeded import Pace, profiles, seeded
from csscgen.planning.seeding import seeding
from csscgen.planning.seedplans import Minutes, SeedPlan, as_document, of_options, of_stack, render, seed_plan
from infra.settings import Settings
from workloads.errors import UsageError
from workloads.naming import ImageSet
from workloads.registries import SIZE_NAMES, published

EMULATOR = Abilities(whole_blobs=True, login=True)
MEASURED = {
    # images, signatures, identities: requests, seconds on the emulator of size XS, what held it up (docs/planning.md)
    (500, 1, 1): (2_507, 94.0, "list_referrers", "seeding"),
    (800, 1, 2): (4_008, 51.1, "list_referrers", "all"),
    (300, 5, 1): (3_907, 152.6, "write", "seeding"),
    (300, 5, 2): (3_908, 40.2, "write", "all"),
}


@pytest.mark.parametrize("what", MEASURED)
def test_what_was_measured_is_planned(what):
    images, signatures, identities = what
    requests, seconds, category, whose = MEASURED[what]
    prepared = seeding([ImageSet(images, signatures)], EMULATOR, Bodies(), identities=identities)
    serving = seeded("XS", profiles()["XS"], prepared, Pace(1_200), identities=identities)
    assert prepared.requests.total == requests
    assert serving.expected_seconds == pytest.approx(seconds, rel=0.07)
    assert serving.least_seconds <= seconds
    assert serving.bottleneck and (serving.bottleneck.category, serving.bottleneck.who) == (category, whose)


def row(plan: SeedPlan, profile: str, identities: int) -> Minutes:
    return next(each for each in plan.minutes if (each.profile, each.identities) == (profile, identities))


def test_ten_thousand_images_on_premium():
    """By hand: 160,006 writes of which 2,000 are there at once, then lists, of which 1,000 are."""
    plan = of_options([], [ImageSet(10_000, 5)])
    one, two = row(plan, "premium", 1), row(plan, "premium", 2)
    assert one.seconds == pytest.approx((160_006 - 2_000) / 2_000 * 60 + (10_000 - 1_000) / 1_000 * 60, rel=0.001)
    assert (one.binds, one.whose) == ("write", "identity")
    assert two.seconds == pytest.approx((160_006 - 4_000) / 4_000 * 60 + (10_000 - 2_000) / 2_000 * 60, rel=0.001)
    assert (two.binds, two.whose) == ("write", "registry")


def test_there_is_a_row_for_each_profile_and_number_of_identities():
    plan = of_options([], [ImageSet(10, 5)])
    names = ["standard", "premium", *SIZE_NAMES]
    assert [(each.profile, each.identities) for each in plan.minutes] == [
        *((name, count) for count in (1, 2) for name in names),
        ("none", 1),
    ]
    assert profiles()["standard"] == published("Standard") == profiles()["XS"]
    only = of_options([], [ImageSet(10, 5)], "premium")
    assert {each.profile for each in only.minutes} == {"premium"}


def test_without_logins_there_is_nobody_to_take_turns():
    plan = of_options(["127.0.0.1:5000"], [ImageSet(10, 5)])
    assert {each.identities for each in plan.minutes} == {1}
    assert {each.whose for each in plan.minutes} <= {None, "registry"}
    assert plan.new.requests.oauth == 0


def test_a_key_vault_holds_up_what_the_registry_does_not():
    def of(algorithm: str) -> SeedPlan:
        shared = Settings.read({"platform": "azure", "signing": {"algorithm": algorithm}}, "a test")
        settings = Settings.read(
            {"platform": "azure", "sharedStack": "shared", "scenario": {"shards": 20, "uniqueImages": True}}, "a test"
        )
        return of_stack(settings, shared)

    fast, slow = of("ES256"), of("PS512")
    assert (fast.signing_seconds, slow.signing_seconds) == (2.5, 20.0)
    assert fast.new.signatures == 1_000
    assert (row(slow, "none", 1).binds, row(fast, "none", 1).binds) == ("key vault", None)
    assert "Signing by Key Vault takes 20 s at least." in render(slow)


def test_a_key_vault_that_takes_longer_than_the_fullest_bucket_is_what_holds_it_up():
    sets = [ImageSet(100, 1, shard) for shard in range(400)]
    plan = seed_plan(sets, Abilities(login=True), Bodies(), Pace(500, signatures_per_second=50), "L")
    assert row(plan, "L", 1).binds == "key vault"
    here = seed_plan(sets, Abilities(login=True), Bodies(), Pace(500), "L")
    assert row(here, "L", 1).binds == "write"


def test_what_the_signer_does_not_sign_is_no_signature_of_his():
    kinds = ("unsigned", "sbom", "wrong-ca", "expired", "tampered-envelope", "missing-blob")
    sets = [ImageSet(2, 3), *(ImageSet(2, 3, variant=kind) for kind in kinds)]
    plan = seed_plan(sets, EMULATOR, Bodies(), Pace(1_000))
    assert plan.new.attachments == 2 * 3 * 6
    assert plan.new.signatures == 2 * 3 * 4
    restored = [ImageSet(2, 3, variant=kind, restored=True) for kind in kinds]
    assert seed_plan(restored, EMULATOR, Bodies(), Pace(1_000)).new.signatures == 2 * 3 * (6 + 3)


def test_half_of_it_costs_half_and_all_of_it_next_to_nothing():
    document = as_document(of_options([], [ImageSet(1_000, 5, shard) for shard in range(4)]))
    requests = document["requests"]
    assert requests["half_done"]["write"] == pytest.approx(requests["empty"]["write"] / 2, rel=0.01)
    assert requests["complete"]["write"] == 0
    assert requests["complete"]["list_referrers"] == document["images"] == 4_000
    assert document["bytes"] > 20_000 * 2_000
    assert [set(each) for each in document["profiles"]] == [
        {"profile", "identities", "seconds", "binds", "whose"} for _ in document["profiles"]
    ]


def test_a_registry_that_everybody_shares_is_refused():
    with pytest.raises(UsageError, match="docker.io is a registry that everybody shares"):
        of_options(["docker.io"], [ImageSet(1, 1)])
