// A poem as a picture of A4 at 300 dpi: vertical lines from the right, a small red seal.
const WIDE = 2480, TALL = 3508;

export function poemPicture(lines, title, seed) {
  const canvas = Object.assign(document.createElement("canvas"), { width: WIDE, height: TALL }), pen = canvas.getContext("2d");
  const family = '"Noto Serif CJK SC","Noto Serif SC","Songti SC",serif';
  pen.fillStyle = "#f8f4ea";
  pen.fillRect(0, 0, WIDE, TALL);
  pen.strokeStyle = "#ddd5c4";
  pen.lineWidth = 6;
  pen.strokeRect(130, 130, WIDE - 260, TALL - 260);
  const columns = lines.length + (title ? 1 : 0), gap = Math.min(400, (WIDE - 560) / columns), size = Math.min(gap * 0.66, (TALL - 900) / Math.max(...lines.map((l) => l.length)) / 1.24);
  const left = (WIDE - gap * columns) / 2, top = (TALL - size * 1.24 * Math.max(...lines.map((l) => l.length))) / 2;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const column = (text, k, scale, colour) => {
    pen.fillStyle = colour;
    pen.font = `500 ${size * scale}px ${family}`;
    [...text].forEach((c, n) => pen.fillText(c, WIDE - left - gap * (k + 0.5), top + size * 1.24 * scale * (n + 0.5)));
  };
  if (title) column(title.slice(0, 12), 0, 0.55, "#6b645a");
  lines.forEach((line, n) => column(line, n + (title ? 1 : 0), 1, "#1f1b16"));
  pen.fillStyle = "#b5372a";
  pen.beginPath();
  pen.roundRect(260, TALL - 520, 220, 220, 26);
  pen.fill();
  pen.fillStyle = "#f8f4ea";
  pen.font = `600 84px ${family}`;
  pen.fillText(String(seed).slice(-3), 370, TALL - 408);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}
