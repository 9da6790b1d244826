// The checks drawn: lights of the gradient check, verdicts on a person's own lines.
import { h } from "./dom.js";
import { own, t } from "./words.js";

export const MARKS = { right: "✓", doubtful: "!", wrong: "✗", helper: "·", error: "✗" };
const WORDS = {
  right: () => t("对", "right"), doubtful: () => t("可疑", "doubtful"), wrong: () => t("错", "wrong"),
  helper: () => t("中间量", "helper"), error: () => t("读不懂", "not read"),
};
const short = (v) => (typeof v === "string" ? v : v === 0 ? "0" : v < 1e-3 ? v.toExponential(1) : String(+v.toPrecision(2)));
const judged = (v) => (v <= 1e-6 ? "right" : v <= 1e-3 ? "doubtful" : "wrong"); // a word such as NaN compares as wrong
const said = (word) => h("span", { class: `mark-${word === "error" ? "wrong" : word}` }, `${MARKS[word]} ${WORDS[word]()}`);

// found: the record of the check; names: MathML by parameter
export function drawLights(element, found, names) {
  const words = found.checked.map((c) => c.word), bad = words.filter((w) => w !== "right").length;
  const worst = found.checked.reduce((a, c) => (typeof c.error === "string" || c.error > (a?.error ?? -1) ? c : a), null);
  const word = words.includes("wrong") ? "wrong" : words.includes("doubtful") ? "doubtful" : "right";
  element.replaceChildren(summary(found, word, bad, worst), table(found, names));
  element.dataset.word = found.whole ? word : "";
}

function summary(found, word, bad, worst) {
  if (!found.whole) return h("div", { class: "verdict" }, h("div", { class: "lamp", "aria-hidden": "true" }, "…"), h("div", {}, h("b", {}, t(`正在检查：已完成 ${found.checked.length} 个`, `checking: ${found.checked.length} done`))));
  const all = found.checked.length;
  return h("div", { class: `verdict ${word}` }, h("div", { class: "lamp", "aria-hidden": "true" }, MARKS[word]),
    h("div", {}, h("b", {}, bad ? t(`${all} 个梯度里有 ${bad} 个不对`, `${bad} of ${all} gradients are not right`) : t(`${all} 个梯度全对`, `all ${all} gradients are right`)),
      h("span", {}, t(`最大相对误差 ${short(worst.error)}（${worst.name}）· H=${found.sizes.hidden}，T=${found.steps} · ${found.seconds.toFixed(2)} 秒`, `worst relative error ${short(worst.error)} (${worst.name}) · H=${found.sizes.hidden}, T=${found.steps} · ${found.seconds.toFixed(2)} s`))));
}

function table(found, names) {
  return h("table", {}, h("tr", {}, h("th", {}, t("对谁求导", "by")), h("th", {}, ""), h("th", { class: "number" }, t("误差", "error")), h("th", {}, t("各步", "steps"))),
    found.checked.map((c) => h("tr", { "data-name": c.name, "data-word": c.word },
      h("td", {}, names(c.name), c.compared < c.of ? h("span", { class: "quiet", title: t("随机抽取的数", "numbers drawn at random") }, ` ${c.compared}/${c.of}`) : ""),
      h("td", { class: "word" }, said(c.word)), h("td", { class: "number" }, short(c.error)), h("td", {}, dots(c.steps)))));
}

// One mark a step: a dot where it is right.
function dots(steps) {
  if (!steps.length) return "";
  const wrong = steps.filter((v) => judged(v) !== "right").length;
  const label = wrong ? t(`${steps.length} 步里有 ${wrong} 步不对`, `${wrong} of ${steps.length} steps are not right`) : t(`${steps.length} 步全对`, `all ${steps.length} steps are right`);
  return h("span", { class: "dots", role: "img", "aria-label": label, title: steps.map((v, n) => `t=${n + 1}: ${short(v)}`).join("\n") },
    steps.map((v) => { const word = judged(v); return h("span", { class: `mark-${word}` }, word === "right" ? "•" : MARKS[word]); }));
}

const HINTS = {
  sign: () => t("符号反了。", "The sign is reversed."),
  factor: (v) => t(`每个数都是正确值的 ${+v.factor.toPrecision(6)} 倍。`, `Every number is ${+v.factor.toPrecision(6)} times the right one.`),
  sum: () => t("少了对时间与批的求和：这是一步、一个样本的值；加上 sum(...) 就对了。", "The sum over time and batch is missing: this is the value of one step and one row; with sum(...) it is right."),
  "sum+": () => t("少了对时间与批的求和；加上以后也还不对。", "The sum over time and batch is missing; with it the line is still wrong."),
  last: () => t("只在最后一步对：少了从 t+1 传回来的那一部分。", "Right at the last step only: what comes back from t+1 is missing."),
  first: () => t("只在第一步不对。", "Wrong at the first step only."),
  upstream: () => t("这是局部导数：还要乘上传来的梯度。", "This is the local derivative: the gradient that arrives is missing as a factor."),
};

export function drawVerdicts(element, verdicts, { derived, light = () => {} } = {}) {
  element.replaceChildren(...verdicts.map((v) => verdict(v, derived, light)));
}

export function verdict(v, derived = () => null, light = () => {}) {
  const truth = v.status === "wrong" ? derived(v.derived) : null;
  const row = h("div", { class: "said", "data-name": v.name, "data-status": v.status },
    v.text ? h("span", { class: "mono" }, v.text) : "", said(v.status), " ",
    v.status === "right" || v.status === "wrong" ? h("span", { class: "quiet" }, t(`相对误差 ${short(v.error)}`, `relative error ${short(v.error)}`), v.steps.length && v.status === "wrong" ? [" · ", dots(v.steps)] : "") : "",
    v.status === "helper" ? h("span", { class: "quiet" }, t("推导里没有这个名字：当作下面各行的中间量，不比较。", "no name of the derivation: a helper of the lines below, not compared.")) : "",
    v.message ? h("p", {}, own(v.message)) : "", HINTS[v.hint] ? h("p", {}, HINTS[v.hint](v)) : "",
    truth ? h("details", {}, h("summary", {}, t("看推出的那一行", "show the derived line")), truth) : "");
  row.addEventListener("pointerenter", () => light(v.derived));
  row.addEventListener("pointerleave", () => light(null));
  return row;
}
