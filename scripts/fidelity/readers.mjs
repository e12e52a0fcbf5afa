// The pixels of a file as the readers that Immich is built with show them, in a format that npm's sharp reads.
//
// Immich builds libvips (8.18) with libheif, libjxl and librsvg, without libtiff: TIFF, PSD and BMP are ImageMagick's, raws LibRaw's.
// Here they are read by Debian's builds of the same libraries.
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { open } from './peer.mjs';

const RAW = /\.(dng|cr2|cr3|crw|nef|arw|raf|rw2|kdc|mrw|gpr|orf|pef)$/i;

function made(program, args, result) {
  // Without what sharp sets for its own libvips.
  const run = spawnSync(program, args, { env: { PATH: process.env.PATH } });
  return run.status === 0 && fs.existsSync(result) ? result : undefined;
}

const known = (file) => open(file).metadata().catch(() => ({}));

// Floating point samples come out of ImageMagick as white in Immich, and as integers here: they are left to sharp. So are inks, whose black
// Debian's libvips does not get from ImageMagick 6, and luma with colour differences, which it refuses.
async function tiff(file, read) {
  const found = await known(file);
  const left = found.depth === 'float' || found.depth === 'double' || found.space === 'cmyk';
  return left ? file : made('vips', ['magickload', file, read], read) ?? file;
}

// ImageMagick 7 reads modes that ImageMagick 6 refuses.
async function photoshop(file, read) {
  const found = made('vips', ['copy', file, read], read);
  return found && (await known(found)).space !== 'cmyk' ? found : made('ffmpeg', ['-v', 'error', '-y', '-i', file, '-frames:v', '1', read], read);
}

// A file to give to sharp; undefined where nothing here reads the original.
export async function readable(file, base) {
  const read = `${base}_read.tif`, png = `${base}_read.png`, developed = `${base}_developed.tif`;
  if (RAW.test(file)) {
    // libvips attaches no profile to what LibRaw makes: sharp takes the samples as they are.
    return made('dcraw_emu', ['-w', '-6', '-T', '-Z', read, file], read) && made('vips', ['copy', read, `${developed}[strip]`], developed);
  }
  switch (path.extname(file).toLowerCase()) {
    case '.tif': case '.tiff': return tiff(file, read);
    case '.psd': case '.psb': return photoshop(file, read);
    // Debian's libvips 8.14 fails on some of these: then the libraries' own programs.
    case '.jxl': return made('vips', ['copy', file, read], read) ?? made('djxl', [file, png], png);
    case '.heic': case '.heif': case '.hif': return made('vips', ['copy', file, read], read) ?? made('heif-convert', [file, png], png);
    case '.jp2': case '.j2k': case '.jpf': case '.jpx': case '.bmp': return made('vips', ['copy', file, read], read);
    default: return file;
  }
}
