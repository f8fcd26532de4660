import { h, write, plain, bytes, count, clock } from "./dom.js";
import { kindSelect, encodeBody, refusePaste, sends, fit } from "./body.js";
import { WAYS, openConnection } from "./connection.js";

const CLIENT_NAMES = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
const MAX_CLIENTS = 24;
const MAX_LINES = 200; // of one transcript
const LINE_LENGTH = 4000;
const ROUTE_PARAM = /\{([^{}/]+)\}|(?<=\/):([^/?#]+)/g;
const VIA = { direct: "direct", proxy: "proxy", bridge: "channel" };
const VIA_WORDS = { direct: "straight to the port", proxy: "through Jupyter's proxy", bridge: "over the notebook's channel, without a port" };

// Clients in the page, side by side; each is a session like any other.
export function clientPart(bus, root) {
  const there = { running: false, server: null, routes: [] };
  const clients = new Set();
  const bridges = new Map();
  let made = 0;
  let connections = 0;

  const routes = h("datalist", { id: `${bus.id}-routes` });
  const where = h("span", { className: "wf-note" });
  const add = h("button", { type: "button", className: "wf-button", onclick: () => addClient().focus() }, "Add a client");
  const place = h("div", { className: "wf-clients" });
  root.append(h("div", { className: "wf-tools" }, add, where), place, routes);

  function addClient() {
    const client = makeClient();
    clients.add(client);
    place.append(client.card);
    add.disabled = clients.size >= MAX_CLIENTS;
    return client;
  }

  function makeClient() {
    const given = CLIENT_NAMES[made] ?? `client ${made + 1}`;
    made += 1;
    let connection = null; // the way to the server, while there is one
    let state = "closed";
    let attempt = null; // what hears of the connection there is, or is being made
    const lines = []; // {at, way, text}
    let fresh = 0; // how many of them are not drawn
    let heard = 0;
    let said = 0;
    let timer = null;
    const sent = []; // what was typed here, for the arrow keys
    let back = 0;

    const name = h("input", { type: "text", className: "wf-client-name", value: given, maxLength: 40, spellcheck: false, "aria-label": "Name of this client", oninput: entitle });
    const light = h("span", { className: "wf-dot" });
    const status = h("span", { className: "wf-client-state", role: "status" });
    const sessionButton = h("button", { type: "button", className: "wf-link", hidden: true, title: "select this session", onclick: () => bus.select(connection?.session) });
    const remove = h("button", { type: "button", className: "wf-button wf-small", title: "remove this client", onclick: end }, "×");
    const path = h("input", { type: "text", "data-mono": true, className: "wf-client-path", spellcheck: false, "aria-label": "Path", placeholder: "/path", oninput: drawParams, onkeydown: enterConnects });
    path.setAttribute("list", routes.id);
    const way = h("select", { "aria-label": "Which way to the server", title: "which way to the server" }, ...Object.entries(WAYS).map(([value, text]) => h("option", { value }, text)));
    const connector = h("button", { type: "button", className: "wf-button", onclick: toggle });
    const params = h("div", { className: "wf-client-params" });
    const empty = h("li", { className: "wf-empty" }, "What is sent and got stands here.");
    const list = h("ol", { className: "wf-transcript", role: "log", tabIndex: 0 }, empty);
    const kind = kindSelect(judge);
    const box = h("textarea", { className: "wf-box", rows: 1, spellcheck: false, placeholder: "Enter sends", oninput: typed, onpaste: (event) => refusePaste(event, say), onkeydown: key });
    const go = h("button", { type: "button", className: "wf-button", "data-main": true, onclick: send }, "Send");
    const note = h("div", { className: "wf-reply", role: "status", "aria-live": "polite" });
    const card = h("section", { className: "wf-client-card" },
      h("div", { className: "wf-tools" }, light, name, status, sessionButton, remove),
      h("div", { className: "wf-tools" }, path, way, connector),
      params, list,
      h("div", { className: "wf-tools wf-client-send" }, kind, box, go),
      note,
    ); // prettier-ignore
    let untouched = true; // the path is ours to suggest

    function entitle() {
      const title = name.value || "client";
      card.setAttribute("aria-label", `Client ${title}`);
      list.setAttribute("aria-label", `What ${title} sent and got`);
      box.setAttribute("aria-label", `Message of ${title}`);
      remove.setAttribute("aria-label", `Remove ${title}`);
    }

    // ---- where to

    function suggest() {
      if (!untouched || path.value === (there.routes[0] ?? "")) return;
      path.value = there.routes[0] ?? "";
      drawParams();
    }

    function drawParams(event) {
      if (event) untouched = false;
      const names = [...path.value.matchAll(ROUTE_PARAM)].map((found) => found[1] ?? found[2]);
      const had = new Map([...params.querySelectorAll("input")].map((input) => [input.name, input]));
      if (names.join("/") === [...had.keys()].join("/")) return;
      params.replaceChildren(...names.map((each) => had.get(each)?.parentElement ?? h("label", {}, each, h("input", { type: "text", name: each, value: "1", "data-mono": true, onkeydown: enterConnects }))));
    }

    function wholePath() {
      const values = new Map([...params.querySelectorAll("input")].map((input) => [input.name, input.value]));
      const filled = path.value.trim().replace(ROUTE_PARAM, (_, one, other) => {
        const value = values.get(one ?? other) ?? "";
        if (!value) throw new Error(`the path needs a value for ${one ?? other}`);
        return encodeURIComponent(value.toWellFormed?.() ?? value);
      });
      const start = /^wss?:\/\//.test(filled) ? "" : filled.startsWith("/") ? "ws://server" : "ws://server/";
      const url = new URL(start + filled); // writes down what a browser would ask for
      return url.pathname + url.search;
    }

    // ---- connecting

    function enterConnects(event) {
      if (event.key === "Enter" && state === "closed") connect();
    }

    function toggle() {
      if (state === "closed") connect();
      else disconnect();
    }

    async function connect() {
      const mine = (attempt = {
        message: (data) => mine === attempt && heardMessage(data),
        lines: (news) => mine === attempt && heardLines(news),
        closed: (...how) => mine === attempt && closed(...how),
      });
      become("connecting");
      say("");
      try {
        if (!there.running) throw new Error("The flow does not run. Run  await flow.serve()  in a cell.");
        const found = await openConnection({ ask: bus.ask, bridges }, `c${++connections}`, way.value, there.server, wholePath(), mine);
        if (mine !== attempt) return void found.leave().catch(() => {}); // it was given up meanwhile
        connection = found;
        become("open");
        put("note", `connected ${VIA_WORDS[connection.via]}`);
        if (card.contains(document.activeElement)) box.focus();
      } catch (error) {
        if (mine !== attempt) return;
        attempt = null;
        become("closed");
        say(error.message, true);
      }
    }

    async function disconnect() {
      if (!connection) return closed(null, "given up"); // still connecting
      become("closing");
      try {
        await connection.leave(); // how it ended is told when it has
      } catch (error) {
        closed(null, error.message);
      }
    }

    function closed(code, reason) {
      connection = attempt = null;
      become("closed");
      const how = code === null ? "no code" : code === 1006 ? "1006, dropped" : code === 1005 ? "1005, no code came" : code;
      put("note", `closed: ${how}${reason ? ` ${plain(reason)}` : ""}`);
    }

    function become(next) {
      state = next;
      card.dataset.state = state;
      path.disabled = way.disabled = state !== "closed";
      for (const input of params.querySelectorAll("input")) input.disabled = state !== "closed";
      write(connector, state === "closed" ? "Connect" : state === "connecting" ? "Give up" : "Disconnect");
      connector.disabled = state === "closing";
      connector.toggleAttribute("data-main", state === "closed");
      go.disabled = state !== "open";
      sessionButton.hidden = !connection?.session;
      write(sessionButton, connection?.session?.split("-")[0] ?? "");
      drawState();
    }

    function drawState() {
      const counts = heard || said ? `${count(said)} out, ${count(heard)} in` : "";
      status.title = connection ? VIA_WORDS[connection.via] : "";
      write(status, [state === "open" ? VIA[connection.via] : state, counts].filter(Boolean).join(" · "));
    }

    // ---- the transcript

    function put(way, text) {
      lines.push({ way, text, at: Date.now() });
      fresh = Math.min(MAX_LINES, fresh + 1);
      if (lines.length > 2 * MAX_LINES) lines.splice(0, lines.length - MAX_LINES);
      timer ??= setTimeout(draw, 100);
    }

    function heardMessage(data) {
      heard += 1;
      put("in", shownMessage(data));
    }

    function heardLines({ messages = [], skipped = 0, closed: how }) {
      heard += messages.length + skipped;
      if (skipped) put("note", `${count(skipped)} more came than fit here`);
      for (const [is, text, size] of messages) put("in", shownText(is, text, size));
      if (how) closed(...how);
    }

    function draw() {
      timer = null;
      if (root.offsetParent === null) return; // drawn when it is seen again
      drawState();
      const bottom = list.scrollHeight - list.scrollTop - list.clientHeight < 24;
      if (fresh) empty.remove();
      list.append(...lines.slice(lines.length - fresh).map(drawLine));
      fresh = 0;
      const before = list.scrollHeight;
      while (list.children.length > MAX_LINES) list.firstChild.remove();
      if (bottom) list.scrollTop = list.scrollHeight;
      else list.scrollTop -= before - list.scrollHeight; // what is read stays where it is
    }

    // ---- writing

    function say(text, wrong = false) {
      note.dataset.kind = wrong ? "error" : "";
      write(note, text);
    }

    function typed() {
      back = 0;
      fit(box);
      judge();
    }

    function judge() {
      try {
        const body = box.value && box.value.length < 1e5 ? encodeBody(kind.value, box.value) : "";
        say(typeof body === "string" ? "" : `${count(body.length)} bytes`);
      } catch (error) {
        say(error.message, true);
      }
    }

    function key(event) {
      if (sends(event)) {
        event.preventDefault();
        if (box.value) send();
      } else if ((event.key === "ArrowUp" && (!box.value || back)) || (event.key === "ArrowDown" && back)) {
        event.preventDefault();
        back = Math.max(0, Math.min(sent.length, back + (event.key === "ArrowUp" ? 1 : -1)));
        const [is, value] = back ? sent[sent.length - back] : [kind.value, ""];
        kind.value = is;
        box.value = value;
        fit(box);
        judge();
      }
    }

    async function send() {
      if (state !== "open") return say("Connect first.", true);
      const value = box.value;
      try {
        const body = encodeBody(kind.value, value);
        const going = connection.send(kind.value, value, body);
        said += 1;
        put("out", shownMessage(body));
        if (value && value.length < 1e5) sent.push([kind.value, value]);
        if (sent.length > 50) sent.shift();
        box.value = "";
        back = 0;
        fit(box);
        say("");
        await going.catch((error) => put("note", `not sent: ${error.message}`));
      } catch (error) {
        say(error.message, true);
      }
    }

    function end() {
      if (connection) connection.leave().catch(() => {});
      attempt = connection = null;
      clearTimeout(timer);
      clients.delete(client);
      card.remove();
      add.disabled = false;
      add.focus();
    }

    const client = {
      card,
      draw,
      suggest,
      focus: () => path.focus(),
      lost: () => connection?.via === "bridge" && closed(null, "the kernel lost this page"),
      leave: () => connection?.via !== "bridge" && connection?.leave().catch(() => {}),
    };
    entitle();
    become("closed");
    suggest();
    return client;
  }

  // ---- all of them

  function drawWhere() {
    const { running, server } = there;
    write(where, !running ? "The flow does not run." : server ? `The server is at ${server.url}` : "The flow has no port: clients take the notebook's channel.");
  }

  bus.on("client", ({ clients: news = {}, ...rest }) => {
    Object.assign(there, rest);
    drawWhere();
    if (rest.routes) {
      routes.replaceChildren(...there.routes.map((route) => h("option", { value: route })));
      for (const client of clients) client.suggest();
    }
    for (const [number, told] of Object.entries(news)) {
      bridges.get(number)?.lines(told);
      if (told.closed) bridges.delete(number);
    }
  });
  bus.watch("fresh", () => {
    bridges.clear();
    for (const client of clients) client.lost();
  });
  const seen = new ResizeObserver(() => {
    if (root.offsetParent !== null) for (const client of clients) client.draw();
  });
  seen.observe(root);
  addClient();

  return () => {
    seen.disconnect();
    for (const client of clients) client.leave();
  };
}

function drawLine({ way, text, at }) {
  const sign = { in: "←", out: "→", note: "" }[way];
  const words = { in: "got", out: "sent", note: "" }[way];
  const row = h("li", {}, h("time", {}, clock(at).slice(0, 12)), h("span", { className: "wf-way", "aria-label": words }, sign), h("span", { className: "wf-text" }, text));
  row.dataset.way = way;
  return row;
}

function shownMessage(data) {
  if (typeof data === "string") return shownText("text", data.slice(0, LINE_LENGTH + 1), data.length);
  const view = new Uint8Array(data);
  const hex = Array.from(view.subarray(0, LINE_LENGTH / 3), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return shownText("binary", hex, view.length);
}

function shownText(is, text, size) {
  const cut = text.length > LINE_LENGTH ? text.slice(0, LINE_LENGTH - 1) + "…" : text;
  if (is === "binary") return `${bytes(size)} binary: ${cut}`;
  return size > LINE_LENGTH ? `${bytes(size)}: ${plain(cut)}` : plain(cut) || "(empty)";
}
