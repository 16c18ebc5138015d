// The Errors tab: a table that was sent once is filtered, counted, sorted and drawn here. What is chosen stands in the address after #.
(() => {
  const { parse, write, fits, compile, MOST_FILTERS } = window.mmerFilters;
  const { judge, scoreRows, countConfusions, groupRows, sortRows, writeNumber, writeCsv, textAt } = window.mmerCounts;
  const { make } = window.mmerViews;
  const { makeList } = window.mmerRows;
  const { NotePanel, COLUMNS } = window.mmerNotes;
  const texts = window.mmerTexts.errors;
  const START = "#errors?";
  const PATIENCE = 350; // ms after the last change until intervals are asked for
  const percent = (share) => `${(100 * share).toFixed(0)} %`;

  let view = null; // of the table that is shown
  let asked = 0; // the number of the last request for intervals
  let player = null; // {audio, address} of the sound that was played last

  // the address

  const readAddress = () => (location.hash.startsWith(START) ? new URLSearchParams(location.hash.slice(START.length)) : null);

  function writeAddress({ table, filters, order, bars, row = "" }) {
    if (!table.key || table.key === "uploaded") return; // nobody else could open it
    const query = new URLSearchParams({ source: table.key });
    if (table.other) query.set("with", table.other);
    for (const filter of filters) query.append("where", write(filter));
    if (order) query.set("sort", order);
    if (bars) query.set("bars", bars);
    if (row) query.set("row", row);
    history.replaceState(history.state, "", `${location.pathname}${location.search}${START}${query}`);
  }

  // the table

  function readTable(payload) {
    return { ...payload, columns: Object.fromEntries(payload.columns.map((column) => [column.name, column])) };
  }

  function findRows(table, filters) {
    const tests = filters.map((filter) => compile(filter, table.columns[filter.column]));
    const rows = [];
    for (let row = 0; row < table.rows; row++) if (tests.every((test) => test(row))) rows.push(row);
    return rows;
  }

  const cell = (column, row) => (column.kind === "number" ? writeNumber(column.values[row]) : textAt(column, row));

  // the page

  class View {
    constructor(place, table, trigger) {
      this.place = place;
      this.table = table;
      this.trigger = trigger;
      /** @type {any[]} */
      this.filters = [];
      this.shares = false;
      this.row = ""; // the utterance that the list is at, once somebody has gone there
      /** @type {number | null} */
      this.wanted = null; // the row that the address names
      this.answer = table.columns.answer ? "answer" : "answer.a";
      this.judged = judge(table);
      this.bars = this.chooseBars();
      this.order = table.columns.loss ? "loss:down" : "";
      this.restore();
      this.build();
      this.update();
    }

    chooseBars() {
      const { columns } = this.table;
      return ["flip", "speaker", "session", "gender", "label"].find((name) => columns[name]) ?? "label";
    }

    restore() {
      const query = readAddress();
      const { table } = this;
      if (!query || !table.key || query.get("source") !== table.key || (query.get("with") ?? "") !== table.other) return;
      const found = query.getAll("where").slice(0, MOST_FILTERS).map(parse).filter((filter) => filter && fits(filter, table.columns[filter.column]));
      this.filters = found;
      const order = query.get("sort") ?? "";
      if (table.columns[order.replace(/:(down|up)$/, "")]) this.order = order;
      if (table.columns[query.get("bars") ?? ""]) this.bars = query.get("bars");
      const place = query.get("row") ? table.columns.utterance.texts.indexOf(query.get("row")) : -1;
      if (place >= 0) [this.wanted, this.row] = [table.columns.utterance.codes.indexOf(place), query.get("row")];
    }

    build() {
      const { table } = this;
      const names = Object.keys(table.columns);
      this.count = make("p", { class: "me-count", role: "status" });
      this.chips = make("div", { class: "me-chips" });
      this.searched = ["text", "words", "utterance"].find((name) => table.columns[name]);
      const searches = this.searched === "utterance" ? texts.searchNames : texts.search;
      this.search = make("input", { type: "search", placeholder: searches, "aria-label": searches, oninput: () => this.look() });
      this.matrix = make("div", { class: "me-matrix" });
      this.barred = make("div", { class: "me-bars" });
      this.barsNote = make("p", { class: "me-note" });
      const pick = (label, chosen, choose, options) => {
        const select = make("select", { onchange: () => choose(select.value) }, ...options.map(([value, text]) => make("option", { value, text })));
        select.value = chosen;
        return make("label", { class: "me-select" }, make("span", { text: label }), select);
      };
      const orders = [["", texts.asListed], ...names.flatMap((name) => [[name, texts.up(name)], [`${name}:down`, texts.down(name)]])];
      const sort = pick(texts.sort, this.order, (value) => { this.order = value; this.update({ isSorted: true }); }, orders);
      const bars = pick(texts.barsOf, this.bars, (value) => { this.bars = value; this.update(); }, names.map((name) => [name, name]));
      this.sharesBox = make("input", { type: "checkbox", onchange: () => { this.shares = this.sharesBox.checked; this.drawMatrix(); } });
      const answers = table.columns.answer ? null : pick(texts.answersOf, this.answer, (value) => { this.answer = value; this.drawMatrix(); }, [["answer.a", "A"], ["answer.b", "B"]]);
      this.list = makeList(texts.list, {
        draw: (row) => this.drawRow(row), choose: (row) => this.choose(row), play: (row) => this.play(row), details: () => this.details.focus(),
        open: (row) => this.openClip(row), press: (key) => this.notes?.press(key),
      });
      this.details = make("section", { class: "me-details", tabindex: "-1", "aria-label": texts.current });
      this.notes = table.noted ? new NotePanel(table.noted, {
        send: (change) => this.trigger("edit", change), changed: (utterance, cells) => this.takeCells(utterance, cells), leave: () => this.list.focus(),
      }) : null;
      this.explore = make("button", { type: "button", class: "mv-button", text: texts.look, onclick: () => { this.found.replaceChildren(make("p", { class: "me-note", text: texts.looking })); this.trigger("expand", {}); } });
      this.found = make("div", { class: "me-found", "aria-live": "polite" });
      this.status = make("p", { class: "me-note", role: "status" });
      const buttons = [[texts.copyCommand, () => this.copy(this.command())], [texts.copyLink, () => this.copy(location.href)], [texts.save, () => this.save()]];
      this.root = make("div", { class: "mv me" },
        make("header", { class: "me-head" }, make("h2", { text: table.title }), ...table.notes.map((text) => make("p", { class: "me-note", text })),
          table.test ? make("p", { class: "me-test", text: table.test }) : null),
        make("div", { class: "me-bar" }, this.count, this.chips,
          make("div", { class: "me-tools" }, this.searched ? this.search : null,
            ...buttons.map(([text, press]) => make("button", { type: "button", class: "mv-button", text, onclick: press }))), this.status),
        make("div", { class: "me-columns" },
          make("div", { class: "me-figures" },
            make("section", { "aria-label": texts.confusion }, make("h3", { text: texts.confusion }),
              make("div", { class: "me-controls" }, make("label", { class: "me-check" }, this.sharesBox, make("span", { text: texts.shares })), answers), this.matrix),
            make("section", { "aria-label": texts.bars }, make("h3", { text: texts.bars }), make("div", { class: "me-controls" }, bars), this.barred, this.barsNote),
            table.columns.flip ? null : make("section", { "aria-label": texts.worth }, make("h3", { text: texts.worth }), make("div", { class: "me-controls" }, this.explore), this.found)),
          make("div", { class: "me-right" }, make("div", { class: "me-controls" }, sort, make("span", { class: "me-note", text: table.plays ? texts.keysPlay : texts.keys })),
            make("p", { class: "me-note", text: texts.legend(table.classes.join(", "), Boolean(table.columns.flip)) }), this.list.element, this.details, this.notes?.element ?? null)));
      this.place.replaceChildren(this.root);
    }

    // the utterance that the list is at; it stands in the address, so that a link and the way back lead to it
    choose(row) {
      this.row = row === null ? "" : textAt(this.table.columns.utterance, row);
      this.drawDetails(row);
      clearTimeout(this.addressTimer); // an arrow that is held down would write the address more often than browsers allow
      this.addressTimer = setTimeout(() => writeAddress(this), PATIENCE);
    }

    // what is noted of an utterance stands in its cells too; the rows that a filter left stay until it changes
    takeCells(utterance, cells) {
      const { columns } = this.table;
      const code = columns.utterance.texts.indexOf(utterance), row = code < 0 ? -1 : columns.utterance.codes.indexOf(code);
      if (row < 0 || !COLUMNS.every((name) => columns[name]?.texts)) return;
      COLUMNS.forEach((name, k) => {
        const known = columns[name].texts.indexOf(cells[k]);
        columns[name].codes[row] = known < 0 ? columns[name].texts.push(cells[k]) - 1 : known;
      });
      this.ordered = null;
      if (!this.list) return;
      this.list.refresh(row);
      if (this.list.current() === row) this.drawDetails(row, { isNoted: true });
    }

    // every change goes through here: the rows anew, then what is drawn of them
    update({ isSorted = false } = {}) {
      const current = this.list.current();
      if (!isSorted) this.rows = findRows(this.table, this.filters);
      this.sorted = this.sort();
      this.list.fill(this.sorted, { keep: current ?? this.wanted });
      this.drawDetails(this.list.current());
      if (!isSorted) { this.drawCount(); this.drawChips(); this.drawMatrix(); this.drawBars(); }
      writeAddress(this);
    }

    // all rows are sorted once for an order; a filter keeps their order
    sort() {
      const column = this.table.columns[this.order.replace(/:(down|up)$/, "")];
      if (!column) return this.rows;
      if (this.ordered?.order !== this.order) {
        const all = Array.from({ length: this.table.rows }, (_, row) => row);
        this.ordered = { order: this.order, rows: sortRows(all, column, this.order.endsWith(":down")) };
      }
      const isLeft = new Uint8Array(this.table.rows);
      for (const row of this.rows) isLeft[row] = 1;
      return this.ordered.rows.filter((row) => isLeft[row]);
    }

    isChosen() {
      return this.filters.some((filter) => this.table.columns[filter.column].decides) || Boolean(this.table.columns.flip);
    }

    drawCount() {
      const [n, all] = [this.rows.length, this.table.rows];
      const score = this.isChosen() ? null : scoreRows(this.rows, this.judged, this.table.classes.length);
      const why = this.filters.length && this.isChosen() && !this.table.columns.flip ? texts.noScore : "";
      this.count.textContent = texts.count(n.toLocaleString("en"), all.toLocaleString("en")) + (score ? texts.score(percent(score.ua), score.classes, score.n.toLocaleString("en"), Boolean(this.table.columns.runs)) : why);
    }

    drawChips() {
      const chips = this.filters.map((filter, i) => make("button", {
        type: "button", class: "me-chip", title: texts.undo, "aria-label": texts.undoOne(write(filter)), text: `${write(filter)} ×`,
        onclick: () => { this.filters = this.filters.filter((_, k) => k !== i); this.search.value = ""; this.update(); this.list.focus(); },
      }));
      if (chips.length > 1) chips.push(make("button", { type: "button", class: "me-chip me-all", text: texts.undoAll, onclick: () => { this.filters = []; this.update(); this.list.focus(); } }));
      this.chips.replaceChildren(...(chips.length ? chips : [make("span", { class: "me-note", text: texts.noFilter })]));
    }

    // a filter takes the place of another on the same column
    add(...wanted) {
      const columns = new Set(wanted.map((filter) => filter.column));
      this.filters = [...this.filters.filter((filter) => !columns.has(filter.column)), ...wanted].slice(0, MOST_FILTERS);
      this.update();
    }

    look() {
      const letters = this.search.value;
      const others = this.filters.filter((filter) => !(filter.sign === "~" && filter.column === this.searched));
      this.filters = letters.trim() ? [...others, { column: this.searched, sign: "~", values: [letters] }] : others;
      this.update();
    }

    drawMatrix() {
      const { table, answer } = this;
      const outcome = table.columns[answer.replace("answer", "outcome")];
      const counts = countConfusions(this.rows, table, table.columns[answer], outcome);
      const is = (name) => ({ column: "label", sign: "=", values: [name] });
      const says = (name) => ({ column: answer, sign: "=", values: [name] });
      const button = (text, label, press, options = {}) => make("button", { type: "button", text, "aria-label": label, onclick: press, ...options });
      const head = make("tr", {}, make("td", { class: "me-corner", text: texts.corner }),
        ...table.classes.map((name) => make("th", { scope: "col" }, button(name, texts.allSaid(name), () => this.add(says(name))))));
      const body = table.classes.map((name, i) => {
        const whole = counts[i].reduce((sum, n) => sum + n, 0);
        return make("tr", {}, make("th", { scope: "row" }, button(name, texts.allOf(name), () => this.add(is(name)))), ...table.classes.map((said, j) => {
          const [n, share] = [counts[i][j], whole ? counts[i][j] / whole : 0];
          const text = this.shares ? (whole ? percent(share) : "–") : n.toLocaleString("en");
          const one = button(text, texts.cell(name, said, n, whole ? percent(share) : "–"), () => this.add(is(name), says(said)), { class: i === j ? "me-right-cell" : "me-wrong-cell" });
          one.style.setProperty("--share", String(share));
          return make("td", {}, one);
        }));
      });
      this.matrix.replaceChildren(make("table", { class: "me-grid" }, make("thead", {}, head), make("tbody", {}, ...body)), make("p", { class: "me-note", text: this.shares ? texts.sharesNote : texts.countsNote }));
    }

    drawBars() {
      const column = this.table.columns[this.bars];
      const groups = groupRows(this.rows, column);
      const scored = !this.isChosen() && !column.decides;
      const most = Math.max(1, ...groups.map((group) => group.rows.length));
      this.marks = [];
      const lines = groups.map((group) => {
        const score = scored ? scoreRows(group.rows, this.judged, this.table.classes.length) : null;
        const bar = make("i", { class: "me-fill" }), mark = make("i", { class: "me-interval", hidden: true });
        bar.style.width = `${100 * (scored ? score?.ua ?? 0 : group.rows.length / most)}%`;
        const name = group.name === null ? texts.others(group.count) : group.name === "" ? texts.unknown : group.name;
        const number = make("span", { class: "me-number", text: score ? percent(score.ua) : "" });
        this.marks.push({ mark, number, score });
        return make("button", { type: "button", class: scored ? "me-line" : "me-line me-counted", title: write(group.filter), onclick: () => this.add(group.filter) },
          make("span", { class: "me-name", text: name }), make("span", { class: "me-track" }, bar, mark), scored ? number : null,
          make("span", { class: "me-n", text: `n ${group.rows.length.toLocaleString("en")}` }));
      });
      this.barred.replaceChildren(...(lines.length ? lines : [make("p", { class: "me-note", text: texts.nothing })]));
      const about = [column.meaning, column.unit ? texts.inUnit(column.unit) : ""].filter(Boolean).join(" ");
      this.barsNote.textContent = `${this.bars}: ${about}. ${scored ? texts.barsScored : texts.barsCounted}`;
      clearTimeout(this.timer);
      const request = ++asked;
      if (!scored || !lines.length) return;
      const bars = ["", ...groups.map((group) => write(group.filter))]; // the first: all rows that are left
      this.timer = setTimeout(() => this.trigger("input", { ask: request, filters: this.filters.map(write), bars }), PATIENCE);
    }

    // slices and labels worth a look, when they come; each is the filters that give its rows
    drawFindings(findings) {
      const choose = (filters) => { this.filters = filters.map(parse).filter((filter) => filter && fits(filter, this.table.columns[filter.column])); this.update(); this.list.focus(); };
      this.found.replaceChildren(...findings.flatMap(({ name, said, lines }) => [make("h4", { text: texts[name] }), make("p", { class: "me-note", text: said }),
        lines.length ? make("ul", {}, ...lines.map(({ text, filters }) => make("li", {}, make("button", { type: "button", class: "me-finding", text, onclick: () => choose(filters) })))) : null].filter(Boolean)));
    }

    // the intervals of the bars that are shown, when they come
    judge({ ask, found, problem }) {
      if (ask !== asked || !this.marks) return;
      if (problem) { this.barsNote.textContent += ` ${problem}`; return; }
      const [whole, ...groups] = found;
      if (whole?.interval) this.count.textContent += texts.wholeInterval((100 * whole.interval.low).toFixed(0), percent(whole.interval.high), whole.interval.of === "speakers" ? `${whole.speakers} speakers` : whole.interval.of);
      if (groups.some((score) => score && !score.interval)) this.barsNote.textContent += ` ${texts.noInterval}`;
      groups.forEach((score, i) => {
        const place = this.marks[i];
        if (!place || !score?.interval) return;
        const { low, high, of } = score.interval;
        place.mark.style.left = `${100 * low}%`;
        place.mark.style.width = `${100 * (high - low)}%`;
        place.mark.hidden = false;
        place.number.textContent = `${percent(score.ua)} [${(100 * low).toFixed(0)}, ${(100 * high).toFixed(0)}]`;
        place.number.title = texts.interval(of);
      });
    }

    drawRow(row) {
      const { columns, classes } = this.table;
      const said = columns.answer ? textAt(columns.answer, row) : `${textAt(columns["answer.a"], row)} | ${textAt(columns["answer.b"], row)}`;
      const outcome = columns.outcome ? textAt(columns.outcome, row) : textAt(columns.flip, row);
      const sign = outcome.startsWith("right") || outcome === "both right" ? "✓" : outcome.startsWith("wrong") || outcome.startsWith("both wrong") ? "✗" : outcome === "only A right" ? "A" : outcome === "only B right" ? "B" : "·";
      const words = ["text", "words"].map((name) => columns[name]).find(Boolean);
      const shares = classes.map((name) => columns[`p_${name}`] ?? columns[`p_${name}.a`]).map((column) => column?.values[row] ?? null);
      const bars = make("span", { class: "me-shares", "aria-hidden": "true", title: classes.map((name, k) => `${name} ${shares[k] === null ? "" : percent(shares[k])}`).join(", ") },
        ...shares.map((share) => { const bar = make("i"); bar.style.height = `${Math.max(3, 100 * (share ?? 0))}%`; return bar; }));
      const name = this.order.replace(/:(down|up)$/, "");
      const noted = [columns.note_disputed && textAt(columns.note_disputed, row) ? "⚑" : "", columns.notes?.texts && textAt(columns.notes, row) ? "✎" : "",
        columns.note_tags ? textAt(columns.note_tags, row) : ""].filter(Boolean).join(" ");
      const sorted = columns[name] && !["utterance", "text", "words", "label"].includes(name) ? `${name} ${cell(columns[name], row)}` : "";
      return make("div", { class: "me-cells" },
        make("span", { class: `me-mark me-${sign === "✓" ? "yes" : sign === "✗" ? "no" : "other"}`, title: outcome, "aria-label": outcome, text: sign }),
        this.table.plays ? make("span", { class: "me-play", "aria-hidden": "true", title: texts.play, text: "▶" }) : null,
        make("span", { class: "me-what" },
          make("span", { class: "me-said" }, make("b", { text: textAt(columns.label, row) || texts.noLabel }), ` → ${said || "–"}`, make("small", { text: sorted }), noted ? make("small", { class: "me-noted", text: noted }) : null),
          make("span", { class: "me-words", text: words && textAt(words, row) ? `“${textAt(words, row)}” ${textAt(columns.utterance, row)}` : textAt(columns.utterance, row) })),
        bars);
    }

    drawDetails(row, { isNoted = false } = {}) {
      if (this.notes) this.notes.element.hidden = row === null;
      if (row !== null && !isNoted) this.notes?.show(textAt(this.table.columns.utterance, row));
      if (row === null) { this.details.replaceChildren(make("p", { class: "me-note", text: texts.nothing })); return; }
      const { columns } = this.table;
      const lines = Object.values(columns).filter((column) => cell(column, row) !== "").map((column) =>
        make("div", { title: column.meaning }, make("dt", { text: column.name }), make("dd", { text: cell(column, row) + (column.unit ? ` ${column.unit}` : "") })));
      const play = this.table.plays ? make("button", { type: "button", class: "mv-button mv-play", text: texts.play, onclick: () => this.play(row) }) : null;
      const sides = columns.flip ? [["a", texts.openA], ["b", texts.openB]] : [["a", texts.open]];
      const opens = sides.map(([side, text]) => make("button", { type: "button", class: "mv-button", text, onclick: () => this.openClip(row, side) }));
      this.details.replaceChildren(make("div", { class: "me-actions" },
        make("button", { type: "button", class: "mv-button", text: texts.before, onclick: () => this.list.go(-1) }), play, ...opens,
        make("button", { type: "button", class: "mv-button", text: texts.after, onclick: () => this.list.go(1) })),
      make("h3", { text: textAt(columns.utterance, row) }), make("div", { class: "me-facts", tabindex: "0", role: "region", "aria-label": texts.details }, make("dl", {}, ...lines)));
    }

    play(row) {
      if (!this.table.plays) { this.status.textContent = texts.notPlayed; return; }
      const utterance = textAt(this.table.columns.utterance, row);
      if (player?.utterance === utterance) { if (player.audio.paused) player.audio.play(); else player.audio.pause(); return; }
      player?.audio.pause();
      this.status.textContent = texts.fetching(utterance);
      this.trigger("click", { utterance });
    }

    hear({ utterance, sound }) {
      const bytes = Uint8Array.from(atob(sound), (letter) => letter.charCodeAt(0));
      if (player) { player.audio.pause(); URL.revokeObjectURL(player.address); }
      const address = URL.createObjectURL(new Blob([bytes], { type: "audio/flac" }));
      player = { utterance, address, audio: new Audio(address) };
      this.status.textContent = texts.playing(utterance);
      player.audio.play().catch(() => { this.status.textContent = texts.notAllowed; });
    }

    // the clip in Explore, explained by a run that tested it; how far that is comes to followOpening
    openClip(row, side = "a") {
      const utterance = textAt(this.table.columns.utterance, row);
      clearTimeout(this.addressTimer);
      this.row = utterance;
      writeAddress(this);
      this.status.textContent = texts.opening(utterance, "");
      this.trigger("submit", { utterance, side });
    }

    command() {
      const shell = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);
      const where = this.filters.map((filter) => `--where ${shell(write(filter))}`);
      return [this.table.command, ...where, ...(this.order ? [`--sort ${shell(this.order)}`] : [])].join(" ");
    }

    async copy(text) {
      this.status.textContent = (await window.mmer.copy(text)) ? texts.copied(text) : texts.notCopied(text);
    }

    save() {
      const address = URL.createObjectURL(new Blob([writeCsv(this.table, this.sorted)], { type: "text/csv" }));
      make("a", { href: address, download: "errors.csv" }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    }
  }

  // to Explore and back

  // On a phone a tab may lie in the menu of those that found no room, whose entries have a name alone.
  function findTab(name) {
    const tab = document.querySelector(`#tabs [role=tab][data-tab-id=${name}]`);
    const others = [...document.querySelectorAll("#tabs button:not([role=tab])")].filter((one) => one.textContent.trim() === texts.tabs[name]);
    const found = tab ?? (others.length > 1 ? others.at(-1) : null); // the first of its name is a copy that only measures room
    return found instanceof HTMLElement ? found : null;
  }

  function chooseTab(name) {
    const tab = findTab(name);
    if (tab && tab.ariaSelected !== "true") tab.click();
  }

  function followOpening(props, watch) {
    watch("value", () => {
      if (!props.value || !view) return;
      const { stage, problem, utterance, done } = JSON.parse(props.value);
      view.status.textContent = problem ?? (done ? "" : texts.opening(utterance, stage));
    });
  }

  // The clip is a step forward in the browser's history, so that its Back leads to the list too.
  function enterExplore() {
    if (!history.state?.mmerOpened) history.pushState({ mmerOpened: true }, "", location.href);
    chooseTab("explore");
  }

  const revealOpened = () => setTimeout(() => {
    const bar = document.querySelector(".me-opened");
    if (bar instanceof HTMLElement) { bar.focus({ preventScroll: true }); bar.scrollIntoView({ block: "start" }); }
  }, 250); // after the page has gone to the verdict (mmer.reveal)

  const goBack = () => { if (history.state?.mmerOpened) history.back(); else showList(); };

  // the list as it was left: its place is lost while the tab is hidden
  function showList() {
    chooseTab("errors");
    setTimeout(() => { if (view) { view.list.fill(view.sorted, { keep: view.list.current() }); view.list.focus(); } }, 100);
  }

  window.addEventListener("popstate", ({ state }) => {
    if (!view || !readAddress()) return;
    if (state?.mmerOpened) chooseTab("explore");
    else showList();
  });

  let isFollowed = false; // whether the page has been asked for what its address names

  function takeAddress() {
    isFollowed = true;
    return readAddress() ? location.hash : "";
  }

  // The tab opens by itself for an address that names it. Its events are there only a little later, and a first answer may be lost while
  // the page still comes: it is asked again, the second time only after six seconds.
  function follow() {
    if (!readAddress()) return;
    let tries = 0;
    const wait = setInterval(() => {
      if (view || ++tries > 160) { clearInterval(wait); return; }
      const tab = findTab("errors");
      if (!isFollowed && tab && tab.ariaSelected !== "true") tab.click();
      else if (tab && tries % (isFollowed ? 40 : 4) === 0) document.getElementById("errors-follow")?.click();
    }, 150);
  }

  window.mmerErrors = {
    takeAddress, followOpening, enterExplore, revealOpened, goBack,
    show: (element, props, watch, trigger) => {
      const place = element.querySelector(".me-place");
      const empty = [...place.childNodes];
      const draw = () => {
        if (props.value) view = new View(place, readTable(JSON.parse(props.value)), trigger);
        else { view = null; place.replaceChildren(...empty); }
      };
      watch("value", draw);
      draw();
    },
    takeFindings: (props, watch) => watch("value", () => { if (props.value && view) view.drawFindings(JSON.parse(props.value)); }),
    takeNoted: (props, watch) => watch("value", () => { if (props.value && view) view.notes?.hear(JSON.parse(props.value)); }),
    hear: (props, watch) => watch("value", () => { if (props.value && view) view.hear(JSON.parse(props.value)); }),
    judge: (props, watch) => watch("value", () => { if (props.value && view) view.judge(JSON.parse(props.value)); }),
    view: () => view, // for whoever drives the page
  };
  follow();
})();
