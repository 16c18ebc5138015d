// Test the claim: says what is selected above, and a row of the leave-one-out is the same selection.
(() => {
  const texts = window.mmerTexts;
  const rows = () => [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".mc-curve tbody tr"))];
  const main = () => window.mmerViews.find(document.querySelector("#views .mv-place"));
  const place = () => document.getElementById("claim-picked");
  const indexOf = (row, payload) => {
    const { unit, segment, word } = row.dataset;
    if (unit !== "W") return Number(segment);
    return Number(word) >= 0 ? payload.units.W?.words.indexOf(Number(word)) ?? -1 : Number(segment);
  };

  function describe(selection, payload) {
    if (!selection || !payload) return "";
    const { unit, segment, span } = selection;
    const [start, end] = (span ?? []).map((time) => time.toFixed(2));
    const times = span ? texts.times(start, end) : "";
    if (unit === null) return span ? texts.span(start, end) : "";
    if (unit === "F") return texts.frame(times);
    const label = payload.units[unit].labels[segment];
    return unit === "T" ? texts.wordOfPiece(label, times) : texts.segment(payload.units[unit].one, label, times);
  }

  // whether there are parts to choose from: in a clip without words there is only the sound
  const isDivided = (payload) => ["T", "W", "S", "P"].some((unit) => payload?.units[unit]);

  function follow(selection) {
    const payload = main()?.payload;
    const at = place();
    if (at) {
      const text = describe(selection, payload);
      at.textContent = text ? texts.selected(text) : texts.nothingSelected(isDivided(payload));
    }
    for (const row of rows()) {
      const chosen = selection?.unit === row.dataset.unit && indexOf(row, payload) === selection.segment;
      row.classList.toggle("mc-selected", chosen);
      row.querySelector("button")?.setAttribute("aria-pressed", String(chosen));
    }
  }

  window.mmerViews.subscribe((selection, changed, handle) => {
    if (handle !== main()) return;
    follow(selection);
    const hasCurve = document.querySelector(".mc-curve");
    if (hasCurve && (changed.includes("emotion") || changed.includes("role"))) document.getElementById("curve-follow")?.click();
  });
  document.addEventListener("click", (event) => {
    const row = rows().find((one) => one.contains(/** @type {Node} */ (event.target)));
    if (!row) return;
    const { unit } = row.dataset;
    const handle = main();
    const { payload } = handle;
    const index = indexOf(row, payload);
    if (index < 0 || !payload.units[unit]) return;
    handle.pickSegment(unit, index);
    handle.play(payload.units[unit].starts[index], payload.units[unit].ends[index]);
  });

  window.mmerClaim = {
    // the arguments of a Gradio event with the selection in the second place
    withSelection: (...values) => { values[1] = JSON.stringify(main()?.get() ?? {}); return values; },
    follow: () => setTimeout(() => follow(main()?.get()), 50),
  };
})();
