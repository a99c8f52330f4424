"""Tests cannot leave this machine."""

import socket

import pytest

from tests.fixtures.loopback import OutsideConnection, is_local


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_a_connection_to_another_machine_is_refused(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe, pytest.raises(OutsideConnection, match="may only connect to this machine"):
        probe.connect((address, 80))


@pytest.mark.parametrize(
    "address", [("127.0.0.1", 1), ("127.8.8.8", 1), ("::1", 1, 0, 0), ("localhost", 1), "/run/socket"]
)
def test_this_machine_is_local(address: object) -> None:
    assert is_local(address)
