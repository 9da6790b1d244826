// The rule table of a couplet: a column a character, the two joined by a hairline.
import { h } from "./dom.js";
import { lang, own, t } from "./words.js";

const SIGNS = { 平: "○", 仄: "●", 多: "◎", "?": "?" };
const TONES = { 平: t("平", "level"), 仄: t("仄", "oblique"), 多: t("平仄两读", "either"), "?": t("未收", "not listed") };
const RULES = {
  字数: t("字数相等", "equal length"), 断句: t("断句一致", "commas in place"), 重字: t("不重字", "no character shared"),
  叠字: t("叠字相应", "repetition mirrored"), 平仄: t("平仄相对", "tones opposed"), 句脚: t("句脚相对", "ends opposed"),
  仄起平收: t("仄起平收", "oblique end, then level"),
};

// places: {upper, lower, tones, modern, point, ok, fixed, facing?} by place.
export const proof = (places) => h("div", { class: "places" }, places.map(column));

function column(p, n) {
  const kind = p.ok ? (p.point ? "kept" : "free") : "broken";
  const mark = p.ok ? (p.point ? "✓" : "") : "✗";
  return h("div", { class: `place ${kind}`, tabindex: 0, role: "img", "aria-label": spoken(p, n) },
    h("span", { class: "nth" }, n + 1, p.point ? h("i", {}, "◆") : null),
    character(p, "upper"),
    tones(p, 0),
    h("span", { class: "tie" }, h("i", { class: "facing" }, { 1: "＝", 0.5: "～" }[p.facing] ?? ""), h("b", {}, mark)),
    tones(p, 1),
    character(p, "lower"),
  );
}

const character = (p, side) => h("span", { class: p.fixed.includes(side) ? "char fixed" : "char", lang: "zh" }, p[side]);
const tones = (p, k) => h("span", { class: "tones" }, h("i", {}, SIGNS[p.tones[k]]), h("i", { class: "modern" }, SIGNS[p.modern[k]]));

function spoken(p, n) {
  const pair = [0, 1].map((k) => `${k ? p.lower : p.upper} ${TONES[p.tones[k]]}${p.tones[k] === p.modern[k] ? "" : t("（今", " (modern ") + TONES[p.modern[k]] + t("）", ")")}`);
  const facing = { 1: t("常对", "answer each other in old pairs"), 0.5: t("同类", "of one class") }[p.facing];
  const point = p.point ? t("节奏点", "rhythm point") : "";
  const verdict = p.ok ? (p.point ? t("相对", "opposed") : "") : t("有毛病", "a fault");
  const fixed = p.fixed.length ? t("固定字", "fixed") : "";
  return [t(`第 ${n + 1} 字`, `character ${n + 1}`), pair.join(t(" 对 ", " / ")), point, verdict, facing, fixed].filter(Boolean).join(t("，", ", "));
}

// How the table is read.
export const legend = (facing) =>
  h("p", { class: "how quiet" },
    t("◆ 节奏点，平仄须相对　○ 平 ● 仄 ◎ 两读（大：平水韵，小：普通话）", "◆ rhythm point: tones must be opposed · ○ level ● oblique ◎ either (large: old tones, small: Mandarin)"),
    facing ? t("　＝ 常对 ～ 同类　", " · ＝ face each other in old pairs ～ of one class · ") : null,
    facing ? h("u", { class: "fixed" }, t("固定的字", "fixed character")) : null);

// A rule by its usual name, in English with what it asks.
export const ruleName = (rule) => (lang === "zh" ? rule : `${RULES[rule]} (${rule})`);

// What an answer does not keep.
export const relaxed = (couplet) =>
  couplet.relaxed.map((r) => h("p", { class: "note relaxed" }, h("b", {}, t("放宽 ", "relaxed: ") + ruleName(r.rule)), " ", own(r.why)));

export const ruleList = (rules) =>
  h("ul", { class: "rules" }, Object.entries(rules).map(([rule, kept]) =>
    h("li", { class: kept ? "ok" : "bad" }, `${kept ? "✓" : "✗"} ${RULES[rule]}`)));
