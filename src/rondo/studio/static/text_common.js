// What the parts of the text desk share.
import { h } from "./dom.js";
import { t } from "./words.js";

// A probability as a percentage with two digits that count.
export function percent(p) {
  const v = 100 * p;
  if (v === 0) return "0 %";
  if (v < 0.001) return "< 0.001 %";
  if (v >= 99.995) return "100 %";
  return `${v >= 9.95 ? v.toFixed(v > 99.9 ? 2 : 1) : +v.toPrecision(2)} %`;
}

// A symbol as it can be seen: blanks and line ends have signs.
export function visible(text) {
  if (text === "") return [h("i", { class: "sign" }, t("（字的一部分）", "(part of a character)"))];
  return [...text].map((c) => (c === " " ? h("i", { class: "sign" }, "␣") : c === "\n" ? h("i", { class: "sign" }, "↵") : c));
}

// The same in words, for a reader of the screen.
export const spoken = (text) =>
  text === "\n" ? t("行末", "line end") : text.trim() === "" ? (text ? t("空格", "blank") : t("字的一部分", "part of a character")) : text.trim();

// What a model reads as unknown, or nothing.
export function tellUnknown(element, unknown) {
  element.hidden = !unknown?.length;
  if (unknown?.length) {
    const shown = unknown.slice(0, 24).join(t("、", ", ")) + (unknown.length > 24 ? " …" : "");
    element.textContent = t(`模型不认得：${shown}。它们按“未知”读入。`, `The model does not know: ${shown}. These are read as “unknown”.`);
  }
}

export const place = (n) => (n ? t(`前面还有 ${n} 件`, `${n} before this one`) : "");

// Which language a text is set in.
export const chinese = (text) => /[㐀-鿿]/.test(text);
