import { h, write, plain, bytes, count, brief, age } from "./dom.js";

// The table of who is connected: rows keep their places while somebody reads.
export function sessionsPart(bus, root) {
  const MAX_LEFT = 200; // rows of those who are gone, while somebody reads
  const ORDERS = ["newest", "most received", "most sent", "largest backlog"];
  const filter = h("input", {
    type: "search",
    placeholder: "id, peer or path",
    "aria-label": "Show sessions whose id, peer or path contains",
    oninput: choose,
  });
  const order = h(
    "select",
    { "aria-label": "Which sessions are shown when there are many", onchange: choose },
    ...ORDERS.map((name) => h("option", { value: name }, name)),
  );
  const note = h("span", { className: "wf-note", role: "status" });
  const columns = ["session", "path", "peer", "state", "age", "in", "out", "waiting", "end"];
  const head = columns.map((name, index) =>
    h("th", { scope: "col", className: index >= 4 && index <= 7 ? "wf-number" : "" }, name === "end" ? h("span", { className: "wf-unseen" }, "close") : name),
  );
  const body = h("tbody");
  const empty = h("p", { className: "wf-empty" }, "Nobody is connected.");
  const table = h("table", { className: "wf-table" },
    h("colgroup", {}, ...columns.map((name) => h("col", { className: `wf-col-${name}` }))),
    h("thead", {}, h("tr", {}, ...head)), body);
  const scroll = h("div", { className: "wf-scroll", tabIndex: 0, role: "region", "aria-label": "Sessions" }, table, empty);
  root.append(h("div", { className: "wf-tools" }, filter, order, note), scroll);

  const rows = new Map(); // id -> {row, cells, line}
  let reading = false; // the pointer or the focus is inside: nothing may move
  const leaving = new Set();
  scroll.addEventListener("pointerenter", () => (reading = true));
  scroll.addEventListener("pointerleave", () => {
    reading = false;
    sweep();
  });

  function choose() {
    bus.ask("sessions", "choose", { filter: filter.value, order: order.value }).catch(say);
  }
  function say(error) {
    write(note, error.message);
  }

  function make(id) {
    const cells = head.map((_, index) => h("td", { className: index >= 4 && index <= 7 ? "wf-number" : "" }));
    const end = h(
      "button",
      { type: "button", className: "wf-button wf-icon-button", "aria-label": `Close session ${id}`, title: `Close session ${id}`, onclick: (event) => {
        event.stopPropagation();
        bus.ask("sessions", "end", { session: id }).catch(say);
      } },
      "✕",
    );
    cells[8].append(end);
    const row = h("tr", { tabIndex: 0, "aria-selected": "false", onclick: () => toggle(id), onkeydown: (event) => key(event, id) }, ...cells);
    row.dataset.session = id;
    return { row, cells, end };
  }

  function toggle(id) {
    bus.select(bus.selected === id ? null : id);
  }

  function key(event, id) {
    if (event.target !== rows.get(id)?.row) return;
    if (event.key === "Enter" || event.key === " ") toggle(id);
    else if (event.key === "ArrowDown") event.target.nextElementSibling?.focus();
    else if (event.key === "ArrowUp") event.target.previousElementSibling?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation(); // Jupyter would move to another cell
  }

  function fill(there, line) {
    const [id, peer, path, state, opened, received, sent, backlog, dropped] = line;
    there.opened = opened;
    there.backlog = backlog;
    const texts = [id, plain(path), plain(peer), state, "", brief(received), brief(sent), backlog ? bytes(backlog) : ""];
    texts.forEach((text, index) => index !== 4 && write(there.cells[index], text));
    there.cells[1].title = plain(path);
    there.cells[2].title = plain(peer);
    there.cells[5].title = `${count(received)} received`;
    there.cells[6].title = `${count(sent)} sent${dropped ? `, ${count(dropped)} could not be` : ""}`;
    there.row.dataset.state = state;
    there.end.disabled = state !== "open" && state !== "held";
  }

  function sweep() {
    for (const id of leaving) {
      rows.get(id)?.row.remove();
      rows.delete(id);
    }
    leaving.clear();
    empty.hidden = rows.size > 0;
  }

  // Who has left for good would pile up under a reader who stays.
  function trim() {
    for (const id of leaving) {
      if (leaving.size <= MAX_LEFT) return;
      const { row } = rows.get(id);
      const above = row.offsetTop < scroll.scrollTop ? row.offsetHeight : 0;
      leaving.delete(id);
      rows.delete(id);
      row.remove();
      scroll.scrollTop -= above;
    }
  }

  function tick() {
    if (bus.state === "away") return;
    const now = Date.now() / 1000;
    for (const there of rows.values())
      if (there.row.dataset.state !== "gone") write(there.cells[4], age(now - there.opened));
  }
  const clock = setInterval(tick, 1000);

  bus.on("sessions", (news) => {
    for (const line of news.rows) {
      const id = line[0];
      let there = rows.get(id);
      if (!there) {
        rows.set(id, (there = make(id)));
        body.append(there.row);
      }
      leaving.delete(id);
      fill(there, line);
    }
    for (const id of news.gone) {
      const there = rows.get(id);
      if (!there) continue;
      there.row.dataset.state = "gone";
      write(there.cells[3], "gone");
      there.end.disabled = true;
      leaving.add(id);
      if (bus.selected === id) bus.select(null);
    }
    if (!reading && !body.contains(document.activeElement)) sweep();
    else trim();
    table.toggleAttribute("data-waiting", [...rows.values()].some((there) => there.backlog));
    const { total, fitting } = news;
    const shown = rows.size - leaving.size;
    write(note, shown < fitting ? `${count(shown)} of ${count(fitting)} shown` : fitting < total ? `${count(fitting)} of ${count(total)}` : `${count(total)} open`);
    order.hidden = fitting <= shown && order.value === ORDERS[0];
    empty.hidden = rows.size > 0;
    write(empty, total ? "No session fits the filter." : "Nobody is connected.");
    tick();
  });

  bus.watch("select", (id) => {
    for (const [other, there] of rows) there.row.setAttribute("aria-selected", String(other === id));
  });
  bus.watch("fresh", () => {
    for (const id of rows.keys()) leaving.add(id); // who is still there is told of again
  });

  return () => clearInterval(clock);
}
