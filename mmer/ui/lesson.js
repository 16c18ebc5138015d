// The Learn tab: turns the lesson's pages, judges answers, plays sounds, keeps the step in the address (#learn-4-<example>).
(() => {
  const texts = window.mmerTexts;
  const LINK = /^#learn-(\d+)(?:-(.+))?$/;
  const find = (selector, root = document) => root.querySelector(selector);
  /** @returns {any} what holds the event's target, or is it */
  const within = (event, selector) => (event.target instanceof Element ? event.target.closest(selector) : null);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  let step = 1; // the page that is shown; kept when another clip takes the place
  let place = null;
  const right = new Set(); // steps whose question was answered correctly
  const chosen = new Map(); // step -> the answer that was chosen, and the question that it answered
  let taught = null; // data-id of the clip that the answers are about
  let link = ""; // of the page's load, or of a later change of the address, until it was followed
  let stopAt = null; // seconds in the playing sound

  const pages = () => (place ? all(".ml-page", place) : []);
  const page = () => pages()[step - 1];

  const lesson = () => (place ? find(".ml", place) : null);
  const questionOf = (number) => find(".ml-question", pages()[number - 1]);
  // with its answers, as far as they are the same for every visitor
  const textOf = (question) => all("legend, .ml-answer", question).map((part) => part.textContent).join("\n");

  function show(element, html) {
    silence();
    place = element;
    place.innerHTML = html; // made by mmer.lesson, which escapes every text
    if (!lesson()) return;
    if (lesson().dataset.id !== taught) { right.clear(); chosen.clear(); }
    taught = lesson().dataset.id;
    answerAgain();
    turnTo(step, { focus: false });
  }

  // the same clip was drawn anew: what was chosen is chosen again, where the question is still the same
  function answerAgain() {
    for (const [number, { value, text }] of [...chosen]) {
      const question = questionOf(number);
      const input = question && textOf(question) === text ? find(`input[value="${value}"]`, question) : null;
      if (!input) { chosen.delete(number); right.delete(number); continue; }
      input.checked = true;
      tell(input);
    }
  }

  function turnTo(wanted, { focus = true } = {}) {
    if (!pages().length) return;
    silence();
    step = Math.min(Math.max(1, Math.round(wanted) || 1), pages().length);
    pages().forEach((one, i) => { one.hidden = i + 1 !== step; });
    mark();
    find(".ml-mark[aria-current]", place)?.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
    write();
    if (focus) {
      find("h2", page()).focus({ preventScroll: true });
      lesson().scrollIntoView({ block: "start", behavior: "instant" }); // not to its bar of steps: that sticks to the window and is in view already
    }
  }

  // the step that is shown and the questions that are answered
  function mark() {
    all(".ml-mark", place).forEach((one, i) => {
      if (i + 1 === step) one.setAttribute("aria-current", "step"); else one.removeAttribute("aria-current");
      one.classList.toggle("ml-done", right.has(i + 1));
      one.setAttribute("aria-label", texts.step(i + 1, find("span", one).textContent, right.has(i + 1)));
    });
    find(".ml-progress", place).textContent = texts.answered(right.size, pages().length);
  }

  // the address names what is shown, while it is shown; a clip of one's own has no name
  function write() {
    if (link || !pages().length || !place.getClientRects().length) return;
    const clip = lesson().dataset.clip;
    history.replaceState(history.state, "", `#learn-${step}${clip ? `-${clip}` : ""}`);
  }

  function judge(input) {
    const number = +input.closest(".ml-page").dataset.step;
    chosen.set(number, { value: input.value, text: textOf(input.closest(".ml-question")) });
    if (input.dataset.right === "true") right.add(number);
    tell(input);
    mark();
  }

  // the reason below the answers
  function tell(input) {
    const question = input.closest(".ml-question");
    const isRight = input.dataset.right === "true";
    all(".ml-answer", question).forEach((answer) => answer.classList.remove("ml-right", "ml-wrong"));
    input.closest(".ml-answer").classList.add(isRight ? "ml-right" : "ml-wrong");
    const feedback = find(".ml-feedback", question);
    feedback.className = `ml-feedback ${isRight ? "ml-right" : "ml-wrong"}`;
    feedback.replaceChildren(Object.assign(document.createElement("b"), { textContent: isRight ? texts.right : texts.wrong }), find(`[data-reason="${input.value}"]`, question).content.cloneNode(true));
  }

  const soundOf = (from) => all("audio", place).find((one) => one.dataset.of === from.closest(".ml-page").dataset.sound);

  function silence() {
    if (place) all("audio", place).forEach((one) => one.pause());
    stopAt = null;
  }

  function play(button) {
    const sound = soundOf(button);
    if (!sound) return;
    const playing = !sound.paused;
    silence();
    if (playing && button.dataset.playing) { delete button.dataset.playing; return; }
    all("[data-playing]", place).forEach((one) => delete one.dataset.playing);
    const [start, end] = button.dataset.play === "all" ? [0, null] : button.dataset.play.split(",").map(Number);
    sound.currentTime = start;
    stopAt = end;
    button.dataset.playing = "yes";
    sound.play();
    const watch = () => {
      if (sound.paused || sound.ended) { delete button.dataset.playing; return; }
      if (stopAt !== null && sound.currentTime >= stopAt) { sound.pause(); delete button.dataset.playing; return; }
      requestAnimationFrame(watch);
    };
    requestAnimationFrame(watch);
  }

  document.addEventListener("click", (event) => {
    const button = within(event, ".ml-place button");
    if (!button) return;
    if (button.dataset.go) turnTo(+button.dataset.go);
    else if (button.dataset.turn) turnTo(step + +button.dataset.turn);
    else if (button.dataset.play) play(button);
    else if (button.dataset.press) {
      press(button.dataset.press);
      find("#lesson-status")?.scrollIntoView({ block: "center", behavior: "instant" });
    }
  });
  document.addEventListener("change", (event) => { const input = within(event, ".ml-question input"); if (input) judge(input); });
  // arrows turn pages while the focus is on the steps or on the page's title
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !within(event, ".ml-nav, .ml-turn, .ml-page h2")) return;
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    const inNav = within(event, ".ml-nav") !== null;
    turnTo(step + move, { focus: !inNav });
    if (inNav) find(".ml-mark[aria-current]", place).focus();
  });

  const press = (id) => (find(`#${id}`)?.closest("button") ?? find(`#${id} button`) ?? find(`#${id}`))?.click();

  // an address with a step opens the tab, which then asks for the link; in the tab the link is followed at once
  function openFromAddress() {
    const asked = LINK.exec(link);
    if (!asked) return true;
    const tab = find('#tabs button[role=tab][data-tab-id="learn"]');
    if (!tab) return false;
    step = +asked[1];
    if (tab.getAttribute("aria-selected") !== "true") tab.click(); else press("lesson-follow");
    turnTo(step, { focus: false });
    return true;
  }

  // the link that is still to be followed, once
  function takeLink() {
    const taken = link;
    link = "";
    return taken;
  }

  function readAddress() {
    link = LINK.test(location.hash) ? location.hash : "";
  }

  readAddress();
  const waiting = setInterval(() => { if (openFromAddress()) clearInterval(waiting); }, 150);
  setTimeout(() => clearInterval(waiting), 60000);
  window.addEventListener("hashchange", () => { readAddress(); openFromAddress(); });

  // the component's value is the lesson
  function attach(element, props, watch) {
    const shown = element.querySelector(".ml-place");
    const draw = () => show(shown, props.value ?? "");
    watch("value", draw);
    draw();
  }

  window.mmerLesson = { attach, show, turnTo, write, takeLink, step: () => step };
})();
