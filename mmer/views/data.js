// The payload, read: typed arrays, values per emotion, attention planes, and what lies where in time.

const KINDS = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, f4: Float32Array, f2: Uint16Array };
let halves = null; // the 65536 numbers of half precision

function listHalves() {
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits & 32768 ? -1 : 1;
    table[bits] = sign * (exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction ? NaN : Infinity) : (1 + fraction / 1024) * 2 ** (exponent - 15));
  }
  return table;
}

function decodeBytes(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function unpack(packed) {
  return { shape: packed.shape, values: new KINDS[packed.type](decodeBytes(packed.base64).buffer) };
}

// The data of one clip. `peer` is that of the clip it is shown beside, whose scales it shares, or null.
function readData(payload) {
  if (payload.format !== "mmer-views" || payload.version !== 1) throw new Error(`not a payload of version 1: ${payload.format} ${payload.version}`);
  const { predictions, units, classes } = payload;
  const late = Object.values(predictions).find((p) => p.branches) ?? null;
  const contributions = new Map((late?.branches ?? []).map((branch) => [branch.unit, { ...branch, ...unpack(branch.contributions) }]));
  const maps = new Map();
  for (const prediction of Object.values(predictions)) {
    for (const [unit, one] of Object.entries(prediction.coattention)) maps.set(unit, { unit, size: one.segments_per_cell, shape: one.text_to_speech.shape, packed: one }); // unpacked when they are looked at
  }
  const kept = new Map();
  const keep = (key, compute) => { if (!kept.has(key)) kept.set(key, compute()); return kept.get(key); };

  const data = {
    payload, predictions, units, classes, late, maps, duration: payload.clip.duration, peer: null,
    wave: { low: unpack(payload.acoustics.wave.low).values, high: unpack(payload.acoustics.wave.high).values },
    pitch: payload.acoustics.pitch ? unpack(payload.acoustics.pitch.hertz) : null,
    // the largest of a measure here and in the clip beside it; a measure that one of them hasn't is -Infinity
    largest: (measure) => Math.max(measure(data), data.peer ? measure(data.peer) : -Infinity),
    extent: () => data.largest((one) => one.duration), // seconds of the time axis
    loudest: () => keep(`loudest ${data.peer !== null}`, () => data.largest(findLoudest)),
    tiers: Object.keys(units).filter((unit) => units[unit].lane !== null).sort((one, other) => units[one].lane - units[other].lane), // top to bottom
    hasBranch: (unit) => contributions.has(unit),
    biases: () => late.branches.map((branch) => branch.bias),

    // what each segment of a unit adds to the emotion's logit; null without a branch
    values: (unit, emotion, scale) => contributions.has(unit) ? keep(`${unit} ${emotion} ${scale}`, () => readColumn(contributions.get(unit), classes.indexOf(emotion), scale)) : null,

    sums: payload.word_contributions, // what each written word adds; null where no model is a sum over segments
    branches: () => [...contributions.keys()],
    straddles: (unit, segment) => keep(`straddling ${unit}`, () => new Set(units[unit].straddling)).has(segment),

    // (words) what each written word adds: all of it ("whole"), or the part of one branch
    wordValues: (emotion, scale, part = "whole") => keep(`words ${emotion} ${scale} ${part}`, () => readColumn(unpack(part === "whole" ? data.sums.whole : data.sums.parts[part]), classes.indexOf(emotion), scale)),

    // whether a role's sum takes half of what late fusion adds
    halved: (role) => Boolean(data.predictions[role]?.members.length),

    // the same for tiles: words have what all branches add in them, or one of them; the other tiers have their own branch. NaN: no word of the text
    tierValues: (unit, emotion, scale, part = "whole") => {
      if (unit !== "W") return data.values(unit, emotion, scale);
      if (!data.sums) return null;
      const values = data.wordValues(emotion, scale, part);
      return Float64Array.from(units.W.words, (word) => (word >= 0 ? values[word] : NaN));
    },
    // the branch whose segments stand in a tier
    tierSource: (unit) => (contributions.has(unit) ? unit : null),

    // the largest of all tiles and words, whole or in part, so that they share one scale
    limit: (emotion, scale) => data.largest((one) => one.ownLimit(emotion, scale)),
    ownLimit: (emotion, scale) => keep(`limit ${emotion} ${scale}`, () => {
      const lists = data.sums ? [...data.tiers.map((unit) => data.values(unit, emotion, scale) ?? []), ...["whole", ...data.branches()].map((part) => data.wordValues(emotion, scale, part))] : [];
      return lists.reduce((most, list) => list.reduce((largest, one) => Math.max(largest, Math.abs(one)), most), 1e-9);
    }),
    largestFrame: (emotion, scale) => data.largest((one) => (one.values("F", emotion, scale) ?? []).reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9)),

    // attention of one direction, layer and head or their means ("mean"): rows are word pieces, columns cells
    plane: (unit, direction, layer, head) => keep(`plane ${unit} ${direction} ${layer} ${head}`, () => averageMaps(keep(`maps ${unit} ${direction}`, () => unpack(maps.get(unit).packed[direction])), direction, layer, head)),
    hasPlane: ({ unit, layer, head }) => maps.has(unit) && (layer === "mean" || +layer < maps.get(unit).shape[0]) && (head === "mean" || +head < maps.get(unit).shape[1]),
    mostAttention: (map) => data.largest((one) => (one.hasPlane(map) ? one.plane(map.unit, map.direction, map.layer, map.head).values.reduce((a, b) => Math.max(a, b), 1e-9) : -Infinity)),
    cellStart: (unit, cell) => units[unit].starts[cell * maps.get(unit).size],
    cellEnd: (unit, cell) => units[unit].ends[Math.min((cell + 1) * maps.get(unit).size, units[unit].ends.length) - 1],

    // index of the segment at a time, -1 in a pause
    segmentAt: (unit, time) => {
      const { starts, ends } = units[unit];
      const at = lastNotAfter(starts, time);
      return at >= 0 && time < ends[at] ? at : -1;
    },
    // [first, one after last] of the segments that overlap a span
    overlapping: (unit, [start, end]) => {
      const { starts, ends } = units[unit];
      let first = Math.max(0, lastNotAfter(starts, start));
      if (ends[first] <= start + 1e-4) first++;
      let after = first;
      while (after < starts.length && starts[after] < end - 1e-4) after++;
      return [first, after];
    },
    spanOfWord: (word) => { const i = units.W ? units.W.words.indexOf(word) : -1; return i < 0 ? null : [units.W.starts[i], units.W.ends[i]]; },
    // the word piece that a moment falls on, when the word's letters share its time evenly; its first piece without a time
    tokenOfWord: (word, time = null) => {
      const pieces = word === null || word < 0 || !units.T ? [] : units.T.words.flatMap((owner, i) => (owner === word ? [i] : []));
      const span = time === null ? null : data.spanOfWord(word);
      if (pieces.length < 2 || !span) return pieces[0] ?? null;
      const [from, to] = [units.T.characters[pieces[0]][0], units.T.characters[pieces[pieces.length - 1]][1]];
      const letter = from + ((time - span[0]) / (span[1] - span[0])) * (to - from);
      return pieces.findLast((i) => units.T.characters[i][0] <= letter) ?? pieces[0];
    },
    hasWords: () => Boolean(units.T || units.W),
    wordName: (word) => payload.words[word] ?? "",
  };
  return data;
}

function findLoudest({ wave }) {
  return Math.max(0.01, ...[wave.low, wave.high].map((edge) => edge.reduce((most, one) => Math.max(most, Math.abs(one)), 0) / 127));
}

// The last index whose value is not after `time`; -1 if all are.
function lastNotAfter(sorted, time) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function pickLogit(row, chosen, scale) {
  return scale === "raw" ? row[chosen] : row[chosen] - row.reduce((sum, one) => sum + one, 0) / row.length;
}

function readColumn({ values, shape: [count, classes] }, chosen, scale) {
  return Float64Array.from({ length: count }, (_, i) => pickLogit(values.subarray(i * classes, (i + 1) * classes), chosen, scale));
}

function averageMaps({ shape: [layers, heads, queries, keys], values }, direction, layer, head) {
  halves ??= listHalves();
  const size = queries * keys;
  const sum = new Float32Array(size);
  const chosen = [];
  for (let l = 0; l < layers; l++) for (let h = 0; h < heads; h++) if ((layer === "mean" || +layer === l) && (head === "mean" || +head === h)) chosen.push(l * heads + h);
  for (const map of chosen) for (let i = 0, at = map * size; i < size; i++, at++) sum[i] += halves[values[at]];
  for (let i = 0; i < size; i++) sum[i] /= chosen.length;
  if (direction === "text_to_speech") return { rows: queries, columns: keys, values: sum };
  const turned = new Float32Array(size);
  for (let q = 0; q < queries; q++) for (let k = 0; k < keys; k++) turned[k * queries + q] = sum[q * keys + k];
  return { rows: keys, columns: queries, values: turned };
}
