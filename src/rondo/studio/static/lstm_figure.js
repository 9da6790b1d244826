// The two cells drawn as on the slide: the belt on top, gates under it, what is read at the bottom left.
import { svg } from "./dom.js";
import { dot, marker } from "./steps_parts.js";
import { t } from "./words.js";

// Two digits are enough here: 0.00 is shut.
const short = (v) => (Math.abs(v) < 0.005 ? "0.00" : v.toFixed(2)).replace("-", "−");
const path = (d, c, more = {}) => svg("path", { d, class: c, ...more });
const broad = (v, least = 1.2, most = 8) => (least + (most - least) * Math.min(1, Math.abs(v))).toFixed(2);
const text = (x, y, s, c = "label", anchor = "middle") => svg("text", { x, y, class: c, "text-anchor": anchor }, s);

// A place that can be chosen: a gate, the candidate, a state.
function place(name, what, on, ...shapes) {
  const g = svg("g", { class: `place${on.chosen === name ? " chosen" : ""}`, tabindex: "0", role: "button", "aria-pressed": String(on.chosen === name), "aria-label": what }, shapes, svg("title", {}, what));
  const act = () => on.choose(name);
  g.addEventListener("click", act);
  g.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); act(); } });
  return g;
}

function gate(x, y, name, label, value, on, held) {
  const share = Math.round(100 * Math.min(1, Math.max(0, value))), what = `${label} = ${short(value)}${held[name] != null ? t("（固定）", " (held)") : ""}`;
  return place(name, what, on,
    svg("circle", { cx: x, cy: y, r: 20, class: `gate${held[name] != null ? " held" : ""}`, style: { fill: `color-mix(in srgb, var(--jade) ${share}%, var(--leaf))` } }),
    text(x, y + 5, short(value), share > 55 ? "inside on" : "inside"), text(x, y + 36, label, "name"), held[name] != null ? text(x + 24, y - 14, "⚑", "flag", "start") : null);
}

function squash(x, y, name, label, value, on) {
  return place(name, `${label} = ${short(value)}`, on, svg("rect", { x: x - 24, y: y - 17, width: 48, height: 34, rx: 8, class: "squash" }), text(x, y + 5, short(value), "inside"), text(x, y + 34, label, "name"));
}

const sign = (x, y, s) => svg("g", {}, svg("circle", { cx: x, cy: y, r: 12, class: "sign" }), text(x, y + 5.5, s, "operator"));
const state = (x, y, name, label, value, on, anchor = "middle") => place(name, `${label} = ${short(value)}`, on, dot(x, y, 15, value), text(x, y - 23, label, "name", anchor), text(x, y + 31, short(value), "label", anchor));
const before = (f, name, step) => (step ? f.values[name][step - 1][f.unit] : 0);

function frame(f, step, spoken, id, wide, ...parts) {
  return svg("svg", { class: "slide", viewBox: `0 0 ${wide} 330`, role: "group", "aria-label": spoken, style: { "--natural": `${wide}px` } }, svg("defs", {}, marker(`${id}-tip`), marker(`${id}-belt`, "carry-tip")),
    svg("rect", { class: "body", x: 76, y: 18, width: wide - 152, height: 250, rx: 16 }), ...parts);
}

// All 24 units of a value, a thin column of shades.
function strip(f, name, step, x, y, tall) {
  const v = f.values[name][step], one = tall / v.length;
  return svg("g", { class: "strip" }, v.map((value, k) => svg("rect", { x, y: y + k * one, width: 9, height: Math.max(1, one - 0.6), class: k === f.unit ? "own" : "", style: { fill: `color-mix(in srgb, var(${value < 0 ? "--indigo" : "--ink"}) ${Math.round(100 * Math.min(1, Math.abs(value)))}%, var(--leaf))` } })), svg("title", {}, t(`${name} 的全部 24 个单元`, `all 24 units of ${name}`)));
}

export const figures = {
  lstm(f, step, on) {
    const u = f.unit, v = (name) => f.values[name][step][u], c0 = before(f, "c", step), a0 = before(f, "h", step), keep = v("f") * c0, add = v("i") * v("g"), tc = Math.tanh(v("c"));
    const B = 62, G = 172, W = 620, X = { f: 140, i: 232, g: 316, o: 408, plus: 274, tanh: 470 }, edge = (d, value) => path(d, "flow", { "stroke-width": broad(value), "marker-end": "url(#lstm-tip)" });
    const belt = (d, value, tip) => path(d, "belt", { "stroke-width": broad(value, 2.4, 11), ...(tip ? { "marker-end": "url(#lstm-belt)" } : {}) });
    const spoken = t(`LSTM 第 ${step + 1} 步，单元 ${u}：Γf ${short(v("f"))}，Γi ${short(v("i"))}，c̃ ${short(v("g"))}，Γo ${short(v("o"))}，c 从 ${short(c0)} 到 ${short(v("c"))}，a ${short(v("h"))}`, `LSTM at step ${step + 1}, unit ${u}: Γf ${short(v("f"))}, Γi ${short(v("i"))}, c̃ ${short(v("g"))}, Γo ${short(v("o"))}, c from ${short(c0)} to ${short(v("c"))}, a ${short(v("h"))}`);
    return frame(f, step, spoken, "lstm", W,
      // what is read: a<t-1> and x<t> go to every gate
      path(`M48 ${G + 70}H${X.o}M${X.f} ${G + 70}V${G + 42}M${X.i} ${G + 70}V${G + 42}M${X.g} ${G + 70}V${G + 40}M${X.o} ${G + 70}V${G + 42}`, "wire"), path(`M110 308V${G + 70}`, "wire"),
      belt(`M48 ${B}H${X.f - 12}`, c0), belt(`M${X.f + 12} ${B}H${X.plus - 12}`, keep), belt(`M${X.plus + 12} ${B}H${W - 72}`, v("c"), true),
      edge(`M${X.f} ${G - 21}V${B + 14}`, v("f")), path(`M${X.i} ${G - 21}V122H${X.plus - 14}`, "flow", { "stroke-width": broad(v("i")), "marker-end": "url(#lstm-tip)" }), path(`M${X.g} ${G - 18}V122H${X.plus + 14}`, "flow", { "stroke-width": broad(v("g")), "marker-end": "url(#lstm-tip)" }),
      edge(`M${X.plus} 110V${B + 14}`, add), path(`M${X.tanh} ${B}V98`, "flow", { "stroke-width": broad(v("c")), "marker-end": "url(#lstm-tip)" }), edge(`M${X.tanh} 128V${G - 14}`, tc), path(`M${X.o + 21} ${G}H${X.tanh - 14}`, "flow", { "stroke-width": broad(v("o")), "marker-end": "url(#lstm-tip)" }),
      path(`M${X.tanh + 13} ${G}H${W - 72}`, "flow", { "stroke-width": broad(v("h")), "marker-end": "url(#lstm-tip)" }),
      sign(X.f, B, "×"), sign(X.plus, B, "+"), sign(X.plus, 122, "×"), sign(X.tanh, G, "×"),
      svg("g", {}, svg("rect", { class: "squash", x: X.tanh - 34, y: 99, width: 68, height: 28, rx: 8 }), text(X.tanh, 118, `tanh ${short(tc)}`, "tiny")),
      text(X.f + 20, B + 26, short(keep), "label", "start"), text(X.plus + 16, 94, short(add), "label", "start"),
      gate(X.f, G, "f", "Γf", v("f"), on, on.held), gate(X.i, G, "i", "Γi", v("i"), on, on.held), squash(X.g, G, "g", "c̃", v("g"), on), gate(X.o, G, "o", "Γo", v("o"), on, on.held),
      svg("g", {}, dot(32, B, 15, c0), text(32, B - 23, `c⟨${step}⟩`, "name"), text(32, B + 31, short(c0))), svg("g", {}, dot(32, G + 70, 15, a0), text(32, G + 47, `a⟨${step}⟩`, "name"), text(32, G + 101, short(a0))),
      state(W - 52, B, "c", `c⟨${step + 1}⟩`, v("c"), on), state(W - 52, G, "h", `a⟨${step + 1}⟩`, v("h"), on), text(110, 324, `x⟨${step + 1}⟩ = ${f.words[step]}`, "name"), strip(f, "c", step, W - 22, B - 36, 78), strip(f, "h", step, W - 22, G - 36, 78));
  },
  gru(f, step, on) {
    const u = f.unit, v = (name) => f.values[name][step][u], a0 = before(f, "h", step), keep = (1 - v("u")) * a0, add = v("u") * v("c");
    const B = 62, G = 172, W = 560, X = { r: 150, c: 262, u: 376, minus: 196, plus: 330 };
    const belt = (d, value, tip) => path(d, "belt", { "stroke-width": broad(value, 2.4, 11), ...(tip ? { "marker-end": "url(#gru-belt)" } : {}) }), edge = (d, value) => path(d, "flow", { "stroke-width": broad(value), "marker-end": "url(#gru-tip)" });
    const spoken = t(`GRU 第 ${step + 1} 步，单元 ${u}：Γr ${short(v("r"))}，Γu ${short(v("u"))}，c̃ ${short(v("c"))}，a 从 ${short(a0)} 到 ${short(v("h"))}`, `GRU at step ${step + 1}, unit ${u}: Γr ${short(v("r"))}, Γu ${short(v("u"))}, c̃ ${short(v("c"))}, a from ${short(a0)} to ${short(v("h"))}`);
    return frame(f, step, spoken, "gru", W,
      path(`M48 ${B}M64 ${B}V${G + 70}H${X.u}M${X.r} ${G + 70}V${G + 42}M${X.c} ${G + 70}V${G + 40}M${X.u} ${G + 70}V${G + 42}`, "wire"), path(`M110 308V${G + 70}`, "wire"),
      belt(`M48 ${B}H${X.minus - 12}`, a0), belt(`M${X.minus + 12} ${B}H${X.plus - 12}`, keep), belt(`M${X.plus + 12} ${B}H${W - 72}`, v("h"), true),
      path(`M${X.r + 21} ${G}H${X.c - 27}`, "flow", { "stroke-width": broad(v("r")), "marker-end": "url(#gru-tip)" }),
      path(`M${X.c + 25} ${G}H${X.plus}V134`, "flow", { "stroke-width": broad(v("c")), "marker-end": "url(#gru-tip)" }), path(`M${X.u} ${G - 21}V122H${X.plus + 14}`, "flow", { "stroke-width": broad(v("u")), "marker-end": "url(#gru-tip)" }),
      edge(`M${X.plus} 110V${B + 14}`, add), path(`M${X.u} 122V100H${X.minus}V${B + 14}`, "flow thin", { "stroke-width": broad(1 - v("u")), "marker-end": "url(#gru-tip)" }),
      sign(X.minus, B, "×"), sign(X.plus, B, "+"), sign(X.plus, 122, "×"), text(X.minus + 8, 94, `1 − Γu = ${short(1 - v("u"))}`, "label", "start"), text(X.minus + 34, B - 14, short(keep), "label"), text(X.plus + 16, 92, short(add), "label", "start"),
      gate(X.r, G, "r", "Γr", v("r"), on, on.held), squash(X.c, G, "c", "c̃", v("c"), on), gate(X.u, G, "u", "Γu", v("u"), on, on.held),
      svg("g", {}, dot(32, B, 15, a0), text(32, B - 23, `a⟨${step}⟩`, "name"), text(32, B + 31, short(a0))),
      state(W - 52, B, "h", `a⟨${step + 1}⟩`, v("h"), on), text(110, 324, `x⟨${step + 1}⟩ = ${f.words[step]}`, "name"), strip(f, "h", step, W - 22, B - 36, 78));
  },
};
