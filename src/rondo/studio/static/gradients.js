// Vanishing and exploding gradients: one slider for the spectral radius moves three charts; a training with clipping.
import { ask, latest, link, tell } from "./api.js";
import { all, one, paused, svg } from "./dom.js";
import { plot } from "./plot.js";
import { t } from "./words.js";

const DEFAULTS = { radius: 0.9, activation: "tanh", seed: 1, limit: 0.5 };
const DISTANCE = 20;
const order = { ...DEFAULTS, ...link.read() };
const turn = latest(), train = latest(), charts = {};
let now, trained;

const asked = () => ({ ...order, distance: DISTANCE });
// log10 values as points; a line ends where it leaves the axis at its foot
const points = (values, from = 0, foot = -Infinity) => values.map((v, k) => [k + from, v == null || v < foot ? NaN : 10 ** v]);

// --- numbers in words

function share(v) {
  if (v >= 10) return t(`${v < 1e4 ? Math.round(v) : decades(Math.log10(v))} 倍`, `${v < 1e4 ? Math.round(v) : decades(Math.log10(v))} times`);
  return v >= 1e-4 ? `${+(100 * v).toPrecision(2)} %` : v > 0 ? `${decades(Math.log10(v) + 2)} %` : "0 %";
}
const raised = (n) => String(n).replace("-", "⁻").replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]);
// 10 ** v, as 0.096 or 4 × 10⁹
function decades(v) {
  if (Math.abs(v) < 3.5) return `${+(10 ** v).toPrecision(2)}`;
  const whole = Math.floor(v + 1e-9), head = (10 ** (v - whole)).toFixed(0);
  return head === "10" ? `10${raised(whole + 1)}` : head === "1" ? `10${raised(whole)}` : `${head} × 10${raised(whole)}`;
}
const plain = () => (order.activation === "tanh" ? "Elman" : t("线性", "linear"));

// --- drawing

function draw(name, options) {
  if (charts[name]) charts[name](options);
  else charts[name] = plot(one(`#${name}`), options);
}

function drawFlow() {
  const FOOT = -12, far = now.flow.plain.length - 1, series = [
    { name: plain(), points: points(now.flow.plain, 0, FOOT), color: 1, dash: 0 },
    { name: "GRU", points: points(now.flow["gru-cho"]), color: 0, dash: 1 },
    { name: "LSTM", points: points(now.flow.lstm), color: 2, dash: 3 },
  ];
  if (now.factor < 1) series.push({ name: t("裁剪后", "clipped"), points: points(now.clipped, 0, FOOT), color: 4, dash: 2 });
  draw("flow", { title: t("梯度按距离", "gradient by distance"), height: 290, series, x: { label: t("离损失的距离（步）", "distance from the loss (steps)"), min: 0, max: far },
    y: { label: "‖∂L/∂h‖", log: true, min: 10 ** FOOT, max: 10 ** (3 * Math.ceil(Math.max(1, ...now.flow.plain, ...now.flow.lstm) / 3)) }, lines: [{ x: DISTANCE, label: t("20 步", "20 steps") }] });
}

function drawProduct() {
  const name = { largest: t("最大", "largest"), median: t("中位", "median"), smallest: t("最小", "smallest") };
  const series = Object.entries(now.product).map(([key, v], k) => ({ name: name[key], points: points(v, 1, -20), color: [1, 3, 4][k], dash: [0, 1, 3][k] }));
  series.push({ name: t("规则 σᵏ", "the rule σᵏ"), points: points(now.bound, 1), color: 0, dash: 2 });
  draw("product", { title: t("雅可比连乘的奇异值", "singular values of the product of Jacobians"), height: 330, series, x: { label: t("连乘的步数 k", "steps k in the product"), min: 1, max: now.bound.length },
    y: { label: t("奇异值", "singular value"), log: true, min: 1e-20, max: 1e20 }, lines: [{ y: 1, label: "1" }] });
}

function drawCircle() {
  const reach = 1.65, at = (v) => 150 + (v / reach) * 140, r = (v) => (v / reach) * 140;
  const spoken = t(`复平面上的 ${now.eigenvalues.length} 个特征值，谱半径 ${now.radius.toFixed(2)}，单位圆外 ${outside()} 个`, `${now.eigenvalues.length} eigenvalues in the complex plane, radius ${now.radius.toFixed(2)}, ${outside()} outside the unit circle`);
  const picture = svg("svg", { class: "plot", viewBox: "0 0 300 300", role: "img", "aria-label": spoken });
  picture.append(
    svg("path", { class: "grid", d: "M8 150H292M150 8V292" }),
    svg("circle", { class: "unit", cx: 150, cy: 150, r: r(1) }), svg("circle", { class: "reach", cx: 150, cy: 150, r: r(now.radius) }),
    svg("text", { x: at(1) + 4, y: 146 }, "1"), svg("text", { x: 290, y: 164, "text-anchor": "end" }, "Re"), svg("text", { x: 156, y: 16 }, "Im"),
    ...now.eigenvalues.map(([re, im]) => {
      const out = Math.hypot(re, im) > 1, x = at(re), y = at(-im);
      const mark = out ? svg("path", { class: "c1", d: `M${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}L${x - 6} ${y}Z` }) : svg("circle", { class: "c0", cx: x, cy: y, r: 4 });
      mark.append(svg("title", {}, `${re.toFixed(3)} ${im < 0 ? "−" : "+"} ${Math.abs(im).toFixed(3)} i, |λ| = ${Math.hypot(re, im).toFixed(3)}`));
      return mark;
    }),
  );
  one("#circle").replaceChildren(picture);
}

const outside = () => now.eigenvalues.filter(([a, b]) => Math.hypot(a, b) > 1).length;

function words() {
  one("#left").textContent = share(now.left.plain);
  const others = `GRU ${share(now.left["gru-cho"])}, LSTM ${share(now.left.lstm)}`;
  one("#left-words").textContent = t(`是 ${DISTANCE} 步之后${order.activation === "tanh" ? " Elman " : "线性"}网络还剩的梯度（${others}）。`, now.left.plain >= 10 ? `the gradient at the loss is what the ${plain()} network has after ${DISTANCE} steps (${others}).` : `of the gradient is left in the ${plain()} network after ${DISTANCE} steps (${others}).`);
  one("#norm").textContent = now.norm.toFixed(2);
  one("#norm-words").textContent = t(`是 U 的最大奇异值，谱半径是 ${now.radius.toFixed(2)}，圆外 ${outside()} 个（菱形）。`, `is the largest singular value of U; its radius is ${now.radius.toFixed(2)}, ${outside()} lie outside (diamonds).`);
  one("#gap").textContent = `${decades(now.grown)}`;
  const claims = now.norm > 1 ? t("爆炸", "explodes") : t("消失", "vanishes"), does = now.grown > 0 ? t("在变大", "grows") : t("在变小", "shrinks");
  one("#gap-words").textContent = t(`是 ${DISTANCE} 步连乘真正的最大奇异值：${does}。规则说 ${decades(now.rule)}，“${claims}”；最后一步 tanh′ 平均 ${now.slope.at(-1).toFixed(2)}。`,
    `is the largest singular value of ${DISTANCE} Jacobians: it ${does}. The rule says ${decades(now.rule)}, "${claims}"; tanh′ is ${now.slope.at(-1).toFixed(2)} on average at the last step.`);
}

// --- training, with the threshold on the same axis

const FRAME = { left: 58, right: 110, top: 14, bottom: 40, width: 640, height: 280 }; // as plot.js draws
const LOW = -3, HIGH = 4;
const level = (v) => FRAME.height - FRAME.bottom - ((Math.log10(v) - LOW) / (HIGH - LOW)) * (FRAME.height - FRAME.top - FRAME.bottom);

function drawTraining() {
  const norms = (v) => v.map((y, k) => [k + 1, y < 10 ** LOW ? NaN : Math.min(y, 10 ** HIGH)]);
  draw("training", { title: t("训练中的梯度范数", "gradient norm in training"), height: FRAME.height, x: { label: t("更新", "update"), min: 1, max: trained.updates }, y: { label: t("范数", "norm"), log: true, min: 10 ** LOW, max: 10 ** HIGH },
    series: [
      { name: t("不裁剪", "not clipped"), points: norms(trained.plain.gradient), color: 1, dash: 0, dots: trained.plain.gradient.length < trained.updates },
      { name: t("裁剪后", "clipped"), points: norms(trained.clipped.applied), color: 0, dash: 1 },
    ] });
  threshold();
  const last = (d) => (d.loss.length < trained.updates ? t(`第 ${d.loss.length} 次更新后发散`, `diverges after update ${d.loss.length}`) : t(`最后的损失是 ${d.loss.at(-1).toPrecision(2)}`, `ends at loss ${d.loss.at(-1).toPrecision(2)}`));
  one("#held").textContent = `${trained.held} / ${trained.updates}`;
  one("#held-words").textContent = t(`次更新被裁短（θ = ${round(order.limit)}）。不裁剪：${last(trained.plain)}；裁剪：${last(trained.clipped)}。`, `updates were shortened (θ = ${round(order.limit)}). Without clipping it ${last(trained.plain)}; with it, ${last(trained.clipped)}.`);
}

const round = (v) => String(+v.toPrecision(2));

// The level line of θ in the chart: a slider that the pointer drags and arrow keys move.
function threshold() {
  const picture = one("#training svg.plot"), y = level(order.limit), old = one(".theta", picture), focused = old && old === document.activeElement;
  if (!picture) return;
  const g = svg("g", { class: "theta", tabindex: "0", role: "slider", "aria-label": t("裁剪阈值", "clipping threshold"), "aria-orientation": "vertical", "aria-valuemin": 10 ** LOW, "aria-valuemax": 10 ** HIGH, "aria-valuenow": order.limit, "aria-valuetext": `θ = ${round(order.limit)}` },
    svg("rect", { class: "hit", x: FRAME.left, y: y - 11, width: FRAME.width - FRAME.left - FRAME.right, height: 22 }),
    svg("path", { class: "level", d: `M${FRAME.left} ${y}H${FRAME.width - FRAME.right}` }), svg("rect", { class: "grip", x: FRAME.left + 22, y: y - 4, width: 26, height: 8, rx: 4 }),
    svg("text", { x: FRAME.left + 54, y: y - 5 }, `θ = ${round(order.limit)}`));
  g.addEventListener("keydown", (event) => {
    const d = { ArrowUp: 0.05, ArrowRight: 0.05, ArrowDown: -0.05, ArrowLeft: -0.05, PageUp: 0.5, PageDown: -0.5 }[event.key];
    if (d) { event.preventDefault(); limit(Math.log10(order.limit) + d); }
  });
  g.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    g.focus();
    const stop = new AbortController();
    addEventListener("pointermove", (moved) => {
      const p = new DOMPoint(moved.clientX, moved.clientY).matrixTransform(one("#training svg.plot").getScreenCTM().inverse()).y;
      limit(LOW + ((FRAME.height - FRAME.bottom - p) / (FRAME.height - FRAME.top - FRAME.bottom)) * (HIGH - LOW));
    }, { signal: stop.signal });
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => stop.abort(), { signal: stop.signal });
  });
  old?.remove();
  picture.append(g);
  if (focused) g.focus();
}

function limit(log) {
  order.limit = +(10 ** Math.max(LOW, Math.min(HIGH, log))).toPrecision(3);
  fill();
  threshold();
  answer();
  soon();
}

// --- asking: the three charts follow the slider, the training follows when it rests

async function answer() {
  link.write(Object.fromEntries(Object.entries(order).filter(([k, v]) => v !== DEFAULTS[k])));
  try {
    const found = await turn((signal) => ask("lab/gradients", asked(), signal));
    if (!found) return;
    now = found;
    tell(one("#fault"));
    drawFlow();
    drawProduct();
    drawCircle();
    words();
  } catch (error) {
    tell(one("#fault"), error);
  }
}

async function training() {
  const place = one("#training");
  place.classList.add("busy");
  place.setAttribute("aria-busy", "true");
  try {
    const found = await train((signal) => ask("lab/clipping", asked(), signal));
    if (!found) return;
    trained = found;
    drawTraining();
  } catch (error) {
    tell(one("#fault"), error);
  }
  place.classList.remove("busy");
  place.setAttribute("aria-busy", "false");
}
const soon = paused(250, training);

function fill() {
  one("#radius").value = order.radius;
  one("#rho").textContent = order.radius.toFixed(2);
  one("#limit").value = Math.log10(order.limit);
  one("#theta").textContent = round(order.limit);
  for (const box of all('[name="activation"]')) box.checked = box.value === order.activation;
}

function changed(values) {
  Object.assign(order, values);
  fill();
  answer();
  soon();
}

one("#radius").addEventListener("input", (event) => changed({ radius: Number(event.target.value) }));
for (const box of all('[name="activation"]')) box.addEventListener("change", () => changed({ activation: box.value }));
one("#draw").addEventListener("click", () => changed({ seed: (order.seed % 9999) + 1 }));
one("#limit").addEventListener("input", (event) => limit(Number(event.target.value)));

fill();
one("#flow").textContent = t("正在算梯度……", "computing the gradients…");
one("#training").textContent = t("正在训练两次，每次 40 步……", "training twice, 40 updates each…");
answer().then(training); // the slider's charts come first
