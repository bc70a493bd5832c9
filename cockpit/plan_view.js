// @ts-check
/**
 * Shows a plan as the terminal does: everything, and what a user has to decide first of its kind.
 *
 * @typedef {import("./answers").PlanAnswer} PlanAnswer
 * @typedef {import("./answers").PluginAction} PluginAction
 * @typedef {import("./answers").Signature} Signature
 * @typedef {import("./dom.js").Child} Child
 */

import {element} from "./dom.js";
import {changesOrigin, grouped, keyOption, keyState, missingKeys, needsTrust, netBytes, originOption,
        originText, pluginTitle, reviews, reviewTitle, settingsInOrder,
        unsignedPackages} from "./plan_data.js";
import {limited} from "./plugin_parts.js";
import {_, format, number, plural, sentence, size} from "./text.js";
import {alert, badge, definitions, details, lines, newId, table} from "./widgets.js";

const MANY = 1000; // the entries of a list that are shown at once: packages can have 100,000 files

/**
 * `accepted` has the options that the user has chosen; `choose` is called after each choice.
 *
 * @typedef {{accepted: Set<string>, choose: () => void}} Choices
 */

/**
 * Return the elements for a plan. Without `choices`, nothing can be chosen.
 *
 * @param {PlanAnswer} plan
 * @param {Choices | null} choices
 * @returns {Child[]}
 */
export function planView(plan, choices) {
    return [
        plan.unrepaired?.length ? unrepaired(plan.unrepaired) : null,
        plan.plugins.map(plugin => pluginCard(plugin, plan, choices)),
        plan.signatures.length ? card(_("Signatures"), missing(plan), unsigned(plan), plan.signatures.map(
            signature => key(signature, choices))) : null,
        plan.noteworthy.length ? card(_("Review before the change"), reviewed(plan)) : null,
        plan.disputed_files.length ? card(_("Files outside the allowed paths"), disputed(plan)) : null,
        plan.packages.length ? card(_("Packages"), packages(plan), space(plan)) : null,
        plan.notes.length ? card(_("Notes"), list(plan.notes)) : null,
        plan.table ? details(_("The transaction as dnf prints it"),
                             element("pre", {class: "output", tabindex: "0"}, plan.table)) : null,
    ];
}

/**
 * @param {string} title
 * @param {...Child} children
 */
export function card(title, ...children) {
    const id = newId();
    return element("section", {class: "card card-body", "aria-labelledby": id},
                   element("h2", {id}, title), children);
}

/**
 * Return a list of all texts; of very many, which a browser could hardly show, a part at a time.
 *
 * @param {string[]} texts
 */
export function list(texts) {
    return listOf(texts, lines);
}

/**
 * @template T
 * @param {T[]} items
 * @param {(item: T) => Child} show
 */
function listOf(items, show) {
    return items.length > MANY
        ? limited(items, item => element("div", null, show(item)), MANY)
        : element("ul", {class: "list"}, items.map(item => element("li", null, show(item))));
}

/**
 * Return a box for each plugin that is not repaired, or not completely.
 *
 * @param {{name: string, version: string, reasons: string[]}[]} plugins
 */
export function unrepaired(plugins) {
    return plugins.map(plugin => alert(
        "warning", format(_("Not repaired: $0"), `${plugin.name} ${plugin.version}`.trim()),
        list(plugin.reasons.map(sentence))));
}

/**
 * @param {PluginAction} plugin
 * @param {PlanAnswer} plan
 * @param {Choices | null} choices
 */
function pluginCard(plugin, plan, choices) {
    const kept = plugin.action === "keep";
    return card(
        pluginTitle(plugin),
        plugin.summary && element("p", {class: "summary"}, plugin.summary),
        definitions([
            [_("Vendor"), plugin.vendor],
            [_("Source"), plugin.source],
            [_("Files"), plugin.files.map(({folder, files}) => element(
                "div", null, plural("$0 file in $1", "$0 files in $1", files, folder)))],
        ]),
        changesOrigin(plugin) ? origin(plugin, choices) : null,
        part(_("What this repairs"), plugin.repairs),
        part(_("Parameters"), plugin.parameters.map(({text}) => text)),
        settings(settingsInOrder(plugin)),
        !kept && !plugin.settings.length ? element("p", null, _("No setting changes.")) : null,
        !kept && plan.operation !== "remove" && !plan.packages.length
            ? element("p", null, _("No package changes.")) : null,
        part(_("What happens on the running system"), plugin.now),
        part(_("Shared with other plugins"), plugin.shares.map(share => format(
            _("$0 $1: also of $2"), share.kind, share.name, share.plugins.join(", ")))),
        part(_("Notes"), plugin.notes),
        plugin.next_step ? element("p", null, format(_("To repair it: $0"), plugin.next_step)) : null);
}

/**
 * @param {string} title
 * @param {string[]} texts
 */
function part(title, texts) {
    return texts.length ? element("div", {class: "part"}, element("h3", null, title), list(texts)) : null;
}

/**
 * Return the settings, those of files of configuration with the whole text of the file.
 *
 * @param {import("./answers").PlannedSetting[]} planned
 */
function settings(planned) {
    return planned.length ? element(
        "div", {class: "part"}, element("h3", null, _("Settings")), listOf(planned, setting => [
            lines(setting.text),
            setting.content ? element("pre", {
                class: "output", tabindex: "0", "aria-label": format(_("Content of $0"), setting.key),
            }, setting.content.replaceAll("\t", " ".repeat(8))) : null,
        ])) : null;
}

/**
 * @param {PluginAction} plugin
 * @param {Choices | null} choices
 */
function origin(plugin, choices) {
    const before = plugin.old_origin;
    const after = plugin.origin;
    return alert(
        "danger", _("This version is of another origin than the installed one."),
        element("p", null, format(_("$0 $1 is by $2;"), plugin.name, plugin.old_version,
                                  before ? originText(before, plugin.known_keys) : "")),
        element("p", null, format(_("$0 $1 is by $2."), plugin.name, plugin.version,
                                  after ? originText(after, plugin.known_keys) : "")),
        choices && choice(originOption(plugin),
                          format(_("I know that the vendor of $0 is the same"), plugin.name), choices));
}

/**
 * Return a checkbox for an option of the command.
 *
 * @param {string} option
 * @param {Child} text
 * @param {Choices} choices
 */
function choice(option, text, {accepted, choose}) {
    const box = element("input", {
        type: "checkbox",
        on: {
            change: () => {
                if (box.checked)
                    accepted.add(option);
                else
                    accepted.delete(option);
                choose();
            },
        },
    });
    box.checked = accepted.has(option);
    return element("label", {class: "choice"}, box, element("span", null, text));
}

/** @param {PlanAnswer} plan */
function missing(plan) {
    const keys = missingKeys(plan);
    return keys.length ? alert("danger", format(
        _("Neither the system nor a repository has the key $0: its packages are refused."),
        keys.join(", "))) : null;
}

/** @param {PlanAnswer} plan */
function unsigned(plan) {
    const names = unsignedPackages(plan);
    return names.length ? alert(
        "danger", plural("$0 package is not signed, so it is refused.",
                         "$0 packages are not signed, so they are refused.", names.length),
        element("p", null, format(
            _("Ask the vendor for signed packages. Only in a terminal, $0 changes plugins without this check."),
            "--nogpgcheck"))) : null;
}

/**
 * @param {Signature} signature
 * @param {Choices | null} choices
 */
function key(signature, choices) {
    const state = keyState(signature);
    const shown = {
        known: () => badge("success", _("Known key")),
        offered: () => badge("warning", _("Key that the system does not have")),
        missing: () => badge("danger", _("Unknown key")),
        unsigned: () => badge("danger", _("Not signed")),
    }[state]();
    return element(
        "div", {class: "part"},
        element("p", null, shown, " ", !signature.checked && signature.key
            ? badge("warning", _("Signature not checked")) : null),
        signature.key ? definitions([
            [_("Owner"), signature.owner || signature.offered_owner],
            [_("Fingerprint"), element("code", {class: "fingerprint"},
                                       grouped(signature.fingerprint) || signature.key)],
        ]) : element("p", null, _("Nobody can tell who made these packages.")),
        state === "offered" ? element("p", {class: "hint"}, _("The key names this owner itself. Nobody has confirmed it: compare the whole fingerprint with that on the vendor's web site.")) : null,
        list(signature.packages),
        choices && needsTrust(signature) ? choice(
            keyOption(signature), [_("Trust the key with this fingerprint: "),
                                   element("code", null, grouped(signature.fingerprint))], choices) : null);
}

/** @param {PlanAnswer} plan */
function reviewed(plan) {
    const groups = reviews(plan).map(({kind, danger, items}) => element(
        "div", {class: "part"},
        element("h3", null, badge(danger ? "danger" : "warning", kind), " ", reviewTitle(kind)),
        list(items.map(item => [item.path, item.detail && `(${item.detail})`, "–", item.package]
                .filter(Boolean).join(" ")))));
    const scripts = plan.noteworthy.some(item => item.kind === "scriptlets");
    return [...groups, scripts
        ? element("p", {class: "hint"}, _("Changes made by scriptlets are reported after the change."))
        : null];
}

/** @param {PlanAnswer} plan */
function disputed(plan) {
    return disputedTable(plan.disputed_files);
}

/** @param {import("./answers").DisputedFile[]} files */
export function disputedTable(files) {
    if (files.length > MANY)
        return list(files.map(file => `${file.path}: ${file.reason} (${file.package})`));
    return table({
        caption: _("Files outside the allowed paths"),
        columns: [{label: _("Path")}, {label: _("Reason")}, {label: _("Package")}, {label: _("Plugin")}],
        rows: files.map(file => [file.path, file.reason, file.package, file.plugin]),
    });
}

/** @param {PlanAnswer} plan */
function packages(plan) {
    const words = {
        install: _("Install"),
        upgrade: _("Upgrade"),
        downgrade: _("Downgrade"),
        remove: _("Remove"),
    };
    const arrives = plan.packages.some(each => each.action !== "remove");
    const columns = [{label: _("Package")}, {label: _("Change")}, {label: _("Size"), class: "nowrap"},
                     {label: _("Files")}, {label: _("Signer")}, {label: _("Repository")},
                     {label: _("Download"), class: "nowrap"}];
    return table({
        caption: _("Packages"),
        columns: arrives ? columns : columns.slice(0, 5),
        rows: plan.packages.map(each => [
            [each.nevra, each.checksum ? element("div", {class: "summary mono"}, each.checksum) : null],
            words[each.action],
            size(each.size_bytes),
            number(each.files),
            each.signer ? element("code", null, each.signer) : "–",
            ...(arrives ? [each.repo, size(each.download_bytes)] : []),
        ]),
    });
}

/** @param {PlanAnswer} plan */
function space(plan) {
    if (!plan.space)
        return null;
    const net = netBytes(plan.space);
    const free = plan.space.free_bytes;
    const template = free === null
        ? net < 0 ? _("Disk space in $0: $1 freed.") : _("Disk space in $0: $1 needed.")
        : net < 0 ? _("Disk space in $0: $1 freed, $2 free.") : _("Disk space in $0: $1 needed, $2 free.");
    return element("p", null, format(template, plan.target.root, size(Math.abs(net)), size(free ?? 0)));
}
