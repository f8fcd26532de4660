import { h, write, plain, count } from "./dom.js";

// The head of every panel: which flow, where, how it does, and what stands in its way.
export function statusPart(bus, root) {
  const dot = h("span", { className: "wf-dot", "aria-hidden": "true" });
  const name = h("strong", { className: "wf-name" });
  const state = h("span", { className: "wf-state" });
  const url = h("code", { className: "wf-url", title: "where clients connect" });
  const numbers = h("span", { className: "wf-numbers" });
  const pause = h("button", {
    type: "button",
    className: "wf-button wf-small",
    onclick: () => {
      const action = last.state === "paused" ? "resume" : "pause";
      bus.ask("status", action).catch((error) => tell(error.message, "error"));
    },
  });
  const notice = h("div", { className: "wf-notice", role: "status", "aria-live": "polite", hidden: true });
  const head = h("div", { className: "wf-head" }, dot, name, state, url, numbers, pause);
  root.append(head, notice);

  let last = { state: "stopped" };
  let said = null; // what a click led to, until the next one
  let waiting = 0;

  function tell(text, kind = "") {
    said = text ? { text, kind } : null;
    draw();
  }

  function draw() {
    const away = bus.state !== "live";
    const shown = away ? (bus.state === "away" ? "disconnected" : "connecting") : last.state;
    root.dataset.state = shown;
    write(name, last.flow ?? "");
    write(state, shown);
    write(url, last.url ? last.url + (last.paths?.length === 1 ? last.paths[0] : "") : "no port");
    const { sessions = 0, events = 0, rate = 0, dropped = 0 } = last;
    const parts = [`${count(sessions)} ${sessions === 1 ? "session" : "sessions"}`, `${count(events)} events`];
    if (rate) parts.push(`${count(rate)}/s`);
    if (dropped) parts.push(`${count(dropped)} dropped from the log`);
    write(numbers, parts.join(" · "));
    pause.hidden = away || last.state === "stopped";
    write(pause, last.state === "paused" ? "Resume" : "Pause");
    const [text, kind] = words(away);
    notice.hidden = !text;
    notice.dataset.kind = kind;
    write(notice, text);
  }

  function words(away) {
    if (bus.state === "away")
      return ["No word from the kernel: it is busy, or was restarted. Run the cell again to reconnect.", "error"];
    if (away) return ["", ""];
    if (last.blocked) return [`The loop is blocked by ${last.blocked.where}${last.blocked.node ? ` in node ${plain(last.blocked.node)}` : ""}. ${last.blocked.advice}`, "error"];
    if (waiting) return ["Waiting for the kernel: a cell that runs may have to end first.", "warning"];
    if (said) return [said.text, said.kind];
    if (last.state === "stopped") return ["This flow does not run. Run  await flow.serve()  in a cell.", "warning"];
    if (last.held?.length) return [`${last.held.length === 1 ? `Session ${plain(last.held[0])} waits: its event is` : `${count(last.held.length)} sessions wait: their events are`} held in the freezer.`, "warning"];
    if (last.state === "paused") return ["Paused: clients stay connected, what they send waits.", "warning"];
    return ["", ""];
  }

  bus.on("status", (news) => {
    last = news;
    draw();
  });
  bus.watch("state", draw);
  bus.watch("waiting", (number) => {
    waiting = number;
    draw();
  });
  draw();
}
