// The judge's report on a poem: signs under the characters, faults, notes, the verdict.
import { h } from "./dom.js";
import { lang, t } from "./words.js";

const SIGNS = { 平: "○", 仄: "●", 多: "◎", "?": "?" };
const KINDS = { 近体: "regulated verse (近体)", 古体: "old style (古体)", 未入律: "not regulated (未入律)" };
const BOOKS = { pingshui: "平水韵", cilin: "词林正韵", xinyun: "中华新韵", tongyun: "中华通韵" };

export function judged(report) {
  const said = (fault) => (lang === "zh" ? fault.message_zh : fault.message_en);
  const head = [report.form, lang === "zh" ? report.kind : KINDS[report.kind], report.pattern, BOOKS[report.book], report.rhyme.filter(Boolean).join("、")].filter(Boolean).join(" · ");
  const parallels = report.parallels.map((pair, k) => h("li", { class: pair.faults.length ? "caution" : "ok" }, t(`第 ${[3, 5][k]}、${[4, 6][k]} 句对仗：`, `lines ${[3, 5][k]} and ${[4, 6][k]}, parallel: `), pair.faults.length ? pair.faults.map(said).join("; ") : "✓"));
  return [
    h("p", {}, h("b", {}, head), " ", report.faults.length ? h("span", { class: "bad" }, t(`✗ ${report.faults.length} 处不合`, `✗ ${report.faults.length} broken`)) : h("span", { class: "ok" }, t("✓ 合律", "✓ nothing broken"))),
    h("div", { class: `leaf tones ${report.lines.length > 4 ? "eight" : ""}` }, report.lines.map(line)),
    h("ul", { class: "faults" }, report.faults.map((f) => h("li", { class: "bad" }, said(f))), report.notes.map((f) => h("li", { class: "quiet" }, said(f))), parallels),
    h("p", { class: "quiet" }, t("○ 平　● 仄　◎ 两可　✓ 合格律所定　✗ 不合", "○ level (平)  ● oblique (仄)  ◎ either  ✓ as the pattern fixes it  ✗ broken")),
  ];
}

function line(found, i) {
  const marks = found.marks.map((m, p) => h("span", { class: `char ${found.rhymes && p === found.marks.length - 1 ? "rhyme" : ""}` }, h("span", { class: "glyph" }, m.char),
    h("span", { class: `sign ${m.ok ? (m.required === "中" ? "" : "fixed") : "broken"}` }, SIGNS[m.reading || m.tone] + (m.ok ? (m.required === "中" ? "" : "✓") : "✗"))));
  const rhyme = found.rhymes && h("span", { class: found.marks.at(-1).ok ? "ok" : "bad" }, `${t("韵", "rhyme")} ${found.groups.join("、") || "?"} ${found.marks.at(-1).ok ? "✓" : "✗"}`);
  return h("div", { class: "verse-line" }, marks, h("span", { class: "mark" }, i % 2 ? "。" : "，"), h("span", { class: "remark" }, found.type, rhyme));
}
