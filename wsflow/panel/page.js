import { h } from "./dom.js";
import { makeBus } from "./bus.js";
import { statusPart } from "./status.js";
import { sessionsPart } from "./sessions.js";
import { composerPart } from "./composer.js";
import { clientPart } from "./client.js";
import { logPart } from "./log.js";
import { diagramPart } from "./diagram.js";
import { plotsPart } from "./plots.js";
import { freezerPart } from "./freezer.js";
import { playerPart } from "./player.js";

// The page of a panel: lays its parts out and hands each its place.

const PARTS = {
  sessions: ["Sessions", sessionsPart],
  composer: ["Composer", composerPart],
  client: ["Clients", clientPart],
  log: ["Log", logPart],
  diagram: ["Diagram", diagramPart],
  plots: ["Plots", plotsPart],
  freezer: ["Freezes", freezerPart],
  player: ["Player", playerPart],
};

const BESIDE = new Set(["sessions", "composer"]); // left of the tabs, always in sight

function broken(root, why) {
  root.replaceChildren(h("p", { className: "wf-empty" }, `This part has failed: ${why}. The flow goes on.`));
}

function render({ model, el }) {
  const bus = makeBus(model);
  const endings = [];
  const chosen = model.get("parts").filter((name) => name in PARTS);
  const together = chosen.length > 1;
  const root = h("div", { className: "wf", role: "region", "aria-label": "wsflow panel", "data-lm-suppress-shortcuts": "true" });
  // keys typed here are not Jupyter's commands
  root.addEventListener("keydown", (event) => event.stopPropagation());
  root.dataset.parts = together ? "several" : (chosen[0] ?? "");
  el.append(h("div", { className: "wf-room" }, root));
  statusPart(bus, root);

  const place = h("div", { className: together ? "wf-parts" : "wf-parts wf-alone" });
  root.append(place);

  const aside = h("div", { className: "wf-side" });
  const tabs = h("div", { className: "wf-tabs", role: "tablist", "aria-label": "Parts" });
  const sheets = h("div", { className: "wf-sheets" });
  const show = (name) => {
    for (const tab of tabs.children) {
      const mine = tab.dataset.part === name;
      tab.setAttribute("aria-selected", String(mine));
      tab.tabIndex = mine ? 0 : -1;
    }
    for (const sheet of sheets.children) sheet.hidden = sheet.dataset.part !== name;
  };
  const walk = (event) => {
    const all = [...tabs.children];
    const last = all.length - 1;
    const here = all.indexOf(event.target);
    const next = all[{ ArrowRight: here === last ? 0 : here + 1, ArrowLeft: here ? here - 1 : last, Home: 0, End: last }[event.key]];
    if (!next) return;
    show(next.dataset.part);
    next.focus();
    event.preventDefault();
  };

  for (const name of chosen) {
    const [title, make] = PARTS[name];
    const inside = h("div", { className: `wf-part wf-${name}` });
    if (together && !BESIDE.has(name)) {
      const tab = h("button", { type: "button", role: "tab", className: "wf-tab", onclick: () => show(name), onkeydown: walk }, title);
      tab.dataset.part = name;
      tab.id = `${bus.id}-${name}`;
      tabs.append(tab);
      const sheet = h("section", { className: "wf-card", role: "tabpanel", "aria-labelledby": tab.id }, inside);
      sheet.dataset.part = name;
      sheet.id = `${tab.id}-sheet`;
      tab.setAttribute("aria-controls", sheet.id);
      sheets.append(sheet);
    } else {
      const heading = h("h3", { className: "wf-title" }, title);
      const card = h("section", { className: "wf-card", "aria-label": title }, heading, inside);
      (together ? aside : place).append(card);
    }
    let failed = false;
    const fail = (error) => {
      failed = true;
      broken(inside, error.message ?? error);
    };
    try {
      const on = (part, hear) => bus.on(part, (news) => {
        if (failed) return;
        if (news.broken) return fail(news.broken);
        try {
          hear(news);
        } catch (error) {
          fail(error);
        }
      });
      const own = Object.assign(Object.create(bus), { on }); // the bus, but hears with care
      const ending = make(own, inside);
      if (ending) endings.push(ending);
    } catch (error) {
      fail(error);
    }
  }
  if (together) {
    if (aside.children.length) place.append(aside);
    if (tabs.children.length) {
      place.append(h("div", { className: "wf-main" }, tabs, sheets));
      show(tabs.children[0].dataset.part);
    }
  }
  bus.watch("show", (name) => {
    const tab = [...tabs.children].find((one) => one.dataset.part === name);
    if (!tab) return;
    show(name);
    tab.focus();
  });
  bus.start();
  return () => {
    bus.close(); // first: a part that fails here must leave no page behind
    for (const end of endings) end();
  };
}

export default { render };
