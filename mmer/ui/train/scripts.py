"""What the browser does by itself in the Train tab."""

from __future__ import annotations

REVEAL = "() => setTimeout(() => window.mmerTrain?.reveal('#{}'), 150)"  # on a narrow page it lies below
DOWNLOAD = "() => setTimeout(() => window.mmerTrain?.download(), 200)"
# a press on an experiment of the list; whoever has the focus keeps it when the list is drawn anew
PRESS = """
let held = null;
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-run]");
  if (button) { held = button.dataset.run; trigger("click", { run: held }); }
});
element.addEventListener("focusin", (event) => { held = event.target.dataset?.run ?? null; });
watch("value", () => {
  if (held && document.activeElement === document.body) element.querySelector(`[data-run="${CSS.escape(held)}"]`)?.focus();
});
"""
