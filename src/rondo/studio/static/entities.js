// The entities desk: a text, its names, corrections around which the rest is read again, a dictionary, files.
import { ask, latest, link, stream, tell } from "./api.js";
import { h, one, paused, save } from "./dom.js";
import { changes, hint, inspector, padlock, readings, told, type_of_key, whence } from "./entities_panel.js";
import { entries, legend, names_list, parsed, type_options } from "./entities_lists.js";
import { LOW, called, counted, leaf } from "./entities_text.js";
import { percent } from "./text_common.js";
import { lang, own, t } from "./words.js";

const EXAMPLES = [
  ["en", t("课上的一句", "the lecture's"), "Yesterday, Harry Potter met Hermione Granger."],
  ["zh", t("新闻", "Chinese news"), "昨天上午，杭州市教育局局长陈思远来到上海，与网易公司、清华大学签约。作家余华说，他的孩子最爱玩《王者荣耀》。"],
  ["zh", t("影视与游戏", "film and game, Chinese"), "周末和李明去看了《流浪地球》，回家又打了两局《王者荣耀》。\n他说导演郭帆是山东济宁人。"],
  ["en", t("英文新闻", "news"), "Maria Keller left the World Bank in Geneva on Monday.\nShe will join Amina Yusuf at the University of Nairobi, her lawyer told the BBC."],
  ["en", t("球队还是城市", "clubs or cities"), "Chelsea lost to Liverpool, said Jackson. Then he flew home to London."],
];
const START = { text: EXAMPLES[lang === "zh" ? 1 : 0][2], language: "", fixed: [], dictionary: [], off: [] };
const ADDRESS = 3000; // characters of a text that an address holds; longer ones stay with this tab
const FLASH = 5000; // milliseconds for which a change is marked

const run = latest(), side = latest(), sheet = leaf(one("#leaf"));
let state = { ...START }, answer, at, flash = { fresh: new Set(), gone: [] }, timer;

// state and its address
function keep() {
  const long = state.text.length > ADDRESS || state.dictionary.length > 100;
  try { long ? sessionStorage.setItem("entities", JSON.stringify(state)) : sessionStorage.removeItem("entities"); } catch { /* no room: only the address is kept */ }
  const changed = Object.fromEntries(Object.entries(state).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(START[name])));
  link.write(long ? { long: true } : changed);
}

function restored() {
  let given = link.read();
  if (given?.long) try { given = JSON.parse(sessionStorage.getItem("entities")); } catch { given = {}; }
  for (const [name, value] of Object.entries(given ?? {})) if (typeof value === typeof START[name] && Array.isArray(value) === Array.isArray(START[name])) state[name] = value;
}

const body = () => {
  const { point } = counted(state.text);
  const usable = (type) => !answer || type === "" || answer.types.includes(type);
  return {
    text: state.text, language: state.language, dictionary: state.dictionary.filter((e) => usable(e.type)),
    fixed: state.fixed.filter((f) => usable(f.type)).map((f) => ({ ...f, start: point(f.start), end: point(f.end) })),
  };
};

// Reads the text. about: the place that was corrected, whose effect elsewhere is shown.
async function find(about) {
  keep();
  clear_flash();
  if (!state.text.trim()) return blank();
  const slow = setTimeout(() => one("#leaf").classList.add("busy"), 250);
  const order = body(), size = Math.max(1, [...order.text].length);
  try {
    const found = await run((signal) => stream("entities", order, { signal, queued: waiting, record: (r) => progress(r, size) }));
    if (!found) return;
    tell(one("#fault"));
    const before = answer, switched = before && before.language !== found.language;
    answer = in_units(found);
    if (switched && refit(before)) return find();
    if (about && before?.text === answer.text) tell_changes(before, about);
    draw();
  } catch (error) {
    one("#leaf").classList.add("stale");
    tell(one("#fault"), error);
  } finally {
    clearTimeout(slow);
    one("#leaf").classList.remove("busy");
    one("#progress").hidden = true;
  }
}

function waiting(n) { if (n) one("#because").textContent = t(`前面还有 ${n} 位`, `${n} before you`); }

function progress(r, size) {
  if (r.done == null || size < 12000) return;
  one("#progress").hidden = false;
  one("#progress i").style.width = `${(100 * r.done) / size}%`;
}

function blank() {
  run.stop();
  answer = undefined;
  tell(one("#fault"));
  draw();
}

// The answer with places in UTF-16.
function in_units(found) {
  const { unit } = counted(found.text), moved = (e) => ({ ...e, start: unit(e.start), end: unit(e.end) });
  return { ...found, entities: found.entities.map(moved), sentences: found.sentences.map((s) => ({ ...moved(s), alternatives: s.alternatives.map((a) => ({ ...a, entities: a.entities.map(moved) })) })) };
}

// Another model has other types: what was said in its words is said in the new ones where they mean the same.
function refit(before) {
  const fit = (type) => (type === "" || answer.types.includes(type) ? type : answer.types.find((other) => answer.names[other].en === before.names[type]?.en) ?? type);
  const asked = JSON.stringify([state.fixed, state.dictionary]);
  state.dictionary = state.dictionary.map((e) => ({ ...e, type: fit(e.type) }));
  state.fixed = state.fixed.map((f) => ({ ...f, type: fit(f.type) })).filter((f) => f.type === "" || answer.types.includes(f.type));
  state.off = state.off.filter((type) => answer.types.includes(type));
  return state.fixed.length + state.dictionary.length > 0 && asked !== JSON.stringify([state.fixed, state.dictionary]);
}

function tell_changes(before, about) {
  const found = changes(before.entities, answer.entities, about);
  flash = { fresh: new Set([...found.added, ...found.retyped].map((e) => e.start)), gone: found.gone };
  one("#because").textContent = about.released ? t("放开了。", "Released.") : told(found, answer.names);
  timer = setTimeout(() => { clear_flash(); draw(false); }, FLASH);
}

function clear_flash() {
  clearTimeout(timer);
  flash = { fresh: new Set(), gone: [] };
}

// What is marked in the text: names, places that were said to be none, and for a moment what has gone.
function marks() {
  const off = new Set(state.off), overlaps = (a, b) => a.start < b.end && b.start < a.end;
  const names = answer.entities.filter((e) => !off.has(e.type)).map((e) => ({ ...e, fresh: flash.fresh.has(e.start) }));
  const none = state.fixed.filter((f) => f.type === "").map((f) => ({ ...f, text: answer.text.slice(f.start, f.end), p: 1, by: "fixed" }));
  const gone = flash.gone.filter((g) => ![...names, ...none].some((e) => overlaps(e, g))).map((g) => ({ ...g, gone: true }));
  return [...names, ...none, ...gone].sort((a, b) => a.start - b.start);
}

function draw(panel = true) {
  const found = answer ?? { text: "", types: [], names: {}, entities: [], sentences: [], notes: [] };
  const paper = one("#leaf"), focused = document.activeElement === paper, held = focused ? sheet.place() : undefined;
  paper.classList.remove("stale");
  paper.classList.toggle("zh", found.language === "zh");
  paper.lang = found.language ?? lang;
  if (answer) sheet.draw(found.text, marks(), found.names);
  else { sheet.draw("", [], {}); paper.firstChild.replaceChildren(h("span", { class: "quiet empty" }, t("上面还没有文字：写一句，或取一个例子。", "There is no text above yet: type one, or take an example."))); }
  if (held && answer) sheet.select(Math.min(held.start, found.text.length), Math.min(held.end, found.text.length));
  one("#legend").replaceChildren(...legend(found, new Set(state.off), turn_type));
  one("#reads").options[0].textContent = found.language && !state.language ? t(`自动：${found.language === "zh" ? "中文" : "英文"}`, `automatic: ${found.language === "zh" ? "Chinese" : "English"}`) : t("自动", "automatic");
  one("#notes").replaceChildren(...found.notes.map((n) => h("p", { class: "note" }, own(n))));
  for (const id of ["json", "conll"]) one(`#${id}`).disabled = !answer;
  one("#release").hidden = !state.fixed.length;
  one("#release").replaceChildren(padlock(), t(`放开 ${state.fixed.length} 处更正`, `Release ${state.fixed.length} correction${state.fixed.length > 1 ? "s" : ""}`));
  const listed = names_list(found, visit);
  one("#names").replaceChildren(listed.rows);
  one("#names-count").textContent = listed.size ? t(`${listed.size} 个，${found.entities.length} 处`, `${listed.size}, at ${found.entities.length} places`) : "";
  draw_dictionary(found);
  if (panel) show();
}

function turn_type(type) {
  state.off = state.off.includes(type) ? state.off.filter((other) => other !== type) : [...state.off, type];
  keep();
  draw();
  one(`#legend [data-type="${type}"]`)?.focus();
}

// the place that is chosen
const mark_at = (place) => {
  const all = marks().filter((m) => !m.gone);
  return all.find((m) => m.start <= place.start && place.end <= m.end && place.start < m.end) ?? (place.start === place.end ? all.find((m) => m.end === place.start) : undefined);
};
const trimmed = ({ start, end }) => {
  const text = answer.text.slice(start, end);
  return { start: start + text.length - text.trimStart().length, end: end - (text.length - text.trimEnd().length) };
};

function looked() {
  if (!answer || !at) return undefined;
  const mark = mark_at(at);
  if (mark && (at.start === at.end || (at.start === mark.start && at.end === mark.end))) return mark;
  if (at.start === at.end) return undefined;
  const place = trimmed(at);
  return place.start < place.end ? { ...place, text: answer.text.slice(place.start, place.end) } : undefined;
}

function show() {
  const place = looked(), box = one("#chosen"), focus = box.contains(document.activeElement) ? [...box.querySelectorAll("button")].indexOf(document.activeElement) : -1;
  box.replaceChildren(...(place ? inspector(place, answer, { give: (type) => correct(place, type), release: () => correct(place), everywhere: () => everywhere(place), readings: () => open_readings(place), step }) : answer ? [hint(answer.entities.length)] : []));
  if (focus >= 0) (box.querySelectorAll("button")[focus] ?? box.querySelector("button") ?? one("#leaf")).focus();
  one("#panel").classList.toggle("open", Boolean(place));
  one("#said").textContent = place ? spoken(place) : "";
  sheet.choose(place?.type === undefined ? null : place.start);
  const span = one("#leaf .chosen")?.getBoundingClientRect();
  if (span && span.top < innerHeight && span.bottom > one("#panel").getBoundingClientRect().top) one("#leaf .chosen").scrollIntoView({ block: "center" }); // not under the panel
}

const spoken = (place) => [place.text, place.type === undefined ? t("选中", "selected") : called(answer.names, place.type), place.by === "model" ? percent(place.p) : place.by && whence(place.by)].filter(Boolean).join(t("，", ", "));

document.addEventListener("selectionchange", () => {
  const place = sheet.place();
  if (!place || !answer || (at && at.start === place.start && at.end === place.end)) return;
  at = place;
  show();
});

// A correction: this place is an entity of a type, or none (""); without a type it is released.
function correct(place, type) {
  state.fixed = state.fixed.filter((f) => f.end <= place.start || f.start >= place.end);
  if (type !== undefined) state.fixed = [...state.fixed, { start: place.start, end: place.end, type }].sort((a, b) => a.start - b.start);
  at = { start: place.start, end: place.start };
  state.off = state.off.filter((other) => other !== type);
  if (document.activeElement === one("#leaf")) sheet.select(place.start);
  return find({ start: place.start, end: place.end, released: type === undefined });
}

function everywhere(place) {
  put([{ text: place.text.replace(/\s+/g, " "), type: place.type }]);
}

function visit(places) {
  const next = places.find((start) => start > (at?.start ?? -1)) ?? places[0];
  go(next);
}

function go(start) {
  at = { start, end: start };
  one("#leaf").focus({ preventScroll: true });
  sheet.select(start);
  show();
}

function step(by) {
  if (!answer) return;
  const starts = marks().filter((m) => !m.gone).map((m) => m.start), here = at ? mark_at(at)?.start ?? at.start : -1;
  const next = by > 0 ? starts.find((s) => s > here) ?? starts[0] : starts.findLast((s) => s < here) ?? starts.at(-1);
  if (next !== undefined) go(next);
}

one("#leaf").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !answer) return;
  const place = looked(), type = type_of_key(answer.types, event.key);
  if (event.key === "n" || event.key === "p") step(event.key === "n" ? 1 : -1);
  else if (place && type !== undefined) correct(place, type);
  else if (place && (event.key === "Delete" || event.key === "Backspace")) correct(place, "");
  else if (place?.type !== undefined && event.key === "l") correct(place, place.by === "fixed" ? undefined : place.type);
  else if (event.key === "Enter") one("#chosen button")?.focus();
  else if (event.key === "Escape" && at) sheet.select(at.start);
  else if (event.key.length === 1) one("#because").textContent = t("要改文字，请到上面的框里。", "To change the text itself, go to the box above.");
  else return;
  event.preventDefault();
});
one("#panel").addEventListener("keydown", (event) => { if (event.key === "Escape") { one("#leaf").focus(); if (at) sheet.select(at.start); event.stopPropagation(); } });
// An input method writes without asking: what it wrote goes.
one("#leaf").addEventListener("compositionend", () => setTimeout(() => {
  sheet.forget();
  draw();
  if (at) sheet.select(at.start);
}));

// confidence on hover
one("#leaf").addEventListener("pointerover", (event) => {
  const span = event.target.closest?.(".name"), tip = one("#tip");
  const mark = span && answer ? marks().find((m) => m.start === sheet.start_of(span)) : undefined;
  tip.hidden = !mark;
  if (!mark) return;
  tip.replaceChildren(h("b", {}, called(answer.names, mark.type)), mark.gone ? t(" · 刚才还在", " · a moment ago") : mark.by === "model" ? ` ${percent(mark.p)}` : ` · ${whence(mark.by)}`, mark.by === "model" && mark.p < LOW ? t(" · 不太有把握", " · not sure") : "");
  const box = span.getClientRects()[0], paper = one(".sheet").getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(box.left - paper.left, paper.width - tip.offsetWidth - 4))}px`;
  tip.style.top = `${box.top - paper.top - tip.offsetHeight - 6}px`;
});
one("#leaf").addEventListener("pointerleave", () => (one("#tip").hidden = true));

// readings of a sentence
async function open_readings(place) {
  const sentence = answer.sentences.find((s) => s.start < place.end && place.start < s.end);
  if (!sentence) return;
  const text = answer.text.slice(sentence.start, sentence.end), { point, unit } = counted(text);
  const fixed = state.fixed.filter((f) => f.start >= sentence.start && f.end <= sentence.end).map((f) => ({ ...f, start: point(f.start - sentence.start), end: point(f.end - sentence.start) }));
  try {
    const found = await side((signal) => ask("entities", { ...body(), text, fixed, language: answer.language, nbest: 6 }, signal));
    if (!found) return;
    const all = found.sentences[0].alternatives.filter((a, k) => k === 0 || a.p >= 0.0005).map((a) => ({ p: a.p, entities: a.entities.map((e) => ({ ...e, start: unit(e.start), end: unit(e.end) })) }));
    one("#readings").hidden = false;
    one("#alternatives").replaceChildren(...readings(text, all, answer.names, (reading) => take(sentence, reading)));
    one("#alternatives button").focus();
    one("#readings").scrollIntoView({ block: "nearest" });
  } catch (error) { tell(one("#fault"), error); }
}

function take(sentence, reading) {
  const names = reading.entities.map((e) => ({ start: e.start + sentence.start, end: e.end + sentence.start, type: e.type }));
  const inside = (e) => e.start < sentence.end && sentence.start < e.end, apart = (e) => !names.some((n) => n.start < e.end && e.start < n.end);
  const none = answer.entities.filter((e) => inside(e) && apart(e)).map((e) => ({ start: e.start, end: e.end, type: "" }));
  state.fixed = [...state.fixed.filter((f) => !inside(f)), ...names, ...none].sort((a, b) => a.start - b.start);
  close_readings();
  find();
}

function close_readings() {
  one("#readings").hidden = true;
  one("#leaf").focus({ preventScroll: true });
  if (at) sheet.select(at.start);
}
one("#readings-close").addEventListener("click", close_readings);
one("#readings").addEventListener("keydown", (event) => { if (event.key === "Escape") close_readings(); });

// the dictionary
function put(rows) {
  const own_rows = new Map(state.dictionary.map((e) => [e.text, e]));
  for (const row of rows) own_rows.set(row.text, row);
  state.dictionary = [...own_rows.values()];
  find();
}

function draw_dictionary(found) {
  const chosen = one("#term-type").value;
  one("#term-type").replaceChildren(...type_options(found, found.types.includes(chosen) ? chosen : found.types.find((type) => type === "person" || type === "name") ?? found.types[0]));
  const on = {
    change: (k, type) => { state.dictionary = state.dictionary.map((e, n) => (n === k ? { ...e, type } : e)); find(); },
    remove: (k) => { state.dictionary = state.dictionary.filter((_, n) => n !== k); find(); one("#term").focus(); },
  };
  one("#entries").replaceChildren(...(state.dictionary.length ? entries(state.dictionary, found, on) : []));
  for (const id of ["save-entries", "no-entries"]) one(`#${id}`).hidden = !state.dictionary.length;
}

const accept = (text) => { const rows = parsed(text, one("#term-type").value); if (rows.length) put(rows); };
one("#add").addEventListener("submit", (event) => { event.preventDefault(); accept(one("#term").value); one("#term").value = ""; one("#term").focus(); });
one("#term").addEventListener("paste", (event) => {
  const text = event.clipboardData.getData("text");
  if (/[\t\n]/.test(text.trim())) { event.preventDefault(); accept(text); }
});
one("#open-entries").addEventListener("click", () => one("#file-entries").click());
one("#file-entries").addEventListener("change", async (event) => { const [file] = event.target.files; if (file) accept(await file.text()); event.target.value = ""; });
one("#save-entries").addEventListener("click", () => save(new Blob([state.dictionary.map((e) => `${e.text}\t${e.type}\n`).join("")], { type: "text/tab-separated-values" }), "names.tsv"));
one("#no-entries").addEventListener("click", () => { state.dictionary = []; find(); });

// files
one("#json").addEventListener("click", async () => {
  const found = await ask("entities", body()).catch((error) => tell(one("#fault"), error));
  if (found) save(new Blob([JSON.stringify(found, null, 1)], { type: "application/json" }), "entities.json");
});
one("#conll").addEventListener("click", async () => {
  const found = await ask("entities/conll", body()).catch((error) => tell(one("#fault"), error));
  if (found) save(new Blob([found.conll], { type: "text/plain" }), "entities.conll");
});
one("#release").addEventListener("click", () => { state.fixed = []; one("#leaf").focus(); find({ start: 0, end: 0, released: true }); });

// the text: corrections before and behind what is typed stay, those within it go
function retyped(text) {
  const old = state.text, most = Math.min(old.length, text.length);
  let head = 0, tail = 0;
  while (head < most && old[head] === text[head]) head++;
  while (tail < most - head && old.at(-1 - tail) === text.at(-1 - tail)) tail++;
  const by = text.length - old.length;
  state.fixed = state.fixed.flatMap((f) => (f.end <= head ? [f] : f.start >= old.length - tail ? [{ ...f, start: f.start + by, end: f.end + by }] : []));
  [state.text, at] = [text, undefined];
  one("#readings").hidden = true;
}
const soon = paused(350, () => find()), later = paused(1200, () => find());
one("#text").addEventListener("input", () => { retyped(one("#text").value); (state.text.length > 20000 ? later : soon)(); });
one("#order").addEventListener("submit", (event) => event.preventDefault());
one("#reads").addEventListener("change", () => { state.language = one("#reads").value; find(); });

one("#examples").replaceChildren(...EXAMPLES.map(([of, name, text]) => h("button", { type: "button", class: "small", "data-example": of, onclick: () => {
  state = { ...state, text, language: "", fixed: [], off: [] };
  at = undefined;
  one("#readings").hidden = true;
  fill();
  find();
} }, name)));

function fill() {
  one("#text").value = state.text;
  one("#reads").value = state.language;
}

restored();
fill();
await find();
