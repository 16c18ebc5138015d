// The Train tab: commands are copied by a button, a report below the form comes into view, a zip is saved.
(() => {
  const texts = window.mmerTexts;
  const find = (selector) => document.querySelector(selector);

  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
    if (!button) return;
    const command = button.previousElementSibling;
    const isCopied = await window.mmer.copy(command.textContent);
    if (!isCopied) getSelection().selectAllChildren(command);
    button.textContent = isCopied ? texts.copied : texts.notCopied;
    setTimeout(() => { button.textContent = texts.copy; }, 2500);
  });

  window.mmerTrain = {
    // a press on an experiment of the list; whoever has the focus keeps it when the list is drawn anew
    attachList: (element, watch, trigger) => {
      let held = null;
      element.addEventListener("click", (event) => {
        const button = event.target.closest("[data-run]");
        if (button) { held = button.dataset.run; trigger("click", { run: held }); }
      });
      element.addEventListener("focusin", (event) => { held = event.target.dataset?.run ?? null; });
      watch("value", () => {
        if (held && document.activeElement === document.body) element.querySelector(`[data-run="${CSS.escape(held)}"]`)?.focus();
      });
    },
    reveal: (selector) => setTimeout(() => { if (innerWidth <= 900) find(selector)?.scrollIntoView({ block: "start" }); }, 150),
  };
})();
