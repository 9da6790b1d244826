// The couplet page: a line is answered, an answer can be the next line, and a pair of one's own is judged.
import { ask, latest, link, stream, tell } from "./api.js";
import { copy, h, one, paused, save } from "./dom.js";
import { lang, own, t } from "./words.js";
import { columnsOf, scrollPicture } from "./picture.js";
import { legend, proof, relaxed, ruleList, ruleName } from "./couplet_proof.js";

const COMMA = "，", FREE = "-_＿－—–？?*□○";
const EXAMPLE = { line: "东风有意舒青野", seed: 0 }, PAIR = { upper: "天增岁月人增寿", lower: "春满乾坤福满门" };
const state = { line: "", role: "lower", use: "", traditional: false, fix: [], seed: 0, chosen: 0, tab: "answer", ...PAIR };
const isHan = (c) => /\p{Script=Han}/u.test(c);
const isMark = (c) => /[，。！？、：；,.!?:;｡､．\s]/u.test(c);
const run = latest(), judging = latest();
let found = null;

// --- the form ---
const chars = () => [...state.line].filter((c) => !isMark(c));

function cells() {
  const box = one("#cells"), wanted = chars().length;
  state.fix.length = wanted;
  let place = 0;
  const shape = chars().every(isHan) ? [...state.line] : [];
  box.replaceChildren(...shape.map((c) => (isMark(c) ? h("span", { class: "gap", "aria-hidden": "true" }, COMMA) : cell(c, place++))));
  one("#clear").hidden = !state.fix.some(Boolean);
}

function cell(facing, n) {
  const label = t(`第 ${n + 1} 字，对“${facing}”`, `character ${n + 1}, facing ${facing}`);
  const input = h("input", { type: "text", lang: "zh", "aria-label": label, "data-place": n, value: state.fix[n] ?? "", size: 1, class: state.fix[n] ? "filled" : "" });
  const typed = () => fill(n, [...input.value]);
  input.addEventListener("input", (event) => event.isComposing || typed());
  input.addEventListener("compositionend", typed);
  input.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? (event.key === "Backspace" && !input.value ? -1 : 0);
    if (step && !event.isComposing) focusCell(n + step);
  });
  return h("label", { class: "cell" }, h("span", { "aria-hidden": "true" }, facing), input);
}

function focusCell(n) {
  const next = one(`[data-place="${n}"]`);
  next?.focus();
  next?.select();
  return next;
}

// What is typed or pasted into a cell goes on into the following ones; - is a free place.
function fill(n, typed) {
  const places = typed.filter((c) => isHan(c) || FREE.includes(c));
  if (!places.length) state.fix[n] = "";
  places.forEach((c, k) => { if (n + k < state.fix.length) state.fix[n + k] = isHan(c) ? c : ""; });
  cells();
  focusCell(Math.min(n + places.length, state.fix.length - 1));
  soon();
}

// 白日依山尽|-河-海- gives the fixed characters with the line.
function lineTyped() {
  const [line, fix] = one("#line").value.split(/[|｜]/);
  const before = state.line;
  state.line = line.trim();
  if (fix !== undefined) {
    state.fix = [...fix].filter((c) => !isMark(c)).map((c) => (isHan(c) ? c : ""));
    one("#line").value = state.line;
  } else if (before !== state.line && chars().length !== [...before].filter((c) => !isMark(c)).length) state.fix = [];
  cells();
}

function shown() {
  one("#line").value = state.line;
  one("#role").value = state.role;
  one("#use").value = state.use;
  one("#script").value = state.traditional ? "traditional" : "";
  one("#upper").value = state.upper;
  one("#lower").value = state.lower;
  named();
  cells();
}

const named = () => (one("#line-label").textContent = state.role === "lower" ? t("上联", "First line") : t("下联", "Second line"));

function keep() {
  const { tab, upper, lower, line, role, use, traditional, fix, seed, chosen } = state;
  link.write(tab === "judge" ? { tab, upper, lower } : { line, role, use, traditional, fix: fixed(), seed, chosen });
}

const fixed = () => (state.fix.some(Boolean) ? Array.from(state.fix, (c) => c || "-").join("") : "");

// --- asking ---
async function answer() {
  soon.now++;
  keep();
  const body = { line: state.line, lower: state.role === "upper", fix: fixed(), use: state.use, traditional: state.traditional, seed: state.seed };
  const status = one("#line-hint"), result = one("#result");
  tell(one("#ask-error"));
  status.textContent = t("正在对句……", "Writing answers …");
  result.classList.add("busy");
  result.setAttribute("aria-busy", "true");
  try {
    const queued = (place) => place && (status.textContent = t(`前面还有 ${place} 位`, `${place} before you`));
    const next = await run((signal) => stream("couplet", body, { signal, queued }));
    if (!next) return;
    found = next;
    state.chosen = Math.max(0, Math.min(state.chosen, found.couplets.length - 1));
    settled(t(`已对出 ${found.couplets.length} 句`, `${found.couplets.length} answers`));
    draw();
  } catch (error) {
    settled("");
    tell(one("#ask-error"), error);
  }
}

function settled(words) {
  one("#line-hint").textContent = words;
  one("#result").classList.remove("busy");
  one("#result").removeAttribute("aria-busy");
}

// An answer comes by itself where typing has paused, unless another was asked for meanwhile.
const wait = paused(900, (count) => count === soon.now && chars().length > 1 && answer());
const soon = () => { state.seed = 0; state.chosen = 0; wait(++soon.now); };
soon.now = 0;

// --- the answers ---
function draw() {
  one("#answers").replaceChildren(...found.couplets.map(choice));
  one("#notes").replaceChildren(...notes());
  show();
}

const answering = (c) => (state.role === "lower" ? c.lower : c.upper);

function choice(c, n) {
  const broken = Object.entries(c.rules).filter(([, kept]) => !kept).map(([rule]) => rule);
  const verdict = broken.length ? h("span", { class: "caution" }, "△ " + broken.map(ruleName).join(t(" ", ", "))) : h("span", { class: "ok" }, t("✓ 合规", "✓ keeps all rules"));
  const pick = h("button", { type: "button", class: "pick", "aria-pressed": "false", onclick: () => choose(n) },
    h("span", { class: "pick-line", lang: "zh" }, answering(c)), h("span", { class: "pick-more" }, verdict));
  const next = h("button", { type: "button", class: "small", onclick: () => goOn(answering(c)), "aria-label": t(`以“${answering(c)}”作上联`, `use ${answering(c)} as the first line`) }, t("作上联", "as first line"));
  return h("li", {}, pick, next);
}

function choose(n) {
  state.chosen = n;
  keep();
  show();
}

function goOn(line) {
  Object.assign(state, { line, role: "lower", fix: [], seed: 0, chosen: 0 });
  shown();
  answer();
}

function turned() {
  state.role = state.role === "lower" ? "upper" : "lower";
  shown();
  answer();
}

function notes() {
  const made = found.notes.filter((note) => !note.includes("--lower")).map((note) => h("p", { class: "note" }, own(note)));
  if (!found.couplets.some((c) => c.swap)) return made;
  const text = state.role === "lower"
    ? t("这一句以平声收尾，宜作下联。", "This line ends level, as a second line does.")
    : t("这一句以仄声收尾，宜作上联。", "This line ends oblique, as a first line does.");
  const button = state.role === "lower" ? t("改求上联", "ask for a first line") : t("改求下联", "ask for a second line");
  return [h("p", { class: "note" }, text, " ", h("button", { type: "button", class: "small", id: "turn", onclick: turned }, button)), ...made];
}

function show() {
  const c = found.couplets[state.chosen];
  [...one("#answers").children].forEach((li, n) => one(".pick", li).setAttribute("aria-pressed", n === state.chosen));
  one("#hanging").replaceChildren(...scrolls(c));
  one("#proof").replaceChildren(proof(places(c)), legend(true), ruleList(c.rules), ...relaxed(c));
}

const scrolls = (c) => [scroll(c.upper, t("上联", "First line"), "upper"), scroll(c.lower, t("下联", "Second line"), "lower")];

// Long lines are in two columns, of the first line from the right, of the second from the left, as they hang at a gate.
function scroll(line, name, side) {
  const rows = columnsOf(line);
  const size = Math.max(...rows.map((row) => [...row].length));
  return h("div", { class: `scroll-paper ${rows.length > 1 ? "long" : ""} ${side}`, role: "img", "aria-label": `${name}: ${line}`, lang: "zh", style: { "--n": size } },
    ...rows.map((row) => h("span", { class: "scroll-line", "aria-hidden": "true" }, row)));
}

// The proof is kept in simplified characters; the lines may be traditional ones.
function places(c) {
  const [upper, lower] = [c.upper, c.lower].map((line) => [...line].filter((x) => x !== COMMA));
  const same = upper.length === c.places.length && lower.length === c.places.length;
  return c.places.map((p, n) => (same ? { ...p, upper: upper[n], lower: lower[n] } : p));
}

const pairText = (c) => `${c.upper}\n${c.lower}`;

// --- a pair of one's own ---
async function judge() {
  keep();
  tell(one("#check-error"));
  try {
    const report = await judging((signal) => ask("couplet/check", { upper: state.upper, lower: state.lower }, signal));
    if (report) one("#report").replaceChildren(...judged(report));
  } catch (error) {
    tell(one("#check-error"), error);
  }
}

function judged(report) {
  const faults = report.faults.map((f) => h("li", {}, h("b", { class: "bad" }, `✗ ${ruleName(f.rule)}`), " ", lang === "zh" ? f.message_zh : f.message_en));
  const rules = Object.fromEntries(["字数", "断句", "重字", "叠字", "平仄", "句脚", "仄起平收"].map((r) => [r, report.faults.every((f) => f.rule !== r)]));
  const rows = report.places.map((p) => ({ ...p, tones: p.tones.pingshui.join(""), modern: p.tones.xinyun.join(""), fixed: [] }));
  const kept = Object.entries(report.points).map(([book, [n, all]]) => `${book === "pingshui" ? t("平水韵", "old tones") : t("普通话", "Mandarin")} ${n}/${all}`);
  const verdict = faults.length ? t(`有 ${faults.length} 处不合`, `${faults.length} ${faults.length > 1 ? "faults" : "fault"}`) : t("合规的一副对联", "A couplet that keeps all rules");
  return [
    h("div", { class: "desk" },
      h("figure", { class: "hanging" }, scrolls(report)),
      h("div", { class: "choices" },
        h("p", { class: `verdict ${faults.length ? "bad" : "ok"}` }, `${faults.length ? "✗" : "✓"} ${verdict}`),
        h("ol", { class: "faults" }, faults),
        h("p", { class: "quiet" }, t("节奏点上平仄相对：", "Tones opposed at the rhythm points: "), kept.join(t("，", ", "))))),
    h("div", { class: "proof" }, proof(rows), legend(false), ruleList(rules)),
  ];
}

// --- wiring ---
one("#line").addEventListener("input", (event) => { if (!event.isComposing) { lineTyped(); soon(); } });
one("#line").addEventListener("compositionend", () => { lineTyped(); soon(); });
one("#clear").addEventListener("click", () => { state.fix = []; cells(); soon(); });
one("#ask").addEventListener("submit", (event) => { event.preventDefault(); lineTyped(); answer(); });
for (const [id, set] of [
  ["role", (v) => { state.role = v; named(); }],
  ["use", (v) => (state.use = v)],
  ["script", (v) => (state.traditional = v === "traditional")],
]) one("#" + id).addEventListener("change", (event) => { set(event.target.value); state.chosen = 0; answer(); });
one("#again").addEventListener("click", () => { state.seed++; state.chosen = 0; answer(); });
one("#copy").addEventListener("click", (event) => found && copy(pairText(found.couplets[state.chosen]), event.currentTarget));
one("#picture").addEventListener("click", async () => {
  if (!found) return;
  const c = found.couplets[state.chosen];
  save(await scrollPicture(c.upper, c.lower, { seal: state.seed }), `${c.upper}.png`);
});
one("#check").addEventListener("submit", (event) => {
  event.preventDefault();
  [state.upper, state.lower] = [one("#upper").value, one("#lower").value];
  judge();
});
new MutationObserver(() => {
  state.tab = one("#judge").hidden ? "answer" : "judge";
  one("#go").toggleAttribute("data-answer", state.tab === "answer");
  one("#check-go").toggleAttribute("data-answer", state.tab === "judge");
  keep();
  if (state.tab === "judge" && !one("#report").children.length) judge();
  if (state.tab === "answer" && !found) answer();
}).observe(one("#judge"), { attributes: true, attributeFilter: ["hidden"] });

const given = { ...EXAMPLE, ...link.read() };
for (const [key, value] of Object.entries(given)) if (key !== "fix" && typeof value === typeof state[key]) state[key] = value;
state.fix = [...String(given.fix ?? "")].map((c) => (isHan(c) ? c : ""));
shown();
if (state.tab === "judge") one("#tab-judge").click();
else answer();
addEventListener("hashchange", () => location.reload());
