// Truncated BPTT: a slider for the reach, the window over the unrolled network, the bias and the cost at every reach.
import { ask, latest, link, tell } from "./api.js";
import { h, one, options, paused, svg } from "./dom.js";
import { plot } from "./plot.js";
import { keys, marker, short, visible, within } from "./steps_parts.js";
import { t } from "./words.js";

const EXAMPLES = [
  ["cat", t("课上的句子", "the lecture's sentence"), "The cat, which already ate, was full."],
  ["both", t("单数与复数", "singular and plural"), "The cat, which already ate, was full. The cats, which ate, were full."],
  ["hello", "hello", "hello hello hello hello hello"],
  ["verse", t("王之涣", "Wang Zhihuan"), "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"],
];
const DEFAULTS = { text: EXAMPLES[0][2], cell: "lstm", updates: 20, chunks: false, seed: 1, reach: 4, loss: null, parameter: null };
const order = { ...DEFAULTS, ...link.read() };
const run = latest(), charts = {};
let found;

const write = () => link.write(Object.fromEntries(Object.entries(order).filter(([k, v]) => v !== DEFAULTS[k])));
const percent = (v) => (v == null ? "–" : v === 0 ? "0 %" : v < 1e-9 ? "≈ 0 %" : v < 0.001 ? `${(100 * v).toExponential(0).replace("-", "−")} %` : `${+(100 * v).toPrecision(3)} %`);
const fixed = (v) => (v == null ? "–" : v.toFixed(v > 0.9995 && v < 1 - 1e-12 ? 4 : 3).replace("-", "−"));
const called = (name) => name === "all" ? t("全部参数", "all parameters") : name.replace("rnn.l0.", "").replace("head.weight", "W_y").replace("head.bias", "b_y");

async function answer() {
  write();
  one("#strip").classList.add("busy");
  try {
    const { text, cell, updates, chunks, seed } = order;
    const fresh = await run((signal) => ask("lab/truncated", { text, cell, updates, chunks, seed }, signal));
    if (!fresh) return;
    found = fresh;
    tell(one("#fault"));
    one("#reach").max = found.steps;
    show();
  } catch (error) {
    tell(one("#fault"), error);
  }
  one("#strip").classList.remove("busy");
}

function show() {
  const k = reach();
  one("#reach").value = k;
  one("#k").textContent = k;
  one("#reach").setAttribute("aria-valuetext", t(`${k} 步，共 ${found.steps} 步`, `${k} of ${found.steps} steps`));
  strip();
  curves();
  table();
  numbers();
}
const reach = () => Math.max(1, Math.min(order.reach, found.steps));
const losing = () => Math.min(order.loss ?? found.steps - 1, found.steps - 1);

// --- the unrolled network and its window

function strip() {
  const n = found.steps, wide = Math.max(15, Math.min(30, 1000 / n)), left = 24, width = left + wide * n + 20, y = 62, r = Math.min(8, wide / 2.9), at = losing(), k = reach();
  const windows = found.windows[k - 1], mine = windows.find(([, counted, end]) => at >= counted && at < end), x = (s) => left + wide * (s + 0.5);
  const picture = svg("svg", { class: "windowed", viewBox: `0 0 ${width} 132`, role: "img", "aria-label": t(`窗口：第 ${mine[0] + 1} 到 ${mine[2]} 步，共 ${n} 步`, `window: steps ${mine[0] + 1} to ${mine[2]} of ${n}`), style: { "--natural": `${width}px` } }, svg("defs", {}, marker("cut-tip"), marker("back-tip", "back-tip")));
  if (order.chunks) windows.forEach(([first, , end], j) => picture.append(svg("rect", { class: j % 2 ? "chunk odd" : "chunk", x: left + wide * first + 1, y: y - 26, width: wide * (end - first) - 2, height: 52, rx: 5 })));
  picture.append(svg("rect", { class: "window", x: left + wide * mine[0] + 1, y: y - 28, width: wide * (mine[2] - mine[0]) - 2, height: 56, rx: 6 }));
  for (let s = 0; s < n; s++) {
    if (s) picture.append(svg("path", { class: "edge", d: `M${x(s - 1) + r} ${y}H${x(s) - r}` }));
    if (s > mine[0] && s <= at) picture.append(svg("path", { class: "back", d: `M${x(s)} ${y - r - 2}Q${x(s - 0.5)} ${y - 26} ${x(s - 1) + 2} ${y - r - 3}`, "marker-end": "url(#back-tip)" }));
    const g = svg("g", { class: s === at ? "stop here" : s >= mine[0] && s < at ? "stop in" : "stop", onclick: () => { order.loss = s; write(); show(); } }, svg("rect", { class: "hit", x: x(s) - wide / 2, y: 24, width: wide, height: 90 }), svg("circle", { cx: x(s), cy: y, r }), svg("text", { class: "glyph", x: x(s), y: 108, "text-anchor": "middle" }, visible(found.text[s])), svg("title", {}, `x⟨${s + 1}⟩ = ${visible(found.text[s])}`));
    picture.append(g);
  }
  if (mine[0] > 0) picture.append(svg("text", { class: "scissors", x: left + wide * mine[0], y: y - 16, "text-anchor": "middle" }, "✂"));
  picture.append(svg("text", { class: "label", x: Math.max(left, Math.min(x(at), width - 40)), y: 16, "text-anchor": "middle" }, `L⟨${at + 1}⟩`), svg("path", { class: "loss", d: `M${x(at)} ${y - r}V21` }));
  if (!order.chunks) picture.append(handle(left, wide, y, mine[0], at));
  one("#strip").replaceChildren(picture);
  const stage = one("#strip");
  if (stage.scrollWidth > stage.clientWidth) stage.scrollTo({ left: (x(at) / width) * stage.scrollWidth - stage.clientWidth * 0.7 });
}

// The window's left side, dragged by the pointer; keys move the reach anyway.
function handle(left, wide, y, first, at) {
  const g = svg("g", { class: "grip-side" }, svg("rect", { class: "hit", x: left + wide * first - 10, y: y - 30, width: 20, height: 60 }), svg("rect", { class: "grip", x: left + wide * first - 2, y: y - 12, width: 6, height: 24, rx: 3 }), svg("title", {}, t("拖动，改往回走的步数", "drag to change the number of steps back")));
  g.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    const done = new AbortController();
    addEventListener("pointermove", (moved) => {
      const x = new DOMPoint(moved.clientX, moved.clientY).matrixTransform(one("#strip svg").getScreenCTM().inverse()).x, k = at + 1 - Math.round((x - left) / wide);
      if (k !== reach()) go(Math.min(Math.max(1, k), at + 1));
    }, { signal: done.signal });
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => done.abort(), { signal: done.signal });
  });
  return g;
}

// --- the curves

function draw(name, options_) {
  if (charts[name]) charts[name](options_);
  else charts[name] = plot(one(`#${name}`), options_);
}
function curves() {
  const n = found.steps, x = { label: t("往回走的步数 k", "steps back k"), min: 1, max: n }, at = [{ x: reach(), label: `k = ${reach()}` }];
  const points = (v, low = -Infinity) => v.map((y, i) => [i + 1, y == null || y < low ? NaN : y]);
  const both = (values, low) => [{ name: called("all"), points: points(values.all, low), color: 0, dash: 0 }, ...(order.parameter && values[order.parameter] ? [{ name: called(order.parameter), points: points(values[order.parameter], low), color: 1, dash: 1 }] : [])];
  const floor = Math.min(0, ...Object.values(order.parameter ? { a: found.cosine.all, b: found.cosine[order.parameter] ?? [] } : { a: found.cosine.all }).flat().map((v) => v ?? 0));
  draw("cosine", { title: t("余弦按步数", "cosine by reach"), height: 270, x, y: { label: t("余弦", "cosine"), min: floor, max: 1 }, series: both(found.cosine), lines: at });
  draw("relative", { title: t("相对误差按步数", "relative error by reach"), height: 270, x, y: { label: t("相对误差", "relative error"), log: true, min: 1e-3, max: Math.max(2, ...found.relative.all.map((v) => v ?? 0)) }, series: both(found.relative, 1e-9), lines: [...at, { y: 1, label: "100 %" }] });
  draw("lags", { title: t("每个距离的一份", "the part of each distance"), height: 270, x: { label: t("距离 d（步）", "distance d (steps)"), min: 0, max: n - 1 }, y: { label: t("占全梯度", "of the whole"), log: true, min: 1e-4, max: Math.max(2, ...found.lags) }, series: [{ name: t("一份", "part"), points: found.lags.map((v, d) => [d, v < 1e-9 ? NaN : v]), color: 2, dash: 0 }], lines: [{ x: reach() - 0.5, label: "✂" }] });
  draw("cost", { title: t("代价按步数", "cost by reach"), height: 270, x, y: { label: t("与全序列之比", "against the whole"), log: true, min: Math.min(0.5 / n, 0.1), max: Math.max(2, ...found.back.map((v) => v / n)) }, series: [
    { name: t("反向步数", "steps back"), points: found.back.map((v, i) => [i + 1, v / n]), color: 1, dash: 0 }, { name: t("内存", "memory"), points: found.kept.map((v, i) => [i + 1, v / n]), color: 4, dash: 1 }], lines: at });
}

function table() {
  const i = reach() - 1, rows = Object.keys(found.cosine);
  const bar = (v, c) => h("span", { class: `bar ${c}`, "aria-hidden": "true" }, h("i", { style: { "--share": `${Math.round(100 * Math.max(0, Math.min(1, v ?? 0)))}%` } }));
  one("#each").replaceChildren(h("tr", {}, h("th", {}, t("参数", "parameter")), h("th", { class: "number" }, t("余弦", "cosine")), h("th", {}), h("th", { class: "number" }, t("相对误差", "relative error")), h("th", {}), h("th", { class: "number" }, t("全梯度的范数", "norm of the whole"))),
    ...rows.map((name) => h("tr", { class: name === order.parameter ? "here" : "", onclick: () => pick(name) }, h("td", {}, name === "all" ? h("b", {}, called(name)) : h("button", { type: "button", class: "small mono", "aria-pressed": String(name === order.parameter) }, called(name))),
      h("td", { class: "number" }, fixed(found.cosine[name][i])), h("td", {}, bar(found.cosine[name][i], "good")), h("td", { class: "number" }, percent(found.relative[name][i])), h("td", {}, bar(found.relative[name][i], "poor")), h("td", { class: "number" }, short(found.norms[name])))));
}

function pick(name) {
  const focused = document.activeElement?.closest?.("#each");
  order.parameter = name === "all" || name === order.parameter ? null : name;
  write();
  show();
  if (focused) one('#each [aria-pressed="true"]')?.focus();
}

function numbers() {
  const k = reach(), i = k - 1, n = found.steps, whole = k === n, cos = found.cosine.all[i], rel = found.relative.all[i];
  one("#number").textContent = percent(rel);
  one("#meaning").textContent = whole ? t(`是窗口等于整个序列（${n} 步）时的相对误差：只剩舍入。`, `is the relative error with the whole sequence, ${n} steps, in the window: nothing but rounding.`)
    : t(`是往回走 ${k} 步的梯度与全梯度（${n} 步）的相对误差；夹角的余弦是 ${fixed(cos)}。损失 ${found.loss.toFixed(2)} 奈特每字符。`, `is the relative error of the gradient that goes back ${k} of ${n} steps; the cosine of the angle is ${fixed(cos)}. The loss is ${found.loss.toFixed(2)} nats a character.`);
  one("#cosine-number").textContent = fixed(cos);
  one("#cosine-words").textContent = t(`是 k = ${k} 时的余弦。`, `is the cosine at k = ${k}.`);
  const enough = found.relative.all.map((v, j) => [v, j + 1]).reverse().findIndex(([v]) => v > 0.1), least = enough < 0 ? 1 : n - enough + 1;
  one("#relative-number").textContent = String(Math.min(least, n));
  one("#relative-words").textContent = t("步起，误差一直在 10 % 以下。", "steps back and more keep the error below 10 %.");
  const past = found.lags.slice(k).reduce((a, b) => a + b, 0), all = found.lags.reduce((a, b) => a + b, 0);
  one("#lags-number").textContent = percent(past / all);
  one("#lags-words").textContent = t(`的（范数之和）离损失 ${k} 步或更远，被剪掉${order.chunks ? "（逐步窗口时）" : ""}。`, `of it (of the sum of norms) lies ${k} steps or more from its loss and is cut off${order.chunks ? " (with a window for every step)" : ""}.`);
  const times = found.back[i] / n, kb = (found.kept[i] * found.numbers * 8) / 1024;
  one("#cost-number").textContent = `${+times.toPrecision(3)} ×`;
  one("#cost-words").textContent = t(`的反向步数（${found.back[i]} 步）；一次反向留住 ${found.kept[i]} 步 × ${found.numbers} 个数 = ${kb.toFixed(1)} KB，全序列要 ${((n * found.numbers * 8) / 1024).toFixed(1)} KB。`, `the steps back of one whole pass (${found.back[i]} steps); a pass keeps ${found.kept[i]} steps × ${found.numbers} numbers = ${kb.toFixed(1)} KB, the whole sequence ${((n * found.numbers * 8) / 1024).toFixed(1)} KB.`);
  const worst = Object.keys(found.relative).filter((p) => p !== "all" && found.relative[p][i] != null).sort((a, b) => found.relative[b][i] - found.relative[a][i])[0];
  one("#worst").textContent = whole ? "" : t(`最偏的是 ${called(worst)}：${percent(found.relative[worst][i])}。`, `The most biased is ${called(worst)}: ${percent(found.relative[worst][i])}.`);
}

// --- moving and choosing

function go(k) {
  order.reach = Math.max(1, Math.min(found.steps, k));
  write();
  show();
}
one("#reach").addEventListener("input", () => found && go(Number(one("#reach").value)));
keys((event) => {
  const d = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? (within(event, "#strip") ? { PageUp: 5, PageDown: -5, Home: -1e9, End: 1e9 }[event.key] : undefined);
  if (!d || !found) return false;
  go(reach() + d);
  return true;
});

function fill() {
  one("#text").value = order.text;
  one("#cell").value = order.cell;
  one("#updates").value = String(order.updates);
  one("#chunks").value = order.chunks ? "1" : "0";
  one("#example").replaceChildren(...options([["", t("自己写的", "my own")], ...EXAMPLES.map(([k, name]) => [k, name])], EXAMPLES.find((e) => e[2] === order.text)?.[0] ?? ""));
}
function take(values) {
  Object.assign(order, values);
  fill();
  answer();
}
one("#order").addEventListener("submit", (event) => event.preventDefault());
one("#text").addEventListener("input", paused(500, () => take({ text: one("#text").value, loss: null })));
one("#example").addEventListener("change", () => { const e = EXAMPLES.find(([k]) => k === one("#example").value); if (e) take({ text: e[2], loss: null }); });
one("#cell").addEventListener("change", () => take({ cell: one("#cell").value, parameter: null }));
one("#updates").addEventListener("change", () => take({ updates: Number(one("#updates").value) }));
one("#chunks").addEventListener("change", () => take({ chunks: one("#chunks").value === "1" }));
one("#draw").addEventListener("click", () => take({ seed: (order.seed % 9999) + 1 }));
fill();
answer();
