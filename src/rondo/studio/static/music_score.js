// The engraved score: put into the page, bars that can be pointed at, the play head.
import { all, svg } from "./dom.js";
import { t } from "./words.js";

// The engraver's SVG as elements: only what draws stays.
export function put(place, text) {
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml"), root = parsed.documentElement;
  if (root.nodeName !== "svg") return undefined;
  for (const bad of root.querySelectorAll("script, style, foreignObject, a")) bad.remove();
  for (const element of [root, ...root.querySelectorAll("*")])
    for (const { name, value } of [...element.attributes]) {
      if (name.startsWith("on") || (/href$/.test(name) && !value.startsWith("#"))) element.removeAttribute(name);
      if (name === "style") { element.removeAttribute(name); }
    }
  const own = document.importNode(root, true);
  own.setAttribute("role", "img");
  own.setAttribute("aria-label", t("乐谱", "the score"));
  place.replaceChildren(own);
  return own;
}

// The box of a bar's staff lines, in the score's own units.
function box(measure) {
  const own = measure.querySelector("g.staff");
  const lines = all(":scope > path", own), first = lines[0].getBBox(), last = lines.at(-1).getBBox();
  const others = all("g.staff", measure), low = all(":scope > path", others.at(-1)).at(-1).getBBox();
  return { x: first.x, y: first.y, width: first.width, height: Math.max(last.y, low.y) - first.y };
}

const lock = (x, y) => svg("g", { class: "lock", "aria-hidden": "true", transform: `translate(${x} ${y})` },
  svg("path", { d: "M28 80 V50 a42 42 0 0 1 84 0 V80", class: "shackle" }), svg("rect", { x: 0, y: 80, width: 140, height: 110, rx: 18 }));

export class Score {
  constructor(place, on = {}) { Object.assign(this, { place, on, bars: [], at: undefined }); }

  draw(text) {
    this.svg = text ? put(this.place, text) : undefined;
    this.place.classList.toggle("plain", !this.svg);
    this.bars = [];
    this.lit = [];
    if (!this.svg) return;
    const measures = all("g.measure", this.svg).sort((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)));
    for (const [k, measure] of measures.entries()) {
      const { x, y, width, height } = box(measure), pad = 330;
      const rect = svg("rect", { class: "bar-box", x, y: y - pad, width, height: height + 2 * pad, rx: 60, "data-bar": k });
      measure.prepend(rect);
      if (this.on.bar) rect.addEventListener("click", (event) => this.on.bar(k, event));
      this.bars.push({ measure, rect, x, y: y - pad, width, height: height + 2 * pad });
    }
    const parent = measures[0]?.parentNode;
    this.head = svg("line", { class: "head-line", "aria-hidden": "true", visibility: "hidden" });
    parent?.append(this.head);
  }

  // new, locked: arrays of booleans; shared: [first, last] bars or undefined
  mark({ fresh = [], locked = [], shared, at }) {
    for (const [k, bar] of this.bars.entries()) {
      bar.rect.classList.toggle("new", !!fresh[k] && !locked[k]);
      bar.rect.classList.toggle("locked", !!locked[k]);
      bar.rect.classList.toggle("at", k === at);
      for (const old of all(".lock, .shared-line", bar.measure)) old.remove();
      if (locked[k]) bar.measure.append(lock(bar.x + bar.width - 190, bar.y + 60));
      if (shared && k >= shared[0] && k <= shared[1]) bar.measure.append(svg("line", { class: "shared-line", x1: bar.x + 60, x2: bar.x + bar.width - 60, y1: bar.y + bar.height - 30, y2: bar.y + bar.height - 30 }));
    }
  }

  // The notes that sound, by their names, and the head over them.
  sounding(ids, share, bar) {
    for (const old of this.lit) old.classList.remove("sounding");
    this.lit = ids.map((id) => this.svg?.querySelector(`#${CSS.escape(id)}`)).filter(Boolean);
    for (const note of this.lit) note.classList.add("sounding");
    const own = this.bars[bar];
    if (!own || !this.head) return;
    const x = own.x + share * own.width;
    for (const [name, value] of Object.entries({ x1: x, x2: x, y1: own.y + 120, y2: own.y + own.height - 120, visibility: "visible" })) this.head.setAttribute(name, value);
    if (this.shown !== bar) {
      this.shown = bar;
      if (this.follow) own.rect.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  quiet() {
    for (const old of this.lit ?? []) old.classList.remove("sounding");
    this.lit = [];
    this.head?.setAttribute("visibility", "hidden");
  }

  // The bar above or below another one.
  beside(k, by) {
    const from = this.bars[k], rows = [...new Set(this.bars.map((b) => Math.round(b.y)))].sort((a, b) => a - b);
    const row = rows[rows.findIndex((y) => Math.abs(y - from.y) < 2) + by];
    if (row === undefined) return k;
    const middle = from.x + from.width / 2;
    return this.bars.reduce((best, b, n) => (Math.abs(b.y - row) < 2 && (best < 0 || Math.abs(b.x + b.width / 2 - middle) < Math.abs(this.bars[best].x + this.bars[best].width / 2 - middle)) ? n : best), -1);
  }
}

// Of the engraved page: on a phone fewer bars stand in a row.
export const page_width = () => (innerWidth < 720 ? 900 : 2100);
