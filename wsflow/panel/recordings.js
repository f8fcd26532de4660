import { h, write, plain, bytes, count } from "./dom.js";

// The recordings of a folder as a list, to choose one.

const RECORDING_STATES = { new: "…", live: "being recorded", large: "choose to read", wrong: "can not be read" };

export function lengthOf(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const clock = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return whole < 3600 ? clock : `${Math.floor(whole / 3600)}:${clock}`;
}

// A place in a recording: fine where recordings are short.
export function moment(seconds) {
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < 0.01 && seconds > 0 ? 1 : 0)} ms`;
  return seconds < 120 ? `${seconds.toFixed(2)} s` : lengthOf(seconds);
}

function dateOf(seconds) {
  const when = new Date(seconds * 1000);
  const time = when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const today = when.toDateString() === new Date().toDateString();
  return today ? time : `${when.toLocaleDateString([], { year: "numeric", month: "short", day: "numeric" })}, ${time}`;
}

export function recordingsTable(choose) {
  const HEAD = ["recording", "length", "sessions", "rows", "size", "date"];
  const numeric = (index) => (index >= 1 && index <= 4 ? "wf-number" : "");
  const body = h("tbody");
  const table = h("table", { className: "wf-table", "aria-label": "Recordings" },
    h("thead", {}, h("tr", {}, ...HEAD.map((name, index) => h("th", { scope: "col", className: numeric(index) }, name)))), body);
  const empty = h("p", { className: "wf-empty" });
  const element = h("div", { className: "wf-scroll wf-recordings" }, table, empty);
  const rows = new Map(); // name -> {row, cells, line}

  function make(name) {
    const cells = HEAD.map((_, index) => h("td", { className: numeric(index) }));
    const row = h("tr", { tabIndex: 0, "aria-selected": "false", onclick: () => choose(name), onkeydown: (event) => {
      if (event.key === "Enter" || event.key === " ") choose(name);
      else if (event.key === "ArrowDown") row.nextElementSibling?.focus();
      else if (event.key === "ArrowUp") row.previousElementSibling?.focus();
      else return;
      event.preventDefault();
    } }, ...cells);
    row.dataset.recording = name;
    return { row, cells, line: null };
  }

  function fill(one, line) {
    one.line = line;
    one.row.dataset.state = line.state;
    const read = line.state === "read";
    const word = line.share ? `reading ${Math.round(line.share * 100)} %` : RECORDING_STATES[line.state];
    const texts = [line.name, read ? lengthOf(line.seconds) : word, read ? count(line.sessions) : "", read ? count(line.rows) : "", bytes(line.bytes), dateOf(line.date)];
    texts.forEach((text, index) => write(one.cells[index], text));
    one.cells[1].colSpan = read ? 1 : 3;
    one.cells[2].hidden = one.cells[3].hidden = !read;
    one.cells[0].dataset.damaged = line.damaged ? "" : "no";
    one.row.title = line.state === "wrong" ? plain(line.why) : line.damaged ? `${count(line.damaged)} damaged lines` : "";
  }

  return {
    element,
    line: (name) => rows.get(name)?.line ?? null,
    draw(lines, chosen, folder) {
      const names = new Set(lines.map((line) => line.name));
      for (const [name, one] of rows) {
        if (names.has(name)) continue;
        one.row.remove();
        rows.delete(name);
      }
      lines.forEach((line, index) => {
        if (!rows.has(line.name)) rows.set(line.name, make(line.name));
        const one = rows.get(line.name);
        if (JSON.stringify(one.line) !== JSON.stringify(line)) fill(one, line);
        if (body.children[index] !== one.row) body.insertBefore(one.row, body.children[index] ?? null);
        one.row.setAttribute("aria-selected", String(line.name === chosen));
      });
      empty.hidden = lines.length > 0;
      write(empty, `No recordings in ${folder}/ yet: record one, and it lies here.`);
    },
  };
}
