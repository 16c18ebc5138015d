// Notes of the utterance that is shown: texts, tags, "label disputed", who coded. They go to the experiment's file, or stay in this browser.
(() => {
  const { make } = window.mmerViews;
  const texts = window.mmerTexts.errors;
  const CODER = "mmerCoder", NOTES = "mmerNotes"; // names in the browser's storage
  const LONGEST = 4000;
  const COLUMNS = ["notes", "note_tags", "note_disputed", "note_coders"];

  const remember = (name, text) => { try { localStorage.setItem(name, text); return true; } catch { return false; } };
  const recall = (name) => { try { return localStorage.getItem(name) ?? ""; } catch { return ""; } };

  const readJson = (text) => { try { return JSON.parse(text); } catch { return null; } };

  // what is kept in this browser alone

  function readKept(key) {
    const found = readJson(recall(NOTES))?.[key];
    return Array.isArray(found?.entries) && found.codebook && typeof found.codebook === "object" ? found : { entries: [], codebook: {} };
  }

  function keep(key, kept) {
    const all = readJson(recall(NOTES)) ?? {};
    all[key] = kept;
    return remember(NOTES, JSON.stringify(all));
  }

  // the file's rules, for what no file checks
  function applyHere(key, { action, utterance, coder, kind, value, start, end, id }) {
    const kept = readKept(key);
    const made = new Date().toISOString();
    if (action === "add") {
      const text = kind === "tag" ? value.trim().toLowerCase() : value.trim();
      if (!coder.trim() || (["note", "tag"].includes(kind) && !text)) return { problem: texts.nothingToKeep };
      if (kind === "tag" && (/[,;|]/.test(text) || text.length > 60)) return { problem: texts.noTag };
      const same = kept.entries.some((one) => one.utterance === utterance && one.coder === coder && one.kind === kind && one.value === text);
      const number = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      if (kind === "note" || !same) kept.entries.push({ id: number, utterance, coder, kind, value: text, start, end, made, gone: "" });
      if (kind === "tag") kept.codebook[text] ??= "";
    } else if (action === "take back") kept.entries = kept.entries.filter((one) => one.id !== id || one.coder !== coder);
    else if (action === "define") kept.codebook[kind] = value;
    else if (action === "import") {
      const brought = readJson(value);
      if (brought?.format !== "mmer-notes" || !Array.isArray(brought.entries)) return { problem: texts.noNotesFile };
      const known = new Set(kept.entries.map((one) => one.id));
      const added = brought.entries.filter((one) => one && typeof one.utterance === "string" && typeof one.value === "string" && typeof one.coder === "string" && !one.gone && !known.has(one.id));
      kept.entries.push(...added);
      kept.codebook = { ...brought.codebook, ...kept.codebook };
      if (!keep(key, kept)) return { problem: texts.notKept };
      return { entries: kept.entries, codebook: kept.codebook, added: added.length, of: brought.entries.length };
    }
    if (!keep(key, kept)) return { problem: texts.notKept };
    return { utterance, entries: kept.entries.filter((one) => one.utterance === utterance), codebook: kept.codebook };
  }

  // an utterance's cells of COLUMNS, as mmer/error_table/findings/noted.py writes them
  function writeCells(entries) {
    const span = ({ start, end }) => (start === null && end === null ? "" : ` (${start ?? 0} s to ${end === null ? "the end" : `${end} s`})`);
    const of = (kind) => entries.filter((one) => one.kind === kind);
    const list = (values) => [...new Set(values)].sort().join(", ");
    return [
      of("note").map((one) => `${one.coder}${span(one)}: ${one.value.split(/\s+/).join(" ")}`).join(" | "),
      list(of("tag").map((one) => one.value)), list(of("disputed").map((one) => one.coder)), list(entries.map((one) => one.coder)),
    ];
  }

  // notes: of the payload; send(change): to the server; changed(utterance, cells): the table's cells are others now; leave(): back to the list
  class NotePanel {
    constructor(notes, { send, changed, leave }) {
      this.notes = notes;
      this.send = send;
      this.changed = changed;
      this.leave = leave;
      this.isKeptHere = notes.mode === "browser";
      const kept = this.isKeptHere ? readKept(notes.key) : notes;
      this.codebook = kept.codebook;
      this.of = new Map(); // utterance -> its entries
      this.take(kept.entries);
      this.waiting = new Map(); // number of a request -> what is done with its answer
      this.asked = 0;
      this.utterance = "";
      this.build();
      if (this.isKeptHere) for (const [utterance, entries] of this.of) changed(utterance, writeCells(entries));
    }

    take(entries) {
      this.of = new Map();
      for (const entry of entries) this.of.set(entry.utterance, [...(this.of.get(entry.utterance) ?? []), entry]);
    }

    build() {
      const field = (label, options) => { const input = make("input", { type: "text", autocomplete: "off", ...options }); return [make("label", { class: "me-field" }, make("span", { text: label }), input), input]; };
      const keys = (press) => (event) => { if (event.key === "Enter") { event.preventDefault(); press(); } else if (event.key === "Escape") this.leave(); };
      const [coderField, coder] = field(texts.coder, { maxlength: 40, value: recall(CODER), onchange: () => { remember(CODER, coder.value.trim()); this.draw(); } });
      const [noteField, note] = field(texts.note, { maxlength: LONGEST, onkeydown: keys(() => this.addNote()) });
      const [startField, start] = field(texts.from, { inputmode: "decimal", size: 4, onkeydown: keys(() => this.addNote()) });
      const [endField, end] = field(texts.until, { inputmode: "decimal", size: 4, onkeydown: keys(() => this.addNote()) });
      this.tags = make("datalist", { id: "me-codebook" });
      const [tagField, tag] = field(texts.tag, { maxlength: 60, list: "me-codebook", onkeydown: keys(() => this.addTag()) });
      this.coder = coder;
      this.note = note;
      this.start = start;
      this.end = end;
      this.tag = tag;
      const box = (label, kind) => { const input = make("input", { type: "checkbox", onchange: () => this.toggle(kind) }); return [make("label", { class: "me-check" }, input, make("span", { text: label })), input]; };
      const [disputedField, disputed] = box(texts.disputed, "disputed");
      const [codedField, coded] = box(texts.coded, "coded");
      this.disputed = disputed;
      this.coded = coded;
      noteField.classList.add("me-wide");
      this.given = make("div", { class: "me-given" });
      this.status = make("p", { class: "me-note", role: "status" });
      this.book = make("div", { class: "me-book" });
      this.agreements = make("ul", { class: "me-note" });
      const button = (text, press) => make("button", { type: "button", class: "mv-button", text, onclick: press });
      const file = make("input", { type: "file", accept: ".json", class: "me-file", "aria-label": texts.bringIn, onchange: () => this.bringIn(file) });
      this.element = make("section", { class: "me-notes", "aria-label": texts.notes }, make("h3", { text: texts.notes }),
        make("p", { class: "me-note", text: this.isKeptHere ? texts.keptHere : texts.keptInFile }), coderField, this.given,
        make("div", { class: "me-controls" }, noteField, startField, endField, button(texts.addNote, () => this.addNote())),
        make("div", { class: "me-controls" }, tagField, this.tags, button(texts.addTag, () => this.addTag()), disputedField, codedField),
        this.status,
        make("details", {}, make("summary", { text: texts.codebook }), this.book),
        make("details", {}, make("summary", { text: texts.agreement }), this.isKeptHere ? make("p", { class: "me-note", text: texts.agreementInFile }) : make("div", {}, button(texts.compute, () => this.agree()), this.agreements)),
        make("details", {}, make("summary", { text: texts.notesFile }), make("div", { class: "me-controls" }, button(texts.saveNotes, () => this.save()),
          make("label", { class: "me-field" }, make("span", { text: texts.bringIn }), file), this.isKeptHere ? button(texts.forget, () => this.forget()) : null)));
      this.drawBook();
    }

    show(utterance) {
      this.utterance = utterance;
      this.status.textContent = "";
      for (const input of [this.note, this.start, this.end, this.tag]) input.value = "";
      this.draw();
    }

    draw() {
      const entries = this.of.get(this.utterance) ?? [], own = this.coder.value.trim();
      const lines = entries.filter((one) => one.kind === "note" || one.kind === "tag" || one.coder !== own).map((one) => {
        const span = one.start === null && one.end === null ? "" : texts.span(one.start ?? 0, one.end);
        const what = one.kind === "note" ? `${one.value}${span}` : one.kind === "tag" ? `#${one.value}` : one.kind === "disputed" ? texts.disputed : texts.codedBy;
        const remove = one.coder === own ? make("button", { type: "button", class: "me-x", text: "×", "aria-label": texts.takeBack(what), onclick: () => this.change({ action: "take back", id: one.id }) }) : null;
        return make("li", { title: this.codebook[one.value] || undefined }, make("b", { text: `${one.coder}: ` }), make("span", { text: what }), remove);
      });
      this.given.replaceChildren(...(lines.length ? [make("ul", {}, ...lines)] : []));
      this.disputed.checked = entries.some((one) => one.kind === "disputed" && one.coder === own);
      this.coded.checked = entries.some((one) => one.coder === own);
    }

    drawBook() {
      const tags = Object.keys(this.codebook).sort();
      this.tags.replaceChildren(...tags.map((tag) => make("option", { value: tag })));
      this.book.replaceChildren(...(tags.length ? tags.map((tag) => {
        const input = make("input", { type: "text", maxlength: 1000, value: this.codebook[tag], placeholder: texts.whatItMeans, onchange: () => this.change({ action: "define", kind: tag, value: input.value }) });
        return make("label", { class: "me-field" }, make("span", { text: tag }), input);
      }) : [make("p", { class: "me-note", text: texts.noTags })]));
    }

    // one change, by the coder, whose name is asked for once
    /** @param {any} wanted @param {(answer: any) => void} done */
    change(wanted, done = () => {}) {
      const coder = this.coder.value.trim();
      if (!coder && wanted.action !== "agree" && wanted.action !== "import") { this.status.textContent = texts.whoAreYou; this.coder.focus(); return; }
      remember(CODER, coder);
      const change = { utterance: this.utterance, coder, kind: "", value: "", start: null, end: null, id: "", ...wanted };
      if (this.isKeptHere) { this.takeAnswer(applyHere(this.notes.key, change), done); return; }
      const ask = ++this.asked;
      this.waiting.set(ask, done);
      this.send({ ask, ...change });
    }

    hear(answer) {
      const done = this.waiting.get(answer.ask);
      this.waiting.delete(answer.ask);
      if (done) this.takeAnswer(answer, done);
    }

    takeAnswer(answer, done) {
      this.status.textContent = answer.problem ?? "";
      if (answer.problem) { this.draw(); return; }
      if (answer.added !== undefined) {
        this.take(answer.entries);
        for (const [utterance, entries] of this.of) this.changed(utterance, writeCells(entries));
        this.status.textContent = texts.broughtIn(answer.added, answer.of);
      } else if (!answer.agreements) {
        this.of.set(answer.utterance, answer.entries);
        this.changed(answer.utterance, writeCells(answer.entries));
      }
      this.codebook = answer.codebook ?? this.codebook;
      this.draw();
      this.drawBook();
      done(answer);
    }

    addNote() {
      const seconds = [this.start, this.end].map((input) => (input.value.trim() ? Number(input.value.replace(",", ".")) : null));
      if (seconds.some(Number.isNaN)) { this.status.textContent = texts.noSeconds; return; }
      const [start, end] = seconds;
      this.change({ action: "add", kind: "note", value: this.note.value, start, end }, () => { for (const input of [this.note, this.start, this.end]) input.value = ""; this.status.textContent = texts.kept; this.leave(); });
    }

    addTag() { this.change({ action: "add", kind: "tag", value: this.tag.value }, () => { this.tag.value = ""; this.status.textContent = texts.kept; this.leave(); }); }

    toggle(kind) {
      const own = (this.of.get(this.utterance) ?? []).find((one) => one.kind === kind && one.coder === this.coder.value.trim());
      this.change(own ? { action: "take back", id: own.id } : { action: "add", kind });
    }

    agree() {
      this.change({ action: "agree" }, ({ agreements }) => this.agreements.replaceChildren(...(agreements.length ? agreements : [texts.noAgreement]).map((text) => make("li", { text }))));
    }

    save() {
      const content = { format: "mmer-notes", version: 1, codebook: this.codebook, entries: [...this.of.values()].flat() };
      const address = URL.createObjectURL(new Blob([`${JSON.stringify(content, null, 1)}\n`], { type: "application/json" }));
      make("a", { href: address, download: "notes.json" }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    }

    async bringIn(file) {
      const chosen = file.files?.[0];
      if (chosen) this.change({ action: "import", value: await chosen.text() });
      file.value = "";
    }

    forget() {
      for (const name of [NOTES, CODER]) try { localStorage.removeItem(name); } catch { /* there was nothing */ }
      const names = [...this.of.keys()];
      [this.of, this.codebook, this.coder.value] = [new Map(), {}, ""];
      for (const utterance of names) this.changed(utterance, writeCells([]));
      this.draw();
      this.drawBook();
      this.status.textContent = texts.forgotten;
    }

    // what the keys of the list do here
    press(key) {
      if (key === "n") this.note.focus();
      else if (key === "t") this.tag.focus();
      else if (key === "d") this.toggle("disputed");
      else if (key === "c") this.toggle("coded");
    }
  }

  window.mmerNotes = { NotePanel, COLUMNS };
})();
