// What Immich does to a video or GIF, done with the installed ffmpeg: its chain of filters, twice, and the encoders as they come.
import { execFileSync, spawnSync } from 'node:child_process';
import { open, rgbaToThumbHash, sharp } from './peer.mjs';

const CHOOSE = ['fps=fps=12:start_time=0:eof_action=pass:round=down', 'thumbnail=12',
  "select='gt(scene,0.1)-eq(prev_selected_n,n)+isnan(prev_selected_n)+gt(n,20)'", 'trim=end_frame=2', 'reverse'];
// Immich's own tone mapping filter (tonemapx of jellyfin-ffmpeg, with peak=100) is not in stock ffmpeg; these make the same of it: light in units
// of 203 (PQ) or 200 (HLG) cd/m2, a peak of 10 of them, and integers, which cut off what lies outside of BT.709, before luma is computed.
const toneMap = (transfer, curve) => [`zscale=t=linear:npl=${transfer === 'smpte2084' ? 203 : 200}`, 'format=gbrpf32le', `tonemap=tonemap=${curve}:desat=0:peak=10`,
  'zscale=p=bt709:t=bt709:r=pc', 'format=gbrp16le', 'zscale=m=bt709:r=pc', 'format=yuv420p'];
const isHdr = (stream) => ['smpte2084', 'arib-std-b67'].includes(stream.color_transfer);

const run = (program, args) => execFileSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'pipe'] });

// The filters that let the chosen frame through. ffmpeg before 6 chooses among 8-bit RGB and dithers what is deeper: tone mapping makes that
// noise loud. So of HDR the time of the frame is asked for first, and then the frame as it was decoded.
function choose(stream, input) {
  if (!isHdr(stream)) return CHOOSE;
  const watched = [...CHOOSE.slice(0, -1), 'showinfo'].join(',');
  const { stderr } = spawnSync('ffmpeg', [...input, '-vf', watched, '-f', 'null', '-'], { encoding: 'utf8' });
  const times = [...stderr.matchAll(/\bn: *\d+ pts: *(\d+)/g)];
  return [CHOOSE[0], `select='eq(pts,${times.at(-1)[1]})'`];
}

function probe(file) {
  const found = JSON.parse(run('ffprobe', ['-v', 'error', '-print_format', 'json', '-show_streams', '-show_format', file]));
  const stream = found.streams.find((candidate) => candidate.codec_type === 'video' && !candidate.disposition?.attached_pic);
  const rotation = stream.side_data_list?.find((data) => data.rotation !== undefined)?.rotation ?? 0;
  return { ...stream, rotation, container: found.format.format_name };
}

function filters(stream, size, chosen, curve) {
  const { width, height } = stream, side = size - (size % 2);
  const chain = [...chosen];
  if (Math.min(width, height) > side || width % 2 === 1 || height % 2 === 1) {
    const vertical = height > width || Math.abs(stream.rotation) === 90;
    chain.push(`scale=${vertical ? `${side}:-2` : `-2:${side}`}:flags=lanczos+accurate_rnd+full_chroma_int:out_range=pc`);
  }
  if (isHdr(stream) && curve !== 'disabled') chain.push(...toneMap(stream.color_transfer, curve));
  else if (!stream.pix_fmt.endsWith('420p')) chain.push('format=yuv420p');
  return chain;
}

export async function immichFilm(file, config, base) {
  const stream = probe(file), made = {};
  const input = [...(stream.container === 'mpegts' ? [] : ['-skip_frame', 'nointra']), '-sws_flags', 'accurate_rnd+full_chroma_int', '-i', file];
  const chosen = choose(stream, input);
  for (const role of ['preview', 'thumbnail']) {
    const { format, size } = config[role];
    made[role] = `${base}_${role}.${format}`;
    // WebP holds limited range; ffmpeg before 7.1 forgets to convert to it.
    const last = format === 'webp' ? ['scale=out_range=tv', 'format=yuv420p'] : [];
    const chain = [...filters(stream, size, chosen, config.tonemap), ...last].join(',');
    const make = (more, target) => run('ffmpeg', ['-v', 'error', '-y', ...input, '-vf', chain, '-fps_mode', 'vfr', '-frames:v', '1', '-update', '1', ...more, target]);
    make([], made[role]);
    if (role !== 'preview') continue;
    // The same with hardly any loss: what both are measured by.
    made.fine = `${base}_fine.jpeg`;
    make(['-q:v', '1', '-qmin', '1'], made.fine);
  }
  const tiny = await sharp(made.preview).resize(100, 100, { fit: 'inside', withoutEnlargement: true }).raw().ensureAlpha().toBuffer({ resolveWithObject: true });
  made.thumbhash = Buffer.from(rgbaToThumbHash(tiny.info.width, tiny.info.height, tiny.data));
  return made;
}

export const isFilm = (file) => /\.(mp4|mov|mkv|webm|avi|mts|m2ts|ts|3gp|mpg|mpeg|wmv|flv|m4v|gif)$/i.test(file);
