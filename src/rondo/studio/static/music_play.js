// Sound by WebAudio: notes in seconds, a play head called at every frame, no samples and no network.
let context;

// The first click makes the sound: browsers let no page sound before one.
function audio() {
  context ??= new AudioContext();
  if (context.state === "suspended") context.resume();
  return context;
}

const hertz = (pitch) => 440 * 2 ** ((pitch - 69) / 12);

// A plucked or sung note: a few partials under one envelope.
function sound(to, at, seconds, pitch, sung) {
  const gain = to.context.createGain(), end = at + seconds, level = sung ? 0.11 : 0.2;
  gain.gain.setValueAtTime(0.0001, at);
  gain.gain.linearRampToValueAtTime(level, at + (sung ? 0.05 : 0.012));
  gain.gain.setTargetAtTime(level * (sung ? 0.8 : 0.35), at + 0.05, sung ? 0.5 : 0.18);
  gain.gain.setTargetAtTime(0.0001, Math.max(at + 0.04, end - 0.05), 0.03);
  gain.connect(to);
  for (const [partial, share] of sung ? [[1, 0.7], [2, 0.22], [3, 0.09]] : [[1, 0.62], [2, 0.26], [3, 0.14], [4, 0.06]]) {
    const tone = to.context.createOscillator(), own = to.context.createGain();
    tone.frequency.value = hertz(pitch) * partial;
    own.gain.value = share;
    tone.connect(own).connect(gain);
    tone.start(at);
    tone.stop(end + 0.15);
  }
}

export function player({ sung = false, at = () => {}, changed = () => {} }) {
  let notes = [], seconds = 0, next = 0, from = 0, begun = 0, rate = 1, out, timer, playing = false;
  const now = () => (playing ? from + (context.currentTime - begun) * rate : from);

  function schedule() {
    const until = now() + 0.35 * rate;
    for (; next < notes.length && notes[next].start < until; next++) {
      const note = notes[next];
      sound(out, Math.max(context.currentTime, begun + (note.start - from) / rate), Math.max(0.06, note.seconds / rate - 0.02), note.pitch, sung);
    }
    if (now() > seconds + 0.2) stop(0);
  }

  function frame() {
    if (!playing) return;
    at(now());
    requestAnimationFrame(frame);
  }

  function play(start = from) {
    halt();
    audio();
    out = context.createGain();
    out.gain.value = 0.9;
    const soft = context.createDynamicsCompressor();
    out.connect(soft).connect(context.destination);
    [from, begun, playing] = [start >= seconds - 0.01 ? 0 : start, context.currentTime + 0.06, true];
    next = notes.findIndex((n) => n.start >= from - 0.001);
    if (next < 0) next = notes.length;
    schedule();
    timer = setInterval(schedule, 90);
    changed(true);
    frame();
  }

  // Silence what sounds; what was scheduled goes with its output.
  function halt() {
    clearInterval(timer);
    if (out) { const old = out; old.gain.setTargetAtTime(0, context.currentTime, 0.015); setTimeout(() => old.disconnect(), 120); out = undefined; }
  }

  function stop(place = now()) {
    if (playing) from = place;
    halt();
    playing = false;
    changed(false);
    at(from);
  }

  return {
    load(list, length) { stop(0); [notes, seconds, from] = [list, length, 0]; at(0); },
    toggle: () => (playing ? stop() : play()),
    seek: (place) => { if (playing) play(place); else { from = place; at(from); } },
    speed: (value) => { const place = now(), was = playing; rate = value; if (was) play(place); },
    stop,
    get playing() { return playing; },
  };
}

export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
