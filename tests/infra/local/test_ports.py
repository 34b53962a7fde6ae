from __future__ import annotations

import multiprocessing
import socket
from pathlib import Path

import pytest

from infra.local import sockets
from infra.local.sockets import free_ports, owner, release, release_lost, reservations, reserve
from workloads.errors import EngineError, ProcessError

PROGRAM = """
    import pulumi
    from pathlib import Path
    from infra.local.files import LocalFolder
    from infra.local.ports import LocalPorts
    config = pulumi.Config()
    folder = LocalFolder("folder", Path(config.require("folder")))
    ports = LocalPorts("ports", ["a", "b", "c"], {"a": config.get_int("a") or 0}, folder.path)
    pulumi.export("ports", ports.ports)
    pulumi.export("a", ports.of("a"))
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Reservations of these tests alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "csscgen" / "ports"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "files")


def stack(tmp_path: Path, name: str) -> Path:
    made = tmp_path / name
    made.mkdir()
    return made


def test_ports_are_free_different_and_kept_as_long_as_the_stack_lives(project, folder):
    outputs = project.write(PROGRAM).up(folder=folder).outputs
    assert set(outputs["ports"]) == {"a", "b", "c"}
    assert len(set(outputs["ports"].values())) == 3
    assert outputs["a"] == outputs["ports"]["a"]
    assert project.up(folder=folder).outputs == outputs


def test_ports_are_reserved_for_the_stack_until_it_is_destroyed(project, folder, cache):
    outputs = project.write(PROGRAM).up(folder=folder).outputs
    assert reservations() == {port: Path(folder) for port in outputs["ports"].values()}
    project.destroy()
    assert reservations() == {}
    assert list(cache.iterdir()) == []


def test_a_port_of_the_user_s_choice_is_taken(project, folder):
    (port,) = free_ports(1)
    outputs = project.write(PROGRAM).up(folder=folder, a=port).outputs
    assert outputs["a"] == port
    assert port not in (outputs["ports"]["b"], outputs["ports"]["c"])


def test_a_busy_port_of_the_user_s_choice_is_refused(project, folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(EngineError, match=f"Port {port}, which is set for a, is busy on 127.0.0.1"):
            project.write(PROGRAM).up(folder=folder, a=port)
        assert reservations() == {}
    assert project.up(folder=folder, a=port).outputs["a"] == port


def test_a_free_port_is_never_one_that_is_fixed_or_another_stacks(tmp_path, monkeypatch):
    one, two = stack(tmp_path, "one"), stack(tmp_path, "two")
    monkeypatch.setattr(sockets, "PORTS", range(21_000, 21_005))
    monkeypatch.setattr(sockets, "is_free", lambda port: True)
    first = reserve(one, ["a", "b"], {})
    second = reserve(two, ["a", "b"], {})
    assert len({*first.values(), *second.values()}) == 4
    with pytest.raises(ProcessError, match="There are no 2 free ports"):
        reserve(stack(tmp_path, "three"), ["a", "b"], {})
    release(one)
    assert reserve(tmp_path / "three", ["c"], {"c": first["a"]}) == {"c": first["a"]}


def test_another_stacks_port_is_refused_with_its_folder(tmp_path):
    one = stack(tmp_path, "one")
    port = reserve(one, ["a"], {})["a"]
    assert owner(port) == one
    with pytest.raises(ProcessError, match=f"Port {port}, which is set for b, is reserved for the stack in {one}"):
        reserve(stack(tmp_path, "two"), ["b"], {"b": port})


def test_a_reservation_of_a_stack_that_is_gone_blocks_nobody(tmp_path):
    gone, there = stack(tmp_path, "gone"), stack(tmp_path, "there")
    port = reserve(gone, ["a"], {})["a"]
    gone.rmdir()
    assert owner(port) is None
    assert reserve(there, ["a"], {"a": port}) == {"a": port}
    other = reserve(stack(tmp_path, "other"), ["a"], {})["a"]
    (tmp_path / "other").rmdir()
    assert release_lost() == [other]
    assert set(reservations()) == {port}


def _reserve(folder: str) -> list[int]:
    return list(reserve(Path(folder), [str(number) for number in range(20)], {}).values())


def test_stacks_that_come_up_at_the_same_moment_never_choose_the_same_port(tmp_path):
    folders = [str(stack(tmp_path, f"stack-{number}")) for number in range(8)]
    with multiprocessing.get_context("fork").Pool(8) as pool:
        chosen = pool.map(_reserve, folders)
    ports = [port for each in chosen for port in each]
    assert len(set(ports)) == len(ports) == 160
    assert set(reservations()) == set(ports)
