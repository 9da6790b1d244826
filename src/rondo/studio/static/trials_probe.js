// Learning curves on a probe, the cell beside LSTM and GRU at equal parameters and steps; they grow together.
import { stream } from "./api.js";
import { h, options } from "./dom.js";
import { plot } from "./plot.js";
import { blank, digits, drawer, select, value, word } from "./trials_parts.js";
import { own, t } from "./words.js";

// sizes: [length, depth], what it is called
const TASKS = {
  parity: { name: ["奇偶", "parity"], of: ["位", "bits"], sizes: [[8], [16], [32], [64]], chosen: 1, asks: ["至今的 1 是奇数个吗？只要记一位，但每个 1 都要翻它。", "Is the number of ones so far odd? One bit is enough, but each one turns it over."] },
  copying: { name: ["复制", "copying"], of: ["步静默", "blanks"], sizes: [[3], [5], [10], [20], [50]], chosen: 1, asks: ["记住十个符号，静默之后照样说出。", "Ten symbols, a silence, then the same ten again."] },
  adding: { name: ["加法", "adding"], of: ["步", "steps"], sizes: [[10], [20], [50], [100]], chosen: 1, asks: ["序列里标出的两个数，和是多少？", "What is the sum of the two numbers that are marked?"] },
  dyck: { name: ["括号", "dyck"], of: ["步", "steps"], sizes: [[16, 2], [24, 3], [48, 4]], chosen: 1, asks: ["此刻该合上哪一种括号？", "Which bracket may be closed now?"] },
  agreement: { name: ["主谓一致", "agreement"], of: ["词之隔，最多", "words between, at most"], sizes: [[5], [10], [20], [40]], chosen: 1, asks: ["隔着许多词，动词仍要随主语的单复数。", "The verb follows its subject's number, many words later."] },
};
const MEASURES = { accuracy: ["答对的比例", "accuracy"], "nats a step": ["每步损失（nats）", "nats a step"], "mean squared error": ["均方误差", "mean squared error"] };
const CELLS = { own: ["你的单元", "your cell", 1], lstm: ["LSTM", "LSTM", 0], gru: ["GRU", "GRU", 2] };

export function probePanel(p) {
  p.title.textContent = t("学习曲线：与 LSTM、GRU 参数一样多", "Learning curves beside LSTM and GRU, equal parameters");
  p.lead.textContent = t("同一批数据、同样的步数，三个单元轮流训练。", "The same batches and as many steps: the three are trained in turn.");
  p.go.textContent = t("一起训练", "Train them");
  p.form.append(
    word("任务", "On"), select("task", t("任务", "task"), Object.entries(TASKS).map(([k, v]) => [k, t(...v.name)]), "parity"),
    word("，", "with"), select("size", t("长度", "length"), [], ""),
    word("，每个网络约", ", about"), select("parameters", t("参数个数", "parameters"), ["1000", "5000", "20000"].map((n) => [n, Number(n).toLocaleString("en")]), "5000"),
    word("个参数，训练", "parameters each,"), select("steps", t("步数", "steps"), [["200", "200"], ["400", "400"], ["1000", "1,000"], ["2000", "2,000"]], "400"),
    word("步，", "steps,"), select("seeds", t("种子个数", "seeds"), ["1", "2", "3"].map((n) => [n, n]), "2"),
    word("个种子，学习率", "seeds, learning rate"), select("lr", t("学习率", "learning rate"), ["0.001", "0.003", "0.01", "0.03", "1"].map((n) => [n, n]), "0.01"),
  );
  p.form.elements.task.addEventListener("change", () => sizes());
  const asks = h("p", { class: "quiet", id: p.id("asks") });
  p.form.before(asks);

  function sizes(chosen) {
    const task = TASKS[value(p.form, "task")];
    const pairs = task.sizes.map((s) => [s.join(), s[1] ? t(`深 ${s[1]}，长 ${s[0]}`, `depth ${s[1]}, length ${s[0]}`) : t(`${task.of[0].endsWith("最多") ? `${task.of[0]} ${s[0]}` : `${s[0]} ${task.of[0]}`}`, task.of[1].endsWith("most") ? `${task.of[1]} ${s[0]}` : `${s[0]} ${task.of[1]}`)]);
    p.form.elements.size.replaceChildren(...options(pairs, chosen ?? task.sizes[task.chosen].join()));
    asks.textContent = t(...task.asks);
  }

  let found = p.kept();
  p.start = () => p.run(async (signal) => {
    const cell = p.cell(), asked = Object.fromEntries(["task", "size", "parameters", "steps", "seeds", "lr"].map((n) => [n, value(p.form, n)]));
    found = { equations: cell.equations, asked, curves: {}, trials: [] };
    p.chart.replaceChildren(blank(t("正在起步……", "starting …")));
    for (const part of [p.number, p.facts]) part.replaceChildren();
    p.old.hidden = true;
    const [length, depth] = asked.size.split(",").map(Number);
    const body = { cell, task: asked.task, length, ...(depth ? { depth } : {}), parameters: +asked.parameters, steps: +asked.steps, seeds: +asked.seeds, lr: +asked.lr };
    try {
      await stream("cell/probe", body, { signal, queued: p.queued, record });
    } finally {
      if (found.begun) p.keep(found), draw();
    }
  });

  const soon = drawer(() => draw());
  function record(r) {
    if (r.stage === "begun") (found.begun = r), p.say(t("正在训练……", "training …"));
    else if (r.stage === "point") (found.curves[`${r.cell} ${r.seed}`] ??= []).push([r.step, r.value]);
    else if (r.stage === "trial") found.trials.push(r);
    const most = Object.keys(CELLS).length * found.asked.seeds * found.asked.steps;
    p.done((Object.values(found.curves).reduce((sum, c) => sum + c.at(-1)[0], 0)) / most);
    soon();
  }

  function draw() {
    const { begun, asked } = found, name = t(...(MEASURES[begun.measure] ?? [begun.measure, begun.measure]));
    const series = Object.keys(CELLS).reverse().flatMap((cell) => Object.entries(found.curves).filter(([key]) => key.startsWith(`${cell} `))).map(([key, points]) => {
      const [cell, seed] = key.split(" "), [zh, en, color] = CELLS[cell];
      return { name: asked.seeds > 1 ? `${t(zh, en)} ${seed}` : t(zh, en), label: seed === "1" ? t(zh, en) : "", points: points.map(([x, y]) => [x, Number(y)]), color, dash: color, dots: seed === "1" };
    });
    const values = series.flatMap((s) => s.points.map((q) => q[1])).filter(Number.isFinite);
    const top = begun.higher ? 1 : Math.min(Math.max(begun.line, ...values), 3 * begun.line);
    plot(p.chart, {
      title: t(`${t(...TASKS[asked.task].name)}：${name}`, `${t(...TASKS[asked.task].name)}: ${name}`), height: 280, series,
      x: { label: t("训练步数", "training steps"), min: 0, max: +asked.steps },
      y: { label: name, min: begun.higher ? Math.min(begun.line, ...values) : 0, max: top },
      lines: [{ y: begun.line, label: t("没有记忆", "no memory") }, { y: begun.goal, label: t("算学会", "solved") }],
    });
    p.how.textContent = begun.higher
      ? t("怎样读：越高越好；“没有记忆”是不记任何东西也能达到的，高过它才算记住了什么；每个种子一条线。", "How to read it: higher is better; “no memory” is what can be reached without remembering, only above it something is remembered; a line a seed.")
      : t("怎样读：越低越好；“没有记忆”是不记任何东西也能达到的，低过它才算记住了什么；每个种子一条线。", "How to read it: lower is better; “no memory” is what can be reached without remembering, only below it something is remembered; a line a seed.");
    number(name);
    diverged();
  }

  function number(name) {
    const last = (cell) => Object.entries(found.curves).filter(([key]) => key.startsWith(`${cell} `)).map(([, c]) => Number(c.at(-1)[1]));
    const mean = (cell) => { const v = last(cell); return v.length ? v.reduce((a, b) => a + b) / v.length : NaN; };
    const text = (v) => (Number.isFinite(v) ? (found.begun.measure === "accuracy" ? `${(100 * v).toFixed(1)}%` : digits(v)) : v !== v && last("own").length ? t("不是数", "not a number") : "–");
    const solved = found.trials.filter((r) => r.cell === "own" && r.solved != null), ended = found.trials.filter((r) => r.cell === "own").length;
    p.number.replaceChildren(
      h("b", { class: "number-big" }, text(mean("own"))),
      t(`　你的单元现在的${name}；LSTM ${text(mean("lstm"))}，GRU ${text(mean("gru"))}，没有记忆 ${text(found.begun.line)}。`, ` is your cell's ${name} now; LSTM ${text(mean("lstm"))}, GRU ${text(mean("gru"))}, no memory ${text(found.begun.line)}.`),
      ended ? t(`${ended} 个种子里 ${solved.length} 个学会了`, ` ${solved.length} of ${ended} seeds solved it`) + (solved.length ? t(`，第 ${Math.min(...solved.map((r) => r.solved))} 步起。`, `, from step ${Math.min(...solved.map((r) => r.solved))} on.`) : t("。", ".")) : "",
    );
    const units = Object.entries(found.begun.units).map(([cell, n]) => `${t(...CELLS[cell])} ${n}`);
    p.facts.textContent = t(`隐藏单元：${units.join("，")}；参数因此几乎一样多。`, `Hidden units: ${units.join(", ")}; so all have nearly as many parameters.`);
  }

  function diverged() {
    const bad = found.trials.filter((r) => r.stopped);
    p.root.querySelector(".diverged")?.remove();
    if (bad.length) p.facts.after(h("div", { class: "note diverged", role: "status" }, bad.map((r) => h("div", {}, `${t(CELLS[r.cell][0], CELLS[r.cell][1])}${t("，种子", ", seed")} ${r.seed} `, h("b", { class: "bad" }, t("发散了", "diverged")), t("：", ": "), own(r.stopped), t("。训练到此为止，量的是前一步的权重。", ". Its training ended there; the weights of the step before are measured.")))));
  }

  const usable = found?.begun && found.asked && TASKS[found.asked.task] && found.curves && Array.isArray(found.trials);
  if (usable) {
    for (const [name, v] of Object.entries(found.asked)) if (p.form.elements[name] && name !== "size") p.form.elements[name].value = v;
    sizes(found.asked.size);
    draw();
  } else {
    found = undefined;
    sizes();
    p.how.textContent = t("怎样读：高过“没有记忆”那条线，才算记住了什么。", "How to read it: only above the line “no memory” something is remembered.");
    p.chart.replaceChildren(blank(t("按“一起训练”：三条曲线从这里长出来，几秒后有第一点。", "Press Train them: three curves grow here, the first point in a few seconds.")));
  }
  p.aged();
  return p;
}
