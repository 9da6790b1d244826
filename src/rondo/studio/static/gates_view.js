// Maps of units over words: columns side by side, a sign in cells below zero, one cursor for all maps.
import { h, svg } from "./dom.js";
import { t } from "./words.js";

const TALL = 17, LEFT = 58;
export const number = (v) => (v == null ? "–" : (v < 0 ? "−" : "") + Math.abs(v).toFixed(2));
export const word = (text) => (text === "\n" ? "⏎" : text.trim() || "␣");

// How wide a column is within so many pixels, and whether the words are written aslant.
export function fitted(labels, room) {
  const longest = Math.max(...labels.flat().map(width)), own = Math.max(30, longest * 7.2 + 10), free = (room - LEFT - 14) / labels[0].length;
  const slant = own > Math.max(free, 44);
  return { wide: slant ? Math.max(26, Math.min(44, free)) : Math.max(own, Math.min(84, free)), slant };
}
const width = (text) => [...text].reduce((n, c) => n + (c > "⺀" ? 1.8 : 1), 0);

// One map. values [column][row] in -scale..scale, or 0..scale where nothing is below zero. bars [row]: what stands at the right.
export function map({ labels, values, rows, fit, scale, bars, spoken, at, blank }) {
  const { wide, slant } = fit, head = slant ? Math.min(92, 16 + Math.max(...labels.map(width)) * 5.2) : 20, tall = head + rows.length * TALL + 4;
  const picture = svg("svg", { class: "map", width: LEFT + wide * labels.length + (bars ? 150 : 14), height: tall, role: "img", "aria-label": spoken });
  labels.forEach((text, k) => {
    const x = LEFT + wide * (k + 0.5);
    const place = slant ? { x: x - 3, y: head - 5, transform: `rotate(-50 ${x - 3} ${head - 5})` } : { x, y: head - 7, "text-anchor": "middle" };
    picture.append(svg("text", { ...place, class: k === at ? "name at" : "name" }, text));
  });
  rows.forEach((unit, i) => {
    const y = head + i * TALL;
    picture.append(svg("text", { x: LEFT - 8, y: y + 13, "text-anchor": "end" }, `${t("单元", "unit")} ${unit}`));
    labels.forEach((_, k) => picture.append(cell(values[k]?.[i], LEFT + wide * k, y, wide, scale, blank)));
    if (bars) picture.append(bar(bars[i], Math.max(...bars.map(Math.abs)), LEFT + wide * labels.length + 12, y));
  });
  picture.append(svg("rect", { class: "cursor", width: wide, height: TALL, x: -99, y: -99 }));
  picture.move = (row, column) => {
    const box = picture.querySelector(".cursor");
    box.setAttribute("x", LEFT + wide * column);
    box.setAttribute("y", head + row * TALL);
  };
  picture.place = (event) => {
    const box = picture.getBoundingClientRect();
    return { column: Math.floor((event.clientX - box.left - LEFT) / wide), row: Math.floor((event.clientY - box.top - head) / TALL) };
  };
  return picture;
}

function cell(v, x, y, wide, scale, blank) {
  if (v == null) return svg("rect", { class: blank ?? "gap", x: x + 0.5, y: y + 0.5, width: wide - 1, height: TALL - 1 });
  const share = Math.min(1, Math.abs(v) / scale), fill = `color-mix(in srgb, var(${v < 0 ? "--cinnabar" : "--indigo"}) ${Math.round(share * 100)}%, var(--wash))`;
  const box = svg("rect", { x: x + 0.5, y: y + 0.5, width: wide - 1, height: TALL - 1, rx: 2, style: { fill } });
  if (v >= 0 || share < 0.15) return box;
  return svg("g", {}, box, svg("line", { class: share > 0.55 ? "minus on" : "minus", x1: x + wide / 2 - 4, x2: x + wide / 2 + 4, y1: y + TALL / 2, y2: y + TALL / 2 }));
}

function bar(v, most, x, y) {
  const long = most ? (Math.abs(v) / most) * 60 : 0;
  return svg("g", {}, svg("rect", { class: v < 0 ? "share less" : "share", x, y: y + 4, width: Math.max(long, 0.5), height: TALL - 8 }),
    svg("text", { x: x + long + 6, y: y + 13 }, (v < 0 ? "−" : "+") + Math.abs(v).toFixed(2)));
}

// The verb's two forms after a sentence, as bars on one scale.
export function verdict(sentence) {
  const forms = Object.entries(sentence.chances);
  if (!forms.length)
    return h("span", { class: "verdict" }, h("span", { class: "quiet" }, t("接着最可能：", "likeliest next: ")),
      sentence.likeliest.slice(0, 3).map(([text, p]) => h("span", { class: "form" }, h("b", {}, word(text)), ` ${p.toFixed(3)} `)));
  const most = Math.max(...forms.map(([, p]) => p));
  return h("span", { class: "verdict" }, h("span", { class: "quiet" }, t("接着：", "next: ")), forms.map(([form, p]) =>
    h("span", { class: form === sentence.verb ? "form right" : "form" }, h("b", {}, form), h("span", { class: "meter" }, h("i", { style: { width: `${(100 * p) / most}%` } })), `${p.toFixed(3)}${form === sentence.verb ? (p === most ? " ✓" : " ✗") : ""}`)));
}

// The colours with their numbers.
export function legend(kind, scale) {
  const stops = kind === "sigmoid" ? [0, 0.5, 1] : [-scale, -scale / 2, 0, scale / 2, scale];
  return stops.map((v) => h("span", { class: "stop" }, h("i", { class: v < 0 ? "less" : "", style: { "--share": `${Math.round((100 * Math.abs(v)) / scale)}%` } }, v < 0 ? "–" : ""), number(v)));
}
