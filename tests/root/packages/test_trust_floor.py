"""The level of trust of a site: what is refused below it, and what is recorded."""
from __future__ import annotations

from pathlib import Path
from typing import Iterator, Optional

import pytest

from ovirt_node_plugin.registry import store
from ovirt_node_plugin.registry.trust_level import InstalledTrust
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.dnf_runner import Answer, Dnf
from tests.support.gpg_keys import GpgKeys, gpg_keys
from tests.support.repositories import installed

pytestmark = pytest.mark.root

KINDS = {"good": "rsa2048", "other": "rsa2048", "revoked": "rsa2048", "small": "rsa1024"}


@pytest.fixture(scope="module")
def keys() -> Iterator[GpgKeys]:
    with gpg_keys() as keys:
        for name, algorithm in KINDS.items():
            keys.add(name, algorithm)
        keys.add("expired", "rsa2048", "1d")
        yield keys


class Plugins:
    """Bundles of a plugin ``tool`` whose package is signed in many ways."""

    def __init__(self, folder: Path, keys: GpgKeys) -> None:
        self.folder, self.keys = folder, keys
        repo = support.RpmRepo(folder / "rpms", "tool")
        repo.add("tool", "1.0")
        repo.finish()
        self.repo = repo

    def bundle(self, name: str, signer: str = "", *words: str, key: str = "",
               file: Optional[str] = None) -> Path:
        """Return a bundle signed by ``signer``, with ``key`` in it, or that of the signer."""
        settings = [f'<udev-rules name="60-{file}" source="files/{file}"/>'] if file else []
        path = support.write_bundle(
            self.folder / name, support.descriptor_xml("tool", repos=["tool"], settings=settings),
            repo=self.repo)
        if file:
            (path / "files").mkdir()
            (path / "files" / file).write_text("# none\n")
        if signer:
            self.keys.sign_rpms(signer, list((path / "repo").glob("*.rpm")), *words)
            run(["createrepo_c", "--quiet", path / "repo"])
        if key or signer:
            (path / "keys").mkdir(exist_ok=True)
            (path / "keys/key").write_bytes(self.keys.export(key or signer))
        return path


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory, keys: GpgKeys) -> Plugins:
    return Plugins(tmp_path_factory.mktemp("plugins"), keys)


@pytest.fixture(scope="module")
def bundles(plugins: Plugins) -> Path:
    """The folder of bundles that are not changed."""
    for name in ("good", "expired", "revoked", "small"):
        plugins.bundle(name, name)
    plugins.bundle("sha1", "good", "--digest-algo", "SHA1")
    plugins.bundle("wrong", "other", key="good")
    plugins.bundle("unsigned")
    plugins.keys.revoke("revoked")
    (plugins.folder / "revoked/keys/key").write_bytes(plugins.keys.export("revoked"))
    altered = plugins.bundle("altered", "good")
    (rpm,) = (altered / "repo").glob("*.rpm")
    data = bytearray(rpm.read_bytes())
    data[-20] ^= 0xFF
    rpm.write_bytes(data)
    run(["createrepo_c", "--quiet", altered / "repo"])
    return plugins.folder


def bind(dnf: Dnf, folder: Path, vendor: str, *fingerprints: str) -> str:
    """Bind keys to a vendor; return the option of node-plugin.conf."""
    folder.mkdir(exist_ok=True)
    lines = [f"[{vendor}]", *(f"fingerprint = {name}" for name in fingerprints)]
    (folder / "site.conf").write_text("\n".join(lines) + "\n")
    return str(folder)


def test_bad_signatures_are_refused_by_package_and_key(
        bundles: Path, keys: GpgKeys, node: Path, dnf: Dnf) -> None:
    """With gpgcheck only, rpm decides, which accepts some of them."""
    dnf.configure(trust="signed")
    before = installed(node)
    for name, signer, reason in (
            ("expired", "expired", "its key has expired"),
            ("revoked", "revoked", "its key was revoked"),
            ("small", "small", "by a key of RSA, 1024 bits"),
            ("sha1", "good", "by SHA-1"),
            ("altered", "good", "the payload is not the one"),
            ("wrong", "other", "the known keys do not contain its key"),
            ("unsigned", "", "it is not signed")):
        answer = dnf.plugin(node, "install", bundles / name, "-y", "--trust-keys", "--json")
        error = answer.json["error"]
        assert answer.status == 6, (name, answer.text)
        assert "plugin tool does not reach the level of trust of this site, signed" in error[
            "message"], name
        assert "tool-1.0-1.noarch" in error["message"] and reason in error["message"], name
        if signer:
            assert keys.fingerprint(signer).lower() in error["message"], name
        assert installed(node) == before


def test_a_signed_plugin_is_installed_and_its_trust_told(
        bundles: Path, keys: GpgKeys, node: Path, dnf: Dnf) -> None:
    dnf.configure(trust="signed")
    words = ("install", bundles / "good", "-y")
    assert dnf.plugin(node, *words).status == 6  # nobody trusts the key
    answer = dnf.plugin(node, *words, f"--trust-key={keys.fingerprint('good')}")
    assert answer.status == 0, answer.text
    assert "level of trust: signed" in answer.out
    trust = {"level": "signed", "floor": "signed", "nogpgcheck": False, "signed_by": ""}
    assert store.read_record(node, "tool").installed_trust == InstalledTrust("signed", "signed")
    listed = dnf.plugin(node, "list", "--json").json["plugins"]
    assert [plugin["installed_trust"] for plugin in listed] == [trust]
    assert "signed, packages signed" in dnf.plugin(node, "info", "tool").out


def test_the_command_line_can_only_raise_the_level(bundles: Path, node: Path, dnf: Dnf) -> None:
    def refusal(*words: str) -> Answer:
        answer = dnf.plugin(node, "install", bundles / "unsigned", "-y", *words)
        assert answer.status == 6, answer.text
        return answer

    assert "level of trust of this site, signed" in refusal("--trust=signed").err
    dnf.configure(trust="signed")
    assert "--trust=any is below the level of trust of this site, signed" in refusal(
        "--trust=any").err
    assert "--nogpgcheck is not allowed at the level of trust signed" in refusal(
        "--nogpgcheck").err
    assert "gpgcheck is off for bundle:tool" in refusal("--setopt=bundle:tool.gpgcheck=0").err
    assert "none is configured" in refusal("--trust=catalog").err
    assert dnf.plugin(node, "install", bundles / "unsigned", "-y", "--trust=much").status == 2
    dnf.configure(trust="much")
    answer = dnf.plugin(node, "list")
    assert answer.status != 0 and "trust = 'much'" in answer.text


def test_nogpgcheck_is_recorded(bundles: Path, node: Path, dnf: Dnf) -> None:
    answer = dnf.plugin(node, "install", bundles / "unsigned", "-y", "--nogpgcheck")
    assert answer.status == 0, answer.text
    assert "signatures of packages are not checked: --nogpgcheck" in answer.out
    assert store.read_record(node, "tool").installed_trust == InstalledTrust(nogpgcheck=True)
    assert "installed with --nogpgcheck" in dnf.plugin(node, "info", "tool").out
    dnf.configure(trust="vendor")
    (check,) = dnf.plugin(node, "verify", "--json").json["plugins"]
    assert "installed at the level of trust any, which is below that of this site, vendor" in (
        check["notes"][0])


def test_the_level_vendor_needs_a_key_that_the_site_has_bound(
        bundles: Path, keys: GpgKeys, node: Path, tmp_path: Path, dnf: Dnf) -> None:
    good, other = keys.fingerprint("good"), keys.fingerprint("other")
    words = ("install", bundles / "good", "-y")
    dnf.configure(trust="vendor", vendors=bind(dnf, tmp_path / "vendors.d", "Test ", other))
    refused = dnf.plugin(node, *words, f"--trust-key={good}")
    assert refused.status == 6, refused.text
    assert "which is not bound to the vendor Test" in refused.err
    bind(dnf, tmp_path / "vendors.d", "Tes", good)
    refused = dnf.plugin(node, *words, f"--trust-key={good}")
    assert "the site has bound no key to the vendor Test" in refused.err
    assert f"[Test] / fingerprint = {good.lower()}" in " ".join(refused.err.split())
    bind(dnf, tmp_path / "vendors.d", "Test", good)
    answer = dnf.plugin(node, *words)  # the binding is the yes of the site
    assert answer.status == 0, answer.text
    assert store.read_record(node, "tool").installed_trust.level == "vendor"


def test_a_signed_index_vouches_for_what_is_in_the_metadata(
        plugins: Plugins, keys: GpgKeys, node: Path, dnf: Dnf) -> None:
    folder = plugins.bundle("index", "good", file="tool.rules")
    metadata = folder / "repo/repodata"
    signature, rules = metadata / "repomd.xml.asc", folder / "files/tool.rules"
    run(["tar", "-cf", plugins.folder / "files.tar", "-C", folder, "files"])
    for path, kind in ((folder / "node-plugin.xml", "node-plugin"),
                       (plugins.folder / "files.tar", "node-plugin-files")):
        run(["modifyrepo_c", f"--mdtype={kind}", path, metadata])
    index = (metadata / "repomd.xml").read_bytes()

    def answer() -> Answer:
        return dnf.plugin(node, "install", folder, "-y", "--trust=signed",
                          f"--trust-key={keys.fingerprint('good')}")

    signature.write_bytes(keys.sign("good", data=b"x"))
    refused = answer()
    assert refused.status == 6, refused.text
    assert "signature repo/repodata/repomd.xml.asc of" in " ".join(refused.err.split())
    assert "it was made for another content" in " ".join(refused.err.split())
    signature.write_bytes(keys.sign("good", data=index))
    rules.write_text("# others\n")
    refused = answer()
    assert refused.status == 6 and "are not signed" in " ".join(refused.err.split())
    rules.write_text("# none\n")
    repo = node / "etc/yum.repos.d/tool.repo"
    for check, status in ((0, 6), (1, 0)):
        repo.write_text(f"[tool]\nname=tool\nbaseurl=file://{folder}/repo\ngpgcheck=1\n"
                        f"repo_gpgcheck={check}\ngpgkey=file://{folder}/keys/key\n")
        offered = dnf.plugin(node, "install", "tool", "--enablerepo=tool", "-y", "--trust=signed",
                             f"--trust-key={keys.fingerprint('good')}", "--dry-run", "--json")
        assert offered.status == status, offered.text
    assert offered.json["plugins"][0]["trust"]["signed_by"] == keys.fingerprint("good").lower()
    repo.unlink()
    done = answer()
    assert done.status == 0, done.text
    assert store.read_record(node, "tool").installed_trust.signed_by == (
        keys.fingerprint("good").lower())


def test_packages_of_others_say_nothing_about_a_plugin(
        built: support.Fixtures, node: Path, tmp_path: Path, dnf: Dnf) -> None:
    (node / "etc/yum.repos.d/agent.repo").write_text(support.repo_file(
        "agent", f"file://{built.repo('agent', '1.0')}", key=built.key))
    stranger = support.write_bundle(tmp_path / "tool", support.descriptor_xml(
        "tool", install=["acme-agent"], settings=['<sysctl name="vm.swappiness" value="1"/>']))
    answer = dnf.plugin(node, "install", stranger, "--enablerepo=agent", "-y", "--trust=signed")
    assert answer.status == 6, answer.text
    assert "no package is from its own repository" in " ".join(answer.err.split())


def test_files_of_a_bundle_need_a_signed_archive(
        plugins: Plugins, keys: GpgKeys, node: Path, tmp_path: Path, dnf: Dnf) -> None:
    folder = plugins.bundle("files", "good", file="tool.rules")
    archive = tmp_path / "tool.tar.gz"
    run(["tar", "-czf", archive, "-C", folder, "."])
    signature = archive.with_name(archive.name + ".asc")
    trust = f"--trust-key={keys.fingerprint('good')}"

    def answer(*words: str) -> Answer:
        return dnf.plugin(node, "install", archive, "-y", trust, *words)

    refused = answer("--trust=signed")
    assert refused.status == 6
    assert "files of the bundle (files/tool.rules) are not signed" in refused.err
    signature.write_bytes(keys.sign("other", data=archive.read_bytes()))
    refused = answer("--trust=signed")
    assert refused.status == 6 and "are not signed" in refused.err
    assert f"The signature {signature} of plugin tool is not verified" in answer("--dry-run").out
    signature.write_bytes(keys.sign("good", data=b"another archive"))
    for words in ([], ["--trust=signed"]):
        refused = answer(*words)
        assert refused.status == 6, refused.text
        assert f"the signature {signature} is not accepted: it was made for another" in (
            " ".join(refused.err.split()))
    signature.write_bytes(keys.sign("good", data=archive.read_bytes()))
    done = answer("--trust=signed")
    assert done.status == 0, done.text
    good = keys.fingerprint("good").lower()
    assert f"archive signed by {good}" in done.out
    assert store.read_record(node, "tool").installed_trust == InstalledTrust(
        "signed", "signed", signed_by=good)
