// The Train tab: commands are copied by a button, a report below the form comes into view, a zip is saved.
(() => {
  const find = (selector) => document.querySelector(selector);

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const command = button.previousElementSibling;
    const isCopied = await window.mmer.copy(command.textContent);
    if (!isCopied) getSelection().selectAllChildren(command);
    button.textContent = isCopied ? "Copied" : "Not copied: press Ctrl+C";
    setTimeout(() => { button.textContent = "Copy"; }, 2500);
  });

  window.mmerTrain = {
    reveal: (selector) => { if (innerWidth <= 900) find(selector)?.scrollIntoView({ block: "start" }); },
    download: () => (find("#run-download a") ?? find("a#run-download") ?? find("#run-download"))?.click(),
  };
})();
