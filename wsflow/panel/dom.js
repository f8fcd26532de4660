// Elements made by hand: everything from outside becomes a text node, never markup (promise P22).

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.includes("-") && name !== "list" && name !== "form") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// Change a text only when it is another: a reader may have selected it.
export function write(element, text) {
  const wanted = String(text ?? "");
  if (element.textContent !== wanted) element.textContent = wanted;
}

// Client text on one line: what could draw over its neighbours or hide becomes its escape.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

export function plain(text) {
  return String(text ?? "").replace(HIDDEN, (sign) => {
    if (sign === "\n") return "⏎";
    if (sign === "\t") return "⇥";
    return "\\u" + sign.charCodeAt(0).toString(16).padStart(4, "0");
  });
}

export function bytes(size) {
  if (size < 1000) return `${size} B`;
  for (const unit of ["kB", "MB", "GB"]) {
    size /= 1000;
    if (size < 999.5) return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${unit}`;
  }
  return `${Math.round(size)} GB`;
}

export function count(number) {
  return Number(number).toLocaleString("en-US");
}

// A number in a narrow column: exact while that is short.
export function brief(number) {
  if (number < 100000) return count(number);
  return number < 1e7 ? `${count(Math.floor(number / 1000))}k` : `${count(Math.floor(number / 1e6))}M`;
}

// How long: 0:07, 2:25, 1:02:25, 3 d 4 h.
export function age(seconds) {
  seconds = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const rest = `${Math.floor(seconds / 60) % 60}:${two(seconds % 60)}`;
  if (seconds < 3600) return rest;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}:${rest.padStart(5, "0")}`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

export function clock(milliseconds) {
  const moment = new Date(milliseconds);
  const two = (number) => String(number).padStart(2, "0");
  const rest = String(moment.getMilliseconds()).padStart(3, "0");
  return `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}.${rest}`;
}
