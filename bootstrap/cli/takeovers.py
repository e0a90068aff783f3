"""Commands for a federation whose creator is lost before it handed over: `takeover request`, `sign`, `submit`.

The first and the last ask a node; `sign` asks none, so that it can be run where the root key is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bootstrap.cli.asking import Result, ask, hand_over, home_of
from bootstrap.cli.certificates import RootOption
from bootstrap.cli.options import HomeOption, JsonOption

Output = Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Where to write it.")]


def request(output: Output = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Write what root keys have to sign. With enough of them the members govern without their creator."""
    from bootstrap.takeovers import request_of, write_request

    drafted = ask(home, "takeover/request")
    path = output or Path("takeover.request")
    write_request(path, request_of(drafted))
    hand_over(
        {**{name: value for name, value in drafted.items() if name != "block"}, "file": str(path)}, as_json, _show
    )


def _show(result: Result) -> None:
    from bootstrap.console import facts, say

    facts({**_what(result), "out of reach": ", ".join(result["out_of_reach"])})
    say("")
    if others := [name for name in result["out_of_reach"] if name != result["creator"]]:
        say(f"{', '.join(others)} may hold a later block of {result['creator']}: start their nodes first, or ask.")
    say(f"{result['needed']} of {len(result['members'])} members sign it: `zenmesh takeover sign {result['file']}`.")


def sign(
    request: Annotated[Path, typer.Argument(metavar="REQUEST", help="The file of `zenmesh takeover request`.")],
    root_key: RootOption = None,
    output: Output = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a takeover with this swarm's root key, offline. That the members govern without their creator."""
    from bootstrap import takeovers
    from bootstrap.backups import root_key as find
    from bootstrap.keyfiles import ROOT, read_key_file

    asked = takeovers.read_request(request)
    root = find(home_of(home), None) if root_key is None else read_key_file(root_key, ROOT)
    signed = takeovers.sign(asked, root)
    name = asked.name_of(signed.swarm)
    path = output or Path(f"takeover-{name}.signed")
    takeovers.write_signature(path, signed)
    result = {
        "federation_id": asked.federation.hex(),
        "federation_name": asked.federation_name,
        "height": asked.block.height,
        "parent": asked.block.parent_hash.hex(),
        "hash": asked.hash.hex(),
        "supporters": sorted(asked.supporters),
        "learners": asked.others,
        "swarm": name,
        "file": str(path),
    }
    hand_over(result, as_json, _show_signed)


def _show_signed(result: Result) -> None:
    from bootstrap.console import facts, say

    facts(_what(result))
    say("")
    say("By this you say that")
    say("- the creator is lost for good, and its home never runs again;")
    say(
        f"- the chain of your own node ends at height {result['height'] - 1}, and a request made there has this hash;"
    )
    say(f"- you sign no other request for height {result['height']}.")
    say(f"If one of these is not so, remove {result['file']}. Else bring it to whoever submits: it is no secret.")


def _what(result: Result) -> dict[str, object]:
    """What the members take over, and who has a vote then."""
    return {
        "file": result["file"],
        "federation": f"{result['federation_name']} {result['federation_id']}",
        "block": f"of height {result['height']}, hash {result['hash']}",
        "these govern": ", ".join(result["supporters"]),
        "these learn": ", ".join(result["learners"]),
    }


def submit(
    signed: Annotated[list[Path], typer.Argument(metavar="SIGNED…", help="The files of `zenmesh takeover sign`.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the members govern without their creator. Once more than two thirds of them have signed."""
    from bootstrap.takeovers import read_signatures

    found = read_signatures(signed)
    rows = [(one.swarm + one.signature).hex() for one in found]
    done = ask(home, "takeover/submit", {"block": found[0].request.raw.hex(), "signatures": rows})
    hand_over(done, as_json, _show_done)


def _show_done(result: Result) -> None:
    from bootstrap.console import say

    say(f"The queens of {', '.join(result['voters'])} govern, from height {result['height']} on.")
