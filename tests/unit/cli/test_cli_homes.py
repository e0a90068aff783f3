"""Commands on homes without a node: what they make, what they refuse, and that nothing secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap.home import Home, read_genesis
from bootstrap.keyfiles import NODE, ROOT, queen, read_key
from consensus.genesis import parse_genesis
from tests.support.commands import Machine, command, conforms, machine
from wire.ids import swarm_id_of


@pytest.fixture
def alpha(tmp_path: Path) -> Machine:
    return machine(tmp_path, "alpha")


# init


def test_init_makes_a_home_with_three_keys(tmp_path: Path) -> None:
    path = tmp_path / "new"
    made = Machine(Home(path)).json("init", "--swarm", "alpha", "--project", "demo", "--profile", "wan")
    home = Home.open(path)
    assert made["home"] == str(home.path)
    assert made["swarm_id"] == swarm_id_of(read_key(home.keys, ROOT).public).hex()
    assert read_key(home.keys, queen(1)).public != read_key(home.keys, NODE).public
    assert home.config().profile == "wan"


def test_init_says_where_the_root_key_lies_and_where_it_belongs(tmp_path: Path) -> None:
    ran = Machine(Home(tmp_path / "new"))("init", "--swarm", "alpha", "--project", "demo")
    assert str(tmp_path / "new" / "keys" / "root.key") in ran.out
    assert "move it offline" in ran.out


def test_init_takes_several_addresses(tmp_path: Path) -> None:
    addresses = ("/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/4001")
    options = [part for address in addresses for part in ("--listen", address)]
    Machine(Home(tmp_path / "new")).json("init", "--swarm", "alpha", "--project", "demo", *options)
    assert Home.open(tmp_path / "new").config().listen == addresses


def test_the_home_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENMESH_HOME", str(tmp_path / "there"))
    assert command("init", "--swarm", "alpha", "--project", "demo").code == 0
    assert Home.open(tmp_path / "there").config().swarm == "alpha"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--swarm", "Alpha", "--project", "demo"), "swarm = 'Alpha': a name has 1 to 64 of a-z 0-9"),
        (("--swarm", "alpha", "--project", "a b"), "project = 'a b': 1 to 64 letters"),
        (("--swarm", "alpha", "--project", "demo", "--profile", "fast"), "init: --profile: 'fast' is not one of"),
        (("--swarm", "alpha", "--project", "demo", "--listen", "4150"), "listen = "),
        (("--swarm", "alpha"), "init needs --project"),
    ],
    ids=["name", "project", "profile", "listen", "missing"],
)
def test_init_refuses_and_writes_nothing(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    ran = Machine(Home(tmp_path / "new"))("init", *arguments)
    assert ran.code == 2
    assert says in ran.err
    assert not (tmp_path / "new").exists()


def test_init_never_touches_a_home_that_is_there(alpha: Machine) -> None:
    before = read_key(alpha.home.keys, ROOT).public
    assert alpha("init", "--swarm", "alpha", "--project", "demo").code == 2
    assert read_key(alpha.home.keys, ROOT).public == before


# federations


@pytest.mark.parametrize("admission", ["ticket", "vote", "open"])
def test_create_founds_a_federation_of_one(alpha: Machine, admission: str) -> None:
    made = alpha.json("federation", "create", "--name", "acme", "--admission", admission)
    genesis = parse_genesis(alpha.home.genesis() or b"")
    assert made["federation_id"] == genesis.federation_id.hex()
    assert (genesis.name, genesis.params.admission) == ("acme", admission)
    assert [member.name for member in genesis.members] == ["alpha"]


def test_a_federation_keeps_the_pace_of_its_creator(tmp_path: Path) -> None:
    alpha = Machine(Home(tmp_path / "alpha"))
    alpha.json("init", "--swarm", "alpha", "--project", "demo", "--profile", "wan")
    alpha.json("federation", "create", "--name", "acme")
    assert parse_genesis(alpha.home.genesis() or b"").params.profile == "wan"


def test_one_home_one_federation(alpha: Machine) -> None:
    alpha.json("federation", "create", "--name", "acme")
    before = alpha.home.genesis()
    ran = alpha("federation", "create", "--name", "other")
    assert ran.code == 6
    assert "'acme' already" in ran.err
    assert alpha.home.genesis() == before


def test_create_gives_up_a_join_that_waits(alpha: Machine) -> None:
    alpha.json("join", "--lan")
    alpha.json("federation", "create", "--name", "acme")
    assert alpha.home.pending_join() is None


def test_create_needs_a_name_and_the_root_key(alpha: Machine) -> None:
    assert "federation = 'Ac me': a name has" in alpha("federation", "create", "--name", "Ac me").err
    (alpha.home.keys / ROOT.file).rename(alpha.home.path.parent / "root.key")
    ran = alpha("federation", "create", "--name", "acme")
    assert ran.code == 2
    assert "root.key is missing: this needs the root key" in ran.err


def test_genesis_is_handed_out_without_a_node(alpha: Machine, tmp_path: Path) -> None:
    made = alpha.json("federation", "create", "--name", "acme")
    text = alpha("federation", "genesis").out
    assert text == alpha.home.genesis_file.read_text()
    out = tmp_path / "acme.genesis"
    shown = alpha.json("federation", "genesis", "--out", str(out))
    assert shown["federation_id"] == made["federation_id"]
    assert read_genesis(out) == alpha.home.genesis()


def test_genesis_overwrites_nothing(alpha: Machine, tmp_path: Path) -> None:
    alpha.json("federation", "create", "--name", "acme")
    out = tmp_path / "precious"
    out.write_text("mine")
    ran = alpha("federation", "genesis", "--out", str(out))
    assert ran.code == 2
    assert out.read_text() == "mine"


def test_without_a_federation_there_is_no_genesis(alpha: Machine) -> None:
    ran = alpha("federation", "genesis")
    assert ran.code == 4
    assert "belongs to no federation" in ran.err


# archives


def test_a_home_goes_into_an_archive_and_comes_back(alpha: Machine, tmp_path: Path) -> None:
    archive = tmp_path / "alpha.tar"
    exported = alpha.json("home", "export", str(archive))
    assert exported["with_root_key"] is False
    restored = Machine(Home(tmp_path / "back"))
    assert restored.json("home", "restore", str(archive))["home"] == str(tmp_path / "back")
    assert restored.home.restored
    assert not (restored.home.keys / ROOT.file).exists()
    assert read_key(restored.home.keys, NODE).public == read_key(alpha.home.keys, NODE).public


def test_the_root_key_is_exported_on_request_only(alpha: Machine, tmp_path: Path) -> None:
    alpha.json("home", "export", str(tmp_path / "alpha.tar"), "--with-root-key")
    Machine(Home(tmp_path / "back")).json("home", "restore", str(tmp_path / "alpha.tar"))
    assert read_key(tmp_path / "back" / "keys", ROOT).public == read_key(alpha.home.keys, ROOT).public


def test_version_is_a_line() -> None:
    assert command("version").out.startswith("zenmesh ")
    shown = command("version", "--json").json
    conforms(shown, "version")
    assert "/zenmesh/mesh/1" in shown["protocols"]


# secrets and absent homes


def test_nothing_shows_a_secret(alpha: Machine, tmp_path: Path) -> None:
    secrets = [read_key(alpha.home.keys, name).seed.hex() for name in (ROOT, NODE, queen(1))]
    said = [
        alpha("federation", "create", "--name", "acme", "--json"),
        alpha("federation", "genesis"),
        alpha("federation", "genesis", "--json"),
        alpha("home", "export", str(tmp_path / "a.tar"), "--json"),
        alpha("recover", "--new-term", "--json"),
    ]
    for ran in said:
        assert ran.code == 0
        assert not any(secret in ran.out + ran.err for secret in secrets)


@pytest.mark.parametrize(
    "arguments",
    [("status",), ("peers",), ("run",), ("federation", "genesis"), ("recover", "--new-term"), ("join", "--lan")],
    ids=" ".join,
)
def test_a_directory_that_is_no_home_is_named(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ran = Machine(Home(tmp_path))(*arguments)
    assert ran.code == 2
    assert "not a zenmesh home" in ran.err
    assert "zenmesh init" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [("status",), ("peers",), ("invite",), ("memory", "get", "k"), ("memory", "ls"), ("federation", "admit", "b")],
    ids=" ".join,
)
def test_a_node_that_does_not_run_is_exit_3(alpha: Machine, arguments: tuple[str, ...]) -> None:
    ran = alpha(*arguments)
    assert ran.code == 3
    assert "start it with `zenmesh run`" in ran.err
