// The tier player: wave, spectrogram with pitch, the frame branch, and tiers of words, syllables and phones on one time axis.

const LANES = { ruler: 24, wave: 84, spectrogram: 116, frames: 58 }; // pixels
const DRAG_PIXELS = 4;

function makePlayer(view) {
  const { data, selection, axis, sound } = view;
  const transcript = makeTranscript(view);
  const zoom = ["−", "+", "Fit"].map((text, i) => makeButton(text, [() => axis.zoomBy(1 / 1.6), () => axis.zoomBy(1.6), () => axis.fit(axis.zoom() > 1.01 ? null : selection.current().span)][i],
    { "aria-label": ["Zoom out", "Zoom in", "Show all, or what is selected"][i], title: ["Zoom out (−)", "Zoom in (+)", "Show all, or what is selected (0)"][i], class: "mv-button mv-small" }));
  const panel = makePanel("Where in the clip", describePlayer(data), ...zoom);
  const lanes = listLanes(data);
  const notes = new Map(); // tier -> the element with its note
  const gutter = make("div", { class: "mv-gutter", "aria-hidden": "true" }, ...lanes.map((lane) => make("div", { class: "mv-lane-name", style: { height: `${lane.pixels}px` } },
    make("span", { text: lane.name }), lane.note ? notes.set(lane.key, make("small", { text: lane.note, class: lane.noteClass })).get(lane.key) : null)));
  const canvases = new Map(lanes.filter((lane) => lane.draw).map((lane) => [lane.key, make("canvas", { class: "mv-canvas", "data-lane": lane.key })]));
  const stack = make("div", { class: "mv-stack", role: "img", tabindex: "-1", "data-keys": "sound", "aria-label": `Wave, spectrogram and pitch of ${data.payload.clip.name}; the numbers are in the tables below.` }, ...canvases.values());
  const tiers = data.tiers.map((unit) => makeTier(view, unit));
  const span = make("div", { class: "mv-span", hidden: true });
  const cursor = make("div", { class: "mv-cursor", hidden: true });
  const joins = data.payload.clip.joins.map((time) => make("div", { class: "mv-join", title: `Windows of the encoder meet at ${seconds(time)} s`, style: { left: `${(100 * time) / data.extent()}%` } }));
  const inner = make("div", { class: "mv-inner" }, stack, ...tiers.map((tier) => tier.element), ...joins, span, cursor);
  const scroller = make("div", { class: "mv-scroll" }, inner);
  const legend = makeLegend(view);
  const wordSwitch = makeWordSwitch(view);
  if (transcript.element || data.units.W) panel.append(...(wordSwitch ? [wordSwitch.element] : []));
  if (transcript.element) panel.append(transcript.element);
  if (transcript.element && data.sums?.note) panel.append(make("p", { class: "mv-note mv-word-note", "data-part": "word-note", text: data.sums.note }));
  panel.append(make("div", { class: "mv-lanes", "data-part": "player" }, gutter, scroller), legend.element);
  const tables = makeUnitTables(view);
  panel.append(make("div", { class: "mv-numbers" }, make("span", { text: "In numbers:" }), ...tables.map((table) => table.element)));
  axis.add(scroller, inner);
  listenToSound(view, stack, scroller);

  function draw() {
    const width = axis.width();
    if (!width) return;
    stack.style.width = `${width}px`;
    for (const lane of lanes) drawLane(lane);
    for (const tier of tiers) tier.fitLabels(width * axis.zoom());
  }
  function drawLane(lane) {
    const width = axis.width();
    if (lane?.draw && width) lane.draw(view, startDrawing(canvases.get(lane.key), width, lane.pixels), width, lane.pixels);
  }
  function colour() {
    transcript.colour();
    legend.draw();
    wordSwitch?.show();
    if (notes.has("W")) notes.get("W").textContent = noteWords(data, selection.current().part);
    for (const tier of tiers) tier.colour();
    for (const table of tables) table.refresh();
  }
  function mark() {
    transcript.mark();
    for (const tier of tiers) tier.mark();
    const { span: chosen } = selection.current();
    span.hidden = !chosen;
    if (chosen) Object.assign(span.style, { left: `${(100 * chosen[0]) / data.extent()}%`, width: `${(100 * (chosen[1] - chosen[0])) / data.extent()}%` });
  }
  let now = null;
  function follow() {
    const time = sound.position();
    cursor.hidden = time === null;
    if (time !== null) {
      cursor.style.left = `${(100 * time) / data.extent()}%`;
      if (axis.zoom() > 1) axis.reveal([time, time]);
    }
    const at = time === null || !data.units.W ? -1 : data.segmentAt("W", time);
    const word = at < 0 ? null : data.units.W.words[at];
    if (word === now) return;
    now = word;
    transcript.markNow(word);
    view.showNow(word);
    for (const tier of tiers) if (tier.unit === "W") tier.markNow(at);
  }
  axis.subscribe(draw);
  sound.subscribe(follow);
  sound.ready?.then(draw);
  return {
    element: panel, draw, colour, mark, redraw: (...keys) => lanes.filter((lane) => keys.includes(lane.key)).forEach(drawLane), resize: () => axis.resize(scroller.clientWidth),
    focus: (unit, segment) => (unit === "T" ? transcript.focus(segment) : tiers.find((tier) => tier.unit === unit)?.focus(segment)),
  };
}

function describePlayer(data) {
  const how = "drag over the wave for a stretch; Ctrl + wheel or two fingers zoom.";
  const segments = [["S", "syllable"], ["P", "phone"]].filter(([unit]) => data.units[unit]).map(([, name]) => name);
  if (!data.hasWords() && !segments.length) return `There are no words to colour here. Click the wave to hear it from there; ${how}`;
  if (!data.late) return `The chosen model is no sum over segments, so they have no colour. Click to hear exactly it; ${how}`;
  const own = [...segments, ...(data.hasBranch("F") ? ["frame"] : [])];
  const words = data.hasWords() ? ["each word has the colour of all that it adds to the chosen emotion"] : [];
  const others = own.length ? [`each ${joinNames(own)} ${words.length ? "that" : "has the colour"} of what its own branch adds`] : [];
  return `${capitalise([...words, ...others].join(", "))}. Click to hear exactly it; ${how}`;
}

function listLanes(data, part = WHOLE) {
  const { spectrogram } = data.payload.acoustics;
  /** @type {Record<string, any>[]} */
  const lanes = [{ key: "ruler", name: "", pixels: LANES.ruler, draw: drawRuler }, { key: "wave", name: "wave", pixels: LANES.wave, draw: drawWave }];
  if (spectrogram) lanes.push({ key: "spectrogram", name: "sound", note: `0 to ${spectrogram.hertz / 1000} kHz; pitch in Hz`, noteClass: "mv-pitch-name", pixels: LANES.spectrogram, draw: makeSpectrogramDrawer(data) });
  if (data.hasBranch("F")) lanes.push({ key: "frames", name: "frames", note: "logits each", pixels: LANES.frames, draw: drawFrames });
  for (const unit of data.tiers) {
    const note = unit === "W" ? noteWords(data, part) : data.hasBranch(unit) ? "own branch" : data.late ? "no branch" : "";
    lanes.push({ key: unit, name: data.units[unit].name, note, pixels: data.units[unit].pixels });
  }
  return lanes;
}

// One tier of segments: buttons, of which one can be reached by Tab.
function makeTier(view, unit) {
  const { data, selection } = view;
  const { labels, starts, ends, name } = data.units[unit];
  const percent = (time) => `${((100 * time) / data.extent()).toFixed(4)}%`;
  const tiles = labels.map((label, i) => make("button", {
    type: "button", class: "mv-tile", tabindex: "-1", "data-keys": unit, "data-unit": unit, "data-segment": i, "aria-label": `${label}, ${seconds(starts[i])} to ${seconds(ends[i])} seconds`,
    style: { left: percent(starts[i]), width: percent(ends[i] - starts[i]) },
  }, make("span", { text: label })));
  const element = make("div", { class: `mv-tier mv-tier-${unit}`, role: "group", "aria-label": name, style: { height: `${data.units[unit].pixels}px` } }, ...tiles);
  element.addEventListener("click", (event) => {
    const tile = event.target.closest("[data-segment]");
    if (tile) view.playPicked(() => selection.pickSegment(unit, +tile.dataset.segment));
  });
  if (tiles.length) tiles[0].tabIndex = 0;
  let marked = [], stop = tiles[0], now = -1, fitted = 0, widths = null;

  return {
    unit, element,
    focus: (segment) => tiles[segment]?.focus({ preventScroll: true }),
    colour: () => {
      const state = selection.current(), { emotion, scale, part } = state;
      const values = data.tierValues(unit, emotion, scale, part), limit = data.limit(emotion, scale);
      element.classList.toggle("mv-plain", !values);
      tiles.forEach((tile, i) => {
        const fill = values && !Number.isNaN(values[i]) ? mixColours(view.theme.diverging, 0.5 + values[i] / limit / 2) : null;
        tile.style.backgroundColor = fill ? toCss(fill) : "";
        tile.style.color = fill ? inkFor(fill) : "";
        tile.title = `${labels[i]}\n${seconds(starts[i])} to ${seconds(ends[i])} s\n${describeTile(data, unit, i, values, state)}`;
      });
    },
    mark: () => {
      const state = selection.current();
      for (const tile of marked) { tile.classList.remove("mv-selected", "mv-related"); tile.removeAttribute("aria-pressed"); }
      const [first, after] = state.span ? data.overlapping(unit, state.span) : [0, 0];
      marked = tiles.slice(first, after);
      for (const tile of marked) tile.classList.add("mv-related");
      const chosen = state.unit === unit ? tiles[state.segment] : null;
      if (chosen) {
        chosen.classList.replace("mv-related", "mv-selected") || chosen.classList.add("mv-selected");
        chosen.setAttribute("aria-pressed", "true");
        if (!marked.includes(chosen)) marked.push(chosen);
      }
      if (stop) stop.tabIndex = -1;
      stop = chosen ?? marked[0] ?? tiles[0];
      if (stop) stop.tabIndex = 0;
    },
    markNow: (at) => {
      tiles[now]?.classList.remove("mv-now");
      tiles[(now = at)]?.classList.add("mv-now");
    },
    // labels that don't fit are not cut off but left out; the tile still has its title
    fitLabels: (total) => {
      if (total === fitted || !tiles.length) return;
      fitted = total;
      widths ??= measureLabels(tiles[0], labels);
      tiles.forEach((tile, i) => tile.classList.toggle("mv-tiny", widths[i] + 4 > ((ends[i] - starts[i]) / data.extent()) * total));
    },
  };
}

function describeTile(data, unit, i, values, state) {
  if (unit === "W") return describeWord(data, data.units.W.words[i], state) || (data.late ? "no word of the text" : "no branch for it");
  return `${values ? `${signed(values[i])} logits for ${state.emotion}` : "no branch for it"}, ${describeOwner(data, unit, i)}`;
}

function measureLabels(tile, labels) {
  const context = document.createElement("canvas").getContext("2d");
  const style = getComputedStyle(tile);
  context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  return labels.map((label) => context.measureText(label).width);
}

// Mouse: a click plays on from there, a drag selects a stretch. A finger's tap plays; its drag scrolls.
function listenToSound(view, stack, scroller) {
  const { data, selection, axis, sound } = view;
  let drag = null, dragged = false;
  stack.addEventListener("pointerdown", (event) => {
    dragged = false;
    stack.focus({ preventScroll: true }); // so that Space and Esc mean the stretch
    if (event.pointerType === "mouse" && event.button === 0) { drag = { x: event.clientX, time: axis.timeAt(event.clientX, scroller) }; stack.setPointerCapture(event.pointerId); }
  });
  stack.addEventListener("pointermove", (event) => {
    const time = axis.timeAt(event.clientX, scroller);
    if (drag && Math.abs(event.clientX - drag.x) > DRAG_PIXELS) dragged = true;
    if (drag && dragged) selection.pickSpan(...[drag.time, time].map((one) => Math.min(one, data.duration)).sort((a, b) => a - b));
    else view.tip.show(event, describeMoment(data, selection.current(), time, event.target.dataset.lane));
  });
  stack.addEventListener("pointerleave", () => view.tip.hide());
  stack.addEventListener("pointerup", () => { drag = null; });
  stack.addEventListener("click", (event) => {
    if (dragged) { view.playSelection(); return; }
    const time = axis.timeAt(event.clientX, scroller);
    const frame = document.elementsFromPoint(event.clientX, event.clientY).some((one) => one.getAttribute("data-lane") === "frames") ? data.segmentAt("F", time) : -1;
    if (frame >= 0) view.playPicked(() => selection.pickSegment("F", frame));
    else if (time < data.duration) sound.play(time, data.duration);
  });
}

function describeMoment(data, { emotion, scale }, time, lane) {
  const parts = [`${seconds(time)} s`];
  if (lane === "spectrogram" && data.pitch) {
    const hertz = data.pitch.values[Math.min(Math.floor(time / data.payload.acoustics.pitch.step), data.pitch.values.length - 1)];
    parts.push(hertz > 0 ? `pitch ${Math.round(hertz)} Hz` : "no pitch");
  }
  const frame = lane === "frames" ? data.segmentAt("F", time) : -1;
  if (frame >= 0) parts.push(`frame: ${signed(data.values("F", emotion, scale)[frame], 4)} logits for ${emotion}`, describeOwner(data, "F", frame));
  return parts.join(" · ");
}

// lanes

function drawRuler({ axis, theme }, context, width, height) {
  const [start, end] = axis.visible();
  const { ticks, digits } = listTicks(start, end, width / 80);
  Object.assign(context, { fillStyle: theme.soft, strokeStyle: theme.line, font: `12px ${theme.font}`, textBaseline: "middle", textAlign: "center" });
  ticks.forEach((time, i) => {
    const x = axis.toX(time);
    context.fillRect(Math.round(x), height - 5, 1, 5);
    const text = time.toFixed(digits) + (i === ticks.length - 1 ? " s" : "");
    const half = context.measureText(text).width / 2 + 1;
    context.fillText(text, Math.min(Math.max(x, half), width - half), height / 2 - 3);
  });
}

function drawWave(view, context, width, height) {
  const { axis, theme, data, sound } = view;
  const middle = height / 2;
  context.fillStyle = theme.line;
  context.fillRect(0, Math.round(middle), width, 1);
  context.fillStyle = theme.wave;
  const read = sound.samples() ? readSamples(sound.samples(), sound.rate) : readOutline(data);
  const scale = (middle - 3) / data.loudest(sound.samples());
  const [start, end] = axis.visible();
  for (let x = 0; x < width; x++) {
    const [low, high] = read(start + (x / width) * (end - start), start + ((x + 1) / width) * (end - start));
    const top = middle - high * scale;
    context.fillRect(x, top, 1, Math.max(1, middle - low * scale - top));
  }
  drawAttentionRow(view, context, width, height);
}

function readSamples(samples, rate) {
  return (start, end) => {
    const from = Math.max(0, Math.floor(start * rate)), to = Math.min(samples.length, Math.max(from + 2, Math.ceil(end * rate) + 1));
    const stride = Math.max(1, Math.floor((to - from) / 400)); // enough to find the peaks
    let low = 1, high = -1;
    for (let i = from; i < to; i += stride) { if (samples[i] < low) low = samples[i]; if (samples[i] > high) high = samples[i]; }
    return low > high ? [0, 0] : [low, high];
  };
}

function readOutline(data) {
  const { step } = data.payload.acoustics.wave;
  const { low, high } = data.wave;
  return (start, end) => {
    const from = Math.min(low.length - 1, Math.floor(start / step)), to = Math.min(low.length, Math.max(from + 1, Math.ceil(end / step)));
    if (from >= low.length - 1 && start >= data.duration) return [0, 0]; // beyond the clip, beside a longer one
    let [least, most] = [127, -127];
    for (let i = from; i < to; i++) { least = Math.min(least, low[i]); most = Math.max(most, high[i]); }
    return [least / 127, most / 127];
  };
}

// Over the wave: where the chosen word piece looks, or is looked at from.
function drawAttentionRow({ data, selection, axis, theme }, context, width, height) {
  const { token, map } = selection.current();
  if (token === null || !map) return;
  const plane = data.plane(map.unit, map.direction, map.layer, map.head);
  const row = plane.values.subarray(token * plane.columns, (token + 1) * plane.columns);
  const most = row.reduce((a, b) => Math.max(a, b), 1e-9);
  const room = height - 18;
  context.fillStyle = theme.accent;
  for (let cell = 0; cell < plane.columns; cell++) {
    const left = axis.toX(data.cellStart(map.unit, cell)), right = axis.toX(data.cellEnd(map.unit, cell));
    if (right < 0 || left > width) continue;
    const tall = (row[cell] / most) * room;
    context.globalAlpha = 0.32;
    context.fillRect(left, height - tall, right - left, tall);
    context.globalAlpha = 1;
    context.fillRect(left, height - tall, right - left, 1.5);
  }
  const label = map.direction === "text_to_speech" ? `“${data.units.T.labels[token]}” attends to` : `attends to “${data.units.T.labels[token]}”`;
  Object.assign(context, { font: `600 12px ${theme.font}`, textBaseline: "top", textAlign: "left", lineWidth: 3, strokeStyle: theme.ground, lineJoin: "round" });
  const longest = [`${label} · ${data.units[map.unit].name}, highest ${most.toFixed(3)}`, `${label} · ${most.toFixed(3)}`, label];
  const text = longest.find((one) => context.measureText(one).width < width - 10) ?? "";
  context.strokeText(text, 5, 3);
  context.fillText(text, 5, 3);
}

function makeSpectrogramDrawer(data) {
  const { spectrogram } = data.payload.acoustics;
  const { shape: [bands, columns], values } = unpack(spectrogram.values);
  const low = -data.largest((one) => -findPitchRange(one)[0]), high = data.largest((one) => findPitchRange(one)[1]);
  let image = null, painted = null;

  return ({ axis, theme }, context, width, height) => {
    if (painted !== theme) [image, painted] = [paintSpectrogram(values, bands, columns, theme.grey), theme];
    const [start, end] = axis.visible();
    const [from, to] = [start / spectrogram.step, end / spectrogram.step];
    context.imageSmoothingEnabled = true;
    if (from < columns) context.drawImage(image, from, 0, Math.min(to, columns) - from, bands, 0, 0, (width * (Math.min(to, columns) - from)) / (to - from), height);
    const toY = (hertz) => height - 4 - ((hertz - low) / (high - low)) * (height - 8);
    drawPitchScale(context, theme, low, high, toY, width);
    drawPitch(context, theme, data, axis, toY, low, high);
  };
}

// Octave errors and whistling consonants may leave the picture.
function findPitchRange({ pitch }) {
  const voiced = (pitch?.values ?? new Float32Array()).filter((hertz) => hertz > 0).sort();
  const [middle, rare] = [0.5, 0.9].map((share) => voiced[Math.floor(share * (voiced.length - 1))] ?? 150);
  return [Math.max(50, middle * 0.5), Math.min(600, Math.max(middle * 1.7, rare * 1.15))];
}

function paintSpectrogram(values, bands, columns, ramp) {
  return paintPixels(columns, bands, ramp, (i) => values[(bands - 1 - Math.floor(i / columns)) * columns + (i % columns)]);
}

function drawPitchScale(context, theme, low, high, toY, width) {
  Object.assign(context, { font: `600 11px ${theme.font}`, textBaseline: "middle", textAlign: "right", lineJoin: "round", lineWidth: 3, strokeStyle: theme.ground, fillStyle: theme.pitch });
  for (const hertz of listTicks(low, high, 3).ticks) {
    context.strokeText(`${hertz}`, width - 4, toY(hertz));
    context.fillText(`${hertz}`, width - 4, toY(hertz));
  }
}

function drawPitch(context, theme, data, axis, toY, low, high) {
  const { step } = data.payload.acoustics.pitch;
  const hertz = data.pitch.values;
  const [start, end] = axis.visible();
  context.lineCap = context.lineJoin = "round";
  for (const [colour, thick] of [[theme.ground, 5], [theme.pitch, 2.2]]) {
    context.beginPath();
    let isDown = false;
    for (let i = Math.max(0, Math.floor(start / step) - 1); i < Math.min(hertz.length, end / step + 1); i++) {
      const isVoiced = hertz[i] > 0 && hertz[i] > low * 0.8 && hertz[i] < high * 1.2;
      if (isVoiced) context[isDown ? "lineTo" : "moveTo"](axis.toX((i + 0.5) * step), toY(hertz[i]));
      isDown = isVoiced;
    }
    Object.assign(context, { strokeStyle: colour, lineWidth: thick });
    context.stroke();
  }
}

// The frame branch: bars from a middle line. Frames narrower than two pixels are drawn as the mean of their neighbours.
function drawFrames({ data, selection, axis, theme }, context, width, height) {
  const { emotion, scale } = selection.current();
  const values = data.values("F", emotion, scale), { starts, ends } = data.units.F;
  const middle = height / 2;
  const most = data.largestFrame(emotion, scale);
  const [start, end] = axis.visible();
  const group = Math.max(1, Math.round((2 * (end - start)) / width / Math.max(1e-6, ends[0] - starts[0])));
  context.fillStyle = theme.line;
  context.fillRect(0, Math.round(middle), width, 1);
  for (let i = Math.floor(Math.max(0, lastNotAfter(starts, start)) / group) * group; i < values.length && starts[i] < end; i += group) {
    const last = Math.min(i + group, values.length);
    let mean = 0;
    for (let k = i; k < last; k++) mean += values[k] / (last - i);
    const left = axis.toX(starts[i]), right = axis.toX(ends[last - 1]);
    const tall = Math.min(1, Math.abs(mean) / most) * (middle - 4);
    context.fillStyle = mean > 0 ? theme.positive : theme.negative;
    context.fillRect(left, mean > 0 ? middle - tall : middle, Math.max(1, right - left - (right - left > 4 ? 1 : 0)), tall);
  }
  Object.assign(context, { font: `11px ${theme.font}`, textAlign: "right", fillStyle: theme.soft, strokeStyle: theme.ground, lineWidth: 3, lineJoin: "round" });
  for (const [text, y, baseline] of [[signed(most), 2, "top"], [signed(-most), height - 2, "bottom"]]) {
    context.textBaseline = baseline;
    context.strokeText(text, width - 4, y);
    context.fillText(text, width - 4, y);
  }
}

// below the tiers

function makeLegend(view) {
  const { data, selection } = view;
  const isColoured = data.tiers.length || data.payload.words.length; // a clip in which nothing is said has no words or segments
  if (!data.late || !isColoured) return { element: "", draw: () => {} };
  const [low, middle, high] = [make("span"), make("span", { class: "mv-legend-name" }), make("span")];
  const bar = make("i", { class: "mv-legend-bar" });
  const element = make("div", { class: "mv-legend", "data-part": "legend" }, low, bar, high, middle);
  return {
    element,
    draw: () => {
      const { emotion, scale } = selection.current();
      const limit = data.limit(emotion, scale);
      low.textContent = signed(-limit);
      high.textContent = signed(limit);
      middle.textContent = `late fusion's logits of a word or segment for ${emotion}, ${scale === "raw" ? "raw" : "centred over the emotions"}`;
    },
  };
}

// What every segment of every branch adds, in numbers, for all emotions.
function makeUnitTables(view) {
  const { data, selection } = view;
  const words = makeWordTable(view);
  return [...(words ? [words] : []), ...["T", "F", ...data.tiers].filter((unit) => data.units[unit]).map((unit) => {
    const { labels, starts, ends, name, words: owners } = data.units[unit];
    const whose = (i) => (unit === "W" ? [] : [owners[i] >= 0 ? data.wordName(owners[i]) : "", data.straddles(unit, i) ? "over an edge" : ""]);
    const kind = () => (data.hasBranch(unit) ? data.classes : []);
    const head = () => (data.hasBranch(unit) ? `${name}; logits, ${selection.current().scale}` : name);
    const table = makeTable(`${labels.length} ${unit === "T" ? "word pieces" : name}`, () => [head(), ...(starts ? ["start (s)", "end (s)"] : []), ...(unit === "W" ? [] : ["counts for", "note"]), ...kind()], () => {
      const columns = kind().map((emotion) => data.values(unit, emotion, selection.current().scale));
      return labels.map((one, i) => [one, ...(starts ? [starts[i].toFixed(3), ends[i].toFixed(3)] : []), ...whose(i), ...columns.map((column) => exact(column[i]))]);
    });
    table.element.dataset.table = unit;
    return table;
  })];
}
