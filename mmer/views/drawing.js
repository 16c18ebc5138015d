// A drawing that is kept: takes what a canvas's 2D context takes (the part of it that the pictures use) and keeps it as a list of items,
// which svg.js and pdf.js write. Lengths are CSS pixels, text is set in Helvetica.
//   {kind: "rects", boxes: [[x, y, width, height]], fill, alpha}     {kind: "line", points: [[isJoined, x, y]], stroke, width, cap, join, dash, alpha}
//   {kind: "text", text, x, y (of the base line), size, isBold, align, fill, halo, haloWidth, alpha}
//   {kind: "image", canvas, x, y, width, height, alpha}              {kind: "frame", x, y, width, height, items}: cut off at its edges

const PRINT_FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif";
// Adobe's widths in thousandths of the size, of the codes 32 to 255 of WinAnsi; code 127 is the minus sign
const HELVETICA = [278,278,355,556,556,889,667,191,333,333,389,584,278,333,278,278,556,556,556,556,556,556,556,556,556,556,278,278,584,584,584,556,1015,667,667,722,722,667,611,778,722,278,500,667,556,833,722,778,667,778,722,667,611,722,667,944,667,667,611,278,278,278,469,556,333,556,556,500,556,556,278,556,556,222,222,500,222,833,556,556,556,556,333,500,278,556,500,722,500,500,500,334,260,334,584,584,556,0,222,556,333,1000,556,556,333,1000,667,333,1000,0,611,0,0,222,222,333,333,350,556,1000,333,1000,500,333,944,0,500,667,278,333,556,556,556,556,260,556,333,737,370,556,584,333,737,333,400,584,333,333,333,556,537,278,333,333,365,556,834,834,834,611,667,667,667,667,667,667,1000,722,667,667,667,667,278,278,278,278,722,722,778,778,778,778,778,584,778,722,722,722,722,667,667,611,556,556,556,556,556,556,889,500,556,556,556,556,278,278,278,278,556,556,556,556,556,556,556,584,611,556,556,556,556,500,556,500];
const HELVETICA_BOLD = [278,333,474,556,556,889,722,238,333,333,389,584,278,333,278,278,556,556,556,556,556,556,556,556,556,556,333,333,584,584,584,611,975,722,722,722,722,667,611,778,722,278,556,722,611,833,722,778,667,778,722,667,611,722,667,944,667,667,611,333,278,333,584,556,333,556,611,556,611,556,333,611,611,278,278,556,278,889,611,611,611,611,389,556,333,611,556,778,556,556,500,389,280,389,584,584,556,0,278,556,500,1000,556,556,333,1000,667,333,1000,0,611,0,0,278,278,500,500,350,556,1000,333,1000,556,333,944,0,500,667,278,333,556,556,556,556,280,556,333,737,370,556,584,333,737,333,400,584,333,333,333,611,556,278,333,333,365,556,834,834,834,611,722,722,722,722,722,722,1000,722,667,667,667,667,278,278,278,278,722,722,778,778,778,778,778,584,778,722,722,722,722,667,667,611,556,556,556,556,556,556,889,556,556,556,556,556,278,278,278,278,611,611,611,611,611,611,611,584,611,611,611,611,611,556,611,556];
const WIN_ANSI = new Map([..."€\0‚ƒ„…†‡ˆ‰Š‹Œ\0Ž\0\0‘’“”•–—˜™š›œ\0žŸ"].map((letter, i) => [letter, 128 + i]));
WIN_ANSI.delete("\0");
WIN_ANSI.set("−", 127);

// The codes of a text in WinAnsi; null when it has a letter that is not in it.
function encodeWinAnsi(text) {
  const codes = Array.from(text, (letter) => {
    const code = letter.codePointAt(0);
    return WIN_ANSI.get(letter) ?? ((code >= 32 && code < 127) || (code >= 160 && code < 256) ? code : null);
  });
  return codes.includes(null) ? null : codes;
}

const measureHelvetica = (codes, size, isBold) => (codes.reduce((sum, code) => sum + (isBold ? HELVETICA_BOLD : HELVETICA)[code - 32], 0) * size) / 1000;
const withoutControls = (text) => (String(text).toWellFormed?.() ?? String(text)).replace(/[\u0000-\u001f\u007f-\u009f\ufffe\uffff]/g, " ");

function createDrawing(width, height) {
  const items = [];
  const drawing = { width, height, items };
  let list = items, path = [], measurer = null;

  const readFont = () => ({ size: +/([\d.]+)px/.exec(drawing.font)[1], isBold: /\b(bold|[6-9]00)\b/.test(drawing.font) });
  function measure(text) {
    const { size, isBold } = readFont();
    const codes = encodeWinAnsi(text);
    if (codes) return measureHelvetica(codes, size, isBold);
    measurer ??= document.createElement("canvas").getContext("2d");
    measurer.font = `${isBold ? "bold " : ""}${size}px ${PRINT_FONT}`;
    return measurer.measureText(text).width;
  }
  function addText(text, x, y, extra) {
    const { size, isBold } = readFont();
    const shift = { top: 0.77, middle: 0.35, bottom: -0.21 }[drawing.textBaseline] ?? 0;
    list.push({ kind: "text", text: withoutControls(text), x, y: y + shift * size, size, isBold, align: drawing.textAlign, alpha: drawing.globalAlpha, ...extra });
  }

  return Object.assign(drawing, {
    fillStyle: "#000000", strokeStyle: "#000000", lineWidth: 1, lineCap: "butt", lineJoin: "miter", lineDash: null, globalAlpha: 1,
    font: `12px ${PRINT_FONT}`, textAlign: "left", textBaseline: "alphabetic", imageSmoothingEnabled: true,
    measureText: (text) => ({ width: measure(withoutControls(text)) }),

    // neighbours of one colour become one path: a wave is a thousand of them
    fillRect: (x, y, w, h) => {
      const last = list[list.length - 1];
      if (last?.kind === "rects" && last.fill === drawing.fillStyle && last.alpha === drawing.globalAlpha) last.boxes.push([x, y, w, h]);
      else list.push({ kind: "rects", boxes: [[x, y, w, h]], fill: drawing.fillStyle, alpha: drawing.globalAlpha });
    },
    // a text that was stroked and then filled is one text with a halo
    strokeText: (text, x, y) => addText(text, x, y, { fill: null, halo: drawing.strokeStyle, haloWidth: drawing.lineWidth }),
    fillText: (text, x, y) => {
      const last = list[list.length - 1];
      if (last?.kind === "text" && last.fill === null && last.text === withoutControls(text)) last.fill = drawing.fillStyle;
      else addText(text, x, y, { fill: drawing.fillStyle, halo: null });
    },
    beginPath: () => { path = []; },
    moveTo: (x, y) => { path.push([false, x, y]); },
    lineTo: (x, y) => { path.push([true, x, y]); },
    stroke: () => {
      const { strokeStyle: stroke, lineWidth, lineCap: cap, lineJoin: join, lineDash: dash, globalAlpha: alpha } = drawing;
      if (path.length) list.push({ kind: "line", points: path, stroke, width: lineWidth, cap, join, dash, alpha });
    },
    drawImage: (image, sx, sy, sw, sh, x, y, w, h) => {
      if (sw <= 0 || sh <= 0 || w <= 0 || h <= 0) return;
      list.push({ kind: "image", canvas: cutImage(image, [sx, sy, sw, sh], [w, h], drawing.imageSmoothingEnabled), x, y, width: w, height: h, alpha: drawing.globalAlpha });
    },
    // what draw() draws is cut off at the frame's edges; its own origin is the frame's corner
    inside: (x, y, w, h, draw) => {
      const [outer, frame] = [list, { kind: "frame", x, y, width: w, height: h, items: [] }];
      outer.push(frame);
      list = frame.items;
      draw();
      list = outer;
    },
  });
}

// The part of an image that is drawn, in twice the pixels of its place; not smoothed, in whole multiples of its own, so that viewers show its cells.
function cutImage(image, [sx, sy, sw, sh], [w, h], isSmooth) {
  const enlarge = (from, to) => (isSmooth ? Math.ceil(2 * to) : Math.ceil(from) * Math.max(1, Math.ceil((2 * to) / Math.ceil(from))));
  const canvas = make("canvas", { width: Math.min(4096, enlarge(sw, w)), height: Math.min(4096, enlarge(sh, h)) });
  const context = canvas.getContext("2d");
  Object.assign(context, { imageSmoothingEnabled: isSmooth, fillStyle: "#ffffff" });
  context.fillRect(0, 0, canvas.width, canvas.height); // paper
  context.drawImage(image, sx, sy, sw, sh, 0, 0, canvas.width, canvas.height);
  return canvas;
}
