// A text tinted by a number of each symbol, passages, a histogram. Below zero: red and a dashed underline.
import { h, svg } from "./dom.js";
import { t } from "./words.js";

export const signed = (v, digits = 2) => (v < 0 ? "−" : "+") + Math.abs(v).toFixed(digits);
export const seen = (text) => (text === "\n" ? "⏎" : text);
const BREAK = "\n";

// The symbols of all documents in order: their text, the step after which a value stands, the step that predicts them.
export function symbols(documents) {
  const found = [];
  let base = 0;
  documents.forEach((texts, document) => {
    texts.forEach((text, k) => found.push({ text, document, read: k < texts.length - 1 ? base + k : null, told: k ? base + k - 1 : null }));
    base += texts.length - 1;
  });
  return found;
}

// The spans of the text; span.symbol is the place in `all`.
export function spans(all) {
  const lines = [];
  all.forEach((symbol, k) => {
    if (!lines[symbol.document]) lines[symbol.document] = h("p", { class: "line" });
    const span = h("span", { class: symbol.text === BREAK ? "tok break" : "tok" }, seen(symbol.text));
    span.symbol = k;
    lines[symbol.document].append(span);
  });
  return lines;
}

// Tint spans by a value each (null: none) on a scale that is symmetrical about zero.
export function tint(elements, values, scale) {
  elements.forEach((span, k) => {
    const v = values[k], share = v == null || !scale ? 0 : Math.min(1, Math.abs(v) / scale);
    span.classList.toggle("less", v != null && v < 0 && share > 0.12);
    span.classList.toggle("strong", v != null && v > 0 && share > 0.6);
    span.style.setProperty("--share", share.toFixed(3));
  });
}

export function legend(scale, digits) {
  return [-1, -0.5, 0, 0.5, 1].map((s) => h("span", { class: s < 0 ? "tok less" : s > 0.6 ? "tok strong" : "tok", style: { "--share": Math.abs(s) } }, s ? (s === 1 ? "≥ " : s === -1 ? "≤ " : "") + signed(s * scale, digits) : "0"));
}

// A passage with its symbol marked; choosing it goes there. `at` is the place in `all` of the symbol that is meant.
export function passage(all, at, value, digits, go) {
  const near = (from, to) => all.slice(Math.max(0, from), to).filter((s) => s.document === all[at].document).map((s) => seen(s.text)).join("");
  const around = /[⺀-鿿]/.test(all[at].text + near(at - 4, at + 4)) ? 9 : 7;
  return h("li", {}, h("button", { type: "button", class: "passage", onclick: () => go(at) },
    h("span", { class: value < 0 ? "tok less" : "tok strong", style: { "--share": 0.35 } }, signed(value, digits)), " ",
    h("span", { class: "serif" }, near(at - around, at), h("mark", {}, seen(all[at].text)), near(at + 1, at + around + 1))));
}

export function histogram({ edges, counts }, mean, deviation) {
  const W = 420, H = 130, most = Math.max(...counts), low = edges[0], high = edges.at(-1), x = (v) => 10 + ((v - low) / (high - low || 1)) * (W - 20);
  const said = t(`直方图：${low.toFixed(2)} 到 ${high.toFixed(2)}，平均 ${mean.toFixed(2)}，标准差 ${deviation.toFixed(2)}`, `histogram: ${low.toFixed(2)} to ${high.toFixed(2)}, mean ${mean.toFixed(2)}, standard deviation ${deviation.toFixed(2)}`);
  const picture = svg("svg", { class: "plot", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": said });
  counts.forEach((n, k) => picture.append(svg("rect", { class: edges[k] + edges[k + 1] < 0 ? "bin less" : "bin", x: x(edges[k]) + 0.5, width: Math.max(0.5, x(edges[k + 1]) - x(edges[k]) - 1), y: H - 22 - (n / most) * (H - 34), height: (n / most) * (H - 34) })));
  const mark = (v, text) => picture.append(svg("line", { class: "cq", x1: x(v), x2: x(v), y1: 6, y2: H - 20, "stroke-dasharray": "3 3" }), svg("text", { x: x(v), y: H - 6, "text-anchor": v === low ? "start" : "middle" }, text));
  picture.append(svg("line", { class: "grid", x1: 8, x2: W - 8, y1: H - 21.5, y2: H - 21.5 }));
  mark(mean, `${t("平均", "mean")} ${mean.toFixed(2)}`);
  if (Math.abs(x(mean) - x(low)) > 90) picture.append(svg("text", { x: 10, y: H - 6 }, low.toFixed(2)));
  if (Math.abs(x(mean) - x(high)) > 90) picture.append(svg("text", { x: W - 10, y: H - 6, "text-anchor": "end" }, high.toFixed(2)));
  return h("div", {}, picture, h("p", { class: "quiet" }, said));
}
