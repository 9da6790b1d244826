// The captions page: a picture, sentences about it, and where each of their characters looked.
import { ask, latest, link, tell } from "./api.js";
import { all, h, one, svg } from "./dom.js";
import { percent } from "./text_common.js";
import { own, t } from "./words.js";

const EXAMPLES = [["dog", t("草地上的狗", "dog on grass")], ["snow", t("雪地", "snow")], ["sea", t("海边", "the sea")]];
const MOST = 32 << 20; // bytes of a file that the server takes
const LOW = 0.25; // probability under which a character is marked as unsure
const START = { example: "dog", count: 3, encoder: "" };

const run = latest(), list = one("#sentences"), frame = one("#frame"), light = one("#light");
let state = { ...START }, answer, file, held, available = false, shown;

// state and its address: a person's own picture is not in it
function keep() {
  link.write(Object.fromEntries(Object.entries(state).filter(([name, value]) => value !== START[name])));
}

function restored() {
  for (const [name, value] of Object.entries(link.read() ?? {})) if (typeof value === typeof START[name]) state[name] = value;
  if (!EXAMPLES.some(([name]) => name === state.example)) state.example = START.example;
  if (![1, 2, 3, 5].includes(state.count)) state.count = START.count;
  if (!["own", "fetched"].includes(state.encoder)) state.encoder = "";
}

// --- pictures ---
// A drawn example as a picture: the drawing is this page's own.
async function drawn(name) {
  const image = new Image();
  image.src = `/static/captions_${name}.svg`;
  await image.decode();
  const canvas = h("canvas", { width: 640, height: 480 });
  canvas.getContext("2d").drawImage(image, 0, 0, 640, 480);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

async function example(name) {
  state.example = name;
  keep();
  mark_examples();
  await take(await drawn(name), false);
}

async function take(blob, is_own = true) {
  if (!blob) return;
  if (is_own) { state.example = ""; keep(); mark_examples(); }
  if (blob.size > MOST) return fault(new Error(t("图片文件超过 32 MB，请先缩小", "The file is larger than 32 MB: make it smaller first")));
  file = blob;
  if (shown) URL.revokeObjectURL(shown);
  one("#picture").src = shown = URL.createObjectURL(blob);
  release();
  await describe();
}

one("#picture").addEventListener("error", () => one("#picture").removeAttribute("src")); // the server says what is wrong with it

async function describe() {
  if (!file) return;
  keep();
  tell(one("#fault"));
  const bar = one("#progress"), slow = setTimeout(() => { bar.hidden = false; one("i", bar).style.width = "60%"; }, 200);
  list.classList.add("stale");
  list.setAttribute("aria-busy", "true");
  try {
    const query = new URLSearchParams({ count: state.count, encoder: one("#encoder").value });
    const found = await run((signal) => ask(`captions?${query}`, file, signal));
    if (!found) return;
    answer = found;
    draw();
  } catch (error) {
    fault(error);
  } finally {
    clearTimeout(slow);
    bar.hidden = true;
    list.removeAttribute("aria-busy");
  }
}

function fault(error) {
  answer = undefined;
  release();
  list.replaceChildren(h("li", { class: "quiet" }, "—"));
  list.classList.remove("stale");
  one("#notes").replaceChildren();
  one("#fault").hidden = false;
  one("#fault").textContent = error.message;
}

// --- sentences ---
function draw() {
  list.classList.remove("stale");
  list.replaceChildren(...answer.sentences.map(row));
  const first = one(".char", list);
  if (first) first.tabIndex = 0;
  one("#notes").replaceChildren(...answer.notes.map((n) => h("p", { class: "note" }, own(n))));
}

function row(sentence, n) {
  const characters = sentence.characters.map((c, k) =>
    h("span", { class: `char${c.p < LOW ? " low" : ""}`, role: "button", tabindex: -1, "data-n": n, "data-k": k, "aria-label": `${c.text} ${percent(c.p)}` }, c.text));
  return h("li", {}, h("span", { class: "characters" }, characters), h("span", { class: "sure", title: t("每字概率的几何平均", "geometric mean of the characters' probabilities") }, percent(sentence.p)));
}

const at = (node) => ({ n: Number(node.dataset.n), k: Number(node.dataset.k) });
const node_at = ({ n, k }) => one(`.char[data-n="${n}"][data-k="${k}"]`, list);

// Lights the places of a character: what it did not look at goes dark.
function lit({ n, k }) {
  const c = answer.sentences[n].characters[k], side = answer.side;
  for (const other of all(".char.lit", list)) other.classList.remove("lit");
  node_at({ n, k }).classList.add("lit");
  if (c.weights.length !== side * side) return;
  const most = Math.max(...c.weights), peak = c.weights.indexOf(most);
  const box = (i, extra) => svg("rect", { x: i % side, y: Math.floor(i / side), width: 1, height: 1, ...extra });
  light.setAttribute("viewBox", `0 0 ${side} ${side}`);
  light.replaceChildren(...c.weights.map((w, i) => box(i, { "fill-opacity": (0.72 * (1 - w / most)).toFixed(3) })), box(peak, { class: "most" }));
  frame.classList.add("lit");
  one("#looks").textContent = t(`“${c.text}” ${percent(c.p)}，看${where(peak, side)}（${percent(most)}）`, `“${c.text}” ${percent(c.p)}, looks ${where(peak, side)} (${percent(most)})`);
}

function where(place, side) {
  const third = (v) => (v < side / 2 - 1 ? 0 : v > side / 2 ? 2 : 1);
  const y = third(Math.floor(place / side)), x = third(place % side);
  const zh = [["左上", "上方", "右上"], ["左边", "中间", "右边"], ["左下", "下方", "右下"]];
  const en = [["at the upper left", "at the top", "at the upper right"], ["at the left", "at the middle", "at the right"], ["at the lower left", "at the bottom", "at the lower right"]];
  return t(zh[y][x], en[y][x]);
}

function unlit() {
  for (const other of all(".char.lit", list)) other.classList.remove("lit");
  if (held) return lit(held);
  frame.classList.remove("lit");
  one("#looks").textContent = "";
}

function release() {
  held = undefined;
  for (const other of all(".char.held", list)) other.classList.remove("held");
  unlit();
}

function hold(node) {
  const place = at(node), same = held && held.n === place.n && held.k === place.k;
  release();
  if (same) return;
  held = place;
  node.classList.add("held");
  lit(place);
}

list.addEventListener("pointerover", (event) => { const node = event.target.closest(".char"); if (node && answer) lit(at(node)); });
list.addEventListener("pointerleave", unlit);
list.addEventListener("click", (event) => { const node = event.target.closest(".char"); if (node && answer) { rove(node); hold(node); } });
list.addEventListener("focusin", (event) => { const node = event.target.closest(".char"); if (node && answer) lit(at(node)); });
list.addEventListener("focusout", unlit);
list.addEventListener("keydown", (event) => {
  const node = event.target.closest(".char");
  if (!node || !answer || event.ctrlKey || event.metaKey || event.altKey) return;
  const { n, k } = at(node), last = (row) => answer.sentences[row].characters.length - 1;
  const step = { ArrowLeft: [n, k - 1], ArrowRight: [n, k + 1], ArrowUp: [n - 1, k], ArrowDown: [n + 1, k], Home: [n, 0], End: [n, last(n)] }[event.key];
  if (event.key === "Enter" || event.key === " ") hold(node);
  else if (event.key === "Escape") release();
  else if (step && answer.sentences[step[0]]) rove(node_at({ n: step[0], k: Math.max(0, Math.min(step[1], last(step[0]))) }));
  else return;
  event.preventDefault();
});

function rove(node) {
  for (const other of all('.char[tabindex="0"]', list)) other.tabIndex = -1;
  node.tabIndex = 0;
  node.focus();
}

// --- controls ---
one("#open").addEventListener("click", () => one("#file").click());
one("#file").addEventListener("change", () => { take(one("#file").files[0]); one("#file").value = ""; });
one("#order").addEventListener("submit", (event) => event.preventDefault());
one("#count").addEventListener("change", () => { state.count = Number(one("#count").value); describe(); });
one("#encoder").addEventListener("change", () => { state.encoder = one("#encoder").value; describe(); });
one("#examples").append(...EXAMPLES.map(([name, called]) => h("button", { type: "button", "data-name": name, onclick: () => example(name) }, called)));

function mark_examples() {
  for (const button of all("#examples button")) button.setAttribute("aria-pressed", button.dataset.name === state.example);
}

addEventListener("dragover", (event) => { event.preventDefault(); one("#drop").hidden = false; frame.classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) dropped(); });
addEventListener("drop", (event) => { event.preventDefault(); dropped(); take(event.dataTransfer.files[0]); });
addEventListener("paste", (event) => take([...event.clipboardData.files].find((f) => f.type.startsWith("image/"))));

function dropped() {
  one("#drop").hidden = true;
  frame.classList.remove("over");
}

async function begin() {
  restored();
  one("#count").value = state.count;
  try { available = (await ask("captions/encoder")).available; } catch (error) { return fault(error); }
  one('#encoder option[value="fetched"]').disabled = !available;
  one("#fetch-said").hidden = available;
  if (!available) one('#encoder option[value="fetched"]').textContent = t("MobileNetV2（还没有取来）", "MobileNetV2 (not fetched yet)");
  one("#encoder").value = available ? state.encoder || "fetched" : "own";
  await example(state.example || START.example);
}

begin();
