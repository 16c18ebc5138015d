// Elements of the page, made from text alone: no word of a visitor can become markup.

function make(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

let made = 0;
const newName = (stem) => `mv-${stem}-${++made}`;

// A section with a heading, a sentence and room for controls at its right.
function makePanel(title, caption, ...controls) {
  const id = newName("panel");
  const head = make("header", { class: "mv-panel-head" },
    make("div", {}, make("h2", { id, text: title }), make("p", { text: caption })),
    controls.length ? make("div", { class: "mv-controls" }, ...controls) : null);
  return make("section", { class: "mv-panel", "aria-labelledby": id }, head);
}

// One choice out of few: radio buttons that look like a row of tabs. options: [[value, label, title?]]
function makeRadios(label, options, chosen, choose) {
  const name = newName("choice");
  const inputs = new Map();
  const pills = options.map(([value, text, title]) => {
    const input = make("input", { type: "radio", name, value, onchange: () => choose(value) });
    input.checked = value === chosen;
    inputs.set(value, input);
    return make("label", { class: "mv-pill", title }, input, make("span", { text }));
  });
  const element = make("fieldset", { class: "mv-radios" }, make("legend", { text: label }), ...pills);
  return { element, show: (value) => { if (inputs.has(value)) inputs.get(value).checked = true; } };
}

// One choice out of many. options: [[value, label]]
function makeSelect(label, options, chosen, choose) {
  const select = make("select", { onchange: () => choose(select.value) });
  const fill = (pairs, value) => {
    select.replaceChildren(...pairs.map(([one, text]) => make("option", { value: one, text })));
    select.value = value;
  };
  fill(options, chosen);
  return { element: make("label", { class: "mv-select" }, make("span", { text: label }), select), fill, show: (value) => { select.value = value; } };
}

function makeButton(text, press, options = {}) {
  return make("button", { type: "button", class: "mv-button", text, onclick: press, ...options });
}

// The numbers behind a picture, folded, and filled only once they are looked at. rows(): [[cell, ...], ...], the first cell names the row.
function makeTable(summary, header, rows) {
  const table = make("table", { class: "mv-table" });
  const scroll = make("div", { class: "mv-table-scroll", tabindex: "0", role: "region", "aria-label": summary }, table);
  const details = make("details", { class: "mv-details" }, make("summary", { text: summary }), scroll);
  const fill = () => {
    const head = make("tr", {}, ...header().map((name) => make("th", { scope: "col", text: name })));
    const body = rows().map(([first, ...rest]) =>
      make("tr", {}, make("th", { scope: "row", text: first }), ...rest.map((cell) => make("td", { text: cell }))));
    table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
  };
  details.addEventListener("toggle", () => { if (details.open) fill(); });
  return { element: details, refresh: () => { if (details.open) fill(); } };
}

// What says next to nothing: there for whoever asks for it.
function makeFold(summary, ...children) {
  return make("details", { class: "mv-details mv-fold" }, make("summary", { text: summary }), ...children);
}

const signed = (value, digits = 3) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);
const exact = (value, digits = 4) => (+value.toFixed(digits) < 0 ? "−" : "") + Math.abs(value).toFixed(digits);
const seconds = (value) => value.toFixed(2);

// A canvas in device pixels with a context in CSS pixels, cleared.
function startDrawing(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

// Colours: the style sheet's variables, as the theme has them now.

function readTheme(root) {
  const style = getComputedStyle(root);
  const read = (name) => style.getPropertyValue(`--mv-${name}`).trim();
  return {
    ink: read("ink"), soft: read("soft"), line: read("line"), accent: read("accent"), ground: read("ground"), pitch: read("pitch"),
    wave: read("wave"), empty: read("empty"), positive: read("for"), negative: read("against"), total: read("total"), font: style.fontFamily,
    diverging: [0, 1, 2, 3, 4].map((i) => parseColour(read(`div-${i}`))),
    sequential: makeRamp([0, 1, 2, 3, 4].map((i) => parseColour(read(`seq-${i}`)))),
    grey: makeRamp([parseColour(read("sound-0")), parseColour(read("sound-1"))]),
  };
}

function parseColour(text) {
  const match = /^#([0-9a-f]{6})$/i.exec(text);
  if (!match) throw new Error(`not a colour of the form #rrggbb: ${text}`);
  return [0, 2, 4].map((at) => parseInt(match[1].slice(at, at + 2), 16));
}

function mixColours(stops, position) {
  const at = Math.min(Math.max(position, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  return stops[low].map((channel, i) => Math.round(channel + (at - low) * (stops[low + 1][i] - channel)));
}

const makeRamp = (stops) => Array.from({ length: 256 }, (_, i) => mixColours(stops, i / 255));

// A canvas of one pixel per value; shades(i) is the index 0 to 255 into the ramp of pixel i, row by row from the top.
function paintPixels(columns, rows, ramp, shades) {
  const canvas = make("canvas", { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const picture = context.createImageData(columns, rows);
  const pixels = new Uint32Array(picture.data.buffer);
  const packed = Uint32Array.from(ramp, ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0); // little endian, as every browser's machine
  for (let i = 0; i < pixels.length; i++) pixels[i] = packed[shades(i)];
  context.putImageData(picture, 0, 0);
  return canvas;
}
const toCss = (colour) => `rgb(${colour[0]},${colour[1]},${colour[2]})`;

// Black or white, whichever stands out more from the colour (WCAG relative luminance).
function inkFor(colour) {
  const linear = colour.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) ? "#000000" : "#ffffff";
}
