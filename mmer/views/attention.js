// The coattention map: word pieces down, speech segments along the same time axis as the player.

const DIRECTIONS = [["text_to_speech", "text asks, speech answers"], ["speech_to_text", "speech asks, text answers"]];
const HEAD_PIXELS = 40; // words and segments above the map

function makeAttention(view) {
  const { data, selection, axis } = view;
  if (!data.maps.size) return makeNoAttention(data);
  const change = (name) => (value) => selection.set({ map: { ...selection.current().map, [name]: value } });
  const { map } = selection.current();
  const count = (which) => data.maps.get(selection.current().map.unit).shape[which];
  const listOf = (which) => [["mean", "mean"], ...Array.from({ length: count(which) }, (_, i) => [String(i), String(i + 1)])];
  const units = [...data.maps.keys()];
  const choices = {
    unit: makeSelect("Speech as", units.map((unit) => [unit, data.units[unit].name]), map.unit, change("unit")),
    direction: makeSelect("Direction", DIRECTIONS, map.direction, change("direction")),
    layer: makeSelect("Layer", listOf(0), map.layer, change("layer")),
    head: makeSelect("Head", listOf(1), map.head, change("head")),
  };
  const panel = makePanel("What words and speech attend to", data.payload.captions.attention);
  panel.append(make("div", { class: "mv-choices" }, ...Object.values(choices).map((choice) => choice.element)));

  const rows = data.units.T.labels.length;
  const rowPixels = rows <= 16 ? 24 : rows <= 40 ? 19 : 16;
  const names = data.units.T.labels.map((label, token) => make("button", {
    type: "button", class: "mv-row-name", tabindex: token ? "-1" : "0", "data-keys": "T", "data-row": token, style: { height: `${rowPixels}px` }, "aria-label": `word piece ${label}: show where it is attended`,
  }, make("span", { text: label })));
  const gutter = make("div", { class: "mv-gutter mv-row-names", role: "group", "aria-label": "Word pieces" }, ...names);
  const head = make("canvas", { class: "mv-canvas", "aria-hidden": "true" });
  const canvas = make("canvas", { class: "mv-canvas mv-map-canvas", tabindex: "0", role: "img", "data-keys": "map", "data-part": "map", "aria-label": "Attention weights. Arrow keys move over the cells, Enter plays. The numbers are in the table below." });
  const span = make("div", { class: "mv-span mv-map-span", hidden: true });
  const bands = make("div", { class: "mv-bands" });
  const inner = make("div", { class: "mv-inner" }, canvas, bands, span);
  const scroller = make("div", { class: "mv-scroll" }, inner);
  const headLine = make("div", { class: "mv-lanes mv-map-head" }, make("div", { class: "mv-gutter", "aria-hidden": "true" }, make("div", { class: "mv-lane-name" }, make("span", { text: "words" }))), head);
  panel.append(headLine, make("div", { class: "mv-map" }, make("div", { class: "mv-lanes" }, gutter, scroller)));
  const legend = makeMapLegend(view);
  const table = makeAttentionTable(view);
  const mixed = make("p", { class: "mv-note", text: data.payload.captions.mixed });
  const showMixed = () => { mixed.hidden = count(0) < 2; };
  showMixed();
  panel.append(legend.element, mixed, ...data.payload.captions.caveats.map((text) => make("p", { class: "mv-note", text })), table.element);
  axis.add(scroller, inner);

  let picture = null, pictured = ""; // the map as an image, one pixel a cell
  function paint() {
    const { map: { unit, direction, layer, head: which } } = selection.current();
    const key = `${unit} ${direction} ${layer} ${which}`;
    if (key === pictured) return;
    pictured = key;
    picture = paintMap(data.plane(unit, direction, layer, which), data.mostAttention(selection.current().map), view.theme.sequential);
  }
  function draw() {
    const width = axis.width();
    if (!width) return;
    paint();
    drawMap(view, startDrawing(canvas, width, rows * rowPixels), picture, rowPixels);
    drawMapHead(view, startDrawing(head, width, HEAD_PIXELS), width);
    legend.draw(picture.most);
    table.refresh();
  }
  // the chosen stretch of sound as a column, the chosen word as rows: elements over the picture, which stays as it is
  function mark() {
    const state = selection.current();
    span.hidden = !state.span;
    if (state.span) Object.assign(span.style, { left: `${(100 * state.span[0]) / data.extent()}%`, width: `${(100 * (state.span[1] - state.span[0])) / data.extent()}%` });
    const chosen = data.units.T.words.flatMap((owner, row) => (row === state.token || (state.word !== null && owner === state.word) ? [row] : []));
    bands.replaceChildren(...chosen.map((row) => make("div", { class: row === state.token ? "mv-band mv-selected" : "mv-band", style: { top: `${row * rowPixels}px`, height: `${rowPixels}px` } })));
    markRows(data, state, names);
  }
  names.forEach((name, token) => name.addEventListener("click", () => view.playPicked(() => selection.pickToken(token))));
  listenToMap(view, canvas, scroller, rowPixels);
  axis.subscribe(draw);
  return {
    element: panel, draw, mark,
    colour: () => { pictured = ""; },
    showChoices: () => {
      const now = selection.current().map;
      choices.layer.fill(listOf(0), now.layer);
      choices.head.fill(listOf(1), now.head);
      showMixed();
      for (const name of Object.keys(choices)) choices[name].show(now[name]);
    },
  };
}

function makeNoAttention(data) {
  const reason = data.payload.unavailable.early ?? "The chosen model has no coattention: choose one that has in the settings.";
  const panel = makePanel("What words and speech attend to", reason);
  return { element: panel, draw: () => {}, mark: () => {}, colour: () => {}, showChoices: () => {} };
}

function paintMap({ rows, columns, values }, most, ramp) {
  const canvas = paintPixels(columns, rows, ramp, (i) => Math.round((255 * values[i]) / most));
  return { canvas, rows, columns, most };
}

function drawMap({ data, selection, axis }, context, { canvas, rows, columns }, rowPixels) {
  const { unit } = selection.current().map;
  context.imageSmoothingEnabled = false;
  const width = axis.width(), height = rows * rowPixels;
  const [start, end] = axis.visible();
  const size = data.maps.get(unit).size;
  const first = Math.max(0, Math.floor(lastNotAfter(data.units[unit].starts, start) / size));
  for (let cell = first; cell < columns && data.cellStart(unit, cell) < end; cell++) {
    const left = axis.toX(data.cellStart(unit, cell)), right = axis.toX(data.cellEnd(unit, cell));
    if (right < 0 || left > width) continue;
    const gap = right - left > 6 ? 1 : 0;
    context.drawImage(canvas, cell, 0, 1, rows, left, 0, Math.max(0.75, right - left - gap), height);
  }
}

function drawMapHead({ data, selection, axis, theme }, context, width) {
  const { unit } = selection.current().map;
  const lines = [["W", 9], ...(unit === "F" ? [] : [[unit, 29]])].filter(([one]) => data.units[one]);
  for (const [one, y] of lines) {
    const { labels, starts, ends } = data.units[one];
    Object.assign(context, { font: `${one === "W" ? 12.5 : 11}px ${theme.font}`, fillStyle: one === "W" ? theme.ink : theme.soft, textAlign: "center", textBaseline: "middle" });
    for (let i = Math.max(0, lastNotAfter(starts, axis.visible()[0])); i < labels.length; i++) {
      const left = axis.toX(starts[i]), right = axis.toX(ends[i]);
      if (left > width) break;
      if (context.measureText(labels[i]).width + 3 <= right - left) context.fillText(labels[i], (left + right) / 2, y);
    }
  }
  if (unit !== "F") return;
  const { ticks, digits } = listTicks(...axis.visible(), width / 80);
  Object.assign(context, { font: `11px ${theme.font}`, fillStyle: theme.soft, textAlign: "center" });
  for (const time of ticks) {
    const half = 20;
    context.fillText(`${time.toFixed(digits)} s`, Math.min(Math.max(axis.toX(time), half), width - half), 30);
  }
}

// Behind each word piece: its weight with the chosen segment, as a share of the strongest.
function markRows(data, { token, word, unit, segment, map }, names) {
  const plane = data.plane(map.unit, map.direction, map.layer, map.head);
  const cell = unit === map.unit && segment !== null ? Math.floor(segment / data.maps.get(unit).size) : null;
  const column = names.map((_, row) => (cell === null ? 0 : plane.values[row * plane.columns + cell]));
  const most = Math.max(1e-9, ...column);
  names.forEach((name, row) => {
    name.style.setProperty("--share", cell === null ? "0%" : `${Math.round((100 * column[row]) / most)}%`);
    name.classList.toggle("mv-selected", row === token);
    name.classList.toggle("mv-related", row !== token && word !== null && data.units.T.words[row] === word);
    name.tabIndex = row === (token ?? 0) ? 0 : -1;
  });
}

function listenToMap(view, canvas, scroller, rowPixels) {
  const { data, selection, axis } = view;
  const find = (event) => {
    const { unit } = selection.current().map;
    const segment = data.segmentAt(unit, axis.timeAt(event.clientX, scroller));
    const row = Math.floor((event.clientY - canvas.getBoundingClientRect().top) / rowPixels);
    return segment < 0 || row < 0 || row >= data.units.T.labels.length ? null : { unit, cell: Math.floor(segment / data.maps.get(unit).size), row };
  };
  canvas.addEventListener("click", (event) => {
    const hit = find(event);
    if (hit) view.playPicked(() => selection.pickCell(hit.unit, hit.cell, hit.row));
  });
  canvas.addEventListener("pointermove", (event) => {
    const hit = find(event);
    if (hit) view.tip.show(event, describeCell(data, selection.current(), hit));
    else view.tip.hide();
  });
  canvas.addEventListener("pointerleave", () => view.tip.hide());
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); view.playSelection(); return; }
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!steps) return;
    event.preventDefault();
    event.stopPropagation();
    const { unit, segment, token, map, span } = selection.current();
    const columns = data.plane(map.unit, map.direction, map.layer, map.head).columns, size = data.maps.get(map.unit).size;
    const at = unit === map.unit ? Math.floor(segment / size) : span ? Math.floor(Math.max(0, data.overlapping(map.unit, span)[0]) / size) : -steps[0];
    const cell = Math.min(Math.max(0, at + steps[0]), columns - 1), row = Math.min(Math.max(0, (token ?? -steps[1]) + steps[1]), countPieces(data) - 1);
    selection.pickCell(map.unit, cell, row);
    axis.reveal(selection.current().span);
  });
}

const countPieces = (data) => data.units.T.labels.length;

function describeCell(data, { map }, { unit, cell, row }) {
  const plane = data.plane(map.unit, map.direction, map.layer, map.head);
  const [word, label] = [data.units.T.labels[row], unit === "F" ? "frame" : data.units[unit].labels[cell * data.maps.get(unit).size]];
  const pair = map.direction === "text_to_speech" ? `${word} → ${label}` : `${label} → ${word}`;
  return `${pair} · ${seconds(data.cellStart(unit, cell))} to ${seconds(data.cellEnd(unit, cell))} s · weight ${plane.values[row * plane.columns + cell].toFixed(4)}`;
}

function makeMapLegend(view) {
  const { data, selection } = view;
  const [most, text] = [make("span"), make("span", { class: "mv-legend-name" })];
  const element = make("div", { class: "mv-legend" }, make("span", { text: "0" }), make("i", { class: "mv-legend-bar mv-legend-map" }), most, text);
  return {
    element,
    draw: (highest) => {
      const { map: { unit, direction } } = selection.current();
      const size = data.maps.get(unit).size;
      const sums = direction === "text_to_speech" ? "each row sums to 1 over the clip" : "each column sums to 1 over the word pieces";
      const shared = size > 1 ? `; ${size} neighbouring ${data.units[unit].name} share a cell, since the clip is long` : "";
      most.textContent = highest.toFixed(3);
      text.textContent = `attention weight, ${sums}${shared}`;
    },
  };
}

// Rows are segments: a page of phones is longer than wide.
function makeAttentionTable({ data, selection }) {
  const table = makeTable("Attention weights of this map, in numbers", () => ["segment", "start (s)", ...data.units.T.labels], () => {
    const { map: { unit, direction, layer, head } } = selection.current();
    const plane = data.plane(unit, direction, layer, head), size = data.maps.get(unit).size;
    return Array.from({ length: plane.columns }, (_, cell) => [unit === "F" ? "frame" : data.units[unit].labels[cell * size], data.cellStart(unit, cell).toFixed(3),
      ...Array.from({ length: plane.rows }, (_, row) => exact(plane.values[row * plane.columns + cell]))]);
  });
  table.element.dataset.table = "attention";
  let shown = "";
  return { element: table.element, refresh: () => {
    const key = JSON.stringify(selection.current().map);
    if (key !== shown) { shown = key; table.refresh(); }
  } };
}
