import { h, write, plain, bytes, count, age } from "./dom.js";
import { moment, recordingsTable } from "./recordings.js";
import { timelinePicture } from "./timeline.js";
import { reportView } from "./report.js";

// The player: record, choose a recording, play it into today's handlers, see what changed.
export function playerPart(bus, root) {
  const ask = (action, given) => bus.ask("player", action, given).then(() => say(""), (error) => say(error.message, "error"));
  const there = { recorders: [], recordings: [], chosen: null, summary: null, playing: null, report: null, free: "", trouble: "" };

  // ---- recording
  const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
  const name = h("input", { type: "text", maxLength: 100, autocomplete: "off", "aria-label": "Name of the new recording", "data-mono": true, oninput: judge });
  const record = h("button", { type: "submit", className: "wf-button wf-record" }, h("span", { className: "wf-red", "aria-hidden": "true" }), "Record");
  const advice = h("span", { className: "wf-advice", role: "status" });
  const start = h("form", { className: "wf-tools", onsubmit: (event) => {
    event.preventDefault();
    if (!record.disabled) ask("record", { name: chosenName() }).then(() => (name.value = ""));
  } }, record, name, advice);
  const running = h("div", { className: "wf-running" });
  const trouble = h("p", { className: "wf-wrong", role: "alert", hidden: true });
  const recorders = new Map(); // name -> {row, facts}

  const chosenName = () => name.value.trim() || there.free;
  function judge() {
    const wanted = chosenName();
    const taken = there.recordings.some((line) => line.name === wanted);
    const busy = there.recorders.some((one) => one.name === wanted);
    const good = NAME.test(wanted) && !/\.part[0-9]+$/.test(wanted);
    name.placeholder = there.free;
    name.setAttribute("aria-invalid", String(!good));
    record.disabled = !good || busy;
    write(advice, !good ? "letters, digits, . _ - and a letter or digit first" : busy ? "that one is being recorded" : taken ? "the one of that name is kept under a number" : "");
  }

  function drawRecorders() {
    for (const [which, one] of recorders) {
      if (there.recorders.some((other) => other.name === which)) continue;
      one.row.remove();
      recorders.delete(which);
    }
    for (const { name: which, rows, seconds } of there.recorders) {
      if (!recorders.has(which)) recorders.set(which, makeRecorder(which));
      write(recorders.get(which).facts, `${age(seconds)} · ${count(rows)} rows`);
    }
    write(trouble, there.trouble ? `A recording has stopped by itself: ${plain(there.trouble)}` : "");
    trouble.hidden = !there.trouble;
    judge();
  }

  function makeRecorder(which) {
    const facts = h("span", { className: "wf-quiet" });
    const words = h("input", { type: "text", maxLength: 200, placeholder: "a mark: what happens now", "aria-label": `Mark in ${which}` });
    const row = h("form", { className: "wf-tools wf-live", onsubmit: (event) => {
      event.preventDefault();
      ask("mark", { name: which, text: words.value }).then(() => (words.value = ""));
    } },
      h("span", { className: "wf-red wf-blink", "aria-hidden": "true" }), h("strong", {}, which), facts, words,
      h("button", { type: "submit", className: "wf-button wf-small" }, "Mark"),
      h("button", { type: "button", className: "wf-button wf-small", "aria-label": `Stop recording ${which}`, onclick: () => ask("finish", { name: which }) }, "Stop"));
    running.append(row);
    return { row, facts };
  }

  // ---- what there is
  const recordings = recordingsTable((which) => ask("choose", { name: which }));

  // ---- playing
  const speed = h("select", { "aria-label": "Speed", onchange: paceOrNot },
    ...[["", "as fast as possible"], ["1", "1 ×"], ["10", "10 ×"], ["100", "100 ×"]].map(([value, text]) => h("option", { value }, text)));
  const button = (text, onclick, title) => h("button", { type: "button", className: "wf-button", onclick, title }, text);
  const play = button("Play", () => (there.playing?.state === "playing" ? ask("pause") : ask("play", { options: options() })), "play it into today's handlers");
  play.dataset.main = "";
  const step = button("Step", () => ask("step", { options: options() }), "one event on");
  const next = button("Next mark", () => ask("step", { options: options(), mark: true }), "on to the next mark");
  const stop = button("Stop", () => ask("stop"), "end here and compare");
  const where = h("span", { className: "wf-where" });
  const ids = h("input", { type: "checkbox" });
  const times = h("input", { type: "checkbox" });
  const order = h("input", { type: "checkbox" });
  const keys = h("input", { type: "text", placeholder: "id, $.user.at", maxLength: 1000, autocomplete: "off", "data-mono": true, "aria-label": "JSON keys or paths that do not matter" });
  const rules = h("fieldset", { className: "wf-rules" }, h("legend", {}, "What does not matter"),
    h("label", {}, ids, "ids"), h("label", {}, times, "times"), h("label", {}, order, "order"), h("label", {}, "keys ", keys));
  const picture = timelinePicture((t) => ask("seek", { options: options(), t }));
  const note = h("p", { className: "wf-wrong", role: "alert", hidden: true });
  const title = h("div", { className: "wf-chosen" });
  const report = reportView((session, t) => picture.point(session, t));
  const choice = h("div", { className: "wf-choice" }, title, picture.element, h("div", { className: "wf-tools" }, play, step, next, stop, speed, where), rules, report.element);
  const none = h("p", { className: "wf-empty" }, "Choose a recording to see and play it.");
  root.append(start, running, trouble, h("div", { className: "wf-playback" }, recordings.element, h("div", { className: "wf-pane" }, note, none, choice)));

  let said = "";
  let pace = ""; // the speed it plays at, as it was told last
  function say(text, kind = "") {
    said = kind ? plain(text) : "";
    drawPlaying();
  }

  const options = () => ({ speed: speed.value ? Number(speed.value) : null, ignore: keys.value, ids: ids.checked, times: times.checked, any_order: order.checked });
  const active = () => ["playing", "paused"].includes(there.playing?.state);

  function paceOrNot() {
    if (there.playing?.state === "playing") ask("play", { options: options() });
  }

  function drawPlaying() {
    const { playing, summary, chosen } = there;
    none.hidden = chosen !== null;
    choice.hidden = chosen === null;
    const mine = playing !== null && playing.name === chosen;
    const why = said || (mine && playing.state === "failed" ? plain(playing.why) : "");
    write(note, why);
    note.hidden = !why;
    if (chosen === null) return;
    const line = recordings.line(chosen);
    const wrong = line?.state === "wrong" || line?.state === "live";
    const position = mine ? playing.position : 0;
    const on = active();
    write(play, playing?.state === "playing" ? "Pause" : playing?.state === "paused" ? "Go on" : "Play");
    play.disabled = (wrong && !on) || playing?.state === "comparing";
    step.disabled = (wrong && !on) || playing?.state === "playing" || (!on && playing?.state === "comparing");
    next.hidden = !summary?.marks.length;
    next.disabled = step.disabled || !summary?.marks.some(([t]) => t > (on ? position : -1));
    stop.disabled = !on;
    rules.disabled = on;
    const states = { playing: "playing", paused: "stands still", comparing: "comparing", done: "played", stopped: "stopped", failed: "could not be played" };
    const length = summary ? ` of ${moment(summary.seconds)}` : "";
    write(where, mine ? `${states[playing.state]} · ${moment(position)}${length}` : on ? `${playing.name} ${playing.state === "playing" ? "is playing" : "stands still"}` : "");
    picture.at(mine && (on || playing.state === "stopped") ? position : null);
  }

  function drawChosen() {
    const line = there.chosen === null ? null : recordings.line(there.chosen);
    const damage = line?.damaged ? ` · ${count(line.damaged)} damaged ${line.damaged === 1 ? "line" : "lines"} left out` : "";
    const facts = line?.state === "read" ? `${moment(line.seconds)} · ${count(line.sessions)} ${line.sessions === 1 ? "session" : "sessions"} · ${count(line.rows)} rows · ${bytes(line.bytes)}${damage}` : "";
    title.replaceChildren(h("strong", {}, there.chosen ?? ""), h("span", { className: "wf-quiet" }, facts));
    title.title = (line?.damage ?? []).map(plain).join("\n");
    picture.show(there.summary, line);
  }

  bus.on("player", (news) => {
    Object.assign(there, news);
    if ("recordings" in news || "chosen" in news) recordings.draw(there.recordings, there.chosen, there.folder);
    if ("recorders" in news || "recordings" in news || "free" in news || "trouble" in news) drawRecorders();
    if ("summary" in news || "chosen" in news || "recordings" in news) drawChosen();
    if ("report" in news || "chosen" in news) {
      const mine = there.report !== null && there.report.recording === there.chosen ? there.report : null;
      report.show(mine);
      picture.differs(mine?.places ?? []);
    }
    if (active() && (there.playing.speed ?? "") !== pace) speed.value = pace = there.playing.speed ?? "";
    drawPlaying();
  });

  return picture.close;
}
