// What files note about themselves: readers of ICC profiles and XMP, and ExifTool for what Immich asks it.
import { spawnSync } from 'node:child_process';

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

const TAGS = ['ColorSpace', 'ProfileDescription', 'ProfileName', 'BitsPerSample', 'ComponentBitDepth', 'ImagePixelDepth', 'BitDepth', 'ColorBitDepth'];

// What ExifTool tells of files, as far as Immich's rule about colours asks for it, by their paths.
export function told(files) {
  const { stdout, error } = spawnSync('exiftool', ['-j', '-q', ...TAGS.map((tag) => `-${tag}`), '-@', '-'], { input: files.join('\n'), encoding: 'utf8', maxBuffer: 1 << 28 });
  if (error) throw error;
  return new Map(JSON.parse(stdout || '[]').map((found) => [found.SourceFile, found]));
}

// Immich's rule, by what its database says of an original: names decide where there are any, else the depth, and where that is of a
// whole pixel, a third of it.
export function space(found, wide) {
  const names = [found?.ColorSpace, found?.ProfileDescription || found?.ProfileName].filter(Boolean).map(String);
  if (names.length > 0) return names.some((name) => /srgb/i.test(name)) ? 'srgb' : wide;
  const depths = TAGS.slice(3).map((tag) => Number.parseInt(found?.[tag], 10)).filter(Number.isFinite);
  if (depths.length === 0) return 'srgb';
  const bits = depths[0] >= 24 && depths[0] % 3 === 0 ? depths[0] / 3 : depths[0];
  return bits === 8 ? 'srgb' : wide;
}

// The GPano properties of an XMP packet as a sorted list of "name=value".
export function panorama(xmp) {
  const text = xmp?.toString('utf8') ?? '';
  const found = [...text.matchAll(/GPano:(\w+)="([^"]*)"/g), ...text.matchAll(/<GPano:(\w+)>([^<]*)</g)];
  return found.map(([, name, value]) => `${name}=${value}`).sort();
}
