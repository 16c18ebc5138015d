// The one selection that every view reads and writes:
//   emotion, scale ("centred" | "raw"), part ("whole" or the unit of the one branch that words are coloured by), role (whose sum is shown), branch (the unit that is unfolded, or null),
//   unit and segment (what was chosen, or null), span ([start, end] in seconds, or null), token and word (indices, or null),
//   map {unit, direction, layer, head} of the coattention map.

function createSelection(data) {
  const best = data.predictions[data.payload.best];
  const firstMap = data.maps.keys().next().value ?? null;
  let state = {
    emotion: best.label, scale: "centred", part: WHOLE, role: data.payload.best, branch: null, unit: null, segment: null, span: null, token: null, word: null,
    map: firstMap && { unit: firstMap, direction: "text_to_speech", layer: "mean", head: "mean" },
  };
  const listeners = new Set();
  const nothing = { unit: null, segment: null, span: null, token: null, word: null };
  const branchOf = (unit) => (data.hasBranch(unit) ? { branch: unit } : {});

  const selection = {
    get: () => ({ ...state, span: state.span && [...state.span], map: state.map && { ...state.map } }),
    // changes: any of the fields. Listeners get (selection, names of what changed, options as they were given)
    set: (changes, options = {}) => {
      const changed = new Set(Object.keys(changes).filter((name) => JSON.stringify(changes[name]) !== JSON.stringify(state[name])));
      state = { ...state, ...changes };
      if (changed.size) for (const listener of listeners) listener(state, changed, options);
      return changed;
    },
    subscribe: (listener) => { listeners.add(listener); return () => listeners.delete(listener); },
    current: () => state,

    // a segment of frames, phones, syllables or words
    pickSegment: (unit, segment, options) => {
      const { starts, ends, words } = data.units[unit];
      const word = words[segment] >= 0 ? words[segment] : null;
      selection.set({ unit, segment, span: [starts[segment], ends[segment]], word, token: data.tokenOfWord(word, (starts[segment] + ends[segment]) / 2), ...branchOf(data.tierSource(unit) ?? (state.part === WHOLE ? unit : state.part)) }, options);
    },
    // a word piece
    pickToken: (token, options) => {
      const word = data.units.T.words[token] >= 0 ? data.units.T.words[token] : null;
      selection.set({ unit: "T", segment: token, token, word, span: word === null ? null : data.spanOfWord(word), ...branchOf("T") }, options);
    },
    // a pair of the coattention map: the sound of the cell, the word of the row
    pickCell: (unit, cell, token, options) => {
      const size = data.maps.get(unit).size;
      selection.set({ unit, segment: cell * size, span: [data.cellStart(unit, cell), data.cellEnd(unit, cell)], token, word: data.units.T.words[token] >= 0 ? data.units.T.words[token] : null, ...branchOf(unit) }, options);
    },
    pickSpan: (start, end, options) => selection.set({ ...nothing, span: [start, end] }, options),
    clear: (options) => selection.set(nothing, options),
  };
  return selection;
}

// What is selected, in one line.
function describeSelection(data, state) {
  const { unit, segment, span, token, map } = state;
  if (unit === null && span === null) return "";
  const times = span ? `${seconds(span[0])} to ${seconds(span[1])} s` : "not in the sound";
  if (unit === null) return `${times} of the clip`;
  const parts = [];
  const name = data.units[unit].one;
  parts.push(unit === "F" ? name : `${name} “${data.units[unit].labels[segment]}”`);
  parts.push(times, ...describeValues(data, state));
  if (map && token !== null && unit === map.unit) {
    const plane = data.plane(map.unit, map.direction, map.layer, map.head);
    const cell = Math.floor(segment / data.maps.get(unit).size);
    parts.push(`attention with “${data.units.T.labels[token]}” ${plane.values[token * plane.columns + cell].toFixed(4)}`);
  }
  return parts.join(" · ");
}

// What the selected segment adds, and what its word adds as a whole.
function describeValues(data, state) {
  const { unit, segment, emotion, scale, role } = state;
  const owner = data.units[unit].words[segment];
  if (!data.late) return [describeOwner(data, unit, segment)];
  const half = (value) => (data.halved(role) ? ` (half of it, ${signed(value / 2)}, in combined)` : "");
  const whole = owner >= 0 ? describeWord(data, owner, state, ` in late fusion${half(data.wordValues(emotion, scale)[owner])}`) : "";
  if (unit === "W") return [whole.slice(whole.indexOf("” ") + 2) || "no word of the text"]; // its name is said already
  const value = data.values(unit, emotion, scale)?.[segment];
  const own = value === undefined ? "no branch of its own" : `${unit === "T" ? "the piece " : ""}${signed(value)} logits for ${emotion} in late fusion${scale === "raw" ? ", raw" : ""}${half(value)}`;
  if (unit === "T" && whole && data.sums.counts.T?.[owner] === 1) return [whole]; // its only piece
  const all = whole ? ` (${signed(data.wordValues(emotion, scale)[owner])} as a whole)` : ""; // its parts are said where the word is chosen: phones are narrow
  return [own, `${describeOwner(data, unit, segment)}${all}`];
}
