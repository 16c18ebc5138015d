// The layer weights of Equation 1, one panel per branch, as shares or as learned.

function makeLayers(view) {
  const { data } = view;
  const roles = Object.entries(data.predictions).filter(([, prediction]) => Object.keys(prediction.layers).length);
  const panel = makePanel("Which encoder layers each branch reads", "Learned weights w of Equation 1. As shares w / Σw they sum to 1, and negative ones subtract; the dotted line is 1/L, equal weights, where training starts.");
  if (!roles.length) return { element: panel, build: () => {} };
  let kind = "normalised";
  const place = make("div", { class: "mv-layers", "data-part": "layers" });
  const choice = makeRadios("Weights", [["normalised", "shares w / Σw"], ["raw", "raw w"]], kind, (value) => { kind = value; build(); });
  panel.querySelector(".mv-panel-head").append(make("div", { class: "mv-controls" }, choice.element));
  const table = makeLayerTable(data, roles);
  const runs = Math.max(0, ...roles.flatMap(([, prediction]) => Object.values(prediction.layers).map((layers) => layers.spread?.runs ?? 0)));
  const spread = make("p", { class: "mv-note", text: `The thin mark on a bar reaches from the lowest to the highest share that the ${runs} runs of the head's experiment learned.` });
  panel.append(place, spread, table.element);

  function build() {
    spread.hidden = !runs || kind !== "normalised";
    const span = findLayerSpan(data, kind);
    place.replaceChildren(...roles.map(([role, prediction]) => make("div", { class: "mv-layer-role" },
      make("h3", { text: `${ROLE_NAMES[role] ?? role}, ${prediction.head}` }),
      ...listLayerNotes(prediction).map((text) => make("p", { class: "mv-note", text })),
      ...Object.entries(prediction.layers).map(([unit, layers]) => makeLayerChart(data.units[unit]?.name ?? unit, layers, kind, span)))));
  }
  return { element: panel, build };
}

// What is said of all branches of a model once: how fast their weights learned.
const listLayerNotes = (prediction) => [...new Set(Object.values(prediction.layers).map((layers) => layers.note).filter(Boolean))];

// The lowest and highest weight of all branches, those of the clip it is shown beside included: their charts have one scale.
/** @returns {[number, number]} the lowest and the highest value on the charts' shared scale */
function findLayerSpan(data, kind) {
  const charts = [data, data.peer].flatMap((one) => Object.values(one?.predictions ?? {}).flatMap((prediction) => Object.values(prediction.layers)));
  const all = charts.flatMap((layers) => [...layers[kind], findEven(layers, kind), ...(kind === "normalised" && layers.spread ? [...layers.spread.low, ...layers.spread.high] : [])]);
  return [Math.min(0, ...all), Math.max(...all) * 1.06];
}

const findEven = (layers, kind) => (kind === "normalised" ? 1 / layers.normalised.length : 1);

function makeLayerChart(name, layers, kind, [low, high]) {
  const values = layers[kind], spread = kind === "normalised" ? layers.spread : null, even = findEven(layers, kind);
  const toShare = (value) => (100 * (value - low)) / (high - low);
  const columns = values.map((value, i) => {
    const [from, to] = [toShare(Math.min(0, value)), toShare(Math.max(0, value))];
    const title = `layer ${layers.names[i]}: w ${layers.raw[i].toFixed(4)}, share ${layers.normalised[i].toFixed(4)}${layers.spread ? `; over ${layers.spread.runs} runs ${layers.spread.low[i].toFixed(3)} to ${layers.spread.high[i].toFixed(3)}` : ""}`;
    return make("div", { class: "mv-layer", title },
      make("span", { class: "mv-layer-value", text: exact(value, 2) }),
      make("span", { class: "mv-layer-track" },
        make("i", { class: `mv-layer-bar${value < 0 ? " mv-below" : ""}`, style: { bottom: `${from}%`, height: `${to - from}%` } }),
        spread ? make("i", { class: "mv-whisker", style: { bottom: `${toShare(spread.low[i])}%`, height: `${toShare(spread.high[i]) - toShare(spread.low[i])}%` } }) : null,
        make("i", { class: "mv-even", style: { bottom: `${toShare(even)}%` } }),
        make("i", { class: "mv-ground", style: { bottom: `${toShare(0)}%` } })),
      make("span", { class: "mv-layer-name", text: layers.names[i] }));
  });
  return make("figure", { class: "mv-layer-chart", role: "img", "aria-label": `${name}: ${values.map((value, i) => `layer ${layers.names[i]} ${value.toFixed(2)}`).join(", ")}` },
    make("figcaption", { text: name }), make("div", { class: "mv-layer-columns" }, ...columns));
}

function makeLayerTable(data, roles) {
  const rows = roles.flatMap(([role, prediction]) => Object.entries(prediction.layers).flatMap(([unit, layers]) => layers.names.map((name, i) =>
    [`${role}, ${data.units[unit]?.name ?? unit}`, name, exact(layers.raw[i]), exact(layers.normalised[i]), ...(layers.spread ? [exact(layers.spread.low[i]), exact(layers.spread.high[i])] : [])])));
  const isSpread = roles.some(([, prediction]) => Object.values(prediction.layers).some((layers) => layers.spread));
  const table = makeTable("Layer weights, in numbers", () => ["model and branch", "layer", "w", "w / Σw", ...(isSpread ? ["lowest run", "highest run"] : [])], () => rows);
  table.element.dataset.table = "layers";
  return table;
}
