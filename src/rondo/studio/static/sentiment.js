// The sentiment desk: a text with what each piece adds, its class, strength and targets; and tables of texts.
import { ask, latest, link, tell } from "./api.js";
import { all, copy, h, one, save } from "./dom.js";
import { report } from "./sentiment_report.js";
import { table } from "./sentiment_table.js";
import { chinese } from "./text_common.js";
import { classes, gauge, inspector, sentence, signed, starBars, stars, targets } from "./sentiment_view.js";
import { lang, own, t } from "./words.js";

const EXAMPLES = [
  "菜很好吃但是服务太慢", "我爱北京天安门", "政府采取的这个政策很不合理啊", "北京是中国首都", "There is nothing to like in this movie.",
  "房间很干净，早餐一般，前台的态度让人生气😡", "這部電影的音樂很美，可是故事太無聊了", "A warm, funny film with a wonderful cast.",
];
const START = { text: EXAMPLES[0], language: "", targets: null, tab: "text" };
const run = latest(), field = one("#text");
let state = begun(link.read()), answer, chars = [], chosen = [0, 0], dragging = false;

function begun(given) {
  const fits = (name) => typeof given?.[name] === typeof START[name];
  const asked = Array.isArray(given?.targets) && given.targets.every((x) => typeof x === "string") ? given.targets : null;
  return { text: fits("text") ? given.text : START.text, language: ["zh", "en"].includes(given?.language) ? given.language : "", targets: asked, tab: given?.tab === "table" ? "table" : "text" };
}

const remember = () => link.write(Object.fromEntries(Object.entries(state).filter(([name, value]) => name === "text" || value !== START[name])));

async function judge() {
  const result = one("#result");
  result.classList.add("busy");
  result.setAttribute("aria-busy", "true");
  one("#said").textContent = t("正在判断……", "judging …");
  try {
    const found = await run((signal) => ask("sentiment", { text: state.text, language: state.language, targets: state.targets }, signal));
    if (!found) return;
    tell(one("#fault"));
    [answer, chars] = [found, Array.from(found.text)];
    remember();
    draw();
  } catch (error) {
    tell(one("#fault"), error);
  } finally {
    result.classList.remove("busy");
    result.setAttribute("aria-busy", "false");
    one("#said").textContent = "";
  }
}

function draw() {
  const paper = one("#sentence");
  paper.className = ["tinted serif", chars.length > 120 ? "long" : chars.length > (answer.language === "zh" ? 36 : 60) ? "middle" : "", answer.language === "zh" || chinese(answer.text) ? "zh" : "en"].join(" ");
  paper.lang = answer.language;
  paper.replaceChildren(...sentence(answer, chars));
  const total = answer.pieces.reduce((sum, p) => sum + p.weight, 0), all_of_it = Math.log(answer.probabilities.positive / answer.probabilities.negative);
  one("#scale").textContent = answer.pieces.length && Number.isFinite(all_of_it) ? t(`各字合计 ${signed(total)}，一个字也不认得时是 ${signed(all_of_it - total)}，加起来 ${signed(all_of_it)}：正面对负面的对数胜算。`, `In sum ${signed(total)}, beside ${signed(all_of_it - total)} of a text of unknown words: ${signed(all_of_it)}, the log-odds of positive against negative.`) : "";
  one("#gauge").replaceChildren(gauge(answer));
  one("#classes").replaceChildren(...classes(answer));
  one("#stars").replaceChildren(...stars(answer));
  one("#star-bars").replaceChildren(...starBars(answer));
  one("#targets").replaceChildren(...targets(answer, { show: point, drop }));
  one("#notes").replaceChildren(...answer.notes.map((note) => h("p", { class: "note" }, own(note))));
  one("#found").hidden = state.targets === null;
  const strongest = answer.pieces.reduce((best, p, k) => (Math.abs(p.weight) > Math.abs(answer.pieces[best].weight) ? k : best), 0);
  select(strongest, strongest, false);
}

// pieces that are selected: first and last
function select(from, to, focus = true) {
  const last = answer.pieces.length - 1;
  if (last < 0) return one("#inspect").replaceChildren();
  const within = (k) => Math.min(last, Math.max(0, k));
  chosen = [within(from), within(to)];
  const [a, b] = [Math.min(...chosen), Math.max(...chosen)];
  for (const e of all(".piece")) {
    const k = Number(e.dataset.piece);
    e.setAttribute("aria-selected", focus && k >= a && k <= b);
    e.tabIndex = k === chosen[1] ? 0 : -1;
  }
  const weight = answer.pieces.slice(a, b + 1).reduce((sum, p) => sum + p.weight, 0);
  one("#inspect").replaceChildren(...inspector(spelled(a, b), weight, b - a + 1, question));
  if (focus) one(`[data-piece="${chosen[1]}"]`).focus({ preventScroll: !focus });
}

const spelled = (a, b) => chars.slice(answer.pieces[a].start, answer.pieces[b].end).join("");

// Asks about what is selected, beside what is asked about already.
function question() {
  if (!answer.pieces.length) return;
  const [a, b] = [Math.min(...chosen), Math.max(...chosen)];
  aim([...(state.targets ?? answer.targets.map((x) => x.text)), spelled(a, b).slice(0, 100)]);
}

function aim(wanted) {
  state.targets = wanted && [...new Set(wanted.map((x) => x.trim()).filter(Boolean))];
  judge();
}

const drop = (target) => aim(answer.targets.map((x) => x.text).filter((x) => x !== target.text));

function point(target) {
  if (target.start == null) return;
  const held = answer.pieces.flatMap((p, k) => (p.start < target.end && target.start < p.end ? [k] : []));
  select(held[0], held.at(-1));
}

// the text
const paper = one("#sentence");
const numbered = (event) => { const at = event.target.closest?.(".piece")?.dataset.piece; return at === undefined ? null : Number(at); };
paper.addEventListener("pointerdown", (event) => {
  const k = numbered(event);
  if (k === null) return;
  const [a, b] = [Math.min(...chosen), Math.max(...chosen)];
  const beside = event.pointerType === "touch" && (k === a - 1 || k === b + 1) && one('.piece[aria-selected="true"]');
  dragging = event.pointerType !== "touch";
  if (event.pointerType !== "touch") event.preventDefault();
  if (beside) select(k < a ? b : a, k);
  else select(event.shiftKey ? chosen[0] : k, k);
});
paper.addEventListener("pointerover", (event) => {
  const k = numbered(event);
  if (k === null) return;
  if (dragging) select(chosen[0], k);
  else if (!one('.piece[aria-selected="true"]')) select(k, k, false);
});
addEventListener("pointerup", () => (dragging = false));
paper.addEventListener("focusin", (event) => { const k = numbered(event); if (k !== null && k !== chosen[1]) select(k, k); });
paper.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) question();
  else if (event.key === "Escape") select(chosen[1], chosen[1], false);
  else if (step) select(event.shiftKey ? chosen[0] : chosen[1] + step, chosen[1] + step);
  else if (event.key === "Home") select(0, 0);
  else if (event.key === "End") select(Infinity, Infinity);
  else return;
  event.preventDefault();
});

function begin(text) {
  Object.assign(state, { text, targets: null });
  field.value = text;
  judge();
}

one("#ask").addEventListener("submit", (event) => (event.preventDefault(), begin(field.value)));
field.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); if (!event.ctrlKey && !event.metaKey) begin(field.value); } });
one("#examples").append(...EXAMPLES.map((text) => h("button", { type: "button", class: "small serif", onclick: () => begin(text) }, text)));
one("#add").addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = one("#target").value.trim();
  if (!wanted || !answer) return;
  one("#target").value = "";
  aim([...(state.targets ?? answer.targets.map((x) => x.text)), wanted]);
});
one("#found").addEventListener("click", () => aim(null));
one("#language-of").value = state.language;
one("#language-of").addEventListener("change", (event) => ((state.language = event.target.value), judge()));
one("#copy-link").addEventListener("click", (event) => copy(location.href, event.target));
one("#copy-json").addEventListener("click", (event) => copy(JSON.stringify(answer, null, 1), event.target));
one("#report").addEventListener("click", async () => save(new Blob([await report(answer)], { type: "text/html" }), t("情感报告.html", "sentiment.html")));

// tabs (frame.js shows and hides them)
const desk = table();
new MutationObserver(() => {
  const tab = one("#tab-table").getAttribute("aria-selected") === "true" ? "table" : "text";
  if (tab === state.tab) return;
  state.tab = tab;
  remember();
  if (tab === "table") desk.show();
}).observe(one('[role="tablist"]'), { attributes: true, subtree: true, attributeFilter: ["aria-selected"] });

field.value = state.text;
if (state.tab === "table") {
  one("#tab-table").click();
  desk.show();
}
judge();
