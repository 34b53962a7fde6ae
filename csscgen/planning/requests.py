"""How often Ratify is asked, and what it asks the registry for: counted from the sources of Ratify 1.4.6.

With N signatures an image costs, the first time that a replica verifies it: a HEAD of the image for the verification
and one for each signature, one list of referrers, N manifests and N blobs. The manifests and blobs stay on the
replica's disk, whatever is set. With the caches on the HEADs are remembered too, and for as long as a result is kept
nothing is asked at all. Where the registry wants a login each operation is three requests: one that is answered 401,
one for a token, and the request itself. With workload identity and the caches off, every operation, be it answered from
disk, exchanges a token of Entra ID for one of ACR's as well (pkg/referrerstore/oras/oras.go, createDefaultRepository).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from operator import add

from csscgen.artifacts.negatives import attachments
from csscgen.planning.abilities import Abilities, abilities
from csscgen.planning.data import model
from infra.settings import Settings
from workloads.naming import ImageSet
from workloads.registries import Category

PROBES = 1
"""Images that arming asks about before the load, where there is mutation: Ratify knows them when it comes."""
CREDENTIAL_SECONDS = 3_300
"""How long Ratify keeps ACR's refresh token, where it caches: an hour at most, five minutes less."""


@dataclass(frozen=True)
class Requests:
    """Requests to one registry by what they are charged to. A list of referrers is charged to ``read`` as well."""

    read: int = 0
    list_referrers: int = 0
    oauth: int = 0
    write: int = 0
    delete: int = 0
    read_challenges: int = 0
    """Of those that would be reads: answered 401. Whether ACR charges them is not documented."""
    list_challenges: int = 0
    """The same of lists of referrers."""

    def __add__(self, other: Requests) -> Requests:
        return Requests(*map(add, self._counts, other._counts))

    def times(self, count: int) -> Requests:
        return Requests(*(count * each for each in self._counts))

    @property
    def total(self) -> int:
        return sum(self._counts)

    @property
    def _counts(self) -> tuple[int, ...]:
        return (
            *(self.read, self.list_referrers, self.oauth, self.write, self.delete),
            *(self.read_challenges, self.list_challenges),
        )

    def charged(self, category: Category, *, challenges: bool = False) -> int:
        """What a category's buckets are charged."""
        if category == "read":
            refused = self.read_challenges + self.list_challenges if challenges else 0
            return self.read + self.list_referrers + refused
        if category == "list_referrers":
            return self.list_referrers + (self.list_challenges if challenges else 0)
        return int(getattr(self, category))


@dataclass(frozen=True)
class Login:
    """How Ratify logs in to the registry."""

    asked: bool
    """Whether the registry wants a login."""
    exchanged: bool = False
    """Whether each set of credentials comes from an exchange at the registry, as with workload identity."""


@dataclass(frozen=True)
class Verifications:
    """How often images are looked at during a run."""

    admissions: int
    """Objects with images that Gatekeeper reviews: pods, workloads, updates of Jobs' pods."""
    at_registry: int
    """Images that Ratify asks the registry about, each time counted."""
    downloads: int
    """Of these, images whose signatures a replica has not on its disk yet."""
    resolved_tags: int
    """Tags that mutation makes digests of."""


def login(shared: Settings) -> Login:
    """How Ratify logs in to the registry of a shared stack."""
    return Login(asked=abilities(shared).login, exchanged=shared.registry_kind == "acr")


def verifications(settings: Settings, seconds: float) -> Verifications:
    """How often a run of so many seconds looks at images."""
    plan = settings.plan
    resolved = plan.shards * plan.containers if settings.gatekeeper.mutation else 0
    if not settings.gatekeeper.externalData:
        return Verifications(0, 0, 0, 0)
    total = at_registry = downloads = 0
    holders = _holders(settings)
    waves = _waves(settings, seconds)
    by_set: dict[ImageSet, int] = {}
    for shard in range(plan.shards):
        reviews = _reviews(settings, shard)
        total += reviews
        by_set[plan.images(shard)] = by_set.get(plan.images(shard), 0) + reviews
    for images, reviews in by_set.items():
        asked = min(reviews, holders * waves) if settings.ratify.cache else reviews
        at_registry += asked * images.containers
        downloads += min(asked, settings.ratify.replicas) * images.containers
    known = PROBES if settings.gatekeeper.mutation else 0
    downloads = max(0, downloads - known)
    if settings.ratify.cache:
        at_registry = max(0, at_registry - known)
    return Verifications(total, at_registry, downloads, resolved)


def of_run(settings: Settings, shared: Settings, seconds: float) -> Requests:
    """What Ratify asks the registry for in a run of so many seconds, if nothing is asked twice for want of an answer.

    Counted for genuine images: of the negative ones only those without attachments cost less. What else is attached to
    an image costs nothing but longer lists.
    """
    found = verifications(settings, seconds)
    how = login(shared)
    can = abilities(shared)
    count = settings.scenario.signatures
    heads = _heads(settings, found, count)
    fallback = 0 if can.referrers_api else found.at_registry
    reads = heads + found.downloads * 2 * count + found.resolved_tags
    lists = found.at_registry
    plain = Requests(read=reads + fallback, list_referrers=round(lists * _pages(settings, can)))
    if not how.asked:
        return plain
    # Further pages, and the list in a tag's place, are of the same operation, whose token is there.
    asked = Requests(oauth=reads + lists, read_challenges=reads, list_challenges=lists)
    return plain + asked + Requests(oauth=_exchanges(settings, found, count, seconds) if how.exchanged else 0)


def _heads(settings: Settings, found: Verifications, count: int) -> int:
    """HEADs of images by verifications."""
    if not settings.ratify.cache:
        return found.at_registry * (count + 1)
    if not settings.gatekeeper.mutation:
        return found.at_registry  # what is known is known by digest, and is asked for by tag
    images = sum(each.containers for each in settings.plan.image_sets)
    return max(0, min(found.at_registry, _caches(settings) * images) - images)  # whoever made the digest knows it


def _exchanges(settings: Settings, found: Verifications, count: int, seconds: float) -> int:
    """Exchanges of a token of Entra ID for one of the registry's."""
    if settings.ratify.cache:
        return _caches(settings) * ceil(max(seconds, 1) / CREDENTIAL_SECONDS)
    return found.at_registry * (3 * count + 2) + found.resolved_tags


def _reviews(settings: Settings, shard: int) -> int:
    """Objects of one workload that the constraint matches, each time that they come to admission."""
    plan = settings.plan
    own = {"deployment": 2, "job": 1}[plan.kind] if settings.policy.match == "workloads" else 0
    if plan.must_be_denied(shard) and own:
        return 1  # the workload itself is refused, and has no pods
    updates = round(plan.pods(shard) * model().job_updates) if plan.kind == "job" else 0
    return own + plan.pods(shard) + updates


def _caches(settings: Settings) -> int:
    """Caches of results: each replica has one, but with Dapr they share it."""
    return 1 if settings.ratify.mode == "ha" else settings.ratify.replicas


def _holders(settings: Settings) -> int:
    """How many caches are filled side by side: no more than there are of Ratify's, or who asks them."""
    askers = gatekeepers(settings) if settings.response_cache_seconds else _caches(settings)
    return min(askers, _caches(settings))


def _waves(settings: Settings, seconds: float) -> int:
    """How often an image's result has come to its end in a run and is asked for anew."""
    kept = max(settings.response_cache_seconds, settings.ratify.cacheTtlSeconds)
    return max(1, ceil(seconds / kept))


def gatekeepers(settings: Settings) -> int:
    """Processes of Gatekeeper that answer webhooks."""
    return 1 if settings.platform == "local" else settings.gatekeeper.replicas


def _pages(settings: Settings, can: Abilities) -> float:
    """Requests that a list of an image's referrers takes, on average: what Ratify has no verifier for is listed too."""
    if not can.referrers_api:
        return 1.0
    images = replace(settings.plan.images(0), variant=None)
    listed = (sum(attachments(images, tag).values()) for tag in images.tags)
    return sum(max(1, ceil(count / can.referrers_page)) for count in listed) / images.containers
