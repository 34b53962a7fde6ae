from __future__ import annotations

import socket

import pytest

from infra.local import ports
from infra.local.sockets import free_ports
from workloads.errors import EngineError

PROGRAM = """
    import pulumi
    from infra.local.ports import LocalPorts
    config = pulumi.Config()
    ports = LocalPorts("ports", ["a", "b", "c"], {"a": config.get_int("a") or 0})
    pulumi.export("ports", ports.ports)
    pulumi.export("a", ports.of("a"))
"""


def test_ports_are_free_different_and_kept_as_long_as_the_stack_lives(project):
    outputs = project.write(PROGRAM).up().outputs
    assert set(outputs["ports"]) == {"a", "b", "c"}
    assert len(set(outputs["ports"].values())) == 3
    assert outputs["a"] == outputs["ports"]["a"]
    assert project.up().outputs == outputs


def test_a_port_of_the_user_s_choice_is_taken(project):
    (port,) = free_ports(1)
    outputs = project.write(PROGRAM).up(a=port).outputs
    assert outputs["a"] == port
    assert port not in (outputs["ports"]["b"], outputs["ports"]["c"])


def test_a_busy_port_of_the_user_s_choice_is_refused(project):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(EngineError, match=f"Port {port}, which is set for a, is busy on 127.0.0.1"):
            project.write(PROGRAM).up(a=port)
    assert project.up(a=port).outputs["a"] == port


def test_a_free_port_is_never_the_one_that_another_has_fixed(monkeypatch):
    monkeypatch.setattr(ports, "free_ports", lambda count: list(range(21_000, 21_000 + count)))
    made = ports._PortsProvider().create({"names": ["a", "b", "c"], "fixed": {"c": 21_000.0}})
    assert made.outs is not None
    assert made.outs["ports"] == {"a": 21_001, "b": 21_002, "c": 21_000}
