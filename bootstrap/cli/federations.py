"""Commands about belonging together: `federation create`, `admit`, `genesis`; `invite`, `join`, `discover`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bootstrap.cli.asking import Result, ask, client_of, hand_over, home_of
from bootstrap.cli.options import HomeOption, JsonOption, between
from wire.errors import NotMember, NotRunning, Rejected, UsageError

if TYPE_CHECKING:
    from bootstrap.home import Home
    from mesh.api.client import Client
    from mesh.protocol.commands import Join

_ANSWER_S = 10.0  # how long `join` waits for the federation's word, once a running node asks for it
_POLL_S = 0.1


def create(
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The name of the federation.")],
    admission: Annotated[
        Literal["ticket", "vote", "open"],
        typer.Option("--admission", help="Who gets in: with a ticket, also by your yes, or everyone."),
    ] = "ticket",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Found a federation with this swarm as its first member."""
    from bootstrap.founding import found_federation
    from mesh.runtime import clock

    found = home_of(home)
    genesis = found_federation(found, name, admission, clock.wall_ms())
    result = {
        "home": str(found.path),
        "federation_id": genesis.federation_id.hex(),
        "federation_name": name,
        "admission": admission,
        "genesis": str(found.genesis_file),
    }
    hand_over(result, as_json, _show_create)


def _show_create(result: Result) -> None:
    from bootstrap.console import facts, say

    facts({"federation": result["federation_name"], "id": result["federation_id"], "admission": result["admission"]})
    say("")
    say("Next: `zenmesh run`, and in another terminal `zenmesh invite` for each swarm that you want in it.")


def admit(
    swarm: Annotated[str, typer.Argument(metavar="SWARM", help="The name of the swarm that asks.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say yes to a swarm that asks to be admitted. `status` lists whose admission waits for this queen's vote."""
    hand_over(ask(home, "admit", {"swarm": swarm}), as_json, lambda result: print(_ADMITTED[result["state"]] % swarm))


_ADMITTED = {
    "admitted": "%s is admitted.",
    "approved": "this queen approves; %s is admitted once enough others do: see `zenmesh proposals`",
}


def genesis(
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand out the genesis: what the federation is. For anyone to check; nothing in it is secret."""
    from bootstrap.founding import genesis_of

    found = home_of(home)
    parsed = genesis_of(found)
    if parsed is None:
        raise NotMember(f"{found.path} belongs to no federation: create one, or join one")
    text = found.genesis_file.read_text()
    if out is not None:
        _write_new(out, text)
    result = {
        "federation_id": parsed.federation_id.hex(),
        "federation_name": parsed.name,
        "created_ms": parsed.created_ms,
        "genesis": text,
        "file": None if out is None else str(out),
    }
    hand_over(result, as_json, lambda _: print(text, end="") if out is None else print(f"the genesis is in {out}"))


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already: name another file") from None


def invite(
    expires: Annotated[str, typer.Option("--expires", metavar="DURATION", help="How long it is good for.")] = "24h",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a ticket that admits one swarm. It is one line; send it over a channel that you trust."""
    result = ask(home, "invite", {"expires_s": int(between("--expires", expires, "1s", "366d"))})
    hand_over(result, as_json, lambda result: print(result["ticket"]))
    if not as_json and sys.stdout.isatty():
        print(f"(good for one swarm, for {expires}: `zenmesh join` with this line)", file=sys.stderr)


def join(
    ticket: Annotated[str | None, typer.Argument(metavar="TICKET", help="The line that `invite` printed.")] = None,
    peer: Annotated[str | None, typer.Option("--peer", metavar="MULTIADDR", help="Ask this member.")] = None,
    lan: Annotated[bool, typer.Option("--lan", help="Ask whoever is found on this LAN.")] = False,
    federation: Annotated[
        str | None, typer.Option("--federation", metavar="ID", help="Only this federation (64 hexadecimal digits).")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask to be admitted. At once if the node runs, else when it starts."""
    from bootstrap.founding import check_join, keep_join
    from mesh.runtime import clock

    operation = _operation(ticket, peer, lan, federation)
    check_join(operation, clock.wall_ms())
    found = home_of(home)
    try:
        result = _hand_to_node(found, operation)
    except NotRunning:
        keep_join(found, operation, clock.wall_ms())
        result = {"state": "kept", "reason": "asked for when the node starts"}
    hand_over({"home": str(found.path), **result}, as_json, _show_join)


def _operation(ticket: str | None, peer: str | None, lan: bool, federation: str | None) -> Join:
    """The join that the command line means. Raises UsageError."""
    from bootstrap.multiaddrs import parse_typed
    from mesh.protocol.commands import Join

    if sum([ticket is not None, peer is not None, lan]) != 1:
        raise UsageError("name one way in: a TICKET, or --peer MULTIADDR, or --lan")
    if peer is not None:
        try:
            typed = parse_typed(peer)
        except ValueError as error:
            raise UsageError(f"--peer {peer}: {error}") from None
        if typed.peer is None or not typed.port:
            raise UsageError(
                f"--peer {peer}: a port and /p2p/PEER_ID are missing; take an address from `zenmesh status`"
            )
    if federation is not None and (len(federation) != 64 or not set(federation) <= set("0123456789abcdef")):
        raise UsageError(f"--federation {federation}: a federation id is 64 hexadecimal digits, as `status` shows it")
    return Join(ticket=ticket, peer=peer, lan=lan, federation=federation)


def _hand_to_node(home: Home, operation: Join) -> dict[str, Any]:
    """Give the join to the running node and wait a moment for the federation's word. Raises NotRunning."""
    fields = {"ticket": operation.ticket, "peer": operation.peer, "federation": operation.federation}
    given = {name: text for name, text in fields.items() if text is not None}
    client = client_of(home)
    asked = client.call("join", {**given, "lan": operation.lan})
    return _word(client) or {"state": asked["state"], "reason": asked["reason"]}


def _word(client: Client) -> dict[str, Any] | None:
    """What became of a join. Raises Rejected."""
    last: dict[str, Any] | None = None
    deadline = time.monotonic() + _ANSWER_S
    while time.monotonic() < deadline:
        status = client.call("status")
        if status["role"] != "applicant":
            return {"state": "admitted", "reason": f"a member of {status['federation_name']!r}"}
        last = status["pending_join"]
        if last is not None and last["state"] == "rejected":
            raise Rejected(f"the federation refused: {last['reason']}")
        if last is not None and last["state"] == "pending":
            return last
        time.sleep(_POLL_S)
    return last


def _show_join(result: Result) -> None:
    from bootstrap.console import say

    say(f"{result['state']}: {result['reason']}")
    if result["state"] == "kept":
        say("Next: `zenmesh run`.")


def discover(
    patience: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long to listen.")] = "3s",
    as_json: JsonOption = False,
) -> None:
    """Who is on this LAN: federations, swarms, addresses. Needs no home and no node."""
    import trio

    from bootstrap.lan_discover import discover as look

    found = trio.run(look, between("--for", patience, "100ms", "10m"))
    rows = [
        {
            "peer_id": one.peer,
            "addresses": list(one.addresses),
            "zenmesh": one.zenmesh,
            "federation_id": one.federation or None,
            "federation_name": one.federation_name or None,
            "swarm": one.swarm or None,
            "project": one.project or None,
        }
        for one in found
    ]
    hand_over({"found": rows}, as_json, _show_found)


def _show_found(result: Result) -> None:
    from bootstrap.console import say, table

    if not result["found"]:
        say("nobody answered: no node announces itself on this LAN, or multicast does not get through")
        return
    table(
        ["federation", "swarm", "project", "peer", "addresses"],
        [
            [one["federation_name"], one["swarm"], one["project"], one["peer_id"], " ".join(one["addresses"])]
            for one in result["found"]
        ],
    )
