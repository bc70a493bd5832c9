// @ts-check
/** The plugins that can be installed: of the library, of repositories, and uploaded ones. */

import {change, CommandFailed, read} from "./command.js";
import {element, replace} from "./dom.js";
import {countsText, matches} from "./overview_data.js";
import {openPlan} from "./plan.js";
import {problemAlert} from "./problems.js";
import {chosenOptions, repositories} from "./repositories.js";
import {canChange, refresh, state, subscribe} from "./state.js";
import {_, format, plural, sentence} from "./text.js";
import {uploadDialog} from "./upload.js";
import {alert, announce, badge, button, confirm, emptyState, lines, link, searchBox, spinner, table} from "./widgets.js";

/** @typedef {import("./answers").PluginState} PluginState */

const columns = () => [
    {label: _("Name")},
    {label: _("Version")},
    {label: _("Vendor")},
    {label: _("Source")},
    {label: _("Actions")},
];

/**
 * @param {HTMLElement} container
 * @returns {() => void}
 */
export function render(container) {
    const view = new Available(container);
    const stop = subscribe(() => view.draw());
    view.read();
    return () => {
        view.released = true;
        stop();
    };
}

/**
 * Return whether an available plugin is in the library: its source is the folder of its bundle.
 *
 * @param {PluginState} plugin
 */
export function isInLibrary({name, source}) {
    return source.startsWith("/") && source.endsWith(`/${name}`);
}

class Available {
    released = false;
    #words = "";
    /** @type {PluginState[] | null} */
    #plugins = null;
    /** @type {CommandFailed | null} */
    #problem = null;
    /** @type {Set<string>} */
    #selected = new Set();
    #run = 0;
    #drawn = "";

    /** @param {HTMLElement} container */
    constructor(container) {
        this.counts = element("p", {class: "counts", role: "status"});
        this.actions = element("div", {class: "actions"});
        this.notices = element("div", {"aria-live": "polite"});
        this.body = element("div", {class: "card"});
        const search = searchBox({
            label: _("Search available plugins"),
            listener: words => {
                this.#words = words.trim();
                this.draw();
            },
        });
        replace(container, element("h1", null, _("Available plugins")),
                element("div", {class: "toolbar"}, search, this.counts, this.actions),
                repositories(() => this.read()), this.notices, this.body);
    }

    /** Read what is available; of several calls, the last counts. */
    async read() {
        const run = ++this.#run;
        this.#plugins = null;
        this.#problem = null;
        this.draw();
        try {
            const answer = await read(["list", "--available", ...chosenOptions()]);
            if (run === this.#run)
                this.#plugins = answer.plugins;
        } catch (error) {
            if (run === this.#run)
                this.#problem = asFailure(error);
        }
        this.draw();
    }

    draw() {
        if (this.released)
            return;
        // Only what has changed is drawn, so that the focus stays where it is.
        const now = JSON.stringify([this.#plugins, this.#problem, this.#words,
                                    canChange(), installedVersions()]);
        if (now === this.#drawn)
            return;
        this.#drawn = now;
        this.#drawActions();
        replace(this.body, this.#content());
    }

    #drawActions() {
        const names = [...this.#selected];
        replace(this.actions, canChange() ? [
            names.length ? button(plural("Plan the installation of $0 plugin",
                                         "Plan the installation of $0 plugins", names.length),
                                  () => plan(names), {kind: "primary"}) : null,
            button(_("Upload a bundle"), () => uploadDialog(name => {
                announce(format(_("$0 is in the library."), name));
                replace(this.notices, alert("success", format(_("$0 is in the library."), name)));
                this.read();
            })),
        ] : null);
    }

    /** @returns {import("./dom.js").Child} */
    #content() {
        replace(this.counts, "");
        if (this.#problem)
            return problemAlert(this.#problem, () => this.read());
        if (!this.#plugins)
            return spinner(_("Reading the available plugins…"));
        if (!this.#plugins.length)
            return emptyState(_("No plugin is available."), element("p", null, _(
                "Upload a bundle, or choose the repository of a plugin.")));
        const shown = this.#plugins.filter(plugin => matches(plugin, this.#words));
        replace(this.counts, countsText({
            shown: shown.length, all: this.#plugins.length, broken: 0,
            upgrades: this.#plugins.filter(plugin => plugin.upgrades).length,
        }));
        return shown.length
            ? table({caption: _("Available plugins"), columns: columns(), rows: shown.map(plugin => this.#row(plugin))})
            : element("p", {class: "none"}, _("No plugin matches the search."));
    }

    /**
     * @param {PluginState} plugin
     * @returns {import("./dom.js").Child[]}
     */
    #row(plugin) {
        const present = installedVersions().get(plugin.name);
        return [
            [
                plugin.problems.length ? element("span", {class: "name"}, plugin.name)
                    : link(["plugin", plugin.name], plugin.name, "name"),
                plugin.summary ? element("div", {class: "summary"}, plugin.summary) : null,
                plugin.problems.map(problem => element(
                    "div", null, badge("danger", _("Cannot be used")), lines(sentence(problem)))),
            ],
            [
                plugin.version || "–",
                plugin.upgrades ? element("div", null, badge("info", format(
                    _("Upgrade of $0"), plugin.upgrades))) : null,
                !plugin.upgrades && present === plugin.version
                    ? element("div", null, badge("neutral", _("Installed"))) : null,
            ],
            plugin.vendor || "–",
            plugin.source,
            canChange() ? this.#buttons(plugin, present) : "–",
        ];
    }

    /**
     * @param {PluginState} plugin
     * @param {string | undefined} present the installed version
     */
    #buttons(plugin, present) {
        const usable = !plugin.problems.length && present !== plugin.version;
        const {name} = plugin;
        return element(
            "div", {class: "actions"},
            usable ? button(plugin.upgrades ? _("Upgrade") : _("Install"), () => plan([name]), {
                kind: "primary",
                label: format(plugin.upgrades ? _("Upgrade $0") : _("Install $0"), name),
            }) : null,
            usable ? this.#selection(name) : null,
            isInLibrary(plugin) ? button(_("Delete from the library"), () => this.#drop(plugin), {
                kind: "link", label: format(_("Delete from the library: $0"), name),
            }) : null);
    }

    /** @param {string} name */
    #selection(name) {
        const box = element("input", {
            type: "checkbox",
            "aria-label": format(_("Select $0"), name),
            on: {
                change: () => {
                    if (box.checked)
                        this.#selected.add(name);
                    else
                        this.#selected.delete(name);
                    this.#drawActions();
                },
            },
        });
        box.checked = this.#selected.has(name);
        return element("label", {class: "choice"}, box, _("Select"));
    }

    /** @param {PluginState} plugin */
    async #drop({name, source}) {
        if (!await confirm({
            title: format(_("Delete $0 from the library?"), name),
            body: [element("p", null, source), element("p", null, _("A plugin that was installed from it stays installed."))],
            action: _("Delete"),
            kind: "danger",
        }))
            return;
        try {
            await change(["drop", name]);
            replace(this.notices, alert("success", format(_("$0 was deleted from the library."), name)));
        } catch (error) {
            replace(this.notices, problemAlert(asFailure(error)));
        }
        this.#selected.delete(name);
        this.read();
        refresh();
    }
}

/** @param {string[]} names */
function plan(names) {
    openPlan({operation: "install", names, options: chosenOptions()});
}

/** Return the version of each installed plugin. */
function installedVersions() {
    return new Map((state.list?.plugins ?? []).map(plugin => [plugin.name, plugin.version]));
}

/**
 * @param {unknown} error
 * @returns {CommandFailed}
 */
function asFailure(error) {
    return error instanceof CommandFailed ? error : new CommandFailed({message: String(error)});
}
