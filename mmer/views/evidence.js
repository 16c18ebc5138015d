// How the decision came about: a waterfall whose parts add up to the logits, and what would have been said without a part.

const ROLE_NAMES = { late: "late fusion", early: "early fusion", combined: "combined" };
const GROUP_FRAMES = 60; // more frames than this are shown per word

// The steps to one emotion's logit. kind: bias | branch | early | subtotal | total | scaled; start and end in logits.
function listSteps(data, role, emotion, scale) {
  const prediction = data.predictions[role];
  const members = prediction.members.length ? [...prediction.members].sort().reverse() : [role]; // late before early
  const share = 1 / members.length;
  const chosen = data.classes.indexOf(emotion);
  const steps = [];
  let at = 0;
  const add = (kind, label, value, extra = {}) => { steps.push({ kind, label, value, start: at, end: at + value, ...extra }); at += value; };
  for (const member of members) {
    const part = data.predictions[member];
    if (!part.branches) { add("early", `${ROLE_NAMES[member] ?? member}, one part`, share * pickLogit(part.logits, chosen, scale), { part: member, share }); continue; }
    const biases = part.branches.reduce((sum, branch) => sum + pickLogit(branch.bias, chosen, scale), 0);
    add("bias", "biases", share * biases, { share });
    for (const { unit } of part.branches) {
      const values = data.values(unit, emotion, scale);
      add("branch", data.units[unit]?.name ?? unit, share * values.reduce((sum, one) => sum + one, 0), { unit, part: unit, share });
    }
    if (members.length > 1) steps.push({ kind: "subtotal", label: `half of ${ROLE_NAMES[member] ?? member}`, value: at, start: 0, end: at, part: member });
  }
  const logit = pickLogit(prediction.logits, chosen, scale);
  steps.push({ kind: "total", label: `${ROLE_NAMES[role] ?? role}: logit`, value: logit, start: 0, end: logit });
  const scaled = logit / prediction.temperature;
  steps.push({ kind: "scaled", label: `÷ ${prediction.temperature.toFixed(2)}, the temperature`, value: scaled, start: 0, end: scaled });
  return steps;
}

// The segments of one branch in order, many frames gathered per word that owns them: [{label, value, segment?, span?, word}]
function listParts(data, unit, emotion, scale, share) {
  const { labels, starts, ends, words } = data.units[unit];
  const values = data.values(unit, emotion, scale);
  if (unit !== "F" || labels.length <= GROUP_FRAMES) {
    return labels.map((label, i) => ({ label: unit === "F" ? `${seconds(starts[i])} s` : label, value: share * values[i], segment: i, word: words[i], span: starts ? [starts[i], ends[i]] : data.spanOfWord(words[i]) }));
  }
  const groups = [];
  let key = null;
  labels.forEach((_, i) => {
    const owner = words[i], isDivided = data.sums.divided;
    const now = isDivided ? owner : Math.floor((starts[i] + ends[i]) * 2); // quarters of a second
    if (now !== key || !groups.length) {
      groups.push({ label: !isDivided ? `${seconds(starts[i])} s` : owner >= 0 ? data.wordName(owner) : "between words", value: 0, count: 0, word: owner, span: [starts[i], ends[i]] });
      key = now;
    }
    const group = groups[groups.length - 1];
    group.value += share * values[i];
    group.span[1] = ends[i];
    group.count++;
  });
  return groups;
}

function makeEvidence(view) {
  const { data, selection } = view;
  const roles = Object.keys(data.predictions);
  const choice = makeRadios("Model", [...roles].reverse().map((role) => [role, role]), selection.current().role, (role) => selection.set({ role }));
  const captions = data.payload.captions;
  const caption = data.late ? captions.sum : captions.early, isNamed = data.payload.headline.names_emotion;
  const panel = isNamed ? makePanel("How the decision adds up", caption, ...(roles.length > 1 ? [choice.element] : [])) : makePanel("How the numbers add up", "No emotion can be named in this clip, so there is no decision to explain.");
  const flips = make("p", { class: "mv-flips", "data-part": "flips" });
  const chart = make("div", { class: "mv-waterfall", role: "group", "aria-label": "Waterfall of logits", "data-part": "waterfall" });
  const table = makeStepTable(view);
  const parts = [flips, chart, make("p", { class: "mv-note", text: captions.scale }), table.element];
  if (isNamed) panel.append(...parts);
  else panel.append(makeFold(data.payload.headline.few, ...(roles.length > 1 ? [choice.element] : []), make("p", { class: "mv-note", text: caption }), ...parts));

  function build() {
    const { emotion, scale, role, branch } = selection.current();
    const kept = chart.querySelector(".mv-parts")?.scrollTop ?? 0;
    const focused = /** @type {HTMLElement | null | undefined} */ (document.activeElement?.closest?.("[data-branch]"));
    const hadFocus = focused?.dataset.branch;
    const steps = listSteps(data, role, emotion, scale);
    const ends = (one) => (one.predictions[role] ? listSteps(one, role, emotion, scale).flatMap((step) => [step.start, step.end]) : []);
    const low = -data.largest((one) => Math.max(0, ...ends(one).map((end) => -end))), high = data.largest((one) => Math.max(0, ...ends(one)));
    const toShare = (value) => (100 * (value - low)) / Math.max(high - low, 1e-9);
    const rows = [];
    steps.forEach((step, i) => {
      rows.push(makeStep(view, step, toShare, step.unit === branch, steps[i + 1]));
      if (step.kind === "branch" && step.unit === branch) rows.push(makeParts(view, step));
    });
    chart.replaceChildren(...rows, makeScale(low, high, toShare, `logits for ${emotion}, ${scale}`), ...makeOutcome(data, role, emotion));
    writeFlips(data, role, flips);
    choice.show(role);
    const list = chart.querySelector(".mv-parts");
    if (list) list.scrollTop = kept;
    if (hadFocus) chart.querySelector(`[data-branch="${hadFocus}"]`)?.focus({ preventScroll: true });
    table.refresh();
    mark();
  }

  // the chosen segment's bar, or those in its stretch of sound
  function mark() {
    const { unit, segment, span, word, branch } = selection.current();
    const overlaps = (part) => Boolean(span && part.span && part.span[0] < span[1] - 1e-4 && span[0] < part.span[1] - 1e-4);
    let first = null;
    for (const row of chart.querySelectorAll(".mv-part")) {
      const { shownPart: part, shownUnit: of } = row;
      const isGroup = part.segment === undefined; // of frames, chosen as a stretch of sound
      const isChosen = isGroup ? (of === unit || (unit === null && of === branch)) && overlaps(part) : of === unit && part.segment === segment;
      const isRelated = !isChosen && (of === "T" ? word !== null && part.word === word : overlaps(part));
      row.classList.toggle("mv-selected", isChosen);
      row.classList.toggle("mv-related", isRelated);
      if (isChosen) row.setAttribute("aria-pressed", "true"); else row.removeAttribute("aria-pressed");
      if ((isChosen || isRelated) && !first) first = row;
    }
    const list = chart.querySelector(".mv-parts");
    if (first && list) list.scrollTop = first.offsetTop - (list.clientHeight - first.offsetHeight) / 2;
    for (const row of chart.querySelectorAll("[data-branch]")) row.classList.toggle("mv-has-selected", row.dataset.branch === unit);
  }
  return { element: panel, build, mark };
}

function makeBar(start, end, toShare, kind) {
  const [left, right] = [toShare(Math.min(start, end)), toShare(Math.max(start, end))];
  return make("i", { class: `mv-bar mv-bar-${kind}`, style: { left: `${left}%`, width: `${right - left}%` } });
}

const signOf = (value) => (value >= 0 ? "for" : "against");

function makeStep(view, step, toShare, isOpen, next) {
  const { selection, data } = view;
  const isTotal = ["subtotal", "total", "scaled"].includes(step.kind);
  const flip = data.predictions[selection.current().role].flips.find((one) => one.part === step.part);
  const track = make("span", { class: "mv-track" }, make("i", { class: "mv-zero", style: { left: `${toShare(0)}%` } }), makeBar(step.start, step.end, toShare, isTotal ? "total" : signOf(step.value)),
    next && !["total", "scaled"].includes(step.kind) ? make("i", { class: "mv-link", style: { left: `${toShare(step.end)}%` } }) : null);
  const label = make("span", { class: "mv-step-name" }, make("span", { text: step.label }), step.share && step.share < 1 ? make("small", { text: "× ½" }) : null, flip ? make("em", { class: "mv-flip", text: `decides: else ${flip.label}` }) : null);
  const cells = [label, track, make("span", { class: "mv-number", text: signed(step.value) }, makeDifference(view, step))];
  if (step.kind !== "branch") return make("div", { class: `mv-step mv-step-${step.kind}`, "data-step": step.part ?? step.kind }, ...cells);
  return make("button", {
    type: "button", class: "mv-step mv-step-branch", "data-branch": step.unit, "data-step": step.unit, "aria-expanded": String(isOpen), title: isOpen ? "Fold its segments" : "Show its segments",
    onclick: () => selection.set({ branch: isOpen ? null : step.unit }),
  }, ...cells);
}

// Beside another clip: how much more this step adds here than there.
function makeDifference({ data, selection }, step) {
  const { role, emotion, scale } = selection.current();
  if (!data.peer) return null;
  const other = data.peer.predictions[role] && listSteps(data.peer, role, emotion, scale).find((one) => one.kind === step.kind && one.part === step.part);
  return make("small", { class: "mv-difference", text: other ? `${data.peer.letter} ${signed(other.value)}` : `not in ${data.peer.letter}`, title: other ? `${signed(step.value - other.value)} to ${data.peer.letter}` : undefined });
}

// The segments of the unfolded branch, with a scale of their own: they are small.
function makeParts(view, step) {
  const { data, selection } = view;
  const { emotion, scale } = selection.current();
  const parts = listParts(data, step.unit, emotion, scale, step.share);
  let at = step.start, low = at, high = at;
  for (const part of parts) { part.start = at; at += part.value; part.end = at; low = Math.min(low, at); high = Math.max(high, at); }
  const toShare = (value) => (100 * (value - low)) / Math.max(high - low, 1e-9);
  const rows = parts.map((part) => {
    const row = make("button", { type: "button", class: "mv-part", "data-keys": step.unit, "data-part-of": step.unit, "data-index": part.segment, title: part.span ? `${seconds(part.span[0])} to ${seconds(part.span[1])} s` : undefined, onclick: () => view.playPicked(() => pickPart(view, step.unit, part)) },
      make("span", { class: "mv-step-name" }, make("span", { text: part.label }), part.count ? make("small", { text: `${part.count} frames` }) : null),
      make("span", { class: "mv-track" }, makeBar(part.start, part.end, toShare, signOf(part.value))),
      make("span", { class: "mv-number", text: signed(part.value, 4) }));
    row.shownPart = part;
    row.shownUnit = step.unit;
    return row;
  });
  const times = view.data.late && step.share < 1 ? " × ½" : "";
  return make("div", { class: "mv-parts-frame" },
    make("p", { class: "mv-note", text: `${parts.length} parts of ${data.units[step.unit].name}${times}, on a scale of their own. Each bar begins where the one above ends; the line is where the branch begins.` }),
    make("div", { class: "mv-parts", role: "group", style: { "--mv-start": `${toShare(step.start)}%` }, "aria-label": `Segments of the branch ${data.units[step.unit].name}` }, ...rows),
    makeScale(low, high, toShare, "logits so far"));
}

function pickPart({ selection, data }, unit, part) {
  if (unit === "T") selection.pickToken(part.segment);
  else if (part.segment !== undefined) selection.pickSegment(unit, part.segment);
  else selection.set({ unit: null, segment: null, span: part.span, word: part.word >= 0 ? part.word : null, token: data.tokenOfWord(part.word), branch: unit });
}

function makeScale(low, high, toShare, name) {
  const { ticks, digits } = listTicks(low, high, 5);
  return makeTicks(name, ticks.map((tick) => [toShare(tick), tick === 0 ? "0" : signed(tick, digits)]));
}

// marks: [share of the track in percent, text]
function makeTicks(name, marks) {
  return make("div", { class: "mv-step mv-scale" }, make("span", { class: "mv-step-name", text: name }),
    make("span", { class: "mv-track" }, ...marks.map(([left, text]) => make("span", { class: `mv-tick${left < 1 ? " mv-first" : left > 99 ? " mv-last" : ""}`, style: { left: `${left}%` }, text }))), make("span"));
}

// The probability, on an axis of its own.
function makeOutcome(data, role, emotion) {
  const share = data.predictions[role].probabilities[data.classes.indexOf(emotion)];
  const bar = make("div", { class: "mv-step mv-outcome", "data-step": "probability" }, make("span", { class: "mv-step-name", text: "softmax: probability" }),
    make("span", { class: "mv-track" }, make("i", { class: "mv-bar mv-bar-probability", style: { left: "0", width: `${100 * share}%` } })), make("span", { class: "mv-number", text: `${(100 * share).toFixed(1)} %` }));
  return [bar, makeTicks("", [0, 50, 100].map((share) => [share, `${share} %`]))];
}

function writeFlips(data, role, place) {
  const prediction = data.predictions[role], { flips, removable } = prediction;
  const name = (part) => ROLE_NAMES[part] ?? data.units[part]?.name ?? part;
  const list = flips.map((flip) => `without ${name(flip.part)} it would say ${flip.label}`);
  const parts = removable.map(name), label = prediction.label;
  const text = flips.length ? `What decides: ${list.join("; ")}.`
    : parts.length ? `No part decides alone: without any one of ${joinNames(parts)} it would still say ${label}.`
    : `This is one part (${nameOnly(data, prediction)}): without it nothing would be said, so whether a part decides alone can't be asked.`;
  place.replaceChildren(make("strong", { text }), ` ${flips.length ? data.payload.captions.flip : ""}`);
}

// The one part that a prediction is: its only branch, or the whole model.
const nameOnly = (data, { branches, fusion }) => (branches ? nameUnit(data, branches[0].unit) : `${fusion} fusion, which mixes its input before it decides`);
const joinNames = (names) => (names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}` : names[0]);

function makeStepTable({ data, selection }) {
  const table = makeTable("This sum for every emotion, in numbers", () => [`logits, ${selection.current().scale}`, ...data.classes], () => {
    const { role, scale } = selection.current();
    const columns = data.classes.map((emotion) => listSteps(data, role, emotion, scale));
    const rows = columns[0].map((step, i) => [step.label + (step.share && step.share < 1 ? " × ½" : ""), ...columns.map((column) => exact(column[i].value))]);
    return [...rows, ["softmax: probability", ...data.predictions[role].probabilities.map((one) => exact(one))]];
  });
  table.element.dataset.table = "sum";
  return table;
}
