// The network of a cell's named values as SVG: folded, with the loop edge z^-1, or unrolled over a few steps.
import { h, svg } from "./dom.js";
import { t } from "./words.js";

const HIGH = 30, LEVEL = 74, GAP = 18, PAD = 26, LOOP = 46;
export const MOST_NODES = 90;

const wide = (node) => Math.max(38, 18 + 9 * node.label[0].length + 6 * (node.label[1].length + node.label[2].length));

// Places of one step: levels from the bottom, each node near those it reads.
function placed(network) {
  const levels = [];
  for (const node of network) (levels[node.level] ??= []).push(node);
  const at = new Map();
  const total = (row) => row.reduce((sum, n) => sum + wide(n) + GAP, -GAP);
  const width = Math.max(...levels.map(total));
  levels.forEach((row, level) => {
    const wish = (n) => (n.reads.length ? n.reads.reduce((s, r) => s + (at.get(r)?.x ?? width / 2), 0) / n.reads.length : width / 2);
    const sorted = level ? [...row].sort((a, b) => wish(a) - wish(b)) : row;
    let x = (width - total(sorted)) / 2;
    for (const node of sorted) {
      at.set(node.id, { x: x + wide(node) / 2, y: (levels.length - 1 - level) * LEVEL, node });
      x += wide(node) + GAP;
    }
  });
  return { at, width, height: (levels.length - 1) * LEVEL + HIGH };
}

// At a step k: t becomes k, t-1 becomes k-1.
function timed([base, sub, sup], k) {
  const now = (text) => text.replace(/t\s*[-−]\s*1/, k - 1).replace(/(^|[<,])t(?=$|[>,])/, `$1${k}`);
  return k == null ? [base, sub, sup] : [base, now(sub), now(sup)];
}

function box(node, x, y, label, light) {
  const w = wide(node), round = node.kind === "gate" ? HIGH / 2 : node.kind === "new" || node.kind === "output" ? 9 : 4;
  const group = svg("g", { class: `node ${node.kind}`, "data-id": node.id, transform: `translate(${x} ${y})` },
    svg("title", {}, node.plain),
    svg("rect", { class: "box", x: -w / 2, y: -HIGH / 2, width: w, height: HIGH, rx: round }),
    svg("text", { y: 5 }, label[0], label[1] && svg("tspan", { class: "index", dy: 4 }, label[1]), label[2] && svg("tspan", { class: "index", dy: label[1] ? -10 : -6 }, label[2])));
  group.addEventListener("pointerenter", () => light(node.id));
  group.addEventListener("pointerleave", () => light(null));
  return group;
}

function edge(a, b, kind = "") {
  const y1 = a.y - HIGH / 2, y2 = b.y + HIGH / 2 + 5, bend = Math.max(24, Math.abs(y1 - y2) / 2);
  const far = Math.abs(y1 - y2) > LEVEL && Math.abs(a.x - b.x) < 30 ? 46 : 0; // around what stands between
  const path = svg("path", { class: `edge ${kind}`, d: `M${a.x} ${y1}C${a.x + far} ${y1 - bend} ${b.x + far} ${y2 + bend} ${b.x} ${y2}` });
  return [path, tip(b.x, y2 - 5, 0, kind)];
}

const tip = (x, y, turn, kind) => svg("path", { class: `tip ${kind && "loop-tip"}`, d: "M-4 6L0 0L4 6Z", transform: `translate(${x} ${y}) rotate(${turn})` });

function across(a, b) {
  // from a step's new state, on the right, to a reader in the next step
  const x1 = a.x + wide(a.node) / 2, x2 = b.x - wide(b.node) / 2 - 5, mid = (x1 + x2) / 2;
  return [svg("path", { class: "edge loop", d: `M${x1} ${a.y}C${mid} ${a.y} ${mid} ${b.y} ${x2} ${b.y}` }), tip(x2 + 5, b.y, 90, "loop")];
}

function folded(network, light) {
  const { at, width, height } = placed(network);
  const states = network.filter((n) => n.kind === "state"), news = new Map(network.filter((n) => n.state).map((n) => [n.state, n.id]));
  const edges = [], boxes = [];
  let turns = 0;
  for (const { x, y, node } of at.values()) {
    for (const read of node.reads) edges.push(edge(at.get(read), { x, y }));
    boxes.push(box(node, x, y, node.label, light));
  }
  const names = states.map((s) => s.id.replace("state-", ""));
  names.forEach((name) => {
    const from = at.get(news.get(name)), to = at.get(`state-${name}`);
    if (!from || !to) return;
    const side = width + PAD + turns++ * 26, low = height - HIGH + 34 + turns * 8;
    const start = from.x + wide(from.node) / 2;
    edges.push(svg("path", { class: "edge loop", d: `M${start} ${from.y}H${side - 10}Q${side} ${from.y} ${side} ${from.y + 10}V${low - 10}Q${side} ${low} ${side - 10} ${low}H${to.x + 10}Q${to.x} ${low} ${to.x} ${low - 10}V${to.y + HIGH / 2 + 5}` }), tip(to.x, to.y + HIGH / 2, 0, "loop"));
    boxes.push(svg("rect", { class: "box", x: side - 17, y: (from.y + low) / 2 - 12, width: 34, height: 24, rx: 3 }), svg("text", { x: side, y: (from.y + low) / 2 + 5 }, "z", svg("tspan", { class: "index", dy: -6 }, "−1")));
  });
  const right = width + PAD + (turns - 1) * 26 + 24, bottom = height - HIGH + 34 + turns * 8 + 10;
  return framed([...edges, ...boxes], -PAD, -HIGH / 2 - PAD / 2, right + PAD, bottom + HIGH / 2 + PAD / 2 + 4);
}

function unrolled(network, steps, light) {
  const inside = network.filter((n) => n.kind !== "state"), { at, width, height } = placed(inside);
  const lead = 74, step = width + 64, edges = [], boxes = [], states = network.filter((n) => n.kind === "state");
  const place = (id, k) => { const p = at.get(id); return p && { ...p, x: p.x + lead + (k - 1) * step }; };
  const news = new Map(network.filter((n) => n.state).map((n) => [n.id && `state-${n.state}`, n.id]));
  states.forEach((s, n) => boxes.push(box(s, 20, (n + 0.5) * (height / states.length), timed(s.label, 1), light)));
  const enters = (id, k) => {
    if (k > 1) return place(news.get(id), k - 1);
    const n = states.findIndex((s) => s.id === id);
    return { x: 20, y: (n + 0.5) * (height / states.length), node: states[n] };
  };
  for (let k = 1; k <= steps; k++) {
    boxes.push(svg("text", { class: "small", x: lead + (k - 1) * step + width / 2, y: height + 16 }, `t = ${k}`));
    for (const { node } of at.values()) {
      const here = place(node.id, k);
      for (const read of node.reads) {
        const source = read.startsWith("state-") ? enters(read, k) : place(read, k);
        if (source) edges.push(read.startsWith("state-") ? across(source, here) : edge(source, here));
      }
      boxes.push(box(node, here.x, here.y, timed(node.label, k), light));
    }
  }
  const end = lead + steps * step;
  for (const id of news.values()) {
    const p = place(id, steps);
    if (p) edges.push(svg("path", { class: "edge loop", d: `M${p.x + wide(p.node) / 2} ${p.y}H${end - 10}` }), tip(end - 6, p.y, 90, "loop"));
  }
  return framed([...edges, ...boxes], -PAD, -HIGH / 2 - 8, end + PAD, height + HIGH);
}

const framed = (parts, x, y, right, bottom) => svg("svg", { viewBox: `${x} ${y} ${right - x} ${bottom - y}`, width: right - x, height: bottom - y, role: "img" }, parts);

// Draws the network into an element. light(id) is called with the id under the pointer, or null.
export function drawGraph(element, reading, unroll, light) {
  const network = reading.network;
  if (network.length > MOST_NODES) {
    element.replaceChildren(h("p", { class: "quiet" }, t(`${network.length} 个有名字的值，太多，不画了。`, `${network.length} named values: too many to draw.`)));
    return;
  }
  const picture = unroll ? unrolled(network, network.length > 30 ? 3 : 4, light) : folded(network, light);
  const named = network.filter((n) => n.level).map((n) => n.plain).join("; ");
  picture.setAttribute("aria-label", (unroll ? t("展开的网络：", "the network unrolled: ") : t("折叠的网络，新状态经 z⁻¹ 回到下一步：", "the network folded, the new state returning through z⁻¹: ")) + named);
  element.replaceChildren(picture);
}
