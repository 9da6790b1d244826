// Speed beside LSTM and GRU at the same shape: a row for each, training and inference, medians with their quartiles.
import { stream } from "./api.js";
import { h, svg } from "./dom.js";
import { blank, digits, duration, select, times, value, word } from "./trials_parts.js";
import { t } from "./words.js";

const SHAPES = {
  "32,1,32,64": ["一个序列，64 单元", "one sequence, 64 units"],
  "64,16,64,128": ["16 个序列，128 单元", "16 sequences, 128 units"],
  "64,32,128,256": ["32 个序列，256 单元", "32 sequences, 256 units"],
  "200,8,16,32": ["又长又小：200 步，32 单元", "long and small: 200 steps, 32 units"],
};
const ROWS = [
  ["kernel", "你的单元，生成的 C++", "your cell, generated C++", 1],
  ["loop", "你的单元，参考循环", "your cell, reference loop", 1],
  ["lstm", "LSTM，本库", "LSTM, of this library", 0],
  ["gru", "GRU，本库", "GRU, of this library", 0],
  ["torch.nn.LSTM", "torch.nn.LSTM", "torch.nn.LSTM", 4],
  ["torch.nn.GRU", "torch.nn.GRU", "torch.nn.GRU", 4],
];
const MODES = { training: ["训练", "training"], inference: ["推理", "inference"] };
const W = 640, LEFT = 172, RIGHT = 168, TALL = 34, TOP = 24;

export function speedPanel(p) {
  p.title.textContent = t("速度：与 LSTM、GRU 同一形状", "Speed beside LSTM and GRU at the same shape");
  p.lead.textContent = t("先核对结果与梯度，再轮流计时。", "Results and gradients are checked first, then all are timed in turn.");
  p.how.textContent = t(
    "怎样读：每行一个网络，越靠左越快；● 训练，○ 推理，横线是四分位；横轴每格十倍。",
    "How to read it: a network a row, further left is faster; ● training, ○ inference, the bar spans the quartiles; each mark is ten times the one before.",
  );
  p.go.textContent = t("量一量", "Measure");
  p.form.append(
    word("形状：", "At"), select("shape", t("形状", "shape"), Object.entries(SHAPES).map(([k, w]) => [k, t(...w)]), "64,16,64,128"),
    word("，看", ", show the time"), select("per", t("时间的单位", "time for what"), [["step", t("每步每序列的时间", "of a step of a sequence")], ["parameter", t("每步每参数的时间", "per step and parameter")], ["byte", t("每步每字节的时间", "per step and byte of weights")]], "step"),
  );
  let found = p.kept();
  const shown = () => value(p.form, "per");
  p.form.elements.per.addEventListener("change", () => found?.rows && draw());

  p.start = () => p.run(async (signal) => {
    const cell = p.cell(), [T, B, input, hidden] = value(p.form, "shape").split(",").map(Number);
    found = { equations: cell.equations, shape: value(p.form, "shape") };
    p.chart.replaceChildren(blank(t("编译、核对，然后计时……", "compiling, checking, then timing …")));
    p.number.replaceChildren();
    p.facts.replaceChildren();
    p.old.hidden = true;
    await stream("cell/speed", { cell, T, B, input, hidden }, { signal, queued: p.queued, record });
    if (found.rows) p.keep(found);
  });

  function record(r) {
    if (r.stage === "building") p.say(t("正在编译它的 C++……", "compiling its C++ …"));
    else if (r.stage === "built") (found.built = r), p.say(t("正在核对……", "checking …"));
    else if (r.stage === "checked") (found.checked = r), p.say(t("正在计时……", "timing …"));
    else if (r.stage === "times") (found.rows = r.rows), p.done(r.round / found.built.repeats), draw();
    facts();
  }

  function facts() {
    const { built, checked } = found, words = [];
    if (built?.why) words.push(t(`没有生成的内核（${built.why}），只有参考循环`, `there is no generated kernel (${built.why}), only the reference loop`));
    else if (built) words.push(built.cached
      ? t(`C++ 早已编译好，装载用了 ${digits(1e3 * built.seconds)} 毫秒`, `its C++ was compiled before and loaded in ${digits(1e3 * built.seconds)} ms`)
      : t(`C++ 编译用了 ${digits(built.seconds)} 秒`, `its C++ was compiled in ${digits(built.seconds)} s`));
    if (checked) words.push(t(`与 float64 参考循环比对 ${checked.steps} 步，最大相差 ${sci(checked.error)}（${checked.quantity}），允许 ${sci(checked.limit)}`,
      `over ${checked.steps} steps it differs from the float64 loop by ${sci(checked.error)} at most (${checked.quantity}), allowed ${sci(checked.limit)}`));
    if (built) words.push(t(`float32，${built.threads} 线程，轮流 ${built.repeats} 次取中位数`, `float32, ${built.threads} thread, medians of ${built.repeats} rounds in turn`));
    p.facts.replaceChildren(checked ? h("b", { class: checked.green ? "ok" : "bad" }, checked.green ? t("✓ 核对通过　", "✓ checked · ") : t("✗ 核对不过，不报速度　", "✗ it differs, so no speed is told · ")) : "", words.join(t("；", "; ")));
    if (checked && !checked.green) p.chart.replaceChildren(blank(t("结果或梯度与方程不符：不报速度。", "Its results or gradients differ from the equations: no speed is told.")));
  }

  function draw() {
    const per = (row) => (shown() === "step" ? row.step : row.parameter / (shown() === "byte" ? 4 : 1));
    const rows = found.rows.map((row) => ({ ...row, value: per(row), a: (per(row) * row.low) / row.step, b: (per(row) * row.high) / row.step }));
    p.chart.replaceChildren(picture(rows), table(found.rows));
    number();
  }

  function number() {
    const at = (name, mode) => found.rows.find((r) => r.name === name && r.mode === mode), first = at("kernel", "training");
    if (!first) return p.number.replaceChildren(h("b", { class: "number-big" }, duration(at("loop", "training").step)), t("　参考循环训练一步", " for a step of training by the reference loop"));
    const loop = at("loop", "training").ratio, beside = (name) => times(first.parameter / at(name, "training").parameter);
    p.number.replaceChildren(
      h("b", { class: "number-big" }, `${times(loop)} ×`),
      t(`　训练比参考循环快（推理 ${times(at("loop", "inference").ratio)} 倍）；每个参数的用时是 torch.nn.LSTM 的 ${beside("torch.nn.LSTM")} 倍，torch.nn.GRU 的 ${beside("torch.nn.GRU")} 倍。`,
        ` as fast as its reference loop in training (inference: ${times(at("loop", "inference").ratio)} ×); a parameter takes ${beside("torch.nn.LSTM")} times what it takes in torch.nn.LSTM, ${beside("torch.nn.GRU")} times that in torch.nn.GRU.`),
    );
  }

  if (Array.isArray(found?.rows) && found.built && found.checked) {
    if (SHAPES[found.shape]) p.form.elements.shape.value = found.shape;
    draw();
    facts();
  } else {
    found = undefined;
    p.chart.replaceChildren(blank(t("按“量一量”：十秒到半分钟后，这里有六行时间。", "Press Measure: ten to thirty seconds later six rows of times stand here.")));
  }
  p.aged();
  return p;
}

const sci = (v) => Number(v).toExponential(0);

// Dots on a log axis, a row for each network.
function picture(rows) {
  const present = ROWS.filter(([name]) => rows.some((r) => r.name === name));
  const low = Math.floor(Math.log10(Math.min(...rows.map((r) => r.a)))), high = Math.ceil(Math.log10(Math.max(...rows.map((r) => r.b))));
  const tall = TOP + TALL * present.length, px = (v) => LEFT + ((Math.log10(v) - low) / (high - low)) * (W - LEFT - RIGHT);
  const spoken = present.map(([name, zh, en]) => `${t(zh, en)}: ${rows.filter((r) => r.name === name).map((r) => `${t(...MODES[r.mode])} ${duration(r.value)}`).join(", ")}`);
  const found = svg("svg", { class: "plot dots", viewBox: `0 0 ${W} ${tall + 24}`, role: "img", "aria-label": spoken.join("; ") });
  for (let k = low; k <= high; k++) found.append(
    svg("line", { class: "grid", x1: px(10 ** k), x2: px(10 ** k), y1: TOP - 6, y2: tall }),
    svg("text", { x: px(10 ** k), y: tall + 17, "text-anchor": "middle" }, duration(10 ** k)),
  );
  found.append(svg("text", { x: W - RIGHT + 84, y: 12, "text-anchor": "end" }, `● ${t(...MODES.training)}`), svg("text", { x: W, y: 12, "text-anchor": "end" }, `○ ${t(...MODES.inference)}`));
  present.forEach(([name, zh, en, color], k) => {
    const y = TOP + TALL * (k + 0.5);
    found.append(svg("text", { x: LEFT - 12, y: y + 4, "text-anchor": "end", class: "name" }, t(zh, en)));
    for (const r of rows.filter((one) => one.name === name)) {
      const hollow = r.mode === "inference", at = y + (hollow ? 5 : -5);
      found.append(
        svg("line", { class: `c${color} spread`, x1: px(r.a), x2: px(r.b), y1: at, y2: at }),
        svg("circle", { class: `c${color} ${hollow ? "hollow" : ""}`, cx: px(r.value), cy: at, r: 4.5 }),
        svg("text", { x: hollow ? W : W - RIGHT + 84, y: y + 4, "text-anchor": "end", class: "value" }, duration(r.value)),
      );
    }
  });
  return found;
}

function table(rows) {
  const name = (r) => { const [, zh, en] = one_row(r.name); return t(zh, en); };
  const heads = [t("网络", "network"), t("方式", "mode"), t("参数", "parameters"), t("每步每序列", "a step of a sequence"), t("四分位", "quartiles"), t("每参数", "a parameter"), t("每字节", "a byte")];
  return h("details", { class: "quiet" }, h("summary", {}, t("数据", "data")), h("div", { class: "scroll" }, h("table", {}, h("tr", {}, heads.map((x) => h("th", {}, x))),
    rows.map((r) => h("tr", {}, h("td", {}, name(r)), h("td", {}, t(...MODES[r.mode])),
      [r.parameters.toLocaleString("en"), duration(r.step), `${duration(r.low)} – ${duration(r.high)}`, duration(r.parameter), duration(r.parameter / 4)].map((x) => h("td", { class: "number" }, x)))))));
}

const one_row = (name) => ROWS.find((r) => r[0] === name) ?? [name, name, name, 0];
