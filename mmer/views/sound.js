// The clip's sound: decoded once, played from any second to any other, exactly.

const FADE = 0.003; // seconds, so that a cut does not click
const afterPainting = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

function createSound(data) {
  const { sound: coded, rate } = data.payload.clip;
  const listeners = new Set();
  let context = null, playing = null; // {node, from, to, begun}
  let samples = null;
  const decoded = coded && window.OfflineAudioContext
    ? new OfflineAudioContext(1, 1, rate).decodeAudioData(decodeBytes(coded).buffer).then((buffer) => { samples = buffer.getChannelData(0); tell(); return buffer; })
    : null;
  decoded?.catch(() => {}); // a browser that can't decode it shows the pictures all the same

  function tell() { for (const listener of listeners) listener(); }

  function position() {
    if (!playing) return null;
    return Math.min(playing.to, playing.from + Math.max(0, context.currentTime - playing.begun - (context.outputLatency || 0)));
  }

  function follow() {
    tell();
    if (playing) requestAnimationFrame(follow);
  }

  function stop() {
    if (!playing) return;
    const { node } = playing;
    playing = null;
    node.onended = null;
    node.stop();
    tell();
  }

  async function play(from, to) {
    if (!decoded) return;
    if (!context) await afterPainting(); // the first time it takes a browser long; what was chosen is seen before
    context ??= new AudioContext();
    const waiting = [context.state === "running" ? null : context.resume(), samples ? null : decoded].filter(Boolean);
    const buffer = await decoded;
    if (waiting.length) await Promise.all(waiting);
    stop();
    const [node, volume] = [context.createBufferSource(), context.createGain()];
    const [start, length, now] = [Math.max(0, from), Math.max(0.005, to - from), context.currentTime];
    node.buffer = buffer;
    node.connect(volume).connect(context.destination);
    const fade = Math.min(FADE, length / 4);
    volume.gain.setValueAtTime(0, now);
    volume.gain.linearRampToValueAtTime(1, now + fade);
    volume.gain.setValueAtTime(1, now + length - fade);
    volume.gain.linearRampToValueAtTime(0, now + length);
    playing = { node, from: start, to: start + length, begun: now };
    node.onended = () => { if (playing?.node === node) { playing = null; tell(); } };
    node.start(now, start, length);
    follow();
  }

  return {
    ready: decoded, play, stop, position,
    isPlaying: () => playing !== null,
    samples: () => samples, // (samples,) once decoded, else null
    rate, // samples a second
    subscribe: (listener) => { listeners.add(listener); return () => listeners.delete(listener); },
    close: () => { stop(); context?.close(); listeners.clear(); },
  };
}
