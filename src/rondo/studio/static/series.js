// A series, what comes next with intervals, and the table of past origins beside the naive forecasts.
import { Refused, ask, latest, link, tell } from "./api.js";
import { h, one, options, paused, svg } from "./dom.js";
import { own as half, t } from "./words.js";

const LEFT = 62, RIGHT = 12, TOP = 12, BOTTOM = 34, PAST = { airline: 96, sunspots: 300 };
const NAMES = { model: t("模型（GRU）", "the model (GRU)"), last: t("照抄上一个值", "the last value"), seasonal: t("照抄上一季", "seasonal naive"), drift: t("首尾连线", "drift"), theta: "Theta" };
const run = latest();
const state = { source: "airline", until: 0, column: "", model: "airline", ...link.read() };
let text = "", steps = 0;

const short = (v) => (Math.abs(v) >= 1000 ? Math.round(v).toLocaleString() : String(+v.toPrecision(3)));

one("#source").value = state.source;
one("#model").value = state.model;
one("#own").hidden = state.source !== "own";
one("#source").addEventListener("change", () => {
  Object.assign(state, { source: one("#source").value, until: 0, column: "" });
  one("#own").hidden = state.source !== "own";
  if (state.source !== "own" || text) answer(); else one("#table").focus();
});
one("#column").addEventListener("change", () => { Object.assign(state, { column: one("#column").value, until: 0 }); answer(); });
const later = paused(120, () => answer());
one("#until").addEventListener("input", () => { state.until = Number(one("#until").value); one("#until-said").textContent = `${state.until}/${steps}`; later(); });
one("#continue").addEventListener("click", mine);
one("#file").addEventListener("change", async () => {
  const file = one("#file").files[0];
  if (!file) return;
  one("#file").value = "";
  if (file.size > 900_000) return tell(one("#alert"), new Refused(t("文件最大 0.9 MB；更大的请用 rondo series FILE", "A file has at most 0.9 MB; larger ones: rondo series FILE")));
  one("#table").value = await file.text();
  mine();
});
one("#order").addEventListener("submit", (event) => event.preventDefault());

function mine() {
  text = one("#table").value;
  Object.assign(state, { model: one("#model").value, until: 0, column: "" });
  if (!text.trim()) return tell(one("#alert"), new Refused(t("请先粘贴一个表格：第一行是列名，每行一步", "Paste a table first: the first line names the columns, a line for each step")));
  answer();
}

async function answer() {
  const mineOwn = state.source === "own", model = mineOwn ? state.model : state.source;
  link.write(state);
  one("#card").classList.add("busy");
  try {
    const found = await run((signal) => ask("series", { table: mineOwn ? text : "", model, column: state.column, until: state.until }, signal));
    if (!found) return;
    tell(one("#alert"));
    drawn(found, mineOwn ? 160 : PAST[model]);
  } catch (error) {
    tell(one("#alert"), error);
  } finally {
    one("#card").classList.remove("busy");
  }
}

function drawn(found, past) {
  steps = found.steps;
  one("#column-part").hidden = found.columns.length < 2;
  one("#column").replaceChildren(...options(found.columns.map((c) => [c, c]), found.column));
  Object.assign(one("#until"), { min: Math.min(steps, found.backtest ? steps - found.backtest.origins - found.backtest.horizon + 1 : steps), max: steps, value: found.origin });
  one("#until-said").textContent = `${found.times[found.shown_before - 1] || ""} (${found.origin}/${steps})`;
  chart(found, past);
  key(found);
  table(found.backtest);
  one("#notes").replaceChildren(...found.notes.map((note) => h("p", { class: "note" }, half(note))));
}

let redraw = () => {};
addEventListener("resize", () => redraw());

function chart(found, past) {
  redraw = () => chart(found, past);
  // as wide as its place, so that its letters are as large as the others
  const W = Math.max(280, Math.round(one("#chart").parentElement.clientWidth)), H = W < 560 ? 260 : 380;
  one("#chart").setAttribute("viewBox", `0 0 ${W} ${H}`);
  const first = Math.max(0, found.shown_before - past), known = found.values.slice(first, found.shown_before), came = found.values.slice(found.shown_before);
  const ahead = found.ahead, all = [...known, ...came, ...ahead.flatMap((s) => [s.q05, s.q95]), ...found.naive.seasonal];
  const spread = Math.max(...all) - Math.min(...all) || 1, low = Math.min(...all) - 0.04 * spread, high = Math.max(...all) + 0.04 * spread, count = known.length + ahead.length;
  const x = (n) => LEFT + ((W - LEFT - RIGHT) * n) / Math.max(1, count - 1), y = (v) => TOP + ((high - v) / (high - low)) * (H - TOP - BOTTOM);
  const path = (points) => points.map(([n, v], k) => `${k ? "L" : "M"}${x(n).toFixed(1)} ${y(v).toFixed(1)}`).join("");
  const from = known.length - 1, end = [from, known[from]], step = (k) => known.length + k;
  const band = (a, b) => path([end, ...ahead.map((s, k) => [step(k), s[b]]), ...ahead.map((s, k) => [step(k), s[a]]).reverse()]) + "Z";
  const picture = [];
  for (const v of ticks(low, high)) picture.push(svg("line", { class: "grid", x1: LEFT, x2: W - RIGHT, y1: y(v), y2: y(v) }), svg("text", { x: LEFT - 8, y: y(v) + 4, "text-anchor": "end" }, short(v)));
  const stamps = [...found.times.slice(first, found.shown_before), ...ahead.map((s) => s.time)];
  const every = Math.ceil(count / (W / 150) / 12) * 12 || 1;
  for (let n = from % every; n < count; n += every) picture.push(svg("text", { x: x(n), y: H - 10, "text-anchor": n > count - 4 ? "end" : n < 3 ? "start" : "middle" }, stamps[n] || `${n - from}`));
  picture.push(
    svg("path", { class: "b90", d: band("q05", "q95") }), svg("path", { class: "b80", d: band("q10", "q90") }),
    svg("line", { class: "origin", x1: x(from), x2: x(from), y1: TOP, y2: H - BOTTOM }),
    svg("path", { class: "naive", d: path([end, ...found.naive.seasonal.map((v, k) => [step(k), v])]) }),
    svg("path", { class: "past", d: path(known.map((v, n) => [n, v])) }),
    svg("path", { class: "median", d: path([end, ...ahead.map((s, k) => [step(k), s.median])]) }),
  );
  if (came.length) picture.push(svg("path", { class: "came", d: path([end, ...came.map((v, k) => [step(k), v])]) }));
  const last = ahead.at(-1);
  one("#chart").setAttribute("aria-label", t(`${found.column}：从 ${found.times[found.shown_before - 1]} 起 ${ahead.length} 步，最后一步中位数 ${short(last.median)}，80 % 在 ${short(last.q10)} 与 ${short(last.q90)} 之间`, `${found.column}: ${ahead.length} steps from ${found.times[found.shown_before - 1]}; at the last the median is ${short(last.median)}, 80 % lie between ${short(last.q10)} and ${short(last.q90)}`));
  one("#chart").replaceChildren(...picture);
}

function ticks(low, high) {
  const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= raw);
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high; v += step) found.push(+v.toPrecision(12));
  return found;
}

function key(found) {
  const sign = (kind, words) => h("span", {}, svg("svg", { viewBox: "0 0 32 10", "aria-hidden": "true" }, kind === "b80" ? svg("rect", { class: "b80 c1", width: 32, height: 10, opacity: 0.25 }) : svg("path", { d: "M0 5H32", ...line(kind) })), words);
  one("#key").replaceChildren(sign("past", t("已知", "known")), sign("median", t("预测的中位数", "the forecast's median")), sign("b80", t("80 % 与 90 %", "80 % and 90 %")), sign("naive", t("照抄上一季", "seasonal naive")), found.values.length > found.shown_before ? sign("came", t("后来的实际", "what came")) : "");
}

const line = (kind) => ({ past: { stroke: "var(--ink)", "stroke-width": 1.6 }, median: { stroke: "var(--cinnabar)", "stroke-width": 2.4 }, naive: { stroke: "var(--indigo)", "stroke-width": 1.5, "stroke-dasharray": "6 4" }, came: { stroke: "var(--ink)", "stroke-width": 2, "stroke-dasharray": "1 4", "stroke-linecap": "round" } })[kind];

function table(tried) {
  if (!tried) {
    one("#verdict").textContent = t("太短：没有过去的起点可以试。", "Too short: there is no origin of the past to try.");
    return one("#tried").replaceChildren();
  }
  const best = Math.min(...Object.values(tried.table).map((m) => m.mae));
  const inside = Object.entries(tried.coverage).map(([level, share]) => t(`${level} % 的区间里有 ${Math.round(100 * share)} %`, `${Math.round(100 * share)} % fell inside the interval of ${level} %`)).join(t("，", ", "));
  one("#verdict").className = tried.beats_all ? "ok" : "caution";
  one("#verdict").textContent = (tried.beats_all
    ? t(`${tried.origins} 个起点、每次 ${tried.horizon} 步：模型的误差最小；`, `${tried.origins} origins, ${tried.horizon} steps each: the model's errors are the smallest; `)
    : t(`${tried.origins} 个起点、每次 ${tried.horizon} 步：“${NAMES[tried.best_naive]}”比模型好，用它就够了；`, `${tried.origins} origins, ${tried.horizon} steps each: “${NAMES[tried.best_naive]}” does better than the model, it is enough; `)) + inside + t("。", ".");
  one("#tried").replaceChildren(
    h("tr", {}, ["", "MAE", "RMSE", "sMAPE", "MASE"].map((name) => h("th", { class: name ? "number" : "", scope: "col" }, name))),
    ...Object.entries(tried.table).map(([name, m]) => h("tr", { class: `${name === "model" ? "model" : ""} ${m.mae === best ? "best" : ""}` }, h("td", {}, NAMES[name]), [short(m.mae), short(m.rmse), `${m.smape.toFixed(1)} %`, m.mase == null ? "–" : m.mase.toFixed(2)].map((v) => h("td", { class: "number" }, v)))),
  );
}

if (state.source !== "own") answer();
else { state.source = one("#source").value = "airline"; one("#own").hidden = true; answer(); }
