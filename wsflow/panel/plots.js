import { h, svg, write, bytes, count, clock } from "./dom.js";

// The last minute, or ten, as three small plots; a pointer or the arrow keys read values off.

const PLOT_LEFT = 58;
const PLOT_RIGHT = 44;
const PLOT_TALL = 84;
const KEPT_SECONDS = 600;
const READ_ALOUD = 10; // seconds in the table for screen readers

const perSecond = (number) => (number === null ? "–" : `${count(number)}/s`);

function tookText(seconds) {
  if (seconds === null) return "–";
  if (seconds === 0) return "0";
  if (seconds < 0.001) return `${(seconds * 1e6).toFixed(seconds < 1e-5 ? 1 : 0)} µs`;
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

// Each plot: its lines by their place in a second's values, and how to write a value.
const PLOTS = [
  { name: "Messages a second", unit: (v) => count(v), least: 4, whole: true, lines: [[0, "in", "in", perSecond], [1, "out", "out", perSecond]], ticks: [2, "error", "errors", (v) => count(v ?? 0)] },
  { name: "Time in handlers", unit: tookText, least: 1e-6, lines: [[3, "half", "half within", tookText], [4, "slow", "95 % within", tookText]] },
  { name: "Waiting to be sent, and sessions", unit: bytes, least: 1000, lines: [[5, "backlog", "waiting", (v) => (v === null ? "–" : bytes(v))]], right: [6, "open", "sessions", (v) => (v === null ? "–" : count(v))] },
];

// The next of 1, 2, 5, 10, 20 … that is not below a value: where an axis ends.
function axisEnd(value, least) {
  const size = 10 ** Math.floor(Math.log10(Math.max(value, least)));
  return [1, 2, 5, 10].map((step) => step * size).find((end) => end >= Math.max(value, least) * 0.9999);
}

export function plotsPart(bus, root) {
  let start = 0; // the second of values[0]
  let values = [];
  let span = 60;
  let cursor = null; // a second, or null: the newest
  let wide = 300;

  const range = h("select", { "aria-label": "How long back", onchange: () => {
    span = Number(range.value);
    draw();
  } }, h("option", { value: 60 }, "last minute"), h("option", { value: 600 }, "last 10 minutes"));
  const moment = h("span", { className: "wf-note" });
  const spoken = h("span", { className: "wf-unseen", role: "status" });
  const empty = h("p", { className: "wf-empty" }, "A first second has to pass.");
  const plots = PLOTS.map(makePlot);
  const figures = h("div", { className: "wf-figures", tabIndex: 0, role: "group", "aria-label": "Plots. Arrow keys move from second to second, Escape goes back to now.", onkeydown: key, onpointermove: point, onpointerleave: () => go(null) }, ...plots.map((plot) => plot.element));
  const cells = Array.from({ length: READ_ALOUD }, () => Array.from({ length: 8 }, () => h("td")));
  const HEAD = ["second", "in", "out", "errors", "half of handlers within", "95 % within", "bytes waiting", "sessions"];
  const table = h("table", {}, h("caption", {}, "The newest seconds"), h("thead", {}, h("tr", {}, ...HEAD.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, ...cells.map((row) => h("tr", {}, ...row))));
  root.append(h("div", { className: "wf-tools" }, range, moment), empty, figures, h("div", { className: "wf-unseen" }, table), spoken);

  function makePlot(what) {
    const picture = svg("svg", { class: "wf-plot", height: PLOT_TALL + 18, "aria-hidden": "true" });
    const series = [...what.lines, ...(what.ticks ? [what.ticks] : []), ...(what.right ? [what.right] : [])];
    const said = series.map(([, kind, name]) => {
      const value = h("b");
      return { value, element: h("span", { className: "wf-series", "data-kind": kind }, h("i"), `${name} `, value) };
    });
    const element = h("figure", { className: "wf-figure" }, h("figcaption", {}, h("span", {}, what.name), ...said.map((one) => one.element)), picture);
    return { what, picture, series, said, element };
  }

  const newest = () => start + values.length - 1;
  const at = (second) => values[second - start] ?? null;
  const x = (second) => PLOT_LEFT + ((second - newest() + span - 1) / (span - 1)) * wide;

  function drawPlot({ what, picture }) {
    const first = Math.max(start, newest() - span + 1);
    const inside = values.slice(first - start);
    const y = (value, end) => PLOT_TALL - (value / end) * (PLOT_TALL - 8);
    const highest = (which) => Math.max(0, ...inside.map((one) => Math.max(...which.map(([index]) => one[index] ?? 0))));
    const end = axisEnd(highest(what.lines), what.least);
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      const level = y(share * end, end);
      parts.push(svg("path", { class: "wf-grid", d: `M${PLOT_LEFT},${level}h${wide}` }));
      if (share !== 0.5 || !(what.whole && end % 2)) parts.push(svg("text", { class: "wf-axis", x: PLOT_LEFT - 6, y: level + 4, "text-anchor": "end" }, what.unit(share * end)));
    }
    const path = (index, scale) => {
      let drawn = "";
      let pen = false;
      inside.forEach((one, step) => {
        if (one[index] === null) return (pen = false);
        const place = `${x(first + step).toFixed(1)},${y(one[index], scale).toFixed(1)}`;
        drawn += pen ? `L${place}` : `M${place}h0.01`;
        pen = true;
      });
      return drawn;
    };
    if (what.whole) parts.push(svg("path", { class: "wf-area", d: inside.map((one, step) => `${step ? "L" : "M"}${x(first + step).toFixed(1)},${y(one[0], end).toFixed(1)}`).join("") + `V${PLOT_TALL}H${x(first).toFixed(1)}Z` }));
    for (const [index, kind] of what.lines) parts.push(svg("path", { class: `wf-line wf-line-${kind}`, d: path(index, end) }));
    if (what.right) {
      const [index, kind] = what.right;
      const top = axisEnd(highest([what.right]), 4);
      parts.push(svg("path", { class: `wf-line wf-line-${kind}`, d: path(index, top) }));
      for (const share of [0, 1]) parts.push(svg("text", { class: "wf-axis", x: PLOT_LEFT + wide + 6, y: y(share * top, top) + 4 }, count(share * top)));
    }
    if (what.ticks) {
      const [index, kind] = what.ticks;
      const d = inside.map((one, step) => (one[index] ? `M${x(first + step).toFixed(1)},${PLOT_TALL + 1}v-12` : "")).join("");
      parts.push(svg("path", { class: `wf-line wf-line-${kind}`, d }));
    }
    const steps = span === 60 ? [60, 45, 30, 15, 0] : [10, 8, 6, 4, 2, 0];
    for (const step of steps) {
      const back = span === 60 ? step : step * 60;
      const where = back ? PLOT_LEFT + (1 - back / span) * wide : PLOT_LEFT + wide;
      parts.push(svg("text", { class: "wf-axis", x: where, y: PLOT_TALL + 14, "text-anchor": back === span ? "start" : back ? "middle" : "end" }, back ? (span === 60 ? `−${step} s` : `−${step} min`) : "now"));
    }
    const hair = svg("path", { class: "wf-hair" });
    picture.setAttribute("width", PLOT_LEFT + wide + PLOT_RIGHT);
    picture.replaceChildren(...parts, hair);
  }

  function draw() {
    empty.hidden = values.length > 0;
    figures.hidden = !values.length;
    if (!values.length || root.offsetParent === null) return;
    wide = Math.max(80, figures.clientWidth - PLOT_LEFT - PLOT_RIGHT);
    plots.forEach(drawPlot);
    read();
    for (let line = 0; line < READ_ALOUD; line++) {
      const second = newest() - line;
      const one = at(second);
      const texts = one ? [clock(second * 1000).slice(0, 8), count(one[0]), count(one[1]), count(one[2]), tookText(one[3]), tookText(one[4]), one[5] ?? "–", one[6] ?? "–"] : [];
      cells[line].forEach((cell, index) => write(cell, texts[index]));
    }
  }

  // Write what was at the cursor, or just now.
  function read() {
    const second = cursor === null ? newest() : Math.max(start, newest() - span + 1, Math.min(cursor, newest()));
    const one = at(second);
    write(moment, cursor === null ? "" : `at ${clock(second * 1000).slice(0, 8)}`);
    for (const { picture, series, said } of plots) {
      series.forEach(([index, , , word], which) => write(said[which].value, word(one[index])));
      picture.querySelector(".wf-hair")?.setAttribute("d", cursor === null ? "" : `M${x(second).toFixed(1)},4V${PLOT_TALL}`);
    }
    return one;
  }

  function go(second) {
    if (!values.length) return;
    cursor = second;
    read();
  }

  function point(event) {
    const inside = event.clientX - plots[0].picture.getBoundingClientRect().left - PLOT_LEFT;
    if (inside < -6 || inside > wide + 6) return go(null);
    go(Math.round(newest() - span + 1 + (inside / wide) * (span - 1)));
  }

  function key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (step) go(Math.max(newest() - span + 1, start, Math.min(newest(), (cursor ?? newest()) + step)));
    else if (event.key === "Home") go(Math.max(newest() - span + 1, start));
    else if (event.key === "End" || event.key === "Escape") go(null);
    else return;
    event.preventDefault();
    const one = at(cursor ?? newest());
    write(spoken, one ? `${clock((cursor ?? newest()) * 1000).slice(0, 8)}: ${plots.flatMap(({ series }) => series.map(([index, , name, word]) => `${name} ${word(one[index])}`)).join(", ")}` : "");
  }

  bus.on("plots", (news) => {
    if (news.first || news.at > newest() + 1 || !values.length) {
      start = news.at;
      values = news.values;
    } else {
      values = values.concat(news.values.slice(Math.max(0, newest() + 1 - news.at)));
    }
    const over = values.length - KEPT_SECONDS;
    if (over > 0) {
      values = values.slice(over);
      start += over;
    }
    draw();
  });

  const size = new ResizeObserver(draw); // also when a hidden tab comes into sight
  size.observe(root);
  draw();
  return () => size.disconnect();
}
