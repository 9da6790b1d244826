// The last step: who one is, the report made and looked at, saved and printed; in a class, handed in.
import { ask, tell } from "./api.js";
import { moment } from "./course_steps.js";
import { h, one, save } from "./dom.js";
import { lang, t } from "./words.js";

export function drawReport(place, desk) {
  const { experiment, course } = desk, path = `/api/course/${experiment.name}/report`;
  const who = course.student, fault = h("p", { class: "alert", role: "alert", hidden: true }), bar = h("i", {}), progress = h("div", { class: "progress", hidden: true }, bar), said = h("span", { class: "quiet", role: "status" });
  const field = (name, label, value, more) => h("label", {}, label, " ", h("input", { type: "text", name, value, required: true, autocomplete: "off", ...more }));
  const form = h("form", { class: "sentence", onsubmit: make },
    field("number", t("学号", "Number (学号)"), who?.number ?? "", { maxlength: 40, pattern: "[0-9A-Za-z\\-]+", size: 14, readonly: !course.alone }),
    field("name", t("姓名", "Name"), who?.name ?? "", { maxlength: 60, size: 12, readonly: !course.alone }),
    h("button", { class: "main", type: "submit", "data-answer": "" }, t("生成报告", "Make the report")));
  const preview = h("div", { class: "preview", hidden: true }), tools = h("div", { class: "row", hidden: true }), handed = h("div", { class: "stack" });
  place.replaceChildren(h("h2", { class: "part-title", tabindex: -1 }, t("报告", "Report")),
    h("p", {}, t("一页自成一体的 HTML：目的、原理、步骤、结果、分析；里面有答案、种子和版本，老师收去会重新检查。", "One page that is complete in itself: aim, principle, steps, results, analysis. It holds the answers, the seed and the versions; whoever marks it checks everything again.")),
    form, fault, progress, said, tools, handed, preview);
  if (who) look().catch(() => {});
  if (!course.alone) classPart();

  async function make(event) {
    event.preventDefault();
    if (desk.busy) return desk.stop();
    tell(fault, null);
    try {
      if (course.alone) course.student = await ask("course/student", { number: form.elements.number.value.trim(), name: form.elements.name.value.trim() });
      if (await desk.check()) await look();
    } catch (error) { tell(fault, error); }
  }

  // The page as it will be saved, in a tree of its own: its style and this page's do not touch each other.
  async function look() {
    const response = await fetch(`${path}.html?lang=${lang}`);
    if (!response.ok) return;
    const text = await response.text(), sheet = new CSSStyleSheet();
    sheet.replaceSync(/<style>([^]*?)<\/style>/.exec(text)[1].replace(/:root|\bbody\b/g, ":host"));
    const bare = text.replace(/<style>[^]*?<\/style>/, "").replace(/ style="[^"<>]*"/g, ""); // the page's policy has no styles in attributes
    const page = new DOMParser().parseFromString(bare, "text/html");
    const root = preview.shadowRoot ?? preview.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    root.replaceChildren(one("main", page));
    preview.hidden = tools.hidden = false;
    const name = page.title;
    tools.replaceChildren(
      h("button", { type: "button", class: "main", onclick: () => both(name) }, t("存下报告", "Save the report")),
      h("a", { href: `${path}.html?lang=${lang}`, target: "_blank" }, t("单独打开，打印", "Open alone, to print")),
      h("span", { class: "quiet" }, `${name}.html${t(" 与 .json", " and .json")}`));
  }

  async function both(name) {
    tell(fault, null);
    try {
      for (const end of ["html", "json"]) {
        const response = await fetch(`${path}.${end}?lang=${lang}`);
        if (!response.ok) throw new Error(response.statusText);
        save(await response.blob(), `${name}.${end}`);
      }
    } catch (error) { fault.hidden = false; fault.textContent = error.message; }
  }

  async function classPart() {
    const bar = await import("/static/class_bar.js").catch(() => null);
    if (!bar?.handIn) return;
    const given = h("div", { "aria-live": "polite" });
    const button = h("button", { type: "button", onclick: async () => {
      button.disabled = true;
      tell(fault, null);
      try { await desk.keep.settle(); given.replaceChildren(bar.drawReceipt(await bar.handIn(experiment.name, lang))); } catch (error) { tell(fault, error); }
      button.disabled = false;
    } }, t("交报告", "Hand in"));
    const before = experiment.progress.handed_in, open = experiment.checks - experiment.checked.filter((c) => c.fresh).length;
    handed.replaceChildren(h("div", { class: "row" }, button, before ? h("span", { class: "quiet" }, t(`上次交于 ${moment(before)}`, `last handed in ${moment(before)}`)) : null),
      open > 0 ? h("p", { class: "note" }, t(`还有 ${open} 项没有检查：交之前可以先“生成报告”，它会检查全部。`, `${open} checks have not been made: “Make the report” makes them all before you hand in.`)) : "", given);
  }

  return {
    progress(text, share) { said.textContent = text; bar.style.width = `${100 * share}%`; },
    busy(on) { progress.hidden = !on; one("button", form).textContent = on ? t("停下", "Stop") : t("生成报告", "Make the report"); preview.classList.toggle("busy", on); },
  };
}
