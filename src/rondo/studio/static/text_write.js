// Continue a text: symbols as they are drawn, and what stood inside each step.
import { latest, stream, tell } from "./api.js";
import { copy, h, one, paused } from "./dom.js";
import { chinese, percent, place, spoken, tellUnknown, visible } from "./text_common.js";
import { show as showInside } from "./text_inside.js";
import { lang, t } from "./words.js";

const START = {
  zh: { model: "chinese", text: "春风", temperature: 0.8, top_k: 8, top_p: 1, length: 48, seed: 9, taken: [] },
  en: { model: "english", text: "I want a glass of", temperature: 0.7, top_k: 0, top_p: 0.9, length: 60, seed: 6, taken: [] },
}[lang];

export function write(given, keep) {
  const form = one("#order"), run = latest(), peek = latest();
  let state = { ...START, ...given, taken: Array.isArray(given.taken) ? given.taken : [] }, steps = [], chosen = 0, following = true, shown = false, going = false, frame = 0;

  const fill = () => {
    for (const name of ["text", "temperature", "top_p", "length", "seed"]) form[name].value = state[name];
    form.top_k.value = state.top_k || "";
    form.model.dataset.wanted = state.model;
    dials();
  };
  const dials = () => { for (const name of ["temperature", "top_p"]) form[name].parentElement.querySelector("output").value = (+form[name].value).toFixed(2); };
  const read = () => ({
    model: form.model.value || state.model, text: form.text.value, temperature: +form.temperature.value, top_k: Math.max(0, Math.round(+form.top_k.value || 0)),
    top_p: +form.top_p.value, length: +form.length.value, seed: +form.seed.value,
  });
  const order = () => ({ ...state, taken: state.taken.map((turn) => [...turn]) });
  const told = (on) => {
    going = on;
    one("#stop").disabled = !on;
    one("#unturn").hidden = !state.taken.length;
    one("#symbols").setAttribute("aria-busy", on);
  };
  // all of it: what a page begins with depends on the reader's language
  const changed = () => (Object.keys(START).every((name) => JSON.stringify(state[name]) === JSON.stringify(START[name])) ? {} : state);

  // Draws anew from a step on; what stands before it is kept.
  async function begin(from = 0) {
    if (!form.reportValidity()) return;
    state = { ...state, ...read() };
    keep(changed());
    tell(one("#fault"), null);
    steps.length = from;
    [...one("#symbols").children].slice(from).forEach((span) => span.remove());
    if (from === 0) prime([]);
    following = from > 0 || following;
    told(true);
    one("#said").textContent = t("正在读这段文字 …", "reading the text …");
    let end;
    try {
      await run(async (signal) => {
        end = undefined;
        await stream("text/continue", { ...order(), skip: from }, {
          signal,
          queued: (n) => (one("#said").textContent = place(n) || one("#said").textContent),
          record: (r) => (r.kind === "step" ? add(r) : r.kind === "begin" ? prime(r.unknown) : (end = r)),
        });
        if (end) finish(end);
      });
    } catch (error) {
      one("#said").textContent = "";
      told(false);
      tell(one("#fault"), error);
    }
  }

  function prime(unknown) {
    const known = new Set(unknown), text = state.text;
    const marked = (part) => (known.has(part) ? h("u", { title: t("模型不认得", "unknown to the model") }, part) : part);
    one("#prime").replaceChildren(...text.split(/(\s+)/).flatMap((part) => (known.has(part) ? [marked(part)] : [...part].map(marked))));
    one("#written").classList.toggle("zh", chinese(text) || state.model === "chinese");
    tellUnknown(one("#unknown"), unknown);
  }

  function add(r) {
    steps.push(r);
    one("#symbols").append(symbol(r));
    one("#said").textContent = t(`第 ${r.step + 1} / ${state.length} 个`, `${r.step + 1} of ${state.length}`);
    if (following) choose(r.step);
  }

  function symbol(r) {
    const own = state.taken.some(([n]) => n === r.step);
    const label = `${spoken(r.text)} ${percent(r.p)}`;
    const span = h("span", { role: "option", tabindex: -1, class: own ? "own" : "", "data-step": r.step, title: label + (own ? t(" · 你选的", " · chosen by you") : ""), "aria-label": label, "aria-selected": "false" });
    span.style.setProperty("--surprise", Math.min(1, -Math.log2(Math.max(r.p, 1e-9)) / 10).toFixed(3)); // how red; 10 bits are full
    span.append(...(r.text === "" ? [] : r.text.split(/(\n)/).map((part) => (part === "\n" ? [h("i", { class: "sign" }, "↵"), "\n"] : part)).flat()));
    return span;
  }

  function finish(end) {
    one("#bits").textContent = end.bits.toFixed(2);
    one("#said").textContent = t(`写完 ${end.numbers.length} 个符号`, `${end.numbers.length} symbols written`);
    told(false);
    if (!following) return;
    following = false;
    one("#written").scrollTop = 0;
    choose(state.taken.at(-1)?.[0] ?? 0);
  }

  // The step whose distribution is shown; drawn at most once a frame.
  function choose(n, focus = false) {
    if (!steps.length) return;
    const spans = one("#symbols").children;
    const before = spans[chosen];
    if (before) { before.setAttribute("aria-selected", "false"); before.tabIndex = -1; }
    chosen = Math.max(0, Math.min(n, steps.length - 1));
    spans[chosen].setAttribute("aria-selected", "true");
    spans[chosen].tabIndex = 0;
    if (focus) spans[chosen].focus();
    if (going) one("#written").scrollTop = one("#written").scrollHeight;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => inside(steps[chosen]));
  }

  function inside(r) {
    if (!r) return;
    const before = (state.text + steps.slice(0, r.step).map((s) => s.text).join("")).slice(-28);
    const own = state.taken.some(([n]) => n === r.step);
    showInside(r, { before, own, of: steps.length, turn: (n) => turn(r.step, n) });
  }

  function turn(step, symbol) {
    if (going) run.stop();
    state.taken = [...state.taken.filter(([n]) => n < step), [step, symbol]];
    following = true;
    chosen = step;
    begin(step).then(() => choose(step, true));
  }

  // What other settings would make of the chosen step, the same text before it: while a dial is turned.
  const what_if = paused(60, async () => {
    const r = steps[chosen];
    if (!r || going) return;
    const taken = steps.slice(0, chosen + 1).map((s) => [s.step, s.symbol]);
    await peek((signal) => stream("text/continue", { ...state, ...read(), taken, length: chosen + 1, skip: chosen }, { signal, record: (found) => found.kind === "step" && inside(found) }))
      .catch(() => {}); // the text itself is asked for next, and says what is wrong
  });

  const anew = paused(200, () => { state.taken = []; following = true; begin(); });
  form.addEventListener("submit", (event) => { event.preventDefault(); anew(); });
  form.addEventListener("change", () => { peek.stop(); anew(); });
  form.addEventListener("input", (event) => {
    dials();
    if (["temperature", "top_k", "top_p"].includes(event.target.name)) what_if();
  });
  one("#go").addEventListener("click", () => anew());
  one("#stop").addEventListener("click", () => { run.stop(); told(false); following = false; one("#said").textContent = t(`停在第 ${steps.length} 个`, `stopped after ${steps.length}`); });
  one("#reseed").addEventListener("click", () => { form.seed.value = (+form.seed.value + 1) % 2147483648; anew(); });
  one("#unturn").addEventListener("click", () => anew());
  one("#copy").addEventListener("click", (event) => copy(state.text + steps.map((s) => s.text).join(""), event.target));
  const list = one("#symbols");
  list.addEventListener("click", (event) => { const span = event.target.closest("[data-step]"); if (span) { following = false; choose(+span.dataset.step, true); } });
  list.addEventListener("keydown", (event) => {
    const to = { ArrowRight: chosen + 1, ArrowLeft: chosen - 1, Home: 0, End: steps.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    following = false;
    choose(to, true);
  });
  addEventListener("keydown", (event) => { if (event.key === "Escape" && going) one("#stop").click(); });
  fill();

  return {
    show() { if (!shown) { shown = true; begin(); } },
    use(model) { form.model.value = model; anew(); },
  };
}
