"""Which texts are addresses: the same in each version of Python."""
import pytest

from ovirt_node_plugin.plugin.addresses import is_address

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("text", [
    "10.0.0.1", "0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::7", "00::0001",
    "::ffff:192.0.2.1", "1:2:3:4:5:6:7:8"])
def test_addresses(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize("text", [
    "", "1", "1.2.3", "256.0.0.1", "1.2.3.4.5", "010.0.0.1", "10.0.0.01", "10.00.0.1",
    "::ffff:010.0.0.1", "0x7f.0.0.1", "2130706433", "fe80::1%eth0", "::1%", "::1::", "[::1]",
    "10.0.0.1/24", " 10.0.0.1", "10.0.0.1 ", "10.0.0.1\n", "10.0.0.1\0", "\u0661.2.3.4",
    "\uff11.2.3.4", "\udc80", "localhost"])
def test_other_texts(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("number", ["0", "1", "8", "10", "99"])
@pytest.mark.parametrize("zeros", ["0", "00"])
def test_no_number_begins_with_zero(place: int, number: str, zeros: str) -> None:
    numbers = ["192", "0", "2", "7"]
    numbers[place] = zeros + number
    assert not is_address(".".join(numbers))
    assert not is_address("::ffff:" + ".".join(numbers))
