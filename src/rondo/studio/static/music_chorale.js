// A melody in four voices: choose, listen, lock a voice, ask for another way.
import { ask, latest, link, tell } from "./api.js";
import { h, one, options, paused, save } from "./dom.js";
import { own, t } from "./words.js";
import { clock, player } from "./music_play.js";
import { Score, page_width } from "./music_score.js";

const VOICES = { soprano: ["高音", "soprano"], alto: ["中音", "alto"], tenor: ["次中音", "tenor"], bass: ["低音", "bass"] };
const RULES = { fifths: ["平行五度", "parallel fifths"], octaves: ["平行八度", "parallel octaves"], crossing: ["声部交叉", "crossing voices"], spacing: ["声部相距过远", "voices too far apart"], range: ["超出音域", "out of range"] };
// written for this page
const MELODIES = [
  ["morning", t("清晨", "Morning"), "X:1\nT:Morning\nM:4/4\nL:1/4\nK:G\nG|GABG|A3B|cBAG|F3D|GABc|d2cB|ABAF|G3||\n"],
  ["evening", t("黄昏", "Evening"), "X:1\nT:Evening\nM:4/4\nL:1/4\nK:Am\nABcB|A2^G2|ABcd|e4|edcB|c2d2|cBB2|A4||\n"],
  ["three", t("三拍", "In three"), "X:1\nT:In three\nM:3/4\nL:1/4\nK:F\nFGA|B2A|GFG|A3|ABc|d2c|BAG|F3||\n"],
];

export function chorale({ keep, from64, file_name }) {
  const state = { abc: MELODIES[0][2], voice: "soprano", temperature: 0, seed: 1, held: [], ...link.read().chorale };
  const run = latest(), score = new Score(one("#chorale-score"));
  let answer, opened = false;
  const sound = player({ sung: true, at: head, changed: (playing) => {
    one("#chorale-play").setAttribute("aria-pressed", playing);
    one("#chorale-play span").textContent = playing ? "❚❚" : "▶";
    one("#chorale-play").setAttribute("aria-label", playing ? t("停下", "pause") : t("播放", "play"));
  } });
  score.follow = true;

  const body = () => ({ abc: state.abc, voice: state.voice, temperature: state.temperature, seed: state.seed, width: page_width(),
    locked: Object.fromEntries(answer ? state.held.filter((v) => v !== state.voice).map((v) => [v, answer.voices[v]]) : []) });

  async function harmonise() {
    tell(one("#chorale-fault"));
    one("#chorale-score").classList.add("busy");
    one("#chorale-progress").hidden = false;
    one("#chorale-progress i").style.width = "35%";
    one("#chorale-said").textContent = t("正在配和声……", "Setting the voices …");
    try {
      const found = await run((signal) => ask("music/harmony", body(), signal));
      if (!found) return;
      answer = found;
      show();
    } catch (error) {
      one("#chorale-said").textContent = "";
      tell(one("#chorale-fault"), error);
    } finally {
      one("#chorale-score").classList.remove("busy");
      one("#chorale-progress").hidden = true;
    }
  }

  function show() {
    one("#chorale-name").textContent = answer.title;
    score.draw(answer.svg);
    if (!answer.svg) one("#chorale-score").textContent = answer.abc;
    sound.load(answer.sounds, answer.seconds);
    one("#chorale-notes").replaceChildren(...answer.notes.map((note) => h("p", { class: "note" }, own(note))));
    const told = answer.broken.map((b) => `${t(...(RULES[b.rule] ?? [b.rule, b.rule]))} (${t(`第 ${b.bar + 1} 小节`, `bar ${b.bar + 1}`)}: ${b.voices.map((v) => t(...VOICES[v])).join(t("、", ", "))})`);
    one("#chorale-said").replaceChildren(...(told.length
      ? [h("span", { class: "caution" }, t("还有：", "Still there: ") + told.join(t("；", "; ")))]
      : [h("span", { class: "ok" }, "✓ "), t("没有平行五度或八度，没有交叉，都在音域之内。", "No parallel fifths or octaves, no crossing, all within range.")]));
    locks();
    keep();
  }

  function locks() {
    one("#locks").replaceChildren(...Object.entries(VOICES).map(([voice, names]) => {
      const given = voice === state.voice;
      return h("button", { type: "button", class: "small voice-lock", disabled: given, "data-voice": voice, "aria-pressed": String(given || state.held.includes(voice)), onclick: () => {
        state.held = state.held.includes(voice) ? state.held.filter((v) => v !== voice) : [...state.held, voice];
        locks();
        one(`[data-voice=${voice}]`).focus();
      } }, t(...names));
    }));
  }

  function head(seconds) {
    one("#chorale-clock").textContent = answer ? `${clock(seconds)} / ${clock(answer.seconds)}` : "0:00";
    if (!answer) return;
    const now = answer.sounds.filter((s) => s.start <= seconds + 0.001 && seconds < s.start + s.seconds);
    if (!now.length || (!sound.playing && seconds === 0)) return score.quiet();
    const bar = Math.max(...now.map((s) => s.bar)), begin = Math.min(...answer.sounds.filter((s) => s.bar === bar).map((s) => s.start));
    const after = answer.sounds.find((s) => s.bar > bar)?.start ?? answer.seconds;
    score.sounding(now.map((s) => `${"satb"[s.voice]}-n${s.note}`), Math.min(1, ((seconds - begin) / (after - begin)) * 0.9 + 0.07), bar);
  }

  const fresh = () => { state.seed = 1 + Math.floor(Math.random() * 999999); one("#chorale-seed").value = state.seed; };
  one("#harmonise").addEventListener("click", harmonise);
  one("#another").addEventListener("click", () => { fresh(); if (!state.temperature) one("#variety").value = state.temperature = 0.8; harmonise(); });
  one("#part").addEventListener("change", (event) => { state.voice = event.target.value; state.held = []; harmonise(); });
  one("#variety").addEventListener("change", (event) => { state.temperature = Number(event.target.value); harmonise(); });
  one("#chorale-seed").addEventListener("change", (event) => { state.seed = Math.max(0, Math.floor(Number(event.target.value)) || 0); harmonise(); });
  one("#melodies").addEventListener("change", (event) => {
    const found = MELODIES.find(([id]) => id === event.target.value);
    if (!found) return;
    Object.assign(state, { abc: found[2], voice: "soprano", held: [] });
    fill();
    harmonise();
  });
  one("#melody").addEventListener("input", paused(700, () => { Object.assign(state, { abc: one("#melody").value, held: [] }); harmonise(); }));
  one("#chorale-order").addEventListener("submit", (event) => event.preventDefault());
  one("#chorale-play").addEventListener("click", () => sound.toggle());
  one("#save-chorale-abc").addEventListener("click", () => answer && save(new Blob([answer.abc], { type: "text/vnd.abc" }), file_name(answer.title, "abc")));
  one("#save-chorale-svg").addEventListener("click", () => answer?.svg && save(new Blob([answer.svg], { type: "image/svg+xml" }), file_name(answer.title, "svg")));
  one("#save-chorale-midi").addEventListener("click", async () => {
    try { save(new Blob([from64((await ask("music/harmony/midi", body())).data)], { type: "audio/midi" }), file_name(answer.title, "mid")); } catch (error) { tell(one("#chorale-fault"), error); }
  });

  function fill() {
    one("#melody").value = state.abc;
    one("#part").value = state.voice;
    one("#variety").value = state.temperature;
    one("#chorale-seed").value = state.seed;
    one("#melodies").replaceChildren(...options([["", t("例子", "examples")], ...MELODIES.map(([id, name]) => [id, name])], MELODIES.find((m) => m[2] === state.abc)?.[0] ?? ""));
  }

  fill();
  locks();
  return { open: () => { if (!opened) { opened = true; harmonise(); } }, stop: () => sound.stop(), state: () => state };
}
