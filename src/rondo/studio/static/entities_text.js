// A text with its names: a line a block, every name a span whose type stands under it. What the server counts in code
// points is counted here in UTF-16, as strings are.
import { h } from "./dom.js";
import { lang, t } from "./words.js";

export const LOW = 0.7; // below it a name is told quietly
const BLOCK = 1500; // characters

const FAMILIES = [
  ["person", "name", "PER", "NAME", "PER.NAM", "PER.NOM"],
  ["location", "address", "scene", "LOC", "LOC.NAM", "LOC.NOM", "GPE", "GPE.NAM", "GPE.NOM"],
  ["organisation", "organization", "company", "government", "corporation", "group", "ORG", "ORG.NAM", "ORG.NOM"],
  ["product", "creative-work", "book", "movie", "game"],
];
export const family = (type) => { const k = FAMILIES.findIndex((own) => own.includes(type)); return k < 0 ? 4 : k; };

// What stands under a name must be short.
const SHORT = { organisation: "org", organization: "org", ORG: "org", "ORG.NAM": "org", government: "gov", "creative-work": "work", profession: "prof" };
export const called = (names, type) => (type === "" ? t("不是名字", "not a name") : names?.[type]?.[lang] ?? type);
const tag = (names, type) => (type === "" ? t("非", "none") : (lang === "en" && SHORT[type]) || called(names, type));

// Places of a text: unit(code point) and point(unit).
export function counted(text) {
  if (!/[\ud800-\udbff]/.test(text)) return { unit: (n) => n, point: (n) => n };
  const units = [], points = new Uint32Array(text.length + 1);
  for (let n = 0; n < text.length; n += text.codePointAt(n) > 0xffff ? 2 : 1) {
    points[n] = units.length;
    if (text.codePointAt(n) > 0xffff) points[n + 1] = units.length;
    units.push(n);
  }
  points[text.length] = units.length;
  units.push(text.length);
  return { unit: (n) => units[n], point: (n) => points[n] };
}

// How wide a text is, about, in pixels of its own size.
const width = (text, size) => [...text].reduce((sum, c) => sum + (c > "\u2e80" ? 1 : 0.52), 0) * size;

function piece(mark, text, names, first) {
  const under = first ? tag(names, mark.type) : "", locked = mark.by === "fixed", listed = mark.by === "dictionary";
  const short = width(text, 20) < width(under, 11.5) + (locked || listed ? 14 : 3);
  const kind = ["name", `f${mark.type === "" ? "none" : family(mark.type)}`, mark.p < LOW && mark.by === "model" && "low", locked && "locked", listed && "listed", short && "short", mark.fresh && "fresh", mark.gone && "gone"];
  const room = short ? { "--room": `${(width(under, 11.5) + (locked || listed ? 13 : 1)).toFixed(0)}px` } : {};
  return h("span", { class: kind.filter(Boolean).join(" "), "data-tag": under, style: room }, text);
}

// A line: its text with the marks in it, whose places are those of the whole text.
function line(text, start, marks, names) {
  const row = h("div", { class: "line" });
  let at = 0;
  for (const mark of marks) {
    const [a, b] = [Math.max(0, mark.start - start), Math.min(text.length, mark.end - start)];
    if (a >= b || a < at) continue;
    if (a > at) row.append(text.slice(at, a));
    const span = piece(mark, text.slice(a, b), names, mark.start >= start);
    span.at = mark.start - start;
    row.append(span);
    at = b;
  }
  if (at < text.length) row.append(text.slice(at));
  if (!text) row.append(h("br"));
  return row;
}

export const still = (text, marks, names) => text.split("\n").map((own, k, lines) => {
  const start = lines.slice(0, k).reduce((sum, l) => sum + l.length + 1, 0);
  return line(own, start, marks.filter((m) => m.start < start + own.length && m.end > start), names);
});

// Lines with their places. One that is very long is shown as several, which end with sentences: a browser lays out no
// block of a hundred thousand characters in time.
function lines_of(text) {
  const found = [];
  let at = 0;
  for (let own of text.split("\n")) {
    for (; own.length > 2 * BLOCK; ) {
      const stop = /[。！？.!?][”’」』）)"']*\s*/g;
      stop.lastIndex = BLOCK;
      let size = stop.exec(own) && stop.lastIndex < 2 * BLOCK ? stop.lastIndex : BLOCK;
      if (own.codePointAt(size - 1) > 0xffff) size--; // between the halves of a sign
      found.push([at, own.slice(0, size)]);
      [own, at] = [own.slice(size), at + size];
    }
    found.push([at, own]);
    at += own.length + 1;
  }
  return found;
}

// The leaf: draw(text, marks, names) changes the lines that changed; place() is what is selected, or nothing;
// select(start, end), choose(start): which name is shown as chosen.
export function leaf(element) {
  let rows = [], language = "";

  function draw(text, marks, names) {
    let k = 0;
    const wanted = lines_of(text).map(([start, own]) => {
      const end = start + own.length, here = [];
      while (k < marks.length && marks[k].end <= start) k++;
      for (let n = k; n < marks.length && marks[n].start < end; n++) here.push(marks[n]);
      const key = own + "\0" + here.map((m) => [m.start - start, m.end - start, m.type, m.by, m.p < LOW, m.fresh, m.gone]).join(";");
      return { key, start, text: own, here };
    });
    const alike = rows.length === wanted.length && language === JSON.stringify(names);
    wanted.forEach((own, n) => {
      const old = alike ? rows[n] : undefined;
      own.element = old?.key === own.key ? old.element : line(own.text, own.start, own.here, names);
      if (old && old.element !== own.element) old.element.replaceWith(own.element);
      own.element.start = own.start;
    });
    if (!alike) element.replaceChildren(...wanted.map((own) => own.element));
    [rows, language] = [wanted, JSON.stringify(names)];
  }

  function offset(node, n) {
    if (node === element) return n < rows.length ? rows[n].start : (rows.at(-1)?.start ?? 0) + (rows.at(-1)?.text.length ?? 0);
    const row = (node.nodeType === 1 ? node : node.parentElement).closest(".line"), range = document.createRange();
    if (!row) return 0;
    range.setStart(row, 0);
    range.setEnd(node, n);
    return row.start + range.toString().length;
  }

  function place() {
    const own = getSelection();
    if (!own.rangeCount || !element.contains(own.anchorNode) || !element.contains(own.focusNode)) return undefined;
    const [a, b] = [offset(own.anchorNode, own.anchorOffset), offset(own.focusNode, own.focusOffset)];
    return { start: Math.min(a, b), end: Math.max(a, b) };
  }

  const row_at = (n) => rows.findLast((own) => own.start <= n) ?? rows[0];

  function point(n) {
    const row = row_at(n), walk = document.createTreeWalker(row.element, NodeFilter.SHOW_TEXT);
    let left = n - row.start, last;
    for (let node; (node = walk.nextNode()); left -= node.length) {
      if (left < node.length) return [node, left];
      last = node;
    }
    return last ? [last, last.length] : [row.element, 0];
  }

  function select(start, end = start) {
    const [a, b] = [point(start), end === start ? point(start) : point(end)];
    getSelection().setBaseAndExtent(...a, ...b);
    (a[0].nodeType === 1 ? a[0] : a[0].parentElement).scrollIntoView({ block: "nearest" });
  }

  const span_at = (start) => { const row = row_at(start); return [...(row?.element.children ?? [])].find((s) => row.start + s.at === start); };

  function choose(start) {
    for (const old of element.querySelectorAll(".chosen")) old.classList.remove("chosen");
    if (start != null) span_at(start)?.classList.add("chosen");
  }

  for (const kind of ["beforeinput", "drop", "paste"]) element.addEventListener(kind, (event) => event.preventDefault());
  const forget = () => (rows = []); // what is shown is no longer what was drawn
  return { draw, forget, place, select, choose, start_of: (span) => span.closest(".line").start + span.at };
}
