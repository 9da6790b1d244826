// Both directions: two sentences word by word, as a tagger that reads forward and one that reads both ways see them.
import { ask, latest, link, tell } from "./api.js";
import { h, one, paused } from "./dom.js";
import { family } from "./entities_text.js";
import { swatch } from "./entities_panel.js";
import { percent } from "./text_common.js";
import { t } from "./words.js";

const EXAMPLES = [
  [t("课上的两句", "the lecture's"), 'He said, "Teddy bears are on sale!"', 'He said, "Teddy Roosevelt was a great President!"'],
  ["Georgia", 'She wrote, "Georgia peaches are the best."', 'She wrote, "Georgia Miller is the best."'],
  [t("Jordan：没有把握", "Jordan: not sure"), "In spring Jordan is green.", "In spring Jordan Ellis came home."],
];
const START = { first: EXAMPLES[0][1], second: EXAMPLES[0][2] };
const NAMES = { person: t("人名", "person"), location: t("地点", "place"), organisation: t("机构", "organisation"), none: t("都不是", "none") };
const SIDES = ["forward", "both"], STEP = 850;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const run = latest();
let state = { ...START }, answer, at, playing, cells = {};

const order = () => ["person", "location", "organisation"].filter((type) => answer.types.includes(type)).concat(answer.types.filter((type) => !(type in NAMES)), "none");
const longest = () => Math.max(...answer.sentences.map((s) => s.words.length));
const chosen = (word, side) => answer.types.reduce((best, type) => (word[side][type] > word[side][best] ? type : best));
const shared = () => at < answer.shared;

async function load() {
  const given = Object.fromEntries(Object.entries({ ...state, at: undefined }).filter(([name, value]) => value !== undefined && value !== START[name]));
  link.write(given);
  one("#pairs").classList.add("busy");
  try {
    const found = await run((signal) => ask("entities/directions", { texts: [state.first, state.second] }, signal));
    if (!found) return;
    answer = { ...found, types: found.sentences[0].types };
    tell(one("#fault"));
    build();
    show(Math.max(0, answer.shared - 1));
  } catch (error) {
    tell(one("#fault"), error);
  } finally {
    one("#pairs").classList.remove("busy");
  }
}

// The figure's parts, once for a pair of sentences.
function build() {
  const parts = [h("span", { class: "corner" }), h("span", { class: "which" }, "①"), h("span", { class: "corner" }), h("span", { class: "which" }, "②")];
  for (const side of SIDES) {
    cells[side] = answer.sentences.map((sentence, k) => cell(sentence, side, k));
    cells[side].same = h("div", { class: "same edge" });
    parts.push(h("div", { class: "side edge" }, h("span", { class: "arrow", "aria-hidden": "true" }, side === "forward" ? "→" : "⇄"), h("b", {}, side === "forward" ? t("只向前读", "Forward only") : t("两头都读", "Both directions")),
      h("span", { class: "quiet" }, t(`${answer.sentences[0].parameters[side].toLocaleString()} 个参数`, `${answer.sentences[0].parameters[side].toLocaleString()} weights`))));
    parts.push(cells[side][0].element, cells[side].same, cells[side][1].element); // on a phone the middle one comes last
  }
  one("#pairs").replaceChildren(...parts);
  one("#at").max = longest() - 1;
  one("#about").textContent = t("两个网络一样大，一样训练，都读过照这种句式造的句子：同一个词，有时是人的名，有时是物名的一部分。课上的两句不在其中。",
    "Both networks are of equal size and were trained alike, also on sentences made after this pattern, in which one word is now a first name and now part of a thing's name. The lecture's two sentences are not among them.");
}

function cell(sentence, side, k) {
  const words = sentence.words.map((word, n) => h("button", { type: "button", tabindex: -1, onclick: () => { pause(); show(n); } }, word.text));
  const spaced = words.flatMap((button, n) => [n && sentence.words[n].start > sentence.words[n - 1].end ? " " : null, button]);
  const rows = order().map((type) => ({ type, dt: h("dt", {}, swatch(type === "none" ? "" : type), NAMES[type] ?? type), fill: h("i"), figure: h("dd", { class: "figure" }) }));
  const bars = h("dl", { class: "bars" }, rows.map((row) => h("div", {}, row.dt, h("dd", { class: `track f${row.type === "none" ? "none" : family(row.type)}`, "aria-hidden": "true" }, row.fill), row.figure)));
  const element = h("div", { class: "cell edge", role: "group", "aria-label": t(`第 ${k + 1} 句，${side === "forward" ? "只向前读" : "两头都读"}`, `sentence ${k + 1}, ${side === "forward" ? "forward only" : "both directions"}`) }, h("div", { class: "words-row" }, spaced.filter(Boolean)), bars);
  return { element, words, rows };
}

function show(n) {
  at = Math.max(0, Math.min(n, longest() - 1));
  one("#at").value = at;
  for (const side of SIDES) {
    answer.sentences.forEach((sentence, k) => draw(cells[side][k], sentence, side));
    draw_same(cells[side].same, side);
  }
  const words = answer.sentences.map((s) => s.words[at]?.text ?? "–"), both = words[0] === words[1] ? `“${words[0]}”` : `“${words[0]}” | “${words[1]}”`;
  if (!playing) one("#moment").textContent = t(`第 ${at + 1} / ${longest()} 个词：${both}`, `word ${at + 1} of ${longest()}: ${both}`);
  one("#at").setAttribute("aria-valuetext", both);
  tell_number();
}

function draw({ words, rows }, sentence, side) {
  const here = Math.min(at, words.length - 1), word = sentence.words[here], most = chosen(word, side);
  words.forEach((button, n) => {
    const seen = n <= at, type = chosen(sentence.words[n], side);
    button.className = [n === at && "here", side === "forward" && !seen && "unseen", seen && type !== "none" && `named f${family(type)}`].filter(Boolean).join(" ");
  });
  for (const { type, dt, fill, figure } of rows) {
    fill.style.width = `${100 * word[side][type]}%`;
    figure.textContent = percent(word[side][type]);
    for (const e of [dt, figure]) e.classList.toggle("most", type === most);
  }
}

function draw_same(element, side) {
  const n = shared() ? answer[side][at] : undefined;
  element.className = `same edge${n === 0 ? " equal" : n ? " apart" : ""}`;
  element.replaceChildren(h("b", {}, n === 0 ? "=" : n ? "≠" : "·"), n === undefined ? t("两句的词不同了", "the words now differ") : n === 0 ? t("每一位都相同", "the same in every bit") : t(`${n} 位不同`, `${n} bits differ`));
}

function tell_number() {
  const place = Math.min(at, answer.shared - 1), big = one("#number");
  if (place < 0) {
    big.textContent = "–";
    one("#meaning").textContent = t("两句从第一个词就不同，没有可比的：让两句以同样的词开头。", "The two sentences differ from the first word on: begin both with the same words.");
    return;
  }
  const [one_word, two_word] = answer.sentences.map((s) => s.words[place]), word = one_word.text;
  const kinds = [one_word, two_word].map((w) => chosen(w, "both")), named = kinds.find((k) => k !== "none") ?? "person", p = (w) => percent(w.both[named]);
  big.textContent = t(`${answer.forward[place]} 位`, `${answer.forward[place]} bits`);
  one("#meaning").textContent = t(
    `读到“${word}”，只向前的网络在两句里的判断有 ${answer.forward[place]} 位不同（共 ${answer.bits} 位）：后面的词它还没有读。两头都读的有 ${answer.both[place]} 位不同，它说“${word}”是${NAMES[named] ?? named}：① ${p(one_word)}，② ${p(two_word)}。`,
    `of ${answer.bits} differ between the two sentences in what the forward-only network says of “${word}”: it has not read what follows. For the one that reads both ways ${answer.both[place]} differ; it says ${NAMES[named] ?? named} with ${p(one_word)} in ① and ${p(two_word)} in ②.`);
}

// playing
function pause() {
  clearInterval(playing);
  playing = undefined;
  one("#play").textContent = t("▶ 播放", "▶ Play");
  one("#play").setAttribute("aria-pressed", "false");
}

function play() {
  if (at >= longest() - 1) show(0);
  playing = setInterval(() => { if (at + 1 >= longest() - 1) { const last = longest() - 1; pause(); show(last); } else show(at + 1); }, still.matches ? 1.6 * STEP : STEP);
  one("#play").textContent = t("⏸ 暂停", "⏸ Pause");
  one("#play").setAttribute("aria-pressed", "true");
  one("#moment").textContent = t("正在播放", "playing");
}

const move = (by) => { if (!answer) return; pause(); show(at + by); };
one("#play").addEventListener("click", () => { if (answer) playing ? (pause(), show(at)) : play(); });
one("#back").addEventListener("click", () => move(-1));
one("#on").addEventListener("click", () => move(1));
one("#at").addEventListener("input", () => { if (answer) { pause(); show(Number(one("#at").value)); } });
addEventListener("keydown", (event) => { if (event.key === "Escape" && playing) { pause(); show(at); } });

function take(values) {
  pause();
  state = { ...state, ...values };
  for (const key of ["first", "second"]) if (one(`#${key}`).value !== state[key]) one(`#${key}`).value = state[key];
  return load();
}
const typed = paused(450, () => take({ first: one("#first").value, second: one("#second").value }));
for (const key of ["first", "second"]) one(`#${key}`).addEventListener("input", typed);
one("#order").addEventListener("submit", (event) => event.preventDefault());
one("#examples").replaceChildren(...EXAMPLES.map(([name, first, second]) => h("button", { type: "button", class: "small", onclick: () => take({ first, second }) }, name)));

const given = link.read();
await take({ first: typeof given.first === "string" ? given.first : START.first, second: typeof given.second === "string" ? given.second : START.second });
