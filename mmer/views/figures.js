// The four pictures as figures for print: the numbers and the visible time of the page, in light colours on white, with what is needed to trace them.

const PAGE = { width: 940, margin: 30, gutter: 124, gap: 14 }; // CSS pixels
const MOST_VECTOR_CELLS = 3000; // of a map; more are an image
const MOST_PARTS = 120; // rows of an unfolded branch

// The light theme's colours, whatever the page's are.
function makePrintTheme(isNamed) {
  const hex = (...colours) => colours.map(parseColour);
  const theme = {
    ink: "#1b2129", soft: "#57616d", line: "#d9dde2", strong: "#8b949e", accent: "#0b6b66", ground: "#ffffff", pitch: "#a5107e", wave: "#5f6b78", empty: "#eceef0",
    raised: "#f6f7f8", positive: "#b4540a", negative: "#2a6ebb", total: "#6d7682", font: PRINT_FONT,
    diverging: hex("#2a6ebb", "#9dbfe1", "#f3f1ee", "#efb47c", "#b4540a"),
    sequential: makeRamp(hex("#f4f5f5", "#b5dcd7", "#5eb0aa", "#177a76", "#06403f")), grey: makeRamp(hex("#ffffff", "#3a4450")),
  };
  const greys = { positive: "#5b636d", negative: "#aab1b9", diverging: hex("#c9ced4", "#dfe2e6", "#f3f3f2", "#b3b9c1", "#737b85") };
  return isNamed ? theme : { ...theme, ...greys }; // as on the page, where no emotion can be named
}

const FIGURES = { player: drawPlayerFigure, attention: drawAttentionFigure, waterfall: drawWaterfallFigure, layers: drawLayerFigure };

// {kind, drawing, title, description}; null where the clip has no such picture. The kinds are the keys of FIGURES; layerKind is "normalised" or "raw".
function makeFigure(view, kind, layerKind) {
  if (!Object.hasOwn(FIGURES, kind)) throw new Error(`no figure "${kind}"; there are ${Object.keys(FIGURES).join(", ")}`);
  const width = PAGE.width - 2 * PAGE.margin - PAGE.gutter;
  const figure = FIGURES[kind]({ ...view, theme: makePrintTheme(view.payload.headline.names_emotion), axis: makePrintAxis(view, width) }, layerKind);
  return figure && { ...figure, kind };
}

// The page's visible time on another width.
function makePrintAxis({ axis, data }, width) {
  let [start, end] = axis.visible();
  if (!(end > start)) [start, end] = [0, data.extent()];
  return { visible: () => [start, end], width: () => width, toX: (time) => ((time - start) / (end - start)) * width };
}

// around every figure

function startFigure({ theme, data }, title, facts) {
  const drawing = createDrawing(PAGE.width, 0);
  const figure = { drawing, theme, title: `${title}: ${data.payload.clip.name}`, facts: [describeVerdict(data), ...facts, ...describePeer(data)], y: PAGE.margin };
  Object.assign(drawing, { fillStyle: theme.ground });
  drawing.fillRect(0, 0, PAGE.width, 0); // gets its height in the end
  addLines(figure, title, { size: 19, colour: theme.ink, isBold: true });
  addLines(figure, data.payload.clip.name, { size: 14, colour: theme.ink, isBold: true, most: 2 });
  for (const fact of figure.facts) addLines(figure, fact, { size: 12.5, colour: theme.soft, most: 3 });
  figure.y += PAGE.gap;
  return figure;
}

function addLines(figure, text, { size, colour, isBold = false, most = Infinity }) {
  const { drawing } = figure;
  Object.assign(drawing, { font: `${isBold ? "bold " : ""}${size}px ${PRINT_FONT}`, fillStyle: colour, textAlign: "left", textBaseline: "top" });
  const lines = wrapText(drawing, withoutControls(text), PAGE.width - 2 * PAGE.margin);
  if (lines.length > most) lines[most - 1] = fitText(drawing, `${lines[most - 1]} ${lines[most]}…`, PAGE.width - 2 * PAGE.margin);
  for (const line of lines.slice(0, most)) {
    drawing.fillText(line, PAGE.margin, figure.y);
    figure.y += 1.4 * size;
  }
}

// Broken at spaces, and inside what is longer than a line.
function wrapText(drawing, text, width) {
  const lines = [""];
  for (const word of text.split(" ").filter(Boolean)) {
    const wanted = lines[lines.length - 1] ? `${lines[lines.length - 1]} ${word}` : word;
    if (drawing.measureText(wanted).width <= width) { lines[lines.length - 1] = wanted; continue; }
    if (lines[lines.length - 1]) lines.push("");
    for (const letter of word) {
      if (drawing.measureText(lines[lines.length - 1] + letter).width > width) lines.push("");
      lines[lines.length - 1] += letter;
    }
  }
  return lines;
}

function fitText(drawing, text, width) {
  if (drawing.measureText(text).width <= width) return text;
  const letters = Array.from(text);
  while (letters.length && drawing.measureText(`${letters.join("")}…`).width > width) letters.pop();
  return `${letters.join("").trimEnd()}…`;
}

// Where it comes from: clip, heads, encoders, date, version.
function finishFigure(figure, { data }, roles, description) {
  const { drawing, theme } = figure;
  const { clip, preset, created, mmer_version: version } = data.payload;
  const heads = [...new Set(roles)].map((role) => data.predictions[role]).map(({ head, head_sha256: digest }) => `${head}${digest ? ` (sha256 ${digest.slice(0, 12)})` : ""}`);
  const facts = [`clip ${clip.name}${clip.sha256 ? ` (sha256 ${clip.sha256.slice(0, 12)})` : ""}, ${seconds(clip.duration)} s`, `${heads.length > 1 ? "heads" : "head"} ${heads.join(", ")}`,
    preset && `preset ${preset}`, created && `analysed ${created.slice(0, 10)}`, version && `mmer ${version}`];
  figure.y += PAGE.gap;
  drawing.fillStyle = theme.line;
  drawing.fillRect(PAGE.margin, figure.y, PAGE.width - 2 * PAGE.margin, 1);
  figure.y += 9;
  addLines(figure, facts.filter(Boolean).join(" · "), { size: 10.5, colour: theme.soft });
  drawing.height = Math.ceil(figure.y + PAGE.margin - 8);
  drawing.items[0].boxes[0][3] = drawing.height;
  return { drawing, title: figure.title, description: `${figure.facts.join(". ")}. ${description}` };
}

function describeVerdict(data) {
  const { predictions, payload: { best, headline } } = data;
  if (!headline.names_emotion) return `${headline.text}. ${headline.sentence}`;
  const { label, probabilities, head } = predictions[best];
  return `Heard as ${label}, ${(100 * Math.max(...probabilities)).toFixed(1)} % (head ${head})`;
}

function describePeer({ letter, peer }) {
  return peer ? [`${letter} of two that share their scales; ${peer.letter} is ${peer.title ?? peer.payload.clip.name}`] : [];
}

const capitalise = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const nameScale = (scale) => (scale === "raw" ? "raw" : "centred over the emotions");
const findRole = (data, wanted) => Object.keys(data.predictions).find((role) => wanted(data.predictions[role]));

function describeRange({ axis, data }) {
  const [start, end] = axis.visible();
  return start < 0.005 && end > data.duration - 0.005 ? `Whole clip, ${seconds(data.duration)} s` : `${seconds(start)} to ${seconds(Math.min(end, data.duration))} s of ${seconds(data.duration)} s`;
}

function addLegend(figure, colourAt, low, high, caption) {
  const { drawing, theme } = figure;
  const [width, y] = [170, figure.y];
  let x = PAGE.margin + PAGE.gutter;
  Object.assign(drawing, { font: `11.5px ${PRINT_FONT}`, fillStyle: theme.ink, textAlign: "left", textBaseline: "middle" });
  drawing.fillText(low, x, y + 6);
  x += drawing.measureText(low).width + 8;
  for (let i = 0; i < 64; i++) {
    drawing.fillStyle = toCss(colourAt(i / 63));
    drawing.fillRect(x + (i * width) / 64, y, i < 63 ? width / 64 + 0.5 : width / 64, 12); // they overlap, so that no seam shows
  }
  x += width + 8;
  drawing.fillStyle = theme.ink;
  drawing.fillText(high, x, y + 6);
  x += drawing.measureText(high).width + 12;
  drawing.fillStyle = theme.soft;
  drawing.fillText(fitText(drawing, caption, PAGE.width - PAGE.margin - x), x, y + 6);
  figure.y += 16;
}

function addGutterText({ drawing, theme, y }, height, name, note, noteColour = theme.soft) {
  const right = PAGE.margin + PAGE.gutter - 9;
  Object.assign(drawing, { font: `12.5px ${PRINT_FONT}`, fillStyle: theme.ink, textAlign: "right", textBaseline: "middle" });
  drawing.fillText(fitText(drawing, name, PAGE.gutter - 9), right, y + height / 2 - (note ? 7 : 0));
  if (!note) return;
  Object.assign(drawing, { font: `10.5px ${PRINT_FONT}`, fillStyle: noteColour });
  drawing.fillText(note, right, y + height / 2 + 8);
}

// wave, spectrogram, frames and tiers

function drawPlayerFigure(view) {
  const { data, selection, theme } = view;
  const state = selection.current();
  const chosen = describeSelection(data, state);
  const figure = startFigure(view, "Where in the clip", [
    data.late ? `Colour: what a word (${noteWords(data, state.part)}) and what a segment of another tier in its own branch adds to the logit for ${state.emotion}, ${nameScale(state.scale)}` : "The model is no sum over segments, so they have no colour",
    [describeRange(view), ...(data.payload.text ? [`“${data.payload.text}”`] : [])].join(" · "), ...(chosen ? [`Selected: ${chosen}`] : []),
    ...(listJoins(view).length ? ["Dotted: windows of the encoder meet"] : [])]);
  const top = figure.y;
  for (const lane of listLanes(data, state.part)) addLane(figure, view, lane);
  for (const time of listJoins(view)) addDots(figure.drawing, theme.soft, PAGE.margin + PAGE.gutter + view.axis.toX(time), top, figure.y);
  if (state.span) addSpan(figure, view, state.span, top);
  figure.y += 10;
  if (data.late) {
    const limit = data.limit(state.emotion, state.scale);
    addLegend(figure, (share) => mixColours(theme.diverging, share), signed(-limit), signed(limit), `late fusion's logits of a word or segment for ${state.emotion}, ${nameScale(state.scale)}`);
  }
  const role = findRole(data, (one) => one.branches) ?? data.payload.best;
  return finishFigure(figure, view, [role], data.tiers.map((unit) => `${data.units[unit].labels.length} ${data.units[unit].name}`).join(", "));
}

function listJoins({ data, axis }) {
  const [start, end] = axis.visible();
  return data.payload.clip.joins.filter((time) => time > start && time < end);
}

function addDots(drawing, colour, x, top, bottom) {
  Object.assign(drawing, { strokeStyle: colour, lineWidth: 1, lineDash: [1.5, 2.5] });
  drawing.beginPath();
  drawing.moveTo(x, top);
  drawing.lineTo(x, bottom);
  drawing.stroke();
  drawing.lineDash = null;
}

function addLane(figure, view, lane) {
  const { drawing, theme } = figure;
  const width = view.axis.width();
  const name = { ruler: "time in s", wave: "wave" }[lane.key] ?? lane.name;
  const note = lane.key === "wave" ? `±${view.data.loudest(view.sound.samples()).toFixed(2)} of full scale` : lane.note;
  addGutterText(figure, lane.pixels, name, note, lane.key === "spectrogram" ? theme.pitch : theme.soft);
  if (lane.key !== "ruler") { drawing.fillStyle = theme.line; drawing.fillRect(PAGE.margin + PAGE.gutter, figure.y, width, 1); }
  drawing.inside(PAGE.margin + PAGE.gutter, figure.y + 1, width, lane.pixels - 1, () => (lane.draw ? lane.draw(view, drawing, width, lane.pixels - 1) : drawTier(view, drawing, lane.key, lane.pixels - 1)));
  figure.y += lane.pixels;
}

// A tier's segments, with the colours and labels that its tiles have on the page.
function drawTier({ data, selection, axis, theme }, drawing, unit, height) {
  const { emotion, scale, part, unit: chosenUnit, segment } = selection.current();
  const { labels, starts, ends } = data.units[unit];
  const values = data.tierValues(unit, emotion, scale, part), limit = data.limit(emotion, scale);
  drawing.font = `${unit === "W" ? 13 : 11.5}px ${PRINT_FONT}`;
  const [first, after] = data.overlapping(unit, axis.visible());
  for (let i = first; i < after; i++) {
    const [left, right] = [axis.toX(starts[i]), axis.toX(ends[i])];
    const colour = values && !Number.isNaN(values[i]) ? mixColours(theme.diverging, 0.5 + values[i] / limit / 2) : parseColour(theme.empty);
    drawing.fillStyle = unit === chosenUnit && i === segment ? theme.accent : theme.strong;
    drawing.fillRect(left, 2, right - left, height - 4);
    const edge = unit === chosenUnit && i === segment ? 2 : 0.8;
    drawing.fillStyle = toCss(colour);
    drawing.fillRect(left + edge, 2 + edge, Math.max(0.5, right - left - 2 * edge), height - 4 - 2 * edge);
    if (drawing.measureText(labels[i]).width + 4 > right - left) continue;
    Object.assign(drawing, { fillStyle: inkFor(colour), textAlign: "center", textBaseline: "middle" });
    drawing.fillText(labels[i], (left + right) / 2, height / 2);
  }
}

function addSpan({ drawing, theme, y }, { axis }, [start, end], top) {
  drawing.inside(PAGE.margin + PAGE.gutter, top, axis.width(), y - top, () => {
    const [left, right] = [axis.toX(start), axis.toX(end)];
    Object.assign(drawing, { fillStyle: theme.accent, globalAlpha: 0.13 });
    drawing.fillRect(left, 0, right - left, y - top);
    drawing.globalAlpha = 1;
    for (const x of [left, right]) drawing.fillRect(x - 0.75, 0, 1.5, y - top);
  });
}

// coattention map

function drawAttentionFigure(view) {
  const { data, selection, theme, axis } = view;
  if (!data.maps.size) return null;
  const { map, span, token } = selection.current();
  const [layers, heads] = data.maps.get(map.unit).shape;
  const plane = data.plane(map.unit, map.direction, map.layer, map.head);
  const picture = paintMap(plane, data.mostAttention(map), theme.sequential);
  const name = (what, value, count) => (value === "mean" ? `mean of ${count} ${what}s` : `${what} ${+value + 1} of ${count}`);
  const figure = startFigure(view, "What words and speech attend to", [
    `${map.direction === "text_to_speech" ? "Text asks, speech answers" : "Speech asks, text answers"} · speech as ${data.units[map.unit].name} · ${name("layer", map.layer, layers)}, ${name("head", map.head, heads)}`, describeRange(view)]);
  const rowPixels = plane.rows <= 16 ? 22 : plane.rows <= 40 ? 17 : 13, left = PAGE.margin + PAGE.gutter, width = axis.width();
  addMapHead(figure, view, left, width);
  const top = figure.y;
  data.units.T.labels.forEach((label, row) => {
    Object.assign(figure.drawing, { font: `${row === token ? "bold " : ""}${Math.min(12.5, rowPixels - 2)}px ${PRINT_FONT}`, fillStyle: row === token ? theme.accent : theme.ink, textAlign: "right", textBaseline: "middle" });
    figure.drawing.fillText(fitText(figure.drawing, label, PAGE.gutter - 9), left - 9, top + (row + 0.5) * rowPixels);
  });
  figure.drawing.inside(left, top, width, plane.rows * rowPixels, () => drawCells(view, figure.drawing, plane, picture, rowPixels));
  figure.y += plane.rows * rowPixels;
  if (span) addSpan(figure, view, span, top);
  addTimes(figure, axis);
  const size = data.maps.get(map.unit).size;
  const sums = map.direction === "text_to_speech" ? "each row sums to 1 over the clip" : "each column sums to 1 over the word pieces";
  addLegend(figure, (share) => theme.sequential[Math.round(255 * share)], "0", picture.most.toFixed(3), `attention weight, ${sums}${size > 1 ? `; ${size} segments share a cell` : ""}`);
  return finishFigure(figure, view, [findRole(data, (one) => map.unit in one.coattention)], `Highest weight ${picture.most.toFixed(4)}`);
}

// The labels of words and segments that have room; the times of a map of frames are below it instead.
function addMapHead(figure, view, left, width) {
  const { data, selection } = view;
  const { unit } = selection.current().map;
  const lines = (unit === "F" ? ["W"] : ["W", unit]).filter((one) => data.units[one]);
  const height = unit === "F" ? 20 : HEAD_PIXELS;
  figure.drawing.inside(left, figure.y, width, height, () => drawMapHead(view, figure.drawing, width));
  const drawn = figure.drawing.items[figure.drawing.items.length - 1].items.filter((item) => item.y < height);
  for (const line of lines) {
    const top = line === "W" ? 0 : 20;
    if (drawn.some((item) => item.y > top && item.y < top + 20)) addGutterText({ ...figure, y: figure.y + top }, 18, data.units[line].name, "");
  }
  if (drawn.length) figure.y += height;
}

function addTimes(figure, axis) {
  const { drawing, theme } = figure;
  const { ticks, digits } = listTicks(...axis.visible(), axis.width() / 80);
  addGutterText({ ...figure, y: figure.y + 3 }, LANES.ruler, "time in s", "");
  Object.assign(drawing, { fillStyle: theme.soft, font: `11.5px ${PRINT_FONT}`, textAlign: "center", textBaseline: "top" });
  for (const time of ticks) drawing.fillRect(PAGE.margin + PAGE.gutter + axis.toX(time) - 0.5, figure.y + 2, 1, 5);
  for (const time of ticks) {
    const half = drawing.measureText(time.toFixed(digits)).width / 2;
    drawing.fillText(time.toFixed(digits), PAGE.margin + PAGE.gutter + Math.min(Math.max(axis.toX(time), half), axis.width() - half), figure.y + 10);
  }
  figure.y += LANES.ruler + 14;
}

// Rectangles; on a map of very many cells, stretches of neighbours of one width as an image each.
function drawCells({ data, selection, axis, theme }, drawing, { rows, columns, values }, { canvas, most }, rowPixels) {
  const { unit } = selection.current().map;
  const [start, end] = axis.visible();
  const cells = Array.from({ length: columns }, (_, cell) => ({ cell, from: data.cellStart(unit, cell), to: data.cellEnd(unit, cell) })).filter(({ from, to }) => to > start && from < end);
  if (cells.length * rows <= MOST_VECTOR_CELLS) {
    for (const { cell, from, to } of cells) {
      const [left, right] = [axis.toX(from), axis.toX(to)];
      for (let row = 0; row < rows; row++) {
        drawing.fillStyle = toCss(theme.sequential[Math.round((255 * values[row * columns + cell]) / most)]);
        drawing.fillRect(left, row * rowPixels, right - left - (right - left > 6 ? 1 : 0), rowPixels);
      }
    }
    return;
  }
  drawing.imageSmoothingEnabled = false;
  for (const stretch of gatherStretches(cells)) {
    const [first, last] = [stretch[0], stretch[stretch.length - 1]];
    drawing.drawImage(canvas, first.cell, 0, stretch.length, rows, axis.toX(first.from), 0, axis.toX(last.to) - axis.toX(first.from), rows * rowPixels);
  }
}

function gatherStretches(cells) {
  const stretches = [];
  for (const cell of cells) {
    const stretch = stretches[stretches.length - 1], last = stretch?.[stretch.length - 1];
    const isNext = last && Math.abs(cell.from - last.to) < 1e-3 && Math.abs(cell.to - cell.from - (stretch[0].to - stretch[0].from)) < 2e-3;
    if (isNext) stretch.push(cell);
    else stretches.push([cell]);
  }
  return stretches;
}

// waterfall

const WATERFALL = { name: 236, number: 84, row: 27, part: 20 }; // pixels

function drawWaterfallFigure(view) {
  const { data, selection } = view;
  const { emotion, scale, role, branch } = selection.current();
  const steps = listSteps(data, role, emotion, scale);
  const said = make("p");
  writeFlips(data, role, said);
  const isNamed = data.payload.headline.names_emotion;
  const figure = startFigure(view, `How the ${isNamed ? "decision adds" : "numbers add"} up: ${emotion}`, [
    `${capitalise(ROLE_NAMES[role] ?? role)}, head ${data.predictions[role].head} · logits for ${emotion}, ${nameScale(scale)}`,
    isNamed ? said.querySelector("strong").textContent : data.payload.headline.few]);
  const edges = (one) => (one.predictions[role] ? listSteps(one, role, emotion, scale).flatMap((step) => [step.start, step.end]) : []);
  const toX = makeTrack(-data.largest((one) => Math.max(0, ...edges(one).map((edge) => -edge))), data.largest((one) => Math.max(0, ...edges(one))));
  steps.forEach((step, i) => {
    addStep(figure, view, step, toX, steps[i + 1]);
    if (step.kind === "branch" && step.unit === branch) addParts(figure, view, step);
  });
  addTicks(figure, toX, `logits for ${emotion}, ${nameScale(scale)}`);
  addKey(figure, [["positive", `for ${emotion}`], ["negative", "against"], ["total", "sum"]]);
  addProbability(figure, data.predictions[role].probabilities[data.classes.indexOf(emotion)], emotion, isNamed);
  const roles = [role, ...data.predictions[role].members];
  return finishFigure(figure, view, roles, steps.map((step) => `${step.label} ${signed(step.value, 4)}`).join(", "));
}

// Logits -> pixels of the track between names and numbers.
function makeTrack(low, high) {
  const left = PAGE.margin + WATERFALL.name, width = PAGE.width - PAGE.margin - WATERFALL.number - left;
  return Object.assign((value) => left + (width * (value - low)) / Math.max(high - low, 1e-9), { low, high, left, width });
}

function addStep(figure, { data, selection }, step, toX, next) {
  const { drawing, theme, y } = figure;
  const isTotal = ["subtotal", "total", "scaled"].includes(step.kind);
  const flip = data.predictions[selection.current().role].flips.find((one) => one.part === step.part);
  drawing.fillStyle = theme.strong;
  drawing.fillRect(toX(0) - 0.5, y, 1, WATERFALL.row);
  if (next && !["total", "scaled"].includes(step.kind)) drawing.fillRect(toX(step.end) - 0.5, y + WATERFALL.row / 2, 1, WATERFALL.row);
  addBar(figure, step, toX, 17, WATERFALL.row, isTotal ? theme.total : null);
  const label = `${step.label}${step.share && step.share < 1 ? " × ½" : ""}`;
  addRowText(figure, label, signed(step.value, 4), WATERFALL.row, { size: 13, isBold: isTotal, note: flip ? `decides: else ${flip.label}` : "" });
  figure.y += WATERFALL.row;
}

function addBar({ drawing, theme, y }, { start, end, value }, toX, tall, row, colour) {
  drawing.fillStyle = colour ?? (value < 0 ? theme.negative : theme.positive);
  const [left, right] = [toX(start), toX(end)].sort((a, b) => a - b);
  drawing.fillRect(left, y + (row - tall) / 2, Math.max(1, right - left), tall);
}

function addRowText({ drawing, theme, y }, label, number, row, { size, isBold = false, note = "", indent = 0 }) {
  const middle = y + row / 2;
  Object.assign(drawing, { font: `${isBold ? "bold " : ""}${size}px ${PRINT_FONT}`, fillStyle: theme.ink, textAlign: "left", textBaseline: "middle" });
  drawing.fillText(fitText(drawing, label, WATERFALL.name - 8 - indent), PAGE.margin + indent, middle - (note ? 6 : 0));
  drawing.textAlign = "right";
  drawing.fillText(number, PAGE.width - PAGE.margin, middle);
  if (!note) return;
  Object.assign(drawing, { font: `bold 10px ${PRINT_FONT}`, textAlign: "left" });
  drawing.fillText(fitText(drawing, note, WATERFALL.name - 8), PAGE.margin + indent, middle + 8);
}

// The segments of the unfolded branch, on a scale of their own.
function addParts(figure, { data, selection }, step) {
  const { emotion, scale } = selection.current();
  const { drawing, theme } = figure;
  const parts = gatherRest(listParts(data, step.unit, emotion, scale, step.share));
  let at = step.start;
  for (const part of parts) { part.start = at; at += part.value; part.end = at; }
  const edges = parts.flatMap((part) => [part.start, part.end]);
  const toX = makeTrack(Math.min(...edges), Math.max(...edges));
  drawing.fillStyle = theme.raised;
  drawing.fillRect(PAGE.margin, figure.y + 2, PAGE.width - 2 * PAGE.margin, parts.length * WATERFALL.part + 28);
  figure.y += 5;
  Object.assign(drawing, { font: `11px ${PRINT_FONT}`, fillStyle: theme.soft, textAlign: "left", textBaseline: "middle" });
  drawing.fillText(`${data.units[step.unit].name}${step.share < 1 ? " × ½" : ""}, from ${signed(toX.low, 2)} to ${signed(toX.high, 2)} logits: a scale of their own`, PAGE.margin + 14, figure.y + 10);
  figure.y += 20;
  for (const part of parts) {
    addBar(figure, part, toX, 12, WATERFALL.part, null);
    addRowText(figure, part.count ? `${part.label}, ${part.count} frames` : part.label, signed(part.value, 4), WATERFALL.part, { size: 11.5, indent: 14 });
    figure.y += WATERFALL.part;
  }
  figure.y += 10;
}

function gatherRest(parts) {
  if (parts.length <= MOST_PARTS) return parts;
  const rest = parts.slice(MOST_PARTS);
  return [...parts.slice(0, MOST_PARTS), { label: `${rest.length} more together`, value: rest.reduce((sum, part) => sum + part.value, 0) }];
}

function addTicks(figure, toX, caption) {
  const { drawing, theme } = figure;
  const { ticks, digits } = listTicks(toX.low, toX.high, 6);
  drawing.fillStyle = theme.strong;
  drawing.fillRect(toX.left, figure.y + 3, toX.width, 1);
  for (const tick of ticks) drawing.fillRect(toX(tick) - 0.5, figure.y + 3, 1, 4);
  Object.assign(drawing, { font: `11px ${PRINT_FONT}`, fillStyle: theme.soft, textAlign: "center", textBaseline: "top" });
  for (const tick of ticks) drawing.fillText(tick === 0 ? "0" : signed(tick, digits), toX(tick), figure.y + 10);
  drawing.textAlign = "left";
  drawing.fillText(caption, PAGE.margin, figure.y + 10);
  figure.y += 30;
}

// What the colours mean.
function addKey(figure, entries) {
  const { drawing, theme } = figure;
  let x = PAGE.margin + WATERFALL.name;
  Object.assign(drawing, { font: `11.5px ${PRINT_FONT}`, textAlign: "left", textBaseline: "middle" });
  for (const [colour, text] of entries) {
    drawing.fillStyle = theme[colour];
    drawing.fillRect(x, figure.y + 2, 12, 12);
    drawing.fillStyle = theme.soft;
    drawing.fillText(text, x + 18, figure.y + 8);
    x += 18 + drawing.measureText(text).width + 22;
  }
  figure.y += 24;
}

function addProbability(figure, share, emotion, isNamed) {
  const { drawing, theme } = figure;
  const toX = makeTrack(0, 1);
  drawing.fillStyle = theme.empty;
  drawing.fillRect(toX.left, figure.y + 5, toX.width, 17);
  addBar(figure, { start: 0, end: share, value: share }, toX, 17, WATERFALL.row, isNamed ? theme.accent : theme.total);
  addRowText(figure, `softmax: probability of ${emotion}`, `${(100 * share).toFixed(2)} %`, WATERFALL.row, { size: 13, isBold: isNamed });
  figure.y += WATERFALL.row;
}

// layer weights

const LAYER_CHART = { caption: 78, gap: 36, track: 74, high: 122 }; // pixels

function drawLayerFigure(view, layerKind) {
  const { data, theme } = view;
  const roles = Object.keys(data.predictions).filter((role) => Object.keys(data.predictions[role].layers).length);
  if (!roles.length) return null;
  const isRaw = layerKind === "raw";
  const figure = startFigure(view, "Which encoder layers each branch reads", [
    isRaw ? "Weights w of Equation 1 as learned; training starts at 1" : "Weights of Equation 1 as shares of their sum, so that they sum to 1; dotted: 1/L, equal weights, where training starts",
    ...listSpreads(data, roles, isRaw)]);
  const width = (PAGE.width - 2 * PAGE.margin - LAYER_CHART.gap * (roles.length - 1)) / roles.length;
  const top = figure.y;
  let bottom = top;
  roles.forEach((role, i) => {
    const left = PAGE.margin + i * (width + LAYER_CHART.gap);
    figure.y = top;
    Object.assign(figure.drawing, { font: `bold 13px ${PRINT_FONT}`, fillStyle: theme.ink, textAlign: "left", textBaseline: "top" });
    figure.drawing.fillText(fitText(figure.drawing, `${ROLE_NAMES[role] ?? role}, ${data.predictions[role].head}`, width), left, figure.y);
    figure.y += 26;
    for (const [unit, layers] of Object.entries(data.predictions[role].layers)) addLayerChart(figure, data.units[unit]?.name ?? unit, layers, isRaw ? "raw" : "normalised", left, width);
    bottom = Math.max(bottom, figure.y);
  });
  figure.y = bottom;
  const weights = roles.flatMap((role) => Object.entries(data.predictions[role].layers).map(([unit, layers]) => `${role} ${data.units[unit]?.name ?? unit}: ${layers[isRaw ? "raw" : "normalised"].map((one) => exact(one)).join(", ")}`));
  return finishFigure(figure, view, roles, weights.join("; "));
}

function listSpreads(data, roles, isRaw) {
  const runs = roles.flatMap((role) => Object.values(data.predictions[role].layers)).map((layers) => layers.spread?.runs).find(Boolean);
  return runs && !isRaw ? [`Black lines: lowest to highest of ${runs} runs`] : [];
}

function addLayerChart(figure, name, layers, kind, left, width) {
  const { drawing, theme, y } = figure;
  const values = layers[kind], spread = kind === "normalised" ? layers.spread : null;
  const even = kind === "normalised" ? 1 / values.length : 1;
  const low = Math.min(0, ...values, ...(spread?.low ?? [])), high = Math.max(even, ...values, ...(spread?.high ?? [])) * 1.06;
  const from = left + LAYER_CHART.caption, step = (width - LAYER_CHART.caption) / values.length;
  const toY = (value) => y + 16 + (LAYER_CHART.track * (high - value)) / (high - low);
  addChartCaption(drawing, theme, name, kind, from - 10, y + 16 + LAYER_CHART.track / 2);
  Object.assign(drawing, { textAlign: "center", textBaseline: "top" });
  values.forEach((value, i) => {
    const middle = from + (i + 0.5) * step, [top, bottom] = [toY(Math.max(0, value)), toY(Math.min(0, value))];
    drawing.fillStyle = value < 0 ? theme.negative : theme.accent;
    drawing.fillRect(middle - 0.32 * step, top, 0.64 * step, Math.max(1, bottom - top));
    if (spread) addWhisker(drawing, theme, middle, toY(spread.low[i]), toY(spread.high[i]));
    Object.assign(drawing, { font: `${step < 27 ? 9.5 : 11}px ${PRINT_FONT}`, fillStyle: theme.ink });
    drawing.fillText(value.toFixed(2).replace("-", "−"), middle, y);
    drawing.fillStyle = theme.soft;
    drawing.fillText(layers.names[i], middle, y + 20 + LAYER_CHART.track);
  });
  drawing.fillStyle = theme.strong;
  drawing.fillRect(from, toY(0) - 0.5, width - LAYER_CHART.caption, 1);
  Object.assign(drawing, { strokeStyle: theme.positive, lineWidth: 1.5, lineDash: [1.5, 3] });
  drawing.beginPath();
  drawing.moveTo(from, toY(even));
  drawing.lineTo(from + width - LAYER_CHART.caption, toY(even));
  drawing.stroke();
  drawing.lineDash = null;
  figure.y += LAYER_CHART.high;
}

function addChartCaption(drawing, theme, name, kind, right, middle) {
  Object.assign(drawing, { textAlign: "right", textBaseline: "middle" });
  for (const [text, size, colour, shift] of [[name, 12.5, theme.ink, -8], [kind === "raw" ? "weight w" : "share of sum", 10, theme.soft, 7], ["by layer", 10, theme.soft, 20]]) {
    Object.assign(drawing, { font: `${size}px ${PRINT_FONT}`, fillStyle: colour });
    drawing.fillText(text, right, middle + shift);
  }
}

function addWhisker(drawing, theme, x, low, high) {
  drawing.fillStyle = theme.ink;
  drawing.fillRect(x - 0.75, high, 1.5, low - high);
  for (const y of [low, high]) drawing.fillRect(x - 4, y - 0.75, 8, 1.5);
}
