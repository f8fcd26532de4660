import { h, svg, write, plain } from "./dom.js";
import { moment } from "./recordings.js";

// A recording as a picture: a line a session, a stroke a message; click it to go there.

const TIMELINE_LEFT = 92; // pixels left of the picture
const TIMELINE_LINE = 17;
const TIMELINE_FOOT = 16;

export function timelinePicture(seek) {
  const drawing = svg("svg", { class: "wf-timeline", role: "img" });
  const strokes = svg("g");
  const spots = svg("g", { class: "wf-spots" });
  const hover = svg("line", { class: "wf-hover", visibility: "hidden" });
  const head = svg("line", { class: "wf-playhead", visibility: "hidden" });
  drawing.append(strokes, spots, hover, head);
  const slider = h("input", { type: "range", min: 0, max: 1000, step: 1, value: 0, "aria-label": "Go to a moment of the recording" });
  const tip = h("span", { className: "wf-tip", "aria-hidden": "true" });
  const legend = h("div", { className: "wf-legend" },
    ...[["in", "received"], ["out", "answered"], ["error", "errors"], ["mark", "marks"], ["differ", "different"]].map(([kind, text]) =>
      h("span", { className: "wf-key", "data-kind": kind }, h("i", {}), text)), tip);
  const state = h("p", { className: "wf-empty", hidden: true });
  const element = h("div", { className: "wf-picture" }, drawing, slider, legend, state);
  let summary = null;
  let places = [];
  let position = null;
  let held = false; // the slider is in somebody's hand

  const across = () => Math.max(60, element.clientWidth - TIMELINE_LEFT - 8);
  const x = (t) => TIMELINE_LEFT + (summary.seconds ? Math.min(1, t / summary.seconds) : 0) * across();
  const height = () => Math.max(1, summary.lines.length + (summary.others > 0)) * TIMELINE_LINE;

  function path(kind, top, tall) {
    const steps = [];
    (summary.ticks[kind] ?? []).forEach((bins, line) => {
      for (const bin of bins) steps.push(`M${x(bin * summary.width).toFixed(1)},${line * TIMELINE_LINE + top}v${tall}`);
    });
    return svg("path", { class: `wf-stroke wf-${kind}`, d: steps.join("") });
  }

  function draw() {
    if (!summary || element.offsetParent === null) return;
    const tall = height();
    drawing.setAttribute("height", tall + TIMELINE_FOOT);
    drawing.setAttribute("width", TIMELINE_LEFT + across() + 8);
    const { lines, others, seconds } = summary;
    const sessions = lines.length + others;
    drawing.setAttribute("aria-label", `${sessions} ${sessions === 1 ? "session" : "sessions"} over ${moment(seconds)}`);
    const names = [...lines.map(plain), ...(others ? [`${others} more`] : [])];
    const ends = [0, 0.25, 0.5, 0.75, 1].map((share) => svg("text", { x: TIMELINE_LEFT + share * across(), y: tall + 12, class: "wf-tick", "text-anchor": share === 0 ? "start" : share === 1 ? "end" : "middle" }, moment(seconds * share)));
    const rules = names.map((_, line) => svg("path", { class: "wf-rule", d: `M${TIMELINE_LEFT},${line * TIMELINE_LINE + TIMELINE_LINE / 2}h${across()}` }));
    const marks = summary.marks.map(([t, text]) => svg("path", { class: "wf-stroke wf-mark", d: `M${x(t).toFixed(1)},0v${tall}` }, svg("title", {}, `${moment(t)}: ${plain(text)}`)));
    const labels = names.map((name, line) => svg("text", { x: 0, y: line * TIMELINE_LINE + 12, class: "wf-label" }, name.length > 14 ? `${name.slice(0, 13)}…` : name));
    strokes.replaceChildren(...rules, ...labels, path("begin", 2, TIMELINE_LINE - 4), path("end", 2, TIMELINE_LINE - 4), path("in", 3, TIMELINE_LINE / 2 - 3), path("out", TIMELINE_LINE / 2, TIMELINE_LINE / 2 - 3), path("error", 2, TIMELINE_LINE - 4), ...marks, ...ends);
    const lineOf = new Map(lines.map((name, line) => [name, line]));
    spots.replaceChildren(...places.slice(0, 300).map(([session, t]) => svg("circle", { cx: x(t).toFixed(1), cy: (lineOf.get(session) ?? lines.length) * TIMELINE_LINE + TIMELINE_LINE / 2, r: 3.5, class: "wf-spot" })));
    for (const one of [hover, head]) {
      one.setAttribute("y1", 0);
      one.setAttribute("y2", tall);
    }
    drawHead();
  }

  function drawHead() {
    if (!summary) return;
    const shown = position !== null;
    head.setAttribute("visibility", shown ? "visible" : "hidden");
    if (shown) {
      head.setAttribute("x1", x(position));
      head.setAttribute("x2", x(position));
    }
    if (!held && document.activeElement !== slider) slider.value = shown && summary.seconds ? Math.round((position / summary.seconds) * 1000) : 0;
    else if (!held && shown && summary.seconds) slider.value = Math.round((position / summary.seconds) * 1000);
    slider.setAttribute("aria-valuetext", `${moment(position ?? 0)} of ${moment(summary.seconds)}`);
  }

  const timeAt = (event) => {
    const inside = event.clientX - drawing.getBoundingClientRect().left - TIMELINE_LEFT;
    return Math.min(1, Math.max(0, inside / across())) * summary.seconds;
  };
  drawing.addEventListener("pointermove", (event) => {
    if (!summary) return;
    const t = timeAt(event);
    hover.setAttribute("x1", x(t));
    hover.setAttribute("x2", x(t));
    hover.setAttribute("visibility", "visible");
    write(tip, `go to ${moment(t)}`);
  });
  drawing.addEventListener("pointerleave", () => {
    hover.setAttribute("visibility", "hidden");
    write(tip, "");
  });
  drawing.addEventListener("click", (event) => summary && seek(timeAt(event)));
  slider.addEventListener("input", () => {
    held = true;
    if (summary) write(tip, `go to ${moment((slider.value / 1000) * summary.seconds)}`);
  });
  slider.addEventListener("change", () => {
    held = false;
    write(tip, "");
    if (summary) seek((slider.value / 1000) * summary.seconds);
  });

  const size = new ResizeObserver(draw); // also when a hidden tab comes into sight
  size.observe(element);

  return {
    element,
    show(wanted, line) {
      summary = wanted;
      const words = { wrong: plain(line?.why ?? ""), live: "It is being recorded: stop that to see and play it.", large: "Reading…", new: "Reading…", read: "Reading…" };
      const ready = summary !== null && line?.state !== "wrong";
      write(state, ready ? "" : line ? words[line.state] : "It is gone.");
      state.hidden = ready;
      drawing.style.display = ready ? "" : "none";
      slider.hidden = legend.hidden = !ready;
      draw();
    },
    at(t) {
      position = t;
      drawHead();
    },
    differs(some) {
      places = some;
      draw();
    },
    point(session, t) {
      if (!summary) return;
      hover.setAttribute("x1", x(t));
      hover.setAttribute("x2", x(t));
      hover.setAttribute("visibility", t === null ? "hidden" : "visible");
    },
    close: () => size.disconnect(),
  };
}
