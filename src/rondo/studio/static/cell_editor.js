// A textarea with line numbers, a mark on the line with a fault, and a wash on lines that are spoken of.
import { h } from "./dom.js";

export function editor(root, changed, caret) {
  const area = root.querySelector("textarea"), gutter = root.querySelector(".gutter"), behind = root.querySelector(".behind");
  let fault = 0, lit = new Set();

  function draw() {
    const lines = area.value.split("\n");
    gutter.replaceChildren(...lines.map((_, n) => h("div", { class: n + 1 === fault ? "fault" : "" }, n + 1 === fault ? "✗ " : "", String(n + 1))));
    behind.replaceChildren(...lines.flatMap((line, n) => [
      h("span", { class: [n + 1 === fault && "fault", lit.has(n + 1) && "lit"].filter(Boolean).join(" ") }, line || " "), "\n",
    ]));
    area.rows = Math.min(60, Math.max(6, lines.length + 1));
    follow();
  }
  const follow = () => (behind.scrollLeft = area.scrollLeft);
  const line = () => area.value.slice(0, area.selectionStart).split("\n").length;

  area.addEventListener("input", () => { fault = 0; draw(); changed(area.value); });
  area.addEventListener("scroll", follow);
  for (const event of ["keyup", "click", "focus"]) area.addEventListener(event, () => caret(line()));
  area.addEventListener("blur", () => caret(0));
  area.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
    // a new line keeps the indent of the one before
    const before = area.value.slice(0, area.selectionStart), indent = /[ \t]*$/.exec(before.slice(before.lastIndexOf("\n") + 1).match(/^[ \t]*/)[0])[0];
    if (!indent) return;
    event.preventDefault();
    area.setRangeText("\n" + indent, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input"));
  });
  return {
    get value() { return area.value; },
    set value(text) { area.value = text; fault = 0; draw(); },
    mark(line) { if (line !== fault) { fault = line; draw(); } area.setAttribute("aria-invalid", Boolean(line)); },
    light(lines) { lit = new Set(lines); draw(); },
  };
}
