// @ts-check
/** The table of installed plugins, whose rows change with the store. */

import {element} from "./dom.js";
import {matches, trustBadge} from "./overview_data.js";
import {healthOf, state} from "./state.js";
import {_, format, plural, time} from "./text.js";
import {badge, link, row} from "./widgets.js";

/** @typedef {import("./answers").PluginState} PluginState */

export const columns = () => [
    {label: _("Name")},
    {label: _("Version")},
    {label: _("Vendor")},
    {label: _("Trust")},
    {label: _("State")},
    {label: _("Installed on"), class: "nowrap"},
];

/** The rows of the table; one that stays the same is not made again and keeps the focus. */
export class Rows {
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
            const drawn = JSON.stringify([plugin, healthOf(plugin),
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

/**
 * @param {PluginState} plugin
 * @returns {import("./dom.js").Child[]}
 */
function cells(plugin) {
    const {kind, text, notes} = healthOf(plugin);
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
