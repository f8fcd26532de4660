import { h, write, plain, count } from "./dom.js";
import { kindSelect, encodeBody, refusePaste, sends, fit } from "./body.js";

// Writes to clients: what is chosen stays chosen, so that nothing goes to anybody by surprise.
export function composerPart(bus, root) {
  let there = { running: false, total: 0, sessions: [], managers: [], history: [], event: null };
  let who = null; // the session that was chosen
  let watched = null;
  let busy = false;
  let back = 0; // how many steps back in the history the box shows; 0: it shows what was typed
  let recalled = null;

  const target = h("select", { "aria-label": "To whom", onchange: drawAll, onblur: drawAll });
  const session = h("select", { "aria-label": "Which session", onblur: drawAll, onchange: () => {
    who = session.value || null;
    if (who && sitting(who)) bus.select(who);
    drawAll();
  } });
  const about = h("div", { className: "wf-about" });
  const box = h("textarea", {
    className: "wf-box",
    rows: 1,
    spellcheck: false,
    placeholder: "Enter sends, Shift+Enter makes a line",
    "aria-label": "Message",
    oninput: () => {
      back = 0;
      fit(box);
      judge();
    },
    onpaste: (event) => refusePaste(event, say),
    onkeydown: key,
  });
  const kind = kindSelect(judge);
  const ends = h("input", { type: "checkbox", onchange: drawAll });
  const ending = h("label", { className: "wf-ending" }, ends, "then close");
  const code = h("input", { type: "number", value: "1000", min: 1000, max: 4999, className: "wf-code", "aria-label": "Close code" });
  const reason = h("input", { type: "text", maxLength: 123, placeholder: "reason", className: "wf-reason", "aria-label": "Close reason" });
  const past = h("select", { className: "wf-past", "aria-label": "Messages sent before", onchange: () => {
    recall(Number(past.value));
    past.value = "";
  }, onblur: drawAll });
  const go = h("button", { type: "button", className: "wf-button", "data-main": true, onclick: send });
  const note = h("div", { className: "wf-reply", role: "status", "aria-live": "polite" });
  root.append(
    h("div", { className: "wf-tools" }, target, session, about),
    box,
    h("div", { className: "wf-tools" }, kind, ending, code, reason, h("span", { className: "wf-gap" }), past, go),
    note,
  );

  // ---- whom there is

  const sitting = (id) => there.sessions.some(([one]) => one === id);
  const current = () => who ?? (there.sessions.length === 1 ? there.sessions[0][0] : null);
  const chosen = () => JSON.parse(target.value || '["event"]');
  const toOne = () => ["event", "session"].includes(chosen()[0]);
  const short = (id) => id.split("-")[0];

  function targets() {
    const one = [[["event"], "Answer to the last event of"], [["session"], "One session"]];
    const all = [["all"], `Everybody (${count(there.total)})`];
    if (!there.managers.length) return [["", [...one, all]]];
    const several = there.managers.length > 1;
    const managed = there.managers.map(({ name, total, groups }) => [
      plain(name),
      [
        [["all", name], `Everybody${several ? " it knows" : ""} (${count(total)})`],
        ...groups.map(([group, size]) => [["group", name, group], `Group ${plain(group)} (${count(size)})`]),
      ],
    ]);
    return [["", several ? [...one, all] : one], ...managed];
  }

  function drawTargets() {
    const groups = targets();
    const wanted = target.value || '["event"]';
    const known = groups.flatMap(([, members]) => members.map(([key]) => JSON.stringify(key)));
    if (!known.includes(wanted)) {
      const [to, , group] = JSON.parse(wanted); // it is gone: say so, never take another
      groups[0][1].push([JSON.parse(wanted), to === "group" ? `Group ${plain(group)} (nobody)` : "Everybody (no manager)"]);
    }
    fill(target, groups, wanted);
  }

  function drawSessions() {
    const id = current();
    const options = [[null, id ? "another session" : there.sessions.length ? "choose a session" : "nobody is connected"]];
    if (id && !sitting(id)) options.push([id, `${short(id)} has left`]);
    options.push(...there.sessions.map(([one, path]) => [one, `${short(one)} ${plain(path)}`]).reverse());
    fill(session, [["", options.map(([one, name]) => [one ?? "", name])]], id ?? "", (value) => value);
    session.hidden = !toOne();
  }

  // New options only where there is news, and never while the list may be open.
  function fill(select, groups, value, encode = JSON.stringify) {
    const news = JSON.stringify([groups, value]);
    if (select.dataset.shown === news || (document.activeElement === select && select.options.length)) return;
    select.dataset.shown = news;
    const made = (members) => members.map(([key, name]) => h("option", { value: encode(key) }, name));
    select.replaceChildren(...groups.flatMap(([label, members]) => (label ? [h("optgroup", { label }, ...made(members))] : made(members))));
    select.value = value;
  }

  function drawPast() {
    const lines = [...there.history].reverse();
    past.hidden = !lines.length;
    fill(past, [["", [["", "Sent before"], ...lines.map(([number, is, said]) => [number, `${is === "text" ? "" : is + " "}${plain(said) || "(empty)"}`])]]], "", String);
  }

  function drawAll() {
    drawTargets();
    drawSessions();
    drawPast();
    const [to, , group] = chosen();
    const id = current();
    const name = id ? short(id) : "…";
    write(go, { event: `Answer ${name}`, session: `Send to ${name}`, all: "Send to everybody", group: `Send to ${plain(group)}` }[to]);
    const closes = toOne() && ends.checked;
    ending.hidden = !toOne();
    code.hidden = reason.hidden = !closes;
    const event = to === "event" && there.event?.session === id ? there.event : null;
    write(about, event ? `event ${event.seq}: ${event.kind === "req" ? "it has connected" : plain(event.text) || "(empty)"}` : "");
    about.title = about.textContent;
    watch(to === "event" ? id : null);
  }

  function watch(id) {
    if (id === watched) return;
    watched = id;
    bus.ask("composer", "watch", { session: id }).catch(() => (watched = null)); // it has left
  }

  // ---- what is typed

  function say(text, wrong = false, missed = [], more = 0) {
    note.dataset.kind = wrong ? "error" : missed.length ? "warning" : "";
    const list = missed.map(([id, why]) => h("li", {}, `${plain(short(id))}: ${plain(why)}`));
    if (more) list.push(h("li", {}, `and ${count(more)} more`));
    note.replaceChildren(text, ...(list.length ? [h("ul", {}, ...list)] : []));
  }

  function judge() {
    try {
      if (box.value && box.value.length < 1e5) {
        const body = encodeBody(kind.value, box.value);
        return say(typeof body === "string" ? "" : `${count(body.length)} bytes`);
      }
      say("");
    } catch (error) {
      say(error.message, true);
    }
  }

  function key(event) {
    if (sends(event)) {
      event.preventDefault();
      if (box.value || (ends.checked && toOne())) send();
      else say("Type a message first; the button sends an empty one.");
    } else if (event.key === "ArrowUp" && (!box.value || back)) {
      step(event, 1);
    } else if (event.key === "ArrowDown" && back) {
      step(event, -1);
    }
  }

  function step(event, by) {
    event.preventDefault();
    const next = Math.min(there.history.length, back + by);
    if (next === back) return;
    back = next;
    if (back) recall(there.history.at(-back)[0], back);
    else show("text", "", 0);
  }

  async function recall(number, step = 0) {
    recalled = number;
    try {
      const said = await bus.ask("composer", "recall", { number });
      if (recalled === number) show(said.kind, said.body, step);
    } catch (error) {
      say(error.message, true);
    }
  }

  function show(is, body, step) {
    if (body || is !== "text") kind.value = is;
    box.value = body;
    back = step;
    fit(box);
    judge();
    box.focus();
  }

  // ---- sending

  async function send() {
    if (busy) return;
    const [to, manager, group] = chosen();
    const given = { to, kind: kind.value, body: box.value };
    if (toOne()) {
      given.session = current();
      if (!given.session) return say("Choose a session first: here, or in the table.", true);
      if (to === "event" && there.event?.session === given.session) given.event = there.event.seq;
      if (ends.checked) Object.assign(given, { end: true, code: Number(code.value), reason: reason.value });
      if (ends.checked && !box.value && kind.value === "text") delete given.body;
    } else {
      Object.assign(given, manager ? { manager } : {}, group ? { group } : {});
    }
    try {
      if ("body" in given) encodeBody(kind.value, box.value);
    } catch (error) {
      return say(error.message, true);
    }
    busy = go.disabled = true;
    const sent = box.value;
    try {
      const { words, missed, more } = await bus.ask("composer", "send", given);
      if (box.value === sent) {
        box.value = "";
        back = 0;
        fit(box);
      }
      ends.checked = false;
      drawAll();
      say(words, false, missed, more);
    } catch (error) {
      say(error.message, true);
    } finally {
      busy = go.disabled = false;
    }
  }

  bus.on("composer", (news) => {
    there = { ...there, ...news };
    drawAll();
  });
  bus.watch("select", (id) => {
    if (id) who = id;
    drawAll();
  });
  bus.watch("fresh", () => (watched = null));
  drawAll();
}
