// The glossary: two columns of fields, the last row always free; two columns can be pasted into it.
import { all, h, save } from "./dom.js";
import { t } from "./words.js";

const MOST = 200;
const clean = (rows) => rows.map((row) => row.map((v) => v.trim())).filter(([a, b]) => a || b);

// Lines of source, tab, target; comments, empty lines and a header are passed over.
export const parsed = (text) =>
  clean(text.replace(/^\ufeff/, "").split(/\r?\n/).filter((line) => line.trim() && !line.startsWith("#")).map((line) => line.split("\t")).filter((row) => row.length === 2))
    .filter(([a, b], n) => n || `${a} ${b}`.toLowerCase() !== "source target");

export function editor(box, entries, changed) {
  const read = () => clean(all(".entry", box).map((row) => all("input", row).map((input) => input.value)));
  const whole = () => read().filter(([a, b]) => a && b);
  const typed = () => { if (all(".entry", box).at(-1).querySelectorAll("input")[0].value || !all(".entry", box).length) add(["", ""]); changed(whole()); };

  function add(entry) {
    const count = all(".entry", box).length;
    if (count >= MOST) return;
    const field = (value, label, k) => h("input", { type: "text", value, maxlength: 100, spellcheck: "false", "aria-label": `${label} ${count + 1}`, placeholder: count ? "" : label, oninput: typed, onpaste: (event) => pasted(event, k) });
    box.append(h("div", { class: "entry" }, field(entry[0], t("原文", "source"), 0), h("span", { class: "quiet", "aria-hidden": "true" }, "→"), field(entry[1], t("译文", "target"), 1),
      h("button", { type: "button", class: "small remove", "aria-label": t("删去这一条", "remove this entry"), onclick: (event) => { event.currentTarget.closest(".entry").remove(); if (!all(".entry", box).length) add(["", ""]); changed(whole()); } }, "×")));
  }

  function pasted(event, column) {
    const rows = parsed(event.clipboardData.getData("text"));
    if (column || !rows.length) return;
    event.preventDefault();
    show([...read(), ...rows]);
    changed(whole());
  }

  function show(rows) {
    box.replaceChildren();
    for (const row of [...rows.slice(0, MOST), ["", ""]]) add(row);
  }

  show(entries);
  return { show, whole };
}

export const write = (entries) => save(new Blob([["source\ttarget", ...entries.map((e) => e.join("\t"))].join("\n") + "\n"], { type: "text/tab-separated-values" }), "glossary.tsv");
