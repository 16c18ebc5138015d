// What can be taken from the pictures without a server: the selection as WAV, each picture as SVG or PDF.

const PICTURE_PARTS = { player: "player", attention: "attention", waterfall: "evidence", layers: "layers" }; // kind of figure -> part of the page

// Adds the buttons to a view whose parts are there, and view.figure(kind) -> text of the SVG, or null without such a picture.
function addSaving(view, bar, parts) {
  const draw = (kind) => makeFigure(view, kind, parts.layers.element.querySelector(".mv-radios input:checked")?.value ?? "normalised");
  view.figure = (kind) => { const figure = draw(kind); return figure && writeSvg(figure.drawing, figure); };
  for (const [kind, part] of Object.entries(PICTURE_PARTS)) {
    const panel = parts[part].element;
    const isThere = { attention: view.data.maps.size > 0, layers: Object.values(view.data.predictions).some((one) => Object.keys(one.layers).length) }[kind] ?? true;
    if (isThere) findControls(panel).append(makeSaveMenu(view, kind, () => draw(kind), panel.querySelector("h2").textContent));
  }
  addSaveSound(view, bar.element.querySelector('[data-part="play-selection"]'));
}

function findControls(panel) {
  const head = panel.querySelector(".mv-panel-head");
  const controls = head.querySelector(".mv-controls") ?? make("div", { class: "mv-controls" });
  if (!controls.parentElement) head.append(controls);
  return controls;
}

// "Save picture", which unfolds to SVG and PDF.
function makeSaveMenu(view, kind, draw, title) {
  const { letter, payload: { clip: { name } } } = view.data;
  const ending = `${letter ? `_${letter}` : ""}_${kind}`; // beside another clip, A or B
  const save = {
    svg: (figure) => saveFile(nameFile(name, `${ending}.svg`), writeSvg(figure.drawing, figure), "image/svg+xml"),
    pdf: async (figure) => saveFile(nameFile(name, `${ending}.pdf`), await writePdf(figure.drawing, figure), "application/pdf"),
  };
  const press = async (format) => { await save[format](draw()); menu.open = false; menu.querySelector("summary").focus(); };
  const buttons = Object.keys(save).map((format) => makeButton(format.toUpperCase(), () => press(format), { "data-save": `${kind} ${format}`, "aria-label": `Save “${title}” as ${format.toUpperCase()}` }));
  const menu = make("details", { class: "mv-save", "data-part": `save-${kind}` }, make("summary", { class: "mv-button", text: "Save picture", "aria-label": `Save picture: ${title}`, title: "As it is now, in light colours" }), make("div", { class: "mv-save-choices" }, ...buttons));
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.stopPropagation(); // the selection stays
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  menu.addEventListener("focusout", (event) => { if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false; });
  return menu;
}

function addSaveSound(view, play) {
  const { data, selection, sound } = view;
  const save = makeButton("", () => {
    const { span } = selection.current();
    saveFile(nameFile(data.payload.clip.name, `_${span.map((time) => time.toFixed(3)).join("-")}s.wav`), writeWav(cutSamples(sound.samples(), span, sound.rate), sound.rate), "audio/wav");
  }, { "data-part": "save-selection", hidden: true, "aria-label": "Save WAV of the selection", title: "Save the selected sound as WAV, 16 kHz, 16 bit" });
  save.append(make("span", { text: "Save " }), "WAV");
  play.after(save);
  const show = () => { save.hidden = !selection.current().span || !sound.samples(); };
  selection.subscribe(show);
  sound.ready?.then(show, () => {}); // a browser that can't decode the sound can't save it
}

const cutSamples = (samples, [start, end], rate) => samples.subarray(...[start, end].map((time) => Math.min(Math.max(0, Math.round(time * rate)), samples.length)));

// Samples from -1 to 1, `rate` of them a second -> a WAV file of 16 bit, mono.
function writeWav(samples, rate) {
  const bytes = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const writeText = (at, text) => Array.from(text, (letter, i) => bytes.setUint8(at + i, letter.charCodeAt(0)));
  writeText(0, "RIFF");
  bytes.setUint32(4, 36 + 2 * samples.length, true);
  writeText(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true); // of this chunk
  bytes.setUint16(20, 1, true); // PCM
  bytes.setUint16(22, 1, true); // channel
  bytes.setUint32(24, rate, true);
  bytes.setUint32(28, 2 * rate, true); // bytes a second
  bytes.setUint16(32, 2, true); // bytes a sample
  bytes.setUint16(34, 16, true); // bits
  writeText(36, "data");
  bytes.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) => bytes.setInt16(44 + 2 * i, Math.min(Math.max(Math.round(sample * 32768), -32768), 32767), true));
  return bytes.buffer;
}

// The clip's name without its ending, in letters that every file system takes.
function nameFile(clip, ending) {
  const stem = Array.from(clip.replace(/\.[^.]*$/, ""), (letter) => (/[\p{L}\p{N}_-]/u.test(letter) ? letter : "_")).slice(0, 60).join("");
  return `${stem || "clip"}${ending}`;
}

function saveFile(name, content, type) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
