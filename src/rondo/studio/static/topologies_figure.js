// The figure: nodes with their values, edges as wide as their gradients, the window over the steps.
import { all, svg } from "./dom.js";
import { t } from "./words.js";

const START = 78, WIDE = 106, F = 36, H = 86; // column: f at F, the state at H
const Y = { sum: 24, loss: 78, guess: 134, state: 214, x: 304, w: 410 };
const R = 13, UNIT = 8;

const short = (v) => (Math.abs(v) >= 1000 || (v !== 0 && Math.abs(v) < 0.005) ? v.toExponential(1) : v.toFixed(2)).replace("-", "−");
export const vector = (v) => (v.length === 1 ? short(v[0]) : `(${v.map(short).join(", ")})`);
const at = (name, step) => `${name}⟨${step}⟩`;
const STATE = { h: "a", c: "c" };
const INDEX = ["₁", "₂"];

// shade of a value: ink above zero, indigo with a bar below
function dot(x, y, r, value, high = 1) {
  const share = Math.round(100 * Math.min(1, Math.abs(value) / high));
  const color = value < 0 ? "--indigo" : "--ink";
  return [
    svg("circle", { cx: x, cy: y, r, class: "value", style: { fill: `color-mix(in srgb, var(${color}) ${share}%, var(--leaf))` } }),
    value < 0 ? svg("path", { class: share > 45 ? "minus light" : "minus", d: `M${x - r / 2} ${y}h${r}` }) : null,
  ];
}

const line = (x1, y1, x2, y2, c) => svg("path", { class: c, d: `M${x1} ${y1}L${x2} ${y2}` });

// found: the server's answer; on.window(first, last), on.read(text, key). Gives {picture, at(k, moment), place(step), numbers(moment)}.
export function figure(found, order, on) {
  const n = found.forward.length, two = found.forward.some((f) => f.network), units = order.hidden;
  const cell = { w: 13, h: Math.max(5, Math.min(13, 92 / found.rows.length)) };
  const tall = cell.h * found.rows.length, height = Y.w + Math.max(40, tall - 4) + 4;
  const homes = [0, ...(two ? [1] : [])].map((o) => [...found.forward.keys()].filter((k) => found.forward[k].network === o));
  const fx = (k) => START + WIDE * k + F, hx = (k) => START + WIDE * k + H - (k < 0 ? 14 : 0);
  const wx = homes.map((own) => (fx(own[0]) + fx(own.at(-1))) / 2 + (own.length > 1 ? 0 : 14));
  const width = Math.max(START + WIDE * n + 26, wx.at(-1) + 60 + cell.w * found.columns.length);
  const half = (units * 2 * (UNIT + 1.5)) / 2 + 4, deep = found.states.length;
  const side = deep * (UNIT + 2) + 3;
  const picture = svg("svg", { class: "graph", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": spoken(found, order), style: { "--natural": `${width}px` } });
  const nodes = new Map(), layers = { band: svg("g"), forward: svg("g"), backward: svg("g"), nodes: svg("g"), handles: svg("g") };
  picture.append(marker(), ...Object.values(layers));
  const columns = [...Array(n).keys()];

  // --- nodes: key, where they stand in the walk of the arrow keys, what they say
  function node(key, place, when, what, ...shapes) {
    const group = svg("g", { class: "node", tabindex: "-1", role: "img", "data-key": key, "aria-label": what() }, shapes, svg("title", {}, what()));
    const say = () => on.read(what(), key);
    group.addEventListener("focus", say);
    group.addEventListener("pointerenter", say);
    nodes.set(key, { group, place, when, what });
    layers.nodes.append(group);
  }
  const toward = (k) => (fx(k) <= wx[found.forward[k].network] ? 1 : -1); // on which side of f the edge to W runs
  const aside = (k, y, text, c = "") => svg("text", { x: hx(k) - 19, y, class: `label ${c}`, "text-anchor": "end" }, text);
  const label = (x, y, text, c = "") => svg("text", { x, y, class: `label ${c}`, "text-anchor": "middle" }, text);
  const back = (k) => found.backward[k];
  const states = (k) => found.states.map((s) => found.forward[k].named[s]);

  function capsule(x, values) {
    return [
      svg("rect", { class: "capsule", x: x - side, y: Y.state - half, width: 2 * side, height: 2 * half, rx: 11 }),
      values.map((v, d) => v.map((value, i) => dot(x + (d - (deep - 1) / 2) * 2 * (UNIT + 2), Y.state - half + 4 + (2 * i + 1) * (UNIT + 1.5), UNIT, value))),
    ];
  }
  const zero = found.states.map(() => Array(units).fill(0));
  node("s-1", [-1, 3], 0, () => t(`a⟨0⟩ = h₀ = 0：起始状态。`, `a⟨0⟩ = h₀ = 0: the state before the first step.`) + gradient("∂L/∂a⟨0⟩", back(0)?.leaving),
    capsule(hx(-1), zero), label(hx(-1), Y.state + half + 16, "h₀ = a⟨0⟩"));
  for (const k of columns) {
    const f = found.forward[k], name = k + 1, net = two ? INDEX[f.network] : "", way = toward(k);
    node(`f${k}`, [k, 4], k + 1, () => `${t("第", "step ")}${name}${t(" 步", "")}: ${Object.entries(f.named).map(([key, v]) => `${STATE[key] ?? key} ${vector(v)}`).join(" · ")}` + gradient(t("这一步的 ∂L/∂W", "its share of ∂L/∂W"), back(k)?.weights_norm),
      svg("rect", { class: "box", x: fx(k) - 15, y: Y.state - 15, width: 30, height: 30, rx: 5 }), svg("text", { x: fx(k), y: Y.state + 5, class: "name", "text-anchor": "middle" }, "f", svg("tspan", { class: "sub", dy: 4 }, `W${net}`)));
    node(`s${k}`, [k, 3], k + 1, () => found.states.map((s, d) => `${at(STATE[s], name)} = ${vector(states(k)[d])}${back(k) ? ` · ∂L/∂${at(STATE[s], name)} = ${vector(back(k).full[s])}` : ""}`).join(" · ") + gradient(t("范数", "norm"), back(k)?.full_norm),
      capsule(hx(k), states(k)), label(hx(k), Y.state + half + 16, found.states.map((s) => at(STATE[s], name)).join(" ")));
    if (f.x != null) node(`x${k}`, [k, 5], k + 1, () => `${at("x", name)} = ${short(f.x)}` + (back(k) ? ` · ∂L/∂${at("x", name)} = ${vector(back(k).input)}` : ""),
      dot(fx(k) - 12 * way, Y.x, R - 1, f.x, 2), label(fx(k) - 12 * way, Y.x + 28, at("x", name), "halo"));
    if (f.loss == null) continue;
    node(`y${k}`, [k, 2], k + 1, () => `${at("ŷ", name)} = ${short(f.prediction)}, y = ${f.target}` + (back(k) ? ` · ∂L/∂z = ŷ − y = ${short(back(k).score)}` : ""),
      dot(hx(k), Y.guess, R, f.prediction), aside(k, Y.guess - 3, at("ŷ", name)), aside(k, Y.guess + 11, `y = ${f.target}`, "quiet"));
    node(`l${k}`, [k, 1], k + 1, () => `${at("L", name)} = ${short(f.loss)}` + (back(k) ? "" : t("：在窗口外，这一次不算", ": outside the window, not counted")),
      dot(hx(k), Y.loss, R, f.loss, 2), aside(k, Y.loss + 4, at("L", name)));
    if (!back(k)) nodes.get(`l${k}`).group.classList.add("out");
  }
  const answering = columns.filter((k) => found.forward[k].loss != null), last = n + 1;
  const middle = (hx(answering[0]) + hx(answering.at(-1))) / 2;
  node("sum", [n - 1, 0], last, () => `L = Σ L⟨t⟩ = ${short(found.loss)}`, svg("circle", { class: "total", cx: middle, cy: Y.sum, r: 17 }), svg("text", { x: middle, y: Y.sum + 5, class: "name", "text-anchor": "middle" }, "L"), svg("text", { class: "label halo", x: middle + (answering.length > 1 ? 22 : -22), y: Y.sum - 7, "text-anchor": answering.length > 1 ? "start" : "end" }, `Σ L⟨t⟩ = ${short(found.loss)}`));

  // --- one W, or one for each network; its matrix is drawn anew as the sum grows
  const owners = [...homes.keys()], heats = owners.map(() => svg("g"));
  const running = owners.map(() => null);
  for (const o of owners) {
    const name = `W${two ? INDEX[o] : ""}`;
    const what = () => (running[o] == null ? t(`${name}：${found.rows.length} × ${found.columns.length} 个参数，每一步共用`, `${name}: ${found.rows.length} × ${found.columns.length} parameters, shared by every step`)
      : t(`∂L/∂${name} 到此的和，范数 ${short(found.backward[running[o]].running_norm)}`, `the sum of ∂L/∂${name} so far, norm ${short(found.backward[running[o]].running_norm)}`));
    node(`w${o}`, [homes[o][0], 6], 0, what, svg("rect", { class: "box shared", x: wx[o] - 19, y: Y.w - 17, width: 38, height: 34, rx: 6 }), svg("text", { x: wx[o], y: Y.w + 6, class: "name", "text-anchor": "middle" }, name), heats[o]);
  }

  // --- edges: forward in ink; backward in cinnabar a little beside them
  const edges = [];
  const ink = (when, ...p) => { const e = line(...p, "edge"); layers.forward.append(e); edges.push({ e, when }); };
  // from the border of L<t> to that of L, moved aside by d
  function ray(k, d) {
    const [dx, dy] = [middle - hx(k), Y.sum - Y.loss], far = Math.hypot(dx, dy), [ux, uy] = [dx / far, dy / far], gap = d ? 6 : 1;
    return [hx(k) + ux * (R + gap) - uy * d, Y.loss + uy * (R + gap) + ux * d, middle - ux * 18 - uy * d, Y.sum - uy * 18 + ux * d];
  }
  const share = (v) => v / (found.largest || 1);
  // norm null: the gradient 1 of the sum by its terms, outside the scale
  function red(when, norm, d, text) {
    const part = norm == null ? 0.06 : share(norm);
    const e = svg("path", { class: part < 0.01 ? "grad faint" : "grad", d, "marker-end": "url(#tip)", style: { "stroke-width": (1 + 6 * part).toFixed(2) } }, svg("title", {}, `${text}: ${short(norm ?? 1)}`));
    layers.backward.append(e);
    edges.push({ e, when, red: true });
  }
  const turn = (k) => 2 * n + 1 - k; // the moment of step k backward
  for (const k of columns) {
    const f = found.forward[k], b = back(k), o = f.network, from = hx(k - 1) + side, name = k + 1;
    ink(k + 1, from, Y.state - 5, fx(k) - 15, Y.state - 5);
    ink(k + 1, fx(k) + 15, Y.state - 5, hx(k) - side, Y.state - 5);
    const flank = toward(k), wf = fx(k) + 9 * flank, xf = fx(k) - 12 * flank;
    if (f.x != null) ink(k + 1, xf, Y.x - R + 1, fx(k) - 10 * flank, Y.state + 15);
    const down = `C${wf} 385 ${wx[o]} 345 ${wx[o]}`, up = `C${wx[o]} 345 ${wf} 385 ${wf} ${Y.state + 15}`;
    const shared = svg("path", { class: "edge weight", d: `M${wx[o]} ${Y.w - 17}${up}` });
    layers.forward.append(shared);
    edges.push({ e: shared, when: k + 1 });
    if (f.loss != null) {
      ink(k + 1, hx(k), Y.state - half, hx(k), Y.guess + R);
      ink(k + 1, hx(k), Y.guess - R, hx(k), Y.loss + R);
      ink(last, ...ray(k, 0));
    }
    if (!b) continue;
    if (f.loss != null) {
      const [x1, y1, x2, y2] = ray(k, 6);
      red(turn(k), null, `M${x2} ${y2}L${x1} ${y1}`, "∂L/∂L⟨t⟩");
      red(turn(k), Math.abs(b.score), `M${hx(k) + 6} ${Y.loss + R}L${hx(k) + 6} ${Y.guess - R - 5}`, "|ŷ − y|");
      red(turn(k), b.own, `M${hx(k) + 6} ${Y.guess + R}L${hx(k) + 6} ${Y.state - half - 5}`, `|∂${at("L", name)}/∂${at("a", name)}|`);
    }
    red(turn(k), b.full_norm, `M${hx(k) - side} ${Y.state + 7}L${fx(k) + 21} ${Y.state + 7}`, `|∂L/∂${at("a", name)}|`);
    red(turn(k), b.weights_norm, `M${wf} ${Y.state + 17}${down} ${Y.w - 25}`, t(`第 ${name} 步的 ∂L/∂W`, `step ${name}: its share of ∂L/∂W`));
    if (f.x != null) red(turn(k), b.input_norm, `M${fx(k) - 4 * flank} ${Y.state + 16}L${xf + 6 * flank} ${Y.x - R - 3}`, `|∂L/∂${at("x", name)}|`);
    if (k > found.window[0] || k === 0) red(turn(k), b.leaving, `M${fx(k) - 15} ${Y.state + 7}L${from + 5} ${Y.state + 7}`, `${t("传给第", "handed to step ")} ${k}${t(" 步", "")}`);
    else {
      const cut = svg("g", { class: "cut" }, line(fx(k) - 17, Y.state + 7, fx(k) - 24, Y.state + 7, "grad"), svg("text", { x: fx(k) - 31, y: Y.state + 13, "text-anchor": "middle" }, "✂"), svg("title", {}, t(`窗口在这里剪断：${short(b.leaving)}`, `the window cuts here: ${short(b.leaving)}`)));
      layers.backward.append(cut);
      edges.push({ e: cut, when: turn(k), red: true });
    }
  }

  if (n > 1) band(found, { layers, n, on, edge: (k) => START + WIDE * k + (k === n ? 14 : 5) });
  walk(picture, nodes);

  function heat(o, k) {
    const b = k == null ? null : found.backward[k], values = b?.running ?? found.rows.map(() => found.columns.map(() => 0));
    const peak = Math.max(...found.backward.filter((s, i) => s && found.forward[i].network === o).flatMap((s) => s.running.flat().map(Math.abs)), 1e-300);
    const left = wx[o] + 27, top = Y.w - Math.min(17, tall / 2);
    heats[o].replaceChildren(
      ...values.flatMap((row, i) => row.map((v, j) => {
        const x = left + j * cell.w, y = top + i * cell.h, part = Math.round((100 * Math.abs(v)) / peak);
        return svg("g", {}, svg("rect", { class: "weight-cell", x, y, width: cell.w - 1, height: cell.h - 1, style: { fill: `color-mix(in srgb, var(${v < 0 ? "--indigo" : "--cinnabar"}) ${part}%, var(--wash))` } }, svg("title", {}, `${found.rows[i] ? `Γ${found.rows[i]} · ` : ""}${found.columns[j]}: ${short(v)}`)),
          v < 0 ? svg("path", { class: part > 45 ? "minus light" : "minus", d: `M${x + 3} ${y + (cell.h - 1) / 2}h${cell.w - 7}` }) : null);
      })),
      ...found.rows.map((g, i) => (!g || (i && found.rows[i - 1] === g) ? null : svg("text", { class: "label quiet", x: left + found.columns.length * cell.w + 4, y: top + cell.h * (i + units / 2) + 4 }, ...(["c", "g"].includes(g) ? ["c̃"] : ["Γ", svg("tspan", { class: "sub", dy: 3 }, g)])))).filter(Boolean),
      ...found.columns.map((c, j) => (j && found.columns[j - 1] === c ? null : svg("text", { class: "label quiet", x: left + (j + 0.5) * cell.w + (c === "h" ? ((units - 1) * cell.w) / 2 : 0), y: top - 5, "text-anchor": "middle" }, c === "h" ? "a" : c === "1" ? "b" : c))).filter(Boolean),
      svg("text", { class: "label", x: wx[o] + 21, y: Y.w + 33, "text-anchor": "end" }, b ? `‖Σ‖ = ${short(b.running_norm)}` : "Σ = 0"),
    );
  }

  // draws the moment k: what has happened, what happens now
  function moveTo(k, now) {
    for (const { e, when, red } of edges) {
      e.classList.toggle("later", when > k);
      e.classList.toggle("now", when === k);
      if (!red) e.classList.toggle("past", when < k && k > n + 1);
    }
    for (const [key, { group, when }] of nodes) {
      group.classList.toggle("later", when > k);
      group.classList.toggle("now", now.step != null && key === `f${now.step}`);
    }
    for (const o of owners) {
      const done = now.way === "backward" ? homes[o].filter((i) => i >= now.step && found.backward[i]) : [];
      running[o] = done.length ? done[0] : null;
      heat(o, running[o]);
    }
  }

  return { picture, at: moveTo, place: (k) => hx(k) / width, numbers: (now) => numbers(found, now), told: (key) => nodes.get(key)?.what() };
}

const gradient = (name, v) => (v == null ? "" : ` · ${name} ${t("范数", "norm")} ${short(v)}`).replace(/(范数|norm) (范数|norm)/, "$1");

function marker() {
  return svg("defs", {}, svg("marker", { id: "tip", viewBox: "0 0 8 8", refX: 2, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" }, svg("path", { class: "tip", d: "M0 0L8 4L0 8Z" })));
}

function spoken(found, order) {
  const n = found.forward.length;
  return t(`${order.topology} 的计算图，${n} 步，损失 ${short(found.loss)}，窗口第 ${found.window[0] + 1} 到 ${found.window[1] + 1} 步`, `Computational graph, ${order.topology}, ${n} steps, loss ${short(found.loss)}, window from step ${found.window[0] + 1} to ${found.window[1] + 1}`);
}

// The numbers of the step that runs, beside its equation.
function numbers(found, { way, step }) {
  if (way === "start") return [["a⟨0⟩", "0"]];
  if (way === "loss") return [["L", short(found.loss)], ...found.forward.flatMap((f, k) => (f.loss == null ? [] : [[at("L", k + 1), short(f.loss)]]))];
  const f = found.forward[step], b = found.backward[step], name = step + 1;
  if (way === "forward")
    return [...(f.x == null ? [] : [[at("x", name), short(f.x)]]), ...found.states.map((s) => [at(STATE[s], name), vector(f.named[s])]),
      ...(f.loss == null ? [] : [[at("ŷ", name), short(f.prediction)], ["y", f.target], [at("L", name), short(f.loss)]])];
  if (!b) return [[t("这一步的梯度", "the gradient of this step"), t("不算", "not counted")]];
  return [...found.states.map((s) => [`∂L/∂${at(STATE[s], name)}`, vector(b.full[s])]), [t("这一步的 ‖∂L/∂W‖", "this step's ‖∂L/∂W‖"), short(b.weights_norm)], [t("和的范数 ‖Σ‖", "norm of the sum ‖Σ‖"), short(b.running_norm)]];
}

// The window: a band with two sides and a top edge, each dragged by pointer or moved by arrow keys.
function band(found, { layers, n, on, edge }) {
  const [first, last] = found.window, top = 50, bottom = 346, left = edge(first), right = edge(last + 1);
  layers.band.append(svg("rect", { class: "band", x: left, y: top, width: right - left, height: bottom - top, rx: 6 }));
  const names = { first: t("窗口左边", "left side of the window"), last: t("窗口右边", "right side of the window"), both: t("整个窗口", "the whole window") };
  const shift = (d) => { const s = Math.max(-first, Math.min(d, n - 1 - last)); on.window(first + s, last + s); };
  const move = { first: (d) => on.window(Math.min(first + d, last), last), last: (d) => on.window(first, Math.max(first, last + d)), both: shift };
  function handle(which, value, ...shapes) {
    const g = svg("g", { class: `handle ${which}`, tabindex: "0", role: "slider", "data-key": `window-${which}`, "aria-label": names[which], "aria-valuemin": 1, "aria-valuemax": n, "aria-valuenow": value + 1,
      "aria-valuetext": t(`窗口第 ${first + 1} 到 ${last + 1} 步`, `window from step ${first + 1} to ${last + 1}`) }, shapes);
    g.addEventListener("keydown", (event) => {
      const d = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -n, End: n }[event.key];
      if (d) { event.preventDefault(); event.stopPropagation(); move[which](d); }
    });
    g.addEventListener("pointerdown", (event) => drag(event, which));
    layers.handles.append(g);
  }
  const step = (event) => {
    const x = new DOMPoint(event.clientX, event.clientY).matrixTransform(document.querySelector("#topologies .graph").getScreenCTM().inverse()).x;
    return Math.round((x - START - 5) / WIDE);
  };
  function drag(event, which) {
    event.preventDefault();
    event.currentTarget.focus();
    const from = step(event), stop = new AbortController();
    let [a, b] = [first, last];
    addEventListener("pointermove", (moved) => {
      const k = step(moved), d = Math.max(-first, Math.min(k - from, n - 1 - last));
      const next = which === "first" ? [Math.max(0, Math.min(k, last)), last] : which === "last" ? [first, Math.min(n - 1, Math.max(k - 1, first))] : [first + d, last + d];
      if (next[0] !== a || next[1] !== b) on.window(...([a, b] = next));
    }, { signal: stop.signal });
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => stop.abort(), { signal: stop.signal });
  }
  const name = t(`截断窗口：${first + 1}–${last + 1}`, `window: ${first + 1}–${last + 1}`);
  handle("both", first, svg("rect", { class: "hit", x: left, y: top - 10, width: right - left, height: 22 }), svg("rect", { class: "grip", x: left + 6, y: top - 1.5, width: right - left - 12, height: 3, rx: 1.5 }), svg("text", { x: right - 4, y: bottom + 15, class: "label window-name", "text-anchor": "end" }, name));
  const sides = { first: left, last: right };
  for (const which of ["first", "last"]) handle(which, which === "first" ? first : last, svg("rect", { class: "hit", x: sides[which] - 13, y: top + 14, width: 26, height: bottom - top - 14 }), svg("path", { class: "side", d: `M${sides[which]} ${top + 6}V${bottom - 6}` }), svg("rect", { class: "grip", x: sides[which] - 4, y: 312, width: 8, height: 26, rx: 4 }));
}

// One stop of Tab for all circles; arrow keys walk to the nearest one in their direction.
function walk(picture, nodes) {
  const list = [...nodes.values()];
  list[0].group.setAttribute("tabindex", "0");
  picture.addEventListener("keydown", (event) => {
    const here = list.find((o) => o.group === document.activeElement), d = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!here || !d) return;
    event.preventDefault();
    const away = (o) => [0, 1].map((i) => o.place[i] - here.place[i]);
    const ahead = list.filter((o) => { const [x, y] = away(o); return d[0] ? x * d[0] > 0 : y * d[1] > 0; });
    const cost = (o) => { const [x, y] = away(o).map(Math.abs); return d[0] ? x + 3 * y : y + 3 * x; };
    const next = ahead.sort((a, b) => cost(a) - cost(b))[0];
    if (!next) return;
    for (const o of list) o.group.setAttribute("tabindex", o === next ? "0" : "-1");
    next.group.focus();
  });
  all(".node", picture).forEach((g) => g.addEventListener("pointerdown", () => { for (const o of list) o.group.setAttribute("tabindex", o.group === g ? "0" : "-1"); }));
}
