// @ts-check
/** The installed plugins of the host, what is broken, and what can be upgraded. */

import {drawBroken} from "./broken_plugins.js";
import {element, redraw, replace} from "./dom.js";
import {countsText} from "./overview_data.js";
import {columns, Rows} from "./overview_rows.js";
import {problemAlert} from "./problems.js";
import {healthOf, refresh, state, subscribe} from "./state.js";
import {_} from "./text.js";
import {button, emptyState, link, searchBox, spinner, table} from "./widgets.js";

/**
 * @param {HTMLElement} container
 * @returns {() => void}
 */
export function render(container) {
    const bar = toolbar(() => draw());
    const broken = element("section", {"aria-labelledby": "broken-heading", hidden: true});
    const notice = element("div", {class: "notice", "aria-live": "polite"});
    const body = element("div", {class: "card"});
    const none = element("p", {class: "none"}, _("No plugin matches the search."));
    const listing = table({caption: _("Installed plugins"), columns: columns(), rows: []});
    const rows = new Rows();
    replace(container, element("h1", null, _("Installed plugins")),
            bar.shown, notice, broken, body);

    const draw = () => {
        const plugins = state.list?.plugins ?? [];
        rows.update(listing.tBodies[0], plugins);
        const shown = rows.filter(bar.words());
        none.hidden = shown > 0;
        bar.draw(shown);
        drawBroken(broken, plugins.filter(plugin => healthOf(plugin).kind === "danger"));
        redraw(notice, state.checksProblem, () => problemNotice());
        redraw(body, contents(), () => ({
            plugins: [listing, none],
            empty: nothing(),
            reading: spinner(_("Reading the plugins…")),
            problem: null,
        })[contents()]);
        body.hidden = contents() === "problem";
    };
    const stop = subscribe(draw);
    draw();
    return stop;
}

/**
 * Return the search, the counts and the button above the table.
 *
 * @param {() => void} listener called when the words of the search change
 */
function toolbar(listener) {
    const search = searchBox({label: _("Search plugins"), listener});
    const counts = element("p", {class: "counts", role: "status"});
    const check = button(_("Check again"), refresh);
    const shown = element("div", {class: "toolbar"}, search, counts, check);
    return {
        shown,
        words: () => search.value.trim(),
        /** @param {number} matching how many plugins match the search */
        draw: matching => {
            const plugins = state.list?.plugins ?? [];
            shown.hidden = !plugins.length;
            check.disabled = state.busy;
            check.setAttribute("aria-busy", String(state.busy));
            replace(check, state.checking ? _("Checking…") : _("Check again"));
            const text = countsText({
                shown: matching,
                all: plugins.length,
                broken: plugins.filter(plugin => healthOf(plugin).kind === "danger").length,
                upgrades: plugins.filter(plugin => state.upgrades.has(plugin.name)).length,
            });
            if (counts.textContent !== text)
                replace(counts, text);
        },
    };
}

/** Return what the card below the toolbar contains. */
function contents() {
    if (!state.list)
        return state.problem ? "problem" : "reading";
    return state.list.plugins.length ? "plugins" : "empty";
}

function nothing() {
    return emptyState(_("No plugin is installed."),
                      element("p", null, link(["available"], _("Show available plugins"))));
}

function problemNotice() {
    return state.checksProblem && problemAlert(state.checksProblem, refresh);
}
