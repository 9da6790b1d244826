// Gates over two sentences: the same units under both, their difference, and which of them tell the verb its number.
import { latest, link, stream, tell } from "./api.js";
import { h, one, options, paused } from "./dom.js";
import { fitted, legend, map, number, verdict, word } from "./gates_view.js";
import { t } from "./words.js";

const PAIRS = [
  ["lecture", t("课上的一对", "the lecture's pair"), "The cat, which already ate, was full", "The cats, which ate, were full"],
  ["long", t("相隔 20 个词", "20 words between"), "the cat, which already ate the mice near the old door and quietly saw the dogs behind the tables, was full",
    "the cats, which already ate the mice near the old door and quietly saw the dogs behind the tables, were full"],
  ["lure", t("中间有复数名词", "a plural in between"), "the boy near the cars behind the houses is late", "the boys near the car behind the house are late"],
  ["has", t("has 与 have", "has and have"), "the teacher, which the children have followed, has eaten", "the teachers, which the child has followed, have eaten"],
];
const TEXTS = {
  english: [["man", t("老人", "the old man"), "The old man was tired", "The old men were tired"], ["he", "he / they", "He was tired", "They were tired"],
    ["lecture", t("课上的一对（它答错一句）", "the lecture's pair (it gets one wrong)"), "The cat, which already ate, was full", "The cats, which ate, were full"]],
  chinese: [["moon", t("李白两句，换几个字", "two lines of Li Bai, some characters changed"), "举头望明月，低头思故乡。", "举头望青山，低头思故人。"],
    ["spring", t("春与秋", "spring and autumn"), "春眠不觉晓，处处闻啼鸟。", "秋眠不觉晓，处处闻啼鸦。"]],
};
const GLOSS = {
  gru: { r: t("相关门 Γr：候选值看多少旧状态", "relevance gate Γr: how much of the old state the candidate sees"), u: t("更新门 Γu：1 写入新值，0 原样保留", "update gate Γu: 1 writes, 0 keeps the old value as it is"),
    c: t("候选值 c̃", "candidate c̃"), h: t("状态（课上的 c = a）", "state (the lecture's c = a)") },
  lstm: { i: t("输入门 Γu：写入多少", "input gate Γu: how much is written"), f: t("遗忘门 Γf：1 保留，0 忘掉", "forget gate Γf: 1 keeps, 0 forgets"), g: t("候选值 c̃", "candidate c̃"),
    o: t("输出门 Γo：露出多少", "output gate Γo: how much is shown"), c: t("细胞状态 c", "cell state c"), h: t("输出 a = o·tanh(c)", "output a = o·tanh(c)") },
  elman: { h: t("状态 a，没有门保护它", "state a; no gate protects it") },
};
const PROBES = new Set(["gru", "lstm", "elman"]);
const START = { model: "gru", name: "u", rows: 10, first: PAIRS[0][2], second: PAIRS[0][3] };
const run = latest();
let state = { ...START, ...link.read() }, answer, maps = [], cursor;

const pairs = () => TEXTS[state.model] ?? PAIRS;
const full = () => Object.keys(answer.names).find((n) => n.split(".")[1] === state.name) ?? Object.keys(answer.names).at(-1);
const gloss = (name) => (GLOSS[state.model] ?? GLOSS.lstm)[name] ?? "";

async function load() {
  one("#maps").classList.add("busy");
  try {
    const found = await run((signal) => stream("lab/gates", { model: state.model, first: state.first, second: state.second, rows: 24 }, { signal, queued: waiting }));
    if (!found) return;
    answer = found;
    tell(one("#fault"), null);
    cursor = { row: 0, column: Math.min(answer.at, answer.columns.length - 1) };
    draw();
  } catch (error) { tell(one("#fault"), error); }
  one("#maps").classList.remove("busy");
}

const waiting = (place) => (one("#place").textContent = place ? t(`前面还有 ${place} 个`, `${place} before you`) : "");

function draw() {
  const name = full(), kind = answer.names[name], rows = answer.rows.slice(0, state.rows);
  state.name = name.split(".")[1];
  const [a, b] = answer.values[name], size = (values) => Math.max(0.5, ...values.flat().map((v) => Math.abs(v ?? 0)));
  const scale = kind === "free" ? size([...a, ...b]) : 1, apart = answer.differences[name];
  const own = (side, values) => answer.columns.map((pair) => (pair[side] == null ? null : values[pair[side]]));
  const labels = (side) => answer.columns.map((pair) => (pair[side] == null ? "" : word(answer.sentences[side].words[pair[side]])));
  const both = answer.columns.map((_, k) => (labels(0)[k] === labels(1)[k] ? labels(0)[k] : `${labels(0)[k] || "–"}|${labels(1)[k] || "–"}`));
  const wide = innerWidth > 720, bars = wide ? answer.exchange?.shares.slice(0, state.rows) : undefined, room = one("#maps").clientWidth - (bars ? 150 : 0);
  const common = { rows, fit: fitted([labels(0), labels(1), both], room), at: answer.at };
  maps = [
    map({ ...common, labels: labels(0), values: own(0, a), scale, spoken: t("第一句的热图", "map of the first sentence") }),
    map({ ...common, labels: labels(1), values: own(1, b), scale, spoken: t("第二句的热图", "map of the second sentence") }),
    map({ ...common, labels: both, values: apart, scale: kind === "tanh" ? 2 : scale, bars, spoken: t("两句之差", "difference of the two") }),
  ];
  const title = (mark, ...more) => h("div", { class: "map-head" }, h("b", {}, mark), ...more);
  one("#maps").replaceChildren(
    title("①", verdict(answer.sentences[0])), maps[0], title("②", verdict(answer.sentences[1])), maps[1],
    title("① − ②", h("span", { class: "quiet" }, bars ? t("右边：每个单元为动词的数出的力（对数几率）", "at the right: what each unit says about the verb's number (log-odds)") : "")), maps[2],
  );
  one("#legend").replaceChildren(...legend(kind, scale));
  one("#how").textContent = how(kind);
  tellNumber(name);
  choices(name);
  point(cursor.row, cursor.column, false);
  link.write(state);
}

function how(kind) {
  const value = kind === "sigmoid" ? t("颜色越浓，门开得越大", "the stronger the colour, the wider the gate is open") : t("蓝为正，红为负（并画一短横），越浓离零越远", "blue is positive, red (with a dash) negative; the stronger, the farther from zero");
  const order = answer.exchange ? t("最上面的单元对动词的数最要紧", "the unit on top matters most for the verb's number") : t("最上面的单元在最后一处不同相差最多", "the unit on top differs most where the sentences last differ");
  return t(`怎么看：一行一个单元，一列一个词，从左读到右；${value}；${order}。`, `How to read this: a row is a unit, a column a word, read from left to right; ${value}; ${order}.`);
}

function tellNumber(name) {
  const e = answer.exchange, big = one("#number"), text = one("#meaning"), n = answer.units, [x, y] = answer.sentences;
  const likelier = (s) => Object.entries(s.chances).sort((p, q) => q[1] - p[1])[0][0];
  if (e && e.needed != null) {
    big.textContent = `${e.needed} / ${n}`;
    text.textContent = t(`个单元就装着主语的数：读到动词前，把它换成第二句里的值，第一句的 ${likelier(x)} 就变成 ${likelier(y)}。`,
      `${e.needed === 1 ? "unit carries" : "units carry"} the number to the verb: put into the first sentence as ${e.needed === 1 ? "it stands" : "they stand"} in the second, ${e.needed === 1 ? "it turns" : "they turn"} ${likelier(x)} into ${likelier(y)}.`);
  } else if (e) {
    big.textContent = `0 / ${n}`;
    text.textContent = t(`个单元能换出另一个答案：两句之后它都说 ${likelier(x)}，主语的数没有传到。`, `units can turn the answer: after both sentences it says ${likelier(x)}; the subject's number has not arrived.`);
  } else {
    const place = [x, y].map((s, side) => word(s.words[answer.columns[answer.at][side]])).join("|");
    big.textContent = `${answer.changed[name]} / ${n}`;
    text.textContent = t(`个单元的 ${state.name} 在最后一处不同（${place}）相差 0.5 以上。`, `units differ by 0.5 or more in ${state.name} where the sentences last differ (${place}).`);
  }
}

function choices(name) {
  const focused = document.activeElement?.name === "name";
  one("#names").replaceChildren(...Object.keys(answer.names).map((full) => {
    const short = full.split(".")[1];
    return h("label", { class: "choice" }, h("input", { type: "radio", name: "name", value: short, checked: full === name, onchange: () => { state.name = short; draw(); } }), h("span", {}, short));
  }));
  if (focused) one('#names input:checked').focus();
  const line = answer.equations.split("\n").map((l) => l.trim()).find((l) => l.startsWith(`${state.name} = `)) ?? answer.equations.split("\n").at(-1).trim();
  one("#equation").textContent = line.replaceAll("sigmoid", "σ").replaceAll("@ ", "");
  one("#gloss").textContent = gloss(state.name);
}

function point(row, column, speak = true) {
  cursor = { row: Math.max(0, Math.min(row, Math.min(state.rows, answer.rows.length) - 1)), column: Math.max(0, Math.min(column, answer.columns.length - 1)) };
  for (const m of maps) m.move(cursor.row, cursor.column);
  const name = full(), [i, j] = answer.columns[cursor.column], r = cursor.row, [a, b] = answer.values[name];
  const said = (side, values, at) => (at == null ? "–" : `“${word(answer.sentences[side].words[at])}” ${number(values[at][r])}`);
  const share = answer.exchange ? ` · ${t("对动词", "on the verb")} ${number(answer.exchange.shares[r])}` : "";
  one("#readout").textContent = `${t("单元", "unit")} ${answer.rows[r]} · ${state.name} · ① ${said(0, a, i)} · ② ${said(1, b, j)} · ①−② ${number(answer.differences[name][cursor.column][r])}${share}`;
  if (speak) maps[0].querySelector(".cursor").scrollIntoView?.({ block: "nearest", inline: "nearest" });
}

one("#maps").addEventListener("keydown", (event) => {
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  if (!step || !answer) return;
  event.preventDefault();
  point(cursor.row + step[0], cursor.column + step[1]);
});
for (const kind of ["pointermove", "click"]) one("#maps").addEventListener(kind, (event) => {
  const picture = event.target.closest("svg.map");
  if (!picture || !answer) return;
  const { row, column } = picture.place(event);
  if (row >= 0 && column >= 0 && row < state.rows && column < answer.columns.length) point(row, column, false);
});

function fill() {
  one("#model").value = state.model;
  one("#rows").value = String(state.rows);
  for (const key of ["first", "second"]) one(`#${key}`).value = state[key];
  const chosen = pairs().find((p) => p[2] === state.first && p[3] === state.second)?.[0] ?? "";
  one("#example").replaceChildren(...options([["", t("自己写的", "my own")], ...pairs().map((p) => [p[0], p[1]])], chosen));
  const probe = PROBES.has(state.model);
  one("#flip").hidden = !probe;
  one("#words-note").textContent = probe
    ? t("小网络认得 96 个英文词：cat dog mouse boy teacher table door …，which the and near old already ate saw followed，动词 was/were is/are has/have。", "The small networks know 96 English words: cat dog mouse boy teacher table door …, which the and near old already ate saw followed, and the verbs was/were is/are has/have.")
    : t("语言模型读任何句子；英文句里最后一个 was、were、is、are、has、have 当作要选的动词。", "A language model reads any sentence; in English the last was, were, is, are, has or have is the verb to be chosen.");
}

function take(values) {
  state = { ...state, ...values };
  fill();
  load();
}

one("#model").addEventListener("change", () => {
  const model = one("#model").value, was = PROBES.has(state.model) && PROBES.has(model);
  state.model = model;
  const [, , first, second] = pairs()[0];
  const name = { gru: "u", elman: "h" }[model] ?? "f";
  take(was ? { name } : { first, second, name });
});
one("#rows").addEventListener("change", () => { state.rows = Number(one("#rows").value); draw(); });
one("#example").addEventListener("change", () => {
  const found = pairs().find((p) => p[0] === one("#example").value);
  if (found) take({ first: found[2], second: found[3] });
});
one("#flip").addEventListener("click", () => take({ second: "" }));
const typed = paused(500, () => { state.first = one("#first").value; state.second = one("#second").value; load(); });
for (const key of ["first", "second"]) one(`#${key}`).addEventListener("input", typed);
one("#order").addEventListener("submit", (event) => { event.preventDefault(); typed(); });
fill();
load();
