// The readings drawn: formulas row by row with what belongs together, parameters, sizes.
import { all, h } from "./dom.js";
import { t } from "./words.js";

const TITLES = {
  equations: () => t("前向，t = 1 … T", "Forward, t = 1 … T"),
  names: () => t("推导中另起的名字", "Further names in the derivation"),
  loss: () => t("损失", "Loss"),
  backward: () => t("反向，t = T … 1；du 是 ∂L/∂u", "Backward, t = T … 1; du is ∂L/∂u"),
  gradients: () => t("参数的梯度，对时间与批求和", "Gradients of the parameters, summed over time and batch"),
};

// MathML from the server: names in it are letters, digits and Greek only.
export function math(text) {
  const holder = h("span", {});
  holder.innerHTML = text;
  return [...holder.childNodes];
}

// Draws all rows; light(id) is called for the row under the pointer or with focus, and with null.
export function drawFormulas(element, reading, light) {
  const before = new Set(all(".formula", element).map((row) => row.dataset.plain)), first = !before.size;
  const parts = Object.keys(TITLES).map((part) => [part, reading.formulas.filter((f) => f.part === part)]).filter(([, rows]) => rows.length);
  const lists = parts.flatMap(([part, rows]) => [
    h("h3", { class: "formulas-title" }, TITLES[part]()),
    h("ol", { class: "formulas", "data-part": part }, rows.map((f) => row(f, !first && !before.has(f.plain), light))),
  ]);
  element.replaceChildren(...lists);
  const rows = all(".formula", element);
  if (rows.length) rows[0].tabIndex = 0;
}

function row(f, changed, light) {
  const element = h("li", { class: `formula${changed ? " changed" : ""}`, id: `f-${f.id}`, "data-id": f.id, "data-name": f.name, "data-plain": f.plain, tabindex: -1, "aria-label": f.plain },
    h("span", { class: "left" }, math(f.left)), h("span", { class: "right" }, f.right.flatMap((piece) => [...math(piece), " "])));
  element.addEventListener("pointerenter", () => light(f.id));
  element.addEventListener("pointerleave", () => light(null));
  element.addEventListener("focus", () => light(f.id));
  element.addEventListener("blur", () => light(null));
  return element;
}

// One row has the tab stop; the arrow keys go from row to row.
export function arrows(element) {
  element.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key], rows = all(".formula", element), at = rows.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    const next = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
    rows[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

export function drawParameters(table, reading) {
  table.replaceChildren(
    h("tr", {}, h("th", {}, t("名字", "name")), h("th", {}, t("形状", "shape")), h("th", { class: "number" }, t("个数", "count"))),
    ...reading.parameters.map((p) => h("tr", {}, h("td", {}, math(p.mathml)), h("td", { class: "mono" }, p.shape), h("td", { class: "number" }, p.count.toLocaleString("en")))),
  );
}

// One number for each named size; changed(name, value).
export function drawSizes(element, reading, changed) {
  const known = all("input", element), names = Object.keys(reading.sizes).filter((n) => !(reading.square && n === "input"));
  if (known.map((i) => i.name).join() !== names.join())
    element.replaceChildren(...names.map((name) => h("label", {}, `${name} `, h("input", { type: "number", name, min: 1, max: 4096, value: reading.sizes[name], oninput: (event) => event.target.validity.valid && event.target.value && changed(name, +event.target.value) }))));
  else for (const input of known) if (input !== document.activeElement) input.value = reading.sizes[input.name];
}
