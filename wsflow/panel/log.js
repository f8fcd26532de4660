import { h, write, plain, count, clock } from "./dom.js";
import { chip, finish, rowDetails } from "./row.js";

// The log: follows while its end is in sight and nobody reads in it, else stands still and counts.
export function logPart(bus, root) {
  const MAX_ROWS = 200; // rows on the page
  const END_PIXELS = 6; // pixels from the end that still count as the end

  // ---- what there is to see
  const pause = h("button", { type: "button", className: "wf-button wf-small", "aria-pressed": "false", onclick: () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    write(pause, paused ? "Resume" : "Pause");
    if (!paused) toNewest();
    else sync();
  } }, "Pause");
  const offered = h("datalist", { id: `${bus.id}-places` });
  const where = field("node.port", "Show rows whose node.port contains");
  where.setAttribute("list", offered.id);
  const session = field("session", "Show rows of this session");
  const words = field("text in data or error", "Show rows whose data or error contains");
  words.classList.add("wf-grow");
  const tied = h("input", { type: "checkbox", onchange: () => {
    if (tied.checked && bus.selected) session.value = bus.selected;
    else if (tied.checked || session.value === bus.selected) session.value = "";
    choose();
  } });
  const chips = h("div", { className: "wf-kinds", role: "group", "aria-label": "Show only these kinds; none pressed: all" });
  const note = h("span", { className: "wf-note", role: "status" });
  const body = h("tbody");
  const columns = ["seq", "time", "kind", "node.port", "session", "data", "error"];
  const table = h("table", { className: "wf-table" },
    h("colgroup", {}, ...columns.map((name) => h("col", { className: `wf-col-${name.split(".")[0]}` }))),
    h("thead", {}, h("tr", {}, ...columns.map((name, index) => h("th", { scope: "col", className: index ? "" : "wf-number" }, name)))),
    body);
  const empty = h("p", { className: "wf-empty" }, "Nothing has happened yet.");
  const scroll = h("div", { className: "wf-scroll wf-rows", tabIndex: 0, role: "region",
    "aria-label": "Rows of the log. Arrow keys move from row to row, Enter opens one, Escape closes it.",
    onkeydown: key }, table, empty);
  const newest = h("button", { type: "button", className: "wf-button wf-small wf-newest", hidden: true, onclick: toNewest });
  const details = rowDetails(bus, open, close);
  root.append(
    h("div", { className: "wf-tools" }, pause, where, session,
      h("label", { className: "wf-check", title: "Show only rows of the session that is selected in the table" }, tied, "selected only"), words),
    offered, chips, scroll, h("div", { className: "wf-foot" }, note, newest), details.element);

  function field(hint, label) {
    return h("input", { type: "search", placeholder: hint, "aria-label": label, spellcheck: false, oninput: chooseSoon, size: 12 });
  }

  // ---- what it shows: `rows` is what the table has, oldest first
  let rows = []; // {seq, line, row}
  let view = 0; // the number of the view whose news count
  let views = 0;
  let following = true;
  let paused = false;
  let atEnd = true; // the end of the list is in sight
  let pressed = false; // the pointer is down on a row
  let visible = true;
  let behind = false; // rows below the last one were taken away
  let came = 0;
  let unseen = 0;
  let skipped = 0;
  let dropped = false; // the log itself holds only the newest rows
  let back = null; // {before, start, dropped}: how far it was looked back
  let fetching = false;
  let opened = null; // the row of which the details are shown
  let endBefore = null; // whether the end of the list was in sight when they were opened
  let stoodAt = 0; // where the list stood then
  const kinds = new Set();

  const top = h("tr", { className: "wf-edge" }, h("td", { colSpan: 5 }));
  const further = h("button", { type: "button", className: "wf-button wf-small", tabIndex: -1, onclick: older }, "Older rows ↑");

  function make(line) {
    const [seq, moment, kind, place, who, data, error] = line;
    const row = h("tr", { tabIndex: -1, "aria-selected": String(seq === opened) },
      h("td", { className: "wf-number" }, String(seq)),
      h("td", { className: "wf-time" }, clock(moment)),
      h("td", {}, chip(kind)),
      h("td", {}, plain(place)),
      h("td", {}, plain(who)),
      h("td", { className: "wf-data", "data-error": error && plain(error) }, plain(data)),
      h("td", { className: "wf-mistake" }, plain(error)));
    row.dataset.seq = seq;
    row.dataset.kind = kind;
    if (error) table.dataset.errors = "";
    return { seq, row };
  }

  function gap(size) {
    return h("tr", { className: "wf-edge" }, h("td", { colSpan: 5 }, `${count(size)} skipped, they are in flow.log`));
  }

  function fill(lines) {
    const there = new Map(rows.map((one) => [one.seq, one]));
    rows = lines.map((line) => there.get(line[0]) ?? make(line));
    body.replaceChildren(top, ...rows.map((one) => one.row));
    back = null;
    behind = false;
    edge();
  }

  function append(lines, missing) {
    if (missing && rows.length) body.append(gap(missing));
    const made = lines.map(make);
    rows.push(...made);
    body.append(...made.map((one) => one.row));
    trimTop();
    edge();
  }

  function trimTop() {
    const surplus = rows.splice(0, Math.max(0, rows.length - MAX_ROWS));
    if (!surplus.length) return;
    const first = rows[0]?.row;
    while (top.nextElementSibling && top.nextElementSibling !== first) top.nextElementSibling.remove();
    back = null;
  }

  // What stands above the first row.
  function edge() {
    const cell = top.firstChild;
    const first = rows[0]?.seq ?? null;
    top.hidden = first === null && !filtered();
    const begins = first === 1 || (back && back.before <= back.start);
    if (begins) {
      const lost = back?.dropped ?? 0;
      cell.replaceChildren(lost ? `The log begins here; ${count(lost)} older rows were dropped.` : "The log begins here.");
    } else {
      write(further, back && back.before < first ? `Look further back than row ${count(back.before)} ↑` : "Older rows ↑");
      if (cell.firstChild !== further) cell.replaceChildren(further);
    }
    empty.hidden = rows.length > 0;
    write(empty, filtered() ? "No row fits the filter." : "Nothing has happened yet.");
  }

  function say() {
    let text = paused ? "Paused: the log goes on without this page." : "";
    if (following && skipped) text = `${count(skipped)} skipped, ${dropped ? "the newest of them" : "they"} are in flow.log`;
    else if (unseen) text = `${text ? text + " · " : ""}${count(unseen)} not looked at, they are in flow.log`;
    note.dataset.kind = "";
    write(note, text);
    newest.hidden = following || !visible;
    write(newest, came ? `${count(came)}${unseen ? "+" : ""} new ↓` : "Newest ↓");
  }

  // ---- following and standing still
  function sync() {
    const wanted = !paused && atEnd && visible && !behind && !pressed && opened === null && !reading();
    if (wanted !== following) {
      following = wanted;
      view = ++views;
      came = unseen = 0;
      if (following) ask("follow", { view });
      else {
        ask("stand", { view, at: rows.at(-1)?.seq ?? 0 });
        if (visible && body.querySelector(".wf-edge:not(:first-child)")) whole();
      }
    }
    say();
  }

  function active() {
    return root.getRootNode().activeElement; // of a shadow root too
  }

  function reading() {
    return body.contains(active());
  }

  // What was skipped while rows rushed by is there for who stops to read.
  function whole() {
    const last = rows.at(-1).seq;
    ask("older", { before: last + 1 }, (news) => {
      if (following || rows.at(-1)?.seq !== last) return;
      const under = scroll.scrollHeight - scroll.scrollTop;
      const focused = active();
      const kept = new Set(news.rows.map((line) => line[0]));
      if (!kept.has(last)) return;
      fill(news.rows);
      scroll.scrollTop = scroll.scrollHeight - under;
      if (focused !== active() && body.contains(focused)) focused.focus({ preventScroll: true });
    });
  }

  function toNewest() {
    if (paused) pause.click();
    close();
    if (reading()) scroll.focus({ preventScroll: true });
    behind = false;
    atEnd = true;
    sync();
    toEnd();
  }

  function toEnd() {
    scroll.scrollTop = scroll.scrollHeight;
  }

  scroll.addEventListener("scroll", () => {
    if (scroll.offsetParent === null) return; // hidden: it has no place to be at
    atEnd = scroll.scrollTop + scroll.clientHeight >= scroll.scrollHeight - END_PIXELS;
    if (atEnd && behind) newer();
    else if (!atEnd && scroll.scrollTop < 30 && !(back && back.before < (rows[0]?.seq ?? 0))) older();
    sync();
  });
  body.addEventListener("pointerdown", () => {
    pressed = true; // else the row would be gone before the pointer is up
    sync();
  });
  const released = () => {
    if (!pressed) return;
    setTimeout(() => {
      pressed = false;
      sync();
    });
  };
  window.addEventListener("pointerup", released);
  window.addEventListener("pointercancel", released);
  body.addEventListener("focusin", sync);
  body.addEventListener("focusout", () => setTimeout(sync));
  body.addEventListener("click", (event) => {
    const seq = event.target.closest("tr")?.dataset.seq;
    if (!seq) return;
    scroll.focus({ preventScroll: true }); // a row that keeps the focus keeps the log from following
    open(Number(seq));
  });
  const watcher = new IntersectionObserver((seen) => {
    visible = seen.at(-1).isIntersecting;
    sync();
  });
  watcher.observe(scroll);

  function older() {
    const first = rows[0]?.seq ?? null;
    const before = Math.min(back?.before ?? Infinity, first ?? Infinity);
    if (fetching || before === 1 || (back && back.before <= back.start)) return;
    fetching = true;
    ask("older", { before: Number.isFinite(before) ? before : 2 ** 52 }, (news) => {
      fetching = false;
      if ((rows[0]?.seq ?? null) !== first) return; // the list has moved on
      const under = scroll.scrollHeight - scroll.scrollTop;
      const made = news.rows.map(make);
      rows.unshift(...made);
      top.after(...made.map((one) => one.row));
      back = news;
      edge();
      scroll.scrollTop = scroll.scrollHeight - under;
      const surplus = rows.splice(MAX_ROWS);
      if (surplus.length) {
        behind = true;
        while (body.lastElementChild !== rows.at(-1).row) body.lastElementChild.remove();
      }
      sync();
    });
  }

  function newer() {
    if (fetching || !rows.length) return;
    fetching = true;
    const last = rows.at(-1).seq;
    ask("newer", { after: last }, (news) => {
      fetching = false;
      if (rows.at(-1)?.seq !== last) return;
      behind = news.more && news.rows.length > 0;
      const at = scroll.scrollTop;
      const height = scroll.scrollHeight;
      const made = news.rows.map(make);
      body.append(...made.map((one) => one.row));
      rows.push(...made);
      const grown = scroll.scrollHeight - height;
      trimTop();
      edge();
      scroll.scrollTop = at - (height + grown - scroll.scrollHeight);
      atEnd = scroll.scrollTop + scroll.clientHeight >= scroll.scrollHeight - END_PIXELS;
      sync();
    });
  }

  // ---- the filter
  let soon = null;
  function chooseSoon() {
    clearTimeout(soon);
    soon = setTimeout(choose, 150);
  }

  function filtered() {
    return Boolean(kinds.size || where.value.trim() || session.value.trim() || words.value.trim());
  }

  function choose() {
    clearTimeout(soon);
    close();
    view = ++views;
    following = true;
    paused = false;
    pause.setAttribute("aria-pressed", "false");
    write(pause, "Pause");
    atEnd = true;
    behind = false;
    came = unseen = skipped = 0;
    ask("choose", { view, kinds: [...kinds], where: where.value, session: session.value, text: words.value });
    sync();
  }

  function offer(names, places) {
    const there = new Map([...chips.children].map((one) => [one.dataset.kind, one]));
    chips.replaceChildren(...names.map((kind) => there.get(kind) ?? toggle(kind)));
    offered.replaceChildren(...places.map((name) => h("option", { value: plain(name) })));
  }

  function toggle(kind) {
    const button = h("button", { type: "button", className: "wf-chip", "aria-pressed": String(kinds.has(kind)), onclick: () => {
      if (!kinds.delete(kind)) kinds.add(kind);
      button.setAttribute("aria-pressed", String(kinds.has(kind)));
      choose();
    } }, kind);
    button.dataset.kind = kind;
    return button;
  }

  function ask(action, given, hear = () => {}) {
    bus.ask("log", action, given).then(hear, (error) => {
      fetching = false;
      note.dataset.kind = "error";
      write(note, error.message);
    });
  }

  // ---- the keyboard
  function key(event) {
    const all = rows.map((one) => one.row);
    const at = all.indexOf(event.target);
    if (at < 0 && event.target !== scroll) return;
    const last = at >= 0 ? at : rows.findIndex((one) => one.seq === opened);
    const to = (index) => finish(event, () => all[Math.max(0, Math.min(all.length - 1, index))]?.focus());
    if (event.key === "ArrowUp" && at === 0) finish(event, older);
    else if (event.key === "ArrowUp") to(last < 0 ? all.length - 1 : last - 1);
    else if (event.key === "ArrowDown") to(last < 0 ? all.length - 1 : last + 1);
    else if (event.key === "Home") to(0);
    else if (event.key === "End") to(all.length - 1);
    else if ((event.key === "Enter" || event.key === " ") && at >= 0) finish(event, () => open(rows[at].seq));
    else if (event.key === "Escape" && (opened !== null || at >= 0)) finish(event, () => {
      if (opened !== null) close();
      else scroll.focus({ preventScroll: true });
    });
  }

  // ---- one row
  function mark() {
    for (const one of rows) one.row.setAttribute("aria-selected", String(one.seq === opened));
  }

  function open(seq) {
    opened = seq;
    mark();
    sync();
    bus.ask("log", "details", { seq }).then(
      (told) => {
        if (opened !== seq) return;
        if (endBefore === null) endBefore = atEnd;
        details.show(told);
        keepInSight(seq);
      },
      (error) => opened === seq && details.fail(seq, error.message),
    );
  }

  // The details take room from the rows: the one they tell of stays in sight.
  function keepInSight(seq) {
    const row = rows.find((one) => one.seq === seq)?.row;
    if (!row) return;
    const under = row.getBoundingClientRect().bottom - scroll.getBoundingClientRect().bottom;
    if (under > 0) scroll.scrollTop += under + 4;
    stoodAt = scroll.scrollTop;
  }

  function close() {
    if (opened === null) return;
    opened = null;
    mark();
    if (details.clear()) scroll.focus({ preventScroll: true });
    if (endBefore && scroll.scrollTop === stoodAt) {
      atEnd = true;
      toEnd();
    }
    endBefore = null;
    sync();
  }

  // ---- the bus
  bus.on("log", (news) => {
    if (news.kinds) offer(news.kinds, news.places);
    if (news.view !== view) return;
    if ("came" in news) {
      came = news.came;
      unseen = news.unseen;
    } else if (news.rows) {
      skipped = news.skipped;
      dropped = news.dropped ?? false;
      if (news.first) fill(news.rows);
      else append(news.rows, news.gap);
      if (visible) toEnd();
    }
    say();
  });
  bus.watch("fresh", () => {
    view = 0; // the kernel's side follows without a filter
    following = true;
    came = unseen = skipped = 0;
    if (filtered()) ask("choose", { view: (view = ++views), kinds: [...kinds], where: where.value, session: session.value, text: words.value });
    sync();
  });
  bus.watch("select", (id) => {
    if (!tied.checked) return;
    session.value = id ?? "";
    choose();
  });
  bus.watch("look", (place) => {
    where.value = place;
    choose();
  });
  edge();

  return () => {
    watcher.disconnect();
    clearTimeout(soon);
    window.removeEventListener("pointerup", released);
    window.removeEventListener("pointercancel", released);
  };
}
