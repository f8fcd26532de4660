// What the parts of one page share: the way to the kernel, and what is selected.

const SILENCE = 5000; // milliseconds without a word after which the kernel counts as away
const ANSWER_DELAY = 1500; // milliseconds an answer may take before the page says that it waits
const KEEPALIVE = 20000;

export function makeBus(model) {
  const id = `p${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
  const hearers = new Map(); // part -> function(news)
  const asked = new Map(); // number -> {resolve, reject, timer}
  const watchers = { state: new Set(), fresh: new Set(), select: new Set(), waiting: new Set(), trace: new Set(), look: new Set(), show: new Set() };
  let number = 0;
  let heardAt = 0;
  let state = "connecting";
  let selected = null;
  let waiting = 0;
  let closed = false;
  const again = new Set(); // questions the kernel had no page for

  const announce = (kind, value) => watchers[kind].forEach((watcher) => watcher(value));
  const post = (message) => {
    try {
      model.send({ page: id, ...message });
    } catch {
      become("away"); // the widget's channel is closed: the kernel was restarted
    }
  };
  function become(next) {
    if (state !== next) {
      state = next;
      announce("state", state);
    }
  }
  const hello = () => post({ op: "hello", origin: globalThis.location?.origin ?? null });

  function receive(message) {
    if (closed || message?.to !== id) return;
    heardAt = Date.now();
    if ("lost" in message) {
      if (asked.has(message.lost)) again.add(message.lost);
      return hello();
    }
    if ("answer" in message) return settle(message);
    become("live");
    if (message.tick === 1) {
      announce("fresh"); // the kernel's side starts from nothing: what follows is all there is
      for (const lost of again) if (asked.has(lost)) post(asked.get(lost).message);
      again.clear();
    }
    for (const [part, news] of Object.entries(message.news ?? {})) hearers.get(part)?.(news);
  }

  function settle(message) {
    const question = asked.get(message.answer);
    if (!question) return;
    asked.delete(message.answer);
    clearTimeout(question.timer);
    if (question.waits) announce("waiting", --waiting);
    if (message.error) question.reject(new Error(message.error));
    else question.resolve(message.value);
  }

  let signAt = Date.now();
  const watch = setInterval(() => {
    const now = Date.now();
    if (now - heardAt > SILENCE) {
      if (state === "live") become("away");
      hello(); // a kernel that lives answers with everything there is
    } else if (now - signAt > KEEPALIVE) {
      signAt = now;
      post({ op: "here" });
    }
  }, 2500);

  const leave = () => post({ op: "bye" }); // one that comes back hears nothing, and says hello

  const doubt = () => {
    heardAt = 0; // Jupyter says that the channel broke, or is there again
    if (state === "live") become("away");
    hello();
  };

  model.on("msg:custom", receive);
  model.on("comm_live_update", doubt);
  globalThis.addEventListener?.("pagehide", leave);

  return {
    id,
    get state() {
      return state;
    },
    get selected() {
      return selected;
    },
    start: hello,
    on(part, hear) {
      hearers.set(part, hear);
    },
    watch(kind, watcher) {
      watchers[kind].add(watcher);
      return () => watchers[kind].delete(watcher);
    },
    select(session) {
      if (selected !== session) {
        selected = session;
        announce("select", session);
      }
    },
    // Which events belong together, for whoever shows where they went: {seq, steps} or null.
    trace(story) {
      announce("trace", story);
    },
    // Show only what happened at a place, in the log.
    look(where) {
      announce("look", where);
      announce("show", "log");
    },
    // Whether this page has a part, and to bring it to the front.
    has(part) {
      return hearers.has(part);
    },
    show(part) {
      announce("show", part);
    },
    // Ask a part of the kernel's side to do something; resolves with its answer.
    ask(part, action, given = {}) {
      const question = { waits: false };
      const mine = ++number;
      const promise = new Promise((resolve, reject) => Object.assign(question, { resolve, reject }));
      question.timer = setTimeout(() => {
        question.waits = true;
        announce("waiting", ++waiting);
      }, ANSWER_DELAY);
      question.message = { op: "ask", part, action, given, number: mine };
      asked.set(mine, question);
      post(question.message);
      return promise;
    },
    close() {
      closed = true;
      clearInterval(watch);
      model.off("msg:custom", receive);
      model.off("comm_live_update", doubt);
      globalThis.removeEventListener?.("pagehide", leave);
      for (const question of asked.values()) clearTimeout(question.timer);
      leave();
    },
  };
}
