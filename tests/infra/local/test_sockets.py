from __future__ import annotations

import socket

import pytest

from infra.local.sockets import PORTS, free_ports, is_free
from workloads.errors import ProcessError


def test_a_port_is_busy_while_somebody_listens_on_it():
    (port,) = free_ports(1)
    assert is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
    assert is_free(port)


def test_a_port_with_a_connection_in_its_last_moments_is_free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # the side that closes first keeps the address in TIME_WAIT
        client.close()
    assert is_free(port)


def test_free_ports_are_different_and_below_the_ephemeral_range():
    ports = free_ports(100)
    assert len(set(ports)) == 100
    assert set(ports) <= set(PORTS)
    assert free_ports(0) == []


def test_more_ports_than_there_are_cannot_be_had():
    with pytest.raises(ProcessError, match="no 12001 free ports between 20000 and 32000"):
        free_ports(len(PORTS) + 1)
