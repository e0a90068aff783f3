"""What can be read off a node and its machine: gauges for metrics, memory for its capabilities."""

from __future__ import annotations

from mesh.protocol.node import Node
from mesh.protocol.reach import QuorumState, reach
from mesh.runtime import clock

FREE_MEMORY = "MemAvailable:"


def gauges_of(node: Node) -> dict[str, int | float]:
    """What goes up and down in a member's node."""
    context = node.context
    now = clock.now()
    seen = reach(context, now)
    health = node.operations.health.counts(now)
    return {
        "node_links": len(context.links),
        "node_members": len(context.chain.members()),
        **{f"node_members_{word.name.lower()}": count for word, count in health.items()},
        "node_height": context.chain.height,
        "node_epoch": context.chain.epoch,
        "node_quorate": int(seen.state is QuorumState.QUORATE),
        "node_weight_in_reach": seen.weight,
        "node_view": node.deciding.replica.view,
        "node_open_proposals": len(context.chain.standing.open),
        "node_decisions_remembered": len(context.chain.standing.outcomes),
    }


def free_memory() -> int:
    """Bytes that the kernel says are available; 0 where it does not say."""
    try:
        with open("/proc/meminfo") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(FREE_MEMORY))
    except (OSError, StopIteration, ValueError):
        return 0
