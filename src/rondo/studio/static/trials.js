// The lower panels of the cell bench: speed, curves on probes, a character model of a text. mount(element, bench) puts
// them there. bench: cell() the current valid cell, results (what is found, by panel), changed(listener).
import { Refused, latest, tell } from "./api.js";
import { h } from "./dom.js";
import { probePanel } from "./trials_probe.js";
import { speedPanel } from "./trials_speed.js";
import { textPanel } from "./trials_text.js";
import { t } from "./words.js";

const PANELS = { speed: speedPanel, probe: probePanel, text: textPanel };

export function mount(element, bench) {
  element.classList.add("trials");
  const panels = Object.entries(PANELS).map(([name, make]) => make(panel(name, bench)));
  element.replaceChildren(...panels.map((p) => p.root));
  bench.changed(() => panels.forEach((p) => p.aged()));
}

// What every panel has: its title, figure, how to read it, one number, its control; one run at a time, and stop.
function panel(name, bench) {
  const run = latest();
  const id = (part) => `trial-${name}-${part}`;
  const p = { name, bench, id };
  p.title = h("h2", { id: id("title") });
  p.lead = h("p", { class: "quiet" });
  p.chart = h("div", { class: "chart", id: id("chart") });
  p.how = h("figcaption", { class: "how" });
  p.number = h("p", { class: "number-line", id: id("number") });
  p.old = h("p", { class: "note", hidden: true }, t("这是改动之前的单元的结果。", "This was found with the cell before the change."));
  p.facts = h("p", { class: "quiet facts", id: id("facts") });
  p.form = h("form", { class: "sentence", autocomplete: "off", id: id("form") });
  p.go = h("button", { class: "main", type: "button", id: id("go"), onclick: () => p.start?.() });
  p.stop = h("button", { type: "button", id: id("stop"), hidden: true, onclick: () => run.stop() }, t("停下", "Stop"));
  p.status = h("span", { class: "quiet", role: "status", id: id("status") });
  p.bar = h("i");
  p.progress = h("div", { class: "progress", hidden: true }, p.bar);
  p.fault = h("p", { class: "alert", role: "alert", hidden: true, id: id("fault") });
  p.buttons = h("div", { class: "row" }, p.go, p.stop, p.status);
  p.shown = h("div", { class: "stack" }, h("figure", {}, p.chart, p.how));
  p.control = h("div", { class: "stack" }, p.number, p.old, p.facts, p.form, p.buttons, p.progress, p.fault);
  p.root = h("section", { class: "card trial stack", id: id("panel"), "aria-labelledby": id("title") },
    h("header", {}, p.title, p.lead), h("div", { class: "halves" }, p.shown, p.control));
  p.root.addEventListener("keydown", (event) => { if (event.key === "Escape" && !p.stop.hidden) run.stop(); });
  p.form.addEventListener("submit", (event) => (event.preventDefault(), p.start?.()));

  p.done = (share) => p.bar.style.setProperty("width", `${Math.round(100 * share)}%`);
  p.say = (text) => (p.status.textContent = text);
  p.queued = (place) => p.say(place ? t(`前面还有 ${place} 位`, `${place} before you`) : t("正在准备……", "getting ready …"));
  // the current cell, or a refusal that says what to do
  p.cell = () => {
    const cell = bench.cell();
    if (!cell) throw new Refused(t("先把上面的方程写对，再来试它。", "Put the equations above right first, then try the cell here."));
    return cell;
  };
  // what was found, with the cell that it was found with; one part of the bench's JSON
  p.keep = (found) => (bench.results[name] = found);
  p.kept = () => bench.results[name];
  p.aged = () => (p.old.hidden = !p.kept()?.equations || p.kept().equations === bench.cell()?.equations);
  // runs one piece of work: `work(signal)`; p.stopped says afterwards whether it was stopped
  p.run = async (work) => {
    tell(p.fault);
    p.busy(true);
    try {
      p.stopped = !(await run(async (signal) => (await work(signal), true)));
      p.say(p.stopped ? t("已停下", "stopped") : t("完成", "done"));
    } catch (error) {
      p.stopped = false;
      p.say("");
      tell(p.fault, error);
    } finally {
      p.busy(false);
    }
  };
  p.busy = (on) => {
    for (const button of [p.go, ...(p.others?.() ?? [])]) button.disabled = on;
    p.stop.hidden = !on;
    p.progress.hidden = !on;
    if (on) p.done(0);
    p.root.setAttribute("aria-busy", on);
  };
  return p;
}
