// Two clips, or two models on one clip, side by side: one time axis and one scale for both, one selection that follows by word.

// sides: [{title, payload}, {title, payload}]
function mountPair(place, sides) {
  const both = sides.map(({ payload }) => readData(payload));
  both.forEach((data, i) => { data.title = sides[i].title; data.letter = "AB"[i]; data.peer = both[1 - i]; data.partners = pairWords(data.payload.words, both[1 - i].payload.words); });
  const root = make("div", { class: "mv mv-pair" });
  place.replaceChildren(root);
  const bars = make("div", { class: "mv-pair-bars" }), columns = make("div", { class: "mv-pair-columns" });
  const common = make("div", { class: "mv-tools mv-pair-tools" });
  root.append(make("div", { class: "mv-pair-head" }, common, bars), columns);
  const axis = createAxis(both[0].extent());
  const views = both.map((data) => {
    const [bar, own] = [make("div", { class: "mv-pair-bar" }, makePairName(data)), make("div", { class: "mv", "data-side": data.letter, role: "group", "aria-label": nameSide(data) })];
    bars.append(bar);
    columns.append(own);
    const view = mountViews(own, data, { axis, bar });
    for (const title of own.querySelectorAll(".mv-panel h2")) title.dataset.letter = data.letter;
    return view;
  });
  linkChoices(views, common);
  linkSelections(views);
  views.forEach((view, i) => {
    markDifferences(view);
    view.selection.subscribe((_, changed) => { if (["emotion", "scale", "part"].some((name) => changed.has(name))) markDifferences(view); });
    view.sound.subscribe(() => { if (view.sound.isPlaying()) views[1 - i].sound.stop(); });
  });
  return { views, close: () => views.forEach((view) => view.close()) };
}

const nameSide = ({ letter, title }) => `${letter}: ${title}`;

function makePairName({ letter, title, payload, predictions }) {
  const { label, probabilities } = predictions[payload.best], { headline } = payload;
  const said = headline.names_emotion ? `${label} ${(100 * Math.max(...probabilities)).toFixed(1)} %` : headline.text;
  return make("p", { class: "mv-pair-name" }, make("b", { class: `mv-letter mv-letter-${letter}`, text: letter }), make("span", { text: ` ${title}: ` }),
    make("strong", { text: said }));
}

// Emotion and scale are chosen once for both.
function linkChoices(views, place) {
  const { data, selection } = views[0];
  const choose = (changes) => views.forEach((view) => view.selection.set(changes));
  const now = selection.current();
  const emotion = makeRadios("Explain", data.classes.map((name) => [name, name]), now.emotion, (value) => choose({ emotion: value }));
  const scale = makeRadios("Logits", [["centred", "centred"], ["raw", "raw"]], now.scale, (value) => choose({ scale: value }));
  emotion.element.dataset.part = "emotion";
  emotion.element.classList.add("mv-wrapping");
  scale.element.dataset.part = "scale";
  place.append(emotion.element, scale.element);
  views[1].selection.set({ emotion: now.emotion });
  selection.subscribe((state, changed) => {
    emotion.show(state.emotion);
    scale.show(state.scale);
    if (changed.has("emotion")) document.dispatchEvent(new CustomEvent("mmer-pair", { detail: { emotion: state.emotion } }));
  });
}

function linkSelections(views) {
  let isFollowing = false;
  views.forEach((view, i) => view.selection.subscribe((state, changed) => {
    if (isFollowing) return;
    isFollowing = true;
    try { follow(view, views[1 - i], state, changed); } finally { isFollowing = false; }
  }));
}

// What the other view can follow of a change, it follows.
function follow(view, other, state, changed) {
  const there = other.data, now = other.selection.current();
  if (["unit", "segment", "span", "token", "word"].some((name) => changed.has(name))) followPick(view.data, other, state);
  const changes = { emotion: state.emotion, scale: state.scale };
  if (changed.has("part") && (state.part === WHOLE || there.hasBranch(state.part))) changes.part = state.part;
  if (there.predictions[state.role]) changes.role = state.role;
  if (changed.has("branch") && (state.branch === null || there.hasBranch(state.branch))) changes.branch = state.branch;
  if (state.map && now.map && there.hasPlane(state.map)) changes.map = { ...state.map };
  other.selection.set(changes);
}

// The same segment of the same word; without a word the same time, where both are as long.
function followPick(data, other, { unit, segment, span, word }) {
  const there = other.data;
  if (unit === null && span === null) { other.selection.clear(); return; }
  const partner = word === null ? -1 : data.partners[word];
  if (partner >= 0 && unit === "T" && there.units.T) {
    const [mine, theirs] = [listOf(data.units.T.words, word), listOf(there.units.T.words, partner)];
    if (theirs.length) { other.selection.pickToken(theirs[Math.min(mine.indexOf(segment), theirs.length - 1)]); return; }
  }
  if (partner >= 0 && there.tiers.includes(unit)) {
    const [mine, theirs] = [listOf(data.units[unit].words, word), listOf(there.units[unit].words, partner)];
    if (theirs.length) { other.selection.pickSegment(unit, theirs[Math.min(mine.indexOf(segment), theirs.length - 1)]); return; }
  }
  const isSameLength = Math.abs(data.duration - there.duration) < 0.0015;
  if (isSameLength && unit === "F" && there.units.F) { other.selection.pickSegment("F", Math.min(segment, there.units.F.labels.length - 1)); return; }
  if (isSameLength && span) { other.selection.pickSpan(...span); return; }
  const place = partner >= 0 ? there.spanOfWord(partner) : null;
  if (place) other.selection.pickSpan(...place); else other.selection.clear();
}

const listOf = (words, wanted) => words.flatMap((word, i) => (word === wanted ? [i] : []));

// For each word here the index of the same word there, -1 where there is none: the longest common subsequence.
function pairWords(here, there) {
  const plain = (words) => words.map((word) => word.toLowerCase());
  const [a, b] = [plain(here), plain(there)];
  const longest = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) longest[i][j] = a[i] === b[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
  const partners = new Array(a.length).fill(-1);
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) partners[i++] = j++;
    else if (longest[i + 1][j] >= longest[i][j + 1]) i++;
    else j++;
  }
  return partners;
}

const NOTABLE = 0.1; // of the colour scale: a contribution that differs by more is marked

// Words that are not in the other clip, and segments that add clearly more or less there.
function markDifferences({ root, data, selection }) {
  const { emotion, scale, part } = selection.current();
  const limit = data.limit(emotion, scale), isThere = part === WHOLE || data.peer.hasBranch(part);
  for (const unit of data.tiers) {
    const values = data.tierValues(unit, emotion, scale, part), others = data.peer.units[unit] && (isThere || unit !== "W") ? data.peer.tierValues(unit, emotion, scale, part) : null;
    for (const tile of root.querySelectorAll(`.mv-tile[data-unit="${unit}"]`)) {
      const at = +tile.dataset.segment, word = data.units[unit].words[at];
      const partner = word < 0 ? -1 : data.partners[word];
      const isNew = word >= 0 && partner < 0;
      const there = partner < 0 || !others ? -1 : (listOf(data.peer.units[unit].words, partner)[listOf(data.units[unit].words, word).indexOf(at)] ?? -1);
      const change = values && there >= 0 ? values[at] - others[there] : 0;
      tile.classList.toggle("mv-new", isNew);
      tile.classList.toggle("mv-changed", Math.abs(change) > NOTABLE * limit);
      const beside = isNew ? `not in ${data.peer.letter}` : values && there >= 0 ? `${data.peer.letter}: ${signed(others[there])}` : "";
      if (beside) tile.title = `${tile.title.split("\n").slice(0, 3).join("\n")}\n${beside}`;
    }
  }
  for (const piece of root.querySelectorAll(".mv-piece")) {
    const word = data.units.T.words[+piece.dataset.token];
    piece.classList.toggle("mv-new", word >= 0 && data.partners[word] < 0);
  }
}
