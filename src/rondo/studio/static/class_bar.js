// In a class: who is logged in, receipts, a report made elsewhere; and handing in, for the course's page.
import { ask, send, tell } from "./api.js";
import { h, one, options } from "./dom.js";
import { lang, t } from "./words.js";

const PATIENCE = 3000; // milliseconds for answers on their way, before logging out
let own = null, told = () => {};

if (!one('link[href="/static/classroom.css"]')) document.head.append(h("link", { rel: "stylesheet", href: "/static/classroom.css" }));

// When, as people say it.
export const when = (time) => (time ? new Date(time).toLocaleString(lang === "zh" ? "zh-CN" : "en-GB", { dateStyle: "medium", timeStyle: "short" }) : "");

// The bar. `course` as /api/course gives it.
export async function mount(element, course) {
  own = await ask("class/me");
  const fault = h("p", { class: "alert", role: "alert", hidden: true });
  const list = h("div", { class: "scroll" });
  told = () => drawReceipts(list);
  const receipts = h("details", { ontoggle: () => receipts.open && told() },
    h("summary", {}, t("我的回执，和交做好的文件", "My receipts, and handing in a file")), list, course ? upload(course) : null);
  element.replaceChildren(h("div", { class: "class-bar" },
    h("span", { class: "who" }, `${own.name} ${own.number}`),
    own.teacher && location.pathname !== "/classroom/overview" && h("a", { href: "/classroom/overview" }, t("班级", "the class")),
    own.teacher && location.pathname !== "/course" && h("a", { href: "/course" }, t("课程", "the course")),
    h("a", { href: `/classroom/password?to=${encodeURIComponent(location.pathname)}` }, t("换密码", "change password")),
    h("button", { type: "button", onclick: () => leave(fault) }, t("退出", "log out")),
    course && !own.teacher && receipts, fault));
  element.hidden = false;
}

// Answers on their way are waited for; then nothing of this person stays in the browser.
async function leave(fault) {
  dispatchEvent(new Event("online")); // the course's page sends what it still has
  const waiting = () => Object.keys(localStorage).some((key) => key.startsWith(`course ${own.number} `));
  for (const until = Date.now() + PATIENCE; waiting() && Date.now() < until; ) await new Promise((done) => setTimeout(done, 100));
  if (waiting() && !confirm(t("有的回答还没存上，退出就没有了。还要退出吗？", "Some answers have not reached the server and would be gone. Log out all the same?"))) return;
  try {
    const response = await fetch("/api/class/log-out", { method: "POST" });
    if (!response.ok && response.status !== 401) throw new Error(response.statusText);
  } catch {
    fault.hidden = false;
    fault.textContent = t("没有退出：服务器没有回答，请再试一次", "You are still logged in: the server did not answer, try again");
    return;
  }
  const ink = localStorage.getItem("ink");
  localStorage.clear();
  sessionStorage.clear();
  if (ink) localStorage.setItem("ink", ink);
  location.replace("/classroom/login");
}

// Hand in what is kept on the server; resolves with the receipt.
export async function handIn(experiment, language = lang) {
  const receipt = await ask("class/hand-in", { experiment, lang: language });
  told();
  return receipt;
}

// A receipt as an element.
export function drawReceipt(receipt) {
  return h("div", { class: receipt.late ? "receipt late" : "receipt", role: "status" },
    h("p", {}, h("strong", {}, receipt.late ? t("交了，迟交", "Handed in, late") : t("交了", "Handed in")), ` ${when(receipt.time)} · ${receipt.file}`),
    h("p", { class: "quiet" }, t("再交一次，以最后一次为准。存好回执：它能证明你交过什么、何时交的。", "You can hand in again; the last one counts. Keep the receipt: it proves what you handed in, and when.")),
    h("p", { class: "row" }, ...links(receipt)),
    h("code", {}, `SHA-256 ${receipt.sha256}`));
}

const links = (receipt) => [
  h("a", { class: "button small", href: `/api/class/receipts/${receipt.id}`, download: "" }, t("存回执", "Save the receipt")),
  h("a", { class: "button small", href: `/api/class/receipts/${receipt.id}/report`, download: "" }, t("存报告", "Save the report")),
];

async function drawReceipts(list) {
  const found = await ask("class/receipts").catch(() => null);
  if (!found) return;
  list.replaceChildren(found.length === 0 ? h("p", { class: "quiet" }, t("还没有交过。", "Nothing has been handed in yet.")) : h("table", {},
    h("thead", {}, h("tr", {}, ...[t("何时", "when"), t("实验", "experiment"), "", ""].map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, ...found.map((r) => h("tr", {}, h("td", {}, when(r.time)), h("td", {}, r.experiment),
      h("td", { class: r.late ? "caution" : "" }, r.late ? t("迟交", "late") : ""), h("td", {}, h("span", { class: "row" }, ...links(r))))))));
}

// A report that was made elsewhere (rondo lab report, or alone).
function upload(course) {
  const which = h("select", { "aria-label": t("实验", "experiment") }, ...options(course.experiments.map((e) => [e.name, `${e.number} ${t(e.title.zh, e.title.en)}`]), ""));
  const file = h("input", { type: "file", accept: ".html,.htm,.json", "aria-label": t("报告的文件", "the report's file") });
  const said = h("div", { "aria-live": "polite" }), fault = h("p", { class: "alert", role: "alert", hidden: true });
  const button = h("button", { type: "button", class: "small", onclick: async () => {
    if (!file.files[0]) return file.focus();
    button.disabled = true;
    tell(fault, null);
    said.replaceChildren();
    try {
      said.replaceChildren(drawReceipt(await send(`class/file?experiment=${encodeURIComponent(which.value)}&lang=${lang}`, file.files[0])));
      told();
    } catch (error) {
      tell(fault, error);
    } finally {
      button.disabled = false;
    }
  } }, t("交这份文件", "Hand in this file"));
  return h("div", { class: "stack" }, h("div", { class: "row" }, which, file, button), fault, said);
}
