"""What files of packages say about settings."""
from __future__ import annotations

import pytest

from ovirt_node_plugin.authoring.new import file_contents

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("unit", "text", "problem"), [
    ("a.service", "[Service]\nExecStart=/x\n", None),
    ("a.service", "[Install]\nWantedBy=x.target\n", ""),
    ("a.service", "# [Install]\n[Unit]\nDescription=a\\\n[Install]\n", None),
    ("a@.service", "[Install]\nWantedBy=x.target\n", "It is a template"),
    ("a@.service", "[Install]\nDefaultInstance=b\n", ""),
    ("a.service", "[Install]\nAlso=a.socket\n", ""),
    ("a.service", "[Install]\nAlso=a.socket b.socket\n", "By Also= it enables b.socket too"),
])
def test_a_unit_says_whether_it_can_be_enabled(unit: str, text: str, problem: str) -> None:
    found = file_contents.install_problem(unit, text.encode(), ["a.service", "a.socket"])
    assert found == problem if not problem else found is not None and found.startswith(problem)


def test_accounts_of_sysusers_become_users_and_groups() -> None:
    text = b'u a 500:b "The A" /var/lib/a /bin/sh\ng b 501\nm a kvm\nr - 500-900\nu c /x %d\nu "d\n'
    assert list(file_contents.accounts(text)) == [
        ("user", {"name": "a", "uid": "500", "gecos": "The A", "home": "/var/lib/a",
                  "shell": "/bin/sh", "group": "b"}),
        ("group", {"name": "b", "gid": "501"}), ("user", {"name": "c"}), ("user", {"name": '"d'})]


def test_long_lines_take_no_time() -> None:
    for text in (b"[" * 1_000_000, b'u "' + b"a " * 500_000, b"a\\\n" * 300_000):
        assert list(file_contents.accounts(text)) == []
        assert file_contents.sections(text) == {}


def test_parameters_modules_and_drivers_are_read() -> None:
    assert list(file_contents.parameters(b"; x\n-net.a.b =  1\t2 \nc\n")) == [("net.a.b", "1 2")]
    assert list(file_contents.module_names(b"# x\na\n\n b \n")) == ["a", "b"]
    assert list(file_contents.module_options(
        b"options kvm_intel nested=1  ept=0\nblacklist a\noptions b\nalias x y\n")) == [
            {"name": "kvm_intel", "options": "nested=1 ept=0"}, {"name": "a", "blacklist": "yes"}]
    assert list(file_contents.dracut_drivers(
        b'add_drivers+=" a b "\nforce_drivers+=\'c\'\nadd_dracutmodules+=" d "\nx="no"\n')) == [
            ("initramfs-driver", "a"), ("initramfs-driver", "b"), ("initramfs-driver", "c"),
            ("dracut-module", "d")]


def test_the_ports_of_a_socket_are_those_of_addresses_that_others_reach() -> None:
    text = (b"[Socket]\nListenStream=5999\nListenStream=5999\nListenStream=127.0.0.1:1\n"
            b"ListenStream=/run/x\nListenDatagram=[::]:514\nListenStream=[::1]:2\nListenStream=0.0.0.0:80\n")
    assert list(file_contents.listened_ports(text)) == [
        ("5999", "tcp"), ("80", "tcp"), ("514", "udp")]
    assert list(file_contents.listened_ports(b"[Service]\nListenStream=1\n")) == []
