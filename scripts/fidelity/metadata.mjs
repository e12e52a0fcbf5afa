// Small readers of ICC profiles, EXIF and XMP.

// Name and size of a profile, or null where it cannot be read.
export function profile(icc) {
  if (!icc || icc.length < 132) return null;
  for (let i = 0, count = icc.readUInt32BE(128); i < count && 132 + 12 * i + 12 <= icc.length; i++) {
    const at = 132 + 12 * i, offset = icc.readUInt32BE(at + 4), length = icc.readUInt32BE(at + 8);
    if (icc.toString('latin1', at, at + 4) !== 'desc' || offset + length > icc.length) continue;
    const text = icc.subarray(offset, offset + length);
    if (text.toString('latin1', 0, 4) === 'desc') return { bytes: icc.length, name: text.toString('latin1', 12, 11 + text.readUInt32BE(8)) };
    const from = text.readUInt32BE(24), units = Buffer.from(text.subarray(from, from + text.readUInt32BE(20)));
    return { bytes: icc.length, name: units.swap16().toString('utf16le') };
  }
  return { bytes: icc.length, name: '' };
}

// What a TIFF structure (an EXIF block, or a raw file) notes of colours, as ExifTool tells it: ColorSpace in its words, and BitsPerSample,
// of several pictures that of the one at full resolution (NewSubfileType 0).
export function noted(block) {
  try {
    const tiff = block.toString('latin1', 0, 4) === 'Exif' ? block.subarray(6) : block, little = tiff[0] === 0x49;
    const short = (at) => (little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at)), long = (at) => (little ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at));
    const entry = (directory, tag) => {
      for (let i = 0, count = short(directory); i < count; i++) if (short(directory + 2 + 12 * i) === tag) return directory + 2 + 12 * i;
      return undefined;
    };
    // Offsets, and numbers of which the first alone matters; those that do not fit lie elsewhere.
    const list = (directory, tag) => {
      const at = entry(directory, tag);
      if (at === undefined) return [];
      const width = short(at + 2) === 3 ? 2 : 4, count = long(at + 4), from = width * count <= 4 ? at + 8 : long(at + 8);
      return Array.from({ length: count }, (_, i) => (width === 2 ? short(from + 2 * i) : long(from + 4 * i)));
    };
    const first = long(4), directories = [first, ...list(first, 0x14a)], [inner] = list(first, 0x8769);
    const full = directories.filter((directory) => list(directory, 0xfe)[0] === 0);
    const bits = [...full, ...directories].map((directory) => list(directory, 0x102)[0]).find((value) => value !== undefined);
    const code = inner === undefined ? undefined : list(inner, 0xa001)[0];
    return { space: code === undefined ? undefined : ({ 1: 'sRGB', 2: 'Adobe RGB', 65535: 'Uncalibrated' }[code] ?? 'Unknown'), bits };
  } catch {
    return {}; // Damaged EXIF says nothing.
  }
}

// The GPano properties of an XMP packet as a sorted list of "name=value".
export function panorama(xmp) {
  const text = xmp?.toString('utf8') ?? '';
  const found = [...text.matchAll(/GPano:(\w+)="([^"]*)"/g), ...text.matchAll(/<GPano:(\w+)>([^<]*)</g)];
  return found.map(([, name, value]) => `${name}=${value}`).sort();
}
