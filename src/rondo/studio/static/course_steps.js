// The list of experiments, and the steps of one.
import { h, one, svg } from "./dom.js";
import { lang, t } from "./words.js";

const both = (words) => t(words.zh, words.en);
export const clock = (iso) => new Date(iso).toLocaleTimeString(lang === "zh" ? "zh-CN" : "en-GB", { hour: "2-digit", minute: "2-digit" });
export const moment = (iso) => (new Date(iso).toDateString() === new Date().toDateString() ? clock(iso) : new Date(iso).toLocaleString(lang === "zh" ? "zh-CN" : "en-GB", { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }));
export const points = (n) => String(+n.toFixed(2));

// a<t-1> with its index above, as the lecture writes it.
export function timed(text) {
  const indices = (piece) => piece.split(/(?<![\w])([A-Za-zΑ-ω]\u0303?)_(\w{1,2})(?!\w)/u).map((p, n) => (n % 3 === 2 ? h("sub", {}, p) : p));
  return text.split(/(?<=[\p{L}\p{M}\d_])(<(?:[tT](?:\s?[-+−]\s?1)?|\d{1,3})>)/u).map((piece, n) => (n % 2 ? h("sup", {}, piece) : indices(piece)));
}

// A ring with a share of it filled; what it says stands beside it in words.
export function ring(share) {
  const size = 2 * Math.PI * 19;
  return svg("svg", { class: "ring", viewBox: "0 0 48 48", "aria-hidden": "true" },
    svg("circle", { class: "whole", cx: 24, cy: 24, r: 19 }),
    share > 0 ? svg("circle", { class: "share", cx: 24, cy: 24, r: 19, "stroke-dasharray": `${size * Math.min(1, share)} ${size}`, transform: "rotate(-90 24 24)" }) : null,
    svg("text", { x: 24, y: 28, "text-anchor": "middle" }, `${Math.round(100 * share)}%`));
}

export function drawList(place, course) {
  const cards = course.experiments.map((e) => {
    const p = e.progress, share = e.points ? p.points / e.points : 0;
    const begun = p.changed ? t(`上次改动 ${moment(p.changed)}`, `last changed ${moment(p.changed)}`) : p.handed_in ? "" : t("还没有开始", "not begun yet");
    const due = e.due ? t(`截止 ${moment(e.due)}`, `due ${moment(e.due)}`) : t("不限时间", "no deadline");
    const handed = p.handed_in ? h("p", { class: p.late ? "caution" : "ok" }, t(`✓ ${moment(p.handed_in)} 交了${p.late ? "（迟交）" : ""}`, `✓ handed in ${moment(p.handed_in)}${p.late ? " (late)" : ""}`)) : null;
    return h("a", { class: "card course-card", href: `#${e.name}` }, ring(share),
      h("div", {}, h("h2", {}, h("span", { class: "quiet" }, t(`第 ${e.number} 次　`, `${e.number} `)), both(e.title)),
        h("p", {}, t(`${e.parts} 个部分；${e.checks} 项检查过了 ${p.passed} 项，${points(p.points)} / ${points(e.points)} 分`, `${e.parts} parts; ${p.passed} of ${e.checks} checks passed, ${points(p.points)} of ${points(e.points)} points`)),
        h("p", { class: "quiet" }, [begun, due].filter(Boolean).join(" · ")), handed, h("p", { class: "quiet aim" }, timed(both(e.aim)))));
  });
  place.replaceChildren(...(cards.length ? cards : [h("p", { class: "quiet" }, t("这门课还没有实验。", "There are no experiments in this course yet."))]));
}

// Each part with its state, by mark and by words.
export function drawSteps(own, chosen, outcome) {
  const state = (part) => {
    const all = part.checks.length, right = part.checks.filter((c) => outcome(part.id, c.id)?.passed);
    const got = right.reduce((sum, c) => sum + c.points, 0), most = part.checks.reduce((sum, c) => sum + c.points, 0);
    const [mark, word] = right.length === all && all ? ["●", t("全对", "all right")] : right.length ? ["◐", t("部分对", "partly right")] : ["○", t("还没有对的", "nothing right yet")];
    return { mark, word, got, most };
  };
  const current = (id) => (id === chosen ? { "aria-current": "step" } : {});
  let sum = 0;
  const items = own.content.map((part) => {
    const s = state(part);
    sum += s.got;
    return h("li", {}, h("a", { href: `#${own.name}/${part.id}`, ...current(part.id) }, h("span", { class: `mark ${s.mark === "●" ? "ok" : ""}`, title: s.word, role: "img", "aria-label": s.word }, s.mark), h("span", { class: "name" }, both(part.title)), h("span", { class: "quiet" }, `${points(s.got)}/${points(s.most)}`)));
  });
  items.push(h("li", { class: "last" }, h("a", { href: `#${own.name}/report`, ...current("report") }, h("span", { class: "mark", "aria-hidden": "true" }, "▤"), h("span", { class: "name" }, t("报告", "Report")), h("span", {}))));
  const list = one("#steps"), here = list.scrollLeft, before = list.dataset.chosen;
  list.replaceChildren(...items);
  list.dataset.chosen = chosen;
  const at = one("[aria-current]", list); // on a phone the steps are a strip: only the strip moves, never the page
  list.scrollLeft = at && before !== chosen ? at.offsetLeft - list.offsetLeft - (list.clientWidth - at.offsetWidth) / 2 : here;
  one("#totals").replaceChildren(h("b", { class: "number-big" }, points(sum)), ` / ${points(own.points)} ${t("分", "points")}`, own.progress.changed ? h("span", { class: "quiet changed" }, t(`存于 ${moment(own.progress.changed)}`, `kept ${moment(own.progress.changed)}`)) : "");
}
