// Words: what each adds as a whole and by branch, in titles, the readout, the switch and the table. The sums are the payload's.

const WHOLE = "whole"; // of the switch: every branch together, else one unit's letter

const nameUnit = (data, unit) => data.units[unit]?.name ?? unit;

// What a word is coloured by; null where its choice makes no difference.
function makeWordSwitch(view) {
  const { data, selection } = view;
  if (!data.sums || data.branches().length < 2) return null;
  const options = [[WHOLE, "all branches", "Colour a word by everything that it adds"],
    ...data.branches().map((unit) => [unit, nameUnit(data, unit), `Colour a word by what the branch ${nameUnit(data, unit)} alone adds in it`])];
  const choice = makeRadios("Colour words by", options, selection.current().part, (part) => selection.set({ part }));
  choice.element.dataset.part = "part";
  choice.element.classList.add("mv-wrapping");
  return { element: make("div", { class: "mv-word-switch" }, make("span", { text: "Colour words by", "aria-hidden": "true" }), choice.element), show: () => choice.show(selection.current().part) };
}

// Whose colours the words have: the note beside their tier.
function noteWords(data, part) {
  if (!data.sums) return "";
  if (data.branches().length < 2) return `${nameUnit(data, data.branches()[0])} branch`;
  return part === WHOLE ? "all branches" : `${nameUnit(data, part)} alone`;
}

// “cold” +0.223 logits for anger = text −0.030, frames +0.082, syllables +0.172
function describeWord(data, word, { emotion, scale }, where = "") {
  if (!data.sums || word === null || !(word >= 0)) return "";
  const { sums } = data;
  const total = `“${data.wordName(word)}” ${signed(data.wordValues(emotion, scale)[word])} logits for ${emotion}${where}${scale === "raw" ? ", raw" : ""}`;
  const parts = data.branches().filter((unit) => sums.counts[unit][word] > 0).map((unit) => {
    const over = sums.straddling[unit][word];
    return `${nameUnit(data, unit)} ${signed(data.wordValues(emotion, scale, unit)[word])}${over ? ` (${over} over an edge)` : ""}`;
  });
  const named = data.branches().length > 1 ? ` = ${parts.join(", ") || "nothing"}` : "";
  return `${total}${named}${describePlace(data, word)}`;
}

// What is odd about a word's place in the sound.
function describePlace({ sums }, word) {
  if (!sums.divided) return "; the sound is not divided into words";
  if (!sums.placed[word]) return sums.parts.T ? "; not found in the sound, so its text alone" : "; not found in the sound";
  return sums.counts.F && !sums.counts.F[word] ? "; too short to hold a frame's centre" : "";
}

// Of a word piece, syllable, phone or frame: whose it is.
function describeOwner(data, unit, segment) {
  const owner = data.units[unit].words[segment];
  const over = data.straddles(unit, segment) ? ", over a word's edge" : "";
  if (owner >= 0) return `counts for “${data.wordName(owner)}”${over}`;
  return `belongs to no word (${unit === "T" ? "punctuation" : data.sums?.rests[unit]?.name ?? "between words"})${over}`;
}

// Every written word with its parts for the chosen emotion, then what no word owns: it adds up to the logit.
function makeWordTable({ data, selection }) {
  if (!data.sums || !data.payload.words.length) return null;
  const { sums, payload } = data;
  const units = data.branches();
  const pick = (values) => { const { emotion, scale } = selection.current(); return pickLogit(values, data.classes.indexOf(emotion), scale); };
  const row = (name, total, parts, note = "") => [name, exact(total), ...parts.map((one) => (one === null ? "" : exact(one))), note];
  const table = makeTable("What each word adds", () => {
    const { emotion, scale } = selection.current();
    return [`logits for ${emotion}, ${scale}`, "whole", ...units.map((unit) => nameUnit(data, unit)), "note"];
  }, () => {
    const { emotion, scale } = selection.current();
    const whole = data.wordValues(emotion, scale), parts = units.map((unit) => data.wordValues(emotion, scale, unit));
    const words = payload.words.map((text, i) => row(text, whole[i], units.map((unit, k) => (sums.counts[unit][i] ? parts[k][i] : null)), noteWord(data, i)));
    const names = [...new Set(units.map((unit) => sums.rests[unit].name))];
    const rests = names.map((name) => {
      const own = units.map((unit) => (sums.rests[unit].name === name ? pick(sums.rests[unit].value) : null));
      return row(name, own.reduce((sum, one) => sum + (one ?? 0), 0), own);
    });
    const none = units.map(() => null);
    return [...words, ...rests, row("biases", pick(sums.biases), none), row("late fusion: logit", pick(data.late.logits), none)];
  });
  table.element.dataset.table = "words";
  return table;
}

function noteWord(data, word) {
  const count = (number, one) => `${number} ${number === 1 ? one : `${one}s`}`;
  const straddling = data.branches().filter((unit) => data.sums.straddling[unit][word]).map((unit) => `${count(data.sums.straddling[unit][word], data.units[unit].one)} over an edge`);
  return [describePlace(data, word).slice(2), ...straddling].filter(Boolean).join("; ");
}
