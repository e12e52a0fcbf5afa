// What Immich does to a still picture, done with sharp as Immich does it: one decode to a raw buffer of preview size, then preview,
// thumbnail and thumbhash from that buffer.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(path.join(process.env.PEER_MODULES, 'x.js'));
export const sharp = require('sharp');
export const { rgbaToThumbHash, thumbHashToRGBA } = await import(pathToFileURL(path.join(process.env.PEER_MODULES, 'node_modules/thumbhash/thumbhash.js')));

const DEFAULTS = {
  preview: { format: 'jpeg', size: 1440, quality: 80, progressive: false },
  thumbnail: { format: 'webp', size: 250, quality: 80, progressive: false },
  colorspace: 'p3',
  tonemap: 'hable',
};

// From the object that `--image-config` takes: the image settings alone, or those and `ffmpeg`.
export function settings(given = {}) {
  const { preview, thumbnail, ...others } = given.image ?? (given.ffmpeg ? {} : given);
  return { ...DEFAULTS, ...given.ffmpeg, ...others, preview: { ...DEFAULTS.preview, ...preview }, thumbnail: { ...DEFAULTS.thumbnail, ...thumbnail } };
}

export const open = (input, raw) => sharp(input, { failOn: raw ? 'error' : 'none', limitInputPixels: false, unlimited: true, raw });

const pipeline = (input, raw, colours) => {
  const start = open(input, raw).pipelineColorspace(colours === 'srgb' ? 'srgb' : 'rgb16').withIccProfile(colours);
  return raw ? start : start.rotate();
};
const outside = (start, size) => start.resize(size, size, { fit: 'outside', withoutEnlargement: true });
// Only the size of the buffer is handed on. With all that sharp says about it, half-transparent pixels come out too bright.
const shape = ({ width, height, channels }) => ({ width, height, channels });

async function picture(role, data, raw, colours, config, base) {
  const { format, size, quality, progressive } = config[role];
  const options = { quality, progressive, chromaSubsampling: quality >= 80 ? '4:4:4' : '4:2:0' };
  let small = pipeline(data, raw, colours);
  if (config.linearLight) {
    const linear = outside(sharp(data, { raw }).pipelineColorspace('scrgb'), size).raw();
    const { data: pixels, info: after } = await linear.toBuffer({ resolveWithObject: true });
    small = pipeline(pixels, shape(after), colours);
  } else small = outside(small, size);
  const target = `${base}_${role}.${format}`;
  await small.toFormat(format, format === 'jpeg' ? options : { quality }).toFile(target);
  return target;
}

async function thumbhash(data, raw) {
  const tiny = await sharp(data, { raw }).resize(100, 100, { fit: 'inside', withoutEnlargement: true }).raw().ensureAlpha().toBuffer({ resolveWithObject: true });
  return Buffer.from(rgbaToThumbHash(tiny.info.width, tiny.info.height, tiny.data));
}

// What Immich makes, and nothing else: this is what is timed. Immich knows the colour space before it begins.
export async function pictures(file, config, base, colours) {
  const decode = pipeline(file, undefined, colours);
  const whole = config.linearLight ? decode : outside(decode, config.preview.size);
  const { data, info } = await whole.raw().toBuffer({ resolveWithObject: true });
  const raw = shape(info), make = (role) => picture(role, data, raw, colours, config, base);
  const [preview, thumbnail, hash] = await Promise.all([make('preview'), make('thumbnail'), thumbhash(data, raw)]);
  return { preview, thumbnail, thumbhash: hash };
}

// The same, and a thumbnail made without loss from the whole picture, which both sides are held against.
export async function immich(file, config, base, colours) {
  const made = await pictures(file, config, base, colours);
  made.lossless = `${base}_lossless.png`;
  const { width, height } = await open(made.thumbnail).metadata();
  const full = await open(file).rotate().toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
  let reduced = sharp(full.data, { raw: shape(full.info), limitInputPixels: false });
  if (config.linearLight) reduced = reduced.pipelineColorspace('scrgb');
  await reduced.resize(width, height, { fit: 'fill' }).png().toFile(made.lossless);
  return made;
}
export const bytes = (file) => fs.statSync(file).size;
