// The microphone: pieces of samples, and what has been said as a WAV file.
import { Refused } from "./api.js";
import { t } from "./words.js";

const COLUMN = 0.02; // seconds of a column of the waveform

export function pcm(samples) {
  const found = new Int16Array(samples.length);
  for (let k = 0; k < samples.length; k++) found[k] = Math.max(-32768, Math.min(32767, Math.round(32768 * samples[k])));
  return found;
}

export function peaks(samples, rate) {
  const size = Math.max(1, Math.round(COLUMN * rate)), found = [];
  for (let k = 0; k < samples.length; k += size) {
    let low = Infinity, high = -Infinity;
    for (const v of samples.subarray(k, k + size)) {
      if (v < low) low = v;
      if (v > high) high = v;
    }
    found.push([low, high]);
  }
  return found;
}

// Mono, 16 bits.
export function wav(parts, rate) {
  const bytes = parts.reduce((sum, p) => sum + p.byteLength, 0);
  const head = new DataView(new ArrayBuffer(44)), text = (at, s) => [...s].forEach((c, k) => head.setUint8(at + k, c.charCodeAt(0)));
  text(0, "RIFF"); head.setUint32(4, 36 + bytes, true); text(8, "WAVEfmt ");
  head.setUint32(16, 16, true); head.setUint16(20, 1, true); head.setUint16(22, 1, true);
  head.setUint32(24, rate, true); head.setUint32(28, 2 * rate, true); head.setUint16(32, 2, true); head.setUint16(34, 16, true);
  text(36, "data"); head.setUint32(40, bytes, true);
  return new Blob([head, ...parts], { type: "audio/wav" });
}

// Opens the microphone and gives each piece to `heard(samples, rate)`; returns what closes it.
export async function microphone(heard) {
  if (!navigator.mediaDevices) throw new Refused(t("浏览器只在本机地址或 https 上开放话筒：请用 localhost 打开工作室", "The browser opens the microphone only at this machine's own address or over https: open the studio at localhost"));
  let sound;
  try {
    sound = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true } });
  } catch (error) {
    throw new Refused(error.name === "NotFoundError" ? t("没有找到话筒：请接上话筒，或打开一段录音", "There is no microphone: plug one in, or open a recording") : t("话筒没有打开：请在浏览器里允许使用话筒", "The microphone stayed closed: allow it in the browser"));
  }
  const context = new AudioContext();
  const close = async () => {
    for (const track of sound.getTracks()) track.stop();
    if (context.state !== "closed") await context.close();
  };
  try {
    await context.audioWorklet.addModule("/static/speech_worklet.js");
    const node = new AudioWorkletNode(context, "pieces", { numberOfOutputs: 0 });
    node.port.onmessage = (event) => heard(event.data, context.sampleRate);
    context.createMediaStreamSource(sound).connect(node);
    await context.resume();
  } catch (error) {
    await close();
    throw error;
  }
  return close;
}
