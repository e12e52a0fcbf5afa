// Renders every original with photofsck and with Immich's tools, compares the two, and writes the page.
//   node compare.mjs --photofsck PROGRAM --work DIR --page FILE FOLDER...      a folder below FOLDER is a class of its own
import fs from 'node:fs';
import path from 'node:path';
import { execFileSync, spawnSync } from 'node:child_process';
import { immich, open, settings } from './peer.mjs';
import { panorama, space, told } from './metadata.mjs';
import { readable } from './readers.mjs';
import { immichFilm, isFilm } from './film.mjs';
import { compare } from './measure.mjs';
import { write } from './page.mjs';

const options = {}, folders = [];
for (let i = 2; i < process.argv.length; i++) {
  if (process.argv[i].startsWith('--')) options[process.argv[i].slice(2)] = process.argv[++i];
  else folders.push(process.argv[i]);
}
const scratch = path.resolve(options.work);

// Originals by class; the picture settings of a class lie beside them.
function classes(root, index) {
  const names = fs.readdirSync(root, { withFileTypes: true }).filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith('.'));
  return names.map(({ name }) => {
    const folder = path.join(root, name), config = path.join(folder, 'image-config.json');
    let files = fs.readdirSync(folder).filter((file) => file !== 'image-config.json').sort().map((file) => path.join(folder, file));
    // Of folders that were given, the largest pictures: they are what libraries are made of.
    if (index > 0) files = files.sort((a, b) => fs.statSync(b).size - fs.statSync(a).size).slice(0, Number(process.env.LIMIT ?? 12)).sort();
    return { root, name: index > 0 ? `given: ${name}` : name, files, config: fs.existsSync(config) ? config : undefined };
  }).sort((a, b) => a.name.localeCompare(b.name));
}

function photofsck({ files, config }, out) {
  const lines = path.join(out, 'lines.ndjson');
  fs.mkdirSync(out, { recursive: true });
  const run = spawnSync(options.photofsck, ['render', ...files, '--out', out, '--json', lines, '-q', ...(config ? ['--image-config', config] : [])], { encoding: 'utf8' });
  if (!fs.existsSync(lines)) throw new Error(`photofsck ended with ${run.status}: ${run.stderr}`);
  const items = fs.readFileSync(lines, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)).filter((line) => line.type === 'item');
  return new Map(items.map((item) => [item.path, item]));
}

async function one(group, file, item, noted, base) {
  const config = settings(group.config && JSON.parse(fs.readFileSync(group.config)));
  const result = { class: group.name, file: path.basename(file) };
  if (!item?.preview) return { ...result, refused: `photofsck: ${item?.reason ?? 'no answer'}` };
  try {
    const twin = path.join(group.root, '.twins', group.name, `${path.basename(file)}.png`);
    const source = isFilm(file) ? file : fs.existsSync(twin) ? twin : await readable(file, base);
    if (!source) return { ...result, refused: 'no program here to make the other side' };
    const peer = isFilm(file) ? await immichFilm(source, config, base) : await immich(source, config, base, space(noted, config.colorspace));
    const ours = { preview: item.preview, thumbnail: item.thumbnail, thumbhash: Buffer.from(item.thumbhash, 'base64') };
    const sphere = group.name === 'panorama' ? panorama((await open(file).metadata()).xmp) : undefined;
    return { ...result, film: isFilm(file), developed: source.endsWith('_developed.tif'), sphere, ...(await compare(peer, ours)) };
  } catch (error) {
    return { ...result, refused: `the other side: ${String(error.stderr || error.message).split('\n')[0].slice(0, 120)}` };
  }
}

const results = [];
for (const group of folders.flatMap(classes)) {
  const out = path.join(scratch, group.name);
  const items = photofsck(group, path.join(out, 'ours')), noted = told(group.files);
  fs.mkdirSync(path.join(out, 'peer'), { recursive: true });
  for (const file of group.files) {
    const result = await one(group, file, items.get(file), noted.get(file), path.join(out, 'peer', path.basename(file)));
    results.push(result);
    const { preview, thumbnail, hash } = result;
    console.log([group.name.padEnd(15), result.file.padEnd(26), result.refused ?? [preview.own.size, preview.similarity?.toFixed(4), preview.colour?.toFixed(2), thumbnail.similarity?.toFixed(4), thumbnail.colour?.toFixed(2), hash.bytes].join(' ')].join(' '));
  }
}
fs.writeFileSync(path.join(scratch, 'results.json'), JSON.stringify(results, null, 1));
const first = (program, args) => { try { return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')[0].trim(); } catch { return `${program}: not there`; } };
const ok = write(options.page, results, [first(options.photofsck, ['--version']), first('ffmpeg', ['-version']).replace(/ Copyright.*/, ''), first('vips', ['--version']), `ExifTool ${first('exiftool', ['-ver'])}`]);
process.exit(ok ? 0 : 1);
