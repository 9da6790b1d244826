// The course: a list of experiments; an experiment with its parts as steps; the report as the last step. The place is in
// the address: #06-rnn/backward.
import { ask, latest, stream, tell } from "./api.js";
import { keeper } from "./course_keep.js";
import { drawPart } from "./course_part.js";
import { drawReport } from "./course_report.js";
import { drawList, drawSteps } from "./course_steps.js";
import { h, one } from "./dom.js";
import { t } from "./words.js";

const REPORT = "report";
export const both = (words) => t(words.zh, words.en);

let course, own = null, keep = null, view = null; // the course; the experiment that is open, its keeper, the part shown
const checking = latest(), edited = new Set(); // what was typed since the check began

async function list() {
  course = await ask("course");
  if (!course.alone && one("#class-bar").hidden) classBar();
}

async function classBar() {
  const bar = await import("/static/class_bar.js").catch(() => null);
  one("#class-bar").hidden = !bar;
  bar?.mount(one("#class-bar"), course);
}

// --- where we are ---
async function go() {
  const [name, part] = decodeURIComponent(location.hash.slice(1)).split("/");
  tell(one("#fault"), null);
  try {
    await keep?.settle().catch(() => {});
    if (own?.name !== name) checking.stop();
    if (!name) return await showList();
    if (own?.name !== name) await open(name);
    show(own.content.some((p) => p.id === part) || part === REPORT ? part : next());
  } catch (error) {
    if (error.status === 401) return location.assign("/classroom/login?to=/course");
    tell(one("#fault"), error);
  }
}

// The first part that is not all right yet.
const next = () => (own.content.find((p) => p.checks.some((c) => !outcome(p.id, c.id)?.passed)) ?? own.content[0]).id;

async function showList() {
  [own, keep, view] = [null, null, null];
  await list();
  one("#title").textContent = t("我的课程", "My course");
  one("#lead").textContent = t("做实验，随写随存，写完一键成报告", "experiments: what you type is kept; the report is one click");
  document.title = `${t("课程", "Course")} · Rondo`;
  drawList(one("#list"), course);
  one("#list").hidden = false;
  one("#desk").hidden = true;
}

async function open(name) {
  if (!course) await list();
  own = await ask(`course/${encodeURIComponent(name)}`);
  keep = keeper(course.student?.number ?? "", name, (part, answer, state) => view?.told?.(part, answer, state));
  one("#title").textContent = t(`第 ${own.number} 次实验　${own.title.zh}`, `Experiment ${own.number}: ${own.title.en}`);
  one("#lead").textContent = own.due ? t("截止 ", "due ") + new Date(own.due).toLocaleString() : "";
  document.title = `${both(own.title)} · Rondo`;
  one("#list").hidden = true;
  one("#desk").hidden = false;
}

function show(part) {
  const place = one("#part"), moved = view && view.id !== part;
  view = part === REPORT ? drawReport(place, desk) : drawPart(place, own.content.find((p) => p.id === part), desk);
  view.id = part;
  steps();
  if (!moved) return;
  scrollTo(0, 0);
  one(".part-title", place).focus({ preventScroll: true });
}

const steps = () => drawSteps(own, view?.id, outcome);
const found = (part, check) => own.checked.find((c) => c.outcome.part === part && c.outcome.check === check);
const outcome = (part, check) => { const c = found(part, check); return c?.fresh ? c.outcome : null; };

// --- checks, an outcome at a time ---
async function check(part = "") {
  const about = own; // which may be left while it is checked
  tell(one("#fault"), null);
  edited.clear();
  busy(true);
  say(t("正在检查……", "checking …"));
  try {
    await keep.settle();
    const done = await checking((signal) => stream(`course/${about.name}/check`, { part }, { signal, queued: (place) => say(place ? t(`前面还有 ${place} 位`, `${place} before you`) : t("正在检查……", "checking …")), record }));
    if (!done) return say(t("停下了", "stopped")), false;
    [about.checked, about.progress] = [done.checked, done.progress];
    for (const c of about.checked) if (edited.has(answerOf(about, c.outcome))) c.fresh = false;
    say(t(`检查完了：${done.progress.points} / ${about.points} 分`, `checked: ${done.progress.points} of ${about.points} points`));
    return true;
  } catch (error) {
    say("");
    tell(one("#fault"), error);
    one("#fault").scrollIntoView({ block: "nearest" });
    return false;
  } finally {
    busy(false);
    view?.drawn?.();
    if (own) steps();
  }
}

const answerOf = (e, o) => `${o.part} ${e.content.find((p) => p.id === o.part)?.checks.find((c) => c.id === o.check)?.answer}`;

function record(r) {
  if (!r.outcome || !own) return;
  const at = { outcome: r.outcome, time: new Date().toISOString(), fresh: !edited.has(answerOf(own, r.outcome)) };
  own.checked = [...own.checked.filter((c) => c.outcome.part !== r.outcome.part || c.outcome.check !== r.outcome.check), at];
  say(t(`检查了 ${r.done} / ${r.of}`, `${r.done} of ${r.of} checked`), r.done / r.of);
  view?.came?.(at);
  steps();
}

function say(text, share = 0) {
  one("#said").textContent = text;
  view?.progress?.(text, share);
}

function busy(on) {
  desk.busy = on;
  one("#check-all").textContent = on ? t("停下", "Stop") : t("检查全部", "Check everything");
  view?.busy?.(on);
}

// What the parts of the page share.
export const desk = {
  busy: false, check, found,
  get course() { return course; },
  get experiment() { return own; },
  get keep() { return keep; },
  stop: () => checking.stop(),
  changed(part, answer) { // what was found about it is no longer about what stands there
    edited.add(`${part} ${answer}`);
    const about = own.content.find((p) => p.id === part).checks.filter((c) => c.answer === answer);
    const old = about.map((c) => found(part, c.id)).filter((c) => c?.fresh);
    for (const c of old) c.fresh = false;
    if (old.length) steps();
    return old.length > 0;
  },
};

one("#check-all").addEventListener("click", () => (desk.busy ? desk.stop() : check()));
addEventListener("hashchange", go);
addEventListener("beforeunload", (event) => { if (keep?.waiting()) keep.settle().catch(() => {}); });
one("#list").append(h("p", { class: "quiet" }, t("正在打开……", "opening …")));
one("#list").hidden = false;
go();
