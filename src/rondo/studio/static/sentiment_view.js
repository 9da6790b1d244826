// What was found out about a text, drawn: the text with each piece's contribution, and the three dials.
import { h, svg } from "./dom.js";
import { percent } from "./text_common.js";
import { t } from "./words.js";

export const CLASSES = {
  positive: { name: t("正面", "positive"), sign: "▲", tone: "good" },
  neutral: { name: t("中性", "neutral"), sign: "●", tone: "even" },
  negative: { name: t("负面", "negative"), sign: "▼", tone: "ill" },
};
export const signed = (w) => (w > 0 ? "+" : w < 0 ? "−" : "±") + Math.abs(w).toFixed(2);
export const starred = (n) => "★".repeat(n) + "☆".repeat(5 - n);
export const starsSaid = (n) => t(`五星里的 ${n} 星`, `${n} of 5 stars`);

// answer: the server's; chars: its code points. What stands between pieces is kept; a piece is [data-piece=its number].
export function sentence(answer, chars) {
  const most = Math.max(1e-9, ...answer.pieces.map((p) => Math.abs(p.weight)));
  const marked = answer.targets.filter((x) => x.start != null);
  const parts = [];
  let at = 0;
  answer.pieces.forEach((piece, k) => {
    if (piece.start > at) parts.push(chars.slice(at, piece.start).join(""));
    parts.push(one_piece(piece, k, chars, most, marked));
    at = piece.end;
  });
  return [...parts, chars.slice(at).join("")];
}

function one_piece(piece, k, chars, most, targets) {
  const text = chars.slice(piece.start, piece.end).join(""), share = Math.abs(piece.weight) / most;
  const of = targets.find((x) => x.start < piece.end && piece.start < x.end);
  const tone = share < 0.06 ? "" : piece.weight > 0 ? "good" : "ill";
  return h("span", {
    class: ["piece", tone, of && `target ${CLASSES[of.label].tone}-target`].filter(Boolean).join(" "), role: "option", "aria-selected": false, tabindex: k ? -1 : 0, "data-piece": k,
    "aria-label": `${text} ${signed(piece.weight)}`, style: { "--share": share.toFixed(3) },
  }, text);
}

// What is said about the pieces that are selected.
export function inspector(text, weight, count, ask) {
  const what = Math.abs(weight) < 0.005 ? t("几乎没有作用", "adds almost nothing") : weight > 0 ? t("使这段话更像好话", "makes the text read better") : t("使这段话更像坏话", "makes the text read worse");
  const odds = Math.abs(weight) < 0.005 ? "" : t(`；正面对负面的胜算 ×${times(weight)}`, `; odds of positive against negative ×${times(weight)}`);
  return [
    h("span", { class: "glyph serif" }, text.length > 24 ? text.slice(0, 23) + "…" : text),
    h("span", { class: "number-big" }, signed(weight)),
    h("span", { class: "quiet" }, count > 1 ? t(`${count} 个合起来：`, `${count} together: `) : "", what, odds),
    h("span", { class: "grow" }),
    h("button", { type: "button", class: "small", id: "ask-this", onclick: ask }, t("问对它的态度 ↵", "Ask about it as a target ↵")),
  ];
}

const times = (w) => { const v = Math.exp(w); return v >= 100 ? Math.round(v) : +v.toPrecision(2); };

// Three arcs as wide as their probabilities, and a hand at p(positive) - p(negative).
export function gauge(answer) {
  const p = answer.probabilities, r = 78, gap = 0.012;
  const point = (share, radius) => { const a = Math.PI * (1 - share); return [100 + radius * Math.cos(a), 96 - radius * Math.sin(a)]; };
  const arc = (from, to, tone) => {
    const [a, b] = [from + gap / 2, Math.max(to - gap / 2, from + gap / 2 + 0.001)];
    return svg("path", { class: `arc ${tone}`, d: `M${point(a, r)} A${r} ${r} 0 0 1 ${point(b, r)}` });
  };
  const hand = (p.positive - p.negative + 1) / 2, chosen = CLASSES[answer.label];
  return svg("svg", { class: "gauge", viewBox: "0 0 200 118", role: "img", "aria-label": `${chosen.name} ${percent(p[answer.label])}` },
    arc(0, p.negative, "ill"), arc(p.negative, p.negative + p.neutral, "even"), arc(1 - p.positive, 1, "good"),
    svg("line", { class: "hand", x1: 100, y1: 96, x2: point(hand, 56)[0], y2: point(hand, 56)[1] }), svg("circle", { class: "pin", cx: 100, cy: 96, r: 4 }),
    svg("text", { x: 14, y: 114, class: "end" }, "▼"), svg("text", { x: 178, y: 114, class: "end" }, "▲"));
}

export function classes(answer) {
  return Object.entries(CLASSES).map(([label, { name, sign, tone }]) =>
    h("li", { class: label === answer.label ? "chosen" : "" }, h("span", { class: tone }, sign), h("span", {}, name), h("span", { class: "track" }, h("i", { class: tone, style: { "--share": answer.probabilities[label] } })), h("span", { class: "figure" }, percent(answer.probabilities[label]))));
}

export function stars(answer) {
  return [
    h("p", { class: "big-stars", "aria-label": starsSaid(answer.stars), role: "img" }, starred(answer.stars)),
    h("p", { class: "quiet" }, t(`效价 ${answer.valence.toFixed(1)}（1 很坏，9 很好）`, `valence ${answer.valence.toFixed(1)} (1 very bad, 9 very good)`)),
  ];
}

export function starBars(answer) {
  return answer.star_probabilities.map((p, k) =>
    h("li", { class: k + 1 === answer.stars ? "chosen" : "" }, h("span", { class: "figure" }, percent(p)), h("span", { class: "column" }, h("i", { style: { "--share": p } })), h("span", {}, `${k + 1}★`)));
}

// on: {show(target), drop(target)}
export function targets(answer, on) {
  if (!answer.targets.length) return [h("li", { class: "quiet none" }, t("没有找到它在说谁。点句里的字，或拖过几个字，就可以问。", "Nothing was found that it speaks of. Click a word of the text, or drag over some, to ask."))];
  return answer.targets.map((target) => {
    const c = CLASSES[target.label];
    const where = target.start == null ? t("（文中没有）", " (not in the text)") : "";
    return h("li", {},
      h("button", { type: "button", class: "name serif", onclick: () => on.show(target), title: t("在句中指出", "show in the text") }, target.text, h("small", { class: "quiet" }, where)),
      h("span", { class: `small-stars ${c.tone}`, role: "img", "aria-label": starsSaid(target.stars) }, starred(target.stars)),
      h("span", { class: "said" }, h("span", { class: c.tone }, c.sign), ` ${c.name} ${percent(target.probabilities[target.label])}`),
      h("button", { type: "button", class: "drop-target", "aria-label": t(`不问 ${target.text}`, `do not ask about ${target.text}`), onclick: () => on.drop(target) }, "×"));
  });
}
