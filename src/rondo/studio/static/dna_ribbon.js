// The ribbon: a marked sequence as lines of SVG, with sites, p(exon), letters, and what replaced bases would change.
import { h, svg } from "./dom.js";
import { t } from "./words.js";

export const BASES = "ACGT";
export const NAMES = { exon: t("外显子", "exon"), intron: t("内含子", "intron"), unsure: t("不确定", "unsure"), donor: t("供体", "donor"), acceptor: t("受体", "acceptor") };
export const percent = (p) => (p > 0.995 && p < 1 ? "> 99%" : p < 0.005 && p > 0 ? "< 1%" : `${Math.round(100 * p)}%`);
export const signed = (v) => (v > 0 ? `+${v.toFixed(1)}` : v < 0 ? `−${(-v).toFixed(1)}` : "0");

const W = 16, LEAST = 13.5, LEFT = 46, MOST = 4; // a column, what it may shrink to, the room of the numbers, the effect that is darkest
const SITE = 2, CURVE = 20, BAND = 54, LETTER = 84, MAP = 92, CELL = 11; // where the rows of a line begin
const TALL = MAP + 4 * CELL + 14;

// How many bases a line has in so much room.
export const columns = (width) => Math.max(10, Math.min(60, 10 * Math.floor((width - LEFT - 4) / LEAST / 10)));

// The lines of the bases [from, to). kinds: of every base; sites: those that are flagged; change: effects by place.
export function lines(answer, { from, to, width, at, changed, change }) {
  const n = columns(width), found = [];
  for (let first = from; first < to; first += n) found.push(line(answer, first, Math.min(to, first + n), n, { at, changed, change }));
  return found;
}

function line(answer, first, last, n, { at, changed, change }) {
  const x = (place) => LEFT + (place - first) * W, wide = LEFT + n * W + 4;
  const picture = svg("svg", { class: "line", viewBox: `0 0 ${wide} ${TALL}`, width: wide, height: TALL, "data-first": first, "data-last": last, "aria-hidden": "true" });
  picture.append(svg("text", { class: "place", x: LEFT - 8, y: LETTER, "text-anchor": "end" }, first + 1));
  for (const s of answer.segments) if (s.start < last && s.end > first) picture.append(...segment(s, Math.max(s.start, first), Math.min(s.end, last), x));
  picture.append(...curve(answer.exon, first, last, x));
  picture.append(...flags(answer.sites.filter((s) => s.p >= 0.1 && s.after + 1 > first && s.after + 1 <= last), x, wide));
  for (let k = first; k < last; k++) picture.append(letter(answer, k, x(k), changed.has(k)));
  if (change) picture.append(...map(answer.sequence, first, last, x, change));
  else picture.append(svg("rect", { class: "waiting", x: LEFT, y: MAP, width: (last - first) * W, height: 4 * CELL, rx: 3 }));
  if (at >= first && at < last) picture.append(svg("rect", { class: "cursor", x: x(at) - 0.5, y: CURVE - 4, width: W, height: MAP + 4 * CELL + 6 - CURVE, rx: 3 }));
  return picture;
}

function segment(s, first, last, x) {
  const from = x(first), size = x(last) - from, title = svg("title", {}, `${s.start + 1}–${s.end} ${NAMES[s.kind]} ${percent(s.p)}`);
  const parts = s.kind === "intron"
    ? [svg("path", { class: "band intron", d: `M${from} ${BAND + 7}H${from + size}${chevrons(from, size)}` }, title)]
    : [svg("rect", { class: `band ${s.kind}`, x: from + 0.5, y: BAND, width: Math.max(2, size - 1), height: 14, rx: 3 }, title)];
  const text = `${NAMES[s.kind]} ${percent(s.p)}`;
  if (size > text.length * 8 + 16 && first === s.start) {
    parts.push(svg("text", { class: `named ${s.kind}`, x: from + 10, y: BAND + 11 }, text));
  }
  return parts;
}

function chevrons(from, size) {
  let d = "";
  for (let x = from + 10; x < from + size - 6; x += 32) d += `M${x} ${BAND + 4}l4 3l-4 3`;
  return d;
}

function curve(exon, first, last, x) {
  const y = (p) => (CURVE + 30 - 28 * p).toFixed(1);
  let d = `M${x(first)} ${CURVE + 30}`;
  for (let k = first; k < last; k++) d += `L${x(k) + W / 2} ${y(exon[k])}`;
  return [
    svg("line", { class: "half", x1: x(first), x2: x(last), y1: y(0.5), y2: y(0.5) }),
    svg("path", { class: "area", d: `${d}L${x(last)} ${CURVE + 30}Z` }),
    svg("path", { class: "edge", d: d.replace(/^M\S+ \S+L/, "M") }),
  ];
}

// Flags from the likeliest on; one whose words would lie on another's has none.
function flags(sites, x, wide) {
  const taken = [];
  return [...sites].sort((a, b) => b.p - a.p).map((site) => {
    const at = x(site.after + 1), text = `${NAMES[site.kind]} ${percent(site.p)}`, room = text.length * 7 + (/[㐀-鿿]/.test(text) ? 10 : 0);
    const left = at + room + 10 > wide, from = left ? at - 10 - room : at + 10, free = taken.every(([a, b]) => from > b || from + room < a);
    if (free) taken.push([from, from + room]);
    return flag(site, at, text, free, left);
  });
}

function flag(site, x, text, told, left) {
  const group = svg("g", { class: `flag ${site.kind}${site.p < 0.5 ? " weak" : ""}` }, svg("title", {}, `${site.after + 1}|${site.after + 2} ${text}`));
  group.append(svg("line", { x1: x, x2: x, y1: SITE + 2, y2: BAND + 16 }), svg("path", { d: site.kind === "donor" ? `M${x} ${SITE + 2}h7l-3 5l3 5h-7z` : `M${x} ${SITE + 2}h-7l3 5l-3 5h7z` }));
  if (told) group.append(svg("text", { x: left ? x - 10 : x + 10, y: SITE + 12, "text-anchor": left ? "end" : "start" }, text));
  return group;
}

function letter(answer, k, x, changed) {
  const kind = answer.kinds[k], base = answer.sequence[k];
  return svg("text", { class: `base ${kind}${changed ? " changed" : ""}`, x: x + W / 2, y: LETTER, "text-anchor": "middle" }, kind === "intron" ? base.toLowerCase() : base.toUpperCase());
}

function map(sequence, first, last, x, change) {
  const found = [...BASES].map((b, row) => svg("text", { class: "place", x: LEFT - 8, y: MAP + row * CELL + 9, "text-anchor": "end" }, b));
  for (let k = first; k < last; k++) {
    const own = sequence[k].toUpperCase().replace("U", "T");
    [...BASES].forEach((b, row) => {
      const v = change[k]?.[row] ?? 0, y = MAP + row * CELL;
      if (b === own) return found.push(svg("circle", { class: "own", cx: x(k) + W / 2, cy: y + CELL / 2, r: 1.6 }));
      const deep = Math.min(1, Math.abs(v) / MOST);
      found.push(svg("rect", { class: `cell ${v < 0 ? "less" : "more"}`, x: x(k) + 0.5, y: y + 0.5, width: W - 1, height: CELL - 1, rx: 1.5, "fill-opacity": (0.06 + 0.94 * deep).toFixed(2) }));
      if (deep >= 0.25) found.push(svg("text", { class: `sign${deep > 0.55 ? " on" : ""}`, x: x(k) + W / 2, y: y + 9, "text-anchor": "middle" }, v < 0 ? "−" : "+"));
    });
  }
  return found;
}

// The whole sequence in one line: p(exon), segments, sites, and the promoter windows that are likelier than not.
export function overview(answer, { from, to, width }) {
  const size = answer.sequence.length, left = 2, room = width - 4, x = (place) => left + (room * place) / size, high = 30;
  const likely = answer.promoters.filter((p) => p.p >= 0.5), tall = 66 + 12 * likely.length;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${tall}`, width, height: tall, role: "img", "aria-label": said(answer) });
  const step = Math.max(1, Math.floor(size / room)), points = [];
  for (let k = 0; k < size; k += step) points.push(`${x(k + 0.5).toFixed(1)} ${(4 + high - high * answer.exon[k]).toFixed(1)}`);
  picture.append(svg("path", { class: "area", d: `M${left} ${4 + high}L${points.join("L")}L${left + room} ${4 + high}Z` }));
  for (const s of answer.segments) {
    const title = svg("title", {}, `${s.start + 1}–${s.end} ${NAMES[s.kind]} ${percent(s.p)}`), wide = Math.max(1, x(s.end) - x(s.start));
    picture.append(s.kind === "intron" ? svg("path", { class: "band intron", d: `M${x(s.start)} 45H${x(s.end)}` }, title) : svg("rect", { class: `band ${s.kind}`, x: x(s.start), y: 39, width: wide, height: 12, rx: 2 }, title));
  }
  for (const s of answer.sites) if (s.p >= 0.5) picture.append(svg("line", { class: `tick ${s.kind}`, x1: x(s.after + 1), x2: x(s.after + 1), y1: 36, y2: 54 }));
  likely.forEach((p, k) => picture.append(svg("rect", { class: "promoter", x: x(p.start), y: 57 + 12 * k, width: x(p.end) - x(p.start), height: 6, rx: 3 }, svg("title", {}, `${p.task} ${p.strand} ${percent(p.p)}`))));
  if (to - from < size) picture.append(svg("rect", { class: "window", x: x(from), y: 1, width: Math.max(6, x(to) - x(from)), height: 55, rx: 4 }));
  picture.append(svg("text", { class: "place", x: left, y: tall - 1 }, "1"), svg("text", { class: "place", x: left + room, y: tall - 1, "text-anchor": "end" }, size.toLocaleString()));
  return picture;
}

const said = (answer) => answer.segments.slice(0, 40).map((s) => `${s.start + 1}–${s.end} ${NAMES[s.kind]} ${percent(s.p)}`).join(t("；", "; "));

// A record's segments in a small picture.
export function strip(segments, length) {
  const picture = svg("svg", { class: "strip", viewBox: "0 0 200 10", preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const [start, end, kind] of segments) {
    const x = (200 * start) / length, wide = Math.max(0.4, (200 * (end - start)) / length);
    picture.append(svg("rect", { class: `band ${kind}`, x, y: kind === "intron" ? 4.3 : 0, width: wide, height: kind === "intron" ? 1.4 : 10 }));
  }
  return picture;
}

// A table of rows of cells; a cell is text or an element.
export const table = (heads, rows) => h("table", {}, h("thead", {}, h("tr", {}, heads.map((c) => h("th", { scope: "col" }, c)))), h("tbody", {}, rows.map((row) => h("tr", {}, row.map((c) => h("td", {}, c))))));
