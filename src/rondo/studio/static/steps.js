// Forward through an unrolled network, a line of its equations at a time.
import { ask, latest, link, tell } from "./api.js";
import { h, one, paused } from "./dom.js";
import { folded, unrolled } from "./steps_figure.js";
import { equal, keys, math, short, times, vector, visible, within } from "./steps_parts.js";
import { t } from "./words.js";

const DEFAULTS = { cell: "elman", hidden: 3, kind: "word", text: "hello", trained: true, seed: 1, at: null };
const order = { ...DEFAULTS, ...link.read() };
const form = one("#order"), slider = one("#at"), run = latest();
let found, drawn, loop, at = 0;

const lines = () => found.lines.length, count = () => found.values.length, end = () => lines() * count();
// the moment: {step, line} both from 0; step -1 before the first line
const moment = (k) => (k === 0 ? { step: -1, line: -1 } : { step: Math.floor((k - 1) / lines()), line: (k - 1) % lines() });

function asked() {
  const { cell, hidden, seed, trained } = order, common = { cell, hidden, seed, trained };
  if (order.kind === "word") return { ...common, word: order.text };
  const parts = order.text.split(/[\s,，、;；]+/).filter(Boolean), numbers = parts.map((p) => Number(p.replace("−", "-")));
  const wrong = parts[numbers.findIndex((v) => !Number.isFinite(v))];
  if (wrong !== undefined) throw new Error(t(`“${wrong}” 不是数：用空格或逗号分开，如 0.5 -1 2`, `“${wrong}” is no number: set numbers apart by spaces or commas, as in 0.5 -1 2`));
  return { ...common, numbers };
}

async function answer() {
  write();
  let body;
  try { body = asked(); } catch (error) { return show_fault(error); }
  one("#stage").classList.add("busy");
  try {
    const fresh = await run((signal) => ask("lab/steps", body, signal));
    if (!fresh) return;
    found = fresh;
    tell(one("#fault"));
    build();
  } catch (error) {
    tell(one("#fault"), error);
  }
  one("#stage").classList.remove("busy");
}

function show_fault(error) {
  one("#fault").hidden = false;
  one("#fault").textContent = error.message;
}

const write = () => link.write(Object.fromEntries(Object.entries(order).filter(([k, v]) => v !== DEFAULTS[k])));

function build() {
  slider.max = end();
  drawn = unrolled(found, order);
  loop = folded(found, order);
  one("#stage").replaceChildren(drawn.picture);
  one("#folded").replaceChildren(loop.picture);
  at = order.at == null ? end() : Math.max(0, Math.min(order.at, end()));
  show();
}

function go(k) {
  if (!found) return;
  at = Math.max(0, Math.min(end(), k));
  order.at = at === end() ? null : at;
  write();
  show();
}

function show() {
  const now = moment(at);
  slider.value = at;
  one("#moment").textContent = told(now);
  slider.setAttribute("aria-valuetext", told(now));
  drawn.show(now);
  loop.show(now);
  table(now);
  current(now);
  number(now);
  const stage = one("#stage"), x = drawn.place(Math.max(0, now.step)) * stage.scrollWidth;
  if (stage.scrollWidth > stage.clientWidth) stage.scrollTo({ left: x - stage.clientWidth * 0.6 });
}

const told = ({ step, line }) => (step < 0 ? t("起点：状态为零", "start: the state is zero") : t(`第 ${step + 1} / ${count()} 步，第 ${line + 1} / ${lines()} 行`, `step ${step + 1} of ${count()}, line ${line + 1} of ${lines()}`));
const value = (step, slot) => found.values[step][slot];

function table(now) {
  const step = Math.max(0, now.step);
  one("#lines").replaceChildren(...found.lines.map((line, k) => {
    const state = now.step < 0 || k > now.line ? "later" : k === now.line ? "here" : "done";
    return h("div", { class: `line ${state}`, role: "option", id: `line-${k}`, "aria-selected": k === now.line ? "true" : "false", onclick: () => go(step * lines() + k + 1) },
      h("span", { class: "formula" }, math(line.text)), h("span", { class: "result" }, state === "later" ? "" : result(step, line)));
  }));
  one("#lines").setAttribute("aria-activedescendant", now.line >= 0 ? `line-${now.line}` : "");
}

// of the softmax the likeliest symbols, of anything else the vector
function result(step, line) {
  const v = value(step, line.slot);
  if (line.role !== "output" || !found.alphabet.length) return vector(v);
  return [...v.keys()].sort((a, b) => v[b] - v[a]).slice(0, 3).map((k) => `${visible(found.alphabet[k])} ${v[k].toFixed(3)}`).join(" · ");
}

function current(now) {
  if (now.step < 0) return one("#now").replaceChildren(h("p", {}, t("还没有读任何东西。起始状态 a⟨0⟩ 是零。", "Nothing has been read. The state before the first step, a⟨0⟩, is zero.")));
  const line = found.lines[now.line], see = (slot) => value(now.step, slot);
  const parts = [h("div", { class: "big" }, math(line.text)), h("div", { class: "live" }, equal(math(line.live, see), see(line.slot)))];
  for (const p of line.products) {
    const m = math(p.text);
    parts.push(h("div", { class: "product" }, times(m, found.matrices[p.matrix], ...p.operands.map(see)), equal(m, see(p.result))));
  }
  one("#now").replaceChildren(...parts.map((p) => p.classList.contains("product") ? h("div", { class: "product" }, p.querySelector("math")) : p));
}

function number(now) {
  const big = one("#number"), text = one("#meaning"), step = now.step, last = found.lines.at(-1);
  if (step < 0) {
    big.textContent = "0";
    return void (text.textContent = t("：第一步之前的状态，每个单元都是零。", "is the state of every unit before the first step."));
  }
  if (found.alphabet.length && now.line === lines() - 1) {
    const p = value(step, last.slot), target = found.targets[step], k = found.alphabet.indexOf(target);
    big.textContent = p[k].toFixed(3);
    return void (text.textContent = t(`是读到第 ${step + 1} 个字符“${visible(found.symbols[step])}”之后，网络说下一个是“${visible(target)}”的概率。`, `is the probability, after character ${step + 1}, “${visible(found.symbols[step])}”, that the next is “${visible(target)}”.`));
  }
  const state = Object.values(found.states)[0], size = (k) => (k < 0 ? 0 : Math.hypot(...value(k, state)));
  const before = size(step - 1), carried = found.lines[now.line].slot === state;
  big.textContent = carried ? short(size(step)) : short(before);
  text.textContent = carried
    ? t(`是第 ${step + 1} 步新状态的长度 ‖a⟨${step + 1}⟩‖：它就是网络从此知道的全部。`, `is the length of the new state, ‖a⟨${step + 1}⟩‖: all that the network knows from here on.`)
    : t(`是传进第 ${step + 1} 步的状态的长度 ‖a⟨${step}⟩‖；过去只能经过它影响现在。`, `is the length of the state that enters step ${step + 1}, ‖a⟨${step}⟩‖: the past acts through it alone.`);
}

// --- moving

let timer;
function stop() {
  clearInterval(timer);
  timer = undefined;
  one("#play").setAttribute("aria-pressed", "false");
  one("#play").textContent = "▶";
}
one("#play").addEventListener("click", () => {
  if (timer) return stop();
  if (!found) return;
  if (at >= end()) go(0);
  one("#play").setAttribute("aria-pressed", "true");
  one("#play").textContent = "⏸";
  timer = setInterval(() => (at >= end() ? stop() : go(at + 1)), 800);
});
one("#back").addEventListener("click", () => go(at - 1));
one("#on").addEventListener("click", () => go(at + 1));
const whole = (d) => { const { step, line } = moment(at); return d > 0 ? (step + 2) * lines() : line === lines() - 1 ? step * lines() : Math.max(0, step) * lines(); };
one("#step-back").addEventListener("click", () => go(whole(-1)));
one("#step-on").addEventListener("click", () => go(at && moment(at).line < lines() - 1 ? (moment(at).step + 1) * lines() : whole(1)));
slider.addEventListener("input", () => go(Number(slider.value)));
keys((event) => {
  if (!found) return false;
  const anywhere = { ArrowLeft: () => (event.shiftKey ? one("#step-back").click() : go(at - 1)), ArrowRight: () => (event.shiftKey ? one("#step-on").click() : go(at + 1)), Escape: () => timer && stop() };
  const here = { ArrowUp: () => go(at - 1), ArrowDown: () => go(at + 1), PageUp: () => one("#step-back").click(), PageDown: () => one("#step-on").click(), Home: () => go(0), End: () => go(end()) };
  const act = anywhere[event.key] ?? (within(event, "#lines, figure") ? here[event.key] : undefined);
  if (!act) return false;
  if (event.key !== "Escape") stop();
  act();
  return true;
});

// --- choosing

function fill() {
  for (const name of ["cell", "hidden", "kind", "text"]) form.elements[name].value = order[name];
  form.elements.trained.checked = order.trained;
  one("#trained-label").hidden = order.kind !== "word";
}

function take(values) {
  Object.assign(order, values, { at: null });
  fill();
  answer();
}
form.addEventListener("submit", (event) => event.preventDefault());
for (const name of ["cell", "hidden"]) form.elements[name].addEventListener("change", (event) => take({ [name]: name === "hidden" ? Number(event.target.value) : event.target.value }));
form.elements.kind.addEventListener("change", (event) => take({ kind: event.target.value, text: event.target.value === "word" ? DEFAULTS.text : "1, 0, 0, -1, 0, 0" }));
form.elements.trained.addEventListener("change", (event) => take({ trained: event.target.checked }));
form.elements.text.addEventListener("input", paused(500, () => take({ text: form.elements.text.value })));
one("#draw").addEventListener("click", () => take({ seed: (order.seed % 9999) + 1 }));
fill();
answer();
