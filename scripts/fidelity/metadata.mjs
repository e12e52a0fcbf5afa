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

// EXIF ColorSpace in ExifTool's words.
export function exifColourSpace(block) {
  try {
    const tiff = block.toString('latin1', 0, 4) === 'Exif' ? block.subarray(6) : block, little = tiff[0] === 0x49;
    const short = (at) => (little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at)), long = (at) => (little ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at));
    const entry = (directory, tag) => {
      for (let i = 0, count = short(directory); i < count; i++) if (short(directory + 2 + 12 * i) === tag) return directory + 2 + 12 * i;
      return undefined;
    };
    const inner = entry(long(4), 0x8769), found = inner === undefined ? undefined : entry(long(inner + 8), 0xa001);
    return found === undefined ? undefined : ({ 1: 'sRGB', 2: 'Adobe RGB', 65535: 'Uncalibrated' }[short(found + 8)] ?? 'Unknown');
  } catch {
    return undefined; // Damaged EXIF says nothing.
  }
}

// The GPano properties of an XMP packet as a sorted list of "name=value".
export function panorama(xmp) {
  const text = xmp?.toString('utf8') ?? '';
  const found = [...text.matchAll(/GPano:(\w+)="([^"]*)"/g), ...text.matchAll(/<GPano:(\w+)>([^<]*)</g)];
  return found.map(([, name, value]) => `${name}=${value}`).sort();
}
