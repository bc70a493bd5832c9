// @ts-check
// The part of a plugin's page that shows what differs from the install.

import {element, replace} from "./dom.js";
import {groupFindings} from "./drift_groups.js";
import {limited} from "./plugin_parts.js";
import {_, format, plural, sentence} from "./text.js";
import {table} from "./widgets.js";

/**
 * @typedef {import("./drift_groups.js").Item} Item
 * @typedef {import("./drift_groups.js").DriftGroup} DriftGroup
 * @typedef {import("./answers").Check} Check
 */

/**
 * Show what a check found.
 * @param {HTMLElement} container
 * @param {{check: Check | null, checking: boolean, problem: string, admin: boolean | null}} found
 *     `check` is null if there is none yet; `problem` is why there is none.
 */
export function renderDrift(container, {check, checking, problem, admin}) {
    if (check === null) {
        replace(container, problem
            ? element("p", null, format(_("The plugin could not be compared: $0"), problem))
            : element("p", {role: "status"}, checking
                ? _("Comparing the plugin with its record…") : _("Not compared yet.")));
        return;
    }
    const {problems, notes} = groupFindings(check.findings);
    replace(container,
        admin === false ? element("p", {class: "note"}, _("Without administrative access, contents of files are not compared: only their kinds, sizes, owners and modes.")) : null,
        problems.length || notes.length ? null : asInstalled(),
        problems.map(group => problemGroup(group)),
        notes.length ? element("section", {class: "group"},
            element("h3", null, plural("$0 change that is no damage", "$0 changes that are no damage",
                notes.length)),
            element("p", {class: "note"}, _("The packages mark these files as configuration or as made by programs, so an administrator or a program may change them. A repair leaves them as they are.")),
            limited(notes, itemOf)) : null);
}

function asInstalled() {
    return element("div", {class: "empty"},
        element("p", {class: "empty-title"}, _("As installed")),
        element("p", null, _("Packages, files and settings are as the record says.")));
}

/**
 * @param {DriftGroup} group
 */
function problemGroup(group) {
    return element("section", {class: "group"},
        element("h3", null, format(_("$0 ($1)"), groupTitle(group.id), group.items.length)),
        limited(group.items, itemOf));
}

/**
 * @param {string} id
 */
function groupTitle(id) {
    /** @type {Map<string, string>} */
    const titles = new Map([
        ["record", _("Record of the plugin")],
        ["stale", _("Files that are not those of the image")],
        ["package", _("Packages")],
        ["setting", _("Settings")],
        ["file", _("Files of packages")],
        ["scriptlet", _("Files that scriptlets made or changed")],
    ]);
    return titles.get(id) ?? id;
}

/**
 * Return what is known of one object: what was and what is, or else the words of the command.
 * @param {Item} item
 */
function itemOf(item) {
    const title = item.path || item.package;
    const words = item.texts.map(text => element("p", {class: "finding-text"}, sentence(text)));
    return element("div", {class: "finding"},
        title ? element("p", {class: "finding-title"}, element("code", null, title),
            item.path && item.package
                ? element("span", {class: "muted"}, ` ${item.package}`) : null) : null,
        words,
        item.differences.length ? table({
            caption: format(_("What differs: $0"), title || (item.texts[0] ?? "")),
            class: "compact",
            columns: [{label: _("What"), class: "nowrap"}, {label: _("At the install")}, {label: _("Now")}],
            rows: item.differences.map(({what, was, is}) =>
                [whatText(what), value(was, "was"), value(is, "is")]),
        }) : null);
}

/**
 * @param {string} text
 * @param {"was" | "is"} name
 */
function value(text, name) {
    return text ? element("code", {class: name}, text)
        : element("span", {class: "muted"}, _("nothing"));
}

/**
 * Return the word for what differs; what is not known is its own word.
 * @param {string} what
 */
function whatText(what) {
    /** @type {Map<string, string>} */
    const words = new Map([
        ["mode", _("mode")],
        ["owner", _("owner")],
        ["group", _("group")],
        ["size", _("size")],
        ["digest", _("content")],
        ["link", _("link")],
        ["capabilities", _("capabilities")],
        ["kind", _("kind")],
        ["state", _("state")],
        ["present", _("present")],
    ]);
    return words.get(what) ?? what;
}
