// What the page's scripts say, in one place: a translation replaces this file, as it replaces the modules beside it.
// The linked views have their own words, since they also stand in reports without this page (mmer/views).
window.mmerTexts = {
  waiting: { model: "Waiting for a free model", example: "Opening the example", comparison: "Comparing the two", batch: "Waiting for the models" },
  addFiles: "Add files",

  // a command's button
  copy: "Copy", copied: "Copied", notCopied: "Not copied: press Ctrl+C",

  // a link to what is shown
  noLink: "Only an example with its own words can be linked to: what you record, upload or type stays with you.",
  linkCopied: "Copied.", linkNotCopied: "The browser let nothing be copied: press Ctrl+C.",

  // what is selected in the linked views; times are seconds
  selected: (what) => `Selected above: ${what}.`,
  nothingSelected: (isDivided) => `Nothing is selected above yet: ${isDivided ? "press a word, syllable or phone there, or choose a part here" : "drag over the wave there, or choose a span of time here"}.`,
  span: (start, end) => `the span from ${start} to ${end} s`,
  times: (start, end) => `, ${start} to ${end} s`,
  frame: (times) => `one frame${times}`,
  segment: (unit, label, times) => `the ${unit} “${label}”${times}`,
  wordOfPiece: (label, times) => `the word of the piece “${label}”${times}`,

  // the lesson
  step: (number, title, isAnswered) => `Step ${number}: ${title}${isAnswered ? ", answered" : ""}`,
  answered: (right, all) => `${right} of ${all} questions answered correctly`,
  right: "✓ ", wrong: "✗ Not this one. ",
};
