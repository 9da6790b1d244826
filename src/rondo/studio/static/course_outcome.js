// What a check says of an answer: a mark with a word, the message, the numbers, the curve, and which gradient is wrong when.
import { clock, points, timed } from "./course_steps.js";
import { h } from "./dom.js";
import { plot } from "./plot.js";
import { t } from "./words.js";

const both = (words) => t(words.zh, words.en);
const NAMES = {
  largest_error: ["最大误差", "largest error"], value: ["得到", "reached"], line: ["没有记忆", "without memory"], units: ["单元", "units"], parameters: ["参数", "parameters"],
  steps: ["步", "steps"], lines: ["行", "lines"], characters: ["字", "characters"], quantities: ["核对的量", "quantities compared"],
};
const MEASURES = { accuracy: ["答对的比例", "accuracy"], "nats a step": ["每步损失（nats）", "nats a step"], "mean squared error": ["均方误差", "mean squared error"] };
const digits = (v) => (v !== 0 && (Math.abs(v) < 1e-3 || Math.abs(v) >= 1e5) ? v.toExponential(1) : String(+v.toPrecision(4)));

// The line that a message speaks of; 0 where it speaks of none.
export const lineOf = (o) => Number(/answer\.py:(\d+)|(?:^|[：:] ?)line (\d+)[,: ]/.exec(o.message.en)?.slice(1).find(Boolean) ?? 0);
const told = (text) => text.replace(/answer\.py:(\d+): /g, (_, n) => t(`第 ${n} 行：`, `line ${n}: `));

// checked: {outcome, time, fresh} or undefined; waiting: it is being checked.
export function outcomeRow(holder, check, checked, waiting) {
  const o = checked?.outcome, old = o && !checked.fresh && !waiting;
  const [kind, mark, word] = waiting ? ["waiting", "…", t("正在检查", "being checked")] : !o ? ["none", "○", t("还没检查", "not checked yet")] : o.passed ? ["right", "✓", t("对", "right")] : ["wrong", "✗", t("不对", "wrong")];
  holder.className = `outcome ${kind}${old ? " old" : ""}`;
  const said = o && !waiting ? h("p", { class: "message" }, timed(o.passed ? numbers(o.facts) : told(both(o.message)))) : null;
  holder.replaceChildren(
    h("span", { class: "mark", role: "img", "aria-label": word }, mark),
    h("div", {}, h("p", { class: "check" }, timed(both(check.title)), h("span", { class: "quiet" }, ` ${points(o && !waiting ? o.points : 0)} / ${points(check.points)} ${t("分", check.points === 1 ? "point" : "points")}`, old ? t("　改动之前的结果，请再检查", " · found before the change: check again") : o && !waiting ? ` · ${clock(checked.time)}` : "")),
      said, ...(o && !waiting ? drawings(o.facts) : [])));
}

const numbers = (facts) => Object.entries(facts).filter(([k, v]) => typeof v === "number" && NAMES[k]).map(([k, v]) => `${t(...NAMES[k])} ${digits(v)}`).join(" · ");

function drawings(facts) {
  return [facts.wrong && typeof facts.wrong === "object" ? gradients(facts.wrong) : null, Array.isArray(facts.curve) ? curve(facts) : null].filter(Boolean);
}

// Gradients that are wrong: a row a parameter, a column the step at which the loss stood alone.
function gradients(wrong) {
  const last = Math.max(5, ...Object.values(wrong).flat()), steps = Array.from({ length: last }, (_, n) => n + 1);
  return h("div", { class: "scroll" }, h("table", { class: "steps-table" },
    h("tr", {}, h("th", {}, t("损失只在", "loss at")), steps.map((s) => h("th", {}, `t = ${s}`))),
    Object.entries(wrong).map(([name, at]) => h("tr", {}, h("th", { scope: "row" }, `∂L/∂${name}`), steps.map((s) => (at.includes(s) ? h("td", { class: "bad" }, `✗ ${t("错", "wrong")}`) : h("td", { class: "ok" }, `✓ ${t("对", "right")}`)))))));
}

function curve(facts) {
  const place = h("figure", { class: "curve" }), name = t(...(MEASURES[facts.measure] ?? ["量", "measure"]));
  const chart = h("div", {}), series = facts.curve.map(([x, y]) => [x, Number(y)]), higher = facts.measure === "accuracy";
  plot(chart, {
    title: t("你的单元的学习曲线", "learning curve of your cell"), height: 230, x: { label: t("训练步数", "training steps"), min: 0 },
    y: { label: name, ...(higher ? { min: Math.min(facts.line, ...series.map((p) => p[1])), max: 1 } : { min: 0 }) },
    series: [{ name: t("你的单元", "your cell"), points: series, color: 1, dash: 0, dots: true }],
    lines: [{ y: facts.line, label: t("没有记忆", "no memory") }],
  });
  place.append(chart, h("figcaption", { class: "how" }, higher ? t("怎样读：越高越好；高过虚线，才算记住了什么。", "How to read it: higher is better; only above the dashed line something is remembered.") : t("怎样读：越低越好；低过虚线，才算记住了什么。", "How to read it: lower is better; only below the dashed line something is remembered.")));
  return place;
}
