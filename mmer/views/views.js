// The component: one place, one payload, one selection. Everything outside talks to it through window.mmerViews (docs/linked-views.md).

// `axis`: that of the view beside it, when there is one; `bar`: where the bar of tools goes, when not above the pictures.
function mountViews(root, data, { axis = createAxis(data.extent()), bar: barPlace = null } = {}) {
  const { payload } = data;
  const selection = createSelection(data);
  root.classList.toggle("mv-unnamed", !payload.headline.names_emotion); // before its colours are read
  const view = { root, data, payload, selection, axis, sound: createSound(data), tip: makeTip(root), theme: readTheme(root) };
  view.playSelection = () => { const { span } = selection.current(); if (span) view.sound.play(...span); else view.sound.stop(); };
  view.playPicked = (pick) => { pick(); view.playSelection(); };

  const bar = makeBarOfTools(view);
  const parts = { player: makePlayer(view), attention: makeAttention(view), evidence: makeEvidence(view), layers: makeLayers(view) };
  const further = make("div", { class: "mv-further" });
  for (const [name, part] of Object.entries(parts)) part.element.dataset.picture = name;
  (barPlace ?? root).append(bar.element);
  root.append(parts.player.element, parts.attention.element, parts.evidence.element, parts.layers.element, further, view.tip.element);
  addSaving(view, bar, parts);
  view.addPanel = (title, caption) => { const panel = makePanel(title, caption); further.append(panel); return panel; };

  const redrawAll = () => {
    view.theme = readTheme(root);
    parts.player.colour();
    parts.attention.colour();
    parts.player.draw();
    parts.attention.draw();
  };
  selection.subscribe((_, changed) => {
    const isRecoloured = changed.has("emotion") || changed.has("scale"), isRepainted = isRecoloured || changed.has("part");
    if (isRepainted) parts.player.colour();
    parts.player.mark();
    if (changed.has("token") || changed.has("map")) parts.player.redraw("wave");
    if (isRecoloured) parts.player.redraw("frames");
    if (changed.has("map")) { parts.attention.showChoices(); parts.attention.draw(); }
    parts.attention.mark();
    if (isRecoloured || changed.has("role") || changed.has("branch")) parts.evidence.build();
    else parts.evidence.mark();
    bar.show();
  });
  parts.player.colour();
  parts.player.mark();
  parts.attention.mark();
  parts.evidence.build();
  parts.layers.build();
  bar.show();
  for (const one of barPlace ? [root, bar.element] : [root]) listenToKeys(view, parts.player, one);
  const unwatch = watchSurroundings(parts.player, redrawAll);
  view.close = () => { unwatch(); view.sound.close(); };
  return view;
}

// The bar that stays in sight: sound, emotion, scale, and what is selected.
function makeBarOfTools(view) {
  const { data, selection, sound } = view;
  const best = data.predictions[data.payload.best];
  const isNamed = data.payload.headline.names_emotion;
  const emotions = data.classes.map((name, i) => [name, name, isNamed ? `${(100 * best.probabilities[i]).toFixed(0)} % by ${data.payload.best} fusion` : undefined]);
  const emotion = makeRadios("Explain", emotions, selection.current().emotion, (value) => selection.set({ emotion: value }));
  const scale = makeRadios("Logits", [["centred", "centred"], ["raw", "raw"]], selection.current().scale, (value) => selection.set({ scale: value }));
  emotion.element.dataset.part = "emotion";
  emotion.element.classList.add("mv-wrapping"); // seven classes are wider than a phone
  scale.element.dataset.part = "scale";
  scale.element.append(makeTerm("?", "What logits are", "A logit is a model’s score for an emotion before it becomes a probability. Centred: minus the mean over the emotions, which softmax ignores."));
  if (!isNamed) emotion.element.prepend(make("span", { class: "mv-numbers-for", text: "Numbers for", "aria-hidden": "true" })); // chosen, not heard
  const play = makeButton("▶ Play", () => (sound.isPlaying() ? sound.stop() : sound.play(0, data.duration)), { class: "mv-button mv-play", "data-part": "play", disabled: !sound.ready });
  const again = makeButton("▶", view.playSelection, { class: "mv-button", "data-part": "play-selection", "aria-label": "Play the selection", title: "Play the selection (space)" });
  again.append(make("span", { text: " Selection" }));
  const clear = makeButton("×", () => { sound.stop(); selection.clear(); }, { class: "mv-button mv-small", "aria-label": "Clear the selection", title: "Clear the selection (Esc)" });
  const clock = make("span", { class: "mv-clock" });
  const nowWord = make("span", { class: "mv-now-word", "aria-hidden": "true" });
  view.showNow = (word) => {
    const { emotion, scale: chosen, part } = selection.current();
    nowWord.textContent = word === null || word < 0 || !data.sums ? "" : `${data.payload.words[word]} ${signed(data.wordValues(emotion, chosen, part)[word], 2)}`;
  };
  const readout = make("p", { class: "mv-readout", "aria-live": "polite", "data-part": "readout" });
  const picked = make("div", { class: "mv-picked" }, again, readout, nowWord, clear);
  const element = make("div", { class: "mv-bar-of-tools" }, make("div", { class: "mv-tools" }, play, clock, emotion.element, scale.element), picked);
  const tick = () => {
    clock.textContent = `${seconds(sound.position() ?? 0)} / ${seconds(data.duration)} s`;
    play.textContent = sound.isPlaying() ? "■ Stop" : "▶ Play";
  };
  sound.subscribe(tick);
  tick();
  return {
    element,
    show: () => {
      const state = selection.current();
      emotion.show(state.emotion);
      scale.show(state.scale);
      const text = describeSelection(data, state);
      const does = sound.ready ? "it is played, and marked in every picture" : "it is marked in every picture; this result came without its sound";
      readout.textContent = text || `Nothing selected. Click ${nameTargets(data)}: ${does}.`;
      again.disabled = !state.span || !sound.ready;
      clear.hidden = !text;
      again.hidden = !text;
    },
  };
}

// What there is to click: a clip without words has no word, one without a map no cell.
function nameTargets(data) {
  const targets = [...(data.hasWords() ? ["a word"] : []), data.tiers.length ? "a sound" : "the wave", ...(data.maps.size ? ["a cell"] : [])];
  return targets.length > 1 ? `${targets.slice(0, -1).join(", ")} or ${targets[targets.length - 1]}` : targets[0];
}

// A line of text beside the pointer.
function makeTip(root) {
  const element = make("div", { class: "mv-tip", hidden: true, "aria-hidden": "true" });
  return {
    element,
    show: (event, text) => {
      if (event.pointerType === "touch" || !text) return;
      element.textContent = text;
      element.hidden = false;
      const box = (element.offsetParent ?? root).getBoundingClientRect(); // beside another view the root may have no box
      const x = Math.min(event.clientX - box.left + 14, box.width - element.offsetWidth - 4);
      Object.assign(element.style, { left: `${Math.max(0, x)}px`, top: `${event.clientY - box.top + 18}px` });
    },
    hide: () => { element.hidden = true; },
  };
}

// Space, arrows, Esc, + and -, while the focus is on something of the pictures.
function listenToKeys(view, player, listened) {
  const { data, selection, axis, sound, root } = view;
  const order = [...(data.units.T ? ["T"] : []), ...data.tiers];
  const count = (unit) => data.units[unit].labels.length;

  function show(unit, segment) {
    if (unit === "T") selection.pickToken(segment);
    else selection.pickSegment(unit, segment);
    const { span } = selection.current();
    if (span) axis.reveal(span);
  }
  function move(step) {
    const { unit, segment, span } = selection.current();
    if (!order.includes(unit)) { const first = data.tiers[0] ?? "T"; show(first, span && first !== "T" ? Math.min(data.overlapping(first, span)[0], count(first) - 1) : 0); return; }
    show(unit, Math.min(Math.max(0, segment + step), count(unit) - 1));
  }
  function change(step) {
    const { unit, span, word, token } = selection.current();
    const wanted = order[order.indexOf(unit) + step];
    if (wanted === undefined) return;
    if (wanted === "T") { if (token !== null) show("T", token); return; }
    if (!span) { show(wanted, 0); return; }
    const [first, after] = data.overlapping(wanted, span);
    const inWord = word === null ? -1 : data.units[wanted].words.indexOf(word);
    show(wanted, Math.min(after > first ? first : Math.max(0, inWord), count(wanted) - 1));
  }
  const keys = {
    ArrowLeft: () => move(-1), ArrowRight: () => move(1), ArrowUp: () => change(-1), ArrowDown: () => change(1),
    " ": () => (sound.isPlaying() ? sound.stop() : view.playSelection()),
    Escape: () => { sound.stop(); selection.clear(); },
    "+": () => axis.zoomBy(1.6, middleOf(selection)), "=": () => axis.zoomBy(1.6, middleOf(selection)), "-": () => axis.zoomBy(1 / 1.6, middleOf(selection)), 0: () => axis.fit(null),
  };
  listened.addEventListener("keydown", (event) => {
    const at = event.target.closest("[data-keys]");
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    if (!at && event.key !== "Escape") return;
    event.preventDefault();
    if (at?.matches(".mv-part:not([data-index])") && (event.key === "ArrowUp" || event.key === "ArrowDown")) { stepGroups(at, event.key); return; }
    if (event.key === " " && at && selection.current().unit === null && !at.matches(".mv-stack")) { at.click(); return; }
    const { unit: own, segment: number } = at?.dataset ?? {};
    if (event.key.startsWith("Arrow") && own && number && selection.current().unit === null) show(own, Number(number)); // what has the focus, first
    else keys[event.key]();
    const { unit, segment } = selection.current();
    if (event.key.startsWith("Arrow") && unit !== null && !at.matches("canvas")) followFocus(root, player, at, unit, segment);
  });
}

// Frames that are gathered per word are no segments of a tier: the arrows go from bar to bar.
function stepGroups(from, key) {
  const next = key === "ArrowDown" ? from.nextElementSibling : from.previousElementSibling;
  next?.focus({ preventScroll: true });
  next?.click();
}

// The focus goes where the selection went, within the picture that it was in.
function followFocus(root, player, from, unit, segment) {
  if (from.matches(".mv-row-name") && unit === "T") root.querySelector(`.mv-row-name[data-row="${segment}"]`)?.focus({ preventScroll: true });
  else if (from.matches(".mv-part")) root.querySelector(`.mv-part[data-part-of="${unit}"][data-index="${segment}"]`)?.focus({ preventScroll: true });
  else player.focus(unit, segment);
}

function middleOf(selection) {
  const { span } = selection.current();
  return span ? (span[0] + span[1]) / 2 : null;
}

// Draws again when the place gets another width or the page another theme. Returns what stops it.
function watchSurroundings(player, redraw) {
  const width = new ResizeObserver(() => player.resize());
  width.observe(player.element);
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  const later = () => setTimeout(redraw, 30);
  scheme.addEventListener("change", later);
  const theme = new MutationObserver(later);
  theme.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  player.resize();
  return () => { width.disconnect(); theme.disconnect(); scheme.removeEventListener("change", later); };
}

const mounted = new Map(); // place -> handle
const pairs = new Map(); // place -> what closes its two views
let latest = null; // the handle of the view that was mounted last
const listeners = new Set();

/** @param {Record<string, any>} view */
function makeHandle({ selection, sound, payload, data, addPanel, close, figure }) {
  return {
    payload, data, addPanel, close, figure, get: selection.get, set: (changes) => [...selection.set(changes)], pickSegment: selection.pickSegment, pickToken: selection.pickToken,
    pickSpan: selection.pickSpan, clear: selection.clear, play: sound.play, stop: sound.stop,
    subscribe: (listener) => selection.subscribe((_, changed) => listener(selection.get(), [...changed])),
  };
}

function empty(place) {
  mounted.get(place)?.close();
  pairs.get(place)?.();
  if (latest && latest === mounted.get(place)) latest = null;
  for (const kept of [mounted, pairs]) kept.delete(place);
}

listenForHints();

window.mmerViews = {
  // an element with attributes, listeners and text, never markup; for the other scripts of the page
  make,
  // shows a payload in an element, in place of what was there; returns the view's handle
  mount: (place, payload) => {
    empty(place);
    const root = make("div", { class: "mv" });
    place.replaceChildren(root);
    const handle = makeHandle(mountViews(root, readData(payload)));
    mounted.set(place, handle);
    latest = handle;
    handle.subscribe((selection, changed) => {
      for (const listener of listeners) listener(selection, changed, handle);
      document.dispatchEvent(new CustomEvent("mmer-selection", { detail: { selection, changed } }));
    });
    return handle;
  },
  // shows two payloads, [{title, payload}, {title, payload}], side by side on shared scales, marked where they differ; returns both handles
  mountPair: (place, sides) => {
    empty(place);
    const { views, close } = mountPair(place, sides);
    pairs.set(place, close);
    return views.map(makeHandle);
  },
  // ends what is shown in an element
  unmount: (place) => { empty(place); place.replaceChildren(); },
  // the view that is mounted in an element, or the last one
  find: (place) => (place ? mounted.get(place) : latest) ?? null,
  // of the last one: what a page with a single clip needs
  get: () => latest?.get() ?? null,
  set: (changes) => latest?.set(changes) ?? [],
  pickSegment: (unit, segment) => latest?.pickSegment(unit, segment),
  pickToken: (token) => latest?.pickToken(token),
  clear: () => latest?.clear(),
  play: (start, end) => latest?.play(start, end),
  payload: () => latest?.payload ?? null,
  figure: (kind) => latest?.figure(kind) ?? null,
  addPanel: (title, caption) => latest?.addPanel(title, caption) ?? null,
  // listener(selection, names of what changed, handle), of every view that is there or will be; returns what ends it
  subscribe: (listener) => { listeners.add(listener); return () => { listeners.delete(listener); }; },
};
