// A place for an answer, by its kind. Each gives {element, tools, value, changed()} and calls typed(text).
import { ask, latest } from "./api.js";
import { editor } from "./cell_editor.js";
import { math } from "./cell_view.js";
import { timed } from "./course_steps.js";
import { h, one, paused } from "./dom.js";
import { own, t } from "./words.js";

const both = (words) => t(words.zh, words.en);

export function editorOf(answer, asked) {
  return (KINDS[answer.kind] ?? words)(answer, asked);
}

// --- text with line numbers: programs, lines, cells ---
const LEAST = { python: 6, cell: 4, lines: 2 };

function code(answer, { typed }) {
  const root = h("div", { class: `editor ${answer.kind}` }, h("div", { class: "gutter", "aria-hidden": "true" }),
    h("div", { class: "sheet" }, h("pre", { class: "behind", "aria-hidden": "true" }),
      h("textarea", { id: `answer-${answer.id}`, wrap: "off", spellcheck: "false", autocomplete: "off", autocapitalize: "off", maxlength: 65536, "aria-labelledby": `title-${answer.id}` })));
  const area = one("textarea", root), sized = () => (area.rows = Math.max(LEAST[answer.kind], area.value.split("\n").length + (answer.kind === "lines" ? 0 : 1)));
  const inner = editor(root, (value) => (sized(), typed(value)), () => {});
  inner.value = answer.text;
  sized();
  area.addEventListener("keydown", (event) => tab(event, area));
  const found = {
    element: root, area,
    mark: (line) => (inner.mark(line), sized()),
    set value(text) { inner.value = text; sized(); },
    changed: () => typed(area.value),
  };
  return Object.assign(found, { tools: back(answer, found, () => area.value) });
}

// Tab indents by four, Shift+Tab takes it back; after Escape it moves on as everywhere, for those who walk by keyboard.
let leaving = false;
function tab(event, area) {
  if (event.key === "Escape") leaving = true;
  else if (event.key === "Tab" && !leaving && !event.ctrlKey && !event.altKey && !event.metaKey) {
    event.preventDefault();
    const start = area.value.lastIndexOf("\n", area.selectionStart - 1) + 1, lines = area.value.slice(start, area.selectionEnd);
    if (area.selectionStart === area.selectionEnd && !event.shiftKey) area.setRangeText("    ", area.selectionStart, area.selectionEnd, "end");
    else area.setRangeText(event.shiftKey ? lines.replace(/^ {1,4}/gm, "") : lines.replace(/^(?=.)/gm, "    "), start, area.selectionEnd, area.selectionStart === area.selectionEnd ? "end" : "select");
    area.dispatchEvent(new Event("input"));
  } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && /:\s*(#.*)?$/.test(area.value.slice(0, area.selectionStart).split("\n").at(-1))) {
    const indent = /^[ \t]*/.exec(area.value.slice(0, area.selectionStart).split("\n").at(-1))[0];
    event.preventDefault();
    event.stopImmediatePropagation(); // a block opens: one step further in
    area.setRangeText(`\n${indent}    `, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input"));
  } else if (event.key !== "Shift") leaving = false;
}

// Back to what stood there first, and forth again.
function back(answer, found, value) {
  if (!answer.start.trim()) return null;
  let mine = null;
  const button = h("button", { type: "button", class: "small", onclick: turn }, "");
  const label = () => (button.textContent = mine === null ? t("回到开头给的", "As it was given") : t("撤销", "Undo"));
  function turn() {
    const before = value();
    found.value = mine ?? answer.start;
    mine = mine === null && before !== answer.start ? before : null;
    found.changed();
    label();
  }
  label();
  return button;
}

// --- a cell: what it says is typeset as it is typed ---
function cell(answer, asked) {
  const shown = h("div", { class: "typeset", "aria-live": "polite" }), bench = h("a", { class: "small-link", target: "_blank" }, t("在单元台打开 ↗", "Open on the cell bench ↗"));
  const reads = latest(), soon = paused(120, read);
  const inner = code(answer, { ...asked, typed: (value) => (asked.typed(value), soon()) });
  async function read() {
    const equations = inner.area.value;
    bench.href = "/cell#" + encodeURIComponent(JSON.stringify({ cell: { equations } }));
    try {
      const found = await reads((signal) => ask("cell/read", { cell: { equations }, notation: "lecture" }, signal));
      if (!found) return;
      inner.mark(found.fault?.line ?? 0);
      if (found.fault) shown.replaceChildren(h("p", { class: "alert" }, found.fault.line ? t(`第 ${found.fault.line} 行：`, `line ${found.fault.line}: `) : "", own(found.fault.message)));
      else shown.replaceChildren(...found.formulas.filter((f) => f.part === "equations").map((f) => h("div", { class: "formula" }, h("span", { class: "left" }, math(f.left)), h("span", { class: "right" }, f.right.flatMap((piece) => [...math(piece), " "])))));
    } catch (error) { shown.replaceChildren(h("p", { class: "quiet" }, error.message)); }
  }
  read();
  const value = Object.getOwnPropertyDescriptor(inner, "value").set;
  const element = h("div", { class: "cell-answer" }, inner.element, h("div", { class: "stack" }, shown, h("p", {}, bench)));
  return { element, tools: inner.tools, mark: inner.mark, set value(text) { value.call(inner, text); }, changed: inner.changed };
}

// --- a number, a choice, words ---
function number(answer, { typed }) {
  const input = h("input", { type: "text", id: `answer-${answer.id}`, inputmode: "decimal", autocomplete: "off", maxlength: 60, value: answer.text, "aria-labelledby": `title-${answer.id}`, oninput: (event) => typed(event.target.value) });
  return { element: h("div", { class: "row number-answer" }, h("span", { class: "serif", "aria-hidden": "true" }, timed(both(answer.title).length < 12 ? both(answer.title) : ""), both(answer.title).length < 12 ? " =" : ""), input), set value(text) { input.value = text; }, changed: () => typed(input.value) };
}

function choice(answer, { typed }) {
  const radios = answer.options.map((o) => h("input", { type: "radio", name: `answer-${answer.id}`, value: o.id, checked: o.id === answer.text, onchange: () => typed(o.id) }));
  return {
    element: h("div", { class: "choices", role: "radiogroup", "aria-labelledby": `title-${answer.id}` }, answer.options.map((o, n) => h("label", {}, radios[n], h("span", {}, timed(both(o.title)))))),
    set value(text) { for (const r of radios) r.checked = r.value === text; },
    changed: () => typed(radios.find((r) => r.checked)?.value ?? ""),
  };
}

function words(answer, { typed, checks }) {
  const least = Math.max(0, ...checks.map((c) => c.least)), count = h("span", { class: "quiet count" });
  const area = h("textarea", { id: `answer-${answer.id}`, class: "serif", maxlength: 65536, "aria-labelledby": `title-${answer.id}`, oninput: (event) => (tell(), typed(event.target.value)) });
  area.value = answer.text;
  function tell() {
    const size = area.value.replace(/\s/g, "").length;
    area.rows = Math.min(30, Math.max(4, area.value.split("\n").reduce((sum, line) => sum + 1 + Math.floor(line.length / 60), 1)));
    count.textContent = least ? t(`${size} 字，至少 ${least}`, `${size} characters, at least ${least}`) : t(`${size} 字`, `${size} characters`);
  }
  tell();
  return { element: h("div", { class: "words-answer" }, area, count), set value(text) { area.value = text; tell(); }, changed: () => typed(area.value) };
}

const KINDS = { python: code, lines: code, cell, number, choice, words };
