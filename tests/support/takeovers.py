"""A federation of before, and the block by which its members take over from its creator: made by hand.

realm = of_before("beta", "gamma", "delta")
block = supported(realm, "beta", "gamma")
realm.chain.append(block, certificate(realm, block, "beta", "gamma", "delta"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from consensus.blocks import Core, block_hash, make_certificate, sign_core, support
from consensus.takeover import draft, roots
from consensus.validators import ValidatorSet
from tests.support.realm import Realm, queen, root, swarm
from wire.ids import SwarmId
from wire.keys import SigningKey
from wire.types import ContentType

OTHERS = ("beta", "gamma", "delta")


def of_before(*names: str) -> Realm:
    """alpha governs; these have their weight."""
    realm = Realm()
    for name in names:
        realm.order(realm.approve(name))
        realm.order(realm.promote(name))
    return realm


def supports(realm: Realm, *names: str) -> dict[SwarmId, bytes]:
    return {swarm(name): support(realm.federation, swarm(name), 1, queen(name)) for name in names}


def supported(realm: Realm, *names: str) -> bytes:
    """The block by which these take over."""
    return draft(realm.chain, supports(realm, *names))


def signatures(
    realm: Realm,
    block: bytes,
    names: Iterable[str],
    by: Callable[[str], SigningKey] = root,
    content: ContentType = ContentType.TAKEOVER,
) -> Mapping[SwarmId, bytes]:
    core = realm.chain.core(block_hash(block), view=0)
    return {swarm(name): sign_core(core, by(name), content) for name in names}


def certificate(realm: Realm, block: bytes, *names: str, voters: ValidatorSet | None = None) -> bytes:
    voters = voters or roots(realm.chain)
    return voters.certify(realm.chain.core(block_hash(block), view=0), signatures(realm, block, names))


def unweighed(realm: Realm, block: bytes, signed: Mapping[SwarmId, bytes]) -> bytes:
    """A certificate of as many as there are, enough or not."""
    voters = roots(realm.chain)
    places = {voters.position(one): signature for one, signature in signed.items()}
    chosen = sorted(place for place in places if place is not None)
    core = realm.chain.core(block_hash(block), view=0)
    return make_certificate(core, chosen, [places[place] for place in chosen], len(voters))


def core(realm: Realm, block: bytes) -> Core:
    return realm.chain.core(block_hash(block), view=0)
