// What is said of the place that is chosen, what may be done with it, and the readings of its sentence.
import { h, svg } from "./dom.js";
import { called, family, still } from "./entities_text.js";
import { percent } from "./text_common.js";
import { t } from "./words.js";

const KEYS = "1234567890";
export const key_of = (n) => KEYS[n] ?? "";
export const type_of_key = (types, key) => (KEYS.includes(key) && key ? types[KEYS.indexOf(key)] : undefined);

export const padlock = () => svg("svg", { class: "padlock", viewBox: "0 0 12 14", "aria-hidden": "true" }, svg("path", { d: "M3 6V4a3 3 0 0 1 6 0v2" }), svg("rect", { x: 1.5, y: 6, width: 9, height: 7, rx: 1.5 }));
export const swatch = (type) => h("i", { class: `swatch f${type === "" ? "none" : family(type)}`, "aria-hidden": "true" });
export const meter = (p) => { const bar = h("i"); bar.style.width = `${100 * p}%`; return h("span", { class: "meter", "aria-hidden": "true" }, bar); };
const cut = (text) => (text.length > 60 ? `${text.slice(0, 40)} … ${text.slice(-16)}` : text).replaceAll("\n", "↵");
const button = (attributes, ...children) => h("button", { type: "button", ...attributes }, ...children);

export const whence = (by) => ({ model: t("模型判断", "found by the model"), dictionary: t("出自你的词典", "from your dictionary"), fixed: t("你定的", "fixed by you") })[by];

// one: {start, end, text, type?, p?, by?}; a place without a type is a selection. on: {give(type), release(), everywhere(), readings(), step(n)}
export function inspector(one, { types, names }, on) {
  const known = one.type !== undefined;
  const head = h("div", { class: "row head" },
    h("b", { class: "serif what" }, cut(one.text)),
    known ? h("span", { class: "kind" }, swatch(one.type), called(names, one.type)) : h("span", { class: "quiet" }, t("选中的字", "selected")),
    known && one.by === "model" ? h("span", { class: "sure" }, meter(one.p), " ", percent(one.p)) : null,
    known ? h("span", { class: "quiet by" }, one.by === "fixed" && padlock(), whence(one.by)) : null,
    h("span", { class: "grow" }),
    h("span", { class: "row steps" }, button({ class: "small", "aria-label": t("上一个名字", "previous name"), onclick: () => on.step(-1) }, "‹"), button({ class: "small", "aria-label": t("下一个名字", "next name"), onclick: () => on.step(1) }, "›")));
  const choice = (type, key) => button({ class: "type", "aria-pressed": known && one.type === type, onclick: () => on.give(type) }, swatch(type), called(names, type), key && h("kbd", { "aria-hidden": "true" }, key));
  const choices = h("div", { class: "row types", role: "group", "aria-label": t("改成", "make it") }, h("span", { class: "quiet" }, known ? t("应是", "it is") : t("标为", "make it")), types.map((type, n) => choice(type, key_of(n))), choice("", "Del"));
  const more = h("div", { class: "row more" },
    known && one.by === "fixed" ? button({ class: "small", onclick: on.release }, padlock(), t("放开", "Release")) : known && one.by === "model" ? button({ class: "small", onclick: () => on.give(one.type) }, padlock(), t("就这样，锁住", "Right: lock it")) : null,
    known ? button({ class: "small", onclick: on.everywhere }, t("全文都这样（加入词典）", "Everywhere (add to my dictionary)")) : null,
    button({ class: "small", onclick: on.readings }, t("这一句的其他读法", "Other readings of the sentence")));
  return [head, choices, more];
}

export const hint = (count) => h("p", { class: "quiet" }, count
  ? t("点一个名字，看把握、改类型；选中任何文字，把它标成名字。改过的锁住，这一句其余的重新判断。", "Click a name to see how sure it is or to change it; select any text to make it a name. What you correct is locked, and the rest of its sentence is read again.")
  : t("没有找到名字。选中任何文字，可以把它标成名字。", "No name was found. Select any text to make it one."));

// The readings of a sentence, each with its probability; take(reading) locks it.
export function readings(text, alternatives, names, take) {
  return alternatives.map((one, k) => h("li", {}, button({ class: "reading", onclick: () => take(one), "aria-label": `${percent(one.p)}: ${one.entities.map((e) => `${e.text} ${called(names, e.type)}`).join(t("；", "; ")) || t("没有名字", "no name")}` },
    h("span", { class: "sure" }, meter(one.p), " ", percent(one.p)), h("span", { class: "leaf-text small-text" }, still(text, one.entities, names)), k === 0 ? h("span", { class: "quiet" }, t("当前", "now")) : null)));
}

// What changed elsewhere because of a correction. before, after: names; at: the corrected place.
export function changes(before, after, at) {
  const away = (e) => e.end <= at.start || e.start >= at.end, key = (e) => `${e.start},${e.end}`;
  const old = new Map(before.filter(away).map((e) => [key(e), e])), now = new Map(after.filter(away).map((e) => [key(e), e]));
  const both = [...now.values()].filter((e) => old.has(key(e))).map((e) => ({ ...e, was: old.get(key(e)) }));
  return {
    added: [...now.values()].filter((e) => !old.has(key(e))),
    gone: [...old.values()].filter((e) => !now.has(key(e))),
    retyped: both.filter((e) => e.was.type !== e.type),
    moved: both.filter((e) => e.was.type === e.type && e.by === "model" && e.was.by === "model" && Math.abs(e.p - e.was.p) >= 0.05),
  };
}

export function told({ added, gone, retyped, moved }, names) {
  const name = (e) => `“${cut(e.text)}”`;
  const all = [
    ...retyped.map((e) => `${name(e)} ${called(names, e.was.type)} → ${called(names, e.type)}`), ...added.map((e) => `${name(e)} + ${called(names, e.type)}`),
    ...gone.map((e) => `${name(e)} − ${called(names, e.type)}`), ...moved.map((e) => `${name(e)} ${percent(e.was.p)} → ${percent(e.p)}`),
  ];
  if (!all.length) return t("锁住了；别处没有变。", "Locked; nothing else changed.");
  return t("锁住了；别处随之改变：", "Locked; what changed with it: ") + all.slice(0, 5).join(t("；", "; ")) + (all.length > 5 ? t(`；还有 ${all.length - 5} 处`, `; and ${all.length - 5} more`) : "") + t("。", ".");
}
