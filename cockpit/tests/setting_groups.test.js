// @ts-check
import assert from "node:assert/strict";
import {test} from "node:test";

import {
    GROUPS, argumentHolds, booleanPath, commandLineTokens, groupSettings, isUnitName,
    kernelArgument, loadedModules, parseUnits, rowOf, sysctlPath, unitsOf,
} from "../setting_groups.js";

/**
 * @param {string} kind
 * @param {string} key
 * @param {string} [value]
 */
function setting(kind, key, value = "x") {
    return {kind, key, value, before: "absent", outcome: ""};
}

test("every setting is in exactly one group, also one of a kind that is not known", () => {
    const settings = [...GROUPS.flatMap(([, kinds]) => kinds.map(kind => setting(kind, "a"))),
        setting("new-kind", "b"), setting("services", "c"), setting("__proto__", "d")];
    const rows = groupSettings(settings).flatMap(group => group.rows.map(row => row.setting));
    assert.equal(rows.length, settings.length);
    assert.deepEqual(new Set(rows), new Set(settings));
});

test("unknown kinds are groups of their own after the known ones", () => {
    const groups = groupSettings([setting("zeta", "1"), setting("services", "2"),
        setting("service", "a.service")]);
    assert.deepEqual(groups.map(group => [group.id, group.known]),
        [["services", true], ["services", false], ["zeta", false]]);
});

test("rows are sorted by place, kind and subject", () => {
    const keys = groupSettings([setting("vdsm-hook", "b/10_x"), setting("vdsm-hook", "a/60_y"),
        setting("vdsm-hook", "a/50_z")])[0]?.rows.map(row => row.setting.key);
    assert.deepEqual(keys, ["a/50_z", "a/60_y", "b/10_x"]);
});

test("keys are taken apart as the kinds write them", () => {
    /** @type {Array<[string, string, string, string, string]>} */
    const cases = [
        ["firewall-port", "public:80/tcp", "80/tcp", "public", ""],
        ["firewall-service", "public:http", "http", "public", ""],
        ["group-member", "qemu:agent", "agent", "qemu", ""],
        ["vdsm-hook", "before_vm_start/60_a", "60_a", "before_vm_start", ""],
        ["unit-drop-in", "vdsmd.service/a.conf", "a.conf", "vdsmd.service", ""],
        ["kernel-module", "isv_foo:options", "isv_foo", "", "options"],
        ["selinux-file-context", "/opt(/.*)?#regular", "/opt(/.*)?", "", "regular"],
        ["selinux-file-context", "/opt(/.*)?", "/opt(/.*)?", "", ""],
        ["sysctl", "net.core.a", "net.core.a", "", ""],
        ["firewall-port", "no-colon", "no-colon", "", ""],
        ["kernel-module", "no-colon", "no-colon", "", ""],
    ];
    for (const [kind, key, subject, place, aspect] of cases) {
        const row = rowOf(setting(kind, key));
        assert.deepEqual([row.subject, row.place, row.aspect], [subject, place, aspect]);
    }
});

test("only names of units are given to systemctl", () => {
    const names = ["a.service", "a@b.timer", "--host=evil.service", "-a.service", "*.service",
        "a b.service", "a@.service", "a.service\n", "a", "", `${"a".repeat(300)}.service`];
    assert.deepEqual(names.filter(isUnitName), ["a.service", "a@b.timer"]);
    assert.deepEqual(unitsOf([setting("service", "b.service"), setting("service", "b.service"),
        setting("unit-drop-in", "a.service/x.conf"), setting("service", "--version.service"),
        setting("sysctl", "c.service")]), ["a.service", "b.service"]);
});

test("a name of a kernel parameter never leads out of /proc/sys", () => {
    assert.equal(sysctlPath("net.ipv4.ip_forward"), "/proc/sys/net/ipv4/ip_forward");
    assert.equal(sysctlPath("net.ipv4.conf.eth0/1.forwarding"),
        "/proc/sys/net/ipv4/conf/eth0.1/forwarding");
    for (const name of ["", "kernel", "a.//.b", "a././b", "a..b", "a.b c", "a.\0", "a.b\n", "a.*"])
        assert.equal(sysctlPath(name), "");
});

test("a name of a boolean never leads out of its folder", () => {
    assert.equal(booleanPath("virt_use_nfs"), "/sys/fs/selinux/booleans/virt_use_nfs");
    assert.equal(booleanPath("../a"), "");
});

test("a kernel argument holds if the running kernel has it, or lacks one that is removed", () => {
    const tokens = commandLineTokens('BOOT_IMAGE=/vmlinuz  quiet a-b=1 "c=d e" f="g h"\n');
    assert.deepEqual(tokens, ["BOOT_IMAGE=/vmlinuz", "quiet", "a-b=1", "c=d e", "f=g h"]);
    for (const value of ["quiet", "a_b=1", "+a-b=1", "c=d e", 'f="g h"', "-nothing", "-a-b=2"])
        assert.equal(argumentHolds(value, tokens), true, value);
    for (const value of ["a-b", "a-b=2", "-quiet", "-a_b", "-a_b=1", "+x=1"])
        assert.equal(argumentHolds(value, tokens), false, value);
    assert.deepEqual(kernelArgument("-x=1"), {how: "drop", token: "x=1"});
});

test("modules are the first words of /proc/modules", () => {
    assert.deepEqual([...loadedModules("kvm 1 0 - Live 0x0\nkvm_intel 2 1 kvm\n")],
        ["kvm", "kvm_intel"]);
});

test("units are read from the blocks of systemctl show, by all their names", () => {
    const units = parseUnits("Names=a.service alias.service\nLoadState=loaded\nActiveState=active\nSubState=running"
        + "\nUnitFileState=enabled\nDescription=A = B\n\nNames=b.service\nLoadState=not-found\n");
    assert.deepEqual(units.get("a.service"), {load: "loaded", active: "active",
        sub: "running", file: "enabled", description: "A = B"});
    assert.equal(units.get("alias.service"), units.get("a.service"));
    assert.equal(units.get("b.service")?.load, "not-found");
    assert.equal(units.size, 3);
});
