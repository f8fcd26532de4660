import { h, write, plain, count } from "./dom.js";
import { moment } from "./recordings.js";

// What a replay found: how much is the same, and what differs, then beside now.

export function reportView(point) {
  const verdict = h("strong", { className: "wf-verdict", role: "status" });
  const counts = h("span", { className: "wf-counts" });
  const took = h("span", { className: "wf-quiet" });
  const body = h("tbody");
  const table = h("table", { className: "wf-table wf-pairs", "aria-label": "Answers that differ" },
    h("thead", {}, h("tr", {}, ...["session", "at", "", "then", "now"].map((name) => h("th", { scope: "col" }, name)))), body);
  const scroll = h("div", { className: "wf-scroll", tabIndex: 0, role: "region", "aria-label": "Answers that differ" }, table);
  const notes = h("ul", { className: "wf-notes" });
  const element = h("section", { className: "wf-report", "aria-label": "Comparison", hidden: true }, h("div", { className: "wf-outcome" }, verdict, counts, took), scroll, notes);

  const side = (parts, tag) => h("td", { className: "wf-answer" }, ...(parts.length ? parts.map(([text, differs]) => (differs ? h(tag, {}, plain(text)) : plain(text))) : [h("span", { className: "wf-quiet" }, "nothing")]));
  const row = (pair) => h("tr", { "data-status": pair.status, onpointerenter: () => point(pair.session, pair.t), onpointerleave: () => point(pair.session, null) },
    h("td", {}, plain(pair.session)), h("td", { className: "wf-number" }, moment(pair.t)), h("td", {}, h("span", { className: "wf-status" }, pair.status)), side(pair.then, "del"), side(pair.now, "ins"));

  return {
    element,
    show(report) {
      element.hidden = report === null;
      if (report === null) {
        write(verdict, "");
        return;
      }
      const compared = Object.values(report.counts).some((number) => number);
      element.dataset.ok = String(report.ok);
      write(verdict, report.verdict === "different" ? "Different from what was recorded" : !report.ok ? "Incomplete: not all that happened was played" : compared ? "Everything as recorded" : "No answers to compare");
      counts.replaceChildren(...Object.entries(report.counts).filter(([, number]) => number).map(([kind, number]) => h("span", { className: "wf-count", "data-status": kind }, `${count(number)} ${kind}`)));
      write(took, `${count(report.events)} events in ${moment(report.seconds)}`);
      body.replaceChildren(...report.pairs.map(row));
      scroll.hidden = !report.pairs.length;
      notes.replaceChildren(...report.notes.map((text) => h("li", {}, plain(text))));
      notes.hidden = !report.notes.length;
    },
  };
}
