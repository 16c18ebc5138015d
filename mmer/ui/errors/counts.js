// Rows -> what is drawn of them: confusions, groups with how often they are right. A score counts rows that are right or wrong alone.
(() => {
  const BARS = 12; // groups of one column; the others are together
  const FEW = 12; // different numbers up to which each is a group of its own

  const textAt = (column, row) => column.texts[column.codes[row]];

  // how often each row is right, 0 to 1, and its class; null and -1 where it can't be judged
  function judge(table) {
    const { outcome, label, runs, runs_right: right } = table.columns;
    const shares = new Array(table.rows).fill(null);
    const labels = new Int16Array(table.rows).fill(-1);
    if (!outcome) return { shares, labels };
    for (let row = 0; row < table.rows; row++) {
      const said = textAt(outcome, row);
      if (said !== "right" && said !== "wrong") continue;
      labels[row] = table.classes.indexOf(textAt(label, row));
      if (labels[row] >= 0) shares[row] = runs && right ? right.values[row] / runs.values[row] : said === "right" ? 1 : 0;
    }
    return { shares, labels };
  }

  // UA: the mean over classes of how often their rows are right; null where no row can be judged
  function scoreRows(rows, { shares, labels }, classes) {
    const hits = new Float64Array(classes), totals = new Float64Array(classes);
    let n = 0;
    for (const row of rows) {
      if (shares[row] === null) continue;
      hits[labels[row]] += shares[row];
      totals[labels[row]] += 1;
      n += 1;
    }
    const recalls = [...totals].map((total, k) => (total ? hits[k] / total : null)).filter((recall) => recall !== null);
    return n ? { ua: recalls.reduce((sum, recall) => sum + recall, 0) / recalls.length, n, classes: recalls.length } : null;
  }

  // counts[label][answer] of the rows that can be judged
  function countConfusions(rows, table, answer, outcome) {
    const counts = table.classes.map(() => table.classes.map(() => 0));
    const [label, places] = [table.columns.label, new Map(table.classes.map((name, k) => [name, k]))];
    const [is, says] = [label.texts.map((text) => places.get(text)), answer.texts.map((text) => places.get(text))];
    for (const row of rows) {
      const [i, j] = [is[label.codes[row]], says[answer.codes[row]]];
      const judged = !outcome || ["right", "wrong"].includes(textAt(outcome, row));
      if (judged && i !== undefined && j !== undefined) counts[i][j] += 1;
    }
    return counts;
  }

  // [{name, filter, rows}]: texts by their number of rows, the rarest together; numbers one by one where there are few, else in quantiles
  function groupRows(rows, column) {
    return column.kind === "number" ? groupNumbers(rows, column) : groupTexts(rows, column);
  }

  function groupTexts(rows, column) {
    const found = new Map();
    for (const row of rows) {
      const code = column.codes[row];
      if (!found.has(code)) found.set(code, []);
      found.get(code).push(row);
    }
    const groups = [...found].map(([code, own]) => ({ name: column.texts[code], values: [column.texts[code]], rows: own }));
    groups.sort((a, b) => b.rows.length - a.rows.length || (a.name < b.name ? -1 : 1));
    const kept = groups.slice(0, groups.length > BARS ? BARS - 1 : BARS);
    if (groups.length <= BARS) kept.sort((a, b) => (a.name < b.name ? -1 : 1)); // a few stand in their own order
    /** @type {any[]} */
    const shown = kept.map(({ name, values, rows: own }) => ({ name, rows: own, filter: { column: column.name, sign: "=", values } }));
    const rest = groups.slice(kept.length);
    if (rest.length) {
      const values = kept.flatMap((group) => group.values);
      shown.push({ name: null, count: rest.length, rows: rest.flatMap((group) => group.rows), filter: { column: column.name, sign: "!=", values } });
    }
    return shown;
  }

  function groupNumbers(rows, column) {
    const cells = column.values;
    const known = rows.filter((row) => cells[row] !== null).sort((a, b) => cells[a] - cells[b]);
    const unknown = rows.filter((row) => cells[row] === null);
    const distinct = new Set(known.map((row) => cells[row])).size;
    const size = distinct <= FEW ? 1 : known.length / 6; // sixths, with equal numbers in the same
    const groups = [];
    for (const row of known) {
      const last = groups.at(-1);
      const isFull = last && (distinct <= FEW || groups.reduce((sum, group) => sum + group.rows.length, 0) >= groups.length * size - 0.5);
      if (!last || (isFull && cells[last.rows.at(-1)] !== cells[row])) groups.push({ rows: [row] });
      else last.rows.push(row);
    }
    const shown = groups.map(({ rows: own }) => {
      const [low, high] = [cells[own[0]], cells[own.at(-1)]];
      const filter = low === high ? { column: column.name, sign: "=", values: [String(low)] } : { column: column.name, sign: ":", low, high };
      return { name: low === high ? writeNumber(low) : `${writeNumber(low)} – ${writeNumber(high)}`, rows: own, filter };
    });
    if (unknown.length) shown.push({ name: "", rows: unknown, filter: { column: column.name, sign: "=", values: [""] } });
    return shown;
  }

  // three digits, and more where a share of nearly 1 would read as 1
  function writeNumber(value) {
    if (value === null) return "";
    const short = [3, 4, 5, 6, 7].map((digits) => Number(value.toPrecision(digits))).find((number) => Math.abs(value) > 1 || !Number.isInteger(number));
    return String(short ?? value);
  }

  // the rows of a column's order; what is unknown comes last, ties stay as they are
  function sortRows(rows, column, isDown) {
    const sign = isDown ? -1 : 1;
    if (column.kind === "number") {
      const cells = column.values;
      return [...rows].sort((a, b) => Number(cells[a] === null) - Number(cells[b] === null) || sign * (cells[a] - cells[b]) || a - b);
    }
    const places = column.texts.map((_, code) => code).sort((a, b) => (column.texts[a] < column.texts[b] ? -1 : 1));
    const ranks = new Int32Array(places.length);
    places.forEach((code, place) => { ranks[code] = sign * place; });
    const rank = (row) => (column.texts[column.codes[row]] === "" ? Infinity : ranks[column.codes[row]]);
    return [...rows].sort((a, b) => { const [x, y] = [rank(a), rank(b)]; return x === y ? a - b : x < y ? -1 : 1; });
  }

  // a table for programs and spreadsheets: what could start a formula stands behind an apostrophe
  function writeCsv(table, rows) {
    const guard = (text) => (/^[=+\-@\t\r\n＝＋－＠]/.test(text) && !/^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text) ? `'${text}` : text);
    const cell = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const columns = Object.values(table.columns);
    const lines = [columns.map((column) => cell(guard(column.name))).join(",")];
    for (const row of rows) {
      lines.push(columns.map((c) => (c.kind === "number" ? String(c.values[row] ?? "") : cell(guard(textAt(c, row))))).join(","));
    }
    return `${lines.join("\n")}\n`;
  }

  window.mmerCounts = { judge, scoreRows, countConfusions, groupRows, sortRows, writeNumber, writeCsv, textAt };
})();
