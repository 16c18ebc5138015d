// What Explore says above a clip that was opened from the Errors tab: whose run explains it, what the others said, and the way back.
(() => {
  const { make } = window.mmerViews;
  const texts = window.mmerTexts.errors;
  const percent = (share) => `${(100 * share).toFixed(0)} %`;

  function draw(found, trigger) {
    const back = make("button", { type: "button", class: "mv-button", text: texts.back, onclick: () => window.mmerErrors.goBack() });
    if (!found.is_shown) {
      return make("section", { class: "mv me me-opened", "aria-label": texts.opened }, make("div", { class: "me-actions" }, back),
        make("p", { class: "me-note", text: texts.otherShown(found.utterance) }));
    }
    const verdicts = found.verdicts.map((one) => make("li", {}, make("button", {
      type: "button", class: "me-chip", "aria-pressed": String(one.shown), title: texts.byRun(one.fold, one.repetition + 1),
      text: `${one.right ? "✓" : "✗"} ${texts.verdict(one.repetition + 1, one.answer, percent(one.share))}`,
      onclick: () => { if (!one.shown) trigger("submit", { utterance: found.utterance, side: found.side, repetition: one.repetition }); },
    })));
    const [fold, repetition] = found.run ?? [];
    return make("section", { class: "mv me me-opened", "aria-label": texts.opened, tabindex: "-1" },
      make("div", { class: "me-actions" }, back, make("strong", { text: found.utterance })),
      make("p", { text: found.run ? texts.openedBy(found.source, fold, repetition, found.label) : texts.openedOf(found.source, found.head, found.label) }),
      verdicts.length ? make("div", { class: "me-others" }, make("span", { class: "me-note", text: texts.othersSaid }), make("ul", { class: "me-chips" }, ...verdicts)) : null,
      ...found.notes.map((text) => make("p", { class: text.startsWith("Careful") ? "me-test" : "me-note", text })));
  }

  window.mmerOpened = {
    show: (element, props, watch, trigger) => {
      const place = element.querySelector(".me-opened-place");
      const fill = () => place.replaceChildren(...(props.value ? [draw(JSON.parse(props.value), trigger)] : []));
      watch("value", fill);
      fill();
    },
  };
})();
