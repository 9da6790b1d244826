// One unit of a language model over a text: tint, passages, what it follows, and the loss without it.
import { latest, link, stream, tell } from "./api.js";
import { all as every, h, one, paused } from "./dom.js";
import { histogram, legend, passage, signed, spans, symbols, tint } from "./neurons_view.js";
import { lang, t } from "./words.js";

const NAMES = { h: t("输出 h", "output h"), c: t("细胞状态 c", "cell state c"), i: t("输入门 i", "input gate i"), f: t("遗忘门 f", "forget gate f"), g: t("候选 g", "candidate g"), o: t("输出门 o", "output gate o") };
const FEATURES = {
  variation: t("变化最大（标准差）", "varies most (standard deviation)"), place: t("离行首多远", "place in the line"), clause: t("离上一个标点多远", "symbols since a mark"),
  punctuation: t("刚读到标点", "a mark was just read"), before: t("下一个是标点", "a mark comes next"), end: t("下一个是行尾", "the line ends next"),
  quoted: t("在引号之内", "inside quotation marks"), capital: t("刚读到大写", "a capital was just read"), word: t("下一个开始新词", "a new word comes next"),
};
const KEPT = 2000; // characters of an own text that a link carries
const START = { model: lang === "zh" ? "chinese" : "english", unit: 37, name: "l0.h", to: "zero", tint: "values", text: "" };
const run = latest(), cutting = latest();
let state = { ...START, ...link.read() }, answer, cut, all = [], elements = [], at = 0;

const asked = () => ({ model: state.model, text: state.text, name: state.name, unit: state.unit });

async function load() {
  one("#text").classList.add("busy");
  one(".one-number").classList.add("busy");
  try {
    const found = await run((signal) => stream("lab/neurons", asked(), { signal, queued: waiting }));
    if (!found) return;
    const same = answer?.text === found.text && answer?.documents.length === found.documents.length && all.model === state.model;
    answer = found;
    cut = undefined;
    tell(one("#fault"), null);
    if (!same) build();
    draw();
    await lesion();
  } catch (error) { tell(one("#fault"), error); }
  one("#text").classList.remove("busy");
  one(".one-number").classList.remove("busy");
}

const waiting = (place) => (one("#place").textContent = place ? t(`前面还有 ${place} 个`, `${place} before you`) : "");

async function lesion() {
  const found = await cutting((signal) => stream("lab/neurons/lesion", { ...asked(), to: state.to }, { signal, queued: waiting }));
  if (!found) return;
  cut = found;
  const { loss, lesioned } = cut, change = lesioned - loss;
  one("#number").textContent = signed(change, 4);
  one("#meaning").textContent = t(
    `奈特每符号：单元 ${state.unit} 的 ${own()} 固定在 ${cut.to.toFixed(2)} 后，损失由 ${loss.toFixed(4)} 变为 ${lesioned.toFixed(4)}。`,
    `nats per symbol: with ${own()} of unit ${state.unit} held at ${cut.to.toFixed(2)}, the loss goes from ${loss.toFixed(4)} to ${lesioned.toFixed(4)}.`);
  one(".one-number").classList.remove("busy");
  one("#most").replaceChildren(...cut.most.map((p) => passage(all, all.findIndex((s) => s.told === p.at), p.value, 3, go)));
  paint();
}

const own = () => state.name.split(".")[1];

function build() {
  all = symbols(answer.documents);
  all.model = state.model;
  one("#text").replaceChildren(...spans(all));
  elements = every(".tok", one("#text"));
  one("main").classList.toggle("western", state.model === "english");
  const unknown = one("#unknown");
  unknown.hidden = !answer.unknown.length;
  unknown.textContent = t(`模型不认识：${answer.unknown.join(" ")}`, `unknown to the model: ${answer.unknown.join(" ")}`);
  at = Math.min(6, all.length - 1);
  if (document.activeElement !== one("#own")) one("#own").value = answer.text;
}

function draw() {
  one("#name").replaceChildren(...Object.keys(answer.names).map((n) => h("option", { value: n, selected: n === state.name }, NAMES[n.split(".")[1]] ?? n)));
  Object.assign(one("#unit"), { max: answer.units - 1, value: state.unit });
  one("#less").disabled = state.unit === 0;
  one("#more").disabled = state.unit === answer.units - 1;
  one("#model").value = state.model;
  one("#to").value = state.to;
  one(`[name="tint"][value="${state.tint}"]`).checked = true;
  for (const side of ["highest", "lowest"]) one(`#${side}`).replaceChildren(...answer[side].map((p) => passage(all, all.findIndex((s) => s.read === p.at), p.value, 2, go)));
  one("#histogram").replaceChildren(histogram(answer.histogram, answer.mean, answer.deviation));
  one("#ranked").replaceChildren(...Object.entries(answer.ranked).map(([feature, units]) => h("div", { class: "ranked-row" }, h("span", { class: "quiet" }, FEATURES[feature] ?? feature),
    h("span", { class: "row" }, units.map(([unit, r]) => h("button", { type: "button", class: "small", "aria-pressed": String(unit === state.unit), onclick: () => take({ unit }) },
      h("b", {}, unit), ` ${feature === "variation" ? r.toFixed(2) : signed(r)}`))))));
  link.write(state.text.length > KEPT ? { ...state, text: "" } : state);
  paint();
}

function paint() {
  const change = state.tint === "change", values = all.map((s) => (change ? (s.told == null || !cut ? null : cut.change[s.told]) : s.read == null ? null : answer.values[s.read]));
  const sizes = values.filter((v) => v != null).map(Math.abs).sort((a, b) => a - b), scale = sizes[Math.floor(0.98 * (sizes.length - 1))] || 1e-9; // a few extremes would pale the rest
  tint(elements, values, scale);
  one("#legend").replaceChildren(...legend(scale, scale < 0.1 ? 3 : 2));
  one("#how").textContent = change
    ? t("怎么看：每个符号按去掉这个单元后它的损失变了多少着色；蓝（粗下划线）变难猜了，红（虚线）反而好猜了。", "How to read this: each symbol is tinted by how much its loss changes without the unit; blue (underlined) became harder to guess, red (dashed) easier.")
    : t("怎么看：每个符号按读完它之后这个单元的值着色；蓝（粗下划线）为正，红（虚线）为负，越浓离零越远。", "How to read this: each symbol is tinted by the unit's value once it has been read; blue (underlined) is positive, red (dashed) negative; the stronger, the farther from zero.");
  point(at, false);
}

function point(k, scroll = true) {
  elements[at]?.classList.remove("here");
  at = Math.max(0, Math.min(k, all.length - 1));
  const span = elements[at], s = all[at];
  span.classList.add("here");
  if (scroll) {
    const box = one("#text"), y = span.offsetTop - box.offsetTop;
    if (y < box.scrollTop || y > box.scrollTop + box.clientHeight - 40) box.scrollTop = y - box.clientHeight / 2;
  }
  const parts = [`「${s.text === "\n" ? "⏎" : s.text}」`, s.read == null ? "" : `${own()}${state.unit} = ${signed(answer.values[s.read], 3)}`, s.told == null ? "" : `${t("损失", "loss")} ${answer.nats[s.told].toFixed(2)}`, s.told == null || !cut ? "" : `${t("去掉后", "without it")} ${signed(cut.change[s.told], 3)}`];
  one("#readout").textContent = parts.filter(Boolean).join(" · ");
}

function go(k) {
  point(k);
  one("#text").focus({ preventScroll: true });
  one("#text").scrollIntoView({ block: "nearest" });
}

function take(values) {
  state = { ...state, ...values };
  load();
}

one("#text").addEventListener("keydown", (event) => {
  const line = () => elements.findIndex((e, k) => (event.key === "ArrowDown" ? k > at && e.offsetTop > elements[at].offsetTop && e.offsetLeft >= elements[at].offsetLeft : false));
  const step = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1, ArrowDown: line(), ArrowUp: elements.findLastIndex((e, k) => k < at && e.offsetTop < elements[at].offsetTop && e.offsetLeft <= elements[at].offsetLeft) }[event.key];
  if (step === undefined || !answer) return;
  event.preventDefault();
  if (step >= 0) point(step);
});
for (const kind of ["pointerover", "click"]) one("#text").addEventListener(kind, (event) => { if (event.target.symbol !== undefined) point(event.target.symbol, false); });
for (const radio of every('[name="tint"]')) radio.addEventListener("change", () => { state.tint = radio.value; draw(); });
const typed = paused(350, () => {
  const unit = Number(one("#unit").value);
  if (one("#unit").value !== "" && Number.isInteger(unit) && unit >= 0) take({ unit });
});
one("#unit").addEventListener("input", typed);
one("#less").addEventListener("click", () => take({ unit: Math.max(0, state.unit - 1) }));
one("#more").addEventListener("click", () => take({ unit: Math.min(answer.units - 1, state.unit + 1) }));
one("#name").addEventListener("change", () => take({ name: one("#name").value }));
one("#to").addEventListener("change", () => take({ to: one("#to").value }));
one("#model").addEventListener("change", () => take({ model: one("#model").value, unit: START.unit, text: "" }));
one("#read").addEventListener("click", () => take({ text: one("#own").value }));
one("#back").addEventListener("click", () => { one("#own").value = ""; take({ text: "" }); });
one("#order").addEventListener("submit", (event) => { event.preventDefault(); typed(); });
load();
