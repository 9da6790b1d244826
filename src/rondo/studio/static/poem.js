// The poem desk: an order as a sentence, the poem on its leaf, locks, candidates; and the judge.
import { ask, latest, link, stream, tell } from "./api.js";
import { copy, h, one, paused, save } from "./dom.js";
import { judged } from "./poem_judge.js";
import { textPicture } from "./picture.js";
import { inspector, leaf, summary } from "./poem_view.js";
import { own, t } from "./words.js";

const COUNT = 4;
const START = { form: "七绝", theme: "秋夜", hide: "", at: "藏头", rhyme: "双句押韵", book: "pingshui", regulated: true, style: "", temperature: 0.7, seed: 1, mask: "" };
const form = one("#order"), run = latest(), glossing = latest();
let state = { ...START }, answer, chosen = 0, locks = new Set(), hidden = new Set(), looked, gloss;

const poem = () => answer.poems[chosen];
const wanted = () => ({
  theme: state.theme, rhyme: state.rhyme, book: state.book, free: !state.regulated, style: state.style, temperature: state.temperature, seed: state.seed, count: COUNT,
  ...(state.mask ? { mask: state.mask } : state.at === "mask" ? { mask: state.hide, form: state.form } : { form: state.form, hide: state.hide, at: state.at }),
});

async function write(order = wanted(), keep = false) {
  const place = one("#place"), paper = one("#leaf");
  paper.classList.add("busy");
  place.textContent = t("正在写……", "writing …");
  try {
    const found = await run((signal) => stream("poem", order, { signal, queued: (n) => (place.textContent = n ? t(`前面还有 ${n} 位`, `${n} before you`) : t("正在写……", "writing …")) }));
    if (!found) return;
    tell(one("#fault"));
    [answer, chosen, looked] = [found, 0, undefined];
    if (!state.mask) hidden = new Set(poem().proof.flatMap((l, i) => l.marks.flatMap((mark, p) => (mark.given ? [`${i},${p}`] : []))));
    if (!keep) save_state();
    draw();
  } catch (error) {
    tell(one("#fault"), error);
  } finally {
    paper.classList.remove("busy");
    place.textContent = "";
  }
}

function draw() {
  const paper = one("#leaf");
  paper.classList.toggle("eight", poem().lines.length > 4);
  paper.replaceChildren(...leaf(poem(), locks, gloss, state.seed, { look, lock, line }).flat().filter(Boolean));
  one("#proof").replaceChildren(...summary(poem(), answer.notes, own));
  one("#strip").replaceChildren(...answer.poems.map((p, k) => h("button", { type: "button", "aria-pressed": k === chosen, onclick: () => choose(k) }, p.lines.slice(0, 4).join("\n"))));
  one("#strip").parentElement.hidden = answer.poems.length < 2;
  look(...(looked ?? [0, 0]), false);
  if (pressed("#show-gloss") && !gloss) fetch_gloss();
}

function choose(k) {
  chosen = k;
  locks = new Set();
  [state.mask, gloss, looked] = ["", undefined, undefined];
  save_state();
  draw();
}

// characters
function look(i, p, focused = true) {
  const mark = poem().proof[i]?.marks[p];
  if (!mark) return;
  if (focused) looked = [i, p];
  for (const c of document.querySelectorAll(".char")) c.classList.toggle("looked", focused && c.dataset.at === `${i},${p}`);
  one("#inspect").replaceChildren(...inspector(mark, locks.has(`${i},${p}`), { lock: () => lock(i, p), swap: (c) => swap(i, p, c) }));
}

function lock(i, p) {
  const at = `${i},${p}`;
  locks.has(at) ? locks.delete(at) : locks.add(at);
  locked(at);
}

function line(i) {
  const places = poem().proof[i].marks.map((_, p) => `${i},${p}`), whole = places.every((at) => locks.has(at));
  for (const at of places) whole ? locks.delete(at) : locks.add(at);
  locked(`${i},0`);
}

function locked(at) {
  state.mask = locks.size ? rows((i, p, mark) => (locks.has(`${i},${p}`) || hidden.has(`${i},${p}`) ? mark.char : "_")) : "";
  save_state();
  draw();
  one(`[data-at="${at}"]`).focus({ preventScroll: true });
}

const rows = (pick) => poem().proof.map((l, i) => l.marks.map((mark, p) => pick(i, p, mark)).join("")).join("|");

// Puts another character in place: the poem is proven anew as it then stands.
async function swap(i, p, char) {
  const others = answer.poems.filter((_, k) => k !== chosen);
  const order = { ...wanted(), form: "", hide: "", mask: rows((a, b, mark) => (a === i && b === p ? char : mark.char)), count: 1 };
  try {
    const found = await run((signal) => ask("poem", order, signal));
    if (!found) return;
    const before = poem();
    found.poems[0].proof.forEach((l, a) => l.marks.forEach((mark, b) => (mark.given = before.proof[a].marks[b].given, mark.instead = before.proof[a].marks[b].instead)));
    const mark = found.poems[0].proof[i].marks[p];
    mark.instead = [before.proof[i].marks[p].char, ...mark.instead.filter((c) => c !== char)].slice(0, 3);
    answer = { ...answer, poems: [found.poems[0], ...others] };
    [chosen, gloss, looked] = [0, undefined, [i, p]];
    locks.add(`${i},${p}`);
    locked(`${i},${p}`);
  } catch (error) {
    tell(one("#fault"), error);
  }
}

async function fetch_gloss() {
  const lines = poem().lines;
  gloss = await glossing((signal) => ask("poem/gloss", { lines }, signal));
  if (gloss && lines === poem().lines) draw();
}

// the order and its address
function save_state() {
  link.write({ ...state, locks: [...locks].join(" "), hidden: [...hidden].join(" ") });
}

function fill() {
  for (const [name, value] of Object.entries(state)) {
    const field = form.elements[name];
    if (!field) continue;
    field.type === "checkbox" ? (field.checked = value) : (field.value = value);
  }
}

function read() {
  for (const field of form.elements) state[field.name] = field.type === "checkbox" ? field.checked : field.type === "range" ? Number(field.value) : field.value.trim();
  [locks, gloss, state.mask] = [new Set(), undefined, ""];
}

const again = () => {
  state.seed += 1;
  gloss = undefined;
  write();
};
form.addEventListener("submit", (event) => (event.preventDefault(), again()));
form.addEventListener("change", () => (read(), write()));
form.addEventListener("input", paused(700, () => (read(), write())));
one("#again").addEventListener("click", again);
one("#reset").addEventListener("click", () => {
  [state, locks, gloss] = [{ ...START }, new Set(), undefined];
  fill();
  write();
});

const pressed = (selector) => one(selector).getAttribute("aria-pressed") === "true";
function toggle(selector, action) {
  one(selector).addEventListener("click", () => {
    one(selector).setAttribute("aria-pressed", !pressed(selector));
    action(pressed(selector));
  });
}
one("#leaf").classList.add("tones");
toggle("#show-tones", (on) => one("#leaf").classList.toggle("tones", on));
toggle("#show-heat", (on) => one("#leaf").classList.toggle("heat", on));
toggle("#show-gloss", () => ((gloss = undefined), draw()));
one("#copy").addEventListener("click", (event) => copy(poem().lines.map((l, i) => l + (i % 2 ? "。\n" : "，")).join(""), event.target));
one("#picture").addEventListener("click", async () => save(await textPicture(poem().lines, { title: state.theme.slice(0, 12), seal: state.seed }), `${poem().lines[0]}.png`));

one("#leaf").addEventListener("keydown", (event) => {
  const at = event.target.closest(".char")?.dataset.at?.split(",").map(Number);
  if (!at) return;
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  const other = poem().proof[at[0]].marks[at[1]].instead[Number(event.key) - 1];
  if (step) one(`[data-at="${at[0] + step[0]},${at[1] + step[1]}"]`)?.focus();
  else if (other) swap(...at, other);
  else return;
  event.preventDefault();
});

// the judge
const judging = latest();
async function judge() {
  try {
    const report = await judging((signal) => ask("poem/check", { text: one("#mine").value, book: one("#mine-book").value }, signal));
    if (!report) return;
    tell(one("#mine-fault"));
    one("#verdict").replaceChildren(...judged(report));
  } catch (error) {
    one("#verdict").replaceChildren();
    tell(one("#mine-fault"), error);
  }
}
one("#judge-form").addEventListener("submit", (event) => (event.preventDefault(), judge()));
one("#mine-book").addEventListener("change", judge);
one("#mine").addEventListener("input", paused(600, judge));

const { locks: kept = "", hidden: under = "", ...given } = link.read();
for (const [name, value] of Object.entries(given)) if (typeof value === typeof START[name]) state[name] = value;
fill();
await write(wanted(), true);
if (answer && kept) {
  [locks, hidden] = [new Set(kept.split(" ")), new Set(under.split(" ").filter(Boolean))];
  draw();
}
judge();
