// Immich's steps for many pictures in one run, so that it can be measured; what is known of files; and how like the pictures are.
//   node batch.mjs facts FILES.json                             FILES: [path, ...]; writes {path: facts} to standard output
//   node batch.mjs render WORK.json OUT JOBS THREADS            WORK: [{file, space}, ...]; pictures and made.json in OUT; JOBS pictures at
//                                                               once, THREADS of libvips for each (0 = all cores; Immich: 3 and 0)
//   node batch.mjs versions
//   node batch.mjs likeness PAIRS.json                          PAIRS: [{file, theirs, ours}, ...]; writes [{file, ...}, ...] to standard output
import fs from 'node:fs';
import path from 'node:path';
import { open, pictures, settings, sharp } from './peer.mjs';
import { compare } from './measure.mjs';
import { profile, space, told } from './metadata.mjs';

const [command, list, ...rest] = process.argv.slice(2);
const input = list ? JSON.parse(fs.readFileSync(list, 'utf8')) : [];
const config = settings();

async function facts(file, noted) {
  try {
    const found = await open(file).metadata();
    return {
      format: found.compression === 'hevc' ? 'heic' : found.format, width: found.width, height: found.height, bits: found.bitsPerSample ?? (found.depth === 'uchar' ? 8 : 16),
      progressive: Boolean(found.isProgressive), profile: profile(found.icc)?.name ?? '', space: space(noted, config.colorspace),
    };
  } catch {
    return null; // Not a picture that sharp can read.
  }
}

async function render(out, jobs, threads) {
  // As Immich sets it up.
  sharp.concurrency(Number(threads));
  sharp.cache({ files: 0 });
  const made = new Array(input.length);
  let next = 0;
  const worker = async () => {
    while (next < input.length) {
      const i = next++, { file, space: colours } = input[i];
      try {
        const { thumbhash, ...files } = await pictures(file, config, path.join(out, String(i).padStart(4, '0')), colours);
        made[i] = { file, ...files, thumbhash: thumbhash.toString('base64') };
      } catch (error) {
        made[i] = { file, error: error.message.split('\n')[0] };
      }
    }
  };
  await Promise.all(Array.from({ length: Number(jobs) }, worker));
  fs.writeFileSync(path.join(out, 'made.json'), JSON.stringify(made));
}

async function likeness({ file, theirs, ours }) {
  const side = (made) => ({ ...made, thumbhash: Buffer.from(made.thumbhash, 'base64') });
  const { preview, thumbnail } = await compare(side(theirs), side(ours));
  return { file, size: preview.own.size, theirs: preview.theirs.size, preview: preview.similarity, thumbnail: thumbnail.similarity };
}

if (command === 'facts') {
  const found = {}, noted = told(input);
  for (const file of input) found[file] = await facts(file, noted.get(file));
  console.log(JSON.stringify(found));
} else if (command === 'render') {
  await render(...rest);
} else if (command === 'likeness') {
  const found = [];
  for (const pair of input) found.push(await likeness(pair));
  console.log(JSON.stringify(found));
} else if (command === 'versions') {
  console.log(`sharp ${sharp.versions.sharp} with libvips ${sharp.versions.vips}, node ${process.versions.node}`);
} else throw new Error(`no such command: ${command}`);
