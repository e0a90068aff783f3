"""config.toml: what a person decides about a node. Read once, checked wholly, before anything starts.

`FIELDS` is the whole language: each field's place, check, default, and the comment that `zenmesh init` writes above.
A wrong value, an unknown field and a broken file each name the field (or the line), the value and the rule.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bootstrap.multiaddrs import TypedAddress, parse_typed
from consensus.fields import NAME_RULE, is_name
from consensus.governance.actions import ACTIONS
from consensus.governance.proposals import Choice
from mesh.protocol.config import ProfileName, VotingPolicy
from mesh.protocol.messages import Capabilities
from wire.errors import ConfigError

DEFAULT_PORT = 4150
DEFAULT_LISTEN = (f"/ip4/0.0.0.0/tcp/{DEFAULT_PORT}", f"/ip6/::/tcp/{DEFAULT_PORT}")
MAX_ADDRESSES = 16
MIB = 1024 * 1024
ASK = "ask"  # the operator, or the hook
CHOICES: dict[str, Choice | None] = {**{choice.name.lower(): choice for choice in Choice}, ASK: None}

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LABEL_RULE = "1 to 64 letters, digits and . _ - with a letter or digit first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds that fit the machine: open links, strangers among them, and the journal's size before compaction."""

    max_links: int = 256
    max_strangers: int = 16
    journal_bytes: int = 16 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """The program, with its arguments, that is asked how to vote where the rules say so; none when empty."""

    program: tuple[str, ...] = ()
    timeout_s: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A checked configuration. `metrics` is None or (host, port); `bootstrap` addresses carry their /p2p/ part."""

    swarm: str
    project: str
    profile: ProfileName = ProfileName.LAN
    listen: tuple[str, ...] = DEFAULT_LISTEN
    bootstrap: tuple[str, ...] = ()
    announce: tuple[str, ...] = ()
    mdns: bool = True
    metrics: tuple[str, int] | None = None
    capabilities: Capabilities = field(default_factory=Capabilities)
    limits: Limits = field(default_factory=Limits)
    govern: bool = True
    voting: VotingPolicy = field(default_factory=VotingPolicy)
    hook: Hook = field(default_factory=Hook)


@dataclass(frozen=True, slots=True)
class _Field:
    """`check` returns the value that `Config` holds, or raises ValueError with the rule; `comment` is for people."""

    check: Callable[[Any], Any]
    default: object
    comment: str


def _swarm_name(value: object) -> str:
    if not isinstance(value, str) or not is_name(value):
        raise ValueError(NAME_RULE)
    return value


def _project_name(value: object) -> str:
    if not isinstance(value, str) or not _LABEL.fullmatch(value):
        raise ValueError(_LABEL_RULE)
    return value


def _profile(value: object) -> ProfileName:
    if value not in set(ProfileName):
        raise ValueError("one of " + ", ".join(ProfileName))
    return ProfileName(str(value))


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _number(low: int, high: int, unit: int = 1) -> Callable[[object], int]:
    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value * unit

    return check


def _texts(value: object, most: int, what: str) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value) or len(value) > most:
        raise ValueError(f"a list of at most {most} {what}")
    return list(value)


def _names(value: object) -> tuple[str, ...]:
    names = _texts(value, 64, "names")
    for name in names:
        if not _LABEL.fullmatch(name):
            raise ValueError(f"{name!r}: {_LABEL_RULE}")
    return tuple(names)


def _listen(value: object) -> tuple[str, ...]:
    texts = _texts(value, MAX_ADDRESSES, "multiaddrs")
    if not texts:
        raise ValueError("at least one multiaddr")
    for text in texts:
        address = _typed(text)
        if address.family not in ("ip4", "ip6") or address.peer is not None:
            raise ValueError(f"{text!r}: listen on an IP address and a port, such as {DEFAULT_LISTEN[0]}")
    return tuple(texts)


def _announce(value: object) -> tuple[str, ...]:
    texts = _texts(value, MAX_ADDRESSES, "multiaddrs")
    for text in texts:
        address = _typed(text)
        if not address.port or address.peer is not None:
            raise ValueError(f"{text!r}: announce a host and the port that reaches this node, without /p2p/")
    return tuple(texts)


def _bootstrap(value: object) -> tuple[str, ...]:
    texts = _texts(value, 4 * MAX_ADDRESSES, "multiaddrs")
    for text in texts:
        address = _typed(text)
        if address.family != "dnsaddr" and not (address.port and address.peer):
            raise ValueError(f"{text!r}: a bootstrap address has a port and ends with /p2p/PEER_ID")
    return tuple(texts)


def _typed(text: str) -> TypedAddress:
    try:
        return parse_typed(text)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None


def _choice(value: object) -> Choice | None:
    if not isinstance(value, str) or value not in CHOICES:
        raise ValueError("one of " + ", ".join(CHOICES))
    return CHOICES[value]


def _rules(value: object) -> dict[str, Choice | None]:
    if not isinstance(value, dict):
        raise ValueError('a table of actions and choices, such as { set_priority = "approve", expel = "ask" }')
    for action in value:
        if action not in ACTIONS:
            near = difflib.get_close_matches(action, ACTIONS, n=1)
            hint = f"did you mean {near[0]}?" if near else "there are " + ", ".join(ACTIONS)
            raise ValueError(f"no action is called {action!r}; {hint}")
    try:
        return {action: _choice(choice) for action, choice in value.items()}
    except ValueError as error:
        raise ValueError(f"the choice of each action is {error}") from None


def _program(value: object) -> tuple[str, ...]:
    words = _texts(value, 64, "words: a program and its arguments")
    if (words and not words[0]) or any("\0" in word for word in words):
        raise ValueError("the first word is a program: an absolute path, or a name that the PATH knows")
    return tuple(words)


def _metrics(value: object) -> tuple[str, int] | None:
    if value == "":
        return None
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not (host and colon and port.isascii() and port.isdigit() and int(port) <= 0xFFFF):
        raise ValueError('HOST:PORT such as 127.0.0.1:9150, or "" for none')
    return host.removeprefix("[").removesuffix("]"), int(port)


FIELDS: dict[str, _Field] = {
    "swarm": _Field(_swarm_name, None, "The name of this swarm, unique in its federation."),
    "project": _Field(_project_name, None, "The project that its agents work on."),
    "profile": _Field(_profile, "lan", "Timing: lan (one building), wan (the internet) or spec (slow and frugal)."),
    "listen": _Field(
        _listen, list(DEFAULT_LISTEN), "Where to listen. Port 0 takes any free port, anew at each start."
    ),
    "bootstrap": _Field(_bootstrap, [], "Members to dial at start, with /p2p/PEER_ID at the end."),
    "announce": _Field(_announce, [], "Addresses to tell others instead of those of this machine (NAT, proxies)."),
    "mdns": _Field(_switch, True, "Find others on this LAN, and be found."),
    "metrics": _Field(_metrics, "", 'Serve Prometheus metrics on HOST:PORT too; "" for the control socket only.'),
    "govern": _Field(
        _switch, True, "Ready to govern with the other queens. false holds back the handover of an older federation."
    ),
    "voting.rules": _Field(
        _rules, {}, 'How this queen votes by itself, by action: { set_priority = "approve", expel = "reject" }.'
    ),
    "voting.default": _Field(
        _choice, ASK, "And on every other action: approve, reject, abstain, or ask (the hook, else `zenmesh vote`)."
    ),
    "voting.hook": _Field(
        _program, [], "A program that is asked: the proposal as JSON on its input, its choice as JSON on its output."
    ),
    "voting.hook_timeout_s": _Field(_number(1, 3600), 30, "How long it may take; then it is left to `zenmesh vote`."),
    "capabilities.worker_types": _Field(_names, [], "What this swarm's agents can do."),
    "capabilities.max_workers": _Field(_number(0, 1_000_000), 0, "Agents that it can run at once."),
    "capabilities.memory_mib": _Field(_number(0, 2**30, MIB), 0, "Memory it offers them, in MiB; 0: what is free."),
    "limits.max_links": _Field(_number(8, 4096), 256, "Open connections at most."),
    "limits.max_strangers": _Field(_number(1, 1024), 16, "Of these, connections of nodes that are no members."),
    "limits.journal_mib": _Field(_number(1, 4096, MIB), 16, "Journal size at which the state is written anew."),
}


def load_config(path: Path) -> Config:
    """Read and check the file `path`.

    Raises:
        ConfigError: names the file and line, or the field, its value and the rule.
    """
    remedy = "mend it, or put back a backup"
    try:
        text = path.read_bytes().decode()
        values = tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(str(path), "missing", "put back a backup, or make a new home with `zenmesh init`") from None
    except OSError as error:
        raise ConfigError(str(path), "unreadable", error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        line = 1 + error.object.count(b"\n", 0, error.start)
        raise ConfigError(str(path), f"line {line}", f"not UTF-8 text; {remedy}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), "not TOML", f"{error}; {remedy}") from None
    return check_config(values)


def check_config(values: Mapping[str, object]) -> Config:
    """The configuration that `values` (as parsed from TOML) mean.

    Raises:
        ConfigError: an unknown field, a missing one, or a value that breaks its rule.
    """
    given = _flatten(values)
    for name in given:
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f"did you mean {near[0]}?" if near else "known are " + ", ".join(FIELDS)
            raise ConfigError(name, given[name], f"no such field; {hint}")
    checked = {name: check_field(name, given.get(name, spec.default)) for name, spec in FIELDS.items()}
    capabilities = Capabilities(
        worker_types=checked.pop("capabilities.worker_types"),
        max_workers=checked.pop("capabilities.max_workers"),
        memory_available=checked.pop("capabilities.memory_mib"),
    )
    limits = Limits(
        max_links=checked.pop("limits.max_links"),
        max_strangers=checked.pop("limits.max_strangers"),
        journal_bytes=checked.pop("limits.journal_mib"),
    )
    voting = VotingPolicy(rules=checked.pop("voting.rules"), default=checked.pop("voting.default"))
    hook = Hook(program=checked.pop("voting.hook"), timeout_s=checked.pop("voting.hook_timeout_s"))
    return Config(capabilities=capabilities, limits=limits, voting=voting, hook=hook, **checked)


def check_field(name: str, value: object) -> Any:
    """What `Config` holds for `value`.

    Raises:
        ConfigError: the value breaks the rule of the field `name`.
    """
    try:
        return FIELDS[name].check(value)
    except ValueError as error:
        shown = list(value) if isinstance(value, tuple) else value  # as it would stand in the file
        raise ConfigError(name, shown, str(error)) from None


def override(config: Config, **values: object) -> Config:
    """`config` with top-level fields replaced from the command line; None leaves one alone.

    Raises:
        ConfigError: a value breaks its rule.
    """
    return replace(config, **{name: check_field(name, value) for name, value in values.items() if value is not None})


def render_config(values: Mapping[str, object]) -> str:
    """The text of a config.toml: every field with its comment, and its value from `values` or its default."""
    given = _flatten(values)
    lines, table = [], ""
    for name, spec in FIELDS.items():
        section, _, key = name.rpartition(".")
        if section != table:
            lines += [f"[{section}]", ""]
            table = section
        lines += [f"# {spec.comment}", f"{key} = {_toml(given.get(name, spec.default))}", ""]
    return "\n".join(lines)


def _toml(value: object) -> str:
    """A value as TOML spells it, which is as JSON does but for tables."""
    if isinstance(value, dict) and value:
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)


def _flatten(values: Mapping[str, object]) -> dict[str, object]:
    """Fields of tables by their dotted names."""
    flat: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            flat[name] = value
    return flat
