"use strict";
// Tries the flow's routes from the page. What comes back is only ever text.

const MOST_LINES = 500;
const routes = JSON.parse(document.getElementById("routes").textContent);
const form = document.querySelector("form");
const said = document.getElementById("said");
let socket = null;

function say(kind, text) {
  const line = document.createElement("li");
  line.className = kind;
  line.textContent = text;
  said.append(line);
  while (said.childElementCount > MOST_LINES) said.firstElementChild.remove();
  said.scrollTop = said.scrollHeight;
}

function chosen() {
  return routes[form.elements.route.selectedIndex];
}

// The address beside the page's own, with the page's token when it has one.
function address() {
  const url = new URL(form.elements.path.value, location.origin);
  if (url.origin !== location.origin) throw new Error("only addresses of this server");
  const token = new URLSearchParams(location.search).get("token");
  if (token !== null && !url.searchParams.has("token")) url.searchParams.set("token", token);
  return url;
}

function show() {
  const isSocket = chosen().kind === "WebSocket";
  form.elements.connect.hidden = !isSocket;
  form.elements.connect.textContent = socket === null ? "Connect" : "Disconnect";
  form.elements.send.disabled = isSocket && (socket === null || socket.readyState !== WebSocket.OPEN);
  form.elements.message.disabled = ["GET", "HEAD"].includes(chosen().kind);
}

function connect() {
  const url = address();
  const path = url.pathname;
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const mine = new WebSocket(url, chosen().protocols);
  mine.binaryType = "arraybuffer";
  mine.onopen = () => { say("note", `connected to ${path}`); show(); };
  mine.onmessage = ({ data }) => say("in", typeof data === "string" ? data : hex(data));
  mine.onclose = ({ code, reason }) => {
    say("note", `closed with ${code}${reason && `: ${reason}`}`);
    if (socket === mine) socket = null;
    show();
  };
  socket = mine;
}

function disconnect() {
  if (socket !== null) socket.close(1000);
}

function hex(buffer) {
  const bytes = new Uint8Array(buffer);
  const shown = Array.from(bytes.slice(0, 64), (byte) => byte.toString(16).padStart(2, "0"));
  return `${bytes.length} bytes: ${shown.join(" ")}${bytes.length > 64 ? " …" : ""}`;
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

async function request(method, text) {
  const hasBody = !["GET", "HEAD"].includes(method) && text !== "";
  const options = { method, credentials: "omit", redirect: "manual" };
  if (hasBody) {
    options.body = text;
    options.headers = { "content-type": isJson(text) ? "application/json" : "text/plain" };
  }
  const url = address();
  say("out", `${method} ${url.pathname}${hasBody ? ` ${text}` : ""}`);
  const reply = await fetch(url, options);
  say("in", `${reply.status} ${await reply.text()}`);
}

async function send() {
  const text = form.elements.message.value;
  if (chosen().kind !== "WebSocket") {
    await request(chosen().kind, text);
  } else if (socket !== null) {
    socket.send(text);
    say("out", text);
  }
}

function failed(error) {
  say("note", `that did not work: ${error.message}`);
}

if (form !== null) {
  for (const { kind, path } of routes) form.elements.route.add(new Option(`${kind} ${path}`));
  const choose = () => {
    disconnect();
    form.elements.path.value = chosen().path.replace(/\{[^}]*\}|(?<=\/):[^/]+/g, "1");
    show();
  };
  form.elements.route.addEventListener("change", choose);
  form.elements.connect.addEventListener("click", () => {
    try {
      if (socket === null) connect();
      else disconnect();
    } catch (error) {
      failed(error);
    }
    show();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send().catch(failed);
  });
  choose();
}
