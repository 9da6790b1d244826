// The DNA desk: a sequence, its marks, what replaced bases would change, files of sequences.
import { ask, latest, link, stream, tell } from "./api.js";
import { all, h, one, paused, save } from "./dom.js";
import { BASES, NAMES, columns, lines, overview, percent, signed, strip, table } from "./dna_ribbon.js";
import { own, t } from "./words.js";

const GENE = "ATGGATGATGCTGATGCAGCACGCCCACGAGGGCGCCGCCAAGCACGTGGAGCTGCAGGTAAGTCTACAATATAGTATAATGTGCAGTTTAAATATTGTATACTCTGACTAATTTTTTCTCCCCCTCTTTCAGCCCGGCTACTGCTGCTACATCAAGGTGGAGATCTACTCCTGCAACGACCGGTTCGTGGGCGAGCAGGTAAGAATATAGAAACACTTGGGCTTATCTAAAAGTTCTGACTAATTATCCCCCTCCTTTTTTCAGCACCCCGTGGACCGGCAGTACCAGTTCCACTACGACCACTGCGTGTTCGTGCTG";
const EXAMPLES = [
  ["gene", t("三个外显子（虚构）", "three exons, made up"), GENE],
  ["lecture", t("课上的一段", "the lecture's"), "AGCCCCTGTGAGGAACTAG"],
  ["broken", t("坏了的供体：GT 变 AT", "a broken donor: GT to AT"), GENE.replace("CTGCAGGTAAGT", "CTGCAGATAAGT")],
  ["unknown", t("有 N，小写", "N, lower case"), GENE.slice(20, 160).toLowerCase().replace("gtaagtctacaatatagt", "gtaagtnnnnnnnnnnnn")],
];
const TASKS = {
  arabidopsis_non_tata: t("拟南芥，无 TATA", "thale cress, without TATA box"), arabidopsis_tata: t("拟南芥，有 TATA", "thale cress, with TATA box"),
  mouse_tata: t("小鼠，有 TATA", "mouse, with TATA box"), ecoli_sigma70: t("大肠杆菌 σ70", "E. coli, σ70"), bacillus: t("枯草杆菌", "B. subtilis"),
};
const START = { sequence: GENE, name: "", from: 0, at: 58, changes: [] };
const ADDRESS = 3000, DETAIL = 600; // bases that an address holds, that are shown one by one

const run = latest(), map_run = latest(), file_run = latest();
let state = { ...START }, answer, change, file, hovered;

function keep() {
  const long = state.sequence.length > ADDRESS;
  try { long ? sessionStorage.setItem("dna", JSON.stringify(state)) : sessionStorage.removeItem("dna"); } catch { /* no room: only the address is kept */ }
  link.write(long ? { long: true } : Object.fromEntries(Object.entries(state).filter(([k, v]) => JSON.stringify(v) !== JSON.stringify(START[k]))));
}

function restored() {
  let given = link.read();
  if (given?.long) try { given = JSON.parse(sessionStorage.getItem("dna")); } catch { given = {}; }
  if (given?.sequence) state.at = 0;
  for (const [k, v] of Object.entries(given ?? {})) if (typeof v === typeof START[k] && Array.isArray(v) === Array.isArray(START[k])) state[k] = v;
}

// reading
async function read() {
  keep();
  const sequence = state.sequence.replace(/\s+/g, "");
  if (!sequence) return blank();
  if (sequence.startsWith(">")) return open(new Blob([state.sequence]), "FASTA");
  const slow = setTimeout(() => one(".result").classList.add("busy"), 250);
  try {
    const found = await run((signal) => ask("dna", { sequence }, signal));
    if (!found) return;
    tell(one("#fault"));
    answer = { ...found, kinds: found.segments.flatMap((s) => Array(s.end - s.start).fill(s.kind)) };
    change = undefined;
    state.at = Math.min(Math.max(0, state.at), answer.sequence.length - 1);
    state.from = Math.min(state.from, Math.max(0, answer.sequence.length - 1));
    draw();
    await read_map();
  } catch (error) {
    one(".result").classList.add("stale");
    tell(one("#fault"), error);
  } finally {
    clearTimeout(slow);
    one(".result").classList.remove("busy");
  }
}

const shown = () => [state.from, Math.min(answer.sequence.length, state.from + DETAIL)];

// What replaced bases would change, of the bases that are shown.
async function read_map() {
  const [start, end] = shown(), bar = one("#progress");
  try {
    const found = await map_run((signal) => stream("dna/effects", { sequence: answer.sequence, start, end }, { signal, record: (r) => { if (r.of) { bar.hidden = false; one("i", bar).style.width = `${(100 * r.done) / r.of}%`; } } }));
    if (!found) return;
    change = Object.fromEntries(found.change.map((row, k) => [start + k, row]));
    draw_strand();
    show();
  } catch (error) {
    tell(one("#fault"), error);
  } finally {
    bar.hidden = true;
  }
}

function blank() {
  run.stop();
  map_run.stop();
  answer = change = undefined;
  tell(one("#fault"));
  for (const id of ["#overview", "#sites", "#promoters", "#notes", "#instead"]) one(id).replaceChildren();
  one("#said").textContent = "";
  one("#strand").replaceChildren(h("p", { class: "quiet empty" }, t("还没有序列：写几个碱基，或取一个例子。", "There is no sequence yet: type bases, or take an example.")));
  for (const id of ["json", "bed", "bedgraph"]) one(`#${id}`).disabled = !file;
  one("#json").disabled = true;
}

// drawing
function draw() {
  one(".result").classList.remove("stale");
  draw_strand();
  one("#notes").replaceChildren(...answer.notes.map((n) => h("p", { class: "note" }, own(n))));
  for (const id of ["json", "bed", "bedgraph"]) one(`#${id}`).disabled = false;
  one("#sites").replaceChildren(answer.sites.length ? sites() : h("p", { class: "quiet" }, t("没有看到剪接位点。", "No splice site is seen.")));
  one("#promoters").replaceChildren(answer.promoters.length ? promoters() : h("p", { class: "quiet" }, t("太短，难下定论：细菌的启动子要 81 个碱基，植物与小鼠的要 251 个。", "Too short to say: bacteria's promoters are read in 81 bases, plants' and the mouse's in 251.")));
  show();
}

function draw_strand() {
  if (!answer) return;
  const [from, to] = shown(), width = Math.max(200, one("#strand").clientWidth), size = answer.sequence.length;
  one("#overview").replaceChildren(overview(answer, { from, to, width }));
  one("#strand").replaceChildren(...lines(answer, { from, to, width, at: state.at, changed: new Set(state.changes.map((c) => c.at)), change }));
  one("#paging").hidden = size <= DETAIL;
  one("#shown").textContent = `${(from + 1).toLocaleString()}–${to.toLocaleString()} / ${size.toLocaleString()}`;
  one("#before").disabled = from === 0;
  one("#after").disabled = to === size;
}

function sites() {
  return table([t("位置", "place"), t("位点", "site"), "p", t("周围", "around")], answer.sites.map((s) => [
    h("button", { type: "button", class: "plain", onclick: () => go(s.after, true) }, `${s.after + 1}|${s.after + 2}`),
    NAMES[s.kind], meter(s.p),
    h("code", {}, answer.sequence.slice(Math.max(0, s.after - 5), s.after + 1), h("b", { class: "cut" }, "|"), answer.sequence.slice(s.after + 1, s.after + 9)),
  ]));
}

function promoters() {
  return table([t("种类", "kind"), "p", t("最像的一段", "likeliest window"), t("链", "strand")], answer.promoters.map((p) => [
    TASKS[p.task] ?? p.task, meter(p.p), h("button", { type: "button", class: "plain", onclick: () => go(p.start, true) }, `${p.start + 1}–${p.end}`), p.strand.replace("-", "−"),
  ]));
}

const meter = (p) => h("span", { class: `meter${p < 0.5 ? " low" : ""}` }, h("span", { class: "track" }, h("i", { style: { width: `${100 * p}%` } })), percent(p));

// the base that is looked at
function show() {
  if (!answer) return;
  const at = hovered ?? state.at, base = answer.sequence[at], p = answer.exon[at], row = change?.[at];
  one("#said").replaceChildren(h("b", {}, t(`第 ${at + 1} 位 ${base}`, `base ${at + 1}, ${base}`)), ` · ${NAMES[answer.kinds[at]]} · p(${NAMES.exon}) ${percent(p)}${near(at)}`);
  const upper = base.toUpperCase().replace("U", "T");
  const buttons = [...BASES].map((b, k) => h("button", { type: "button", class: "small", disabled: b === upper, "aria-label": t(`换成 ${b}${row ? `，改变 ${signed(row[k])}` : ""}`, `replace it by ${b}${row ? `, changes ${signed(row[k])}` : ""}`), onclick: () => replace(at, b) },
    h("b", {}, b), b === upper ? t(" 原样", " as it is") : row ? h("span", { class: row[k] < -0.05 ? "less" : row[k] > 0.05 ? "more" : "quiet" }, ` ${signed(row[k])}`) : " …"));
  const undo = state.changes.length ? [h("button", { type: "button", class: "small", id: "undo", onclick: back }, t(`撤回 ${last()}`, `Undo ${last()}`))] : [];
  const focused = one("#instead").contains(document.activeElement) ? [...all("button", one("#instead"))].indexOf(document.activeElement) : -1;
  one("#instead").replaceChildren(h("span", { class: "quiet" }, t("换成", "replace by")), ...buttons, ...undo);
  if (focused >= 0) (all("#instead button:not(:disabled)")[Math.min(focused, all("#instead button:not(:disabled)").length - 1)])?.focus();
}

function near(at) {
  const site = answer.sites.find((s) => s.p >= 0.1 && (s.after === at || s.after + 1 === at));
  return site ? ` · ${NAMES[site.kind]} ${site.after + 1}|${site.after + 2} ${percent(site.p)}` : "";
}

function go(at, focus) {
  const before = state.at, size = answer.sequence.length, n = columns(one("#strand").clientWidth);
  state.at = Math.min(size - 1, Math.max(0, at));
  hovered = undefined;
  if (state.at < state.from || state.at >= state.from + DETAIL) return turn(n * Math.floor(Math.max(0, state.at - 2 * n) / n), focus);
  keep();
  if (before !== state.at) draw_strand();
  show();
  if (focus) one("#strand").focus({ preventScroll: true });
  const line = all("#strand svg").find((s) => state.at >= s.dataset.first && state.at < s.dataset.last)?.getBoundingClientRect();
  if (line && (line.top < 0 || line.bottom > one("#here").getBoundingClientRect().top)) scrollBy(0, line.top - innerHeight / 3);
}

function turn(from, focus) {
  state.from = Math.max(0, Math.min(from, answer.sequence.length - 1));
  state.at = Math.min(Math.max(state.at, state.from), Math.min(answer.sequence.length, state.from + DETAIL) - 1);
  change = undefined;
  keep();
  draw_strand();
  show();
  if (focus) one("#strand").focus({ preventScroll: true });
  return read_map();
}

// changes
const last = () => { const c = state.changes.at(-1); return `${c.at + 1} ${c.was}>${c.now}`; };

function replace(at, base) {
  const was = answer.sequence[at];
  if (was.toUpperCase() === base) return;
  state.changes = [...state.changes, { at, was, now: base }];
  put(answer.sequence.slice(0, at) + base + answer.sequence.slice(at + 1), at);
}

function back() {
  const c = state.changes.at(-1);
  if (!c || !answer) return;
  state.changes = state.changes.slice(0, -1);
  put(answer.sequence.slice(0, c.at) + c.was + answer.sequence.slice(c.at + 1), c.at);
}

function put(sequence, at) {
  state.at = at;
  hovered = undefined;
  state.sequence = one("#sequence").value = sequence;
  return read();
}

const given = (sequence, name = "") => {
  state = { ...START, sequence, name, at: sequence === GENE ? START.at : 0 };
  one("#sequence").value = sequence;
  return read();
};

// pointer and keys in the strand
function place_of(event) {
  const line = event.target.closest?.("svg.line");
  if (!line) return undefined;
  const box = line.getBoundingClientRect(), wide = line.viewBox.baseVal.width;
  const k = Math.floor((((event.clientX - box.left) * wide) / box.width - 46) / 16), at = Number(line.dataset.first) + k;
  return k >= 0 && at < Number(line.dataset.last) ? at : undefined;
}
one("#strand").addEventListener("pointermove", (event) => {
  const at = place_of(event);
  if (at === hovered) return;
  hovered = at;
  show();
});
one("#strand").addEventListener("pointerleave", () => { hovered = undefined; show(); });
one("#strand").addEventListener("click", (event) => { const at = place_of(event); if (at !== undefined && answer) go(at); });
one("#strand").addEventListener("keydown", (event) => {
  if (!answer || event.ctrlKey || event.metaKey || event.altKey) return;
  const n = columns(one("#strand").clientWidth), step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -n, ArrowDown: n, Home: -state.at, End: answer.sequence.length }[event.key];
  const letter = event.key.toUpperCase();
  if (step !== undefined) go(state.at + step);
  else if (event.key === "n" || event.key === "p") visit(event.key === "n" ? 1 : -1);
  else if (event.key === "u") back();
  else if (BASES.includes(letter) && letter.length === 1) replace(state.at, letter);
  else return;
  event.preventDefault();
  event.stopPropagation();
});

function visit(by) {
  const places = answer.sites.filter((s) => s.p >= 0.1).map((s) => s.after).sort((a, b) => a - b);
  const next = by > 0 ? places.find((p) => p > state.at) ?? places[0] : places.findLast((p) => p < state.at) ?? places.at(-1);
  if (next !== undefined) go(next);
}

one("#overview").addEventListener("click", (event) => {
  if (!answer) return;
  const box = one("#overview svg").getBoundingClientRect();
  go(Math.floor(((event.clientX - box.left) / box.width) * answer.sequence.length));
});
one("#before").addEventListener("click", () => turn(state.from - DETAIL));
one("#after").addEventListener("click", () => turn(state.from + DETAIL));

// files
async function open(blob, name) {
  const bar = one("#progress");
  try {
    const found = await file_run((signal) => stream("dna/fasta", blob, { signal, record: (r) => { if (r.of) { bar.hidden = false; one("i", bar).style.width = `${(100 * r.done) / r.of}%`; } } }));
    if (!found) return;
    tell(one("#fault"));
    file = { ...found, name };
    draw_records();
    choose(0);
  } catch (error) {
    tell(one("#fault"), error);
  } finally {
    bar.hidden = true;
  }
}

function draw_records() {
  one("#records").hidden = !file;
  if (!file) return;
  one("#records-count").textContent = t(`${file.records.length} 条，${file.bases.toLocaleString()} 个碱基`, `${file.records.length}, ${file.bases.toLocaleString()} bases`);
  one("#list").replaceChildren(...file.records.map((r, k) => h("button", { type: "button", class: "record", onclick: () => choose(k) }, h("b", {}, r.name), h("span", { class: "quiet" }, r.length.toLocaleString()), strip(r.segments, Math.max(1, r.length)))));
}

function choose(k) {
  all("#list button").forEach((button, n) => (n === k ? button.setAttribute("aria-current", "true") : button.removeAttribute("aria-current")));
  const record = file.records[k];
  return given(record.sequence, record.name);
}

one("#close").addEventListener("click", () => { file = undefined; draw_records(); one("#sequence").focus(); });
one("#open").addEventListener("click", () => one("#file").click());
one("#file").addEventListener("change", () => { const [chosen] = one("#file").files; one("#file").value = ""; if (chosen) open(chosen, chosen.name); });
addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  const [dropped] = event.dataTransfer.files;
  if (dropped) open(dropped, dropped.name);
});

// downloads: of the file that is open, else of the sequence
async function track(kind) {
  try {
    const name = (state.name || "sequence").replace(/\s+/g, "_");
    const found = file ?? (await ask("dna/fasta", new Blob([`>${name}\n${answer.sequence}\n`])));
    save(new Blob([found[kind]], { type: "text/plain" }), `${name}.${kind === "bed" ? "bed" : "bedgraph"}`);
  } catch (error) {
    tell(one("#fault"), error);
  }
}
one("#bed").addEventListener("click", () => track("bed"));
one("#bedgraph").addEventListener("click", () => track("bedgraph"));
one("#json").addEventListener("click", () => {
  const { kinds, ...plain } = answer;
  save(new Blob([JSON.stringify({ ...plain, effects: change ? { bases: BASES, start: state.from, change: Object.values(change) } : null }, null, 1)], { type: "application/json" }), "dna.json");
});

// start
one("#examples").append(...EXAMPLES.map(([id, label, sequence]) => h("button", { type: "button", class: "small", "data-example": id, onclick: () => { file = undefined; draw_records(); given(sequence); } }, label)));
one("#order").addEventListener("submit", (event) => event.preventDefault());
one("#sequence").addEventListener("input", paused(350, () => {
  state = { ...START, sequence: one("#sequence").value, at: 0 };
  read();
}));
new ResizeObserver(paused(120, draw_strand)).observe(one("#strand"));
restored();
one("#sequence").value = state.sequence;
read();
