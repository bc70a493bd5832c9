// @ts-check
// The part of a plugin's page that shows its files: a tree with search, and the details of one.

import {element, replace} from "./dom.js";
import {buildTree, groupByMaker, modeText, searchFiles} from "./file_tree.js";
import {code, limited} from "./plugin_parts.js";
import {_, format, plural, size} from "./text.js";
import {treeView} from "./tree_view.js";
import {badge, definitions, searchBox} from "./widgets.js";

/**
 * @typedef {import("./answers").FileEntry} FileEntry
 * @typedef {import("./answers").Account} Account
 */

/**
 * Show the files of a plugin in a container.
 * @param {HTMLElement} container
 * @param {ReadonlyArray<FileEntry>} files
 */
export function renderFiles(container, files) {
    if (!files.length) {
        replace(container, element("p", null, _("This plugin has no files.")));
        return;
    }
    const root = buildTree(files);
    const total = totalText(root.files, root.bytes);
    const details = element("div", {class: "file-details", role: "region",
        "aria-label": _("Details of the chosen file"), "aria-live": "polite"},
    element("p", {class: "muted"}, _("Choose a file to see its owner, mode and digest.")));
    const choose = (/** @type {string} */ path, /** @type {ReadonlyArray<FileEntry>} */ entries) =>
        replace(details, element("h3", null, path), entries.length ? entries.map(detailsOf)
            : element("p", {class: "muted"}, _("This folder is not of the plugin; it has files of it.")));
    const tree = treeView(root, {
        label: _("Files of the plugin"),
        text: node => node.folder ? totalText(node.files, node.bytes) : entryText(node.entries[0]),
        choose: node => choose(node.path, node.entries),
    });
    const found = element("div", {class: "found", hidden: true});
    const count = element("p", {class: "muted", role: "status"}, total);
    const search = (/** @type {string} */ query) => {
        const matches = searchFiles(files, query);
        const searched = query.trim() !== "";
        tree.hidden = searched;
        found.hidden = !searched;
        replace(count, searched ? plural("$0 file found", "$0 files found", matches.length) : total);
        replace(found, searched ? limited(matches, file => foundFile(file, choose)) : null);
    };
    replace(container,
        searchBox({label: _("Search files"), listener: search}), count,
        element("div", {class: "files"}, element("div", {class: "files-list"}, tree, found),
            details));
}

/**
 * @param {FileEntry} file
 * @param {(path: string, entries: ReadonlyArray<FileEntry>) => void} choose
 */
function foundFile(file, choose) {
    return element("button", {type: "button", class: "button link found-file",
        on: {click: () => choose(file.path, [file])}}, file.path);
}

/**
 * @param {number} files
 * @param {number} bytes
 */
function totalText(files, bytes) {
    return plural("$0 file, $1", "$0 files, $1", files, size(bytes));
}

/**
 * Return what is said of a file in its line.
 * @param {FileEntry | undefined} file
 */
function entryText(file) {
    if (file === undefined)
        return "";
    return [...file.marks ?? [], file.kind === "link" ? `→ ${file.link ?? ""}`
        : size(file.size_bytes ?? 0)].join(", ");
}

/**
 * Return all that is known of a file.
 * @param {FileEntry} file
 */
function detailsOf(file) {
    const known = file.kind !== undefined;
    /** @type {Array<[string, string | string[]]>} */
    const rows = [
        [_("Package"), file.package || (file.package === "" ? _("none") : "")],
        [_("Made by"), file.by ?? ""],
        [_("Change"), changeText(file.change)],
        [_("Kind"), kindText(file.kind)],
        [_("Mode"), known ? `${modeText(file.mode ?? "", file.kind ?? "")} (${file.mode ?? ""})` : ""],
        [_("Owner"), known ? `${file.owner ?? ""}:${file.group ?? ""}` : ""],
        [_("Size"), file.kind === "file" ? size(file.size_bytes ?? 0) : ""],
        [_("Digest"), file.digest ?? ""],
        [_("Link to"), file.link ?? ""],
        [_("Capabilities"), file.capabilities ?? ""],
        [_("Marks"), (file.marks ?? []).map(markText)],
        [_("May change"), (file.unchecked ?? []).join(", ")],
        [_("Extended attributes"), Object.entries(file.xattrs ?? {}).map(
            ([name, value]) => `${name}=${value}`)],
        [_("Since"), sinceText(file.since)],
    ];
    return definitions(rows.map(([name, value]) =>
        Array.isArray(value) ? [name, ...value] : [name, value]));
}

/**
 * @param {string | undefined} kind
 */
function kindText(kind) {
    return kind === "dir" ? _("folder") : kind === "link" ? _("symbolic link")
        : kind === "file" ? _("file") : kind === undefined ? "" : _("other");
}

/**
 * @param {string | undefined} change
 */
function changeText(change) {
    return change === "added" ? _("added") : change === "changed" ? _("changed")
        : change === "removed" ? _("removed") : "";
}

/**
 * Return what a mark of a file means.
 * @param {string} mark
 */
function markText(mark) {
    /** @type {Map<string, string>} */
    const texts = new Map([
        ["config", _("config: a configuration file, which an administrator may change")],
        ["ghost", _("ghost: the package only owns the path; a program makes the file")],
        ["left-out", _("left-out: a setting of the plugin removed the file")],
        ["not-installed", _("not-installed: rpm did not install the file")],
        ["replaced", _("replaced: another package has the file now")],
    ]);
    return texts.get(mark) ?? mark;
}

/**
 * @param {number} since
 */
function sinceText(since) {
    return since ? format(_("operation $0"), since) : _("before the plugin");
}

/**
 * Show what no package owns: what scriptlets and settings changed, and accounts.
 * @param {HTMLElement} container
 * @param {ReadonlyArray<FileEntry>} others
 * @param {ReadonlyArray<Account>} accounts
 */
export function renderOthers(container, others, accounts) {
    const groups = groupByMaker(others);
    replace(container,
        element("p", {class: "note"}, _("Scriptlets are programs in packages that run when these are installed. What they change is found by comparing the system before and after.")),
        groups.length || accounts.length ? null
            : element("p", null, _("Scriptlets and settings left nothing outside the packages.")),
        groups.map(({by, files}) => element("section", {class: "group"},
            element("h3", null, format(_("By $0"), by || _("an unknown maker"))),
            limited(files, changedFile))),
        accounts.length ? element("section", {class: "group"},
            element("h3", null, _("Users and groups")),
            limited(accounts, accountLine)) : null);
}

/**
 * @param {FileEntry} file
 */
function changedFile(file) {
    return element("details", {class: "changed-file"},
                   element("summary", null, code(file.path), " ",
                           badge("neutral", changeText(file.change))),
                   detailsOf(file));
}

/**
 * @param {Account} account
 */
function accountLine(account) {
    const name = account.kind === "group-member"
        ? format(_("$0 (group:user)"), account.name) : account.name;
    const kind = account.kind === "user" ? _("user") : account.kind === "group" ? _("group")
        : _("member of a group");
    return element("span", null, `${kind} `, element("code", null, name),
        account.number === null ? "" : ` ${account.number}`,
        element("span", {class: "muted"}, ` ${format(_("by $0"), account.by)}`));
}
