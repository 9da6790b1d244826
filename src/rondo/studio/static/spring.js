// The spring couplet page: a name, a door, and now and then a surprise.
import { latest, link, stream, tell } from "./api.js";
import { copy, h, one, save } from "./dom.js";
import { own, t } from "./words.js";
import { scrollPicture } from "./picture.js";
import { legend, proof, relaxed, ruleList } from "./couplet_proof.js";
import { drawing } from "./surprise.js";

const state = { name: "锋潮科技", length: 7, way: "鹤顶格", traditional: false, seed: 0 };
const WAYS = { 鹤顶格: t("藏在句首（鹤顶格）", "at the heads of the lines (鹤顶格)"), 嵌字: t("嵌在句中（嵌字）", "inside the lines (嵌字)") };
const run = latest();
let found = null, couplet = null;

function shown() {
  one("#name").value = state.name;
  one("#length").value = state.length;
  one("#way").value = state.way;
  one("#script").value = state.traditional ? "traditional" : "";
}

async function write(toDoor) {
  link.write(state);
  tell(one("#ask-error"));
  waiting(t(`正在为“${state.name}”写春联……`, `Writing a couplet for ${state.name} …`));
  const body = { name: state.name, length: state.length, traditional: state.traditional, seed: state.seed, count: 2 };
  const queued = (place) => place && waiting(t(`前面还有 ${place} 位`, `${place} before you`));
  try {
    const next = await run((signal) => stream("couplet", body, { signal, queued }));
    if (!next) return;
    found = next;
    draw();
    if (toDoor) one("#door").scrollIntoView({ block: "nearest" });
  } catch (error) {
    one("#name").setAttribute("aria-invalid", "true");
    one("#name").focus();
    waiting("");
    tell(one("#ask-error"), error);
  }
}

// What is being done is said, and the door keeps its place.
function waiting(words) {
  one("#status").textContent = words;
  one("#progress").hidden = !words;
  one("#result").classList.toggle("busy", Boolean(words));
}

function draw() {
  waiting("");
  one("#name").removeAttribute("aria-invalid");
  couplet = found.couplets.find((c) => c.way === state.way) ?? found.couplets[0];
  if (!couplet) return void (one("#status").textContent = t("这一次没有写成，请换一副", "Nothing came of this try: take another"));
  strip("upper", t("上联", "First line"));
  strip("lower", t("下联", "Second line"));
  const banner = one("#banner");
  banner.setAttribute("aria-label", `${t("横批", "Heading")}: ${couplet.heading}`);
  banner.replaceChildren(...[...couplet.heading].map((c) => h("span", { "aria-hidden": "true", lang: "zh" }, c)));
  one("#words").replaceChildren(...words());
  one("#notes").replaceChildren(...found.notes.map((note) => h("p", { class: "note" }, own(note))));
  surprise();
  one("#proof").replaceChildren(proof(places()), legend(true), ruleList(couplet.rules), ...relaxed(couplet));
  Object.assign(one("#door").dataset, { seed: state.seed, way: couplet.way });
}

const places = () => couplet.places.map((p, n) => ({ ...p, upper: [...couplet.upper][n], lower: [...couplet.lower][n] }));

function strip(side, name) {
  const line = [...couplet[side]], box = one("#" + side);
  box.setAttribute("aria-label", `${name}: ${couplet[side]}`);
  box.style.setProperty("--n", line.length);
  box.replaceChildren(...line.map((c, n) => h("span", { "aria-hidden": "true", lang: "zh", class: couplet.places[n].fixed.includes(side) ? "hidden-name" : "" }, c)));
}

function words() {
  const line = (side) => h("p", { class: "couplet-line", lang: "zh" }, [...couplet[side]].map((c, n) => (couplet.places[n].fixed.includes(side) ? h("em", {}, c) : c)));
  return [
    h("p", { class: "quiet" }, t(`第 ${state.seed + 1} 副 · 横批 `, `No. ${state.seed + 1} · heading `), h("b", { class: "serif", lang: "zh" }, couplet.heading)),
    line("upper"), line("lower"),
    h("p", { class: "quiet" }, t(`“${state.name}”${WAYS[couplet.way]}`, `${state.name} stands ${WAYS[couplet.way]}`)),
  ];
}

// --- the surprise: something hangs on the door, and a card says what it is ---
function surprise() {
  const hung = one("#hung"), card = one("#surprise"), got = found.surprise;
  hung.replaceChildren();
  card.replaceChildren();
  hung.className = `hung ${got?.kind ?? ""}`;
  if (!got) return;
  const answer = h("span", { class: "told", hidden: true, lang: "zh" }, own(got.answer));
  const open = got.answer && h("button", { type: "button", class: "small", onclick: () => reveal() }, got.kind === "riddle" ? t("揭晓", "tell me") : t("打开", "open"));
  const reveal = () => {
    answer.hidden = false;
    open.hidden = true;
    hung.classList.add("open");
  };
  card.append(h("p", { class: "egg" }, h("b", {}, t("彩蛋 ", "Surprise ")), own(got.text), " ", open || null, answer));
  const picture = () => drawing(got.kind, got.mark);
  if (open) hung.append(h("button", { type: "button", class: "touch", "aria-label": own(got.text), onclick: reveal }, picture()));
  else hung.append(...(got.kind === "firecrackers" ? [picture(), picture()] : [picture()]));
}

// --- wiring ---
// A new name begins with its first couplet.
function renamed() {
  const name = one("#name").value.trim(), other = name !== state.name;
  if (other) Object.assign(state, { name, seed: 0 });
  return other;
}

one("#ask").addEventListener("submit", (event) => {
  event.preventDefault();
  renamed();
  write(true);
});
one("#length").addEventListener("change", (event) => { state.length = +event.target.value; write(); });
one("#way").addEventListener("change", (event) => { state.way = event.target.value; link.write(state); if (found) draw(); });
one("#script").addEventListener("change", (event) => { state.traditional = Boolean(event.target.value); write(); });
one("#again").addEventListener("click", () => { if (!renamed()) state.seed++; write(); });
one("#copy").addEventListener("click", (event) => couplet && copy(`${couplet.heading}\n${couplet.upper}\n${couplet.lower}`, event.currentTarget));
one("#picture").addEventListener("click", async () => {
  if (couplet) save(await scrollPicture(couplet.upper, couplet.lower, { heading: couplet.heading, red: true }), `${state.name}.png`);
});

for (const [key, value] of Object.entries(link.read())) if (typeof value === typeof state[key]) state[key] = value;
shown();
write();
addEventListener("hashchange", () => location.reload());
