// @ts-check
import assert from "node:assert/strict";
import {test} from "node:test";

import {buildTree, groupByMaker, modeText, searchFiles} from "../file_tree.js";

/**
 * @param {string} path
 * @param {Partial<import("../answers").FileEntry>} [more]
 * @returns {import("../answers").FileEntry}
 */
function file(path, more = {}) {
    return {path, since: 1, package: "a-1-1.noarch", kind: "file", ...more};
}

/**
 * @param {import("../file_tree.js").Node} node
 * @returns {unknown}
 */
function shape(node) {
    return node.children.length ? [node.name, ...node.children.map(shape)] : node.name;
}

test("folders with one folder are one node, and folders precede files", () => {
    const tree = buildTree([file("/usr/share/acme/b"), file("/usr/share/acme/a"),
        file("/usr/share/acme/z/c"), file("/etc/acme.conf")]);
    assert.deepEqual(shape(tree), ["/", ["etc", "acme.conf"],
        ["usr/share/acme", ["z", "c"], "a", "b"]]);
});

test("a folder that is itself of the plugin is a node of its own", () => {
    const tree = buildTree([file("/opt/acme", {kind: "dir"}), file("/opt/acme/lib/a")]);
    assert.deepEqual(shape(tree), ["/", ["opt/acme", ["lib", "a"]]]);
    assert.equal(tree.children[0]?.entries.length, 1);
});

test("an empty folder is a folder, and counts no file", () => {
    const tree = buildTree([file("/var/lib/acme", {kind: "dir"})]);
    assert.equal(tree.children[0]?.children[0]?.folder, true);
    assert.equal(tree.files, 0);
});

test("counts and sizes are those of all that is below", () => {
    const tree = buildTree([file("/a/b", {size_bytes: 3}), file("/a/c", {size_bytes: 4}),
        file("/a", {kind: "dir", size_bytes: 9})]);
    assert.deepEqual([tree.files, tree.bytes], [2, 7]);
    assert.equal(tree.children[0]?.path, "/a");
});

test("a path of several packages is one node with both", () => {
    const tree = buildTree([file("/a", {kind: "dir"}),
        file("/a", {kind: "dir", package: "b-1-1.noarch"})]);
    assert.deepEqual(tree.children[0]?.entries.map(one => one.package),
        ["a-1-1.noarch", "b-1-1.noarch"]);
});

test("a name from the prototype of objects is a name like any other", () => {
    const tree = buildTree([file("/__proto__/constructor"), file("/toString")]);
    assert.deepEqual(shape(tree), ["/", ["__proto__", "constructor"], "toString"]);
});

test("20,000 files in one folder and in one deep path become a tree", () => {
    const flat = Array.from({length: 20_000}, (_, at) => file(`/usr/share/acme/${at}`));
    assert.equal(buildTree(flat).files, 20_000);
    const deep = file(`/${"a/".repeat(2_000)}b`);
    assert.equal(buildTree([deep]).files, 1);
});

test("a search finds files that match all words, sorted by path", () => {
    const files = [file("/usr/b.py"), file("/usr/A.py"), file("/etc/x", {marks: ["config"]}),
        file("/etc/y", {by: "scriptlets", package: ""})];
    /** @param {string} query */
    const found = query => searchFiles(files, query).map(one => one.path);
    assert.deepEqual(found("a.PY"), ["/usr/A.py"]);
    assert.deepEqual(found(" .py  usr"), ["/usr/A.py", "/usr/b.py"]);
    assert.deepEqual(found("config"), ["/etc/x"]);
    assert.deepEqual(found("scriptlets"), ["/etc/y"]);
    assert.deepEqual(found("  "), []);
});

test("files without a package are grouped by what made them, scriptlets first", () => {
    const groups = groupByMaker([file("/a", {by: "service a"}), file("/b", {by: "scriptlets"}),
        file("/c", {by: "packages"}), file("/d", {by: "scriptlets"})]);
    assert.deepEqual(groups.map(group => [group.by, group.files.length]),
        [["scriptlets", 2], ["packages", 1], ["service a", 1]]);
});

test("modes look as in ls -l", () => {
    /** @type {Array<[string, string, string]>} */
    const cases = [["0755", "dir", "drwxr-xr-x"], ["4755", "file", "-rwsr-xr-x"],
        ["2644", "file", "-rw-r-Sr--"], ["1777", "dir", "drwxrwxrwt"],
        ["0777", "link", "lrwxrwxrwx"], ["0000", "other", "?---------"], ["x", "file", "x"]];
    for (const [octal, kind, text] of cases)
        assert.equal(modeText(octal, kind), text);
});
