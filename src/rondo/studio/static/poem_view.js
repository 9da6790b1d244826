// A poem on its leaf: every character a button with its tone beneath, and what is said about one of them.
import { h, svg } from "./dom.js";
import { t } from "./words.js";

const SIGNS = { 平: "○", 仄: "●", 平仄: "◎", "": "?" };
const NAMES = { 平: t("平", "level"), 仄: t("仄", "oblique"), 平仄: t("平仄两可", "level or oblique"), "": t("韵书未收", "not in the book") };
const KINDS = { A: t("甲 仄仄平平仄", "type A"), B: t("乙 平平仄仄平", "type B"), C: t("丙 平平平仄仄", "type C"), D: t("丁 仄仄仄平平", "type D") };
const percent = (p) => (p >= 0.1 ? Math.round(100 * p) : p >= 0.001 ? +(100 * p).toPrecision(2) : "< 0.1") + " %";
// 0 for a sure character, 1 for one of probability 0.001 or less
const surprise = (p) => Math.min(1, Math.max(0, -Math.log10(Math.max(p, 1e-6)) / 3)).toFixed(3);

// poem: the server's; locks: a Set of "line,place"; on: {look(i, p), lock(i, p), line(i)}
export function leaf(poem, locks, gloss, seed, on) {
  const lines = poem.proof.map((line, i) => [verse(line, i, poem, locks, on), gloss && h("p", { class: "gloss" }, words(gloss.lines[i]))]);
  return [...lines, h("div", { class: "seal", title: t("印：种子", "the seal: the seed") }, t("第", "no."), h("br"), String(seed))];
}

function verse(line, i, poem, locks, on) {
  const characters = line.marks.map((mark, p) => character(mark, i, p, line, locks, on));
  const whole = line.marks.every((_, p) => locks.has(`${i},${p}`));
  const rhyme = line.rhymes === true ? h("span", { class: "ok" }, `${line.group} ✓`) : line.rhymes === false ? h("span", { class: "bad" }, t("✗ 不押", "✗ no rhyme")) : null;
  const old = line.new ? null : h("span", { class: "caution" }, t("旧句", "an old line"));
  return h("div", { class: "verse-line", style: { "animation-delay": `${i * 90}ms` } }, characters, h("span", { class: "mark", "aria-hidden": "true" }, i % 2 ? "。" : "，"),
    h("span", { class: "remark" },
      h("button", { type: "button", "aria-pressed": whole, "aria-label": t(`锁住第${i + 1}句`, `lock line ${i + 1}`), title: t("锁住这一句", "lock this line"), onclick: () => on.line(i) }, padlock(whole)),
      line.type && h("span", { title: KINDS[line.type] ?? "" }, line.type), rhyme, old));
}

function character(mark, i, p, line, locks, on) {
  const locked = locks.has(`${i},${p}`), rhymes = line.rhymes && p === line.marks.length - 1;
  const said = `${mark.char}, ${NAMES[mark.tones]}${mark.wanted ? t(`，须${mark.wanted}`, `, must be ${NAMES[mark.wanted]}`) : ""}${mark.ok ? "" : t("，不合", ", broken")}${locked ? t("，已锁", ", locked") : ""}`;
  const sign = mark.wanted ? `${SIGNS[mark.tones]}${mark.ok ? "✓" : "✗"}` : SIGNS[mark.tones];
  return h("button", {
    type: "button", class: ["char", rhymes && "rhyme", mark.given && !locked && "given", locked && "locked"].filter(Boolean).join(" "), "aria-label": said, "aria-pressed": locked,
    "data-at": `${i},${p}`, style: { "--surprise": surprise(mark.probability) }, onclick: () => on.lock(i, p), onmouseenter: () => on.look(i, p), onfocus: () => on.look(i, p),
  }, h("span", { class: "glyph" }, mark.char), locked && padlock(true), h("span", { class: `sign ${mark.ok ? (mark.wanted ? "fixed" : "") : "broken"}` }, sign));
}

const padlock = (shut) => svg("svg", { class: "padlock", viewBox: "0 0 12 14", "aria-hidden": "true" },
  svg("path", { d: shut ? "M3 6V4a3 3 0 0 1 6 0v2" : "M3 6V4a3 3 0 0 1 5.6-1.5" }), svg("rect", { x: 1.5, y: 6, width: 9, height: 7, rx: 1.5 }));

const words = (line) => line.map((w) => w.english || w.text).join(" · ");

// What is said about one character: its tone, its probability, what else could stand there.
export function inspector(mark, locked, on) {
  const demand = mark.wanted ? t(`此处须${mark.wanted} ${mark.ok ? "✓" : "✗"}`, `must be ${NAMES[mark.wanted]} here ${mark.ok ? "✓" : "✗"}`) : t("此处可平可仄", "either tone may stand here");
  return [
    h("span", { class: "glyph" }, mark.char), h("span", {}, NAMES[mark.tones], " · ", h("span", { class: mark.ok ? "ok" : "bad" }, demand)),
    h("span", {}, t("概率 ", "probability "), h("span", { class: "bar" }, bar(mark.probability)), " ", percent(mark.probability)),
    mark.instead.length ? h("span", { class: "others row" }, t("可换", "or"), mark.instead.map((c, k) => h("button", { type: "button", title: t(`按 ${k + 1}`, `key ${k + 1}`), onclick: () => on.swap(c) }, c))) : null,
    h("button", { type: "button", class: "small", "aria-pressed": locked, onclick: on.lock }, locked ? t("解锁", "Unlock") : t("锁住", "Lock")),
  ].filter(Boolean);
}

function bar(p) {
  const fill = h("i");
  fill.style.width = `${100 * p}%`;
  return fill;
}

// The proof of the whole, in words.
export function summary(poem, notes, own) {
  const head = [poem.pattern, `${poem.book} ${poem.group}`.trim()].filter(Boolean).join(" · ");
  const held = poem.proof.flatMap((l) => l.marks).filter((m) => m.wanted && m.ok).length, asked = poem.proof.flatMap((l) => l.marks).filter((m) => m.wanted).length;
  const longest = Math.max(...poem.proof.map((l) => l.shared));
  return [
    ...notes.map((n) => h("p", { class: "note" }, own(n))),
    ...poem.relaxed.map((r) => h("p", { class: "note" }, t(`放宽 第${r.line}句第${r.place}字：`, `Relaxed, line ${r.line}, character ${r.place}: `), own(r.why))),
    h("p", { class: "quiet" }, head, " · ", h("span", { class: held === asked ? "ok" : "caution" }, t(`平仄 ${held}/${asked} ✓`, `tones ${held}/${asked} ✓`)), " · ",
      poem.novel ? h("span", { class: "ok" }, t("每句都是新的", "every line is new")) : h("span", { class: "caution" }, t("有旧句", "an old line stands in it")), " · ",
      longest ? t(`与旧诗最长相同 ${longest} 字`, `longest run shared with an old poem: ${longest} characters`) : t("与旧诗没有四字相同", "no four characters in a row as in an old poem")),
  ];
}
