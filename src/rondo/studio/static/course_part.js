// A part: its text, a place for every answer, and beneath each what the checks say of it.
import { editorOf } from "./course_editors.js";
import { lineOf, outcomeRow } from "./course_outcome.js";
import { clock, points, timed } from "./course_steps.js";
import { all, h, one } from "./dom.js";
import { t } from "./words.js";

const both = (words) => t(words.zh, words.en);

export function drawPart(place, part, desk) {
  const { experiment } = desk, at = experiment.content.indexOf(part), rows = new Map(), states = new Map(), editors = new Map();
  const text = h("div", { class: "text" });
  text.innerHTML = both(part.text); // made by the server from Markdown, without HTML of the text's own
  for (const link of all("a", text)) link.target = "_blank";

  const row = (check) => {
    const holder = h("li", { class: "outcome" });
    rows.set(check.id, { holder, check });
    return holder;
  };
  const answers = part.answers.map((answer) => {
    const state = h("span", { class: "quiet kept", role: "status" }), checks = part.checks.filter((c) => c.answer === answer.id);
    answer.saved ??= answer.text;
    const editor = editorOf(answer, { part, checks, typed });
    states.set(answer.id, state);
    editors.set(answer.id, editor);
    function typed(value) {
      answer.text = value;
      desk.keep.typed(part.id, answer.id, value, answer.saved);
      if (desk.changed(part.id, answer.id)) checks.forEach((c) => draw(c.id));
    }
    recover(answer, editor, state);
    return h("section", { class: `answer ${answer.kind}`, "data-answer-id": answer.id },
      h("div", { class: "row" }, h("h3", { id: `title-${answer.id}` }, timed(both(answer.title))), h("span", { class: "grow" }), state, editor.tools ?? null),
      editor.element, h("ul", { class: "outcomes" }, checks.map(row)));
  });

  // A draft that the server never got is put back, unless something else has been kept since.
  function recover(answer, editor, state) {
    const left = desk.keep.left(part.id, answer.id);
    if (!left || left.text === answer.text) return desk.keep.forget(part.id, answer.id);
    const take = () => { editor.value = left.text; editor.changed(); };
    if (left.base === answer.text) return queueMicrotask(take);
    state.after(h("button", { type: "button", class: "small", onclick: (event) => (event.target.remove(), take()) }, t("取回这里没有送到的稿", "Take back a draft that was never sent")));
  }

  function draw(id) {
    const { holder, check } = rows.get(id), checked = desk.found(part.id, id);
    outcomeRow(holder, check, checked, waiting.has(id));
    if (checked?.fresh && !checked.outcome.passed && lineOf(checked.outcome)) editors.get(check.answer).mark?.(lineOf(checked.outcome));
  }
  const waiting = new Set();

  const bar = h("i", {}), progress = h("div", { class: "progress", hidden: true }, bar), said = h("span", { class: "quiet" });
  const button = h("button", { type: "button", class: "main", "data-answer": "", onclick: () => (desk.busy ? desk.stop() : desk.check(part.id)) }, desk.busy ? t("停下", "Stop") : t("检查这一部分", "Check this part"));
  const other = experiment.content[at + 1];
  const onward = h("a", { class: "onward", href: `#${experiment.name}/${other ? other.id : "report"}` }, other ? both(other.title) : t("报告", "Report"), " →");
  const about = at === 0 ? h("details", { class: "about" }, h("summary", {}, t("目的与原理", "Aim and principle")), h("p", {}, timed(both(experiment.aim))), h("p", {}, timed(both(experiment.principle)))) : null;
  place.replaceChildren(h("h2", { class: "part-title", tabindex: -1 }, both(part.title), " ", h("span", { class: "quiet" }, t(`${points(part.checks.reduce((s, c) => s + c.points, 0))} 分`, `${points(part.checks.reduce((s, c) => s + c.points, 0))} points`))),
    ...[about, text, ...answers].filter(Boolean), progress, h("div", { class: "row part-end no-print" }, button, said, h("span", { class: "grow" }), onward));
  part.checks.forEach((c) => draw(c.id));

  return {
    told(partId, answerId, { state, time, message, text }) {
      if (state === "kept") experiment.content.find((p) => p.id === partId).answers.find((a) => a.id === answerId).saved = text;
      const element = partId === part.id && states.get(answerId);
      if (!element) return;
      element.className = `kept ${{ away: "caution", refused: "bad" }[state] ?? "quiet"}`;
      element.textContent = { typing: t("正在存……", "keeping …"), kept: t(`已存 ${time ? clock(time) : ""}`, `kept ${time ? clock(time) : ""}`), away: t("没有送到，先留在这一页里，连上就送", "not sent: held in this page, and sent when the studio is back"), refused: message }[state];
    },
    came(checked) { if (checked.outcome.part === part.id) (waiting.delete(checked.outcome.check), draw(checked.outcome.check)); },
    progress(text, share) { said.textContent = text; bar.style.width = `${100 * share}%`; },
    busy(on) {
      button.textContent = on ? t("停下", "Stop") : t("检查这一部分", "Check this part");
      progress.hidden = !on;
      waiting.clear();
      if (on) for (const c of part.checks) waiting.add(c.id);
      part.checks.forEach((c) => draw(c.id));
    },
    drawn() { part.checks.forEach((c) => draw(c.id)); },
  };
}
