// The translation page: two columns whose words answer each other, and other ways to go at every word.
import { ask, latest, link, stream, tell } from "./api.js";
import { all, copy, h, one, options, paused } from "./dom.js";
import { own, t } from "./words.js";
import { heat } from "./plot.js";
import { chars, cut, gaps, mirror, sentence, whole } from "./translation_text.js";
import { answer, clear, pointed } from "./translation_answer.js";
import { EXAMPLES, NAMES, film, tail, way } from "./translation_bench.js";
import { editor, parsed, write } from "./translation_glossary.js";

const BY_ITSELF = 2000; // characters of a text that is translated as it is typed
const IN_ADDRESS = 4000; // of one that stands in the page's address
const state = { text: "", direction: "fr-en", beam: 5, glossary: [], held: {} };
const source = one("#source"), target = one("#target"), strip = one("#strip");
const run = latest(), picking = latest();
let read = "", sentences = [], at = 0, place = null, glossary = null; // read: the text that was translated

const body = () => ({ direction: state.direction, beam: state.beam, glossary: state.glossary.map(([a, b]) => ({ source: a, target: b })) });
const textOf = (n) => cut(read, sentences[n].start, sentences[n].end);
const shown = (n) => sentences[n].candidates[sentences[n].pick ?? 0];
const marksOf = (n) => (sentences[n].marks ?? []);
const sourceWords = (n) => sentences[n].words.map((w) => cut(read, w.start, w.end));
const wordText = (n, j) => cut(shown(n).text, shown(n).words[j].start, shown(n).words[j].end);

function keep() {
  const { text, direction, beam, glossary, held } = state;
  if (text.length > IN_ADDRESS) return link.write({});
  link.write({ text, direction, beam, ...(glossary.length ? { glossary } : {}), ...(Object.keys(held).length ? { held } : {}) });
}

// --- asking ---
async function translate() {
  soon.now++;
  keep();
  tell(one("#fault"));
  if (!state.text.trim()) return empty();
  const bar = one("#progress"), paper = one("#target-paper");
  paper.setAttribute("aria-busy", "true");
  target.classList.add("busy");
  bar.hidden = false;
  one("i", bar).style.width = "0";
  picking.stop();
  const text = state.text, coming = [];
  try {
    const queued = (count) => { one("#aligned").textContent = count ? t(`前面还有 ${count} 件`, `${count} before this one`) : t("正在翻译……", "Translating …"); };
    const record = (found) => found.of && came(text, coming, found);
    const found = await run((signal) => stream("translation", { text, ...body(), nbest: Math.min(5, state.beam) }, { signal, record, queued }));
    if (!found) return;
    read = text;
    sentences = found.sentences;
    one("#notes").replaceChildren(...found.notes.map((note) => h("p", { class: "note" }, own(note))));
    at = Math.min(at, Math.max(0, sentences.length - 1));
    place = null;
    if (!(await settle())) return;
    settled();
    draw();
  } catch (error) {
    settled();
    tell(one("#fault"), error);
  }
}

// A sentence has come: it stands in the translation at once.
function came(text, coming, { done, of, sentence: one_more }) {
  if (!coming.length) target.classList.remove("busy");
  coming.push(one_more);
  one("#progress i").style.width = `${(100 * done) / of}%`;
  const between = gaps(text, coming);
  const node = sentence(one_more.candidates[0], done - 1, one_more.breaks, [], one_more.words.map((w) => cut(text, w.start, w.end)));
  if (done === 1) target.replaceChildren();
  target.append(between[done - 1], node);
}

function settled() {
  one("#progress").hidden = true;
  one("#target-paper").removeAttribute("aria-busy");
  target.classList.remove("busy");
  one("#aligned").textContent = "";
}

function empty() {
  run.stop();
  settled();
  [read, sentences, at, place] = ["", [], 0, null];
  one("#notes").replaceChildren();
  draw();
}

// What was chosen before, in the address or in another version of the text, is chosen again. False where another text
// has come meanwhile.
async function settle() {
  const kept = {}, mine = sentences;
  for (let n = 0; n < mine.length; n++) {
    const held = state.held[textOf(n)];
    if (!held) continue;
    kept[textOf(n)] = held;
    if (held.prefix) await forced(n, held.prefix);
    if (sentences !== mine) return false;
    const pick = sentences[n].candidates.findIndex((c) => c.text === held.shown);
    sentences[n].pick = Math.max(0, pick);
    sentences[n].marks = (held.marks ?? []).filter((j) => j < shown(n).words.length);
  }
  state.held = kept;
  return true;
}

async function forced(n, prefix) {
  const s = sentences[n], found = await ask("translation/choices", { text: textOf(n), ...body(), prefix, count: 0, nbest: Math.min(5, state.beam) });
  s.first ??= s.candidates;
  s.candidates = found.candidates;
  s.pick = 0;
}

// An answer comes by itself where typing has paused, unless another was asked for meanwhile.
const wait = paused(800, (count) => count === soon.now && state.text.length <= BY_ITSELF && translate());
const soon = () => wait(++soon.now);
soon.now = 0;

// --- drawing ---
function draw() {
  const between = gaps(read, sentences);
  one("#mirror").replaceChildren(...mirror(read, sentences));
  target.replaceChildren(...sentences.flatMap((s, n) => [between[n], drawn(n)]), sentences.length ? between.at(-1) : read);
  if (!sentences.length && !read) target.replaceChildren(h("span", { class: "quiet" }, t("译文会写在这里。", "The translation appears here.")));
  const first = one(".word", target);
  if (first) first.tabIndex = 0;
  one("#copy").disabled = !sentences.length;
  goTo(at);
}

const drawn = (n) => sentence(shown(n), n, sentences[n].breaks, marksOf(n), sourceWords(n));

function redraw(n, j) {
  one(`.sentence-span[data-n="${n}"]`, target).replaceWith(drawn(n));
  const word = j === undefined ? null : wordAt(n, j);
  rove(word ?? one(".word", target));
  word?.focus();
  goTo(n, true);
}

const wordAt = (n, j) => one(`.word[data-n="${n}"][data-j="${j}"]`, target);

function rove(word) {
  for (const other of all('.word[tabindex="0"]', target)) other.tabIndex = -1;
  if (word) word.tabIndex = 0;
}

// A sentence is the current one: its other translations and its attention are shown.
function goTo(n, again = false) {
  if (n !== at || again) place = null;
  at = n;
  for (const side of [one("#mirror"), target])
    for (const span of all(".sentence-span", side)) span.classList.toggle("current", sentences.length > 1 && Number(span.dataset.n) === n);
  const count = sentences.flatMap((_, k) => marksOf(k)).length;
  one("#release").hidden = !count;
  one("#release").textContent = t(`放开选过的 ${count} 个词`, `Release ${count} chosen word${count > 1 ? "s" : ""}`);
  if (place) choices();
  else best();
  attention();
}

const numbered = () => (sentences.length > 1 ? t(`第 ${at + 1} 句`, `Sentence ${at + 1}`) : t("这一句", "This sentence"));

function best() {
  one("#back").hidden = true;
  one("#release-word").hidden = true;
  if (!sentences.length) {
    one("#bench-title").textContent = t("各种译法", "Translations");
    one("#bench-said").textContent = "";
    return strip.replaceChildren();
  }
  one("#bench-title").textContent = t(`${numbered()}的几种译法`, `${numbered()}: its translations`);
  const { candidates } = sentences[at];
  strip.className = "strip";
  const into = state.direction.split("-")[1];
  strip.replaceChildren(...candidates.map((c, k) => film(c, k === (sentences[at].pick ?? 0), into, () => take(k))));
  one("#bench-said").textContent = t("数字是对数概率（也算上反方向模型读回原文的）除以长度罚分，越近 0 越好。点译文里的一个词，看那里还能走哪些路。", "The numbers are log-probabilities, with that of reading it back, over the length penalty: nearer 0 is better. Click a word of the translation to see which other ways there are.");
}

function take(k) {
  sentences[at].pick = k;
  const marks = marksOf(at), first = shown(at);
  sentences[at].marks = marks.filter((j) => j < first.words.length);
  hold(at, state.held[textOf(at)]?.prefix ?? "");
  redraw(at);
  all(".pick", strip)[k]?.focus();
}

function hold(n, prefix) {
  if (!prefix && !(sentences[n].pick ?? 0)) delete state.held[textOf(n)];
  else state.held[textOf(n)] = { prefix, marks: marksOf(n), shown: shown(n).text };
  keep();
}

// --- other words ---
async function open(n, j) {
  const words = shown(n).words, before = cut(shown(n).text, 0, words[j].start).trimEnd();
  place = { n, j, before, found: null, now: wordText(n, j) };
  goTo(n);
  try {
    const found = await picking((signal) => ask("translation/choices", { text: textOf(n), ...body(), prefix: before, count: 6, nbest: 1 }, signal));
    if (!found || !place || place.n !== n || place.j !== j) return;
    place.found = found;
    choices();
    one(".choice", strip)?.focus();
  } catch (error) {
    place = null;
    best();
    tell(one("#fault"), error);
  }
}

function choices() {
  const { n, j, before, found, now } = place;
  one("#bench-title").textContent = before ? t(`“${tail(before)}”之后`, `After “${tail(before)}”`) : t("译文的第一个词", "The first word of the translation");
  one("#back").hidden = false;
  one("#release-word").hidden = !marksOf(n).includes(j);
  one("#release-word").textContent = t(`放开“${now}”`, `Release “${now}”`);
  strip.className = "strip ways";
  strip.setAttribute("aria-busy", !found);
  one("#bench-said").textContent = found ? t("百分数是这里接着写这个词的概率；选一个，后面的重新翻译，选过的词记着。", "A percentage is the probability that this word comes next; take one, and what follows is translated anew.") : t("正在想……", "Thinking …");
  if (found) strip.replaceChildren(...found.choices.map((c) => way(c, now, before, go)));
}

async function go(choice) {
  if (busy()) return;
  const { n, j } = place, length = chars(choice.prefix).length;
  const last = choice.candidate.words.filter((w) => w.end <= length).length - 1;
  sentences[n].first ??= sentences[n].candidates;
  sentences[n].candidates = [choice.candidate];
  sentences[n].pick = 0;
  sentences[n].marks = [...marksOf(n).filter((m) => m < j), Math.max(0, last)];
  hold(n, choice.prefix);
  redraw(n, Math.max(0, last));
  await again(n, choice.prefix);
}

// The translations that begin with what was chosen.
async function again(n, prefix) {
  try {
    const text = textOf(n), found = await picking(() => forced(n, prefix).then(() => true));
    if (found && sentences[n] && textOf(n) === text && at === n && !place) best();
  } catch (error) {
    tell(one("#fault"), error);
  }
}

// A chosen word is released, and those behind it.
async function release(n, j) {
  const marks = marksOf(n).filter((m) => m < j), candidate = shown(n);
  sentences[n].marks = marks;
  place = null;
  if (marks.length) {
    const prefix = cut(candidate.text, 0, candidate.words[marks.at(-1)].end);
    await forced(n, prefix).catch((error) => tell(one("#fault"), error));
    hold(n, prefix);
  } else {
    sentences[n].candidates = sentences[n].first ?? sentences[n].candidates;
    sentences[n].pick = 0;
    hold(n, "");
  }
  redraw(n, Math.min(j, shown(n).words.length - 1));
}

// --- who answers whom ---
function answers(side, word) {
  const n = Number(word.dataset.n);
  if (sentences[n]) answer(side, n, Number(side === "source" ? word.dataset.i : word.dataset.j), shown(n));
}

function quietened() {
  const word = document.activeElement?.closest?.("#target .word");
  if (word) return answers("target", word);
  clear();
  one("#aligned").textContent = "";
}

// The word of the source at the caret.
function caret() {
  if (document.activeElement !== source || read !== source.value) return;
  const here = chars(source.value.slice(0, source.selectionStart)).length;
  const n = sentences.findIndex((s) => s.start <= here && here <= s.end);
  if (n < 0) return clear();
  const i = sentences[n].words.findIndex((w) => w.start <= here && here <= w.end);
  if (n !== at) goTo(n);
  if (i >= 0) answer("source", n, i, shown(n));
}

function attention() {
  const box = one("#heat");
  if (!sentences.length) return box.replaceChildren();
  const c = shown(at), rows = c.words.map((w) => ({ name: cut(c.text, w.start, w.end) })), columns = sourceWords(at);
  const wide = (names) => Math.max(...names.map((name) => 12 + 7.2 * name.length), 30);
  heat(box, { title: t("每个译词对原文各词的注意力", "the attention of each word of the translation to each of the source"), rows, columns, values: c.alignment, left: wide(rows.map((r) => r.name)), top: wide(columns) });
}

// --- wiring ---
function moved(event) {
  const words = all(".word", target), k = words.indexOf(document.activeElement);
  if (k < 0) return;
  const [n, j] = [Number(words[k].dataset.n), Number(words[k].dataset.j)];
  const to = { ArrowRight: k + 1, ArrowLeft: k - 1, ArrowDown: k + 1, ArrowUp: k - 1, Home: 0, End: words.length - 1 }[event.key];
  if (to !== undefined) words[Math.max(0, Math.min(words.length - 1, to))].focus();
  else if (event.key === "Enter" || event.key === " ") open(n, j);
  else if ((event.key === "Delete" || event.key === "Backspace") && marksOf(n).includes(j)) release(n, j);
  else return;
  event.preventDefault();
}

const busy = () => target.parentElement.hasAttribute("aria-busy");
target.addEventListener("keydown", (event) => busy() || moved(event));
target.addEventListener("click", (event) => { const word = event.target.closest(".word"); if (word && !busy()) open(Number(word.dataset.n), Number(word.dataset.j)); });
target.addEventListener("mouseover", (event) => { const word = event.target.closest(".word"); if (word && !busy()) answers("target", word); });
target.addEventListener("mouseleave", quietened);
target.addEventListener("focusin", (event) => {
  const word = event.target.closest(".word");
  if (!word || busy()) return;
  rove(word);
  if (Number(word.dataset.n) !== at) goTo(Number(word.dataset.n));
  answers("target", word);
});
one("#source-paper").addEventListener("mousemove", (event) => {
  const word = read === source.value && !busy() ? pointed(event) : null;
  if (word) answers("source", word);
  else quietened();
});
one("#source-paper").addEventListener("mouseleave", quietened);
document.addEventListener("selectionchange", caret);
source.addEventListener("input", () => {
  state.text = source.value;
  one("#mirror").replaceChildren(...mirror(source.value, []));
  target.classList.add("busy");
  soon();
});
one("#bench").addEventListener("keydown", (event) => { if (event.key === "Escape" && place) backToWord(); });
function backToWord() {
  const { n, j } = place;
  place = null;
  best();
  wordAt(n, j)?.focus();
}
one("#back").addEventListener("click", backToWord);
one("#release-word").addEventListener("click", () => release(place.n, place.j));
one("#release").addEventListener("click", () => {
  sentences.forEach((s) => { s.candidates = s.first ?? s.candidates; s.marks = []; s.pick = 0; });
  state.held = {};
  place = null;
  keep();
  draw();
});
one("#copy").addEventListener("click", (event) => copy(whole(read, sentences, shown), event.currentTarget));
one("#order").addEventListener("submit", (event) => event.preventDefault());
one("#go").addEventListener("click", translate);
one("#beam").addEventListener("change", (event) => { state.beam = Number(event.target.value); state.held = {}; translate(); });
one("#direction").addEventListener("change", (event) => { state.direction = event.target.value; state.held = {}; examples(); load(examplesOf()[0]); });
one("#open-glossary").addEventListener("click", () => one("#file-glossary").click());
one("#file-glossary").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  glossary.show(parsed(await file.text()));
  entered(glossary.whole());
  event.target.value = "";
});
one("#save-glossary").addEventListener("click", () => write(state.glossary));

function entered(entries) {
  state.glossary = entries;
  one("#save-glossary").hidden = !entries.length;
  state.held = {};
  soon();
}

const examplesOf = () => EXAMPLES[state.direction.split("-")[0]] ?? EXAMPLES.fr;

function examples() {
  one("#examples").replaceChildren(...examplesOf().map((example) => h("button", { type: "button", class: "small", onclick: () => load(example) }, example[0])));
}

function load([, text, entries = []]) {
  Object.assign(state, { text, glossary: entries, held: {} });
  at = 0;
  filled();
  translate();
}

function filled() {
  source.value = state.text;
  [source.lang, target.lang] = state.direction.split("-");
  one("#beam").value = String(state.beam);
  one("#mirror").replaceChildren(...mirror(state.text, []));
  glossary?.show(state.glossary);
  one("#save-glossary").hidden = !state.glossary.length;
}

async function start() {
  const given = link.read();
  for (const [key, value] of Object.entries(given)) if (key in state && typeof value === typeof state[key]) state[key] = value;
  const pair = (entry) => Array.isArray(entry) && entry.length === 2 && entry.every((v) => typeof v === "string");
  state.glossary = Array.isArray(state.glossary) ? state.glossary.filter(pair) : [];
  if (Array.isArray(state.held) || state.held === null) state.held = {};
  if (typeof given.text !== "string") state.text = examplesOf()[0][1];
  glossary = editor(one("#entries"), state.glossary, entered);
  filled();
  try {
    const { directions } = await ask("translation/directions");
    if (directions.length && !directions.includes(state.direction)) state.direction = directions[0];
    one("#direction").replaceChildren(...options(directions.map((d) => [d, d.split("-").map((code) => NAMES[code] ?? code).join(" → ")]), state.direction));
    one("#direction").disabled = directions.length < 2;
    if (!directions.length) throw Object.assign(new Error(t("还没有翻译模型", "There is no model of translation yet")));
  } catch (error) {
    one("#fault").hidden = false;
    one("#fault").textContent = error.message;
    return;
  }
  examples();
  draw();
  translate();
}

start();
addEventListener("hashchange", () => location.reload());
