// The topologies: a small network of real numbers, played forward and backward; the window of truncated BPTT.
import { ask, latest, link, tell } from "./api.js";
import { all, h, one } from "./dom.js";
import { figure } from "./topologies_figure.js";
import { t } from "./words.js";

const DEFAULTS = { topology: "many-to-many", steps: 5, cell: "elman", hidden: 3, seed: 1, first: 0, last: null };
const order = { ...DEFAULTS, ...link.read() };
const form = one("#order"), slider = one("#at"), stage = one("#stage");
const run = latest();
let found, drawn, looked, at = Infinity, timer, formulas = {};

const count = () => found.forward.length;
const end = () => 2 * count() + 1 - found.window[0]; // the first step of the window is the last to hand its share to W

// --- what is asked, what is shown

function fill() {
  for (const name of ["topology", "steps", "cell", "hidden"]) form.elements[name].value = order[name];
  form.elements.steps.disabled = order.topology === "one-to-one";
}

async function answer() {
  link.write(Object.fromEntries(Object.entries(order).filter(([k, v]) => v !== DEFAULTS[k])));
  stage.classList.add("busy");
  try {
    const { cell } = order;
    const [fresh, lines] = await run((signal) => Promise.all([ask("lab/topology", order, signal), formulas[cell] ?? ask(`lab/equations?cell=${cell}`, undefined, signal)])) ?? [];
    if (!fresh) return;
    found = fresh;
    formulas[cell] = lines;
    tell(one("#fault"));
    draw();
  } catch (error) {
    tell(one("#fault"), error);
  }
  stage.classList.remove("busy");
}

function draw() {
  const kept = document.activeElement?.dataset?.key;
  const whole = at >= Number(slider.max) || at === Infinity;
  slider.max = end();
  at = whole ? end() : Math.min(at, end());
  drawn = figure(found, order, { window: move, read });
  stage.replaceChildren(drawn.picture);
  if (kept) one(`[data-key="${kept}"]`, stage)?.focus();
  if (looked) read(drawn.told(looked) ?? "", looked);
  verdict();
  show();
}

// The window's new sides; asks where they differ from the present ones.
function move(first, last) {
  first = Math.max(0, Math.min(first, count() - 1));
  last = Math.max(first, Math.min(last, count() - 1));
  if (first === found.window[0] && last === found.window[1]) return;
  found.window = [first, last];
  order.first = first;
  order.last = last === count() - 1 ? null : last;
  answer();
}

const percent = (v) => (v == null ? "–" : v > 0 && v < 0.0005 ? "< 0.1 %" : `${+(100 * v).toPrecision(3)} %`);
const fixed = (v) => (v == null ? "–" : v.toFixed(3));

function verdict() {
  const [first, last] = found.window, whole = first === 0 && last === count() - 1;
  one("#cosine").textContent = fixed(found.cosine);
  one("#verdict").textContent = found.cosine == null
    ? t(`窗口第 ${first + 1} 到 ${last + 1} 步里没有损失，截断后没有梯度。`, `No loss lies in the window of steps ${first + 1} to ${last + 1}: nothing is left to learn from.`)
    : whole
      ? t("是截断梯度与全梯度夹角的余弦：现在窗口是整个序列，什么也没有截掉。", "is the cosine between the truncated and the full gradient: the window is the whole sequence, nothing is cut.")
      : t(`是截断梯度与全梯度夹角的余弦：只用第 ${first + 1} 到 ${last + 1} 步，相对误差 ${percent(found.relative)}。`, `is the cosine between the truncated and the full gradient: with steps ${first + 1} to ${last + 1} alone its relative error is ${percent(found.relative)}.`);
  one("#more").textContent = whole || found.reach == null ? " "
    : t(`对窗口里的这些损失来说，剪断窗口之前的路造成的误差是 ${percent(found.reach)}。`, `For the losses inside the window, cutting the paths before it makes an error of ${percent(found.reach)}.`);
}

// --- playing

// {way: "start" | "forward" | "loss" | "backward", step}
function moment(k) {
  const n = count();
  if (k === 0) return { way: "start" };
  if (k <= n) return { way: "forward", step: k - 1 };
  return k === n + 1 ? { way: "loss" } : { way: "backward", step: 2 * n + 1 - k };
}

function show() {
  slider.value = at;
  const now = moment(at), words = told(now);
  slider.setAttribute("aria-valuetext", words);
  one("#moment").textContent = words;
  drawn.at(at, now);
  equations(now);
  const step = now.step ?? (now.way === "start" ? 0 : count() - 1), x = drawn.place(step) * stage.scrollWidth;
  if (stage.scrollWidth > stage.clientWidth) stage.scrollTo({ left: x - stage.clientWidth / 2 });
}

function told({ way, step }) {
  const total = count();
  if (way === "start") return t("起点：状态为零", "start: the state is zero");
  if (way === "forward") return t(`前向，第 ${step + 1} 步，共 ${total} 步`, `forward, step ${step + 1} of ${total}`);
  if (way === "loss") return t("把每一步的损失相加", "the losses are added");
  return found.backward[step] ? t(`反向，第 ${step + 1} 步`, `backward, step ${step + 1}`) : t(`第 ${step + 1} 步在窗口外`, `step ${step + 1} is outside the window`);
}

function equations(now) {
  const lines = formulas[order.cell], backward = now.way === "backward";
  one("#phase").textContent = told(now) + (now.step == null ? "" : ` · t = ${now.step + 1}`);
  const parts = backward ? ["backward", "gradients"] : now.way === "loss" ? ["loss"] : ["forward", "loss"];
  one("#equations").replaceChildren(...parts.filter((p) => lines[p]).map((p) => mathml(lines[p])));
  one("#numbers").replaceChildren(...drawn.numbers(now).map(([name, value]) => h("span", {}, h("b", {}, name), ` = ${value}`)));
}

// The policy of the page forbids style attributes: columns are aligned by lab.css.
function mathml(text) {
  const parsed = new DOMParser().parseFromString(text.replace(/ style="[^"]*"/g, ""), "text/html");
  return document.adoptNode(parsed.body.firstElementChild);
}

function read(text, key) {
  looked = key;
  one("#read").textContent = text;
}

function stop() {
  clearInterval(timer);
  timer = undefined;
  one("#play").setAttribute("aria-pressed", "false");
  one("#play").textContent = t("▶ 播放", "▶ Play");
}

function play() {
  if (timer) return stop();
  if (at >= end()) go(0);
  one("#play").setAttribute("aria-pressed", "true");
  one("#play").textContent = t("⏸ 停一停", "⏸ Pause");
  timer = setInterval(() => (at >= end() ? stop() : go(at + 1)), 900);
}

function go(k) {
  at = Math.max(0, Math.min(end(), k));
  show();
}

one("#play").addEventListener("click", play);
one("#back").addEventListener("click", () => { stop(); go(at - 1); });
one("#on").addEventListener("click", () => { stop(); go(at + 1); });
slider.addEventListener("input", () => { stop(); go(Number(slider.value)); });
addEventListener("keydown", (event) => { if (event.key === "Escape") stop(); });

// --- choosing

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", () => {
  const { topology, steps, cell, hidden } = form.elements;
  Object.assign(order, { topology: topology.value, steps: +steps.value, cell: cell.value, hidden: +hidden.value, first: 0, last: null });
  at = Infinity;
  stop();
  fill();
  answer();
});
one("#draw").addEventListener("click", () => { order.seed = (order.seed % 9999) + 1; answer(); });
one("#whole").addEventListener("click", () => move(0, count() - 1));

fill();
if (all("option", form.elements.topology).every((o) => o.value !== order.topology)) Object.assign(order, DEFAULTS);
stage.append(h("p", { class: "quiet" }, t("正在展开网络……", "unrolling the network…")));
read(t("把鼠标移到圆上，或用方向键走过去，这里写出它的数。", "Point at a circle, or walk there with the arrow keys: its numbers are written here."));
answer();
