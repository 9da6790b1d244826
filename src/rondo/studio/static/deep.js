// What each output of a network can see: the unrolled network with its paths lit, and maps of gradients.
import { ask, latest, link, tell } from "./api.js";
import { h, one, options, paused, svg } from "./dom.js";
import { keys, short, within } from "./steps_parts.js";
import { t } from "./words.js";

const EXAMPLES = [
  ["president", t("课上：罗斯福", "the lecture's: Roosevelt"), 'He said, "Teddy Roosevelt was a great President!"'],
  ["bears", t("课上：玩具熊", "the lecture's: bears"), 'He said, "Teddy bears are on sale!"'],
  ["cats", t("单复数", "number"), "The cats, which already ate, were full."],
];
const DEFAULTS = { sentence: EXAMPLES[0][2], network: "drawn", cell: "lstm", layers: 2, both: true, seed: 1, at: null };
const order = { ...DEFAULTS, ...link.read() };
const run = latest(), KINDS = [1, 2, 3].flatMap((layers) => [{ layers, both: false }, { layers, both: true }]);
let maps = {}, now, at = 0;

const key = (k) => `${k.layers}${k.both ? "b" : "f"}`;
const kinds = () => (order.network === "trained" ? KINDS.filter((k) => k.layers === 1) : KINDS);
const write = () => link.write(Object.fromEntries(Object.entries(order).filter(([k, v]) => v !== DEFAULTS[k])));

async function answer() {
  write();
  one("#net").classList.add("busy");
  try {
    const { sentence, network, cell, seed } = order;
    const found = await run(async (signal) => {
      const all = {};
      for (const k of kinds()) all[key(k)] = await ask("lab/sight", { sentence, network, cell, layers: k.layers, bidirectional: k.both, seed }, signal);
      return all;
    });
    if (!found) return;
    maps = found;
    tell(one("#fault"));
    draw();
  } catch (error) {
    tell(one("#fault"), error);
  }
  one("#net").classList.remove("busy");
}

function draw() {
  if (order.network === "trained") order.layers = 1;
  now = maps[key(order)];
  const teddy = now.words.findIndex((w) => w === "Teddy");
  at = Math.min(order.at ?? (teddy < 0 ? Math.floor(now.words.length / 2) : teddy), now.words.length - 1);
  six();
  show();
}

function show() {
  net();
  map();
  numbers();
}

// --- the network, its paths lit

const STEP = 74, LEFT = 66, BAND = 66;
function net() {
  const kept = document.activeElement?.closest?.("#net"), n = now.words.length, L = now.layers, both = order.both;
  const top = 52, base = top + BAND * L + 34, width = LEFT + STEP * n + 10, height = base + 40;
  const x = (s, reverse) => LEFT + STEP * s + STEP / 2 + (both ? (reverse ? 11 : -11) : 0), y = (l, reverse) => base - 50 - BAND * l - (both && reverse ? 26 : 0);
  const norm = (l, reverse, s) => now.states[`l${l}${reverse ? "_reverse" : ""}`][at][s], most = Math.max(...Object.values(now.states).flatMap((m) => m[at]), 1e-300);
  const lit = (l, reverse, s) => norm(l, reverse, s) > 0, share = (v, peak) => Math.round(100 * Math.sqrt(v / peak)), sides = both ? [false, true] : [false];
  const picture = svg("svg", { class: "paths", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": spoken(), style: { "--natural": `${width}px` } });
  const edges = svg("g"), nodes = svg("g"), edge = (x1, y1, x2, y2, on) => edges.append(svg("path", { class: on ? "lit" : "dim", d: `M${x1} ${y1}L${x2} ${y2}` }));
  const yout = 26;
  for (let l = 0; l < L; l++) for (const reverse of sides) {
    nodes.append(svg("text", { class: "label", x: LEFT - 6, y: y(l, reverse) + 4, "text-anchor": "end" }, `${t("层", "layer ")}${l + 1} ${reverse ? "←" : "→"}`));
    for (let s = 0; s < n; s++) {
      const from = reverse ? s + 1 : s - 1;
      if (from >= 0 && from < n) edge(x(from, reverse), y(l, reverse), x(s, reverse), y(l, reverse), lit(l, reverse, s));
      for (const below of l ? sides : [false]) edge(l ? x(s, below) : LEFT + STEP * s + STEP / 2, l ? y(l - 1, below) : base - 8, x(s, reverse), y(l, reverse), lit(l, reverse, s));
      if (l === L - 1) edge(x(s, reverse), y(l, reverse), LEFT + STEP * s + STEP / 2, yout + 11, s === at);
      const v = norm(l, reverse, s);
      nodes.append(svg("circle", { class: v > 0 ? "unit" : "unit zero", cx: x(s, reverse), cy: y(l, reverse), r: 9, style: v > 0 ? { fill: `color-mix(in srgb, var(--cinnabar) ${share(v, most)}%, var(--leaf))` } : {} }, svg("title", {}, `‖∂y⟨${at + 1}⟩/∂h⟨${s + 1}⟩‖ = ${short(v)}`)));
    }
  }
  const row = now.inputs[at], peak = Math.max(...row, 1e-300);
  for (let s = 0; s < n; s++) {
    const cx = LEFT + STEP * s + STEP / 2, v = row[s];
    const output = svg("g", { class: s === at ? "out here" : "out", onclick: () => choose(s) }, svg("rect", { class: "hit", x: cx - STEP / 2, y: 2, width: STEP, height: 44 }), svg("circle", { cx, cy: yout, r: 11 }), svg("text", { x: cx, y: yout + 4, "text-anchor": "middle" }, "y"), svg("title", {}, t(`输出 ${s + 1}`, `output ${s + 1}`)));
    nodes.append(output);
    const w = STEP - 6;
    nodes.append(svg("g", { onclick: () => choose(s), class: "read-word" }, svg("rect", { class: v > 0 ? "word" : "word zero", x: cx - w / 2, y: base - 8, width: w, height: 26, rx: 6, style: v > 0 ? { fill: `color-mix(in srgb, var(--cinnabar) ${Math.round(0.6 * share(v, peak))}%, var(--leaf))` } : {} }), svg("text", { class: "glyph", x: cx, y: base + 10, "text-anchor": "middle", ...(now.words[s].length > 9 ? { textLength: w - 6, lengthAdjust: "spacingAndGlyphs" } : {}) }, now.words[s]), svg("text", { class: "label", x: cx, y: base + 34, "text-anchor": "middle" }, v > 0 ? short(v) : "0"), svg("title", {}, `‖∂y⟨${at + 1}⟩/∂x⟨${s + 1}⟩‖ = ${short(v)}`)));
  }
  nodes.append(svg("text", { class: "label", x: LEFT - 6, y: yout + 4, "text-anchor": "end" }, t("输出", "outputs")), svg("text", { class: "label", x: LEFT - 6, y: base + 34, "text-anchor": "end" }, "‖∂y/∂x‖"));
  picture.append(edges, nodes);
  one("#net").replaceChildren(picture);
  if (kept) one("#net").focus();
  const stage = one("#net");
  if (stage.scrollWidth > stage.clientWidth) stage.scrollTo({ left: ((LEFT + STEP * at) / width) * stage.scrollWidth - stage.clientWidth / 2 });
}

const spoken = () => t(`${order.layers} 层${order.both ? "双向" : "单向"}网络，输出 ${at + 1}（${now.words[at]}）看得见 ${now.seen[at]} 个词`, `a network of ${order.layers} ${order.layers > 1 ? "layers" : "layer"}, ${order.both ? "both directions" : "forward"}; output ${at + 1} (${now.words[at]}) sees ${now.seen[at]} words`);

// --- the maps

function grid(values, size, { labels, here } = {}) {
  const n = values.length, left = labels ? 88 : 1, head = labels ? 84 : 1, peak = Math.max(...values.flat(), 1e-300);
  const picture = svg("svg", { class: labels ? "grid big" : "grid", viewBox: `0 0 ${left + n * size + 2} ${head + n * size + 2}`, ...(labels ? { role: "img", "aria-label": t("热图：行是输出，列是输入", "map: rows are outputs, columns inputs"), style: { "--natural": `${left + n * size + 2}px` } } : { "aria-hidden": "true" }) });
  values.forEach((row, i) => {
    if (labels) picture.append(svg("text", { class: i === here ? "name here" : "name", x: left - 6, y: head + size * (i + 0.5) + 4, "text-anchor": "end" }, labels[i]), svg("text", { class: "name", x: left + size * (i + 0.5), y: head - 6, transform: `rotate(-55 ${left + size * (i + 0.5)} ${head - 6})` }, labels[i]));
    row.forEach((v, j) => {
      const cx = left + size * j, cy = head + size * i, fill = `color-mix(in srgb, var(--indigo) ${Math.round(100 * Math.sqrt(v / peak))}%, var(--wash))`;
      picture.append(svg("rect", { class: v > 0 ? "cell" : "cell zero", x: cx + 0.5, y: cy + 0.5, width: size - 1, height: size - 1, ...(v > 0 ? { style: { fill } } : {}), ...(labels ? { "data-place": `${i},${j}` } : {}) }, labels ? svg("title", {}, `‖∂y⟨${i + 1}⟩/∂x⟨${j + 1}⟩‖ = ${short(v)} (${labels[i]} ← ${labels[j]})`) : null));
      if (!(v > 0)) picture.append(svg("circle", { class: "none", cx: cx + size / 2, cy: cy + size / 2, r: Math.max(0.8, size / 16) }));
    });
    if (i === here) picture.append(svg("rect", { class: "row-here", x: left, y: head + size * i, width: n * size, height: size }));
  });
  return picture;
}

function map() {
  const picture = grid(now.inputs, 27, { labels: now.words, here: at });
  picture.addEventListener("click", (event) => { const place = event.target.dataset.place; if (place) choose(Number(place.split(",")[0])); });
  one("#map").replaceChildren(picture);
}

function six() {
  const focused = document.activeElement?.name === "six";
  one("#six").replaceChildren(...kinds().map((k) => h("label", { class: "mini" }, h("input", { type: "radio", name: "six", value: key(k), checked: key(k) === key(order), onchange: () => { Object.assign(order, k); write(); draw(); } }), h("span", {}, grid(maps[key(k)].inputs, 8), h("b", {}, t(`${k.layers} 层 ${k.both ? "⇄" : "→"}`, `${k.layers} ${k.both ? "⇄" : "→"}`))))));
  if (focused) one("#six input:checked").focus();
}

function numbers() {
  const n = now.words.length, w = now.words[at], seen = now.seen[at], after = 100 * now.after[at];
  one("#number").textContent = `${seen} / ${n}`;
  one("#meaning").textContent = t(`个词能影响“${w}”处的输出；梯度的 ${after.toFixed(0)} % 来自它后面的词。`, `words can change the output at “${w}”; ${after.toFixed(0)} % of its gradient comes from words after it.`);
  const zeros = now.inputs.flat().filter((v) => v === 0).length, upper = (n * (n - 1)) / 2;
  one("#zeros").textContent = `${zeros} / ${n * n}`;
  one("#zeros-words").textContent = zeros === upper ? t(`格正好是零：对角线右上方的全部 ${upper} 格，看不见将来。`, `cells are exactly zero: all ${upper} above the diagonal, the future is not seen.`) : zeros ? t("格正好是零。", "cells are exactly zero.") : t("格是零：每个输出看得见每个词。", "cells are zero: every output sees every word.");
  const mean = (k) => { const m = maps[key(k)]; return m && m.after.reduce((a, b) => a + b, 0) / m.after.length; };
  const one_way = mean({ layers: order.layers, both: false }), two = mean({ layers: order.layers, both: true });
  one("#ahead").textContent = `${(100 * one_way).toFixed(0)} % → ${(100 * two).toFixed(0)} %`;
  one("#ahead-words").textContent = t(`是 ${order.layers} 层时，单向与双向网络的梯度来自后面的词的部分（各输出平均）。`, `of the gradient comes from later words with ${order.layers} ${order.layers > 1 ? "layers" : "layer"}, forward and both ways (mean over outputs).`);
  one("#read").textContent = `y⟨${at + 1}⟩ · ${w} · ${now.inputs[at].map((v, s) => [v, s]).sort((a, b) => b[0] - a[0]).slice(0, 4).map(([v, s]) => `${now.words[s]} ${short(v)}`).join(" · ")}`;
}

function choose(s) {
  at = Math.max(0, Math.min(now.words.length - 1, s));
  order.at = at;
  write();
  show();
}

keys((event) => {
  if (!now || event.target.name === "six") return false;
  const kind = (k) => { if (!maps[key({ ...order, ...k })]) return; Object.assign(order, k); write(); draw(); };
  const act = { ArrowLeft: () => choose(at - 1), ArrowRight: () => choose(at + 1), ...(within(event, "#net") ? { Home: () => choose(0), End: () => choose(1e9) } : {}), 1: () => kind({ layers: 1 }), 2: () => kind({ layers: 2 }), 3: () => kind({ layers: 3 }), d: () => kind({ both: !order.both }) }[event.key];
  if (!act) return false;
  act();
  return true;
});

function fill() {
  for (const name of ["sentence", "network", "cell"]) one(`#${name}`).value = order[name];
  for (const name of ["cell", "draw"]) one(`#${name}`).disabled = order.network === "trained";
  one("#example").replaceChildren(...options([["", t("自己写的", "my own")], ...EXAMPLES.map(([k, name]) => [k, name])], EXAMPLES.find((e) => e[2] === order.sentence)?.[0] ?? ""));
}
function take(values) {
  Object.assign(order, values);
  fill();
  answer();
}
one("#order").addEventListener("submit", (event) => event.preventDefault());
one("#sentence").addEventListener("input", paused(500, () => take({ sentence: one("#sentence").value, at: null })));
one("#example").addEventListener("change", () => { const e = EXAMPLES.find(([k]) => k === one("#example").value); if (e) take({ sentence: e[2], at: null }); });
one("#network").addEventListener("change", () => take({ network: one("#network").value }));
one("#cell").addEventListener("change", () => take({ cell: one("#cell").value }));
one("#draw").addEventListener("click", () => take({ seed: (order.seed % 9999) + 1 }));
fill();
answer();
