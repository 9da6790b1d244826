// The answer as one page of its own, which prints and opens without a server.
import { all, h, one } from "./dom.js";
import { CLASSES, signed, starred } from "./sentiment_view.js";
import { percent } from "./text_common.js";
import { lang, t } from "./words.js";

// A copy without controls and without what only the page needs.
function still(element) {
  const found = element.cloneNode(true);
  for (const e of all("button, form, .inspect", found)) e.tagName === "BUTTON" && e.classList.contains("name") ? e.replaceWith(h("b", {}, e.textContent)) : e.remove();
  for (const e of [found, ...all("*", found)]) for (const name of ["id", "tabindex", "aria-live", "aria-labelledby", "aria-selected", "role"]) e.removeAttribute(name);
  return found;
}

export async function report(answer) {
  const styles = await Promise.all(["studio.css", "sentiment.css"].map((name) => fetch("/static/" + name).then((r) => (r.ok ? r.text() : ""))));
  const chars = Array.from(answer.text);
  const pieces = answer.pieces.map((p) => h("tr", {}, h("td", { class: "serif" }, chars.slice(p.start, p.end).join("")), h("td", { class: "number" }, `${p.start}–${p.end}`), h("td", { class: "number" }, signed(p.weight))));
  const body = h("main", { class: "report stack" },
    h("h1", {}, t("情感报告", "Sentiment report")), h("p", { class: "quiet" }, `Rondo · ${new Date().toLocaleString(lang === "zh" ? "zh-CN" : "en-GB")}`),
    still(one("#sentence").closest(".card")), still(one(".dials")), still(one("#notes")),
    h("p", {}, `${CLASSES[answer.label].name} ${percent(answer.probabilities[answer.label])} · ${starred(answer.stars)}`),
    h("details", { open: true }, h("summary", {}, t("每个字的作用", "What each piece adds")), h("table", {}, h("tr", {}, h("th", {}, ""), h("th", {}, t("位置", "place")), h("th", {}, t("对数胜算", "log-odds"))), pieces)));
  const data = JSON.stringify(answer).replaceAll("<", "\\u003c");
  return `<!doctype html>\n<html lang="${lang}" data-ink="paper"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${t("情感报告", "Sentiment report")} · Rondo</title><style>${styles.join("\n")}
body { padding: 0; } .report { max-width: 900px; }</style></head><body>${body.outerHTML}<script type="application/json" id="answer">${data}</script></body></html>\n`;
}
