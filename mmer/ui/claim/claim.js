// Test the claim: says what is selected above, and a row of the leave-one-out is the same selection.
(() => {
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
    const times = span ? `, ${span[0].toFixed(2)} to ${span[1].toFixed(2)} s` : "";
    if (unit === null) return span ? `the span from ${span[0].toFixed(2)} to ${span[1].toFixed(2)} s` : "";
    if (unit === "F") return `one frame${times}`;
    const name = unit === "T" ? "the word of the piece" : `the ${payload.units[unit].one}`;
    return `${name} “${payload.units[unit].labels[segment]}”${times}`;
  }

  // how to choose a part: in a clip without words there is only the sound
  function nameWays(payload) {
    const isDivided = payload && ["T", "W", "S", "P"].some((unit) => payload.units[unit]);
    return isDivided ? "press a word, syllable or phone there, or choose a part here" : "drag over the wave there, or choose a stretch, in seconds, here";
  }

  function follow(selection) {
    const payload = main()?.payload;
    const at = place();
    if (at) {
      const text = describe(selection, payload);
      at.textContent = text ? `Selected above: ${text}.` : `Nothing is selected above yet: ${nameWays(payload)}.`;
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
