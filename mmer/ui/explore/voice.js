// The visitor's own sound: one large button records and stops, a file can be dropped anywhere, and the analysis starts by itself.
(() => {
  const texts = window.mmerTexts.voice;
  const REMEMBERED = "mmer-at-once"; // in the browser's own storage: "off" where the visitor turned the switch off
  /** @returns {HTMLElement | null} */
  const find = (selector) => document.querySelector(selector);
  const isSeen = (element) => Boolean(element?.checkVisibility());

  // the recorder is Gradio's own; this button presses what stands there
  const readRecorder = () => ({ microphone: find("#clip .source-selection button:last-of-type"), record: find("#clip .record-button"), stop: find("#clip .stop-button") });
  const isRecording = () => isSeen(readRecorder().stop);

  // why this page can't have a microphone, "" where it can
  async function findProblem() {
    if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) return texts.notSecure;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      for (const track of stream.getTracks()) track.stop();
      return "";
    } catch (error) {
      return { NotAllowedError: texts.refused, SecurityError: texts.refused, NotFoundError: texts.none }[error.name] ?? texts.busy;
    }
  }

  function showProblem(sentence) {
    const place = find("#voice-problem");
    if (!place) return;
    place.textContent = sentence;
    place.hidden = !sentence;
  }

  // presses what `pick` finds as soon as it can be pressed, within some seconds
  function pressSoon(pick, seconds = 6) {
    const until = Date.now() + 1000 * seconds;
    const wait = setInterval(() => {
      const button = pick();
      const isThere = isSeen(button) && !button.disabled;
      if (isThere) button.click();
      if (isThere || Date.now() > until) clearInterval(wait);
    }, 50);
  }

  let isAsking = false;
  async function record() {
    if (isRecording()) { readRecorder().stop.click(); return; }
    if (isAsking) return;
    isAsking = true;
    const problem = await findProblem();
    isAsking = false;
    showProblem(problem);
    if (problem) return;
    if (!isSeen(readRecorder().record)) readRecorder().microphone?.click();
    pressSoon(() => readRecorder().record);
  }

  function showState() {
    const button = find("#voice");
    if (!button) return;
    const is = isRecording();
    if (button.classList.contains("mm-recording") === is) return;
    button.classList.toggle("mm-recording", is);
    button.querySelector(".mm-voice-name").textContent = is ? texts.stop : texts.start;
  }
  setInterval(showState, 150);

  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("#voice")) record();
  });

  // the switch, as it was left; a browser may keep nothing
  const recall = () => { try { return localStorage.getItem(REMEMBERED); } catch { return null; } };
  const remember = (value) => { try { localStorage.setItem(REMEMBERED, value); } catch { /* it is on again next time */ } };
  const readSwitch = () => /** @type {HTMLInputElement | null} */ (find("#auto"));
  document.addEventListener("change", (event) => {
    if (event.target === readSwitch()) remember(readSwitch().checked ? "on" : "off");
  });
  const coming = new MutationObserver(() => {
    const box = readSwitch();
    if (!box) return;
    coming.disconnect();
    box.checked = recall() !== "off";
  });
  coming.observe(document.documentElement, { childList: true, subtree: true });

  // A file that is dropped beside every field for one goes to the button that takes any.
  const isElsewhere = ({ target }) => isSeen(find("#voice")) && target instanceof Element && !target.closest("[aria-dropeffect], input, textarea");
  document.addEventListener("dragover", (event) => { if (isElsewhere(event)) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    const files = event.dataTransfer?.files;
    const button = find("#other-file");
    const input = button?.parentElement && /** @type {HTMLInputElement | null} */ (button.parentElement.querySelector("#other-file ~ input[type=file], input[type=file]:has(+ #other-file)"));
    if (!isElsewhere(event) || !files?.length || !input) return;
    event.preventDefault();
    input.files = files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });

  window.mmerVoice = { analyseAtOnce: () => { if (readSwitch()?.checked) pressSoon(() => find("#analyse"), 20); } };
})();
