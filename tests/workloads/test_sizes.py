"""Nodes are derived, and come to what the published test had."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.sizes import SIZES, SYSTEM_NODES, nodes_needed, pods_per_node


@pytest.mark.parametrize("size", SIZES)
def test_the_published_sizes_need_the_published_nodes(size):
    assert nodes_needed(SIZES[size].replicas, containers=10, max_pods=40) == SIZES[size].nodes


@given(st.integers(1, 200_000), st.integers(1, 100), st.integers(7, 250))
def test_the_pods_fit_on_the_nodes_beside_those_of_the_system(replicas, containers, max_pods):
    nodes = nodes_needed(replicas, containers, max_pods)
    assert nodes is not None
    assert (nodes - SYSTEM_NODES) * pods_per_node(containers, max_pods) >= replicas


@given(st.integers(1, 100_000), st.integers(0, 10_000))
def test_more_pods_never_need_fewer_nodes(replicas, more):
    fewer, many = (nodes_needed(count, 10, 40) for count in (replicas, replicas + more))
    assert fewer is not None and many is not None and fewer <= many


def test_more_containers_need_more_nodes_and_too_many_none_will_do():
    assert pods_per_node(10, 40) == 34
    assert pods_per_node(20, 40) == 17
    assert pods_per_node(1, 110) == 104
    assert nodes_needed(10, 10, 6) is None
