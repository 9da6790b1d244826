// Lists beside the text: types with their counts, names with how often they stand, and the user's dictionary.
import { h, options } from "./dom.js";
import { LOW, called } from "./entities_text.js";
import { swatch } from "./entities_panel.js";
import { percent } from "./text_common.js";
import { t } from "./words.js";

const SHOWN = 200; // rows of names

export function legend({ types, names, entities }, off, turn) {
  const counts = new Map(types.map((type) => [type, 0]));
  for (const e of entities) counts.set(e.type, counts.get(e.type) + 1);
  const low = entities.filter((e) => e.by === "model" && e.p < LOW).length;
  const there = types.filter((type) => counts.get(type) || off.has(type)), order = there.length ? there : types;
  return [
    ...order.map((type) => h("button", { type: "button", class: "key", "data-type": type, "aria-pressed": !off.has(type), disabled: !counts.get(type) && !off.has(type), onclick: () => turn(type) },
      swatch(type), called(names, type), h("span", { class: "count" }, String(counts.get(type))))),
    low ? h("span", { class: "quiet low-key" }, h("i", { class: "name low f0" }, t("虚线", "dashed")), t(` 把握不到 70%：${low}`, ` below 70 %: ${low}`)) : null,
  ].filter(Boolean);
}

// Every name once for each type, in the order of the text; go(places) moves to one of its places.
export function names_list({ names, entities }, go) {
  const found = new Map();
  for (const e of entities) {
    const key = `${e.type}\0${e.text.toLowerCase()}`, one = found.get(key) ?? { text: e.text, type: e.type, p: 1, places: [] };
    one.places.push(e.start);
    one.p = Math.min(one.p, e.p);
    found.set(key, one);
  }
  const all = [...found.values()];
  if (!all.length) return { size: 0, rows: h("p", { class: "quiet" }, t("还没有。", "None yet.")) };
  const row = (one) => h("tr", {},
    h("td", {}, h("button", { type: "button", class: "plain serif", onclick: () => go(one.places) }, one.text)), h("td", { class: "kind" }, swatch(one.type), called(names, one.type)),
    h("td", { class: "number" }, one.places.length > 1 ? `${one.places.length} ×` : ""), h("td", { class: `number${one.p < LOW ? " caution" : ""}` }, percent(one.p)));
  const rest = all.length > SHOWN ? h("p", { class: "quiet" }, t(`还有 ${all.length - SHOWN} 个，在 JSON 里。`, `${all.length - SHOWN} more stand in the JSON.`)) : null;
  const head = h("tr", {}, h("th", {}, t("名字", "name")), h("th", {}, t("类型", "type")), h("th", { class: "number" }, t("次数", "times")), h("th", { class: "number" }, t("最低把握", "least sure")));
  return { size: all.length, rows: h("div", {}, h("table", {}, h("thead", {}, head), h("tbody", {}, all.slice(0, SHOWN).map(row))), rest) };
}

const pairs = ({ types, names }) => [...types.map((type) => [type, called(names, type)]), ["", t("绝不是名字", "never a name")]];
export const type_options = (answer, chosen) => options(pairs(answer), chosen);

// The rows of a dictionary. on: {change(k, type), remove(k)}
export function entries(list, answer, on) {
  const hits = new Map();
  for (const e of answer.entities) if (e.by === "dictionary") hits.set(e.text, (hits.get(e.text) ?? 0) + 1);
  return list.map((one, k) => {
    const known = one.type === "" || answer.types.includes(one.type);
    const kinds = known ? type_options(answer, one.type) : [h("option", { value: one.type, selected: true }, t(`${one.type}（此模型没有）`, `${one.type} (not in this model)`)), ...type_options(answer)];
    return h("li", { class: "row" }, h("span", { class: "serif term" }, one.text), h("span", { class: "quiet count" }, hits.get(one.text) ? `${hits.get(one.text)} ×` : ""),
      h("select", { "aria-label": t(`“${one.text}”的类型`, `type of “${one.text}”`), onchange: (event) => on.change(k, event.target.value) }, kinds),
      h("button", { type: "button", class: "small", "aria-label": t(`去掉“${one.text}”`, `remove “${one.text}”`), onclick: () => on.remove(k) }, "✕"));
  });
}

// Lines of name, tab, type; a line without a tab takes the type that is given.
export const parsed = (text, type) => text.split(/\r?\n/).filter((l) => l.trim()).map((l) => {
  const [term, kind] = l.split("\t");
  return { text: term.trim().slice(0, 200), type: kind === undefined ? type : kind.trim() };
}).filter((one) => one.text);
