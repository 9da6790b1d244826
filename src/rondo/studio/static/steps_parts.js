// What the pages that go step by step share: numbers, circles by value, MathML whose slots are filled with numbers.
import { svg } from "./dom.js";

export const short = (v) => (Math.abs(v) >= 1000 || (v !== 0 && Math.abs(v) < 0.005) ? v.toExponential(1) : v.toFixed(2)).replace("-", "−");
export const vector = (v) => (v.length === 1 ? short(v[0]) : `(${v.map(short).join(", ")})`);
export const visible = (text) => (text === " " ? "␣" : text === "\n" ? "⏎" : text);

// A circle whose shade is a value: ink above zero, indigo with a bar below.
export function dot(x, y, r, value, high = 1) {
  const share = Math.round(100 * Math.min(1, Math.abs(value) / high));
  return [
    svg("circle", { cx: x, cy: y, r, class: "value", style: { fill: `color-mix(in srgb, var(${value < 0 ? "--indigo" : "--ink"}) ${share}%, var(--leaf))` } }),
    value < 0 ? svg("path", { class: share > 45 ? "minus light" : "minus", d: `M${x - r / 2} ${y}h${r}` }) : null,
  ];
}

const ml = (tag, attributes, ...children) => {
  const e = document.createElementNS("http://www.w3.org/1998/Math/MathML", tag);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
};

// MathML from the server as an element; values(slot) gives the numbers of a slot, or undefined where they are unknown.
export function math(text, values) {
  const parsed = new DOMParser().parseFromString(text, "text/html");
  const found = document.adoptNode(parsed.body.firstElementChild);
  for (const place of found.querySelectorAll("[data-slot]")) place.append(...numbers(values?.(Number(place.dataset.slot))));
  return found;
}

// One number, a column of them, or a matrix, with brackets where it is more than one.
export function numbers(v) {
  if (v == null) return [ml("mi", {}, "·")];
  if (!Array.isArray(v)) return v < 0 ? [ml("mo", {}, "("), ml("mn", {}, short(v)), ml("mo", {}, ")")] : [ml("mn", {}, short(v))];
  if (v.length === 1 && !Array.isArray(v[0])) return numbers(v[0]);
  const grid = v.map((row) => (Array.isArray(row) ? row : [row]).map(short)), wide = grid[0].map((_, j) => Math.max(...grid.map((row) => row[j].length)));
  const rows = grid.map((row) => ml("mtr", {}, ...row.map((x, j) => ml("mtd", {}, ml("mn", {}, x.padStart(wide[j], "\u2007")))))); // figure spaces: text-align does not reach numbers
  return [ml("mtable", { class: "held" }, ...rows)]; // its brackets are borders: not every font has ones that grow
}

// An equation and what comes after it: = and more numbers.
export function equal(element, ...values) {
  for (const v of values) element.append(ml("mo", {}, "="), ml("mrow", {}, ...numbers(v)));
  return element;
}
export const times = (element, ...factors) => { element.append(ml("mo", {}, "="), ...factors.map((f) => ml("mrow", {}, ...numbers(f)))); return element; };

// Keys outside of controls: act(event) says whether it took the key. What scrolls a page it should take in a figure alone.
export function keys(act) {
  addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select, [contenteditable], dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (act(event)) event.preventDefault();
  });
}

export const within = (event, selector) => event.target.closest?.(selector) != null;

export const marker = (id, c = "tip") => svg("marker", { id, viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" }, svg("path", { class: c, d: "M0 0L8 4L0 8Z" }));
