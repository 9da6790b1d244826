// Tables: dropped or chosen, looked into, judged row by row, and given back with the answers.
import { Refused, ask, latest, stream, tell } from "./api.js";
import { h, one, save } from "./dom.js";
import { percent } from "./text_common.js";
import { CLASSES, starred, starsSaid } from "./sentiment_view.js";
import { own, t } from "./words.js";

const MOST = 1 << 20, SHOWN = 200;
const SAMPLE = {
  name: t("示例.csv", "example.csv"),
  text: t(
    "编号,店,评论\n1,甲,菜很好吃但是服务太慢\n2,甲,环境优雅，下次还来\n3,乙,等了一个小时还没上菜，太差了\n4,乙,\n5,丙,价格便宜，味道一般\n6,丙,\"位置好找，\n就是停车不方便\"\n7,丁,周一到周五营业\n8,丁,這家的牛肉麵真不錯\n",
    "id,film,text\n1,A,There is nothing to like in this movie.\n2,A,\"A warm, funny film with a wonderful cast.\"\n3,B,It is too long and the jokes are stale.\n4,B,\n5,C,The film opens on Friday.\n6,C,I laughed and cried.\n",
  ),
};

const to = (path, query) => `sentiment/${path}?${new URLSearchParams(query)}`;

export function table() {
  const run = latest(), fault = one("#table-fault"), said = one("#table-said");
  let file, shown = false, outcome;

  async function open(chosen) {
    [file, outcome] = [chosen, undefined];
    one("#outcome").hidden = true;
    tell(fault);
    try {
      if (file.size > MOST) throw new Refused(t("这个文件超过 1 MB：更长的表请在终端用 rondo sentiment --file", "This file has more than 1 MB: judge longer tables in a terminal with rondo sentiment --file"));
      const found = await run((signal) => ask(to("preview", { name: file.name, encoding: one("#encoding").value }), file, signal));
      if (found) look(found);
      return Boolean(found);
    } catch (error) {
      one("#table-name").textContent = file.name;
      one("#table-size").textContent = "";
      one("#preview-rows").replaceChildren();
      one("#judge-table").disabled = true;
      one("#preview").hidden = false;
      tell(fault, error);
      return false;
    }
  }

  function look(found) {
    one("#preview").hidden = false;
    one("#judge-table").disabled = false;
    one("#table-name").textContent = file.name;
    one("#table-size").textContent = t(`${found.total.toLocaleString()} 行`, `${found.total.toLocaleString()} ${found.total === 1 ? "row" : "rows"}`);
    one("#column").replaceChildren(...found.columns.map((name) => h("option", { value: name, selected: name === found.column }, name)));
    const head = h("tr", {}, found.columns.map((name) => h("th", { "data-column": name }, name)));
    one("#preview-rows").replaceChildren(head, ...found.rows.map((cells) => h("tr", {}, cells.map((cell, k) => h("td", { "data-column": found.columns[k] }, cell.length > 60 ? cell.slice(0, 59) + "…" : cell)))));
    mark();
    progress(0, 0);
    said.textContent = found.total > found.rows.length ? t(`先看头 ${found.rows.length} 行。`, `These are the first ${found.rows.length}.`) : "";
  }

  function mark() {
    for (const e of one("#preview-rows").querySelectorAll("[data-column]")) e.classList.toggle("read", e.dataset.column === one("#column").value);
  }

  function progress(done, total) {
    const share = total ? done / total : 0;
    one("#progress i").style.width = `${100 * share}%`;
    one("#progress").setAttribute("aria-valuenow", Math.round(100 * share));
    if (total) said.textContent = t(`${done.toLocaleString()} / ${total.toLocaleString()} 行`, `${done.toLocaleString()} of ${total.toLocaleString()} rows`);
  }

  const waiting = (n) => (said.textContent = n ? t(`前面还有 ${n} 件`, `${n} before this one`) : t("正在读……", "reading …"));

  async function judge() {
    tell(fault);
    one("#stop-table").hidden = false;
    one("#judge-table").disabled = true;
    waiting(0);
    const begun = performance.now();
    try {
      const query = { name: file.name, column: one("#column").value, encoding: one("#encoding").value };
      const found = await run((signal) => stream(to("table", query), file, { signal, queued: waiting, record: (r) => progress(r.rows, r.total) }));
      if (!found) return (said.textContent = t("停下了；没有结果。", "Stopped; there are no results."));
      outcome = found;
      const seconds = (performance.now() - begun) / 1000;
      said.textContent = t(`${found.rows.toLocaleString()} 行，${seconds.toFixed(1)} 秒`, `${found.rows.toLocaleString()} rows in ${seconds.toFixed(1)} s`) + (found.empty ? t(`；${found.empty} 行没有文字`, `; ${found.empty} without text`) : "");
      draw();
    } catch (error) {
      said.textContent = "";
      progress(0, 0);
      tell(fault, error);
    } finally {
      one("#stop-table").hidden = true;
      one("#judge-table").disabled = false;
    }
  }

  function draw() {
    one("#outcome").hidden = false;
    one("#counts").replaceChildren(counts(outcome.judged));
    one("#faults").replaceChildren(...outcome.faults.map(([line, why]) => h("p", { class: "note" }, t(`第 ${line} 行：`, `Line ${line}: `), own(why))));
    if (outcome.faulty > outcome.faults.length) one("#faults").append(h("p", { class: "note" }, t(`还有 ${outcome.faulty - outcome.faults.length} 行没能判断，见结果的 error 栏`, `${outcome.faulty - outcome.faults.length} more rows could not be judged: see the column error of the results`)));
    const head = h("tr", {}, [t("行", "line"), t("文字", "text"), t("好坏", "class"), t("轻重", "strength"), t("对谁", "toward")].map((name) => h("th", {}, name)));
    one("#judged").replaceChildren(head, ...outcome.judged.slice(0, SHOWN).map(row));
    one("#more").hidden = outcome.judged.length <= SHOWN;
    one("#more").textContent = t(`这里列出前 ${SHOWN} 行；全部都在下载的表里。`, `The first ${SHOWN} rows are listed here; all are in the download.`);
  }

  one("#judge-table").addEventListener("click", judge);
  one("#stop-table").addEventListener("click", () => run.stop());
  one("#column").addEventListener("change", mark);
  one("#encoding").addEventListener("change", () => file && open(file));
  one("#choose").addEventListener("click", () => one("#file").click());
  one("#file").addEventListener("change", (event) => { const [chosen] = event.target.files; if (chosen) open(chosen); event.target.value = ""; });
  one("#sample").addEventListener("click", () => sample());
  one("#download").addEventListener("click", () => {
    const kind = outcome.format, bom = kind === "jsonl" ? "" : "\ufeff"; // spreadsheets take it for the sign of UTF-8
    save(new Blob([bom, outcome.table], { type: "text/plain;charset=utf-8" }), file.name.replace(/\.\w+$/, "") + t("-结果.", "-results.") + kind);
  });
  const zone = one("#drop");
  for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, (event) => (event.preventDefault(), zone.classList.add("over")));
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => { event.preventDefault(); const [chosen] = event.dataTransfer.files; if (chosen) open(chosen); });

  async function sample() {
    one("#encoding").value = "utf-8";
    if (await open(new File([SAMPLE.text], SAMPLE.name))) await judge();
  }
  return { show: () => { if (!shown) { shown = true; sample(); } } };
}

function row(found) {
  const c = CLASSES[found.label];
  const said = found.error ? h("td", { colspan: 3, class: "bad" }, own(found.error)) : !c ? h("td", { colspan: 3, class: "quiet" }, t("没有文字", "no text")) : [
    h("td", { class: "class" }, h("span", { class: c.tone }, c.sign), ` ${c.name} `, h("span", { class: "figure" }, percent(found.p))),
    h("td", { class: "small-stars", "aria-label": starsSaid(found.stars) }, starred(found.stars)),
    h("td", {}, found.targets.map((x) => h("span", { class: `chip ${CLASSES[x.label].tone}` }, `${CLASSES[x.label].sign} ${x.text} ${x.stars}★`))),
  ];
  return h("tr", {}, h("td", { class: "number" }, found.line), h("td", { class: "serif words" }, found.text), said);
}

// How many of each class, as one bar.
function counts(rows) {
  const judged = rows.filter((r) => r.label);
  const mean = judged.reduce((sum, r) => sum + r.stars, 0) / Math.max(1, judged.length);
  const parts = Object.entries(CLASSES).map(([label, c]) => [c, judged.filter((r) => r.label === label).length]);
  return h("div", {},
    h("div", { class: "stacked", "aria-hidden": "true" }, parts.map(([c, n]) => h("i", { class: c.tone, style: { "--share": n / Math.max(1, judged.length) } }))),
    h("p", {}, parts.map(([c, n]) => h("span", { class: "count" }, h("span", { class: c.tone }, c.sign), ` ${c.name} ${n}`)), h("span", { class: "quiet" }, t(`平均 ${mean.toFixed(1)} 星`, `${mean.toFixed(1)} stars on average`))));
}
