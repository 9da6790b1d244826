// Verse on a canvas, as a PNG of A4 at 300 dpi: textPicture for lines of a poem, scrollPicture for a couplet.
export const A4 = [2480, 3508];
const DOTS = 11811; // a metre: 300 dpi
const SERIF = '"Noto Serif CJK SC", "Noto Serif SC", "Songti SC", "Source Han Serif SC", "SimSun", serif';
const PAPER = "#f8f4ea", LEAF = "#fdfbf5", INK = "#1f1b16", QUIET = "#6b645a", LINE = "#ddd5c4", CINNABAR = "#b5372a", RED = "#a3201d", GOLD = "#f2cf7e";

// What draw(pen, width, height) draws, as a blob.
export async function picture(draw, [width, height] = A4) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const pen = canvas.getContext("2d");
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  draw(pen, width, height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  return sized(new Uint8Array(await blob.arrayBuffer()));
}

// Lines of verse in columns from the right, a title before them, a small seal below. o: {title, seal}
export const textPicture = (lines, o = {}) =>
  picture((pen, width, height) => {
    ground(pen, width, height);
    const most = Math.max(...lines.map((line) => [...line].length));
    const columns = lines.length + (o.title ? 1 : 0);
    const gap = Math.min(400, (width - 560) / columns);
    const size = Math.min(gap * 0.66, (height - 900) / most / 1.24);
    const top = (height - size * 1.24 * most) / 2, right = (width + gap * columns) / 2;
    const x = (k) => right - gap * (k + 0.5);
    if (o.title) column(pen, o.title, x(0), top, size * 0.55, size * 0.68, QUIET);
    lines.forEach((line, n) => column(pen, line, x(n + (o.title ? 1 : 0)), top, size, size * 1.24, INK));
    if (o.seal != null) seal(pen, String(o.seal), 370, height - 410, 220);
  });

// A couplet on two scrolls, the first line on the right; red with a heading over them for spring. o: {heading, seal, red}
export const scrollPicture = (upper, lower, o = {}) =>
  picture((pen, width, height) => {
    ground(pen, width, height, o.red ? "#ffffff" : PAPER);
    const wide = 600, high = o.heading ? 2520 : 2960, top = o.heading ? 780 : 260;
    const at = o.red ? [width - 270 - wide, 270] : [width / 2 + 170, width / 2 - 170 - wide];
    [upper, lower].forEach((line, n) => {
      strip(pen, at[n], top, wide, high, o.red);
      upright(pen, line, at[n] + wide / 2, top, [wide, high], { colour: o.red ? GOLD : INK, weight: o.red ? 700 : 500, turn: n ? -1 : 1 });
    });
    if (o.heading) {
      const long = 1720;
      strip(pen, (width - long) / 2, 200, long, 460, true);
      [...o.heading].reverse().forEach((c, n) => letter(pen, c, (width - long) / 2 + (long / 4) * (n + 0.5), 430, 300, GOLD, 700));
    }
    if (o.seal != null && !o.red) seal(pen, String(o.seal), at[1] + 120, top + high - 120, 110);
  });

function ground(pen, width, height, colour = PAPER) {
  pen.fillStyle = colour;
  pen.fillRect(0, 0, width, height);
}

function strip(pen, x, y, wide, high, red) {
  pen.fillStyle = red ? RED : LEAF;
  pen.fillRect(x, y, wide, high);
  pen.lineWidth = red ? 7 : 4;
  pen.strokeStyle = red ? GOLD : LINE;
  const inside = red ? 26 : 0;
  pen.strokeRect(x + inside, y + inside, wide - 2 * inside, high - 2 * inside);
  if (!red) {
    pen.fillStyle = "#cdbf9f"; // the rollers
    for (const end of [y - 34, y + high]) pen.fillRect(x - 22, end, wide + 44, 34);
  }
}

// A line in one column, a gap where it has a comma; two where it is long, from the right, or from the left (turn -1).
function upright(pen, line, x, top, [wide, high], { colour, weight, turn }) {
  const rows = columnsOf(line), most = Math.max(...rows.map((row) => [...row].length));
  const pitch = Math.min((high - 240) / most, 540), size = Math.min(pitch * 0.9, (wide / rows.length) * 0.72);
  const start = top + (high - pitch * most) / 2;
  rows.forEach((row, n) => column(pen, row, x + (rows.length > 1 ? (0.5 - n) * (wide / 2.1) * turn : 0), start, size, pitch, colour, weight));
}

// A long line is written in two columns.
export function columnsOf(line) {
  const chars = [...line];
  if (chars.length <= 11) return [line.replaceAll("，", "　")];
  const middle = chars.length / 2;
  const commas = chars.flatMap((c, n) => (c === "，" ? [n] : [])).sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle));
  const cut = commas.length ? commas[0] : Math.ceil(middle);
  return [chars.slice(0, cut), chars.slice(commas.length ? cut + 1 : cut)].map((part) => part.join("").replaceAll("，", "　"));
}

function column(pen, text, x, top, size, pitch, colour, weight = 500) {
  [...text].forEach((c, n) => letter(pen, c, x, top + pitch * (n + 0.5), size, colour, weight));
}

function letter(pen, c, x, y, size, colour, weight) {
  pen.fillStyle = colour;
  pen.font = `${weight} ${size}px ${SERIF}`;
  pen.fillText(c, x, y + size * 0.04);
}

function seal(pen, text, x, y, size) {
  pen.fillStyle = CINNABAR;
  pen.beginPath();
  pen.roundRect(x - size / 2, y - size / 2, size, size, size / 8);
  pen.fill();
  letter(pen, text.slice(-3), x, y, size * 0.42, PAPER, 600);
}

// The same PNG with its resolution, so that it prints at its size: a pHYs chunk after the header.
function sized(bytes) {
  const chunk = new DataView(new ArrayBuffer(21));
  chunk.setUint32(0, 9);
  [..."pHYs"].forEach((c, n) => chunk.setUint8(4 + n, c.charCodeAt(0)));
  chunk.setUint32(8, DOTS);
  chunk.setUint32(12, DOTS);
  chunk.setUint8(16, 1);
  chunk.setUint32(17, crc(new Uint8Array(chunk.buffer, 4, 13)));
  return new Blob([bytes.slice(0, 33), chunk.buffer, bytes.slice(33)], { type: "image/png" });
}

function crc(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let k = 0; k < 8; k++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}
