import { h } from "./dom.js";

// What a person types into a box, as the message it stands for. `body.py` decides the same.

const KIND_NAMES = { text: "Text", json: "JSON" };
const BINARY_NAMES = { hex: "Hex", base64: "Base64" };
const MAX_BODY = 8e6; // bytes; Jupyter's own socket closes at ten million
const AS_TEXT = "choose Text to send it as it is";

export function kindSelect(onchange) {
  const options = (names) => Object.entries(names).map(([value, name]) => h("option", { value }, name));
  const binary = h("optgroup", { label: "Binary, written as" }, ...options(BINARY_NAMES));
  return h("select", { "aria-label": "What the message is", onchange }, ...options(KIND_NAMES), binary);
}

// Return a string or a Uint8Array; throws what is wrong, where, and what to do.
export function encodeBody(kind, typed) {
  if (typed.isWellFormed?.() === false) throw new Error("half of a character pair is no text");
  const size = typed.length < MAX_BODY / 6 ? 0 : new TextEncoder().encode(JSON.stringify(typed)).length; // as it travels
  if (size > MAX_BODY) throw new Error(tooMuch(size));
  if (kind === "json") return checkedJson(typed.trim());
  if (kind === "hex") return fromHex(typed);
  if (kind === "base64") return fromBase64(typed);
  return typed;
}

function tooMuch(size) {
  return `${(size / 1e6).toFixed(1)} MB are more than a panel carries (8 MB): send it from a cell, session.send(...)`;
}

// What is far too much is not even put into the box: that alone stops a browser for long.
export function refusePaste(event, say) {
  const size = event.clipboardData?.getData("text").length ?? 0;
  if (size <= MAX_BODY) return;
  event.preventDefault();
  say(tooMuch(size), true);
}

function checkedJson(typed) {
  if (!typed) throw new Error("not JSON: there is nothing; choose Text to send an empty message");
  try {
    JSON.parse(typed);
    return typed;
  } catch {
    throw new Error(`not JSON: ${typed.length < 1e5 ? jsonFault(typed) : "it is long; look at its end"}; ${AS_TEXT}`);
  }
}

// Browsers tell the place of a fault in their own words, or not at all: find it.
const JSON_TOKEN = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\],:]/y;
const JSON_NEXT = {
  value: "a value", first: "a value or ]", key: "a name in quotes", entry: "a name in quotes or }",
  colon: "a colon", after: "a comma or a closing bracket", end: "nothing more",
}; // prettier-ignore

function jsonFault(typed) {
  const open = [];
  let wanted = "value";
  let at = 0;
  const done = () => (wanted = open.length ? "after" : "end");
  const step = (token) => {
    const value = !"}],:".includes(token[0]);
    if (wanted === "colon") return token === ":" && (wanted = "value");
    if (wanted === "end") return false;
    if (wanted === "after" && token === ",") return (wanted = open.at(-1) === "{" ? "key" : "value");
    const closes = { "}": "{", "]": "[" }[token];
    if (closes) return ["after", closes === "{" ? "entry" : "first"].includes(wanted) && open.at(-1) === closes && (open.pop(), done());
    if (!value || wanted === "after") return false;
    if (wanted === "key" || wanted === "entry") return token[0] === '"' && (wanted = "colon");
    if (token === "{" || token === "[") return open.push(token), (wanted = token === "{" ? "entry" : "first");
    return done();
  };
  for (;;) {
    while (" \t\r\n".includes(typed[at] ?? "x")) at++;
    if (at >= typed.length) break;
    JSON_TOKEN.lastIndex = at;
    const token = JSON_TOKEN.exec(typed)?.[0];
    if (!token || !step(token)) break;
    at += token.length;
  }
  const lines = typed.slice(0, at).split("\n");
  const found = at < typed.length ? `not ${JSON.stringify(typed[at])}` : "not the end";
  return `line ${lines.length} column ${lines.at(-1).length + 1}: ${JSON_NEXT[wanted]} belongs there, ${found}`;
}

function fromHex(typed) {
  const digits = typed.replace(/0x|[\s:,_-]/gi, "");
  const wrong = digits.match(/[^0-9a-f]/i);
  if (wrong) throw new Error(`not hex: ${JSON.stringify(wrong[0])} is none of 0-9 and a-f; ${AS_TEXT}`);
  if (digits.length % 2) throw new Error(`not hex: two digits make a byte, and there are ${digits.length}`);
  return Uint8Array.from({ length: digits.length / 2 }, (_, at) => parseInt(digits.slice(2 * at, 2 * at + 2), 16));
}

function fromBase64(typed) {
  const signs = typed.replace(/\s/g, "").replace(/=+$/, "");
  const wrong = signs.match(/[^A-Za-z0-9+/_-]/);
  if (wrong) throw new Error(`not base64: ${JSON.stringify(wrong[0])} is no sign of it; ${AS_TEXT}`);
  if (signs.length % 4 === 1) throw new Error(`not base64: ${signs.length} signs can not be whole bytes`);
  return Uint8Array.from(atob(signs.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
}

// Whether a key sends: always with Ctrl or Cmd, alone while the box has one line.
export function sends(event) {
  if (event.key !== "Enter" || event.isComposing || event.altKey) return false;
  return event.ctrlKey || event.metaKey || (!event.shiftKey && !event.target.value.includes("\n"));
}

// A box that grows with what is typed, up to a bound.
export function fit(box) {
  box.rows = Math.min(8, Math.max(1, box.value.slice(0, 10000).split("\n").length));
}
