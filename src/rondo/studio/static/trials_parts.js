// Parts that the bench's panels share: controls inside a sentence, and numbers as words.
import { h, options } from "./dom.js";
import { t } from "./words.js";

export const select = (name, label, pairs, chosen) => h("select", { name, "aria-label": label }, options(pairs, chosen));
export const word = (zh, en) => h("span", {}, t(zh, en));
export const value = (form, name) => form.elements[name].value;

// Nanoseconds with a unit.
export function duration(ns) {
  const [scale, unit] = ns < 1 ? [1e3, "ps"] : ns < 1e3 ? [1, "ns"] : ns < 1e6 ? [1e-3, "µs"] : [1e-6, "ms"];
  return `${digits(ns * scale)} ${unit}`;
}

export const times = (v) => (v >= 10 ? v.toFixed(0) : String(+v.toPrecision(2)));
export const digits = (v) => (Math.abs(v) >= 100 ? v.toFixed(0) : String(+v.toPrecision(3)));
export const bytes = (n) => (n < 1e6 ? `${Math.max(1, Math.round(n / 1e3))} KB` : `${(n / 1e6).toFixed(1)} MB`);
export const blank = (text) => h("p", { class: "blank" }, text);

// At most one drawing a frame, however many records come.
export function drawer(draw) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => ((waiting = false), draw()));
  };
}
