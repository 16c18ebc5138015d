// What a term means, in one line: on hover, focus and tap of anything with data-hint. Esc, a click elsewhere or leaving it hides the line.

const hintLine = make("div", { class: "mv-hint", role: "tooltip", id: "mv-hint", hidden: true });

function showHint(term) {
  if (!hintLine.isConnected) document.body.append(hintLine);
  hintLine.textContent = term.dataset.hint;
  hintLine.hidden = false;
  term.setAttribute("aria-describedby", hintLine.id);
  const box = term.getBoundingClientRect(), { offsetWidth: width, offsetHeight: height } = hintLine;
  const isAbove = box.bottom + height + 12 > window.innerHeight;
  hintLine.style.left = `${Math.max(8, Math.min(box.left, window.innerWidth - width - 8))}px`;
  hintLine.style.top = `${isAbove ? box.top - height - 6 : box.bottom + 6}px`;
}

function hideHint() {
  hintLine.hidden = true;
  for (const term of document.querySelectorAll("[aria-describedby=mv-hint]")) term.removeAttribute("aria-describedby");
}

const findTerm = (event) => (event.target instanceof Element ? event.target.closest("[data-hint]") : null);

function listenForHints() {
  for (const [name, isLeaving] of [["pointerover", false], ["focusin", false], ["pointerout", true], ["focusout", true]]) {
    document.addEventListener(name, (event) => {
      const term = findTerm(event);
      if (!term) return;
      if (isLeaving) hideHint();
      else showHint(term);
    });
  }
  document.addEventListener("click", (event) => {
    const term = findTerm(event);
    if (term) showHint(term);
    else hideHint();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideHint(); });
  window.addEventListener("scroll", hideHint, { capture: true, passive: true });
}

const makeTerm = (text, name, hint) => make("button", { type: "button", class: "mv-term", "aria-label": name, "data-hint": hint, text });
