// Ctrl+Enter analyses; what the page does after a result or an export. The pictures are the linked views' own (mmer/views).
(() => {
  const find = (selector) => document.querySelector(selector);

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      // the text box hands its last letters over when it loses the focus
      document.activeElement?.blur?.();
      setTimeout(() => find("#analyse")?.click(), 60);
      event.preventDefault();
    }
  });

  // inputs higher than the window scroll until their end is seen, and stay there
  function placeInputs() {
    for (const column of document.querySelectorAll(".mm-inputs")) {
      column.style.setProperty("--mm-inputs-top", `${Math.min(12, window.innerHeight - column.offsetHeight - 12)}px`);
    }
  }
  const grown = new ResizeObserver(placeInputs);
  window.addEventListener("resize", placeInputs);
  const waiting = new MutationObserver(() => {
    const column = find(".mm-inputs");
    if (!column) return;
    waiting.disconnect();
    grown.observe(column);
  });
  waiting.observe(document.documentElement, { childList: true, subtree: true });

  window.mmer = {
    // after a result: on a narrow page it lies below the inputs
    reveal: () => setTimeout(() => {
      if (window.innerWidth <= 900) find("#verdict")?.scrollIntoView({ block: "start" });
    }, 150),
    download: () => setTimeout(() => (find("#download a") ?? find("a#download") ?? find("#download"))?.click(), 200),
  };
})();
