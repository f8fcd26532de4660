import { h, svg, write, plain, count } from "./dom.js";

// The graph: boxes keep their places; counts, rates and the way of one event are drawn upon it.
export function diagramPart(bus, root) {
  const SMALLEST = 0.66; // below that nobody can read it: then the picture scrolls
  const ICONS = {
    WebSocketTrigger: "M3 6h9l-3-3M13 10H4l3 3",
    HttpTrigger: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M2.5 8h11M8 2.5c3 3.5 3 7.500 0 11M8 2.5c-3 3.5-3 7.500 0 11",
    Timer: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M8 5v3.200l2.200 1.500",
    Inject: "M5 3.5v9l7-4.500z",
    Catch: "M8 3v6M8 12v.6",
    Connections: "M8 6a2 2 0 1 0 0 4a2 2 0 1 0 0-4M8 6V2.500M8 10v3.500M6 8H2.500M10 8h3.500",
    Barrier: "M3 4h6M3 8h6M3 12h6M12 3v10",
    Switch: "M2.500 8h4l5-4.500M6.500 8l5 4.500",
    Throttle: "M3 4h10M5 8h6M7 12h2",
    Debounce: "M2.500 11h3V5h2v6h2V5h4",
    trigger: "M9 2L4 9h3.500L7 14l5-7H8.500z",
    node: "M11 3c-2 0-2.500 1-3 3l-1 5c-.4 1.800-1 2.500-2.500 2.500M5 7h6",
  };
  ICONS.MultiTrigger = ICONS.HttpTrigger;

  const picture = svg("svg", { class: "wf-graph", role: "group", "aria-label": "The graph of the flow. Arrow keys move from node to node." });
  const frame = h("div", { className: "wf-frame" }, picture);
  const empty = h("p", { className: "wf-empty" }, "There are no nodes yet: flow.websocket(\"/chat\") makes the first.");
  const told = h("p", { className: "wf-told", role: "status" });
  root.append(frame, empty, told);

  let boxes = []; // {node, group, numbers}
  let lines = []; // {wire, group, ...}
  let size = { width: 1, height: 1 };
  let over = null; // the box that is pointed at, or has the focus
  let pending = null; // the newest graph, while nobody can see it
  let state = { wires: [], nodes: [], lit: null };
  let more = 0;

  function draw(graph) {
    const focused = boxes.find((box) => box.group === document.activeElement || box.group === root.getRootNode().activeElement)?.node.name;
    const there = new Map(boxes.map((box) => [box.node.name, box]));
    boxes = graph.nodes.map((node) => shape(node, there.get(node.name)));
    lines = graph.wires.map(wire);
    size = graph;
    more = graph.more;
    picture.replaceChildren(...lines.map((line) => line.group), ...lines.map((line) => line.label), ...boxes.map((box) => box.group));
    boxes.forEach((box, index) => box.group.setAttribute("tabindex", index === 0 ? "0" : "-1"));
    if (focused !== undefined) boxes.find((box) => box.node.name === focused)?.group.focus({ preventScroll: true });
    empty.hidden = boxes.length > 0;
    frame.hidden = !boxes.length;
    over = null;
    fit();
    tell();
  }

  function fit() {
    const room = frame.clientWidth;
    if (!room) return;
    const scale = Math.min(1, Math.max(boxes.length > 60 ? 1 : SMALLEST, room / size.width));
    picture.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    picture.setAttribute("width", Math.floor(size.width * scale));
    picture.setAttribute("height", Math.ceil(size.height * scale));
  }

  // A box that stays is moved to where it belongs, everything in it is made anew.
  function shape(node, there) {
    const [x, y, width, height] = node.at;
    const group = there?.group ?? svg("g", { class: "wf-node", role: bus.has("log") ? "button" : "img",
      onfocus: () => point(group, true), onblur: () => point(group, false),
      onpointerenter: () => point(group, true), onpointerleave: () => point(group, false),
      onclick: () => look(group), onkeydown: (event) => key(event, group) });
    group.setAttribute("style", `transform: translate(${x}px, ${y}px)`);
    group.classList.toggle("wf-trigger", node.trigger);
    const badge = svg("g", { class: "wf-badge", transform: `translate(${width}, 0)` });
    const number = svg("text", { y: 4, "text-anchor": "middle" });
    const plate = svg("rect", { y: -9, height: 18, rx: 9 });
    badge.append(plate, number);
    const icon = svg("path", { class: "wf-icon", d: ICONS[node.kind] ?? ICONS[node.trigger ? "trigger" : "node"], transform: "translate(9, 9)" });
    const edge = node.trigger ? 15 : 6;
    group.replaceChildren(
      svg("rect", { class: "wf-body", width, height, rx: edge }),
      icon,
      words("wf-head-text", 31, 21, node.title),
      words("wf-kind-of", 31, 36, node.about),
      ...node.inputs.flatMap(([name, at]) => [svg("circle", { class: "wf-port", cx: 0, cy: at, r: 3.5 }), words("wf-port-text", 9, at + 4, name)]),
      ...node.outputs.flatMap(([name, at]) => [svg("circle", { class: "wf-port", cx: width, cy: at, r: 3.5 }), words("wf-port-text", width - 9, at + 4, name, "end")]),
      badge);
    return { node, group, badge, number, plate, numbers: [0, 0, null] };
  }

  function words(className, x, y, text, anchor = "start") {
    const element = svg("text", { class: className, x, y, "text-anchor": anchor });
    element.textContent = plain(text);
    return element;
  }

  function wire(given) {
    const track = svg("path", { class: "wf-track", d: given.path });
    const flowing = svg("path", { class: "wf-flowing", d: given.path });
    const group = svg("g", { class: given.back ? "wf-wire wf-back" : "wf-wire" }, track, flowing);
    const label = svg("text", { class: "wf-passed", x: given.label[0], y: given.label[1] - 7, "text-anchor": "middle" });
    return { wire: given, group, track, label };
  }

  // Its rows, in the log, where the page has one.
  function look(group) {
    if (bus.has("log")) bus.look(`${find(group).node.name}.`);
  }

  function find(group) {
    return boxes.find((box) => box.group === group);
  }

  // ---- numbers
  function rateText(rate) {
    return rate >= 1000 ? `${(rate / 1000).toFixed(rate < 10000 ? 1 : 0)}k/s` : `${rate}/s`;
  }

  function shortly(number) {
    if (number < 100_000) return count(number);
    return number < 1_000_000 ? `${Math.floor(number / 1000)}k` : `${(Math.floor(number / 10_000) / 100).toFixed(2)}M`;
  }

  function flow(index, number, rate) {
    const line = lines[index];
    if (!line) return;
    write(line.label, number ? (rate ? `${shortly(number)} · ${rateText(rate)}` : shortly(number)) : "");
    const strength = rate ? Math.min(1, Math.log10(1 + rate) / 3.3) : 0;
    line.group.style.setProperty("--strength", strength.toFixed(2));
    line.group.classList.toggle("wf-flows", rate > 0);
  }

  function number(index, events, errors, mean) {
    const box = boxes[index];
    if (!box) return;
    box.numbers = [events, errors, mean];
    box.group.classList.toggle("wf-fails", errors > 0);
    const text = errors ? count(errors) : "";
    write(box.number, text);
    const width = 12 + text.length * 6.5;
    box.plate.setAttribute("width", width);
    box.plate.setAttribute("x", -width / 2);
    box.group.setAttribute("aria-label", sentence(box));
    if (over === box) tell();
  }

  function light(lit) {
    const nodes = new Set(lit?.nodes);
    const wires = new Set(lit?.wires);
    picture.classList.toggle("wf-lit", lit !== null);
    boxes.forEach((box, index) => box.group.classList.toggle("wf-on", nodes.has(index)));
    lines.forEach((line, index) => {
      line.group.classList.toggle("wf-on", wires.has(index));
      line.label.classList.toggle("wf-on", wires.has(index));
    });
    tell();
  }

  // ---- words
  function sentence(box) {
    const { node, numbers } = box;
    const [events, errors, mean] = numbers;
    const parts = [plain(node.name), plain(node.about)];
    if (node.source) parts.push(plain(node.source));
    if (node.inputs.length) parts.push(`${count(events)} ${events === 1 ? "event" : "events"} in`);
    if (errors) parts.push(`${count(errors)} ${errors === 1 ? "error" : "errors"}`);
    if (mean !== null) parts.push(`answers after ${mean < 1000 ? `${mean} ms` : `${(mean / 1000).toFixed(1)} s`} on the mean`);
    return parts.join(" · ");
  }

  function tell() {
    const lit = state.lit;
    const why = lit ? (lit.chosen ? `Lit: the way of row ${count(lit.seq)}.` : `Lit: the last event of session ${plain(bus.selected ?? "")}, row ${count(lit.seq)}.`) : "";
    const rest = more ? `${count(more)} more nodes are not drawn.` : "";
    const idle = boxes.length ? `Point at a node, or move to it with the arrow keys, to read about it${bus.has("log") ? "; a click or Enter shows its rows in the log" : ""}.` : "";
    write(told, over ? sentence(over) : [why, rest].filter(Boolean).join(" ") || idle);
  }

  function point(group, here) {
    const box = find(group);
    if (here) over = box;
    else if (over === box) over = boxes.find((one) => one.group === root.getRootNode().activeElement) ?? null;
    tell();
  }

  function key(event, group) {
    const at = boxes.findIndex((box) => box.group === group);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: boxes.length - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") look(group);
    else if (to === undefined) return;
    else {
      const next = boxes[Math.max(0, Math.min(boxes.length - 1, to))];
      for (const box of boxes) box.group.setAttribute("tabindex", box === next ? "0" : "-1");
      next.group.focus();
    }
    event.preventDefault();
    event.stopPropagation(); // Jupyter would move to another cell
  }

  // ---- the bus
  function show() {
    if (root.offsetParent === null) return;
    if (pending) {
      draw(pending);
      pending = null;
    }
    fit();
    for (const line of state.wires.filter(Boolean)) flow(...line);
    for (const line of state.nodes.filter(Boolean)) number(...line);
    light(state.lit);
  }

  bus.on("diagram", (news) => {
    if (news.graph) {
      pending = news.graph;
      state = { wires: [], nodes: [], lit: null };
    }
    for (const line of news.wires ?? []) state.wires[line[0]] = line;
    for (const line of news.nodes ?? []) state.nodes[line[0]] = line;
    if ("lit" in news) state.lit = news.lit;
    if (root.offsetParent === null) return;
    if (pending) return show();
    for (const line of news.wires ?? []) flow(...line);
    for (const line of news.nodes ?? []) number(...line);
    if ("lit" in news) light(state.lit);
  });
  const ask = (action, given) => bus.ask("diagram", action, given).catch((error) => write(told, error.message));
  let chosen = null;
  bus.watch("trace", (story) => ask("light", { seq: (chosen = story?.seq ?? null) }));
  bus.watch("select", (session) => ask("select", { session }));
  bus.watch("fresh", () => {
    if (chosen) ask("light", { seq: chosen });
    if (bus.selected) ask("select", { session: bus.selected });
  });
  const watcher = new ResizeObserver(show); // also when its tab is opened
  watcher.observe(frame);
  watcher.observe(root);
  frame.hidden = true;
  return () => watcher.disconnect();
}
