// The surprises on the door, drawn: luck upside down, firecrackers, a paper-cut, a lantern, a red envelope.
import { svg } from "./dom.js";

const RED = "#b3261e", DEEP = "#8c1915", GOLD = "#f0c96a", PAPER = "#f8eed6";
const character = (c, size, fill, more = {}) =>
  svg("text", { "font-size": size, fill, "text-anchor": "middle", "dominant-baseline": "central", class: "seal-char", ...more }, c);
const picture = (width, height, ...children) =>
  svg("svg", { viewBox: `${-width / 2} ${-height / 2} ${width} ${height}`, "aria-hidden": "true" }, ...children);
const around = (n, make) => Array.from({ length: n }, (_, k) => make((360 / n) * k));

export const drawing = (kind, mark) => DRAWN[kind](mark);

const luck = (mark) =>
  picture(220, 220,
    svg("rect", { x: -72, y: -72, width: 144, height: 144, fill: RED, transform: "rotate(45)" }),
    svg("rect", { x: -64, y: -64, width: 128, height: 128, fill: "none", stroke: GOLD, "stroke-width": 2.5, transform: "rotate(45)" }),
    character(mark, 104, GOLD, { transform: "rotate(180)" }));

// A round paper-cut: what is black in the mask is cut out of the red paper.
const zodiac = (mark) =>
  picture(220, 220,
    svg("circle", { r: 104, fill: PAPER }),
    svg("mask", { id: "cut", maskUnits: "userSpaceOnUse", x: -110, y: -110, width: 220, height: 220 },
      svg("circle", { r: 92, fill: "white" }),
      around(28, (turn) => svg("circle", { cy: -92, r: 8.6, fill: "white", transform: `rotate(${turn})` })),
      around(28, (turn) => svg("circle", { cy: -91, r: 3, fill: "black", transform: `rotate(${turn})` })),
      around(14, (turn) => svg("path", { d: "M0-82C7-74 6-66 0-60C-6-66-7-74 0-82Z", fill: "black", transform: `rotate(${turn})` })),
      around(14, (turn) => svg("path", { d: "M0-79L1.6-70L0-62L-1.6-70Z", fill: "white", transform: `rotate(${turn})` })),
      around(14, (turn) => svg("circle", { cy: -66, r: 2.8, fill: "black", transform: `rotate(${turn + 180 / 14})` })),
      around(4, (turn) => svg("path", { d: "M-35-40.5A53.5 53.5 0 0 1 35-40.5", fill: "none", stroke: "black", "stroke-width": 3, transform: `rotate(${turn})` })),
      character(mark, 78, "black", { y: -2 })),
    svg("circle", { r: 102, fill: RED, mask: "url(#cut)" }));

const cracker = (k) =>
  svg("g", { transform: `translate(0 ${-112 + k * 21}) rotate(${k % 2 ? 38 : -38})` },
    svg("rect", { x: k % 2 ? -1 : -25, y: -6, width: 26, height: 12, rx: 2, fill: RED }),
    svg("rect", { x: k % 2 ? 2 : -22, y: -6, width: 4, height: 12, fill: GOLD }),
    svg("rect", { x: k % 2 ? 18 : -6, y: -6, width: 4, height: 12, fill: GOLD }));

const firecrackers = () =>
  picture(80, 300,
    svg("path", { d: "M0-150V112", stroke: GOLD, "stroke-width": 2 }),
    svg("circle", { cy: -138, r: 9, fill: GOLD }),
    Array.from({ length: 10 }, (_, k) => cracker(k)),
    svg("g", { transform: "translate(0 126)" },
      around(12, (turn) => svg("path", { d: `M0 0L-2.4-${turn % 60 ? 11 : 17}L0-${turn % 60 ? 17 : 25}L2.4-${turn % 60 ? 11 : 17}Z`, fill: turn % 60 ? "#f6a83c" : GOLD, transform: `rotate(${turn})` })),
      svg("circle", { r: 5, fill: "#fff3cf" })));

const riddle = (mark) =>
  picture(180, 260,
    svg("path", { d: "M0-130V-84", stroke: GOLD, "stroke-width": 2.5 }),
    svg("ellipse", { cy: -20, rx: 80, ry: 62, fill: RED }),
    [26, 54].map((rx) => svg("ellipse", { cy: -20, rx, ry: 62, fill: "none", stroke: DEEP, "stroke-width": 2 })),
    svg("rect", { x: -30, y: -90, width: 60, height: 13, rx: 3, fill: GOLD }),
    svg("rect", { x: -30, y: 37, width: 60, height: 13, rx: 3, fill: GOLD }),
    [-18, -9, 0, 9, 18].map((x) => svg("path", { d: `M${x} 50V${x ? 108 : 118}`, stroke: x % 2 ? GOLD : RED, "stroke-width": 3 })),
    character(mark, 66, GOLD, { y: -20 }));

const envelope = (mark) =>
  picture(170, 340,
    svg("rect", { x: -72, y: -100, width: 144, height: 200, rx: 8, fill: RED, stroke: GOLD, "stroke-width": 2 }),
    svg("path", { d: "M-72-92Q-72-100-64-100H64Q72-100 72-92L0-34Z", fill: DEEP, stroke: GOLD, "stroke-width": 1.5, class: "flap" }),
    svg("circle", { cy: 12, r: 40, fill: "none", stroke: GOLD, "stroke-width": 2.5 }),
    character(mark, 54, GOLD, { y: 12 }),
    svg("path", { d: "M-44 78H44", stroke: GOLD, "stroke-width": 1.5 }));

const DRAWN = { luck, zodiac, firecrackers, riddle, envelope };
