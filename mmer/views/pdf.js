// A drawing (drawing.js) -> the bytes of a PDF 1.7 file of one page in the drawing's size. Text is Helvetica, which every reader has, in WinAnsi;
// a text with other letters is a small picture of it that can still be searched and copied.

const POINTS = 0.75; // in a CSS pixel
const TEXT_PICTURE_SCALE = 4; // pixels of the picture of a text in a CSS pixel

// Resolves to a Uint8Array.
async function writePdf(drawing, { title, description }) {
  const file = createPdfFile();
  const resources = { images: new Map(), alphas: new Map() };
  const [w, h] = [drawing.width * POINTS, drawing.height * POINTS].map(toNumber);
  const content = `${POINTS} 0 0 ${-POINTS} 0 ${h} cm\n${drawing.items.map((item) => writePdfItem(item, resources)).join("")}`;
  const [catalog, pages, page, contents, info, regular, bold] = Array.from({ length: 7 }, file.reserve);
  for (const image of resources.images.values()) image.id = file.reserve();
  await file.addStream(contents, "", new TextEncoder().encode(content));
  for (const image of resources.images.values()) await addPdfImage(file, image);
  const list = (entries) => `<< ${entries.join(" ")} >>`;
  const xobjects = list([...resources.images.values()].map(({ name, id }) => `/${name} ${id} 0 R`));
  const states = list([...resources.alphas].map(([alpha, name]) => `/${name} << /ca ${alpha} /CA ${alpha} >>`));
  const font = (name) => `<< /Type /Font /Subtype /Type1 /BaseFont /${name} /Encoding << /Type /Encoding /BaseEncoding /WinAnsiEncoding /Differences [127 /minus] >> >>`;
  file.add(catalog, `<< /Type /Catalog /Pages ${pages} 0 R /Lang (en) /ViewerPreferences << /DisplayDocTitle true >> >>`);
  file.add(pages, `<< /Type /Pages /Kids [${page} 0 R] /Count 1 >>`);
  file.add(page, `<< /Type /Page /Parent ${pages} 0 R /MediaBox [0 0 ${w} ${h}] /Contents ${contents} 0 R /Resources << /Font << /F1 ${regular} 0 R /F2 ${bold} 0 R >> /XObject ${xobjects} /ExtGState ${states} >> >>`);
  file.add(info, `<< /Title ${toPdfString(title)} /Subject ${toPdfString(description)} /Creator (mmer) >>`);
  file.add(regular, font("Helvetica"));
  file.add(bold, font("Helvetica-Bold"));
  return file.finish(catalog, info);
}

// Objects one after the other, and the table of where each begins.
function createPdfFile() {
  const chunks = [];
  const offsets = [];
  let length = 0;
  function write(part) {
    const bytes = typeof part === "string" ? Uint8Array.from(part, (letter) => letter.charCodeAt(0)) : part;
    chunks.push(bytes);
    length += bytes.length;
  }
  const begin = (id) => { offsets[id] = length; write(`${id} 0 obj\n`); };
  write("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n");
  offsets[0] = 0;
  return {
    reserve: () => offsets.push(0) - 1,
    add: (id, text) => { begin(id); write(`${text}\nendobj\n`); },
    addStream: async (id, entries, bytes) => {
      const packed = await deflate(bytes);
      begin(id);
      write(`<< ${entries} /Length ${(packed ?? bytes).length}${packed ? " /Filter /FlateDecode" : ""} >>\nstream\n`);
      write(packed ?? bytes);
      write("\nendstream\nendobj\n");
    },
    finish: (catalog, info) => {
      const start = length;
      const lines = offsets.slice(1).map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`);
      write(`xref\n0 ${offsets.length}\n0000000000 65535 f \n${lines.join("")}trailer\n<< /Size ${offsets.length} /Root ${catalog} 0 R /Info ${info} 0 R >>\nstartxref\n${start}\n%%EOF\n`);
      const whole = new Uint8Array(length);
      let at = 0;
      for (const chunk of chunks) { whole.set(chunk, at); at += chunk.length; }
      return whole;
    },
  };
}

// In zlib's format, as PDF wants it; null in a browser without it.
async function deflate(bytes) {
  if (!window.CompressionStream) return null;
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer());
}

// Objects take text as UTF-16 with a mark.
function toPdfString(text) {
  const units = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i).toString(16).padStart(4, "0"));
  return `<feff${units.join("")}>`;
}

const readPdfColour = (text) => (text.startsWith("#") ? parseColour(text) : text.match(/\d+/g).map(Number));
const toPdfColour = (text) => readPdfColour(text).map((channel) => toNumber(channel / 255)).join(" ");

function writePdfItem(item, resources) {
  const inner = { rects: writePdfRects, line: writePdfLine, text: writePdfText, image: writePdfImage, frame: writePdfFrame }[item.kind](item, resources);
  if (item.alpha === undefined || item.alpha === 1) return inner;
  if (!resources.alphas.has(item.alpha)) resources.alphas.set(item.alpha, `G${resources.alphas.size}`);
  return `q /${resources.alphas.get(item.alpha)} gs\n${inner}Q\n`;
}

function writePdfRects({ boxes, fill }) {
  return `${toPdfColour(fill)} rg\n${boxes.map((box) => `${box.map(toNumber).join(" ")} re\n`).join("")}f\n`;
}

function writePdfLine({ points, stroke, width, cap, join, dash }) {
  const path = points.map(([isJoined, x, y]) => `${toNumber(x)} ${toNumber(y)} ${isJoined ? "l" : "m"}\n`).join("");
  return `q ${toPdfColour(stroke)} RG ${toNumber(width)} w ${{ butt: 0, round: 1, square: 2 }[cap]} J ${{ miter: 0, round: 1, bevel: 2 }[join]} j [${(dash ?? []).join(" ")}] 0 d\n${path}S Q\n`;
}

function writePdfFrame({ x, y, width, height, items }, resources) {
  return `q 1 0 0 1 ${toNumber(x)} ${toNumber(y)} cm 0 0 ${toNumber(width)} ${toNumber(height)} re W n\n${items.map((item) => writePdfItem(item, resources)).join("")}Q\n`;
}

function writePdfImage({ canvas, x, y, width, height }, resources) {
  if (!resources.images.has(canvas)) resources.images.set(canvas, { name: `I${resources.images.size}`, canvas });
  return `q ${toNumber(width)} 0 0 ${toNumber(-height)} ${toNumber(x)} ${toNumber(y + height)} cm /${resources.images.get(canvas).name} Do Q\n`;
}

function writePdfText(item, resources) {
  const { text, x, y, size, isBold, align, fill, halo, haloWidth } = item;
  const codes = encodeWinAnsi(text);
  if (!codes) return writePdfTextPicture(item, resources);
  const width = measureHelvetica(codes, size, isBold);
  const left = x - ({ center: width / 2, right: width }[align] ?? 0);
  const shown = `1 0 0 -1 ${toNumber(left)} ${toNumber(y)} Tm <${codes.map((code) => code.toString(16).padStart(2, "0")).join("")}> Tj`;
  const font = `/F${isBold ? 2 : 1} ${toNumber(size)} Tf`;
  const behind = halo ? `q ${toPdfColour(halo)} RG ${toNumber(haloWidth)} w 1 j BT ${font} 1 Tr ${shown} ET Q\n` : "";
  return fill === null ? behind : `${behind}${toPdfColour(fill)} rg BT ${font} 0 Tr ${shown} ET\n`;
}

function writePdfTextPicture({ text, x, y, size, isBold, align, fill }, resources) {
  const font = (scale) => `${isBold ? "bold " : ""}${size * scale}px ${PRINT_FONT}`;
  const canvas = make("canvas");
  const context = canvas.getContext("2d");
  context.font = font(1);
  const [width, rise, fall] = [context.measureText(text).width, 1.15 * size, 0.4 * size];
  Object.assign(canvas, { width: Math.max(1, Math.ceil((width + 2) * TEXT_PICTURE_SCALE)), height: Math.ceil((rise + fall) * TEXT_PICTURE_SCALE), ink: readPdfColour(fill ?? "#000000") });
  Object.assign(context, { font: font(TEXT_PICTURE_SCALE), fillStyle: fill ?? "#000000" });
  context.fillText(text, TEXT_PICTURE_SCALE, rise * TEXT_PICTURE_SCALE);
  const left = x - ({ center: width / 2, right: width }[align] ?? 0) - 1;
  const image = { canvas, x: left, y: y - rise, width: canvas.width / TEXT_PICTURE_SCALE, height: canvas.height / TEXT_PICTURE_SCALE };
  return `/Span << /ActualText ${toPdfString(text)} >> BDC\n${writePdfImage(image, resources)}EMC\n`;
}

async function addPdfImage(file, { id, canvas }) {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const [colours, opacity] = [new Uint8Array(3 * width * height), new Uint8Array(width * height)];
  for (let i = 0; i < opacity.length; i++) {
    colours.set(canvas.ink ?? data.subarray(4 * i, 4 * i + 3), 3 * i); // one ink also where there is none of it, or edges get dark
    opacity[i] = data[4 * i + 3];
  }
  const entries = `/Type /XObject /Subtype /Image /Width ${width} /Height ${height} /BitsPerComponent 8`;
  if (!canvas.ink) { await file.addStream(id, `${entries} /ColorSpace /DeviceRGB`, colours); return; }
  const mask = file.reserve();
  await file.addStream(id, `${entries} /ColorSpace /DeviceRGB /SMask ${mask} 0 R`, colours);
  await file.addStream(mask, `${entries} /ColorSpace /DeviceGray`, opacity);
}
