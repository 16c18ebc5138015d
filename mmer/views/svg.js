// A drawing (drawing.js) -> the text of an SVG file. Every text and name is escaped; there is no script in it, and nothing to load.

const toNumber = (value) => String(+value.toFixed(2));
const escapeXml = (text) => withoutControls(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

function writeSvg({ width, height, items }, { title, description, kind }) {
  const names = { stem: kind, count: 0 }; // so that several figures can stand in one page
  return `<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="${toNumber(width)}" height="${toNumber(height)}" viewBox="0 0 ${toNumber(width)} ${toNumber(height)}" role="img" aria-labelledby="${kind}-title ${kind}-description" font-family="${escapeXml(PRINT_FONT)}">\n`
    + `<title id="${kind}-title">${escapeXml(title)}</title>\n<desc id="${kind}-description">${escapeXml(description)}</desc>\n${items.map((item) => writeSvgItem(item, names)).join("\n")}\n</svg>\n`;
}

function writeSvgItem(item, names) {
  const faint = item.alpha === undefined || item.alpha === 1 ? "" : ` opacity="${toNumber(item.alpha)}"`;
  if (item.kind === "rects") return `<path fill="${item.fill}"${faint} d="${item.boxes.map(([x, y, w, h]) => `M${toNumber(x)} ${toNumber(y)}h${toNumber(w)}v${toNumber(h)}h${toNumber(-w)}z`).join("")}"/>`;
  if (item.kind === "line") return writeSvgLine(item, faint);
  if (item.kind === "text") return writeSvgText(item, faint);
  if (item.kind === "image") return `<image x="${toNumber(item.x)}" y="${toNumber(item.y)}" width="${toNumber(item.width)}" height="${toNumber(item.height)}"${faint} preserveAspectRatio="none" href="${item.canvas.toDataURL("image/png")}"/>`;
  const id = `${names.stem}-frame-${++names.count}`;
  return `<clipPath id="${id}"><rect width="${toNumber(item.width)}" height="${toNumber(item.height)}"/></clipPath>\n`
    + `<g transform="translate(${toNumber(item.x)} ${toNumber(item.y)})" clip-path="url(#${id})">\n${item.items.map((one) => writeSvgItem(one, names)).join("\n")}\n</g>`;
}

function writeSvgLine({ points, stroke, width, cap, join, dash }, faint) {
  const d = points.map(([isJoined, x, y]) => `${isJoined ? "L" : "M"}${toNumber(x)} ${toNumber(y)}`).join("");
  return `<path fill="none" stroke="${stroke}" stroke-width="${toNumber(width)}" stroke-linecap="${cap}" stroke-linejoin="${join}"${dash ? ` stroke-dasharray="${dash.join(" ")}"` : ""}${faint} d="${d}"/>`;
}

function writeSvgText({ text, x, y, size, isBold, align, fill, halo, haloWidth }, faint) {
  const anchor = { center: "middle", right: "end" }[align];
  return `<text x="${toNumber(x)}" y="${toNumber(y)}" font-size="${toNumber(size)}"${isBold ? ' font-weight="bold"' : ""}${anchor ? ` text-anchor="${anchor}"` : ""} fill="${fill ?? "none"}"`
    + `${halo ? ` stroke="${halo}" stroke-width="${toNumber(haloWidth)}" stroke-linejoin="round" paint-order="stroke"` : ""}${faint}>${escapeXml(text)}</text>`;
}
