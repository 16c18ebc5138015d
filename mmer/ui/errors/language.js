// The language of filters, as mmer/error_table/filters.py has it: tests/error_table/filter_cases.json is read by the tests of both.
(() => {
  const LONGEST = 4000; // characters of a filter
  const MOST_VALUES = 500, MOST_FILTERS = 40;
  const QUOTED = '"(?:[^"]|"")*"';
  const NAME = new RegExp(`^\\s*(${QUOTED}|[^=!:~,"]+)(!=|[=:~])`);
  const VALUE = new RegExp(`\\s*(${QUOTED})\\s*(?=,|$)|([^,"]*)(?=,|$)`, "y");
  const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?$/i;
  const BARE = /^[^=!:~,"\s](?:[^=!:~,"]*[^=!:~,"\s])?$/;

  const quote = (text) => (text === "" || BARE.test(text) ? text : `"${text.replaceAll('"', '""')}"`);
  const unquote = (text) => (text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text.trim());
  const writeEnd = (value) => (Number.isFinite(value) ? String(value) : "");

  // {column, sign, values} or {column, sign: ":", low, high}; null for what is no filter
  function parse(text) {
    if (typeof text !== "string" || text.length > LONGEST) return null;
    const found = NAME.exec(text);
    if (!found) return null;
    const [column, sign, rest] = [unquote(found[1]), found[2], text.slice(found[0].length)];
    if (!column) return null;
    if (sign === ":") return parseRange(column, rest);
    if (sign === "~") return rest.trim() ? { column, sign, values: [rest] } : null;
    const values = parseValues(rest);
    return values && { column, sign, values };
  }

  function parseRange(column, rest) {
    const at = rest.indexOf("..");
    const ends = at < 0 ? [] : [rest.slice(0, at).trim(), rest.slice(at + 2).trim()];
    if (at < 0 || !ends.some(Boolean) || !ends.every((end) => !end || NUMBER.test(end))) return null;
    const [low, high] = [ends[0] ? Number(ends[0]) : -Infinity, ends[1] ? Number(ends[1]) : Infinity];
    return low > high ? null : { column, sign: ":", low, high };
  }

  function parseValues(rest) {
    const values = [];
    for (let place = 0; ;) {
      VALUE.lastIndex = place;
      const found = VALUE.exec(rest);
      if (!found || values.length === MOST_VALUES) return null;
      values.push(unquote(found[1] ?? found[2]));
      if (VALUE.lastIndex >= rest.length) return [...new Set(values)];
      place = VALUE.lastIndex + 1;
    }
  }

  // the text that parse reads as this filter
  function write({ column, sign, values, low, high }) {
    if (sign === ":") return `${quote(column)}:${writeEnd(low)}..${writeEnd(high)}`;
    if (sign === "~") return `${quote(column)}~${values[0]}`;
    return `${quote(column)}${sign}${values.map(quote).join(",")}`;
  }

  // whether a filter can be asked of this column
  function fits(filter, column) {
    if (!column) return false;
    if (filter.sign === ":") return column.kind === "number";
    if (filter.sign === "~") return column.kind === "text";
    return column.kind === "text" || filter.values.every((value) => !value || NUMBER.test(value));
  }

  // (row) => whether the filter holds for it
  function compile(filter, column) {
    const { sign, values } = filter;
    if (column.kind === "number") {
      const cells = column.values;
      if (sign === ":") return (row) => cells[row] !== null && cells[row] >= filter.low && cells[row] <= filter.high;
      const wanted = new Set(values.map((value) => (value ? Number(value) : null)));
      return sign === "=" ? (row) => wanted.has(cells[row]) : (row) => !wanted.has(cells[row]);
    }
    const letters = sign === "~" ? values[0].toLowerCase() : "";
    const wanted = new Set(values);
    const holds = column.texts.map((text) => (sign === "~" ? text.toLowerCase().includes(letters) : wanted.has(text) === (sign === "=")));
    return (row) => holds[column.codes[row]];
  }

  window.mmerFilters = { parse, write, fits, compile, quote, MOST_FILTERS };
})();
