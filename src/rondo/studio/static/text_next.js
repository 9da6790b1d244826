// The next word of two sentences, and the two words whose embeddings lie behind it.
import { ask, latest, tell } from "./api.js";
import { h, one, paused } from "./dom.js";
import { percent, spoken, tellUnknown, visible } from "./text_common.js";
import { t } from "./words.js";

const LECTURE = { model: "english", first: "I want a glass of orange", second: "I think he wants a glass of apple", word: "orange", other: "apple" };
const CHINESE = { model: "chinese", first: "我想喝一杯", second: "请给我一杯", word: "茶", other: "茗" };
const WORDS = 9, NEIGHBOURS = 8;

export function next(given, keep) {
  const form = one("#pair"), asking = latest(), nearing = latest();
  let state = { ...LECTURE, ...given }, shown = false;

  const fill = () => {
    for (const name of ["first", "second", "word", "other"]) form[name].value = state[name];
    form.model.dataset.wanted = form.model.value = state.model;
  };
  const read = () => {
    state = { model: form.model.value || state.model, first: form.first.value, second: form.second.value, word: form.word.value.trim(), other: form.other.value.trim() };
    keep(Object.fromEntries(Object.entries(state).filter(([name, value]) => value !== LECTURE[name])));
  };

  async function words() {
    tell(one("#pair-fault"), null);
    const lists = [0, 1].map((n) => one(`#words-${n}`));
    lists.forEach((list) => list.classList.add("busy"));
    try {
      await asking(async (signal) => {
        const found = [];
        for (const text of [state.first, state.second]) found.push(await ask("text/words", { model: state.model, text, count: WORDS }, signal));
        draw(found);
      });
    } catch (error) {
      tell(one("#pair-fault"), error);
    } finally {
      lists.forEach((list) => list.classList.remove("busy"));
    }
  }

  function draw(found) {
    const both = shared(found.map((f) => f.words.map((w) => w.text)));
    const most = Math.max(...found.flatMap((f) => f.words.map((w) => w.p)));
    found.forEach((f, n) => one(`#words-${n}`).replaceChildren(...f.words.map((w) => bar(w.text, w.p / most, percent(w.p), both.has(w.text)))));
    tellUnknown(one("#pair-unknown"), [...new Set(found.flatMap((f) => f.unknown))]);
    const lecture = ["model", "first", "second"].every((name) => state[name] === LECTURE[name]);
    const place = found.map((f) => f.words.findIndex((w) => w.text === "juice") + 1);
    one("#pair-say").textContent = !lecture || place.includes(0) ? "" : t(
      `juice 在两边排第 ${place[0]} 与第 ${place[1]}。训练文本里从没有 glass of orange，也没有 glass of apple；有 orange juice 九次、apple juice 四次。`,
      `juice is number ${place[0]} and number ${place[1]}. The training text never has “glass of orange” or “glass of apple”; it has “orange juice” nine times, “apple juice” four.`);
  }

  async function near() {
    tell(one("#near-fault"), null);
    one("#near").classList.add("busy");
    try {
      await nearing(async (signal) => {
        const found = await ask("text/neighbours", { model: state.model, word: state.word, other: state.other, count: NEIGHBOURS }, signal);
        one("#cosine").textContent = found.cosine.toFixed(2);
        one("#place").textContent = state.word === state.other ? "" : t(
          `在 ${found.symbols.toLocaleString()} 个符号里，${state.other} 是离 ${state.word} 第 ${found.place.toLocaleString()} 近的。`,
          `Of ${found.symbols.toLocaleString()} symbols, ${state.other} is number ${found.place.toLocaleString()} in nearness to ${state.word}.`);
        const both = shared(found.lists.map((list) => [...list.map((w) => w.text)]));
        one("#near").replaceChildren(...found.lists.map((list, n) => h("div", {}, h("h3", { class: "serif" }, [state.word, state.other][n]),
          h("ol", { class: "words" }, list.map((w) => bar(w.text, Math.max(0, w.cosine), w.cosine.toFixed(2), both.has(w.text) || w.text === [state.other, state.word][n]))))));
      });
    } catch (error) {
      one("#cosine").textContent = "–";
      one("#place").textContent = "";
      one("#near").replaceChildren();
      tell(one("#near-fault"), error);
    } finally {
      one("#near").classList.remove("busy");
    }
  }

  const shared = ([a, b]) => new Set(a.filter((word) => b.includes(word)));
  const bar = (text, share, figure, both) =>
    h("li", { class: both ? "both" : "", "aria-label": `${spoken(text)} ${figure}${both ? t("，两边都有", ", in both") : ""}` },
      h("span", { class: "what serif" }, visible(text)), h("span", { class: "track" }, h("i", { class: "solid", style: { "--share": share } })), h("span", { class: "figures" }, figure));

  const both = () => { read(); words(); near(); };
  form.addEventListener("submit", (event) => { event.preventDefault(); both(); });
  form.addEventListener("input", paused(350, (event) => {
    const before = state.model;
    read();
    if (state.model !== before && !typed) { state = { ...(state.model === "chinese" ? CHINESE : LECTURE), model: state.model }; fill(); both(); }
    else if (event.target.name === "model") both();
    else if (["first", "second"].includes(event.target.name)) { typed = true; words(); }
    else { typed = true; near(); }
  }));
  one("#example").addEventListener("click", () => { typed = false; state = { ...LECTURE }; fill(); both(); });
  let typed = Object.keys(given).length > 0; // examples of one's own stay when the model changes
  fill();

  return { show() { if (!shown) { shown = true; words(); near(); } } };
}
