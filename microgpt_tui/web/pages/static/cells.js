// A part of the lecturer's screen, drawn in cells that line up whatever the fonts are.
const TALL = 2.1; // height of a row, in widths of a cell
const LARGE = "1.15em"; // how much larger letters of two cells are made, which in most fonts are narrower than that
const RULER = 100; // letters that are measured

// How many cells a character takes, as the lecturer's terminal counts: all take one but those listed.
const WIDTHS = JSON.parse(document.querySelector("#widths").textContent);
export const cells = (character) => {
  const code = character.codePointAt(0);
  let [low, high] = [0, code < WIDTHS[0][0] ? -1 : WIDTHS.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [first, last, width] = WIDTHS[middle];
    if (code >= first && code <= last) return width;
    if (code < first) high = middle - 1;
    else low = middle + 1;
  }
  return 1;
};

// Lines of frames, by where from the middle of the cell they go; drawn, since in few fonts they meet.
const LINES = {
  "─": "lr", "│": "ud", "┌": "dr", "┐": "dl", "└": "ur", "┘": "ul", "╭": "dr", "╮": "dl", "╰": "ur", "╯": "ul",
  "├": "udr", "┤": "udl", "┬": "dlr", "┴": "ulr", "┼": "udlr",
};

// Cuts runs of text into pieces that can be put into their cells: ASCII, or one other character, which may be repeated.
export const pieces = (row) => {
  const found = [];
  let x = 0;
  for (const [text, style] of row) {
    let last = null;
    for (const character of text) {
      const width = cells(character);
      if (width === 0 && last) {
        last.text += character;
        continue;
      }
      const plain = character >= " " && character <= "~";
      const joins = character === "─" || !(character in LINES); // lines that go down stand in single cells
      if (last && joins && width === 1 && last.unit === 1 && (plain ? last.plain : character === last.character)) {
        last.text += character;
        last.width += 1;
      } else {
        last = { text: character, character, plain, unit: width, width, style, x };
        found.push(last);
      }
      x += width;
    }
  }
  return found;
};

// The piece between two columns; nothing of a character that is cut in half.
const clipped = (piece, from, to) => {
  if (piece.x >= from && piece.x + piece.width <= to) return piece;
  const start = Math.max(piece.x, from);
  const width = Math.min(piece.x + piece.width, to) - start;
  if (width <= 0) return null;
  if (piece.unit !== 1 || piece.text.length !== piece.width) return { ...piece, text: " ".repeat(width), x: start, width };
  return { ...piece, text: piece.text.substr(start - piece.x, width), x: start, width };
};

const look = (style) => {
  const [colour = "", ground = "", flags = ""] = style.split("/");
  return { colour, ground, bold: flags.includes("b"), italic: flags.includes("i"), underlined: flags.includes("u") };
};

// Full blocks, eighths of them and halves: how much of the cell is filled, from where.
const filled = (code) => {
  if (code === 0x2580) return ["bottom", 50];
  if (code >= 0x2581 && code <= 0x2588) return ["top", ((code - 0x2580) / 8) * 100];
  if (code > 0x2588 && code <= 0x258f) return ["right", ((0x2590 - code) / 8) * 100];
  return code === 0x2590 ? ["left", 50] : null;
};

const PLACES = {
  l: "0 50% / 50% THICK", r: "100% 50% / 50% THICK", lr: "0 50% / 100% THICK",
  u: "50% 0 / THICK 50%", d: "50% 100% / THICK 50%", ud: "50% 0 / THICK 100%",
};
const lines = (ways, colour) =>
  (ways in PLACES ? [ways] : [...ways]).map((way) => `linear-gradient(${colour}, ${colour}) ${PLACES[way].replace("THICK", "max(1px, .07em)")} no-repeat`);

const drawn = (piece) => {
  const { colour, ground, bold, italic, underlined } = look(piece.style);
  const span = document.createElement("span");
  span.textContent = piece.text;
  span.style.left = `calc(var(--cell) * ${piece.x})`;
  span.style.width = `calc(var(--cell) * ${piece.width})`;
  if (piece.unit === 2) span.style.fontSize = LARGE;
  const bar = filled(piece.text.codePointAt(0));
  if (bar) {
    span.style.color = "transparent";
    span.style.background = `linear-gradient(to ${bar[0]}, ${colour} ${bar[1]}%, ${ground || "transparent"} 0)`;
    return span;
  }
  const ways = LINES[piece.character];
  if (ways && colour) {
    span.style.color = "transparent";
    span.style.background = [...lines(ways, colour), ground || "transparent"].join(", ");
    return span;
  }
  if (colour) span.style.color = colour;
  if (ground) span.style.background = ground;
  if (bold) span.style.fontWeight = "bold";
  if (italic) span.style.fontStyle = "italic";
  if (underlined) span.style.textDecoration = "underline";
  return span;
};

// The name that has most, of names with amounts.
const most = (amounts) => {
  const sums = new Map();
  for (const [name, amount] of amounts) sums.set(name, (sums.get(name) ?? 0) + amount);
  return [...sums].reduce((a, b) => (b[1] > a[1] ? b : a), ["", 0])[0];
};

// How wide a cell is, in pixels, at a size of the letters.
const cellWidth = (inside) => {
  const ruler = inside.appendChild(document.createElement("span"));
  ruler.className = "ruler";
  ruler.textContent = "0".repeat(RULER);
  const width = ruler.getBoundingClientRect().width / RULER;
  ruler.remove();
  return width;
};

export class View {
  constructor() {
    this.element = document.createElement("div");
    this.element.className = "view";
    this.element.role = "img"; // letters in cells are no text that could be read out
    this.inside = this.element.appendChild(document.createElement("div"));
    this.inside.className = "cells";
    this.rows = [];
    this.size = [0, 0];
    new ResizeObserver(() => this.fit()).observe(this.element);
  }

  // What it is called where it cannot be seen.
  name(name) {
    this.element.setAttribute("aria-label", name);
  }

  // Shows so many columns and lines from a place on. Rows that are the same as before are left as they are.
  show(rows, left, top, width, height) {
    const shown = rows.slice(top, top + height);
    while (this.rows.length > shown.length) this.rows.pop().element.remove();
    shown.forEach((row, y) => {
      if (y === this.rows.length) {
        const element = this.inside.appendChild(document.createElement("div"));
        element.className = "row";
        this.rows.push({ element });
      }
      const known = this.rows[y];
      if (known.row === row && known.left === left && known.width === width) return;
      Object.assign(known, { row, left, width });
      const parts = pieces(row).map((piece) => clipped(piece, left, left + width)).filter(Boolean);
      known.element.style.background = most(parts.map(({ style, width: cells }) => [look(style).ground, cells]));
      known.element.replaceChildren(...parts.map((piece) => drawn({ ...piece, x: piece.x - left })));
    });
    if (this.size[0] !== width || this.size[1] !== shown.length) {
      this.size = [width, shown.length];
      this.fit();
    }
  }

  // Makes the letters so large that it fills the place's width or the height that the style allows, whichever comes
  // first; its rows end between two pixels of the screen.
  fit() {
    const [columns, lines] = this.size;
    const place = this.element.clientWidth;
    if (!columns || !place) return;
    const { style } = this.inside;
    style.transform = "none";
    style.fontSize = "100px";
    const most = (parseFloat(getComputedStyle(this.element).maxHeight) || Infinity) / lines; // the height of a row
    const cell = Math.min(place / columns, most / TALL);
    style.fontSize = `${(100 * cell) / cellWidth(this.inside)}px`;
    const pixels = Math.min(Math.round(TALL * cell * devicePixelRatio), Math.floor(most * devicePixelRatio));
    const row = Math.max(1, pixels) / devicePixelRatio;
    style.setProperty("--row", `${row}px`);
    const least = cellWidth(this.inside); // larger than a cell where the browser makes no letters as small as that
    const real = least > 1.01 * cell ? least : cell;
    style.setProperty("--cell", `${real}px`);
    style.width = `${Math.ceil(columns * real)}px`;
    style.left = `${(place - columns * cell) / 2}px`;
    if (real > cell) style.transform = `scale(${cell / real}, 1)`;
    this.element.style.height = `${lines * row}px`;
  }
}

// As WCAG 2.2 has them.
const READABLE = 7;
const luminance = (colour) => {
  const parts = [1, 3, 5].map((at) => parseInt(colour.substr(at, 2), 16) / 255);
  const [r, g, b] = parts.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};

// The colours that most cells have.
export const colours = (rows) => {
  const runs = rows.flat().map(([text, style]) => ({ text, ...look(style) }));
  const ground = most(runs.map((run) => [run.ground, run.text.length]));
  const read = runs.filter(({ colour }) => colour && contrast(colour, ground) >= READABLE);
  const text = most(read.map((run) => [run.colour, run.text.replace(/\s/g, "").length]));
  return { ground, text: text || (luminance(ground) > 0.18 ? "#000000" : "#ffffff") };
};
