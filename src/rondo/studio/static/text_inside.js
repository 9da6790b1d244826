// The distribution of one step: the likeliest symbols, before and after temperature, top-k and top-p.
import { h, one } from "./dom.js";
import { percent, spoken, visible } from "./text_common.js";
import { t } from "./words.js";

const CUTS = { banned: t("从不抽“未知”", "never drawn"), temperature: t("温度 0", "temperature"), top_k: "top-k", top_p: "top-p" };

// r: a record of a step; before: the text before it; own: whether a person chose; turn(symbol): take another.
export function show(r, { before, own, of, turn }) {
  one("#inside-title").textContent = t(`第 ${r.step + 1} / ${of} 步：下一个符号`, `Step ${r.step + 1} of ${of}: the next symbol`);
  one("#inside-before").replaceChildren("…", ...visible(before).map((part) => part), h("b", {}, "?"));
  const most = Math.max(...r.candidates.flatMap(([, , p, q]) => [p, q]));
  one("#candidates").replaceChildren(...r.candidates.map((c) => h("li", {}, row(r, c, most, own, turn))), rest(r));
  one("#inside-number").textContent = percent(r.drawn);
  one("#inside-say").textContent = said(r, own);
}

function row(r, [symbol, text, p, q, cut], most, own, turn) {
  const taken = symbol === r.symbol;
  const mark = taken ? (own ? t("你选的", "yours") : t("抽中", "drawn")) : cut ? `✂ ${CUTS[cut]}` : "";
  const label = `${spoken(text)}: ${percent(p)} → ${percent(q)}${mark ? ", " + mark : ""}`;
  const button = h("button", { type: "button", class: `candidate${taken ? " taken" : ""}${cut ? " cut" : ""}`, "aria-label": label, disabled: cut === "banned", onclick: () => taken || turn(symbol) },
    h("span", { class: "what serif" }, visible(text)),
    h("span", { class: "track" }, h("i", { class: "hollow", style: { "--share": p / most } }), h("i", { class: "solid", style: { "--share": q / most } })),
    h("span", { class: "figures" }, `${percent(p).replace(/ %$/, "")} → ${cut ? "0 %" : percent(q)}`),
    h("span", { class: "mark" }, mark));
  return button;
}

function rest(r) {
  const [p, q] = [2, 3].map((k) => Math.max(0, 1 - r.candidates.reduce((sum, c) => sum + c[k], 0)));
  return h("li", { class: "rest quiet" }, t(`其余所有符号：${percent(p)} → ${percent(q < 1e-9 ? 0 : q)}`, `all other symbols: ${percent(p)} → ${percent(q < 1e-9 ? 0 : q)}`));
}

function said(r, own) {
  const whose = own ? t("你选的符号被抽中的概率", "chance of being drawn, for the symbol you chose") : t("抽中的符号，抽签时的概率", "chance, when it was drawn, of the symbol drawn");
  return t(`${whose}；模型原给 ${percent(r.p)}，排第 ${r.rank}。可抽的有 ${r.kept.toLocaleString()} 个，原占 ${percent(Math.min(1, r.share))}。`,
    `${whose}; the model gave it ${percent(r.p)}, rank ${r.rank} of all. What can be drawn: ${r.kept.toLocaleString()} symbols, which the model gave ${percent(Math.min(1, r.share))}.`);
}
