// The teacher's table: who has passed which checks, and handed in when; a new first password; receipts.
import { ask, link, tell } from "./api.js";
import { mount, when } from "./class_bar.js";
import { h, one, options } from "./dom.js";
import { t } from "./words.js";

const AGAIN = 15_000; // milliseconds
const both = (words) => t(words.zh, words.en);
let found = null, sort = "number", down = false;

const KEYS = {
  number: (row) => row.number,
  points: (row) => progress(row).points,
  changed: (row) => progress(row).changed ?? "",
  handed: (row) => progress(row).handed_in ?? "",
};
const own = () => found.experiments.find((e) => e.name === one("#experiment").value) ?? found.experiments[0];
const progress = (row) => row.progress[own().name];
const passed = (row, check) => row.passed[own().name][check.id];

async function read() {
  try {
    found = await ask("class/overview");
    tell(one("#fault"), null);
    if (!one("#experiment").options.length) first();
    draw();
  } catch (error) {
    if (error.status === 401) return location.assign("/classroom/login?to=/classroom/overview");
    tell(one("#fault"), error);
  }
}

function first() {
  const state = link.read();
  one("#experiment").append(...options(found.experiments.map((e) => [e.name, `${e.number} ${both(e.title)}`]), state.experiment));
  one("#which").value = state.which ?? "";
  one("#find").value = state.find ?? "";
  if (KEYS[state.sort]) [sort, down] = [state.sort, Boolean(state.down)];
}

function shown() {
  const which = one("#which").value, text = one("#find").value.trim().toLowerCase();
  const keep = { open: (p) => !p.handed_in, late: (p) => p.late, none: (p) => !p.changed && !p.handed_in }[which] ?? (() => true);
  const rows = found.students.filter((r) => keep(progress(r)) && `${r.number} ${r.name}`.toLowerCase().includes(text));
  const key = KEYS[sort], sign = down ? -1 : 1;
  return rows.sort((a, b) => sign * (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a.number < b.number ? -1 : 1));
}

function draw() {
  const rows = shown(), all = found.students, handed = all.filter((r) => progress(r).handed_in), late = handed.filter((r) => progress(r).late);
  const due = own().due ? t(`，截止 ${when(own().due)}`, `, due ${when(own().due)}`) : "";
  one("#totals").textContent = t(`${all.length} 名学生，${handed.length} 名交了${late.length ? `（${late.length} 名迟交）` : ""}${due}`,
    `${all.length} students, ${handed.length} handed in${late.length ? ` (${late.length} late)` : ""}${due}`);
  const at = document.activeElement?.dataset?.key;
  one("#table").replaceChildren(head(), h("tbody", {}, ...rows.map(line)), foot());
  if (at) one(`#table [data-key="${CSS.escape(at)}"]`)?.focus();
  link.write({ experiment: own().name, which: one("#which").value, find: one("#find").value, sort, down });
}

function head() {
  const column = (key, label) => h("th", { scope: "col", "aria-sort": sort === key ? (down ? "descending" : "ascending") : "none" },
    h("button", { type: "button", "data-key": `sort ${key}`, onclick: () => { [down, sort] = [sort === key ? !down : key !== "number", key]; draw(); } },
      label, sort === key ? (down ? " ↓" : " ↑") : ""));
  return h("thead", {}, h("tr", {}, column("number", t("学生", "Student")), column("points", t("得分", "Points")),
    column("handed", t("交", "Handed in")), column("changed", t("上次修改", "Last change")),
    ...own().checks.map((check, k) => h("th", { scope: "col", class: begins(check, k) ? "mark first" : "mark", title: about(check) },
      h("span", { "aria-label": about(check) }, place(check)))), h("th", { scope: "col" }, "")));
}

const about = (check) => `${both(check.part)}：${both(check.title)} (${check.points})`;
const part = (check) => check.id.split("/")[0];
const begins = (check, k) => k === 0 || part(own().checks[k - 1]) !== part(check);

// 2.3: the third check of the second part.
function place(check) {
  const parts = [...new Set(own().checks.map(part))], mates = own().checks.filter((c) => part(c) === part(check));
  return `${parts.indexOf(part(check)) + 1}.${mates.indexOf(check) + 1}`;
}

function line(row) {
  const p = progress(row), share = Math.round((100 * p.points) / (own().points || 1));
  return h("tr", {},
    h("th", { scope: "row" }, h("span", { class: "number-of" }, row.number), h("span", { class: "name-of", title: row.name }, row.name)),
    h("td", {}, h("span", { class: "share", "aria-hidden": "true" }, h("i", { style: { width: `${share}%` } })), `${p.points} / ${own().points}`),
    h("td", {}, p.handed_in ? h("a", { href: `/api/class/handed/${encodeURIComponent(row.number)}?experiment=${encodeURIComponent(own().name)}`, download: "", title: t("下载报告", "download the report") }, when(p.handed_in)) : "—",
      p.late ? h("span", { class: "caution" }, ` ${t("迟", "late")}`) : "", p.times > 1 ? h("span", { class: "quiet" }, ` ×${p.times}`) : ""),
    h("td", { class: "quiet" }, when(p.changed) || "—"),
    ...own().checks.map((check, k) => mark(row, check, k)),
    h("td", {}, h("button", { type: "button", class: "small", "data-key": `reset ${row.number}`, "aria-label": t(`重设 ${row.name} 的密码`, `reset the password of ${row.name}`), onclick: () => reset(row) }, t("重设密码", "Reset password"))));
}

function mark(row, check, k) {
  const yes = passed(row, check), said = yes === undefined ? t("没检查", "not checked") : yes ? t("过", "passed") : t("没过", "not passed");
  return h("td", { class: `mark ${yes ? "ok" : "bad"}${begins(check, k) ? " first" : ""}`, title: `${row.name} · ${about(check)}：${said}` },
    h("span", { "aria-label": said, role: "img" }, yes === undefined ? "" : yes ? "✓" : "✗"));
}

// How many have passed each check.
function foot() {
  return h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, t("过的人数", "passed by")), h("td"), h("td"), h("td"),
    ...own().checks.map((check, k) => h("td", { class: begins(check, k) ? "mark first" : "mark" }, String(found.students.filter((r) => passed(r, check)).length))), h("td")));
}

// --- a new first password ---
let whose = null;
const dialog = one("#reset");

function reset(row) {
  whose = row;
  one("#reset-title").textContent = t(`重设 ${row.name}（${row.number}）的密码？`, `Reset the password of ${row.name} (${row.number})?`);
  one("#reset-body").replaceChildren(h("p", {}, t("原来的密码不再能用，已登录的会退出。回答和交过的都在。", "The password until now no longer works, and log-ins end. Answers and what was handed in stay.")));
  one("#reset-do").hidden = false;
  dialog.showModal();
}

one("#reset-do").addEventListener("click", async () => {
  one("#reset-do").hidden = true;
  const said = await ask("class/reset", { number: whose.number }).catch((error) => error);
  one("#reset-body").replaceChildren(...(said.password
    ? [h("p", { class: "given-password" }, said.password), h("p", {}, t("只显示这一次，请抄给本人；登录后要换。", "Shown this once: write it down for them. It must be changed at the next log-in."))]
    : [h("p", { class: "alert", role: "alert" }, said.message)]));
});
one("#reset-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => one("#reset-body").replaceChildren());

// --- receipts ---
one("#receipt").addEventListener("change", async (event) => {
  const said = one("#verified"), file = event.target.files[0];
  if (!file) return;
  let text, kind = "bad";
  try {
    const receipt = JSON.parse(await file.text()), answer = await ask("class/verify", receipt);
    if (answer.genuine) {
      kind = "ok";
      text = `✓ ${t("真的", "genuine")}：${receipt.number} ${receipt.name} · ${receipt.experiment} · ${when(receipt.time)}${receipt.late ? t(" · 迟交", " · late") : ""}`;
      if (!answer.kept) text += t("（这里没有那份报告了，是旧备份吗？）", " (the report is no longer here: an older backup?)");
    } else text = `✗ ${t("不是这个班给的，或被改过", "not given by this class, or changed")}`;
  } catch (error) {
    text = `✗ ${error instanceof SyntaxError ? t("这不是回执", "this is no receipt") : error.message}`;
  }
  said.className = `verified ${kind}`;
  said.textContent = text;
});

for (const id of ["#experiment", "#which", "#find"]) one(id).addEventListener("input", () => found && draw());
mount(one("#class-bar"), null).catch(() => {});
read();
setInterval(() => document.hidden || dialog.open || read(), AGAIN);
