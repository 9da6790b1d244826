// Charts drawn from plain arrays: lines (learning curves, gradients through time) and a grid of cells (gates over a
// sentence). Series differ by colour, dash and a label at their end; every chart says in words what it shows.
// A charting library would compile its expressions, which the page's security policy forbids.
import { h, svg } from "./dom.js";
import { t } from "./words.js";

const W = 640, LEFT = 58, RIGHT = 110, TOP = 14, BOTTOM = 40;
const DASHES = ["", "7 4", "2 3", "9 3 2 3", "5 2"];
const short = (v) => (v === 0 ? "0" : Math.abs(v) >= 1e5 || Math.abs(v) < 1e-3 ? v.toExponential(0) : String(+v.toPrecision(3)));

// axis {label, log, min, max} and the values on it -> {place(v) in 0..1, ticks}
function scale(axis, values) {
  const log = axis.log;
  const usable = values.filter((v) => Number.isFinite(v) && (!log || v > 0)).map((v) => (log ? Math.log10(v) : v));
  let low = axis.min != null ? (log ? Math.log10(axis.min) : axis.min) : Math.min(...usable);
  let high = axis.max != null ? (log ? Math.log10(axis.max) : axis.max) : Math.max(...usable);
  if (!Number.isFinite(low) || !Number.isFinite(high)) [low, high] = [0, 1];
  if (high - low < 1e-12) [low, high] = [low - 0.5, high + 0.5];
  const place = (v) => ((log ? Math.log10(Math.max(v, 1e-300)) : v) - low) / (high - low);
  return { place, ticks: ticks(low, high, log), low, high };
}

function ticks(low, high, log) {
  const span = high - low;
  let step = log ? Math.max(1, Math.ceil(span / 6)) : 10 ** Math.floor(Math.log10(span / 4));
  if (!log) step *= span / step > 20 ? 5 : span / step > 8 ? 2 : 1;
  const found = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + 1e-9 * span; v += step) found.push(log ? 10 ** v : +v.toPrecision(12));
  return found;
}

// options: {title, x, y: axes, series: [{name, label, points: [[x, y]], color, dash, dots}], lines: [{y | x, label}], height}
// Returns a function that draws new options in the same place.
export function plot(element, options) {
  const draw = (o) => element.replaceChildren(lines(o), table(o));
  draw(options);
  return draw;
}

function lines(o) {
  const height = o.height ?? 260, series = o.series.map((s, n) => ({ color: n % 5, dash: n % 5, ...s }));
  const points = series.flatMap((s) => s.points), marks = o.lines ?? [];
  const x = scale(o.x, [...points.map((p) => p[0]), ...marks.filter((m) => m.x != null).map((m) => m.x)]);
  const y = scale(o.y, [...points.map((p) => p[1]), ...marks.filter((m) => m.y != null).map((m) => m.y)]);
  const px = (v) => LEFT + x.place(v) * (W - LEFT - RIGHT), py = (v) => height - BOTTOM - y.place(v) * (height - TOP - BOTTOM);
  const within = (p) => Number.isFinite(p[0]) && Number.isFinite(p[1]) && (!o.y.log || p[1] > 0) && (!o.x.log || p[0] > 0);
  const clip = (v) => Math.min(height - BOTTOM + 4, Math.max(TOP - 4, v));
  const picture = svg("svg", { class: "plot", viewBox: `0 0 ${W} ${height}`, role: "img", "aria-label": spoken(o) });
  for (const v of y.ticks)
    picture.append(svg("line", { class: "grid", x1: LEFT, x2: W - RIGHT, y1: py(v), y2: py(v) }), svg("text", { x: LEFT - 8, y: py(v) + 4, "text-anchor": "end" }, short(v)));
  for (const v of x.ticks) picture.append(svg("text", { x: px(v), y: height - BOTTOM + 17, "text-anchor": "middle" }, short(v)));
  picture.append(
    svg("text", { x: (LEFT + W - RIGHT) / 2, y: height - 6, "text-anchor": "middle" }, o.x.label ?? ""),
    svg("text", { x: 12, y: TOP + (height - TOP - BOTTOM) / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${TOP + (height - TOP - BOTTOM) / 2})` }, o.y.label ?? ""),
  );
  const labels = [];
  for (const m of marks) {
    const at = m.y != null ? { x1: LEFT, x2: W - RIGHT, y1: clip(py(m.y)), y2: clip(py(m.y)) } : { x1: px(m.x), x2: px(m.x), y1: TOP, y2: height - BOTTOM };
    picture.append(svg("line", { ...at, class: "cq", "stroke-dasharray": "3 4" }));
    if (m.y != null) labels.push({ y: clip(py(m.y)), text: m.label, color: "q" });
    else picture.append(svg("text", { x: px(m.x) + 4, y: TOP + 10 }, m.label ?? ""));
  }
  for (const s of series) {
    const found = s.points.filter(within);
    if (!found.length) continue;
    const path = found.map((p, n) => `${n ? "L" : "M"}${px(p[0]).toFixed(1)} ${clip(py(p[1])).toFixed(1)}`).join("");
    picture.append(svg("path", { class: `series c${s.color}`, d: path, "stroke-dasharray": DASHES[s.dash] }));
    if (s.dots || found.length === 1) for (const p of found) picture.append(svg("circle", { class: `c${s.color}`, cx: px(p[0]), cy: clip(py(p[1])), r: 3 }));
    if (s.label !== "") labels.push({ y: clip(py(found.at(-1)[1])), text: s.label ?? s.name, color: s.color });
  }
  labels.sort((a, b) => a.y - b.y);
  labels.forEach((l, n) => { if (n) l.y = Math.max(l.y, labels[n - 1].y + 14); });
  labels.reduceRight((most, l) => (l.y = Math.min(l.y, most)) - 14, height - BOTTOM - 4);
  for (const l of labels) picture.append(svg("text", { x: W - RIGHT + 8, y: l.y + 4, class: `c${l.color}` }, l.text));
  return picture;
}

const last = (s) => { const p = s.points.at(-1); return p ? short(Number(p[1])) : "–"; };
const spoken = (o) => `${o.title}. ${o.series.map((s) => `${s.name}: ${last(s)}`).join("; ")}`;

// The same as a table, closed; at most 40 rows of each series.
function table(o) {
  const rows = o.series.flatMap((s) => thinned(s.points, 40).map((p) => h("tr", {}, h("td", {}, s.name), h("td", { class: "number" }, short(p[0])), h("td", { class: "number" }, short(Number(p[1]))))));
  return h("details", { class: "quiet" }, h("summary", {}, t("数据", "data")),
    h("div", { class: "scroll" }, h("table", {}, h("tr", {}, h("th", {}, ""), h("th", {}, o.x.label ?? "x"), h("th", {}, o.y.label ?? "y")), rows)));
}

const thinned = (points, most) => points.filter((_, n) => n % Math.ceil(points.length / most) === 0 || n === points.length - 1);

// A grid of values: rows [{name}], columns [label], values[row][column] in low..high; each cell has its number as title.
// left is the room of the rows' names; top, where it is given, that of columns' names that stand upright.
export function heat(element, { title, rows, columns, values, low = 0, high = 1, color = "--indigo", left = 76, top = 0 }) {
  const w = Math.max(14, Math.min(44, 900 / columns.length)), tall = 20, above = top || 20;
  const picture = svg("svg", { class: "plot", viewBox: `0 0 ${left + w * columns.length} ${tall * rows.length + above + 14}`, role: "img", "aria-label": title });
  picture.style.setProperty("max-width", `${(left + w * columns.length) * 1.4}px`);
  columns.forEach((label, k) => {
    const x = left + w * (k + 0.5), turned = { x: x + 4, y: above - 6, transform: `rotate(-90 ${x + 4} ${above - 6})` };
    picture.append(svg("text", { ...(top ? turned : { x, y: 14, "text-anchor": "middle" }), class: "name" }, label));
  });
  rows.forEach((row, i) => {
    picture.append(svg("text", { x: left - 8, y: above + 14 + tall * i, "text-anchor": "end" }, row.name ?? row));
    values[i].forEach((v, k) => {
      const share = Math.max(0, Math.min(1, (v - low) / (high - low)));
      const cell = svg("rect", { x: left + w * k + 0.5, y: above + tall * i, width: w - 1, height: tall - 1, rx: 2, style: { fill: `color-mix(in srgb, var(${color}) ${Math.round(share * 100)}%, var(--wash))` } });
      cell.append(svg("title", {}, `${row.name ?? row} · ${columns[k]}: ${short(v)}`));
      picture.append(cell);
    });
  });
  element.replaceChildren(picture);
}
