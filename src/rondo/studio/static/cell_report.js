// The bench as one file: JSON that opens again, or a page of its own that prints and opens without a server.
import { all, h, one } from "./dom.js";
import { lang, t } from "./words.js";

// What a person opens: JSON, or a report, which holds the JSON.
export function opened(text) {
  const inside = /<script type="application\/json" id="bench">([\s\S]*?)<\/script>/.exec(text);
  const found = JSON.parse(inside ? inside[1] : text);
  if (found?.rondo !== "cell bench" || typeof found.cell?.equations !== "string") throw new SyntaxError("not a bench");
  return found;
}

const section = (title, ...children) => h("section", { class: "card stack" }, h("h2", {}, title), ...children);

// A copy of what is shown, without controls and without what only the page needs.
function still(element) {
  const copy = element.cloneNode(true);
  for (const e of all("button, input, select, textarea, form, [role=tablist], [hidden], [role=alert], .progress", copy)) e.remove();
  for (const e of [copy, ...all("*", copy)]) for (const name of ["id", "tabindex", "aria-live", "aria-labelledby", "for"]) e.removeAttribute(name);
  for (const e of all("details", copy)) e.open = false;
  return copy;
}

export async function report(bench, reading) {
  const styles = await Promise.all(["studio.css", "cell.css", "trials.css"].map((name) => fetch("/static/" + name).then((r) => (r.ok ? r.text() : ""))));
  const trials = all("#trials .trial").filter((e) => bench.results[e.id.replace(/^trial-|-panel$/g, "")]).map((e) => still(e));
  const body = h("main", { class: "report stack" },
    h("h1", {}, reading.name), h("p", { class: "quiet" }, `Rondo · ${new Date().toLocaleString(lang === "zh" ? "zh-CN" : "en-GB")}`),
    section(t("方程", "Equations"), h("pre", {}, bench.cell.equations)),
    section(t("推导", "Derivation"), still(one("#formulas"))),
    section(t("参数", "Parameters"), h("p", { class: "quiet" }, one("#count").textContent), still(one("#parameters"))),
    section(t("网络", "Network"), h("div", { class: "graph" }, still(one("#graph svg") ?? h("span", {})))),
    section(t("梯度检查", "Gradient check"), still(one("#lights"))),
    bench.verdicts ? section(t("自己的导数", "Own derivative"), still(one("#verdicts"))) : null, ...trials);
  const data = JSON.stringify(bench).replaceAll("<", "\\u003c");
  return `<!doctype html>\n<html lang="${lang}" data-ink="paper"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(reading.name)} · Rondo</title><style>${styles.join("\n")}
body { padding: 0; } .report { max-width: 900px; } .report .lights { min-height: 0; } #formulas { min-height: 0; } @media print { .card { border: 0; padding: 0; } }</style></head>
<body>${body.outerHTML}<script type="application/json" id="bench">${data}</script></body></html>\n`;
}

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
