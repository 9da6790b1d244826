// The lecture's "hello": a network of three units while it learns four transitions.
import { latest, stream, tell } from "./api.js";
import { h, one } from "./dom.js";
import { plot } from "./plot.js";
import { place } from "./text_common.js";
import { t } from "./words.js";

const LETTERS = [..."helo"], WORD = [..."hello"], START = { seed: 1, rate: 0.05, steps: 120 };

export function hello(given, keep) {
  const run = latest(), form = one("#train"), scrub = one("#scrub"), play = one("#play");
  let state = { ...START, ...given }, looks = [], at = state.at ?? null, shown = false, timer = 0, draw, cells;

  const changed = () => Object.fromEntries(Object.entries({ ...state, at }).filter(([name, value]) => value != null && value !== START[name]));
  const fill = () => { for (const name of ["seed", "rate", "steps"]) form[name].value = state[name]; };

  async function train() {
    if (!form.reportValidity()) return;
    state = { seed: +form.seed.value, rate: +form.rate.value || START.rate, steps: +form.steps.value };
    tell(one("#hello-fault"), null);
    pause();
    looks = [];
    scrub.max = state.steps;
    const said = one("#hello-said"), wanted = at;
    said.textContent = t("正在训练 …", "training …");
    try {
      const end = await run((signal) => stream("text/hello", state, {
        signal, queued: (n) => (said.textContent = place(n) || said.textContent),
        record: (look) => { looks.push(look); show(look.step); },
      }));
      if (!end) return;
      said.textContent = t(`训练了 ${end.step} 步：损失从 ${looks[0].loss.toFixed(3)} 到 ${end.loss.toFixed(3)}`, `${end.step} steps of training: the loss went from ${looks[0].loss.toFixed(3)} to ${end.loss.toFixed(3)}`);
      show(wanted != null ? Math.min(wanted, end.step) : end.step, true);
      curve();
    } catch (error) {
      said.textContent = "";
      tell(one("#hello-fault"), error);
    }
  }

  function show(step, settled = false) {
    const look = looks[step];
    if (!look) return;
    cells ??= net();
    scrub.value = step;
    one("#at").value = `${step} / ${state.steps}`;
    one("#loss").textContent = `L = ${look.loss.toFixed(3)}`;
    const spelled = one("#spelled"), right = look.spelled === WORD.join("");
    spelled.replaceChildren(look.spelled, right ? h("small", {}, " ✓") : "");
    spelled.classList.toggle("ok", right);
    look.hidden.forEach((units, k) => cells[k].show(units, look.chances[k], look.losses[k]));
    if (settled) { at = step === state.steps ? null : step; keep(changed()); curve(); }
  }

  function curve() {
    const options = {
      title: t("损失随训练步", "loss over training"), height: 330, x: { label: t("训练步", "training step"), min: 0, max: state.steps }, y: { label: "L", min: 0 },
      series: [{ name: "", points: looks.map((look) => [look.step, look.loss]) }], lines: [{ x: +scrub.value, label: "" }],
    };
    if (draw) draw(options); else draw = plot(one("#curve"), options);
  }

  // One column a time step, from the bottom up: letter, one-hot, hidden units, outputs, loss.
  function net() {
    const columns = WORD.slice(0, -1).map((letter, k) => column(letter, WORD[k + 1], k));
    one("#net").replaceChildren(...columns.map((c) => c.element));
    return columns;
  }

  function column(letter, target, k) {
    const outputs = LETTERS.map((c) => h("li", { class: c === target ? "target" : "" }, h("b", { class: "serif" }, c), h("span", { class: "track" }, h("i", { class: "solid" })), h("span", { class: "figures" }), h("span", { class: "mark" }, c === target ? "◀" : "")));
    const units = [0, 1, 2].map(() => h("li", { class: "unit" }));
    const loss = h("p", { class: "cost" });
    const element = h("section", { class: "column", role: "group" },
      loss, h("ol", { class: "outputs" }, outputs), h("p", { class: "arrow", "aria-hidden": "true" }, "↑ V"),
      h("div", { class: `state${k ? " after" : ""}` }, k ? h("i", {}) : null, h("ol", { class: "units" }, units)), h("p", { class: "arrow", "aria-hidden": "true" }, "↑ W"),
      h("ol", { class: "onehot", "aria-hidden": "true" }, LETTERS.map((c) => h("li", { class: c === letter ? "hot" : "" }, c === letter ? "1" : "0"))),
      h("p", { class: "letter serif" }, letter), h("p", { class: "quiet when" }, `t = ${k + 1}`));
    return {
      element,
      show(hidden, chances, cost) {
        loss.textContent = `L⟨${k + 1}⟩ ${cost.toFixed(3)}`;
        hidden.forEach((v, i) => {
          units[i].textContent = (v < 0 ? "−" : "+") + Math.abs(v).toFixed(2);
          units[i].className = `unit ${v < 0 ? "minus" : "plus"}`;
          units[i].style.setProperty("--size", `${Math.round(100 * Math.abs(v))}%`);
        });
        const best = Math.max(...chances);
        chances.forEach((p, i) => {
          outputs[i].querySelector(".solid").style.setProperty("--share", p);
          outputs[i].querySelector(".figures").textContent = p.toFixed(2);
          outputs[i].classList.toggle("best", p === best);
        });
        element.setAttribute("aria-label", t(`第 ${k + 1} 步，读 ${letter}，目标 ${target}，概率 ${chances[LETTERS.indexOf(target)].toFixed(2)}`, `t = ${k + 1}: reads ${letter}, target ${target}, probability ${chances[LETTERS.indexOf(target)].toFixed(2)}`));
      },
    };
  }

  function pause() {
    clearInterval(timer);
    timer = 0;
    play.setAttribute("aria-pressed", "false");
    play.textContent = `▶ ${t("播放", "Play")}`;
  }
  play.addEventListener("click", () => {
    if (timer) { pause(); return show(+scrub.value, true); }
    if (+scrub.value >= looks.length - 1) show(0);
    play.setAttribute("aria-pressed", "true");
    play.textContent = `⏸ ${t("暂停", "Pause")}`;
    timer = setInterval(() => {
      const step = +scrub.value + 1;
      if (step >= looks.length) { pause(); show(looks.length - 1, true); } else { show(step); curve(); }
    }, 60);
  });
  scrub.addEventListener("input", () => { pause(); show(Math.min(+scrub.value, looks.length - 1)); curve(); });
  scrub.addEventListener("change", () => show(Math.min(+scrub.value, looks.length - 1), true));
  form.addEventListener("submit", (event) => { event.preventDefault(); at = null; train(); });
  form.addEventListener("change", () => { at = null; train(); });
  fill();

  return { show() { if (!shown) { shown = true; train(); } } };
}
