import { h, plain, bytes, count, clock } from "./dom.js";

// One row in full: what it carried, what led to it, and all that it caused.
export function rowDetails(bus, open, close) {
  const element = h("section", { className: "wf-detail", "aria-label": "One row", hidden: true, onkeydown: (event) => {
    if (event.key === "Escape") finish(event, close);
  } });

  function hasFocus() {
    return element.contains(element.getRootNode().activeElement); // of a shadow root too
  }

  function head(facts) {
    const where = bus.has("diagram") && h("button", { type: "button", className: "wf-button wf-small", onclick: () => bus.show("diagram") }, "In the diagram");
    return h("header", { className: "wf-tools" }, ...facts, h("span", { className: "wf-close" }), where || null,
      h("button", { type: "button", className: "wf-button wf-small", "aria-label": "Close the details", onclick: close }, "Close"));
  }

  function show(told) {
    const place = placed(told.node, told.port);
    const facts = [["", `row ${count(told.seq)}`], ["", clock(told.time)], ["session", told.session], ["peer", told.peer], ["path", told.path],
      ["size", told.size ? bytes(told.size) : ""], ["after", told.elapsed === null ? "" : `${span(told.elapsed * 1000)} in the handler`]];
    const pieces = facts.filter(([, value]) => value).map(([name, value]) => h("span", { className: "wf-fact" }, name ? `${name} ` : "", h("b", {}, plain(value))));
    const data = h("div", { className: "wf-half" });
    if (told.error) data.append(h("h4", {}, "Error"), h("pre", { className: "wf-pre wf-mistake", tabIndex: 0 }, visiblePre(told.error)));
    data.append(h("h4", {}, { json: "Data", text: "Data", hex: "Data, in hexadecimal", none: "Data" }[told.form]));
    if (told.form === "none") data.append(h("p", { className: "wf-empty" }, "This row carries none."));
    else data.append(h("pre", { className: "wf-pre", tabIndex: 0 }, visiblePre(told.text)));
    if (told.cut) data.append(h("p", { className: "wf-hint" }, `cut: the first 64 KB of ${bytes(told.size)}`));
    const tree = h("ol", { className: "wf-tree" }, ...told.trace.map((line) => branch(line, told.seq)));
    const story = h("div", { className: "wf-half" }, h("h4", {}, "Trace"));
    if (told.lost) story.append(h("p", { className: "wf-hint" }, `What led here, row ${count(told.lost)}, was dropped from the log.`));
    story.append(tree);
    if (told.trace.length < told.of) story.append(h("p", { className: "wf-hint" }, `${count(told.trace.length)} of ${count(told.of)} rows: flow.log.trace(${told.trace[0][0]}) has all of them`));
    const focused = hasFocus();
    element.replaceChildren(head([chip(told.kind), h("strong", {}, plain(place)), ...pieces]), h("div", { className: "wf-halves" }, data, story));
    element.hidden = false;
    if (focused) element.querySelector('[aria-current="true"]')?.focus();
    bus.trace({ seq: told.seq, steps: told.trace.map((line) => [line[4], line[5], line[6]]) });
  }

  function branch([seq, depth, since, after, kind, node, port, who, data, error], current) {
    const place = placed(node, port);
    const button = h("button", { type: "button", className: "wf-branch", "aria-current": String(seq === current), onclick: () => open(seq),
      title: `row ${seq}, ${span(since)} since the first`, style: `padding-left: ${6 + depth * 16}px` },
      chip(kind), h("span", { className: "wf-place" }, plain(place)),
      h("span", { className: error ? "wf-gist wf-mistake" : "wf-gist" }, plain(error || data)),
      h("span", { className: "wf-after" }, depth || after ? `+${span(after)}` : ""));
    return h("li", {}, button);
  }

  function fail(seq, why) {
    bus.trace(null);
    element.replaceChildren(head([h("strong", {}, `row ${count(seq)}`)]), h("p", { className: "wf-empty" }, why));
    element.hidden = false;
  }

  // Say whether the focus was in it.
  function clear() {
    const inside = hasFocus();
    element.hidden = true;
    element.replaceChildren();
    bus.trace(null);
    return inside;
  }

  return { element, show, fail, clear };
}

export function chip(kind) {
  const mark = h("span", { className: "wf-chip" }, kind);
  mark.dataset.kind = kind;
  return mark;
}

// A key that was understood is not Jupyter's command, too.
export function finish(event, act) {
  event.preventDefault();
  event.stopPropagation();
  act();
}

function span(milliseconds) {
  if (milliseconds < 0.95) return `${Math.round(milliseconds * 1000)} µs`;
  if (milliseconds < 1000) return `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
  return `${(milliseconds / 1000).toFixed(milliseconds < 10000 ? 2 : 1)} s`;
}

// Lines stay lines; what else hides or draws over its neighbours becomes its escape.
function visiblePre(text) {
  return text.split("\n").map(plain).join("\n");
}

// Node and port as the user writes them; what belongs to no node has only a port.
function placed(node, port) {
  return [node, port].filter(Boolean).join(".");
}
