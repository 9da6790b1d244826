// The LSTM as on the slide, a GRU beside it, both with the numbers of one unit; gates can be held at 0 or 1.
import { ask, latest, link, tell } from "./api.js";
import { h, one, options, paused } from "./dom.js";
import { figures } from "./lstm_figure.js";
import { plot } from "./plot.js";
import { equal, keys, math, short, within } from "./steps_parts.js";
import { t } from "./words.js";

const EXAMPLES = [
  ["cat", t("课上的单数", "the lecture's, one cat"), "The cat, which already ate, was full."],
  ["cats", t("课上的复数", "the lecture's, cats"), "The cats, which already ate, were full."],
  ["boys", t("中间隔着复数", "a plural in between"), "The cat which the boys saw was full."],
];
const DEFAULTS = { sentence: EXAMPLES[0][2], step: null, cell: "lstm", gate: "f", lstm: null, gru: null, holds: {}, alone: false, here: false };
const order = { ...DEFAULTS, ...link.read() };
const GATES = { lstm: ["i", "f", "o"], gru: ["r", "u"] };
const NAMES = {
  lstm: { i: t("输入门 Γi（课上的 Γu）：写入多少", "input gate Γi (the lecture's Γu): how much is written"), f: t("遗忘门 Γf：旧的留多少", "forget gate Γf: how much of the old is kept"), o: t("输出门 Γo：露出多少", "output gate Γo: how much is shown"), g: t("候选值 c̃", "candidate c̃"), c: t("传送带上的状态 c", "the state c on the belt"), h: t("输出 a", "output a") },
  gru: { r: t("相关门 Γr：候选值看多少旧状态", "relevance gate Γr: how much of the old state the candidate sees"), u: t("更新门 Γu：1 写入新的，0 留着旧的", "update gate Γu: 1 writes the new, 0 keeps the old"), c: t("候选值 c̃", "candidate c̃"), h: t("状态 a = c", "the state a = c") },
};
const runs = { lstm: latest(), gru: latest() }, found = {}, chart = {};
let step = 0;

const holds = (cell) => Object.entries(order.holds).filter(([key]) => key.startsWith(`${cell}.`)).map(([key, to]) => ({ name: key.split(".")[1], to }));
const write = () => link.write(Object.fromEntries(Object.entries(order).filter(([k, v]) => JSON.stringify(v) !== JSON.stringify(DEFAULTS[k]))));

async function load(cell) {
  const fresh = await runs[cell]((signal) => ask("lab/hold", { cell, sentence: order.sentence, unit: order[cell], step: order.step, holds: holds(cell), alone: order.alone, here: order.here }, signal));
  if (fresh) found[cell] = fresh;
  return fresh;
}

async function answer() {
  write();
  one(".cells").classList.add("busy");
  try {
    const both = await Promise.all([load("lstm"), load("gru")]);
    if (both.some((f) => !f)) return;
    tell(one("#fault"));
    step = found.lstm.step;
    draw();
  } catch (error) {
    tell(one("#fault"), error);
  }
  one(".cells").classList.remove("busy");
}

function draw() {
  const focused = document.activeElement?.closest?.(".place") != null;
  words();
  for (const cell of ["lstm", "gru"]) {
    const f = found[cell];
    one(`#${cell}`).replaceChildren(figures[cell](f, step, { chosen: order.cell === cell ? order.gate : null, held: Object.fromEntries(holds(cell).map((x) => [x.name, x.to])), choose: (gate) => choose(cell, gate) }));
    one(`#unit-${cell}`).replaceChildren(...options(f.best.map((k, n) => [String(k), n ? String(k) : t(`${k}（最说明单复数）`, `${k} (tells the number best)`)]), String(f.unit)));
    verdict(cell);
  }
  switches();
  gate();
  over();
  if (focused) one(".place.chosen")?.focus();
}

function words() {
  const kept = document.activeElement?.closest?.("#words") != null, f = found.lstm;
  one("#words").replaceChildren(...f.words.map((w, k) => h("label", { class: "word" }, h("input", { type: "radio", name: "word", value: k, checked: k === step, onchange: () => go(k) }), h("span", {}, w === "." && !k ? t("起始", "start") : w))), h("span", { class: "quiet verb" }, `→ ${f.verb}?`));
  if (kept) one("#words input:checked").focus();
}

function verdict(cell) {
  const f = found[cell], p = f.chances[f.verb], was = f.natural_chances[f.verb], changed = Math.abs(p - was) > 0.0005;
  const big = one(cell === "lstm" ? "#number" : "#gru-number"), text = one(cell === "lstm" ? "#meaning" : "#gru-meaning");
  big.textContent = changed ? `${was.toFixed(3)} → ${p.toFixed(3)}` : p.toFixed(3);
  const held = holds(cell).map((x) => `Γ${x.name} = ${x.to}`).join("，"), other = Object.keys(f.chances).find((k) => k !== f.verb);
  text.textContent = held
    ? t(`是读完后选对动词形式“${f.verb}”（不是“${other}”）的概率：${held} 时${p > 0.5 ? (was - p > 0.02 ? "变弱了，还对" : "仍然对") : "选错了"}。`, `is the probability of the right form “${f.verb}” (not “${other}”): with ${held} it ${p > 0.5 ? (was - p > 0.02 ? "is weaker and still right" : "is still right") : "is wrong"}.`)
    : t(`是读完后选对动词形式“${f.verb}”（不是“${other}”）的概率。`, `is the probability of the right form of the verb, “${f.verb}” (not “${other}”), at the end.`);
}

function switches() {
  for (const cell of ["lstm", "gru"]) {
    const place = one(`#switches-${cell}`), focused = document.activeElement?.dataset?.switch;
    place.replaceChildren(place.firstElementChild, ...GATES[cell].map((g) => h("div", { class: "switch", role: "group", "aria-label": NAMES[cell][g] }, h("span", { class: "mono" }, `Γ${g}`),
      ...[0, 1].map((to) => {
        const on = order.holds[`${cell}.${g}`] === to, p = found[cell].would[g][to].toFixed(2);
        return h("button", { type: "button", class: "small", "data-switch": `${cell}.${g}.${to}`, "aria-pressed": String(on), "aria-label": t(`Γ${g} 固定为 ${to}：对的概率 ${p}`, `Γ${g} held at ${to}: right with ${p}`), title: on ? t("再按一次放开", "press again to let go") : null, onclick: () => hold(cell, g, on ? null : to) }, `= ${to}`, h("small", {}, `→ ${p}`));
      }))));
    if (focused) one(`[data-switch="${focused}"]`)?.focus();
  }
}

// the equation of what is chosen, its numbers for the one unit, and what its argument is made of
function gate() {
  const cell = order.cell, f = found[cell], line = f.lines.find((l) => l.name === order.gate), see = (slot) => f.slots[step][slot];
  one("#gate-title").textContent = `${cell.toUpperCase()} · ${NAMES[cell][order.gate]}`;
  const value = f.values[order.gate][step][f.unit], own = f.own[order.gate]?.[step][f.unit], parts = [h("div", { class: "big" }, math(line.text))];
  const made = f.made[order.gate];
  if (made) {
    const terms = told(f, made[step]), z = terms.reduce((s, [, v]) => s + v, 0), squash = ["g", "c"].includes(order.gate) ? "tanh" : "σ";
    parts.push(h("p", { class: "live" }, `${squash}(${z >= 0 ? "" : "−"}${short(Math.abs(z))}) = `, h("b", {}, short(own ?? value)), own != null && own !== value ? h("span", { class: "bad" }, t(`，但被固定为 ${value}`, `, but it is held at ${value}`)) : ""));
    const most = Math.max(...terms.map(([, v]) => Math.abs(v)));
    parts.push(h("h3", {}, t(`${short(z)} 是由什么加起来的`, `what adds up to ${short(z)}`)), h("div", { class: "terms", role: "img", "aria-label": terms.map(([n, v]) => `${n} ${short(v)}`).join(", ") }, terms.map(([name, v]) => h("div", { class: v < 0 ? "term less" : "term" }, h("span", { class: "who" }, name), h("span", { class: "bar" }, h("i", { style: { "--share": `${(50 * Math.abs(v)) / most}%` } })), h("span", { class: "figure" }, short(v))))),
      h("p", { class: "quiet" }, t(`怎么看：向右的条把门推开，向左的把它关上；这个词自己占 ${short(terms[0][1])}，上一步的 24 个状态各占一份，最大的几份列出。`, `How to read this: a bar to the right pushes it up, one to the left down; the word itself gives ${short(terms[0][1])}, each of the 24 states of the step before gives its part, and the largest are listed.`)));
  } else parts.push(h("div", { class: "live" }, equal(math(line.live, see), see(line.slot))));
  one("#gate").replaceChildren(...parts);
}

// x, the largest parts of the states, the rest together, and the bias
function told(f, terms) {
  const found_ = [], shown = 5;
  for (const [kind, parts] of terms) {
    if (kind === "x") found_.push([`x⟨${step + 1}⟩ = “${f.words[step]}”`, parts[0]]);
    else if (kind === "b") found_.push(["b", parts[f.unit] ?? parts[0]]);
    else {
      const name = kind === "h" ? "a" : "Γr∘a", by = [...parts.keys()].sort((a, b) => Math.abs(parts[b]) - Math.abs(parts[a]));
      for (const k of by.slice(0, shown)) found_.push([`${name}⟨${step}⟩ ${t("单元", "unit")} ${k}`, parts[k]]);
      found_.push([t(`其余 ${by.length - shown} 个单元`, `the other ${by.length - shown} units`), by.slice(shown).reduce((s, k) => s + parts[k], 0)]);
    }
  }
  return found_;
}

function over() {
  const { cell, gate: name } = order, f = found[cell], k = f.unit, line = (values) => values.map((v, n) => [n, v[k]]);
  const squashed = GATES[cell].includes(name), held = holds(cell).length > 0, label = `${cell.toUpperCase()} ${GATES[cell].includes(name) ? "Γ" : ""}${name}`;
  const series = [{ name: label, points: line(f.values[name]), color: 1, dash: 0, dots: true }];
  if (held) series.push({ name: t("不固定时", "not held"), points: line(f.natural[name]), color: 0, dash: 1 });
  const all = series.flatMap((s) => s.points.map((p) => p[1]));
  const o = { title: label, height: 220, series, x: { label: f.words.map((w, n) => (n ? w : t("起始", "start"))).join(" · "), min: 0, max: f.words.length - 1 }, y: { label: label, min: squashed ? 0 : Math.min(-1, ...all), max: Math.max(1, ...all) }, lines: [{ x: step, label: f.words[step] }] };
  if (chart.draw) chart.draw(o);
  else chart.draw = plot(one("#over"), o);
  const change = f.values[name][step][k] - f.natural[name][step][k];
  one("#over-number").textContent = held ? t(`在“${f.words[step]}”处，固定使它变了 ${short(change)}。`, `At “${f.words[step]}” holding has changed it by ${short(change)}.`) : t(`在“${f.words[step]}”处是 ${short(f.values[name][step][k])}。`, `At “${f.words[step]}” it is ${short(f.values[name][step][k])}.`);
}

// --- moving and choosing

let timer;
function stop() {
  clearInterval(timer);
  timer = undefined;
  one("#play").setAttribute("aria-pressed", "false");
  one("#play").textContent = t("▶ 逐词播放", "▶ Play, word by word");
}
one("#play").addEventListener("click", () => {
  if (timer) return stop();
  if (!found.gru) return;
  const last = found.lstm.words.length - 1;
  if (step >= last) go(0);
  one("#play").setAttribute("aria-pressed", "true");
  one("#play").textContent = t("⏸ 停一停", "⏸ Pause");
  timer = setInterval(() => (step >= last ? stop() : go(step + 1)), 900);
});

function go(k) {
  if (!found.lstm) return;
  step = Math.max(0, Math.min(k, found.lstm.words.length - 1));
  order.step = step === found.lstm.words.length - 1 ? null : step;
  if (order.here && Object.keys(order.holds).length) return answer();
  write();
  draw();
}

function choose(cell, gate_) {
  Object.assign(order, { cell, gate: gate_ });
  write();
  draw();
}

function hold(cell, g, to) {
  const next = { ...order.holds };
  if (to == null) delete next[`${cell}.${g}`];
  else next[`${cell}.${g}`] = to;
  Object.assign(order, { holds: next, cell, gate: g });
  answer();
}

const all = () => ["lstm", "gru"].flatMap((cell) => found[cell].lines.map((l) => [cell, l.name]));
keys((event) => {
  if (!found.gru) return false;
  const turn = (d) => { const list = all(), k = list.findIndex(([c, g]) => c === order.cell && g === order.gate); choose(...list[(k + d + list.length) % list.length]); };
  const key = { ArrowLeft: () => go(step - 1), ArrowRight: () => go(step + 1), ...(within(event, ".cells") ? { ArrowUp: () => turn(-1), ArrowDown: () => turn(1), Home: () => go(0), End: () => go(1e9) } : {}),
    0: () => GATES[order.cell].includes(order.gate) && hold(order.cell, order.gate, order.holds[`${order.cell}.${order.gate}`] === 0 ? null : 0), 1: () => GATES[order.cell].includes(order.gate) && hold(order.cell, order.gate, order.holds[`${order.cell}.${order.gate}`] === 1 ? null : 1),
    Escape: () => (timer ? stop() : Object.keys(order.holds).length && one("#free").click()) }[event.key];
  if (!key) return false;
  key();
  return true;
});

function fill() {
  one("#sentence").value = order.sentence;
  one("#alone").checked = order.alone;
  one("#here").checked = order.here;
  one("#example").replaceChildren(...options([["", t("自己写的", "my own")], ...EXAMPLES.map(([key, name]) => [key, name])], EXAMPLES.find((e) => e[2] === order.sentence)?.[0] ?? ""));
}

function take(values) {
  Object.assign(order, values);
  fill();
  answer();
}
one("#order").addEventListener("submit", (event) => event.preventDefault());
one("#sentence").addEventListener("input", paused(500, () => take({ sentence: one("#sentence").value, step: null, lstm: null, gru: null })));
one("#example").addEventListener("change", () => { const e = EXAMPLES.find(([key]) => key === one("#example").value); if (e) take({ sentence: e[2], step: null, lstm: null, gru: null }); });
for (const cell of ["lstm", "gru"]) one(`#unit-${cell}`).addEventListener("change", (event) => take({ [cell]: Number(event.target.value) }));
for (const name of ["alone", "here"]) one(`#${name}`).addEventListener("change", (event) => take({ [name]: event.target.checked }));
one("#free").addEventListener("click", () => take({ holds: {} }));
fill();
answer();
