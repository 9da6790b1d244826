// The network folded, and unrolled in time: boxes with the lines of their equations, the state between them.
import { svg } from "./dom.js";
import { dot, marker, short, vector, visible } from "./steps_parts.js";
import { t } from "./words.js";

const WIDE = 122, LEFT = 54, BOX = 66, TOP = 86, UNIT = 7;
const GLYPH = { h: "a", g: "c̃", c: "c̃" };

// what stands in the box: the names of the lines but those of the output layer
function chips(found) {
  const inner = found.lines.map((line, k) => ({ line, k })).filter(({ line }) => !["logit", "output"].includes(line.role));
  return inner.map(({ line, k }) => ({ k, name: line.role === "candidate" ? GLYPH[line.name] ?? line.name : line.role === "gate" ? `Γ${line.name}` : line.name === "h" ? "a" : line.name }));
}

function box(x, y, names, tall) {
  const columns = names.length > 3 ? 2 : 1, w = (BOX - 8) / columns, rows = Math.ceil(names.length / columns), high = Math.min(22, (tall - 8) / rows);
  const shapes = [svg("rect", { class: "box", x: x - BOX / 2, y, width: BOX, height: tall, rx: 7 })], cells = [];
  const top = y + (tall - rows * high) / 2;
  names.forEach(({ k, name }, n) => {
    const cx = x - BOX / 2 + 4 + w * (n % columns), cy = top + high * Math.floor(n / columns);
    const g = svg("g", { class: "chip" }, svg("rect", { x: cx + 1, y: cy + 1, width: w - 2, height: high - 2, rx: 4 }), svg("text", { x: cx + w / 2, y: cy + high / 2 + 4, "text-anchor": "middle" }, name));
    cells.push({ k, g });
    shapes.push(g);
  });
  return { shapes, cells };
}

const states = (found) => Object.keys(found.states);
const line = (d, c, more = {}) => svg("path", { d, class: c, ...more });

function capsule(found, x, y, values) {
  const deep = values.length, units = values[0].length, half = units * (UNIT + 1.5) + 3, side = deep * (UNIT + 2) + 3;
  return [
    svg("rect", { class: "capsule", x: x - side, y: y - half, width: 2 * side, height: 2 * half, rx: 10 }),
    values.map((v, d) => v.map((value, i) => dot(x + (d - (deep - 1) / 2) * 2 * (UNIT + 2), y - half + 3 + (2 * i + 1) * (UNIT + 1.5), UNIT, value))),
  ];
}

// {picture, show(moment), place(step) in 0..1}
export function unrolled(found, order) {
  const n = found.values.length, tall = Math.max(76, 2 * order.hidden * (UNIT + 1.5) + 12), mid = TOP + tall / 2, bottom = TOP + tall + 62;
  const width = LEFT + WIDE * n + 42, height = bottom + 24, names = chips(found), guess = found.alphabet.length ? found.lines.at(-1).slot : null;
  const spoken = t(`展开的网络，${n} 步，读 ${found.symbols.map(visible).join("") || "一串数"}`, `the network unrolled over ${n} steps, reading ${found.symbols.map(visible).join("") || "numbers"}`);
  const picture = svg("svg", { class: "unrolled", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": spoken, style: { "--natural": `${width}px` } }, svg("defs", {}, marker("steps-tip"), marker("steps-carry", "carry-tip")));
  const groups = [], bx = (k) => LEFT + WIDE * k + 36, sx = (k) => LEFT + WIDE * k + 98;
  const zero = states(found).map(() => Array(order.hidden).fill(0));
  picture.append(svg("g", { class: "node" }, capsule(found, LEFT - 28, mid, zero), svg("text", { x: LEFT - 28, y: mid + order.hidden * (UNIT + 1.5) + 19, "text-anchor": "middle", class: "label" }, "a⟨0⟩"), svg("title", {}, "a⟨0⟩ = 0")));
  for (let k = 0; k < n; k++) {
    const x = bx(k), { shapes, cells } = box(x, TOP, names, tall), from = k ? sx(k - 1) : LEFT - 28, side = states(found).length * (UNIT + 2) + 4;
    const carry = line(`M${from + side} ${mid}H${x - BOX / 2 - 2}`, "carry", { "marker-end": "url(#steps-carry)" });
    const read = found.symbols[k] != null ? visible(found.symbols[k]) : short(found.values[k][found.reads][0]);
    const input = svg("g", {}, line(`M${x} ${bottom - 20}V${TOP + tall + 3}`, "edge", { "marker-end": "url(#steps-tip)" }), svg("rect", { class: "symbol", x: x - 21, y: bottom - 20, width: 42, height: 30, rx: 6 }), svg("text", { class: "glyph", x, y: bottom + 1, "text-anchor": "middle" }, read), svg("text", { class: "label", x: x + 25, y: bottom + 1 }, `x⟨${k + 1}⟩`));
    const vs = states(found).map((s) => found.values[k][found.states[s]]);
    const out = svg("g", {}, line(`M${x + BOX / 2} ${mid}H${sx(k) - side}`, "edge"), capsule(found, sx(k), mid, vs), svg("text", { class: "label", x: sx(k), y: mid + order.hidden * (UNIT + 1.5) + 19, "text-anchor": "middle" }, states(found).map((s) => `${s === "h" ? "a" : s}⟨${k + 1}⟩`).join(" ")), svg("title", {}, states(found).map((s, d) => `${s === "h" ? "a" : s}⟨${k + 1}⟩ = ${vector(vs[d])}`).join(" · ")));
    const parts = { box: svg("g", {}, shapes), carry, input, out };
    if (guess != null) parts.answer = answered(found, k, sx(k), mid - order.hidden * (UNIT + 1.5) - 4, guess);
    picture.append(carry, parts.box, input, out, ...(parts.answer ? [parts.answer] : []));
    groups.push({ ...parts, cells });
  }
  const inner = Math.max(...names.map((c) => c.k));
  function show({ step, line: at }) {
    groups.forEach((g, k) => {
      const done = k < step, here = k === step;
      for (const part of [g.box, g.carry, g.input]) part.classList.toggle("unborn", k > step);
      g.out.classList.toggle("unborn", !(done || (here && at >= inner)));
      g.answer?.classList.toggle("unborn", !(done || (here && at === found.lines.length - 1)));
      g.carry.classList.toggle("now", here);
      g.box.classList.toggle("now", here);
      for (const { k: own, g: chip } of g.cells) { chip.classList.toggle("here", here && own === at); chip.classList.toggle("later", here && own > at); }
    });
  }
  return { picture, show, place: (k) => sx(k) / width };
}

function answered(found, k, x, y, guess) {
  const p = found.values[k][guess], best = p.indexOf(Math.max(...p)), right = found.alphabet[best] === found.targets[k];
  return svg("g", { class: right ? "answer right" : "answer" }, line(`M${x} ${y}V48`, "edge", { "marker-end": "url(#steps-tip)" }), svg("rect", { class: "symbol", x: x - 21, y: 16, width: 42, height: 30, rx: 6 }),
    svg("text", { class: "glyph", x, y: 37, "text-anchor": "middle" }, visible(found.alphabet[best])), svg("text", { class: "label", x: x + 25, y: 30 }, right ? "✓" : "✗"), svg("text", { class: "label", x: x + 25, y: 44 }, p[best].toFixed(2)),
    svg("title", {}, found.alphabet.map((c, j) => `${visible(c)} ${p[j].toFixed(3)}`).join(" · ")));
}

// The folded network: the state leaves on the right and comes back on the left.
export function folded(found, order) {
  const tall = Math.max(76, 2 * order.hidden * (UNIT + 1.5) + 12), mid = TOP + tall / 2, bottom = TOP + tall + 62, x = 78, names = chips(found);
  const picture = svg("svg", { class: "unrolled fold", viewBox: `0 0 172 ${bottom + 24}`, role: "img", "aria-label": t("折叠的网络：状态绕一圈回到自己", "the network folded: its state comes round to itself") }, svg("defs", {}, marker("fold-tip"), marker("fold-carry", "carry-tip")));
  const { shapes, cells } = box(x, TOP, names, tall), carried = states(found).map((s) => (s === "h" ? "a" : s)).join(", ");
  const x_now = svg("text", { class: "glyph", x, y: bottom + 1, "text-anchor": "middle" }), time = svg("text", { class: "label", x: x + 25, y: bottom + 1 });
  picture.append(
    line(`M${x + BOX / 2} ${mid}H${x + 62}V${TOP - 26}H${x - 62}V${mid}H${x - BOX / 2 - 2}`, "carry now", { "marker-end": "url(#fold-carry)" }),
    svg("text", { class: "label carry-name", x, y: TOP - 33, "text-anchor": "middle" }, t(`${carried}：传回来的状态`, `${carried}: carried round`)),
    svg("g", { class: "now" }, shapes), line(`M${x} ${bottom - 20}V${TOP + tall + 3}`, "edge", { "marker-end": "url(#fold-tip)" }),
    svg("rect", { class: "symbol", x: x - 21, y: bottom - 20, width: 42, height: 30, rx: 6 }), x_now, time,
  );
  function show({ step, line: at }) {
    x_now.textContent = step < 0 ? "" : found.symbols[step] != null ? visible(found.symbols[step]) : short(found.values[step][found.reads][0]);
    time.textContent = step < 0 ? "x⟨t⟩" : `t = ${step + 1}`;
    for (const { k, g } of cells) { g.classList.toggle("here", k === at); g.classList.toggle("later", k > at); }
  }
  return { picture, show };
}
