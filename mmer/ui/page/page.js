// Ctrl+Enter analyses; what the page does after a result or an export; the focus stays where the person is.
// The pictures are the linked views' own (mmer/views).
(() => {
  const texts = window.mmerTexts;
  /** @returns {HTMLElement | null} */
  const find = (selector) => document.querySelector(selector);
  /** @returns {HTMLElement | null} what holds the event's target, or is it */
  const within = (event, selector) => (event.target instanceof Element ? event.target.closest(selector) : null);

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      // the text box hands its last letters over when it loses the focus
      const at = /** @type {HTMLElement | null} */ (document.activeElement);
      at?.blur?.();
      setTimeout(() => { find("#analyse")?.click(); at?.focus?.({ preventScroll: true }); }, 60);
      event.preventDefault();
    }
  });

  // An event that doesn't queue is answered at once. Gradio's own script then forgets whether its error is to be seen, and shows none.
  const send = window.fetch;
  window.fetch = async (...request) => {
    const answer = await send(...request);
    if (answer.status === 500 && new URL(answer.url).pathname.includes("/gradio_api/run/")) {
      answer.clone().json().then(({ error, visible }) => { if (error && visible) window.mmer.showError?.(error); }, () => {});
    }
    return answer;
  };

  // A button that was off while it worked gets the focus back; one that is gone hands it to what held it.
  /** @type {any} */
  let held = null;
  /** @type {HTMLElement[]} */
  let around = [];
  let wasOff = false;
  document.addEventListener("focusin", ({ target }) => {
    [held, around, wasOff] = [target, [], false];
    for (let at = /** @type {HTMLElement} */ (target).parentElement; at; at = at.parentElement) around.push(at);
  });
  document.addEventListener("pointerdown", () => { held = null; });

  function keepFocus() {
    if (!held || document.activeElement !== document.body) return;
    const there = held.isConnected && held.checkVisibility();
    wasOff ||= held.disabled;
    if (there && (held.disabled || !wasOff)) return;
    const next = there ? held : around.find((one) => one.isConnected && one.checkVisibility() && one !== document.body);
    if (next && next !== held) next.tabIndex = -1;
    next?.focus({ preventScroll: true });
  }

  // what Gradio leaves without a name
  function nameControls(records) {
    for (const { addedNodes } of records) {
      for (const node of addedNodes) {
        for (const one of node.querySelectorAll?.('[aria-label="common.upload"]') ?? []) { one.ariaLabel = texts.addFiles; one.title = texts.addFiles; }
      }
    }
  }
  // Cancel can be pressed while something runs, or waits for its turn. It keeps the focus that it has, which a button that is off would lose.
  const CANCELS = { cancel: "stages", "claim-cancel": "claim-stages", "curve-cancel": "curve-stages", "batch-cancel": "batch-progress" };
  function offerCancel() {
    for (const [name, stages] of Object.entries(CANCELS)) {
      const button = document.getElementById(name);
      const isIdle = !find(`#${stages} :is(.mm-running, progress)`);
      if (button && button.ariaDisabled !== String(isIdle)) button.ariaDisabled = String(isIdle);
    }
  }
  // the card of the example that is shown
  function markExample() {
    const { example = "" } = /** @type {HTMLElement | null} */ (find("#verdict .mm-verdict"))?.dataset ?? {};
    for (const card of document.querySelectorAll("[id^=example-]")) {
      const isShown = String(card.id === `example-${example}`);
      if (card.ariaCurrent !== isShown) card.ariaCurrent = isShown;
    }
  }
  document.addEventListener("click", (event) => {
    const button = within(event, "button[aria-disabled=true]");
    if (!button || !(button.id in CANCELS)) return;
    event.stopImmediatePropagation();
    event.preventDefault();
  }, true);
  new MutationObserver((records) => { nameControls(records); offerCancel(); markExample(); keepFocus(); }).observe(document.documentElement, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["disabled", "class", "style"],
  });

  // a list that can be scrolled is no stop between its box and the next one
  document.addEventListener("keydown", (event) => {
    if (event.key === "Tab") for (const list of document.querySelectorAll("ul[role=listbox]")) list.setAttribute("tabindex", "-1");
  }, true);

  // past the tabs and the inputs
  document.addEventListener("click", (event) => {
    if (!within(event, ".mm-skip")) return;
    event.preventDefault();
    const targets = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#verdict, .mm-results, .ml-place, .mm-about"));
    const target = [...targets].find((one) => one.checkVisibility());
    if (!target) return;
    target.tabIndex = -1;
    target.focus();
    target.scrollIntoView({ block: "start", behavior: "instant" });
  });

  // inputs higher than the window scroll until their end is seen, and stay there
  function placeInputs() {
    for (const column of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".mm-inputs"))) {
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

  // Whether the text is in the clipboard now: on a page over plain http browsers have none for scripts, but for an old command.
  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch { /* none, or it may not be used */ }
    const box = Object.assign(document.createElement("textarea"), { value: text, readOnly: true });
    box.style.cssText = "position: fixed; top: 0; opacity: 0";
    const at = /** @type {HTMLElement | null} */ (document.activeElement);
    document.body.append(box);
    box.select();
    const isCopied = document.execCommand("copy");
    box.remove();
    at?.focus?.({ preventScroll: true });
    return isCopied;
  }

  // An HTML component whose value is JSON: it is drawn now, and whenever the value is another.
  function draw(props, watch, show) {
    const again = () => show(props.value ? JSON.parse(props.value) : null);
    watch("value", again);
    again();
  }

  const STAGE = '<ol class="mm-stages"><li class="mm-running">{}</li></ol>';
  const WAITING = { model: STAGE, example: STAGE, comparison: '<p class="mm-note">{}</p>', batch: '<p class="mb-progress mm-running">{}</p>' };

  window.mmer = {
    copy,
    // what is shown from the press of a button until the server's first answer
    wait: (kind) => WAITING[kind].replace("{}", texts.waiting[kind]),
    showViews: (element, props, watch) => {
      const place = element.querySelector(".mv-place");
      draw(props, watch, (payload) => { if (payload) window.mmerViews.mount(place, payload); });
    },
    showPair: (element, props, watch) => {
      const place = element.querySelector(".mv-pair-place");
      draw(props, watch, (sides) => { if (sides) window.mmerViews.mountPair(place, sides); else window.mmerViews.unmount(place); });
    },
    // after a result: on a narrow page it lies below the inputs; `isFar`: what was pressed lies far below
    reveal: (isFar = false) => setTimeout(() => {
      for (const id of ["keep-link-text", "keep-link-status"]) document.getElementById(id)?.replaceChildren(); // a link to what was shown before
      if (isFar || window.innerWidth <= 900) find("#verdict")?.scrollIntoView({ block: "start" });
    }, 150),
    // a run begins: its progress may lie below the fold
    revealProgress: (selector = "#stages") => setTimeout(() => { if (window.innerWidth <= 900) find(selector)?.scrollIntoView({ block: "center" }); }, 150),
    download: (id = "download") => setTimeout(() => (find(`#${id} a`) ?? find(`a#${id}`) ?? find(`#${id}`))?.click(), 200),
  };
})();
