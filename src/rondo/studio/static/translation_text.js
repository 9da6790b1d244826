// Both texts as words: the source under its field, the translation as what can be pointed at and chosen.
import { h } from "./dom.js";
import { t } from "./words.js";

export const LIT = 0.08; // of less attention nothing is shown
export const percent = (p) => (p >= 0.995 ? "100 %" : p < 0.01 ? "< 1 %" : `${Math.round(100 * p)} %`);

// Offsets of the server count characters; here a text is an array of them.
export const chars = (text) => Array.from(text);
export const cut = (text, start, end) => chars(text).slice(start, end).join("");

// Line breaks of a sentence, put back at the free blanks nearest to their shares: place of the blank -> what stands there.
export function breaksOf(text, breaks) {
  const all = chars(text), found = new Map();
  let blanks = all.flatMap((c, k) => (c === " " ? [k] : []));
  breaks.forEach(([share, lines], n) => {
    const left = breaks.length - n, room = blanks.slice(0, blanks.length - left + 1);
    const free = room.length ? room : blanks.slice(0, 1);
    const place = free.length ? free.reduce((a, b) => (Math.abs(b - share * all.length) < Math.abs(a - share * all.length) ? b : a)) : all.length;
    found.set(place, (found.get(place) ?? "") + lines);
    blanks = blanks.filter((k) => k > place);
  });
  return found;
}

// The gaps between sentences, of the source; where it has none (Chinese) the translation has a blank.
export function gaps(text, sentences) {
  const all = chars(text), ends = [0, ...sentences.map((s) => s.end)], starts = [...sentences.map((s) => s.start), all.length];
  return starts.map((start, n) => {
    const gap = all.slice(ends[n], start).join("");
    return gap === "" && n > 0 && n < sentences.length ? " " : gap;
  });
}

// The whole translation as text; shown(n) is the candidate of sentence n.
export function whole(text, sentences, shown) {
  const between = gaps(text, sentences);
  return sentences.map((s, n) => between[n] + broken(shown(n).text, s.breaks)).join("") + between.at(-1);
}

function broken(text, breaks) {
  const put = breaksOf(text, breaks), all = chars(text);
  return all.map((c, k) => put.get(k) ?? c).join("") + (put.get(all.length) ?? "");
}

// The source, each word a span with its place; the field lies above it.
export function mirror(text, sentences) {
  const all = chars(text), nodes = [];
  let last = 0;
  sentences.forEach((s, n) => {
    nodes.push(all.slice(last, s.start).join(""));
    const inside = [];
    last = s.start;
    s.words.forEach((w, i) => {
      inside.push(all.slice(last, w.start).join(""), h("span", { class: "word", "data-n": n, "data-i": i }, all.slice(w.start, w.end).join("")));
      last = w.end;
    });
    nodes.push(h("span", { class: "sentence-span", "data-n": n }, inside, all.slice(last, s.end).join("")));
    last = s.end;
  });
  nodes.push(all.slice(last).join("") + "\u200b"); // a line that ends the text takes room in a field, not in a block
  return nodes;
}

// A sentence of the translation. marks: places of the words that were chosen; sources: the words of the source.
export function sentence(candidate, n, breaks, marks, sources) {
  const all = chars(candidate.text), put = breaksOf(candidate.text, breaks), inside = [];
  const text = (from, to) => Array.from({ length: Math.max(0, to - from) }, (_, k) => put.get(from + k) ?? all[from + k]).join("");
  let last = 0;
  candidate.words.forEach((w, j) => {
    inside.push(text(last, w.start), word(candidate, w, n, j, marks.includes(j), sources));
    last = w.end;
  });
  inside.push(text(last, all.length), put.get(all.length) ?? "");
  return h("span", { class: "sentence-span", "data-n": n }, inside);
}

const within = (w, places) => places.some(([start, end]) => w.start < end && start < w.end);

function word(candidate, w, n, j, held, sources) {
  const copied = within(w, candidate.copied), glossed = within(w, candidate.glossary), text = cut(candidate.text, w.start, w.end);
  const how = [held && t("你选的", "chosen by you"), copied && t("照抄", "copied"), glossed && t("出自词表", "from the glossary")].filter(Boolean);
  const from = strongest(candidate.alignment[j] ?? []).map(([i, p]) => `${sources[i]} ${percent(p)}`);
  const label = [text, ...how, ...(from.length ? [`← ${from.join(t("、", ", "))}`] : [])].join(t("，", ", "));
  return h("span", { class: ["word", held && "held", copied && "copied", glossed && "glossed"].filter(Boolean).join(" "), role: "button", tabindex: -1, "data-n": n, "data-j": j, "aria-label": label }, text);
}

// The places of the largest weights.
export const strongest = (weights, most = 3) =>
  weights.map((p, k) => [k, p]).filter(([, p]) => p >= LIT).sort((a, b) => b[1] - a[1]).slice(0, most);

// Tint and underline by weight, so that colour is not alone.
export function light(element, weight) {
  element.classList.toggle("lit", weight >= LIT);
  element.classList.toggle("strong", weight >= 0.4);
  element.style.setProperty("--a", Math.min(1, weight).toFixed(3));
}
