// The speech page: a recording or the microphone, its waveform, and the words under it as they are heard.
import { Refused, ask, latest, link, send, stream, tell } from "./api.js";
import { copy, h, one, save } from "./dom.js";
import { microphone, pcm, peaks, wav } from "./speech_mic.js";
import { Wave, time, unsure } from "./speech_wave.js";
import { own, t } from "./words.js";

const EXAMPLES = {
  fox: { file: "/static/speech-fox.wav", model: "speech-sentences", name: [t("狐狸与狗（合成语音）", "fox and dog (synthetic)")] },
  digits: { file: "/static/speech-digits.wav", model: "speech-digits", name: [t("六个数字（合成语音）", "six digits (synthetic)")] },
};
const TITLES = {
  "speech-digits": t("英语数字串", "English digits"),
  "speech-digits-live": t("英语数字串，实时", "English digits, live"),
  "speech-an4": t("拼读与口令（AN4）", "spelled words and commands (AN4)"),
  "speech-sentences": t("英语句子（合成语音）", "English sentences (synthetic speech)"),
};
const state = { model: "", decoding: "auto", example: "fox" };
const run = latest(), audio = one("#audio"), wave = new Wave(one("#roll"), playWord);
let models = [], words = [], answer = null, sound = null, until = null, closing = null;

const model = () => models.find((m) => m.name === state.model);

function keep() {
  const { model, decoding, example } = state;
  link.write({ model, ...(decoding === "auto" ? {} : { decoding }), ...(example ? { example } : {}) });
}

// --- a recording ---
const fetched = ({ file }) => async (signal) => (await fetch(file, { signal })).blob();

// The recording comes from `source(signal)` inside the run, so one that arrives late never replaces what was asked for after it.
async function read(source, least) {
  await stop();
  tell(one("#fault"));
  setSound(null);
  begin(least);
  try {
    const query = `speech?model=${encodeURIComponent(state.model)}&decoding=${state.decoding}`;
    const queued = (n) => { one("#clock").textContent = n ? t(`前面还有 ${n} 件`, `${n} before this one`) : ""; };
    const found = await run(async (signal) => {
      const blob = await source(signal);
      signal.throwIfAborted();
      setSound(blob);
      return stream(query, blob, { signal, record, queued });
    });
    if (!found) return;
    finish(found);
  } catch (error) {
    settle();
    if (!wave.columns.length) heard([], [], "");
    tell(one("#fault"), error);
  }
}

function begin(least) {
  words = [];
  answer = null;
  answered();
  wave.clear(least);
  heard([], [], t("正在听……", "Listening …"));
  table();
  one("#notes").replaceChildren();
  one("#progress").hidden = false;
  one("#progress i").style.width = "0";
  one("#sheet").setAttribute("aria-busy", "true");
}

function record(found) {
  if (!found.peaks) return;
  wave.add(found.peaks, found.seconds);
  one("#progress i").style.width = `${Math.min(100, (100 * found.seconds) / Math.max(found.of, 0.01))}%`;
  words.push(...(found.words ?? []));
  show(found.going ?? []);
}

function finish(found) {
  answer = found;
  words = found.words;
  settle();
  show([]);
  if (!words.length) heard([], [], t("没有听到词", "no word was heard"));
  one("#notes").replaceChildren(...found.notes.map((note) => h("p", { class: "note" }, own(note))));
  table();
}

function settle() {
  one("#progress").hidden = true;
  one("#sheet").removeAttribute("aria-busy");
  answered();
  one("#clock").textContent = wave.seconds ? t(`共 ${wave.seconds.toFixed(1)} 秒`, `${wave.seconds.toFixed(1)} s`) : "";
}

function answered() {
  for (const button of ["#copy", "#save"]) one(button).disabled = !answer;
}

function show(going) {
  wave.words = words;
  wave.going = going;
  wave.draw();
  heard(words, going, t("正在听……", "Listening …"));
}

function heard(settled, going, otherwise) {
  const nodes = [...settled.map((w, k) => h("span", { class: unsure(w) ? "caution" : "", "data-k": k }, w.word)), ...going.map((w) => h("span", { class: "going" }, w.word))];
  const spaced = nodes.flatMap((node, k) => (k ? [" ", node] : [node]));
  one("#heard").replaceChildren(...(nodes.length ? spaced : [h("span", { class: "quiet" }, otherwise)]));
}

function table() {
  one("#words tbody").replaceChildren(...words.map((w) =>
    h("tr", { class: unsure(w) ? "unsure" : "" },
      h("td", {}, w.word), h("td", { class: "number" }, w.start.toFixed(2)), h("td", { class: "number" }, w.end.toFixed(2)),
      h("td", {}, h("span", { class: "meter", "aria-hidden": "true" }, h("i", { style: { width: `${100 * w.p}%` } })), `${Math.round(100 * w.p)}%`))));
}

// --- playing ---
function setSound(blob) {
  if (sound) URL.revokeObjectURL(sound);
  sound = blob && URL.createObjectURL(blob);
  if (sound) audio.src = sound;
  one("#play").disabled = !sound;
}

function playWord(word) {
  if (!sound) return;
  until = word.end + 0.04;
  audio.currentTime = Math.max(0, word.start - 0.02);
  audio.play();
}

function follow() {
  if (until != null && audio.currentTime >= until) audio.pause();
  const k = wave.at(audio.paused ? null : audio.currentTime);
  for (const span of document.querySelectorAll("#heard [data-k]")) span.classList.toggle("now", Number(span.dataset.k) === k);
  document.querySelectorAll("#words tbody tr").forEach((row, n) => row.classList.toggle("now", n === k));
  one("#clock").textContent = audio.paused ? "" : time(audio.currentTime);
  if (audio.paused) settle();
  else requestAnimationFrame(follow);
}

audio.addEventListener("play", () => { one("#play").textContent = t("❚❚ 停", "❚❚ Pause"); follow(); });
audio.addEventListener("pause", () => { one("#play").textContent = t("▶ 播放", "▶ Play"); until = null; });
one("#play").addEventListener("click", () => {
  until = null;
  if (audio.paused) audio.play();
  else audio.pause();
});

// --- the microphone ---
async function start() {
  await stop();
  run.stop();
  tell(one("#fault"));
  const listening = model()?.live ? model() : models.find((m) => m.live);
  if (!listening) return tell(one("#fault"), new Refused(t("没有能实时听的模型：请打开一段录音", "There is no model that listens live: open a recording")));
  if (listening !== model()) choose(listening.name);
  const key = [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16).padStart(2, "0")).join("");
  const kept = [], pending = [];
  let part = 0, rate = 0, sending = null, failed = null, read = 0;
  const hear = (samples, its) => {
    if (failed) return;
    rate = its;
    const data = pcm(samples);
    kept.push(data);
    pending.push(data);
    read += samples.length;
    wave.add(peaks(samples, rate), read / rate);
    wave.draw();
    one("#tape").scrollLeft = one("#tape").scrollWidth;
    sending ??= deliver().catch((error) => { failed = error; stop(); }).finally(() => (sending = null));
  };
  // What has come meanwhile goes together: a slow machine falls behind in time, not in parts.
  const deliver = async () => {
    while (pending.length) await post(pending.splice(0, 50), false);
  };
  const post = async (parts, last) => {
    const found = await send(`speech/live/${key}?part=${part++}&rate=${Math.round(rate)}&model=${state.model}${last ? "&last=true" : ""}`, new Blob(parts));
    words.push(...found.words);
    show(found.going);
    table();
  };
  setSound(null);
  begin();
  one("#progress").hidden = true;
  state.example = "";
  keep();
  try {
    const close = await microphone(hear);
    mic(true);
    closing = async () => {
      mic(false);
      await close();
      await sending;
      if (!failed && read) await post(pending.splice(0), true).catch((error) => { failed = error; });
      if (read) setSound(wav(kept, Math.round(rate)));
      answer = { text: words.map((w) => w.word).join(" "), words, seconds: read / Math.max(1, rate), rate, model: state.model, decoding: "greedy", notes: [] };
      settle();
      if (!words.length) heard([], [], t("没有听到数字：请靠近话筒，用英语一个一个说", "No digit was heard: come nearer, and say English digits one by one"));
      tell(one("#fault"), failed);
    };
  } catch (error) {
    settle();
    heard([], [], "");
    tell(one("#fault"), error);
  }
}

async function stop() {
  audio.pause();
  const close = closing;
  closing = null;
  if (close) await close();
}

function mic(on) {
  one("#mic").setAttribute("aria-pressed", on);
  one("#mic-word").textContent = on ? t("停下", "Stop") : t("打开话筒", "Microphone");
}

// --- controls ---
function choose(name) {
  state.model = name;
  one("#model").value = name;
  const m = model();
  one("#decoding-part").hidden = !m.words;
  const error = t(`留出的录音上，错标记 ${(100 * m.label_error).toFixed(1)}%`, `${(100 * m.label_error).toFixed(1)}% of labels wrong on recordings held out`);
  const kind = m.synthetic ? t("只听过合成语音，听不懂真人；", "has heard synthetic speech alone and does not understand people; ") : "";
  one("#model-said").textContent = kind + error + t("。许可：", ". Licence: ") + m.licence;
}

async function example(name) {
  const { model: wanted } = EXAMPLES[name];
  if (models.some((m) => m.name === wanted)) choose(wanted);
  state.example = name;
  keep();
  await read(fetched(EXAMPLES[name]), 3);
}

let last = null; // the recording that was opened
async function opened(file) {
  last = file;
  state.example = "";
  keep();
  await read(() => file);
}

one("#open").addEventListener("click", () => one("#file").click());
one("#file").addEventListener("change", () => { const [file] = one("#file").files; if (file) opened(file); one("#file").value = ""; });
one("#mic").addEventListener("click", () => (closing ? stop() : start()));
const again = async () => {
  keep();
  if (state.example) await read(fetched(EXAMPLES[state.example]), 3);
  else if (last) await read(() => last);
};
one("#model").addEventListener("change", () => { choose(one("#model").value); again(); });
one("#decoding").addEventListener("change", () => { state.decoding = one("#decoding").value; again(); });
one("#copy").addEventListener("click", () => copy(answer.text, one("#copy")));
one("#save").addEventListener("click", () => save(new Blob([JSON.stringify(answer, null, 1)], { type: "application/json" }), "speech.json"));
addEventListener("keydown", (event) => { if (event.key === "Escape") { run.stop(); stop(); settle(); } });
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => { event.preventDefault(); const [file] = event.dataTransfer.files; if (file) opened(file); });
addEventListener("resize", () => wave.draw());

function none() {
  one("#decoding-part").hidden = true;
  heard([], [], t("这里还没有语音模型", "There is no model of speech here yet"));
  one("#model-said").textContent = t("训练一个：rondo train speech --data 数据夹 --config speech-digits；用命令行听写：rondo speech 录音.wav --model 运行夹", "To train one: rondo train speech --data FOLDER --config speech-digits; to listen from the command line: rondo speech FILE.wav --model RUN");
}

async function open() {
  heard([], [], t("正在打开……", "Opening …"));
  try {
    ({ models } = await ask("speech/models"));
  } catch (error) {
    return tell(one("#fault"), error);
  }
  const given = link.read();
  one("#model").replaceChildren(...models.map((m) => h("option", { value: m.name }, TITLES[m.name] ?? m.title)));
  one("#model").disabled = false;
  one("#examples").replaceChildren(...Object.entries(EXAMPLES).filter(([, e]) => models.some((m) => m.name === e.model)).map(([name, e]) => h("button", { type: "button", class: "small", onclick: () => example(name) }, e.name)));
  for (const button of ["#mic", "#open"]) one(button).disabled = !models.length;
  if (!models.length) return none();
  state.decoding = given.decoding === "greedy" ? "greedy" : "auto";
  one("#decoding").value = state.decoding;
  const shown = Object.keys(EXAMPLES).filter((name) => models.some((m) => m.name === EXAMPLES[name].model));
  choose(models.some((m) => m.name === given.model) ? given.model : models[0].name);
  const wanted = shown.includes(given.example) ? given.example : shown.find((name) => EXAMPLES[name].model === state.model) ?? shown[0];
  if (!wanted) return heard([], [], t("打开话筒，或放一段录音", "Open the microphone, or a recording"));
  await example(wanted);
}
open();
