"""What others heard this queen say, and her own disk may have forgotten.

A disk that was taken back to an older copy of itself, by a hypervisor for instance, looks whole: nothing on it says
that votes are missing, and its queen would vote a second time. So whoever meets her shows her first what she has
said of heights that are not decided yet (HEARD). Each statement is under her own seal: nobody can make one up, and
one that she does not know of is proof enough. What is decided, or of an earlier epoch, binds nobody any more.
"""

from __future__ import annotations

from consensus.bft.messages import CONTENT, MAX_HEADER, ViewChangeHeader, open_core
from consensus.bft.safety import SafetyRules
from consensus.chain import Chain
from wire import cbor, cose, keys
from wire.errors import ProtocolViolation
from wire.types import ContentType

_PHASES = {content.value: phase for phase, content in CONTENT.items()}


def remembered(raw: bytes, rules: SafetyRules, chain: Chain, verify: keys.Verify) -> bool:
    """Whether `rules` know of the vote or change of view `raw`, or it binds nobody any more. What is sealed by
    another key than theirs, that of an earlier term for instance, is none of their business.

    Raises:
        RemoteError: malformed, forged, or neither a vote nor a change of view.
    """
    envelope = cose.parse(raw, MAX_HEADER)
    cose.check(envelope, chain.federation_id, verify)
    if envelope.content_type == ContentType.VIEW_CHANGE:
        change = cbor.decode_as(envelope.payload, ViewChangeHeader)
        bound = change.epoch >= chain.epoch
        known = change.epoch == chain.epoch and change.new_view <= rules.view
    elif envelope.content_type in _PHASES:
        core = open_core(envelope.payload, chain.federation_id)
        phase = _PHASES[envelope.content_type]
        bound = core.epoch >= chain.epoch and core.height > chain.height
        known = core.epoch == chain.epoch and rules.voted(phase, core.view, core.height) == core.block_hash
    else:
        raise ProtocolViolation("HEARD shows a statement that is neither a vote nor a change of view")
    return known or not bound or envelope.kid != rules.public
