import { h, write, plain, bytes, age } from "./dom.js";

// The freezer: one event waits here until somebody has looked at it; only its session waits.
export function freezerPart(bus, root) {
  const port = h("select", { "aria-label": "Port whose next event is held" });
  const only = h("input", { type: "checkbox" });
  const whose = h("span", {}, "only the selected session");
  const every = h("input", { type: "checkbox" });
  const arm = h("button", { type: "submit", className: "wf-button", "data-main": true }, "Freeze");
  const note = h("span", { className: "wf-note", role: "status" });
  const form = h("form", { className: "wf-tools wf-arm", onsubmit: (event) => {
    event.preventDefault();
    ask("arm", { port: port.value, session: only.checked ? bus.selected : null, every: every.checked });
  } }, "the next event of", port, h("label", {}, only, whose), h("label", {}, every, "every event"), arm, note);
  const list = h("div", { className: "wf-freezes" });
  const empty = h("p", { className: "wf-empty" }, "Nothing is frozen. Freeze a port, and its next event waits here: look at it, change it, let it go or drop it. Only its own session waits.");
  root.append(form, list, empty);
  const cards = new Map(); // number -> card

  function say(text, kind = "") {
    note.dataset.kind = kind;
    write(note, text);
  }
  function ask(action, given, failed) {
    return bus.ask("freezer", action, given).then(() => say(""), (error) => (failed ? failed(error.message) : say(error.message, "error")));
  }

  function make(line) {
    const { number } = line;
    const title = h("strong");
    const facts = h("span", { className: "wf-quiet" });
    const text = h("textarea", { "aria-label": "The event as JSON", rows: 6, wrap: "soft", dir: "ltr", oninput: () => judge(card), onkeydown: (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) go(true);
    } });
    text.setAttribute("spellcheck", "false");
    const wrong = h("p", { className: "wf-wrong", role: "alert", hidden: true });
    const again = h("input", { type: "checkbox", onchange: () => ask("repeat", { number, every: again.checked }) });
    const asItCame = h("button", { type: "button", className: "wf-button", onclick: () => go(false) }, "Let go");
    const asEdited = h("button", { type: "button", className: "wf-button", "data-main": true, onclick: () => go(true), title: "Ctrl+Enter" }, "Let go as edited");
    const drop = h("button", { type: "button", className: "wf-button", onclick: () => ask("drop", { number }, fail) }, "Drop");
    const cancel = h("button", { type: "button", className: "wf-button wf-small", onclick: () => ask("cancel", { number }, fail), title: "hold nothing more; what waits goes on as it came" }, "Cancel");
    const hands = h("div", { className: "wf-tools" }, asItCame, asEdited, drop);
    const element = h("article", { className: "wf-freeze" },
      h("div", { className: "wf-tools" }, title, facts, h("label", { className: "wf-again" }, again, "every event"), cancel), text, wrong, hands);
    const card = { line, title, facts, text, wrong, again, asEdited, hands, element, shown: null };

    function go(edited) {
      if (edited && card.text.readOnly) return;
      ask("let_go", { number, edited: edited ? text.value : null }, fail);
    }
    function fail(why) {
      write(wrong, plain(why));
      wrong.hidden = false;
      const place = /line (\d+), column (\d+)/.exec(why);
      if (!place) return;
      const before = text.value.split("\n").slice(0, place[1] - 1).join("\n");
      const at = before.length + (place[1] > 1 ? 1 : 0) + Number(place[2]) - 1;
      text.focus();
      text.setSelectionRange(at, at + 1);
    }
    return card;
  }

  function judge(card) {
    card.asEdited.disabled = card.text.readOnly || card.text.value === card.line.text;
    card.wrong.hidden = true;
  }

  function fill(card, line) {
    card.line = line;
    const holds = line.since !== null;
    card.element.dataset.holds = String(holds);
    write(card.title, line.port);
    card.again.checked = line.every;
    card.text.hidden = card.hands.hidden = !holds;
    if (!holds) card.wrong.hidden = true;
    if (holds && card.shown !== line.since) {
      card.shown = line.since;
      card.text.readOnly = !line.editable;
      card.text.value = line.editable ? line.text : `${line.text}…\n\n${bytes(line.size)} of JSON: too long to be edited here. Let it go, drop it, or edit it in a cell.`;
      card.text.rows = Math.max(3, Math.min(16, card.text.value.split("\n").length));
      judge(card);
      say(line.held ? `an event of ${line.held} waits` : "an event waits");
    }
    if (!holds) card.shown = null;
    tick(card);
  }

  function tick({ facts, line }) {
    const who = line.held ? ` of ${plain(line.held)}` : "";
    if (line.since !== null) write(facts, `holds an event${who} · ${age(Date.now() / 1000 - line.since)}`);
    else write(facts, `${line.session ? `session ${plain(line.session)} · ` : ""}waits for the next event${line.mine ? "" : " · from a cell"}`);
  }
  const clock = setInterval(() => cards.forEach(tick), 1000);

  function drawSelected() {
    only.disabled = bus.selected === null;
    if (bus.selected === null) only.checked = false;
    write(whose, bus.selected === null ? "only the selected session" : `only ${bus.selected}`);
  }

  bus.on("freezer", (news) => {
    if (news.ports) {
      const chosen = port.value;
      port.replaceChildren(...news.ports.map((label) => h("option", { value: label }, plain(label))));
      const usual = news.ports.find((label) => label.endsWith(".message"));
      port.value = news.ports.includes(chosen) ? chosen : (usual ?? news.ports[0] ?? "");
      arm.disabled = !news.ports.length;
    }
    if (!news.freezes) return;
    const there = new Set(news.freezes.map((line) => line.number));
    for (const [number, card] of cards) {
      if (there.has(number)) continue;
      card.element.remove();
      cards.delete(number);
    }
    for (const line of news.freezes) {
      if (!cards.has(line.number)) {
        const card = make(line);
        cards.set(line.number, card);
        list.append(card.element);
      }
      fill(cards.get(line.number), line);
    }
    empty.hidden = cards.size > 0;
    if (note.dataset.kind !== "error" && !news.freezes.some((line) => line.since !== null)) say("");
  });
  bus.watch("select", drawSelected);
  drawSelected();
  return () => clearInterval(clock);
}
