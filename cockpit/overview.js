// @ts-check
/** The installed plugins of the host, what is broken, and what can be upgraded. */

import {element, replace} from "./dom.js";
import {countsText, health, matches, trustBadge} from "./overview_data.js";
import {problemAlert} from "./problems.js";
import {refresh, state, subscribe} from "./state.js";
import {_, format, plural, time} from "./text.js";
import {
    badge, button, details, emptyState, lines, link, row, searchBox, spinner, table,
} from "./widgets.js";

/** @typedef {import("./answers").PluginState} PluginState */

// How many problems of a plugin are shown at once.
const FIRST = 3;

const columns = () => [
    {label: _("Name")},
    {label: _("Version")},
    {label: _("Vendor")},
    {label: _("Trust")},
    {label: _("State")},
    {label: _("Installed on"), class: "nowrap"},
];

/**
 * @param {HTMLElement} container
 * @returns {() => void}
 */
export function render(container) {
    let words = "";
    const counts = element("p", {class: "counts", role: "status"});
    const broken = element("section", {class: "broken", "aria-labelledby": "broken-heading"});
    const body = element("div", {class: "card"});
    const check = button(_("Check again"), refresh);
    const search = searchBox({
        label: _("Search plugins"),
        listener: wanted => {
            words = wanted.trim();
            filter();
        },
    });
    const toolbar = element("div", {class: "toolbar"}, search, counts, check);
    replace(container, element("h1", null, _("Installed plugins")), toolbar, broken, body);
    const rows = new Rows();

    const filter = () => {
        const shown = rows.filter(words);
        const plugins = state.list?.plugins ?? [];
        replace(counts, state.list ? countsText({
            shown,
            all: plugins.length,
            broken: plugins.filter(plugin => isBroken(plugin)).length,
            upgrades: plugins.filter(plugin => state.upgrades.has(plugin.name)).length,
        }) : "");
        none.hidden = shown > 0;
    };
    const none = element("p", {class: "none", hidden: true}, _("No plugin matches the search."));
    const listing = table({caption: _("Installed plugins"), columns: columns(), rows: []});

    /** @type {unknown[]} */
    let drawn = [];
    const isNew = () => {
        const now = [state.list, state.checks, state.upgrades];
        const differs = now.some((value, index) => value !== drawn[index]);
        drawn = now;
        return differs;
    };
    const draw = () => {
        check.disabled = state.busy;
        check.setAttribute("aria-busy", String(state.busy));
        replace(check, state.checking ? _("Checking…") : _("Check again"));
        toolbar.hidden = !state.list?.plugins.length;
        if (!state.list)
            replace(body, state.problem ? null : spinner(_("Reading the plugins…")));
        else if (!state.list.plugins.length)
            replace(body, emptyState(
                _("No plugin is installed."),
                element("p", null, link(["available"], _("Show available plugins")))));
        else {
            if (isNew())
                rows.update(listing.tBodies[0], state.list.plugins);
            if (!body.contains(listing))
                replace(body, listing, none);
        }
        drawBroken(broken);
        filter();
    };
    const stop = subscribe(draw);
    draw();
    return stop;
}

/** The rows of the table; one that stays the same is not made again and keeps the focus. */
class Rows {
    /** @type {Map<string, {plugin: PluginState, drawn: string, shown: HTMLTableRowElement}>} */
    #rows = new Map();

    /**
     * @param {HTMLTableSectionElement} body
     * @param {PluginState[]} plugins
     */
    update(body, plugins) {
        const before = this.#rows;
        this.#rows = new Map();
        const labels = columns();
        let changed = before.size !== plugins.length;
        for (const plugin of plugins) {
            const drawn = JSON.stringify([plugin, health(plugin, checkOf(plugin)),
                                          state.upgrades.get(plugin.name)]);
            const old = before.get(plugin.name);
            const same = old?.drawn === drawn;
            changed ||= !same;
            this.#rows.set(plugin.name, {
                plugin,
                drawn,
                shown: old && same ? old.shown : row(labels, cells(plugin)),
            });
        }
        if (changed) {
            const focused = document.activeElement?.getAttribute("href");
            body.replaceChildren(...[...this.#rows.values()].map(({shown}) => shown));
            if (focused && document.activeElement === document.body)
                focusLink(body, focused);
        }
    }

    /**
     * Show the rows that match, and return how many there are.
     *
     * @param {string} words
     */
    filter(words) {
        let count = 0;
        for (const {plugin, shown} of this.#rows.values()) {
            const wanted = matches(plugin, words);
            shown.hidden = !wanted;
            count += wanted ? 1 : 0;
        }
        return count;
    }
}

/**
 * @param {HTMLElement} container
 * @param {string} href
 */
function focusLink(container, href) {
    /** @type {HTMLElement | null} */
    const found = container.querySelector(`a[href="${CSS.escape(href)}"]`);
    found?.focus();
}

/** @param {PluginState} plugin */
function checkOf(plugin) {
    return state.checks?.get(plugin.name);
}

/** @param {PluginState} plugin */
function isBroken(plugin) {
    return health(plugin, checkOf(plugin)).kind === "danger";
}

/**
 * @param {PluginState} plugin
 * @returns {import("./dom.js").Child[]}
 */
function cells(plugin) {
    const {kind, text, notes} = health(plugin, checkOf(plugin));
    const trust = trustBadge(plugin.trust ?? "");
    const upgrade = state.upgrades.get(plugin.name);
    return [
        [
            link(["plugin", plugin.name], plugin.name, "name"),
            plugin.summary ? element("div", {class: "summary"}, plugin.summary) : null,
        ],
        [
            plugin.version || "–",
            upgrade ? element("div", null, badge("info", format(_("$0 available"), upgrade))) : null,
        ],
        plugin.vendor || "–",
        trust ? element("span", {title: trust.why}, badge(trust.kind, trust.text)) : "–",
        [
            badge(kind, text),
            notes ? element("div", {class: "summary"}, plural("$0 changed configuration file",
                                                              "$0 changed configuration files",
                                                              notes)) : null,
        ],
        plugin.installed_at
            ? element("time", {datetime: plugin.installed_at}, time(plugin.installed_at))
            : "–",
    ];
}

/** @param {HTMLElement} section */
function drawBroken(section) {
    const broken = (state.list?.plugins ?? []).filter(plugin => isBroken(plugin));
    const drawn = JSON.stringify([broken.map(plugin => [plugin.name, health(plugin, checkOf(plugin))]),
                                  state.checksProblem]);
    if (section.dataset.drawn === drawn)
        return;
    section.dataset.drawn = drawn;
    section.hidden = !broken.length && !state.checksProblem;
    replace(section,
            broken.length ? element("h2", {id: "broken-heading"}, _("Broken plugins")) : null,
            broken.map(plugin => brokenCard(plugin)),
            state.checksProblem && problemAlert(state.checksProblem, refresh));
}

/** @param {PluginState} plugin */
function brokenCard(plugin) {
    const {problems} = health(plugin, checkOf(plugin));
    const list = (/** @type {string[]} */ texts) =>
        element("ul", null, texts.map(text => element("li", null, lines(text))));
    const rest = problems.slice(FIRST);
    return element("article", {class: "alert danger"},
                   element("span", {class: "icon", "aria-hidden": "true"}),
                   element("div", {class: "alert-text"},
                           element("h3", {class: "alert-title"},
                                   link(["plugin", plugin.name], plugin.name)),
                           problems.length ? list(problems.slice(0, FIRST)) : null,
                           rest.length
                               ? details(plural("$0 more problem", "$0 more problems", rest.length),
                                         list(rest))
                               : null));
}
