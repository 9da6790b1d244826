// The cell bench: equations as text are read as they are typed; checks on request; all of it one JSON.
import { Refused, ask, latest, link, stream, tell } from "./api.js";
import { drawLights, drawVerdicts, verdict } from "./cell_checks.js";
import { editor } from "./cell_editor.js";
import { drawGraph } from "./cell_graph.js";
import { opened, report } from "./cell_report.js";
import { arrows, drawFormulas, drawParameters, drawSizes, math } from "./cell_view.js";
import { all, copy, h, one, paused, save } from "./dom.js";
import { own, t } from "./words.js";

const LECTURE = {
  "lecture-rnn": [t("RNN（讲义）", "RNN (lecture)"), "a<t> = tanh(W_aa a<t-1> + W_ax x<t> + b_a)\nŷ<t> = softmax(W_ya a<t> + b_y)"],
  "lecture-gru": [t("GRU（讲义）", "GRU (lecture)"), "c̃ = tanh(W_c[Γ_r * c<t-1>, x<t>] + b_c)\nΓ_u = σ(W_u[c<t-1>, x<t>] + b_u)\nΓ_r = σ(W_r[c<t-1>, x<t>] + b_r)\nc<t> = Γ_u * c̃ + (1 - Γ_u) * c<t-1>\na<t> = c<t>"],
  "lecture-lstm": [t("LSTM（讲义）", "LSTM (lecture)"), "c̃ = tanh(W_c[a<t-1>, x<t>] + b_c)\nΓ_u = σ(W_u[a<t-1>, x<t>] + b_u)\nΓ_f = σ(W_f[a<t-1>, x<t>] + b_f)\nΓ_o = σ(W_o[a<t-1>, x<t>] + b_o)\nc<t> = Γ_u * c̃ + Γ_f * c<t-1>\na<t> = Γ_o * tanh(c<t>)"],
};
const FIRST = "gru-cho";

// --- the one JSON, and what is shown of it ---
const results = {}; // of the lower panels, one key each
const state = { cell: { equations: "" }, notation: "lecture", head: "", sizes: {}, check: null, steps: 10, seed: 0, hidden: 16, own: "", verdicts: null };
let reading = null, valid = null, code = null, unroll = false, shipped = [], listeners = [];

export const bench = {
  cell: () => valid && structuredClone(valid),
  results,
  changed: (listener) => listeners.push(listener),
};
const whole = () => ({ rondo: "cell bench", version: 1, ...structuredClone(state), results: structuredClone(results) });
const remember = () => link.write({ cell: state.cell, notation: state.notation, head: state.head, sizes: state.sizes, steps: state.steps, seed: state.seed, hidden: state.hidden, own: state.own });

// --- what belongs together lights up ---
function light(id) {
  const f = reading?.formulas.find((one) => one.id === id), node = reading?.network.find((n) => n.id === id);
  const lit = new Set(f ? f.twins : []);
  const lines = new Set(f?.lines ?? []);
  for (const other of reading?.formulas ?? []) if (lit.has(other.id)) for (const line of other.lines) lines.add(line);
  for (const element of all("#formulas .formula, #graph g.node")) {
    element.classList.toggle("self", element.dataset.id === id && id != null);
    element.classList.toggle("lit", lit.has(element.dataset.id) || Boolean(node && node.reads.includes(element.dataset.id)));
  }
  text.light(state.cell.equations === valid?.equations ? lines : []);
}
const lightName = (name) => light(reading?.formulas.find((f) => f.name === name && f.part !== "equations")?.id ?? null);

function caret(line) {
  for (const f of reading?.formulas ?? []) one(`#f-${f.id}`)?.classList.toggle("here", f.lines.includes(line));
}

// --- reading ---
const text = editor(one("#editor"), (value) => { state.cell = { ...state.cell, equations: value }; one("#start").value = ""; soon(); }, caret);
const reads = latest(), codes = latest(), checks = latest(), judges = latest();
const soon = paused(60, read);

const order = () => ({ cell: state.cell, notation: state.notation, head: state.head, sizes: state.sizes });

async function read() {
  const asked = order(), start = performance.now();
  try {
    const found = await reads((signal) => ask("cell/read", asked, signal));
    if (!found) return false;
    remember();
    if (found.fault) return refuse(own(found.fault.message), found.fault.line);
    accept(found, asked.cell, performance.now() - start);
    return true;
  } catch (error) {
    refuse(error.message, 0);
    if (!(error instanceof Refused)) throw error;
    return false;
  }
}

function refuse(message, line) {
  text.mark(line);
  one("#fault").hidden = false;
  one("#fault").textContent = line ? t(`第 ${line} 行：`, `line ${line}: `) + message : message;
  one("#read-state").textContent = reading ? t("旁边仍是上一次读懂的方程。", "Beside it still stands what was read last.") : "";
  for (const panel of all(".reading")) panel.classList.add("stale");
  return false;
}

function accept(found, cell, took) {
  const before = valid;
  [reading, valid] = [found, structuredClone(cell)];
  text.mark(0);
  one("#fault").hidden = true;
  for (const panel of all(".reading")) panel.classList.remove("stale");
  one("#read-state").textContent = t(`读懂了：${found.nodes} 个节点，${Math.round(took)} 毫秒`, `read: ${found.nodes} nodes, ${Math.round(took)} ms`);
  show();
  if (before && JSON.stringify(before) !== JSON.stringify(valid)) aged();
  for (const listener of listeners) listener();
}

function show() {
  drawFormulas(one("#formulas"), reading, light);
  one("#derive").hidden = reading.derived;
  if (!reading.derived) one("#formulas").append(h("p", { class: "quiet" }, t(`${reading.nodes} 个节点：边打字边推导太大，按下面的按钮来推。`, `${reading.nodes} nodes: too large to derive while you type; the button below does it.`)));
  drawParameters(one("#parameters"), reading);
  drawSizes(one("#sizes"), reading, (name, value) => { state.sizes[name] = value; soon(); });
  one("#count").textContent = t(`共 ${reading.count.toLocaleString("en")} 个数`, `${reading.count.toLocaleString("en")} numbers`);
  graph();
  code = null;
  needCode();
}

function graph() {
  drawGraph(one("#graph"), reading, unroll, light);
  one("#folded").setAttribute("aria-pressed", !unroll);
  one("#unrolled").setAttribute("aria-pressed", unroll);
  const named = reading.network.filter((n) => n.level).length, states = reading.network.filter((n) => n.kind === "state").length;
  one("#graph-how").textContent = unroll
    ? t("自左而右是时间：红色虚线把一步的新状态带到下一步；每一步用同一组参数。", "Left to right is time: a dashed red line takes a step's new state to the next; every step has the same parameters.")
    : t(`自下而上是一步之内：${named} 个有名字的值；红色虚线是 ${states} 条回路，z⁻¹ 把新状态留到下一步。`, `Bottom to top is one step: ${named} named values. A dashed red line is a loop (${states}): z⁻¹ keeps the new state for the next step.`);
}

// --- plan and code: only while their tab is open ---
const codeOpen = () => ["plan", "cpp", "latex"].some((name) => !one(`#tab-${name}`).hidden);
const needCode = paused(250, async () => {
  if (!codeOpen() || code || !reading || state.cell.equations !== valid.equations) return;
  for (const name of ["plan", "cpp", "latex"]) one("#" + name).classList.add("busy");
  try {
    const found = await codes((signal) => ask("cell/code", order(), signal));
    if (!found) return;
    code = found;
    for (const name of ["plan", "cpp", "latex"]) one("#" + name).textContent = found[name];
    tell(one("#code-fault"), null);
  } catch (error) { tell(one("#code-fault"), error); }
  for (const name of ["plan", "cpp", "latex"]) one("#" + name).classList.remove("busy");
});

// --- the gradient check ---
const symbol = (name) => {
  const found = reading?.parameters.find((p) => p.name === name);
  return found ? math(found.mathml) : h("span", { class: "mono" }, name);
};

// The text as it stands has been read and is right.
const settled = async () => (valid && state.cell.equations === valid.equations) || (await read());

async function check() {
  if (!(await settled())) return;
  const cell = structuredClone(valid), lights = one("#lights");
  lights.classList.add("busy");
  lights.classList.remove("old");
  tell(one("#check-fault"), null);
  try {
    const found = await checks((signal) => stream("cell/check", { cell, sizes: { ...small(state.sizes), hidden: state.hidden }, steps: state.steps, seed: state.seed },
      { signal, record: (r) => drawLights(lights, r, symbol), queued: (place) => place && lights.replaceChildren(h("p", { class: "quiet" }, t(`前面还有 ${place} 位`, `${place} before you`))) }));
    if (found) { state.check = { equations: cell.equations, ...found }; aged(); }
  } catch (error) { tell(one("#check-fault"), error); }
  lights.classList.remove("busy");
}
const small = (sizes) => Object.fromEntries(Object.entries(sizes).filter(([, v]) => v <= 64));

function aged() {
  if (state.check) {
    const old = state.check.equations !== valid.equations;
    one("#lights").classList.toggle("old", old);
    one("#lights .old-note")?.remove();
    if (old) one("#lights").prepend(h("p", { class: "note old-note" }, t("改动之前的结果：请再检查一次。", "Found before the change: check again.")));
  }
}

// --- a person's own derivative ---
async function judge() {
  if (!(await settled())) return;
  tell(one("#own-fault"), null);
  const asked = { cell: valid, text: state.own, head: state.head };
  try {
    const found = await judges((signal) => ask("cell/own", asked, signal));
    if (found) { state.verdicts = found.verdicts; drawVerdicts(one("#verdicts"), found.verdicts, { derived, light: lightName }); }
  } catch (error) { tell(one("#own-fault"), error); }
}
const tall = () => (one("#own").rows = Math.min(16, Math.max(4, state.own.split("\n").length + 1)));
const derived = (name) => {
  const f = reading.formulas.find((one) => one.name === name && one.part !== "equations") ?? reading.formulas.find((one) => one.name === name);
  return f ? h("span", {}, math(f.left), " ", f.right.flatMap((p) => [...math(p), " "])) : null;
};

function drawSlips(slips) {
  one("#slips").replaceChildren(...slips.map((slip) => {
    const place = h("div", { "aria-live": "polite" }), button = h("button", { type: "button", class: "small", onclick: look }, t("对吗？查一下", "right? check it"));
    async function look() {
      button.disabled = true;
      try {
        const found = await ask("cell/slip", { id: slip.id });
        place.replaceChildren(verdict({ ...found.verdicts[0], text: "" }), h("p", {}, own(found.why)), verdict(found.verdicts[1]));
      } catch (error) { place.replaceChildren(h("p", { class: "alert" }, error.message)); }
      button.disabled = false;
    }
    return h("details", { class: "slip", id: `slip-${slip.id}`, open: slip === slips[0] }, h("summary", {}, own(slip.question), h("span", { class: "quiet" }, ` · ${slip.cell}`)), h("span", { class: "mono line" }, slip.line), button, place);
  }));
}

// --- what stands beside the text: sizes and initial values, one a line ---
function beside() {
  const { shapes = {}, sizes = {}, init = {} } = state.cell;
  one("#beside-text").value = [...Object.entries(shapes).map(([k, v]) => `${k} : ${v.join(", ")}`), ...Object.entries(sizes).map(([k, v]) => `${k} = ${v}`), ...Object.entries(init).map(([k, v]) => `init ${k} = ${Array.isArray(v) ? v.join(", ") : v}`)].join("\n");
  if (Object.keys(shapes).length) one("#beside").open = true;
}

function besideRead() {
  const cell = { ...state.cell, shapes: {}, sizes: {}, init: {} }, number = (v) => (v !== "" && Number.isFinite(+v) ? +v : v);
  for (const line of one("#beside-text").value.split("\n")) {
    const shape = /^\s*(\S+)\s*:\s*(.+)$/.exec(line), init = /^\s*init\s+(\S+)\s*=\s*(.+)$/.exec(line), size = /^\s*(\w+)\s*=\s*(\S+)\s*$/.exec(line);
    if (init) cell.init[init[1]] = init[2].includes(",") ? init[2].split(",").map((v) => number(v.trim())) : number(init[2].trim());
    else if (shape) cell.shapes[shape[1]] = shape[2].split(",").map((v) => v.trim()).filter(Boolean);
    else if (size) cell.sizes[size[1]] = number(size[2]);
  }
  state.cell = cell;
  soon();
}

// --- putting a whole bench on the page ---
function put(found) {
  for (const key of Object.keys(state)) if (key in found) state[key] = structuredClone(found[key]);
  for (const key of Object.keys(results)) delete results[key];
  Object.assign(results, structuredClone(found.results ?? {}));
  text.value = state.cell.equations;
  for (const id of ["notation", "head", "own"]) one("#" + id).value = state[id];
  for (const id of ["hidden", "steps", "seed"]) one(`#check-${id}`).value = state[id];
  tall();
  beside();
}

const name = () => (reading?.name ?? "cell").replace(/\W+/g, "-");

async function open(file) {
  try {
    put({ check: null, verdicts: null, own: "", sizes: {}, ...opened(await file.text()) });
  } catch (error) {
    return refuse(t("这个文件不是单元台存下的。", "This file was not saved by the bench."), 0);
  }
  one("#start").value = "";
  if (!(await read())) return;
  try {
    if (state.check) drawLights(one("#lights"), state.check, symbol);
    if (state.verdicts) drawVerdicts(one("#verdicts"), state.verdicts, { derived, light: lightName });
    else one("#verdicts").replaceChildren();
  } catch { // results that this page did not write are left out
    [state.check, state.verdicts] = [null, null];
    await check();
  }
  aged();
  trials();
}

const trials = () => ((listeners = []), import("/static/trials.js")).then((m) => m.mount(one("#trials"), bench)).catch((error) => console.warn("no lower panels", error));

async function start(id) {
  const cell = LECTURE[id] ? { equations: LECTURE[id][1] } : structuredClone(shipped.find((c) => c.name === id)?.cell);
  if (!cell) return;
  put({ cell, sizes: {}, check: null, verdicts: null });
  one("#verdicts").replaceChildren();
  if (await read()) await check();
}

function wire() {
  one("#start").addEventListener("change", (event) => start(event.target.value));
  for (const id of ["notation", "head"]) one("#" + id).addEventListener("change", (event) => { state[id] = event.target.value; read(); });
  one("#beside-text").addEventListener("input", besideRead);
  one("#own").addEventListener("input", (event) => { state.own = event.target.value; tall(); remember(); });
  one("#judge").addEventListener("click", judge);
  one("#fill").addEventListener("click", () => {
    state.own = one("#own").value = reading.formulas.filter((f) => f.part === "backward" || f.part === "gradients").map((f) => f.plain).join("\n");
    tall();
    remember();
  });
  one("#check-form").addEventListener("submit", (event) => { event.preventDefault(); check(); });
  for (const id of ["hidden", "steps", "seed"]) one(`#check-${id}`).addEventListener("input", (event) => { if (event.target.value && event.target.validity.valid) { state[id] = +event.target.value; remember(); } });
  one("#folded").addEventListener("click", () => { unroll = false; graph(); });
  one("#unrolled").addEventListener("click", () => { unroll = true; graph(); });
  one("#derive").addEventListener("click", deriveAll);
  one("[role=tablist]").addEventListener("click", needCode);
  one("[role=tablist]").addEventListener("keyup", needCode);
  one("#copy-link").addEventListener("click", (event) => { remember(); copy(location.href, event.target); });
  one("#copy-latex").addEventListener("click", (event) => copy(one("#latex").textContent, event.target));
  one("#save-file").addEventListener("click", () => save(new Blob([JSON.stringify(whole(), null, 2)], { type: "application/json" }), `${name()}.json`));
  one("#open-file").addEventListener("click", () => one("#file").click());
  one("#file").addEventListener("change", async (event) => { const [file] = event.target.files; event.target.value = ""; if (file) await open(file); });
  one("#report").addEventListener("click", async () => reading && save(new Blob([await report(whole(), reading)], { type: "text/html" }), `${name()}.html`));
  addEventListener("hashchange", begin);
  arrows(one("#formulas"));
}

async function deriveAll() {
  one("#derive").disabled = true;
  try {
    const found = await ask("cell/derive", order());
    reading = { ...reading, formulas: found.formulas, derived: true };
    show();
  } catch (error) { tell(one("#code-fault"), error); }
  one("#derive").disabled = false;
}

async function begin() {
  const wanted = link.read();
  if (!wanted.cell?.equations && wanted.cell?.equations !== "") return start(FIRST);
  put({ check: null, verdicts: null, ...wanted });
  one("#start").value = "";
  if (await read()) await check();
  if (state.own.trim()) await judge();
}

async function main() {
  wire();
  const listed = await ask("cell/shipped");
  shipped = listed.cells;
  one("#start").replaceChildren(h("option", { value: "" }, t("自己写的", "your own")),
    h("optgroup", { label: t("讲义的写法", "As the lecture writes") }, Object.entries(LECTURE).map(([id, [label]]) => h("option", { value: id }, label))),
    h("optgroup", { label: t("随 Rondo 附带", "Shipped with Rondo") }, shipped.map((c) => h("option", { value: c.name, title: c.summary }, c.name))));
  drawSlips(listed.slips);
  if (!link.read().cell) one("#start").value = FIRST;
  await begin();
  trials();
}

main().catch((error) => refuse(error.message, 0));
