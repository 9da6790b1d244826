// The music page: a tune that is written bar by bar, and a melody in four voices.
import { ask, latest, link, tell } from "./api.js";
import { copy, h, one, options, paused, save } from "./dom.js";
import { own, t } from "./words.js";
import { clock, player } from "./music_play.js";
import { Score, page_width } from "./music_score.js";
import { chorale } from "./music_chorale.js";

const KEYS = ["", "Gmaj", "Dmaj", "Amaj", "Cmaj", "Fmaj", "Bbmaj", "Emaj", "Ador", "Edor", "Dmix", "Amix", "Emin", "Amin", "Bmin", "Dmin", "Gmin"];
const MODES = { maj: ["大调", "major"], min: ["小调", "minor"], dor: ["多利亚", "dorian"], mix: ["混合利底亚", "mixolydian"] };
const FIRST = { metre: "6/8", key: "Gmaj", sections: 2, bars: 8, temperature: 0.8, seed: 7 };
const state = { ...FIRST, abc: "", locked: [], ...link.read().tune };
const run = latest();
let answer, at, speed = 1;

const sound = player({ at: head, changed: (playing) => {
  one("#play").setAttribute("aria-pressed", playing);
  one("#play span").textContent = playing ? "❚❚" : "▶";
  one("#play").setAttribute("aria-label", playing ? t("停下", "pause") : t("播放", "play"));
} });
const score = new Score(one("#score"), { bar: (k, event) => (event.detail === 2 ? from(k) : toggle(k)) });
score.follow = true;

const called = (name) => { const mode = name.slice(-3); return `${name.slice(0, -3).replace("b", "♭").replace("#", "♯")} ${t(...(MODES[mode] ?? [mode, mode]))}`; };
const keep = () => link.write({ tune: { ...state, abc: state.abc.length > 6000 ? "" : state.abc }, ...(one("#tab-chorale").getAttribute("aria-selected") === "true" ? { chorale: four.state() } : {}) });

// asking
async function write(task, extra = {}) {
  tell(one("#fault"));
  one("#leaf").setAttribute("aria-busy", "true");
  one("#score").classList.add("busy");
  one("#progress").hidden = false;
  one("#progress i").style.width = "35%";
  one("#said").textContent = t("正在写……", "Writing …");
  const { metre, key, sections, bars, temperature, seed, abc } = state;
  const body = task === "compose" ? { metre, key, sections, bars } : { abc, ...(task === "continue" ? { sections } : {}) };
  try {
    const found = await run((signal) => ask("music", { task, temperature, seed, width: page_width(), ...body, ...extra }, signal));
    if (!found) return;
    [answer, state.abc] = [found, found.abc];
    if (task !== "again") state.locked = state.locked.filter((k) => k < found.bars.length);
    show();
  } catch (error) {
    one("#said").textContent = "";
    tell(one("#fault"), error);
  } finally {
    one("#leaf").removeAttribute("aria-busy");
    one("#score").classList.remove("busy");
    one("#progress").hidden = true;
  }
}

function show() {
  at = at !== undefined && at < answer.bars.length ? at : undefined;
  one("#name").textContent = answer.title;
  score.draw(answer.svg);
  if (!answer.svg) one("#score").textContent = answer.abc;
  one("#abc").value = answer.abc;
  sound.load(answer.sounds, answer.seconds);
  one("#notes").replaceChildren(...answer.notes.map((note) => h("p", { class: "note" }, own(note))));
  mark();
  said();
  keep();
}

function mark() {
  const locked = answer.bars.map((_, k) => state.locked.includes(k));
  score.mark({ fresh: answer.bars.map((b) => b.new), locked, shared: answer.shared?.bars, at });
  one("#release").hidden = !state.locked.length;
}

function said() {
  const { shared, bars, metre, key } = answer, n = bars.length, written = bars.filter((b) => b.new).length;
  const form = t(`${called(key)}，${metre}，${n} 小节，每小节都合拍。`, `${called(key)}, ${metre}, ${n} bars, each of them sums to the metre.`);
  const anew = written && written < n ? t(`新写 ${written} 小节。`, ` ${written} bars were written now.`) : "";
  const same = shared
    ? t(`与训练曲最长的相同处：${shared.notes} 个音（第 ${shared.bars[0] + 1}–${shared.bars[1] + 1} 小节，${shared.title}）。`, ` Longest passage shared with the training: ${shared.notes} notes (bars ${shared.bars[0] + 1}–${shared.bars[1] + 1}, “${shared.title}”).`)
    : t("与训练曲没有八个音以上的相同处。", " It shares no eight notes in a row with the training.");
  one("#said").textContent = form + anew + same;
}

// the play head
function head(seconds) {
  one("#clock").textContent = answer ? `${clock(seconds)} / ${clock(answer.seconds)}` : "0:00";
  if (!answer) return;
  const now = answer.sounds.filter((s) => s.start <= seconds + 0.001 && seconds < s.start + s.seconds);
  const last = now[0] ?? answer.sounds.findLast((s) => s.start <= seconds);
  if (!last || (!sound.playing && seconds === 0)) return score.quiet();
  const begin = answer.sounds.find((s) => s.bar === last.bar && s.start > seconds - 8 && s.start <= last.start && same_bar(s, last));
  const length = (answer.bars[last.bar].ticks * last.seconds) / ticks(last);
  score.sounding(now.map((s) => `n${s.note}`), Math.min(1, Math.max(0, (seconds - begin.start) / length) * 0.92 + 0.06), last.bar);
}
// Whether two sounds are in one playing of a bar: no other bar sounds between them.
const same_bar = (a, b) => !answer.sounds.some((s) => s.start > a.start && s.start < b.start && s.bar !== b.bar);
const ticks = (s) => Math.round(s.seconds * per_second());
const per_second = () => { const first = answer.bars.findIndex((b, k) => whole(k)); return first < 0 ? 60 : answer.bars[first].ticks / span(first); };
const whole = (k) => answer.sounds.some((s) => s.bar === k) && answer.sounds.some((s) => s.bar === k + 1);
function span(k) {
  const first = answer.sounds.findIndex((s) => s.bar === k), after = answer.sounds.findIndex((s, n) => n > first && s.bar !== k);
  return answer.sounds[after].start - answer.sounds[first].start;
}

function from(k) {
  const first = answer.sounds.find((s) => s.bar === k);
  if (first) sound.seek(first.start);
}

// bars
function toggle(k) {
  at = k;
  state.locked = state.locked.includes(k) ? state.locked.filter((b) => b !== k) : [...state.locked, k].sort((a, b) => a - b);
  mark();
  keep();
  const is = state.locked.includes(k);
  one("#said").textContent = t(`第 ${k + 1} 小节${is ? "锁住了" : "放开了"}；共锁 ${state.locked.length} 小节。`, `Bar ${k + 1} is ${is ? "locked" : "free"}; ${state.locked.length} locked in all.`);
}

one("#score").addEventListener("keydown", (event) => {
  if (!answer || event.ctrlKey || event.metaKey || event.altKey) return;
  const last = answer.bars.length - 1, go = (k) => { at = Math.min(last, Math.max(0, k)); mark(); one("#said").textContent = t(`第 ${at + 1} 小节`, `bar ${at + 1}`) + (state.locked.includes(at) ? t("，锁住的", ", locked") : "") + `: ${answer.bars[at].abc}`; };
  if (event.key === "ArrowRight") go((at ?? -1) + 1);
  else if (event.key === "ArrowLeft") go((at ?? 1) - 1);
  else if (event.key === "ArrowDown" && score.bars.length) go(score.beside(at ?? 0, 1));
  else if (event.key === "ArrowUp" && score.bars.length) go(score.beside(at ?? 0, -1));
  else if (event.key === "Enter" && at !== undefined) toggle(at);
  else if (event.key === " ") sound.toggle();
  else if (event.key === "p" && at !== undefined) from(at);
  else return;
  event.preventDefault();
});

// controls
const fresh = () => { state.seed = 1 + Math.floor(Math.random() * 999999); one("#seed").value = state.seed; };
let touched = true; // a setting was changed: the next tune keeps its seed, else it takes another
one("#compose").addEventListener("click", () => { if (!touched) fresh(); touched = false; state.locked = []; write("compose"); });
one("#again").addEventListener("click", () => { fresh(); write("again", { locked: state.locked }); });
one("#vary").addEventListener("click", () => { fresh(); write("vary", { share: 0.4 }); });
one("#go-on").addEventListener("click", () => { fresh(); write("continue", { keep: at === undefined ? Math.max(1, Math.ceil(answer.bars.length / 4)) : at + 1 }); });
one("#release").addEventListener("click", () => { state.locked = []; mark(); keep(); });
one("#play").addEventListener("click", () => sound.toggle());
one("#speed").addEventListener("input", (event) => sound.speed((speed = Number(event.target.value))));
one("#order").addEventListener("submit", (event) => event.preventDefault());
for (const [id, read] of Object.entries({ metre: String, key: String, sections: Number, bars: Number, temperature: Number, seed: Number }))
  one(`#${id}`).addEventListener("change", (event) => {
    const value = read(event.target.value);
    state[id] = id === "seed" ? Math.min(2 ** 31 - 1, Math.max(0, Math.floor(value) || 0)) : value;
    touched = true;
    state.locked = [];
    write("compose").then(() => (touched = false));
  });
const edited = paused(700, () => { state.abc = one("#abc").value; state.locked = []; write("show"); });
one("#abc").addEventListener("input", edited);

// files
const bytes64 = (bytes) => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
const from64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const file_name = (title, end) => `${title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "tune"}.${end}`;
one("#open").addEventListener("click", () => one("#file").click());
one("#file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  try {
    tell(one("#fault"));
    const found = await ask("music/file", { name: file.name, data: bytes64(new Uint8Array(await file.arrayBuffer())) });
    [state.abc, state.locked] = [found.abc, []];
    await write("show");
  } catch (error) { tell(one("#fault"), error); }
});
one("#copy").addEventListener("click", (event) => copy(answer.abc, event.currentTarget));
one("#save-abc").addEventListener("click", () => save(new Blob([answer.abc], { type: "text/vnd.abc" }), file_name(answer.title, "abc")));
one("#save-svg").addEventListener("click", () => answer.svg && save(new Blob([answer.svg], { type: "image/svg+xml" }), file_name(answer.title, "svg")));
one("#save-midi").addEventListener("click", async () => {
  try { save(new Blob([from64((await ask("music/midi", { abc: answer.abc })).data)], { type: "audio/midi" }), file_name(answer.title, "mid")); } catch (error) { tell(one("#fault"), error); }
});

// both halves
one("#key").replaceChildren(...options(KEYS.map((key) => [key, key ? called(key) : t("任意调", "any key")]), state.key));
for (const id of ["metre", "sections", "bars", "temperature", "seed"]) one(`#${id}`).value = state[id];
const four = chorale({ keep, from64, file_name });
for (const tab of ["tune", "chorale"]) one(`#tab-${tab}`).addEventListener("click", () => { sound.stop(); four.stop(); if (tab === "chorale") four.open(); keep(); });
touched = false;
await write(state.abc ? "show" : "compose");
if (link.read().chorale) one("#tab-chorale").click();
