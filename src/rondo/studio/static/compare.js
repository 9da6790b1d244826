// GRU against LSTM against Elman: the table that was measured, its curves, the lecture's sentences; a reader's own cell
// is trained beside them and joins as a row.
import { ask, latest, link, stream, tell } from "./api.js";
import { all, h, one, options, paused, svg } from "./dom.js";
import { plot } from "./plot.js";
import { drawer } from "./trials_parts.js";
import { own, t } from "./words.js";

const TASKS = ["characters", "adding", "agreement"];
const COLORS = { elman: 3, "gru-cho": 1, lstm: 0, own: 4 }, DASHES = { elman: 2, "gru-cho": 1, lstm: 0, own: 3 };
const PATTERNS = ["", "7 4", "2 3", "9 3 2 3", "5 2"]; // as plot.js draws
const NAMES = { own: t("你的单元", "your cell"), "gru-cho": "GRU", gru: t("GRU（重置在后）", "GRU (reset after)") };
const WORDS = {
  supported: ["✓", t("有数据支持", "supported")],
  contradicted: ["✗", t("与数据相反", "contradicted")],
  open: ["?", t("这些训练分不出", "not decided by these runs")],
};
const state = { share: 0.1, seeds: 1, ...link.read() };
let shown, whole, summary, mine = null, axis = "steps", began = [];
const run = latest(), reads = latest();

const said = (words) => t(words.zh, words.en);
const title = (cell) => NAMES[cell] ?? shown.cells[cell]?.title ?? cell;
const count = (v) => Number(v).toLocaleString("en");
const share = (v) => ({ 0.05: "1/20", 0.1: "1/10", 0.25: "1/4", 0.5: "1/2", 1: t("全部", "all") })[v] ?? String(v);

// --- numbers

function number(figure, v) {
  if (v == null) return "–";
  if (figure.task === "agreement" && figure.kind !== "solved") return `${(100 * v).toFixed(1)}%`;
  if (figure.task === "characters") return v.toFixed(3);
  if (figure.kind === "speed" || figure.kind === "solved" || figure.kind === "structure") return count(Math.round(v));
  return v >= 0.01 ? v.toFixed(3) : v.toExponential(1);
}

function range(figure, s) {
  if (s.values.length < 2) return t("一个种子", "one seed");
  if (s.median == null) return t(`${s.values.filter((v) => v != null).length} / ${s.values.length} 个种子`, `${s.values.filter((v) => v != null).length} of ${s.values.length} seeds`);
  const [low, high] = [number(figure, s.low), number(figure, s.high)];
  return low === high ? t("各种子一样", "all seeds") : `${low} – ${high}`;
}

const best = (figure) => {
  const found = Object.entries(figure.cells).filter(([, s]) => s.median != null).sort((a, b) => (figure.higher ? -1 : 1) * (a[1].median - b[1].median));
  return found.length > 1 && found[0][1].median !== found[1][1].median ? found[0][0] : null;
};
const figure = (id, of = summary) => of.figures.find((f) => f.id === id);

// --- the table

const COLUMNS = [
  { group: "", ids: ["gates"], heads: [t("门", "gates")] },
  { group: t("每步纳秒，参数相同", "ns a step, equal parameters"), ids: ["speed-parameters-training", "speed-parameters-inference"], heads: [t("训练", "training"), t("推理", "inference")] },
  { group: t("每字符比特", "bits per character"), ids: ["characters-steps", "characters-time"], task: "characters" },
  { group: t("加法，均方误差", "adding, squared error"), ids: ["adding-steps", "adding-time"], task: "adding" },
  { group: t("主谓一致", "agreement"), ids: ["agreement-steps", "agreement-time"], task: "agreement" },
];
const EQUAL = [t("步数相同", "equal steps"), t("时间相同", "equal time")];

function key(cell) {
  return svg("svg", { class: "key", viewBox: "0 0 28 10", "aria-hidden": "true" }, svg("path", { class: `c${COLORS[cell] ?? 2}`, d: "M0 6H28", "stroke-dasharray": PATTERNS[DASHES[cell] ?? 4] }));
}

function drawTable() {
  const cells = [...Object.keys(shown.cells), ...(mine ? ["own"] : [])], table = one("#table"), columns = COLUMNS.filter((c) => c.ids.every((id) => figure(id)));
  const value = (cell, id) => {
    const f = figure(id), s = f.cells[cell];
    if (!s || !s.values.length) return h("td", { class: "number quiet" }, t("没有量", "not measured"));
    return h("td", { class: `number${best(f) === cell ? " best" : ""}`, title: s.steps == null ? said(f.title) : `${said(f.title)}: ${t(`第 ${count(Math.round(s.steps))} 步，${s.seconds.toFixed(1)} 秒`, `step ${count(Math.round(s.steps))}, ${s.seconds.toFixed(1)} s`)}` },
      h("span", { class: "main-number" }, number(f, s.median)), f.kind === "structure" ? null : h("span", { class: "range" }, range(f, s)));
  };
  const task = (name) => shown.tasks.find((x) => x.name === name);
  const units = (cell) => { const first = (cell === "own" ? mine?.trials[sized(cell)] : task(TASKS[0])?.trials.filter((x) => x.cell === cell))?.[0]; return first ? [t(`${first.hidden} 单元`, `${first.hidden} units`), h("br"), t(`${count(first.parameters)} 参数`, `${count(first.parameters)} parameters`)] : ""; };
  table.replaceChildren(
    h("thead", {}, h("tr", {}, h("th", { rowspan: 2 }, t("单元", "cell")), columns.map((c) => h("th", { class: "group", colspan: c.ids.length, scope: "colgroup" }, c.group))),
      h("tr", {}, columns.flatMap((c) => (c.heads ?? EQUAL).map((head) => h("th", { class: "number", scope: "col" }, head))))),
    h("tbody", {}, cells.map((cell) => h("tr", { class: cell === "own" ? "own" : "", "data-cell": cell },
      h("th", { scope: "row" }, key(cell), title(cell), h("span", { class: "range" }, units(cell))), columns.flatMap((c) => c.ids.map((id) => value(cell, id))))),
    h("tr", { class: "line" }, h("th", { scope: "row" }, t("没有记忆也能到", "without memory")), columns.map((c) => h("td", { class: "number", colspan: c.ids.length }, c.task && task(c.task) ? number({ task: c.task, kind: "steps" }, task(c.task).line) : ""))),
    h("tr", { class: "line" }, h("th", { scope: "row" }, t("五元模型 / 算学会", "5-gram model / solved")), columns.map((c) => h("td", { class: "number", colspan: c.ids.length }, c.task && task(c.task) ? number({ task: c.task, kind: "steps" }, task(c.task).goal) : "")))));
  table.setAttribute("aria-busy", "false");
  one("#caption").textContent = caption();
}

const sized = () => TASKS.find((name) => mine?.trials[name]?.length);

function caption() {
  const at = summary.share, s = shown.settings;
  const budget = shown.tasks.map((x) => `${{ characters: t("字符", "characters"), adding: t("加法", "adding"), agreement: t("主谓一致", "agreement") }[x.name]} ${count(Math.round(at * x.steps))} ${t("步", "steps")} / ${(at * x.seconds).toFixed(0)} ${t("秒", "s")}`).join(t("，", ", "));
  return t(`每个网络约 ${count(s.parameters)} 个参数，${s.seeds} 个种子。${at < 1 ? `预算的 ${share(at)}：` : "预算："}${budget}。`, `About ${count(s.parameters)} parameters a network, ${s.seeds} seeds. ${at < 1 ? `${share(at)} of the budget` : "Budget"}: ${budget}.`);
}

// --- curves

function points(task, trial) {
  const place = axis === "steps" ? 0 : 1, most = summary.share * (axis === "steps" ? task.steps : task.seconds);
  const found = trial.curve.filter((p) => p[place] <= most * 1.0001 + (axis === "steps" ? 0 : 0.02));
  return found.map((p) => [p[place], p[2] ?? NaN]);
}

function drawCurves() {
  for (const task of shown.tasks) {
    const running = began.filter((p) => p.task === task.name), live = Object.values(Object.groupBy(running, (p) => `${p.seed} ${p.lr}`)).map((ps) => ({ cell: "own", seed: ps[0].seed, curve: ps.map((p) => [p.step, p.cpu, p.value]) }));
    const trials = [...task.trials, ...(mine?.trials[task.name] ?? live)];
    const first = {}, series = trials.map((x) => {
      const label = first[x.cell] ? "" : title(x.cell);
      first[x.cell] = true;
      return { name: `${title(x.cell)} ${x.seed}`, label, points: points(task, x), color: COLORS[x.cell] ?? 2, dash: DASHES[x.cell] ?? 4 };
    }).filter((s) => s.points.length);
    const low = task.name === "adding", values = series.flatMap((s) => s.points.map((p) => p[1])).filter(Number.isFinite);
    plot(one(`#chart-${task.name}`), {
      title: said(figure(`${task.name}-${axis}`).title), height: 270, series,
      x: { label: axis === "steps" ? t("训练步数", "training steps") : t("处理器秒", "processor seconds"), min: 0, max: summary.share * (axis === "steps" ? task.steps : task.seconds) },
      y: { label: { characters: t("比特", "bits"), adding: t("均方误差", "squared error"), agreement: t("准确率", "accuracy") }[task.name], log: low, ...(low ? { max: 0.5, min: Math.max(1e-6, Math.min(...values) / 2) } : task.higher ? { min: 0.4, max: 1 } : { max: Math.min(5, Math.max(...values)), min: Math.min(task.goal, ...values) - 0.05 }) },
      lines: [{ y: task.line, label: t("没有记忆", "no memory") }, { y: task.goal, label: task.name === "characters" ? t("五元模型", "5-gram") : t("算学会", "solved") }],
    });
    one(`#how-${task.name}`).textContent = how(task);
  }
  one("#by-steps").setAttribute("aria-pressed", axis === "steps");
  one("#by-time").setAttribute("aria-pressed", axis === "time");
}

function how(task) {
  const solved = figure(`${task.name}-solved`);
  if (!solved) return t("越低越好。每个种子一条线；“没有记忆”只看前一个字符，“五元模型”看前四个。", "Lower is better; a line a seed. “No memory” sees one character before, the 5-gram model four.");
  const each = Object.entries(solved.cells).map(([cell, s]) => { const known = s.values.filter((v) => v != null); return `${title(cell)} ${known.length ? t(`${known.length}/${s.values.length} 个种子，第 ${count(Math.min(...known))} 步起`, `${known.length} of ${s.values.length} seeds, from step ${count(Math.min(...known))}`) : t("没有", "none")}`; });
  return t(`${task.higher ? "越高越好" : "越低越好（对数轴）"}。学会的：${each.join("；")}。`, `${task.higher ? "Higher is better" : "Lower is better (log axis)"}. Solved by: ${each.join("; ")}.`);
}

// --- the sentences, each claim beside its figures

function drawSentences() {
  const pair = ["gru-cho", "lstm"];
  one("#sentences").replaceChildren(...whole.sentences.map((sentence) => h("article", { class: "card" },
    h("p", { class: "said" }, t("“", "“"), said(sentence.text), t("”", "”")),
    sentence.claims.map((claim) => {
      const [mark, word] = WORDS[claim.verdict], rows = Object.entries(claim.figures);
      return h("div", { class: "claim" },
        h("div", {}, h("p", {}, said(claim.title), t("：", ": "), h("span", { class: `verdict-word ${claim.verdict}` }, `${mark} ${word}`)), h("p", { class: "quiet" }, said(claim.why), t("。", "."))),
        rows.length ? h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, ""), pair.map((c) => h("th", { class: "number" }, title(c))), h("th", {}, t("支持", "favours")))),
          h("tbody", {}, rows.map(([id, name]) => { const f = figure(id, whole); return h("tr", {}, h("td", {}, said(f.title)), pair.map((c) => h("td", { class: `number${name === c ? " favoured" : ""}` }, number(f, f.cells[c].median), f.kind === "structure" ? null : h("span", { class: "range" }, range(f, f.cells[c])))), h("td", {}, name ? title(name) : t("分不出", "neither"))); })))) : null);
    }))));
}

function drawMethod() {
  const s = shown.settings, x = shown.text;
  one("#method-text").replaceChildren(
    h("p", {}, t(`同样的训练给每个单元：Adam，学习率不变，从 ${s.rates.join("、")} 里由第一个种子按验证挑；每批 ${s.batch} 行；梯度范数裁剪到 ${s.clip}；量的是权重的滑动平均（衰减 ${s.average}），所以曲线上每一点都是一次训完的训练。`,
      `Every cell is trained alike: Adam at a constant rate, which the first seed chooses of ${s.rates.join(" and ")} by validation; ${s.batch} rows a batch; gradients clipped to norm ${s.clip}; what is measured is a running mean of the weights (decay ${s.average}), so each point of a curve is a finished training.`)),
    x ? h("p", {}, t(`文字：${x.name}，${count(x.characters)} 个字符，${x.symbols} 种，在另外 ${count(x.held)} 个上量。加法长 50 步；主谓之间隔 1 到 40 个词。数都在验证数据上量，学习率也在上面挑。`, `Text: ${x.name}, ${count(x.characters)} characters of ${x.symbols} kinds, measured on another ${count(x.held)}. Adding has 50 steps; 1 to 40 words stand between subject and verb. All figures are on validation data, on which the rate was chosen too.`)) : null,
    h("p", {}, t("每步纳秒：处理器时间，只量循环层（64 步、32 行，读 one-hot），每个种子一次，每次是多轮的中位数。", "Nanoseconds a step: processor time of the recurrent layer alone (64 steps, 32 rows, one-hot input), once a seed, each the median of several rounds.")),
    h("p", {}, t("GRU 是讲义的（重置门在乘积之前，Cho 等 2014）。", "The GRU is the lecture's (reset before the product, Cho et al. 2014).")),
    h("p", {}, h("code", {}, shown.command), h("br"), `${shown.made} · Rondo ${shown.versions.rondo}, torch ${shown.versions.torch}, Python ${shown.versions.python} · ${shown.machine} · ${count(Math.round(shown.seconds))} ${t("处理器秒", "processor seconds")}`),
    h("p", {}, t("在终端里加自己的单元：", "With a cell of your own, in a terminal: "), h("code", {}, "rondo compare mine.txt --join")));
}

function draw() {
  drawTable();
  drawCurves();
}

// --- a reader's own cell

// The bench's link, pasted as it is, gives its cell.
function given() {
  const text = one("#equations").value.trim();
  const at = /^https?:\/\/\S+#/.test(text) ? text.slice(text.indexOf("#") + 1) : "";
  if (at) {
    try {
      const cell = JSON.parse(decodeURIComponent(at)).cell;
      if (cell?.equations) put(cell);
    } catch { /* no bench's link: read as equations, which says what is wrong */ }
  } else if (state.cell?.equations !== one("#equations").value) state.cell = { equations: one("#equations").value };
  return state.cell;
}

function put(cell) {
  state.cell = cell;
  one("#equations").value = cell.equations;
}

const remember = () => link.write({ cell: state.cell, share: state.share, seeds: state.seeds });
const soon = paused(200, read);

async function read() {
  const cell = given();
  try {
    const found = await reads((signal) => ask("cell/read", { cell }, signal));
    if (!found) return false;
    remember();
    const f = found.fault, message = f ? (f.line ? t(`第 ${f.line} 行：`, `line ${f.line}: `) : "") + own(f.message) : "";
    one("#own-fault").hidden = !f;
    one("#own-fault").textContent = message;
    one("#read-state").textContent = f ? "" : t(`读懂了：${found.name}，${found.formulas.filter((x) => x.part === "equations").length} 个式子。也可以贴单元台的链接。`, `Read: ${found.name}, ${found.formulas.filter((x) => x.part === "equations").length} equations. The bench's link can be pasted too.`);
    return !f;
  } catch (error) {
    tell(one("#own-fault"), error);
    return false;
  }
}

function busy(on) {
  one("#go").disabled = on;
  one("#stop").hidden = !on;
  one("#progress").hidden = !on;
  one("#own-form").setAttribute("aria-busy", on);
}

const redraw = drawer(() => drawCurves());
const DOING = { characters: t("正在学字符", "learning characters"), adding: t("正在学加法", "learning to add"), agreement: t("正在学主谓一致", "learning agreement"), speed: t("正在量每步纳秒", "measuring nanoseconds a step") };

function record(r, asked) {
  if (r.stage === "begun") asked.text = r.text;
  else if (r.stage === "doing") one("#status").textContent = `${DOING[r.what]}……`;
  else if (r.stage === "point") {
    began.push({ ...r, value: Number(r.value) });
    one("#progress i").style.setProperty("width", `${Math.round(100 * r.done)}%`);
    one("#status").textContent = t(`${DOING[r.task]}：种子 ${r.seed}，学习率 ${r.lr}，第 ${count(r.step)} 步，${number({ task: r.task, kind: "steps" }, Number(r.value))}`, `${DOING[r.task]}: seed ${r.seed}, rate ${r.lr}, step ${count(r.step)}, ${number({ task: r.task, kind: "steps" }, Number(r.value))}`);
    redraw();
  }
}

async function train() {
  if (!(await read())) return;
  const asked = { cell: structuredClone(state.cell), share: state.share, seeds: state.seeds };
  [mine, began] = [null, []];
  try {
    if (asked.share !== summary.share) summary = (await ask(`lab/compare?share=${asked.share}`)).summary;
    draw(); // the others at the same budget
    busy(true);
    note(asked, false);
    one("#status").textContent = t("正在准备……", "getting ready …");
    const ended = await run((signal) => stream("lab/compare/own", { cell: asked.cell, share: asked.share, seeds: asked.seeds }, {
      signal, record: (r) => record(r, asked), queued: (place) => place && (one("#status").textContent = t(`前面还有 ${place} 位`, `${place} before you`)),
    }));
    one("#status").textContent = ended ? t("完成：加在表里了", "done: it has joined the table") : t("已停下", "stopped");
    if (ended?.stage === "ended") {
      [mine, summary, began] = [ended, ended.summary, []];
      draw();
      note(asked, true);
      one("#table").scrollIntoView({ block: "nearest" });
    }
  } catch (error) {
    one("#status").textContent = "";
    tell(one("#own-fault"), error);
  } finally {
    busy(false);
  }
}

// A smaller budget is said plainly: the whole table is then read at it.
function note(asked, ended) {
  const parts = [];
  if (asked.share < 1) parts.push(t(`上表和曲线现在是全部预算的 ${share(asked.share)}：每个单元都读它在那一刻的数，不是最后的数；三句话仍按全部预算判。`, `The table and the curves are now read at ${share(asked.share)} of the budget: every cell's figures at that moment, not its last; the sentences are judged at all of it.`));
  if (asked.seeds < shown.settings.seeds) parts.push(t(`你的单元只有 ${asked.seeds} 个种子，其他有 ${shown.settings.seeds} 个。`, `Your cell has ${asked.seeds} seed(s), the others ${shown.settings.seeds}.`));
  if (ended) parts.push(t("别的机器快慢不同：时间和每步纳秒按 LSTM 在这台与那台上的快慢换算。", "Machines differ in speed: time and nanoseconds are converted by what LSTM takes here and took there."));
  if (asked.text === false && shown.text) parts.push(t(`这里没有 ${shown.text.name}，字符一项没有量：rondo data ${shown.text.name} --get 文件夹，再设 RONDO_DATA。`, `${shown.text.name} is not at hand here, so characters were not measured: rondo data ${shown.text.name} --get FOLDER, then set RONDO_DATA.`));
  one("#reduced").hidden = !parts.length;
  one("#reduced").textContent = parts.join(t("", " "));
}

// --- beginning

async function begin() {
  try {
    const found = await ask("lab/compare");
    [shown, whole, summary] = [found.result, found.summary, found.summary];
    draw();
    drawSentences();
    drawMethod();
  } catch (error) {
    one("#go").disabled = true;
    return tell(one("#fault"), error);
  }
  const { cells } = await ask("cell/shipped");
  one("#start").replaceChildren(...options([["", t("这些方程", "these equations")], ...cells.map((c) => [c.name, c.name])], ""));
  one("#start").addEventListener("change", (event) => { const c = cells.find((x) => x.name === event.target.value); if (c) put(structuredClone(c.cell)), read(); });
  put(state.cell?.equations ? state.cell : structuredClone(cells.find((c) => c.name === "mgu").cell));
  for (const id of ["share", "seeds"]) one(`#${id}`).value = String(state[id]);
  await read();
}

for (const id of ["share", "seeds"]) one(`#${id}`).addEventListener("change", (event) => { state[id] = Number(event.target.value); remember(); });
one("#equations").addEventListener("input", () => { one("#start").value = ""; soon(); });
one("#own-form").addEventListener("submit", (event) => { event.preventDefault(); train(); });
one("#stop").addEventListener("click", () => run.stop());
one("#own-form").addEventListener("keydown", (event) => { if (event.key === "Escape") run.stop(); });
for (const name of ["steps", "time"]) one(`#by-${name}`).addEventListener("click", () => { axis = name; drawCurves(); });
begin();
