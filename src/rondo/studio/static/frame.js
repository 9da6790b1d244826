// What every page has: language, paper or night, keys.
import { all, one } from "./dom.js";
import { lang } from "./words.js";

one("#language").addEventListener("click", () => {
  document.cookie = `lang=${lang === "zh" ? "en" : "zh"}; path=/; max-age=31536000; samesite=strict`;
  location.reload();
});

const dark = matchMedia("(prefers-color-scheme: dark)");
const ink = (value) => (document.documentElement.dataset.ink = value);
ink(localStorage.getItem("ink") ?? (dark.matches ? "night" : "paper"));
one("#ink").addEventListener("click", () => {
  ink(document.documentElement.dataset.ink === "night" ? "paper" : "night");
  localStorage.setItem("ink", document.documentElement.dataset.ink);
});

const help = one("#help");
one("#keys").addEventListener("click", () => help.showModal());
const PLACES = { p: "/poem", c: "/couplet", s: "/spring", t: "/text", q: "/sentiment", n: "/entities", r: "/translation", i: "/captions", h: "/speech", m: "/music", d: "/dna", v: "/video", f: "/series", e: "/cell", l: "/lab", k: "/course" };
one(".rail [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }); // on a phone the rail is wider than the screen
let going = false;
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") return one("[data-answer]")?.click();
  if (event.target.closest("input, textarea, select, [contenteditable]") || event.ctrlKey || event.metaKey) return;
  if (event.key === "?") help.open ? help.close() : help.showModal();
  else if (event.key === "g") { going = true; setTimeout(() => (going = false), 1200); return; }
  else if (going && PLACES[event.key]) location.href = PLACES[event.key];
  going = false;
});

// tabs: <div role="tablist"> with <button role="tab" aria-controls="id">
for (const list of all('[role="tablist"]')) {
  const tabs = all('[role="tab"]', list);
  for (const tab of tabs) one("#" + tab.getAttribute("aria-controls")).setAttribute("role", "tabpanel");
  const choose = (tab) => {
    for (const other of tabs) {
      const chosen = other === tab;
      other.setAttribute("aria-selected", chosen);
      other.tabIndex = chosen ? 0 : -1;
      one("#" + other.getAttribute("aria-controls")).hidden = !chosen;
    }
  };
  list.addEventListener("click", (event) => { const tab = event.target.closest('[role="tab"]'); if (tab) choose(tab); });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    choose(next);
    next.focus();
  });
  choose(tabs.find((tab) => tab.getAttribute("aria-selected") === "true") ?? tabs[0]);
}
