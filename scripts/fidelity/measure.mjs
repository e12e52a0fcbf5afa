// Two pictures of the same original, compared. Both sides are brought to 8-bit sRGB by their own profiles and laid on black first.
import { open, sharp, thumbHashToRGBA, bytes } from './peer.mjs';
import { panorama, profile } from './metadata.mjs';

async function load(file) {
  const pixels = await sharp(file, { failOn: 'warning', limitInputPixels: false, unlimited: true })
    .toColourspace('srgb').flatten({ background: '#000000' }).raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = pixels.info;
  return { data: pixels.data, width, height, at: (pixel, channel) => pixels.data[pixel * channels + (channels < 3 ? 0 : channel)] };
}

const luma = (image) => Float64Array.from({ length: image.width * image.height }, (_, i) => 0.299 * image.at(i, 0) + 0.587 * image.at(i, 1) + 0.114 * image.at(i, 2));

// Mean structural similarity (Wang 2004) over a uniform 7x7 window with sample covariance; smaller windows on smaller pictures.
function similarity(a, b, width, height) {
  const window = Math.min(7, width, height) - (Math.min(7, width, height) % 2 === 0 ? 1 : 0);
  if (window < 3) return 1 - a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length / 255;
  const n = window * window, sample = n / (n - 1), c1 = 2.55 ** 2, c2 = 7.65 ** 2;
  const columns = Array.from({ length: 5 }, () => new Float64Array(width));
  const add = (row, sign) => {
    for (let x = 0, p = row * width; x < width; x++, p++) {
      [a[p], b[p], a[p] * a[p], b[p] * b[p], a[p] * b[p]].forEach((value, k) => { columns[k][x] += sign * value; });
    }
  };
  let total = 0, count = 0;
  for (let y = 0; y < height; y++) {
    add(y, 1);
    if (y >= window) add(y - window, -1);
    if (y < window - 1) continue;
    const sums = [0, 0, 0, 0, 0];
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < 5; k++) sums[k] += columns[k][x] - (x >= window ? columns[k][x - window] : 0);
      if (x < window - 1) continue;
      const [ma, mb, aa, bb, ab] = sums.map((value) => value / n);
      const va = sample * (aa - ma * ma), vb = sample * (bb - mb * mb), vab = sample * (ab - ma * mb);
      total += ((2 * ma * mb + c1) * (2 * vab + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
      count++;
    }
  }
  return total / count;
}

const LINEAR = Float64Array.from({ length: 256 }, (_, i) => (i / 255 <= 0.04045 ? i / 255 / 12.92 : ((i / 255 + 0.055) / 1.055) ** 2.4));

function lab([r, g, b]) {
  const f = (t) => (t > 216 / 24389 ? Math.cbrt(t) : ((24389 / 27) * t + 16) / 116);
  const x = f((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047), y = f(0.2126729 * r + 0.7151522 * g + 0.072175 * b);
  const z = f((0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

// CIEDE2000 (Sharma, Wu, Dalal 2005).
export function difference([L1, a1, b1], [L2, a2, b2]) {
  const rad = Math.PI / 180, seventh = (c) => Math.sqrt(c ** 7 / (c ** 7 + 25 ** 7));
  const G = 0.5 * (1 - seventh((Math.hypot(a1, b1) + Math.hypot(a2, b2)) / 2)), p1 = a1 * (1 + G), p2 = a2 * (1 + G);
  const C1 = Math.hypot(p1, b1), C2 = Math.hypot(p2, b2), angle = (a, b) => (a === 0 && b === 0 ? 0 : (Math.atan2(b, a) / rad + 360) % 360);
  const h1 = angle(p1, b1), h2 = angle(p2, b2), grey = C1 * C2 === 0;
  let dh = grey ? 0 : h2 - h1;
  if (Math.abs(dh) > 180) dh -= Math.sign(dh) * 360;
  const dL = L2 - L1, dC = C2 - C1, dH = 2 * Math.sqrt(C1 * C2) * Math.sin((dh / 2) * rad), C = (C1 + C2) / 2, L = (L1 + L2) / 2;
  let h = h1 + h2;
  if (!grey) h = Math.abs(h1 - h2) > 180 ? (h < 360 ? h + 360 : h - 360) / 2 : h / 2;
  const T = 1 - 0.17 * Math.cos((h - 30) * rad) + 0.24 * Math.cos(2 * h * rad) + 0.32 * Math.cos((3 * h + 6) * rad) - 0.2 * Math.cos((4 * h - 63) * rad);
  const SL = 1 + (0.015 * (L - 50) ** 2) / Math.sqrt(20 + (L - 50) ** 2), SC = 1 + 0.045 * C, SH = 1 + 0.015 * C * T;
  const RT = -2 * seventh(C) * Math.sin(60 * Math.exp(-(((h - 275) / 25) ** 2)) * rad);
  return Math.sqrt((dL / SL) ** 2 + (dC / SC) ** 2 + (dH / SH) ** 2 + RT * (dC / SC) * (dH / SH));
}

// Mean over blocks of 4x4 (single pixels of small pictures), so that it is colour that is measured and not noise.
function colourDistance(A, B) {
  const k = Math.min(A.width, A.height) >= 64 ? 4 : 1;
  let sum = 0, count = 0;
  for (let y = 0; y + k <= A.height; y += k) for (let x = 0; x + k <= A.width; x += k) {
    const means = [A, B].map((image) => [0, 1, 2].map((channel) => {
      let total = 0;
      for (let j = 0; j < k; j++) for (let i = 0; i < k; i++) total += LINEAR[image.at((y + j) * A.width + x + i, channel)];
      return total / k / k;
    }));
    sum += difference(lab(means[0]), lab(means[1]));
    count++;
  }
  return count === 0 ? 0 : sum / count;
}

async function facts(file) {
  const found = await open(file).metadata();
  return { size: `${found.width}x${found.height}`, format: found.format, alpha: Boolean(found.hasAlpha), chroma: found.chromaSubsampling, progressive: Boolean(found.isProgressive),
    profile: profile(found.icc)?.name ?? 'none', exif: Boolean(found.exif), orientation: found.orientation ?? 1, panorama: panorama(found.xmp), bytes: bytes(file) };
}

// Bytes that differ, and the distance of what the hashes paint (root mean square of 8-bit samples).
export function hashes(a, b) {
  const length = Math.max(a.length, b.length);
  const bytes = Array.from({ length }, (_, i) => a[i] !== b[i]).filter(Boolean).length;
  const [A, B] = [a, b].map((hash) => thumbHashToRGBA(hash));
  if (A.w !== B.w || A.h !== B.h) return { bytes, distance: 255 };
  return { bytes, distance: Math.sqrt(A.rgba.reduce((sum, value, i) => sum + (value - B.rgba[i]) ** 2, 0) / A.rgba.length) };
}

export async function compare(peer, ours) {
  const result = { hash: hashes(peer.thumbhash, ours.thumbhash) };
  for (const role of ['preview', 'thumbnail']) {
    const [theirs, own] = [await facts(peer[role]), await facts(ours[role])];
    const entry = (result[role] = { theirs, own });
    if (theirs.size !== own.size) continue;
    const [A, B] = [await load(peer[role]), await load(ours[role])];
    const [a, b] = [luma(A), luma(B)];
    Object.assign(entry, { similarity: similarity(a, b, A.width, A.height), colour: colourDistance(A, B) });
    if (role === 'preview' && peer.fine) {
      const reference = luma(await load(peer.fine));
      result.fine = { theirs: similarity(a, reference, A.width, A.height), own: similarity(b, reference, A.width, A.height) };
    }
    if (role === 'thumbnail' && peer.lossless) {
      const reference = luma(await load(peer.lossless));
      result.lossless = { theirs: similarity(a, reference, A.width, A.height), own: similarity(b, reference, A.width, A.height) };
    }
  }
  return result;
}
