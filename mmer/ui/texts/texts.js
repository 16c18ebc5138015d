// What the page's scripts say, in one place: a translation replaces this file, as it replaces the modules beside it.
// The linked views have their own words, since they also stand in reports without this page (mmer/views).
window.mmerTexts = {
  waiting: { model: "Waiting for a free model", example: "FirstScreen the example", comparison: "Comparing the two", batch: "Waiting for the models" },
  addFiles: "Add files",

  // the visitor's own voice
  voice: {
    start: "Your voice", stop: "Stop",
    notSecure: "Browsers give a microphone only to pages that come over https or from this computer itself. Open this page so, or choose a file.",
    refused: "The browser keeps the microphone from this page. Allow it beside the address, then press again; or choose a file.",
    none: "No microphone was found. Connect one and press again, or choose a file.",
    busy: "The microphone can't be used, perhaps because another program has it. Close that one and press again, or choose a file.",
  },

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

  // the Errors tab
  errors: {
    count: (n, all) => `${n} of ${all} utterances`,
    score: (ua, classes, n, isOfRuns) => `. UA ${ua}: ${isOfRuns ? "the mean over the runs of the mean" : "mean"} recall of ${classes === 1 ? "the only class that occurs" : `the ${classes} classes that occur`}, over ${n} with a label`,
    noScore: ". They are chosen by what was answered, or by people who saw it, so a score of them would say nothing.",
    noFilter: "No filter: press a cell, a bar, or search.",
    undo: "Press to undo this filter", undoOne: (filter) => `Undo the filter ${filter}`, undoAll: "Undo all",
    search: "Search in the words", searchNames: "Search in the names of utterances",
    copyCommand: "Copy as command", copyLink: "Copy link", save: "Save as CSV",
    copied: (text) => `Copied: ${text}`, notCopied: (text) => `The browser let nothing be copied: ${text}`,
    confusion: "Confusions", shares: "shares of the label", answersOf: "Answers of",
    corner: "is / said", allOf: (name) => `All that are ${name}`, allSaid: (name) => `All that were called ${name}`,
    cell: (is, said, n, share) => `${n} that are ${is} were called ${said}, ${share} of those that are ${is}`,
    countsNote: "Utterances by label and answer (of most runs). A cell, a row's or a column's name is a filter.",
    sharesNote: "Shares of the utterances with this label. A cell, a row's or a column's name is a filter.",
    bars: "By a column", barsOf: "Column", others: (count) => `${count} others`, unknown: "(unknown)", inUnit: (unit) => `(unit: ${unit})`,
    barsScored: "Bars are the UA of each group; the line is its 95 % interval, n its utterances. A bar is a filter.",
    barsCounted: "Bars count utterances (n): a score of groups that the answers make would say nothing. A bar is a filter.",
    interval: (of) => `95 % interval, drawn again by ${of}`,
    wholeInterval: (low, high, of) => `; 95 % interval ${low} to ${high}, by ${of}`,
    noInterval: "Where all were answered alike, or one is left, no interval can be drawn.",
    legend: (names, isJoined) => `Small bars: ${isJoined ? "A's" : "the"} probabilities of ${names}, in this order.`,
    nothing: "No utterance is left. Undo a filter.",
    sort: "Sort by", asListed: "name", up: (name) => `${name}, lowest first`, down: (name) => `${name}, highest first`,
    list: "Utterances", current: "This utterance", details: "All columns of this utterance", noLabel: "no label",
    keys: "↑ ↓ go on, Enter shows all columns, o opens in Explore, n notes, t tags, d disputes the label, c marks as coded", keysPlay: "↑ ↓ go on, space plays, Enter shows all columns, o opens in Explore, n notes, t tags, d disputes the label, c marks as coded",
    worth: "Worth a look", look: "Look for slices and labels", looking: "Comparing …", slices: "Slices", doubted: "Labels worth checking",
    notes: "Notes", coder: "Your name or initials", note: "Note", from: "from (s)", until: "to (s)", tag: "Tag",
    addNote: "Add note", addTag: "Add tag", disputed: "Label disputed", coded: "Coded by me", codedBy: "coded",
    keptInFile: "Notes are kept with the experiment or batch, for all who open it, each with the name of who wrote it.",
    keptHere: "Notes stay in this browser, on this machine: they are sent nowhere. Save them as a file to keep them.",
    codebook: "Codebook: what each tag means", whatItMeans: "what it means", noTags: "There are no tags yet. One that is given to an utterance stands here.",
    agreement: "Agreement of coders (Cohen's kappa)", compute: "Compute", agreementInFile: "Notes of this browser are one person's; `mmer errors --agreement` compares those of several.",
    noAgreement: "No two people have coded the same utterance and used a tag there.",
    notesFile: "Notes as a file", saveNotes: "Save as JSON", bringIn: "Bring in (.json)", forget: "Forget all notes of this browser",
    whoAreYou: "Whose note is it? Write your name or initials; it is asked once.", kept: "Kept.", forgotten: "This browser holds no notes any more.",
    span: (start, end) => ` (${start} s to ${end === null ? "the end" : `${end} s`})`, takeBack: (what) => `Take back: ${what}`,
    broughtIn: (added, all) => `${added} of ${all} entries are new and were brought in.`,
    noSeconds: "Write times as seconds, such as 1.5.", nothingToKeep: "There is nothing to keep yet: write something.",
    noTag: "A tag has at most 60 letters and no comma, semicolon or bar.", noNotesFile: "This file holds no notes of mmer.",
    notKept: "The browser keeps nothing for this page (its storage is full or switched off); save your notes as a file.",
    tabs: { explore: "Explore", errors: "Errors" }, // as texts/page.py has them
    open: "Open in Explore", openA: "Open by A", openB: "Open by B",
    opening: (name, stage) => `Opening ${name}${stage ? `: ${stage}` : ""} …`,
    opened: "Opened from the Errors tab", back: "← Back to the list",
    openedBy: (source, fold, repetition, label) => `Labelled ${label}. Explained by fold ${fold}, repetition ${repetition} of ${source}, which tested this clip and did not learn from it.`,
    openedOf: (source, head, label) => `${label ? `Labelled ${label}. ` : ""}Explained by ${head}, the head that the ${source} used.`,
    othersSaid: "All runs that tested it (press one to see it explained by that one):",
    verdict: (repetition, answer, share) => `repetition ${repetition}: ${answer} ${share}`,
    byRun: (fold, repetition) => `Explain it by fold ${fold}, repetition ${repetition}. The share is not calibrated.`,
    otherShown: (name) => `${name} was opened here; something else is shown now.`,
    play: "Play", before: "Previous", after: "Next",
    fetching: (name) => `Reading ${name}`, playing: (name) => `Playing ${name}`,
    notAllowed: "The browser did not play it; press again.",
    notPlayed: "The recordings of this table can't be read here.",
  },
};
