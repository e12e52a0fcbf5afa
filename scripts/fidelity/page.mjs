// docs/fidelity.md, from the results.
import fs from 'node:fs';
import os from 'node:os';
import { sharp } from './peer.mjs';
import { reason } from './settled.mjs';

// What a picture must reach.
const BARS = { preview: 0.98, colour: 2, thumbnail: 0.005, hash: 2, step: 4.5 };
const number = (value, digits) => (value === undefined ? '-' : value.toFixed(digits));

// What misses a bar, in words.
export function misses(result) {
  if (result.refused) return [result.refused];
  const { preview, thumbnail, hash, lossless } = result, found = [];
  for (const [role, { theirs, own }] of Object.entries({ preview, thumbnail })) {
    for (const key of ['size', 'format', 'alpha', 'progressive', 'orientation']) if (theirs[key] !== own[key]) found.push(`${role} ${key} ${own[key]}, not ${theirs[key]}`);
    if (!result.film && theirs.profile !== own.profile) found.push(`${role} profile ${own.profile}, not ${theirs.profile}`);
    if (!result.film && theirs.format === 'jpeg' && theirs.chroma !== own.chroma) found.push(`${role} chroma ${own.chroma}, not ${theirs.chroma}`);
    if (own.exif) found.push(`${role} has EXIF`);
  }
  if (result.sphere && result.sphere.join() !== preview.own.panorama.join()) found.push(`GPano ${preview.own.panorama}, not ${result.sphere}`);
  // Another developer: colours are only near.
  if (result.developed) return found;
  // ffmpeg's JPEG encoder at its defaults is coarser than ours: then both are measured by the frame itself.
  const finer = result.fine && result.fine.own >= result.fine.theirs - BARS.thumbnail;
  if (preview.similarity < BARS.preview && !finer) found.push(`preview SSIM ${number(preview.similarity, 4)}`);
  for (const [role, entry] of Object.entries({ preview, thumbnail })) if (entry.colour > BARS.colour) found.push(`${role} CIEDE2000 ${number(entry.colour, 2)}`);
  if (lossless && lossless.own < lossless.theirs - BARS.thumbnail) found.push(`thumbnail SSIM to lossless ${number(lossless.own, 4)}, theirs ${number(lossless.theirs, 4)}`);
  if (hash.bytes > BARS.hash && hash.distance > BARS.step) found.push(`thumbhash differs in ${hash.bytes} bytes`);
  return found;
}

function byClass(results) {
  const rows = [];
  for (const name of [...new Set(results.map((result) => result.class))]) {
    const all = results.filter((result) => result.class === name), seen = all.filter((result) => !result.refused);
    const least = (pick) => Math.min(...seen.map(pick).filter((value) => value !== undefined)), most = (pick) => Math.max(...seen.map(pick).filter((value) => value !== undefined));
    const cell = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : '-');
    rows.push([name, all.length, seen.length, cell(least((r) => r.preview.similarity), 4), cell(most((r) => r.preview.colour), 2), cell(least((r) => r.thumbnail.similarity), 4), cell(most((r) => r.thumbnail.colour), 2),
      cell(least((r) => r.lossless && r.lossless.own - r.lossless.theirs), 4), seen.filter((r) => r.hash.bytes === 0).length, cell(most((r) => r.hash.bytes), 0), all.filter((r) => misses(r).length > 0).length]);
  }
  return rows;
}

const table = (head, rows) => [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`).join('\n');

export function write(page, results, versions) {
  const failing = results.filter((result) => misses(result).length > 0 && !result.refused);
  const refused = results.filter((result) => result.refused);
  const cores = `${os.arch()}, node ${process.versions.node}, sharp ${sharp.versions.sharp} with libvips ${sharp.versions.vips}`;
  const text = `# How near previews come to Immich's

Written by \`scripts/compare-render\`, which renders every picture with \`photofsck render\` and with the tools that Immich uses, doing
Immich's steps (\`scripts/fidelity\`): sharp for stills, ffmpeg with Immich's filters for videos and GIF. ${versions.join('; ')}; ${cores}.

What is asked of a picture: sizes, formats, alpha, profile, chroma and orientation as the other side's; luma SSIM of the preview (7x7 window) at least
${BARS.preview}, or, of films, which ffmpeg's encoder makes coarse at its defaults, as near to the frame itself as ffmpeg's but for ${BARS.thumbnail}; mean CIEDE2000 over 4x4 blocks at most ${BARS.colour}; the thumbnail no further from one made without loss than the other side's by more than
${BARS.thumbnail}; the thumbhash the same but for ${BARS.hash} bytes, or, of pictures of one tone, painting what is no more than one step of its luma (4 levels) away.

${results.length - refused.length} pictures were compared, ${failing.length} miss something, ${failing.filter(({ file }) => reason(file)).length} of them for a reason that stays. ${refused.length} could not be compared.

## By class

Worst of each class. \`to lossless\` is how much nearer (or, negative, further) our thumbnail is to one made without loss than the other side's.

${table(['class', 'pictures', 'compared', 'preview SSIM', 'preview dE', 'thumbnail SSIM', 'thumbnail dE', 'to lossless', 'same thumbhash', 'bytes that differ', 'with a miss'], byClass(results))}

## What misses, or could not be compared

${table(['class', 'picture', 'what', 'why it stays'], [...failing, ...refused].map((result) => [result.class, result.file, misses(result).join('; '), reason(result.file) ?? '']))}

## Every picture

${table(['class', 'picture', 'preview', 'SSIM', 'dE', 'bytes', 'thumbnail', 'SSIM', 'dE', 'bytes', 'to lossless', 'profile', 'thumbhash'], results.filter((result) => !result.refused).map(({ class: name, file, preview, thumbnail, lossless, hash }) => [
    name, file, preview.own.size, number(preview.similarity, 4), number(preview.colour, 2), (preview.own.bytes / preview.theirs.bytes).toFixed(2), thumbnail.own.size, number(thumbnail.similarity, 4), number(thumbnail.colour, 2),
    (thumbnail.own.bytes / thumbnail.theirs.bytes).toFixed(2), lossless ? number(lossless.own - lossless.theirs, 4) : '-', preview.own.profile, hash.bytes === 0 ? 'same' : `${hash.bytes} bytes, ${number(hash.distance, 1)} levels`]))}

\`bytes\` is the size of our file over that of the other side's.

## Limits

${LIMITS}`;
  fs.writeFileSync(page, text);
  for (const result of failing) console.log('MISS', result.class, result.file, misses(result).join('; '));
  return failing.length === 0;
}

const LIMITS = `- sharp from npm reads no HEVC, JPEG XL, JPEG 2000, PSD or BMP, and Immich's libvips leaves TIFF to ImageMagick. Those are read by Debian's libvips
  and its libraries, or have a lossless twin where they are drawn here (\`scripts/fidelity/readers.mjs\`); sharp does the rest. Immich's libvips is 8.18, with
  ImageMagick 7 and libjxl 0.12, and with jpegli for libjpeg, whose JPEGs are not compared. Its present build files install no headers of OpenJPEG, and none since the
  autumn of 2025: pictures of JPEG 2000 are compared as older versions make them.
- What Immich knows of a file's colours when it chooses a profile comes from ExifTool, and here does too, though without the Brotli that Immich gives it.
- Floating point TIFF is compared with libvips' own reader. Immich's libvips gets it from ImageMagick 7 in units of 1/65535 and takes those for 8-bit samples, by the
  sources of both: nearly all is white then, which photofsck does not copy.
- Raws are developed by rawler and not by LibRaw: sizes and orientation are held, colours are only near. LibRaw shows the sensor up to its edge, also where the camera's own
  pictures leave a border away; so does photofsck.
- Immich's own ffmpeg has a filter for tone mapping that stock ffmpeg lacks: \`tonemapx\` of jellyfin-ffmpeg. HDR is held against stock filters set to that one's figures
  (\`scripts/fidelity/film.mjs\`), in full depth, as photofsck maps it. Immich's goes through frames of 8 bits, dithered, which adds noise. Immich's pictures differ in
  saturated colours by a few per cent where its build computes primaries one after the other. Dolby Vision without a compatible base layer is not made.
- JPEGs of films of up to 640x480 pixels are made with a quality of at least 90, since ffmpeg spends as much there; larger ones with the quality of the setting, which is finer than ffmpeg's.
- Thumbnails of videos: ffmpeg before 7.1 writes full-range samples into WebP, which has none, so that they come out with too much contrast; the comparison converts them as newer ones do.
- Where pixels are half transparent, some versions of Immich show them too bright; photofsck shows them right, and the comparison is with the right ones.
- Linear light is compared with libvips' scRGB, from the whole picture; which release of Immich ships it is not known, and no setting tells, so that it is asked for
  by \`"linearLight": true\` in the file of \`--image-config\`.
`;
