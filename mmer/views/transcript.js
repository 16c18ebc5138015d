// The transcript: every word on the colour of what it adds, all its branches together or one of them. Punctuation belongs to no word.

function makeTranscript(view) {
  const { data, selection } = view;
  const place = make("p", { class: "mv-transcript", role: "group", "aria-label": "Transcript" });
  const pieces = [];
  const { text } = data.payload;
  if (data.units.T) {
    let at = 0;
    data.units.T.characters.forEach(([start, end], token) => {
      place.append(text.slice(at, start));
      const piece = make("span", { class: "mv-piece", role: "button", tabindex: "-1", "data-keys": "T", "data-token": token, text: text.slice(Math.max(at, start), end) });
      if (data.payload.in_silence?.includes(data.units.T.words[token])) piece.classList.add("mv-in-silence");
      pieces.push(piece);
      place.append(piece);
      at = Math.max(at, end);
    });
    place.append(text.slice(at));
  } else {
    if (data.payload.untrusted) place.append(make("span", { class: "mv-untrusted", text: "Heard, but not used: " }));
    place.append(text);
  }
  place.addEventListener("click", (event) => {
    const piece = event.target.closest("[data-token]");
    if (piece) view.playPicked(() => selection.pickToken(+piece.dataset.token));
  });
  place.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.target.click();
  });

  function colour() {
    const { emotion, scale, part } = selection.current();
    if (!data.sums) return;
    const values = data.wordValues(emotion, scale, part), limit = data.limit(emotion, scale), own = data.values("T", emotion, scale);
    pieces.forEach((piece, i) => {
      const word = data.units.T.words[i];
      const fill = word >= 0 ? mixColours(view.theme.diverging, 0.5 + values[word] / limit / 2) : null;
      piece.style.backgroundColor = fill ? toCss(fill) : "";
      piece.style.color = fill ? inkFor(fill) : "";
      piece.classList.toggle("mv-unplaced", word >= 0 && data.sums.divided && !data.sums.placed[word]);
      piece.title = word >= 0 ? describeWord(data, word, selection.current()) : `${describeOwner(data, "T", i)}${own ? `: ${signed(own[i])} logits for ${emotion}` : ""}`;
    });
  }

  let marked = [];
  function mark() {
    const { token, word, unit } = selection.current();
    for (const piece of marked) { piece.classList.remove("mv-selected", "mv-related"); piece.tabIndex = -1; }
    marked = pieces.filter((_, i) => i === token || (word !== null && data.units.T.words[i] === word));
    for (const piece of marked) piece.classList.add(+piece.dataset.token === token && unit === "T" ? "mv-selected" : "mv-related");
    const stop = pieces[token ?? 0];
    if (stop) { stop.tabIndex = 0; if (!marked.includes(stop)) marked.push(stop); }
  }

  return {
    element: text.trim() ? place : null, colour, mark,
    focus: (token) => pieces[token]?.focus({ preventScroll: true }),
    markNow: (word) => pieces.forEach((piece, i) => piece.classList.toggle("mv-now", word !== null && data.units.T.words[i] === word)),
  };
}
