// The waveform with words under it: columns of the lowest and highest sample, laid out by time.
import { h, svg } from "./dom.js";

const HIGH = 100, LEAST = 4; // units of the drawing's height; seconds that are shown at least

export const time = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;
export const unsure = (word) => word.p < 0.6;

export class Wave {
  constructor(roll, play) {
    this.roll = roll;
    this.play = play;
    this.clear();
  }

  clear(least = LEAST) {
    [this.columns, this.seconds, this.loudest, this.least, this.words, this.going] = [[], 0, 0.02, least, [], []];
    this.draw();
  }

  // Columns that cover the sound up to so many seconds.
  add(peaks, until) {
    const step = (until - this.seconds) / Math.max(1, peaks.length);
    peaks.forEach(([low, high], k) => this.columns.push([this.seconds + k * step, low, high]));
    this.seconds = until;
    for (const [low, high] of peaks) this.loudest = Math.max(this.loudest, -low, high);
  }

  get long() { return Math.max(this.least, this.seconds); }

  draw() {
    const long = this.long, x = (s) => (1000 * s) / long;
    const y = (v) => HIGH / 2 - (v / this.loudest) * (HIGH / 2 - 3);
    const top = this.columns.map(([s, , high]) => `${x(s).toFixed(2)},${y(high).toFixed(1)}`);
    const bottom = this.columns.map(([s, low]) => `${x(s).toFixed(2)},${(y(low) + 0.6).toFixed(1)}`).reverse();
    this.head = svg("line", { class: "head", x1: -9, x2: -9, y1: 0, y2: HIGH });
    const said = [...this.words, ...this.going].map((w) => svg("rect", { class: "said", x: x(w.start), width: Math.max(0.1, x(w.end) - x(w.start)), y: 0, height: HIGH }));
    const drawn = svg("svg", { viewBox: `0 0 1000 ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      said,
      svg("line", { class: "middle", x1: 0, x2: 1000, y1: HIGH / 2, y2: HIGH / 2, "vector-effect": "non-scaling-stroke" }),
      top.length ? svg("polygon", { class: "wave", points: [...top, ...bottom].join(" ") }) : null,
      this.head);
    this.roll.style.setProperty("--seconds", long);
    const every = long > 60 ? 5 : 1;
    const ticks = [...Array(Math.floor(long / every) + 1).keys()].map((k) => h("span", { class: "tick", style: { left: `${(100 * k * every) / long}%` } }, k ? `${k * every} s` : "0"));
    this.roll.replaceChildren(drawn, ...this.labels(long), ...ticks.filter((_, k) => k * every < long));
  }

  // Words one under the other where there is no room beside each other.
  labels(long) {
    const per = Math.max(this.roll.clientWidth / long, 50);
    let ends = [-1e9, -1e9];
    return [...this.words, ...this.going].map((word, k) => {
      const wide = Math.max((word.end - word.start) * per, 9.5 * word.word.length + 6, 30), middle = ((word.start + word.end) / 2) * per;
      const row = middle - wide / 2 >= ends[0] || ends[0] <= ends[1] ? 0 : 1;
      ends[row] = middle + wide / 2;
      const classes = ["word", row && "low", unsure(word) && "unsure", k >= this.words.length && "going"].filter(Boolean).join(" ");
      const sure = `${Math.round(100 * word.p)}%`;
      return h("button", {
        type: "button", class: classes, "aria-label": `${word.word}, ${word.start.toFixed(2)}–${word.end.toFixed(2)} s, ${sure}`, "data-k": k,
        style: { left: `${(100 * word.start) / long}%`, width: `${(100 * (word.end - word.start)) / long}%`, "--p": word.p },
        onclick: () => this.play(word),
      }, h("b", { style: { opacity: 0.45 + 0.55 * word.p } }, word.word), h("small", {}, sure));
    });
  }

  // The play head at a time; null takes it away. The current word is marked.
  at(seconds) {
    const place = seconds == null ? -9 : (1000 * seconds) / this.long;
    this.head.setAttribute("x1", place);
    this.head.setAttribute("x2", place);
    const k = seconds == null ? -1 : this.words.findIndex((w) => w.start <= seconds && seconds < w.end);
    for (const label of this.roll.querySelectorAll(".word")) label.classList.toggle("now", Number(label.dataset.k) === k);
    return k;
  }
}
