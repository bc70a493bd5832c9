"""The origin of a plugin: another vendor's plugin of the same name does not replace it."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

import pytest

from ovirt_node_plugin.registry import store
from ovirt_node_plugin.registry.origin import Origin
from ovirt_node_plugin.system.path_sets import IMAGE_REGISTRY, REGISTRY
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, succeeded
from tests.support.keys import SigningKey, make_key
from tests.support.repositories import define_repo, installed, remove_package, web_server
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]


@pytest.fixture(scope="module")
def other_key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    """The key of another vendor."""
    return make_key(tmp_path_factory.mktemp("other") / "key", user="Other <o@example.com>")


def key_id(key: SigningKey) -> str:
    return key.fingerprint[-16:].lower()


def key_text(key: SigningKey) -> str:
    return f"{key.fingerprint.lower()} Node Plugin Fixtures <fixtures@example.com>"


def signed(folder: Path, version: str, key: Optional[SigningKey], *, package: str = "",
           more: Sequence[str] = (), settings: Sequence[str] = ()) -> Path:
    """Return a bundle of the plugin agent; ``more`` are packages without a signature."""
    repo = support.RpmRepo(folder / f"rpms-{version}", "agent", key=key)
    repo.add("agent", package or version, files={"/opt/agent/file": package or version},
             requires=more)
    repo.key = None
    for name in more:
        repo.add(name, "1")
    return support.write_bundle(folder / f"agent-{version}", support.descriptor_xml(
        "agent", version, repos=["agent"], settings=settings), repo=repo, key=key)


def in_repository(root: Path, folder: Path, version: str, repo_id: str,
                  key: Optional[SigningKey] = None, *, packages: bool = True) -> None:
    """Define a repository in ``root`` whose metadata has a descriptor of agent."""
    repo = support.RpmRepo(folder / repo_id, repo_id, key=key)
    if packages:
        repo.add("agent", version, files={"/opt/agent/file": version})
    descriptor = folder / f"{repo_id}.xml"
    descriptor.write_text(support.descriptor_xml("agent", version))
    repo.finish(descriptor=descriptor)
    define_repo(root, repo_id, repo.url, enabled=False)
    if key is not None:
        path = root / f"etc/yum.repos.d/{repo_id}.repo"
        path.write_text(repo.repo_file(enabled=False))


def install(dnf: Dnf, root: Path, *words: object, stdin: str = "") -> Answer:
    yes = () if stdin else ("-y",)
    return dnf.plugin(root, "install", *yes, "--trust-keys", *words, stdin=stdin)


def upgrade(dnf: Dnf, root: Path, *words: object) -> Answer:
    return dnf.plugin(root, "upgrade", "-y", "--trust-keys", *words)


def assert_refused(answer: Answer, root: Path, before: Any, *names: str) -> None:
    assert answer.status == 6, answer.text
    assert "plugins would be replaced by ones of another origin" in answer.text
    assert "--accept-origin=" in answer.text
    for name in names:
        assert name in answer.text
    assert state_differences(before, tree_state(root)) == []


def test_cim_is_not_taken_over_by_a_strangers_repository(
        built: support.Fixtures, tmp_path: Path, node: Path, dnf: Dnf) -> None:
    succeeded(install(dnf, node, built.bundle("cim")))
    repo = support.RpmRepo(tmp_path / "stranger", "stranger")
    repo.add("sblim-sfcb", "99", arch="x86_64")
    repo.add("libvirt-cim", "99", arch="x86_64")
    (tmp_path / "cim.xml").write_text(support.descriptor_xml(
        "cim", "9.0", install=["sblim-sfcb", "libvirt-cim"]))
    repo.finish(descriptor=tmp_path / "cim.xml")
    define_repo(node, "stranger", repo.url, enabled=False)
    before = tree_state(node)
    words = ("--enablerepo=stranger",)
    for answer in (upgrade(dnf, node, *words), upgrade(dnf, node, "cim", *words)):
        assert_refused(answer, node, before, "cim 9.0 is by Test, without checked signatures,"
                       f" from file://{tmp_path}/stranger", "cim 1.0 is by Example Management Inc.,"
                       f" signed by {key_text(built.key)}, from ")
    assert upgrade(dnf, node, *words, "--dry-run").status == 6


TAKEOVERS = ["unsigned", "other key", "one unsigned package", "only a descriptor", "not checked"]


@pytest.fixture(params=TAKEOVERS)
def takeover(request: pytest.FixtureRequest, built: support.Fixtures, other_key: SigningKey,
             tmp_path: Path, node: Path, dnf: Dnf) -> Iterator[Sequence[object]]:
    """The words that install agent 9.0 of another origin, where a signed 1.0 is installed."""
    succeeded(install(dnf, node, signed(tmp_path, "1.0", built.key)))
    folder = tmp_path / "stranger"
    case = request.param
    if case == "other key":
        yield [signed(folder, "9.0", other_key)]
    elif case == "one unsigned package":
        made = signed(folder, "9.0", built.key, more=["extra"])
        yield [made, UNSIGNED]
    elif case == "not checked":
        yield [signed(folder, "9.0", built.key), UNSIGNED]
    else:
        in_repository(node, folder, "9.0", "stranger", packages=case == "unsigned")
        yield ["agent", "--enablerepo=stranger"]


def test_install_asks_about_another_origin_and_y_alone_does_not_accept_it(
        takeover: Sequence[object], built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    before = tree_state(node)
    assert_refused(install(dnf, node, *takeover), node, before, "agent 1.0 is by Test, signed by"
                   f" {key_text(built.key)}, from ", "agent 9.0 is by Test, ")
    assert_refused(install(dnf, node, *takeover, "--accept-origin=other"), node, before)
    for answers in ("n\n", "y\nn\n", "y\n"):
        answer = install(dnf, node, *takeover, stdin=answers)
        assert answer.status == 1, answer.text
        assert "another origin than that of the installed version" in answer.out
        assert ("Accept the new origin of agent?" in answer.out) == (answers != "n\n")
        assert state_differences(before, tree_state(node)) == []
    answer = install(dnf, node, *takeover, "--accept-origin=agent")
    assert answer.status == 0, answer.text
    assert store.read_record(node, "agent").version == "9.0"


def test_yes_to_both_questions_accepts_the_new_origin(
        built: support.Fixtures, other_key: SigningKey, tmp_path: Path, node: Path,
        dnf: Dnf) -> None:
    succeeded(install(dnf, node, signed(tmp_path, "1.0", built.key)))
    new, before = signed(tmp_path / "new", "2.0", other_key), tree_state(node)
    answer = install(dnf, node, new, "--setopt=defaultyes=True", stdin="y\n\n")
    assert answer.status == 1 and "Operation aborted." in answer.text
    assert state_differences(before, tree_state(node)) == []
    succeeded(install(dnf, node, new, stdin="y\ny\n"))
    assert store.read_record(node, "agent").origin == Origin(
        "Test", (key_id(other_key),), str(tmp_path / "new"))
    succeeded(install(dnf, node, signed(tmp_path / "newer", "3.0", other_key)))
    before = tree_state(node)
    assert_refused(install(dnf, node, signed(tmp_path / "old", "4.0", built.key)), node, before)


def test_a_new_place_with_the_same_key_is_the_same_origin(
        built: support.Fixtures, tmp_path: Path, node: Path, dnf: Dnf) -> None:
    succeeded(install(dnf, node, signed(tmp_path / "one", "1.0", built.key)))
    succeeded(install(dnf, node, signed(tmp_path / "two", "2.0", built.key)))
    in_repository(node, tmp_path, "3.0", "vendor", built.key)
    succeeded(upgrade(dnf, node, "--enablerepo=vendor"))
    in_repository(node, tmp_path, "4.0", "mirror", built.key)
    succeeded(upgrade(dnf, node, "agent", "--enablerepo=mirror"))
    record = store.read_record(node, "agent")
    assert record.version == "4.0"
    assert record.origin == Origin("Test", (key_id(built.key),), f"file://{tmp_path}/mirror")
    assert "agent-4.0-1.noarch" in installed(node)


@pytest.mark.parametrize("again", [False, True], ids=["the same file", "signed again"])
def test_a_version_with_other_settings_and_the_same_packages_is_the_same_origin(
        again: bool, built: support.Fixtures, tmp_path: Path, node: Path, dnf: Dnf) -> None:
    first = signed(tmp_path, "1.0", built.key)
    succeeded(install(dnf, node, first))
    made = signed(tmp_path / "two", "2.0", built.key, package="1.0",
                  settings=['<sysctl name="kernel.panic" value="1"/>'])
    if not again:
        for path in (made / "repo").glob("*.rpm"):
            path.write_bytes((first / "repo" / path.name).read_bytes())
        support.make_repo(made / "repo")
    answer = succeeded(install(dnf, node, made))
    assert "no package changes" in answer.text
    record = store.read_record(node, "agent")
    assert (record.version, record.origin.keys) == ("2.0", (key_id(built.key),))


def test_a_signature_that_was_not_checked_is_sufficient_for_a_checked_one_by_its_key(
        built: support.Fixtures, other_key: SigningKey, tmp_path: Path, node: Path,
        dnf: Dnf) -> None:
    succeeded(install(dnf, node, UNSIGNED, signed(tmp_path, "1.0", built.key)))
    assert store.read_record(node, "agent").origin.keys == ()
    before = tree_state(node)
    for number, key, options in ((1, other_key, ()), (2, built.key, (UNSIGNED,)),
                                 (3, other_key, (UNSIGNED,))):
        assert_refused(install(dnf, node, *options, signed(tmp_path / str(number), "2.0", key)),
                       node, before)
    succeeded(install(dnf, node, signed(tmp_path / "new", "3.0", built.key)))
    assert store.read_record(node, "agent").origin.keys == (key_id(built.key),)


def test_an_unsigned_plugin_is_the_same_from_the_same_folder_and_vendor(
        tmp_path: Path, node: Path, dnf: Dnf) -> None:
    succeeded(install(dnf, node, UNSIGNED, make_plugin(tmp_path, "agent", "1.0")))
    succeeded(install(dnf, node, UNSIGNED, make_plugin(tmp_path, "agent", "2.0")))
    before = tree_state(node)
    other = make_plugin(tmp_path / "other", "agent", "3.0")
    assert_refused(install(dnf, node, UNSIGNED, other), node, before,
                   f"without checked signatures, from {tmp_path};", f"from {tmp_path}/other")
    same = make_plugin(tmp_path, "agent", "4.0")
    descriptor = same / "node-plugin.xml"
    descriptor.write_text(descriptor.read_text().replace("<vendor>Test<", "<vendor>Evil<"))
    assert_refused(install(dnf, node, UNSIGNED, same), node, before, "agent 4.0 is by Evil")
    succeeded(install(dnf, node, UNSIGNED, other, "--accept-origin=agent"))


def test_an_unsigned_repository_is_the_same_by_its_url_not_by_its_id(
        tmp_path: Path, node: Path, dnf: Dnf) -> None:
    in_repository(node, tmp_path, "1.0", "vendor")
    succeeded(install(dnf, node, "agent", "--enablerepo=vendor"))
    in_repository(node, tmp_path / "evil", "2.0", "vendor")
    before = tree_state(node)
    assert_refused(upgrade(dnf, node, "--enablerepo=vendor"), node, before,
                   f"from file://{tmp_path}/vendor;", f"from file://{tmp_path}/evil/vendor")
    in_repository(node, tmp_path, "3.0", "vendor")
    succeeded(upgrade(dnf, node, "--enablerepo=vendor"))


def test_a_plugin_in_the_library_is_not_upgraded_by_one_of_another_origin(
        built: support.Fixtures, tmp_path: Path, node: Path, dnf: Dnf) -> None:
    succeeded(install(dnf, node, signed(tmp_path, "1.0", built.key)))
    succeeded(dnf.plugin(node, "add", make_plugin(tmp_path / "evil", "agent", "9.0")))
    before = tree_state(node)
    assert_refused(upgrade(dnf, node, UNSIGNED), node, before, f"from {dnf.own_library}")
    succeeded(dnf.plugin(node, "drop", "agent"))
    succeeded(dnf.plugin(node, "add", signed(tmp_path / "new", "2.0", built.key)))
    succeeded(upgrade(dnf, node))


def test_a_repair_with_packages_of_another_origin_is_refused(
        built: support.Fixtures, tmp_path: Path, node: Path, dnf: Dnf) -> None:
    in_repository(node, tmp_path, "1.0", "vendor", built.key)
    succeeded(install(dnf, node, "agent", "--enablerepo=vendor"))
    repo = support.RpmRepo(tmp_path / "evil", "evil")
    repo.add("agent", "9")
    define_repo(node, "evil", repo.url, enabled=False)
    remove_package(node, "agent")
    before = tree_state(node)
    assert_refused(install(dnf, node, "agent", "--enablerepo=evil"), node, before)
    succeeded(install(dnf, node, "agent", "--enablerepo=vendor"))


def test_a_record_without_an_origin_of_an_older_version_has_that_of_its_packages(
        built: support.Fixtures, tmp_path: Path, node: Path, dnf: Dnf) -> None:
    succeeded(install(dnf, node, signed(tmp_path, "1.0", built.key)))
    path = node / IMAGE_REGISTRY / "agent"
    text = re.sub(r"\s*<origin.*</origin>", "", path.read_text(), flags=re.DOTALL)
    path.write_text(text)
    record = store.read_record(node, "agent")
    assert record.recorded_origin is None
    assert record.origin == Origin("Test", (key_id(built.key),), str(tmp_path))
    in_repository(node, tmp_path / "evil", "9.0", "evil")
    before = tree_state(node)
    assert_refused(upgrade(dnf, node, "--enablerepo=evil"), node, before)
    succeeded(install(dnf, node, signed(tmp_path / "new", "2.0", built.key)))
    assert store.read_record(node, "agent").recorded_origin is not None


def test_an_unsigned_record_of_an_older_version_is_compared_by_its_repository_id(
        tmp_path: Path, node: Path, dnf: Dnf) -> None:
    in_repository(node, tmp_path, "1.0", "vendor")
    succeeded(install(dnf, node, "agent", "--enablerepo=vendor"))
    path = node / IMAGE_REGISTRY / "agent"
    path.write_text(re.sub(r"\s*<origin[^>]*/>", "", path.read_text()))
    assert store.read_record(node, "agent").recorded_origin is None
    in_repository(node, tmp_path, "2.0", "other")
    before = tree_state(node)
    assert_refused(upgrade(dnf, node, "--enablerepo=other"), node, before)
    in_repository(node, tmp_path, "3.0", "vendor")
    succeeded(upgrade(dnf, node, "--enablerepo=vendor"))


def test_the_origin_is_in_every_answer(
        built: support.Fixtures, other_key: SigningKey, tmp_path: Path, node: Path,
        dnf: Dnf) -> None:
    old = {"vendor": "Test", "keys": [key_id(built.key)], "location": str(tmp_path)}
    new = {"vendor": "Test", "keys": [key_id(other_key)], "location": str(tmp_path / "new")}
    first, second = signed(tmp_path, "1.0", built.key), signed(tmp_path / "new", "2.0", other_key)
    (plan,) = succeeded(install(dnf, node, first, "--json")).json["plugins"]
    assert (plan["origin"], plan["old_origin"]) == (old, None)
    (state,) = succeeded(dnf.plugin(node, "list", "--json")).json["plugins"]
    assert state["origin"] == old
    (info,) = succeeded(dnf.plugin(node, "info", "agent", "--json")).json["plugins"]
    assert info["origin"] == old
    assert f"Origin       : Test, signed by {key_id(built.key)}, from" in succeeded(
        dnf.plugin(node, "info", "agent")).out
    (plan,) = succeeded(install(dnf, node, second, "--json", "--dry-run")).json["plugins"]
    assert (plan["origin"], plan["old_origin"]) == (new, old)
    refused = install(dnf, node, second, "--json")
    assert refused.status == 6 and refused.json["error"]["kind"] == "Refused"
    assert "--accept-origin=agent" in refused.json["error"]["hint"]


def test_a_url_in_a_record_has_no_password(tmp_path: Path, node: Path, dnf: Dnf) -> None:
    in_repository(node, tmp_path, "1.0", "vendor")
    path = node / "etc/yum.repos.d/vendor.repo"
    text = path.read_text()
    with web_server(tmp_path) as web:
        path.write_text(text.replace(
            f"file://{tmp_path}", web.url.replace("http://", "http://user:secret@")))
        succeeded(install(dnf, node, "agent", "--enablerepo=vendor"))
        location = store.read_record(node, "agent").origin.location
    assert location == f"{web.url}/vendor"
    for folder in (REGISTRY, IMAGE_REGISTRY):
        assert "secret" not in (node / folder / "agent").read_text()
