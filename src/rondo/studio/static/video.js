// A player over a strip of answers: stick figures from joints, or the small picture that the model of pixels reads.
import { Refused, ask, latest, link, send, tell } from "./api.js";
import { all, h, one, svg } from "./dom.js";
import { lang, t } from "./words.js";

const FIGURES = [["run", "跑", "run"], ["walk", "走", "walk"], ["wave1", "单手挥动", "wave one hand"], ["wave2", "双手挥动", "wave both"], ["jack", "开合跳", "jumping jack"], ["bend", "弯腰", "bend"], ["clap", "拍手", "clap"], ["pullup", "引体向上", "pull-up"], ["stand", "站着", "stand"]];
const COLORS = ["c0", "c1", "c2", "c3", "c4"], DASHES = ["", "7 4", "2 3", "9 3 2 3", "5 2"];
const LARGEST = 32 << 20;
const run = latest();
const state = { name: "run", reads: "joints", ...link.read() };
let seen, frame = 0, going = !matchMedia("(prefers-reduced-motion: reduce)").matches, ticking = 0;

const said = (answer) => (answer.action === "none" ? t("以上都不是", "none of these") : lang === "zh" && answer.chinese ? answer.chinese : answer.action);
const percent = (p) => `${Math.round(100 * p)} %`;

one("#figures").append(...FIGURES.map(([name, zh, en]) => h("button", { type: "button", "data-name": name, onclick: () => example({ name }) }, t(zh, en))));
one("#reads").value = state.reads;
one("#reads").addEventListener("change", () => example({ reads: one("#reads").value }));
one("#file").addEventListener("change", () => opened(one("#file").files[0]));
one("#play").addEventListener("click", () => play(!going));
one("#at").addEventListener("input", () => { play(false); show(Number(one("#at").value)); });
one("#strip").addEventListener("click", (event) => {
  if (!seen) return;
  const box = one("#strip").getBoundingClientRect();
  play(false);
  show(Math.floor(((event.clientX - box.left) / box.width) * shown()));
});

async function example(change) {
  Object.assign(state, change);
  link.write(state);
  marked();
  await answered((signal) => ask("video/example", state, signal));
}

function marked(own = "") {
  for (const button of all("#figures button")) button.setAttribute("aria-pressed", !own && button.dataset.name === state.name);
}

async function opened(file) {
  if (!file) return;
  one("#file").value = "";
  await answered(async (signal) => {
    if (file.size > LARGEST) throw new Refused(t("文件最大 32 MB：请截取一段", "A file has at most 32 MB: cut out a part of it"));
    if (!/\.json$/i.test(file.name)) return send(`video/file?reads=${state.reads === "joints" && seen?.estimator ? "joints" : "pixels"}`, file, signal);
    let row;
    try { row = JSON.parse(await file.text()); } catch (error) { throw new Refused(t(`${file.name} 不是 JSON：`, `${file.name} is not JSON: `) + error.message); }
    const { pose, layout = "jhmdb15", per_second = row?.fps ?? 25 } = row ?? {};
    return ask("video/joints", { pose, layout, per_second }, signal);
  }, file.name);
}

// What stood there stays until the new answer comes, and where it is refused.
async function answered(work, name = "") {
  const card = one(".video-card");
  card.classList.add("busy");
  card.setAttribute("aria-busy", "true");
  try {
    const found = await run(work);
    if (!found) return;
    seen = found;
    if (name) marked(name);
    tell(one("#alert"));
    drawn();
  } catch (error) {
    tell(one("#alert"), error);
  } finally {
    card.classList.remove("busy");
    card.removeAttribute("aria-busy");
  }
}

const shown = () => Math.min(seen.response.frames, seen.response.timeline.length);

function drawn() {
  const { response } = seen, sure = response.answer.action !== "none";
  one("#answer").className = `answer serif ${sure ? "" : "none"}`;
  one("#answer").replaceChildren(said(response.answer), " ", h("small", {}, sure ? percent(response.answer.p) : t(`最像的只有 ${percent(response.answer.p)}，界限 ${percent(response.threshold)}`, `the likeliest: ${percent(response.answer.p)}, named above ${percent(response.threshold)}`)));
  one("#ranks").replaceChildren(...response.ranks.slice(0, 6).map((rank) => h("li", {}, h("span", {}, said(rank)), h("span", { class: "bar" }, h("i", { style: { width: percent(rank.p).replace(" ", "") } })), h("span", { class: "p" }, percent(rank.p)))));
  one("#notes").replaceChildren(...response.notes.map((note) => h("p", { class: "note" }, half(note))));
  one("#at").max = shown() - 1;
  const pixels = response.reads === "pixels";
  one("#film").hidden = !pixels;
  one("#body").toggleAttribute("hidden", pixels);
  seen.box = pixels ? undefined : boxed(seen.pose);
  seen.bytes = pixels ? Uint8Array.from(atob(seen.film), (c) => c.charCodeAt(0)) : undefined;
  strip();
  show(0);
  play(going);
}

const half = (message) => { const at = message.indexOf(" / "); return at < 0 ? message : lang === "zh" ? message.slice(0, at) : message.slice(at + 3); };

function boxed(pose) {
  const xs = pose.flatMap((p) => p.map((j) => j[0])), ys = pose.flatMap((p) => p.map((j) => j[1]));
  const top = Math.min(...ys), bottom = Math.max(...ys), wide = Math.max(...xs) - Math.min(...xs), tall = Math.max(bottom - top, 1e-6);
  const follow = wide / tall > 1.4; // who goes away is followed
  return { top, bottom, follow, middle: (Math.max(...xs) + Math.min(...xs)) / 2, scale: Math.min(250 / tall, follow ? 250 / tall : 370 / Math.max(wide, 1e-6)) };
}

function figure(at) {
  const { pose, bones, box } = seen, joints = pose[at];
  const middle = box.follow ? joints.reduce((sum, j) => sum + j[0], 0) / joints.length : box.middle;
  const place = ([x, y]) => [200 + (x - middle) * box.scale, 275 - (box.bottom - y) * box.scale];
  const ground = box.follow ? [...Array(7)].map((_, k) => svg("line", { class: "ground", ...tick(k, middle * box.scale) })) : [];
  const limbs = bones.map(([a, b]) => { const [x1, y1] = place(joints[a]), [x2, y2] = place(joints[b]); return svg("line", { x1, y1, x2, y2, class: [4, 6, 8, 10, 12, 14].includes(b) ? "far" : "" }); });
  limbs.sort((a, b) => b.classList.contains("far") - a.classList.contains("far"));
  const [cx, cy] = place(joints[2]), [nx, ny] = place(joints[0]);
  const head = Math.max(7, Math.min(20, 0.9 * Math.hypot(cx - nx, cy - ny)));
  one("#body").replaceChildren(svg("line", { class: "ground", x1: 0, x2: 400, y1: 281, y2: 281 }), ...ground, ...limbs, svg("circle", { cx, cy, r: head }));
}

// Marks on the ground, which run backwards under a figure that is followed.
function tick(k, moved) {
  const x = ((((k * 80 - moved) % 560) + 560) % 560) - 80;
  return { x1: x, x2: x - 12, y1: 281, y2: 295 };
}

function film(at) {
  const k = Math.min(Math.floor(at / seen.film_every), seen.bytes.length / 4096 - 1), context = one("#film").getContext("2d");
  const picture = context.createImageData(64, 64);
  for (let n = 0; n < 4096; n++) {
    picture.data.fill(seen.bytes[k * 4096 + n], 4 * n, 4 * n + 3);
    picture.data[4 * n + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

function show(at) {
  frame = Math.max(0, Math.min(shown() - 1, at));
  const { response } = seen, part = response.segments.find((s) => s.start <= frame && frame < s.end);
  if (response.reads === "joints") figure(frame); else film(frame);
  one("#at").value = frame;
  one("#at").setAttribute("aria-valuetext", `${frame + 1}: ${said(part)}`);
  one("#clock").textContent = `${(frame / response.per_second).toFixed(2)} s · ${frame + 1}/${response.frames}`;
  one("#now").textContent = t("这一帧：", "this frame: ") + `${said(part)} ${part.action === "none" ? "" : percent(response.timeline[frame][response.actions.indexOf(part.action)])}`;
  const x = (room() * (frame + 0.5)) / shown(), head = one("#strip .head");
  head?.setAttribute("x1", x);
  head?.setAttribute("x2", x);
}

// The strip is as wide as its place, so that its letters are as large as the others.
const room = () => Math.max(260, Math.round(one("#strip").parentElement.clientWidth));
addEventListener("resize", () => { if (seen) { strip(); show(frame); } });

function strip() {
  const { response } = seen, count = shown(), wide = (n) => (room() * n) / count, tall = 90, top = 40;
  const best = response.ranks.filter((r) => r.action !== "none").slice(0, 4).map((r) => r.action);
  const color = (action) => COLORS[Math.max(0, best.indexOf(action)) % COLORS.length];
  const parts = response.segments.filter((s) => s.start < count).map((s) => {
    const w = wide(Math.min(s.end, count) - s.start), none = s.action === "none";
    const box = svg("rect", { class: none ? "run none" : `run ${color(s.action)}`, x: wide(s.start), y: 2, width: w, height: 28, rx: 3 }, svg("title", {}, `${said(s)} ${percent(s.p)}`));
    const text = said(s), fits = w > 8 + text.length * (lang === "zh" ? 13 : 7.5);
    return [box, fits && svg("text", { class: none ? "label none" : "label", x: wide(s.start) + w / 2, y: 21, "text-anchor": "middle" }, text)];
  });
  const y = (p) => top + (1 - p) * tall;
  const lines = best.map((action, n) => {
    const k = response.actions.indexOf(action);
    const d = response.timeline.slice(0, count).map((row, f) => `${f ? "L" : "M"}${wide(f + 0.5).toFixed(1)} ${y(row[k]).toFixed(1)}`).join("");
    return svg("path", { class: `series ${COLORS[n]}`, d, "stroke-dasharray": DASHES[n] });
  });
  const names = best.map((action, n) => svg("text", { x: 4 + (room() / 4) * n, y: top + tall + 20, class: COLORS[n] }, `${["—", "– –", "· ·", "– ·"][n]} ${said(response.ranks.find((r) => r.action === action))}`));
  const limit = svg("line", { class: "cq", x1: 0, x2: room(), y1: y(response.threshold), y2: y(response.threshold), "stroke-dasharray": "3 4" });
  one("#strip").setAttribute("viewBox", `0 0 ${room()} ${top + tall + 28}`);
  one("#strip").setAttribute("aria-label", response.segments.map((s) => `${(s.start / response.per_second).toFixed(1)}–${(s.end / response.per_second).toFixed(1)} s ${said(s)}`).join("; "));
  one("#strip").replaceChildren(svg("line", { class: "grid", x1: 0, x2: room(), y1: y(0), y2: y(0) }), limit, ...parts.flat().filter(Boolean), ...lines, ...names, svg("line", { class: "head", y1: 0, y2: top + tall }));
}

function play(on) {
  going = on;
  clearInterval(ticking);
  one("#play").textContent = on ? t("暂停", "pause") : t("播放", "play");
  one("#play").setAttribute("aria-pressed", on);
  if (on) ticking = setInterval(() => seen && !document.hidden && show((frame + 1) % shown()), 1000 / seen.response.per_second);
}

example({});
