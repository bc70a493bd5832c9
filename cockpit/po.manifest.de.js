// The entry of the menu in German, for versions of Cockpit that read it apart from po.de.js.
cockpit.locale({
    "": {
        "plural-forms": n => n !== 1,
        "language": "de",
        "language-direction": "ltr",
    },
    "Node plugins": [null, "Node-Plugins"],
    "driver": [null, "treiber"],
    "hook": [null, "hook"],
    "node": [null, "node"],
    "oVirt Node plugins": [null, "oVirt-Node-Plugins"],
    "ovirt": [null, "ovirt"],
    "plugin": [null, "plugin"],
    "vdsm": [null, "vdsm"],
    "vendor": [null, "hersteller"],
});
