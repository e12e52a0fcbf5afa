// What Immich does to a video or GIF, done with the installed ffmpeg: its chain of filters, twice, and the encoders as they come.
import { execFileSync } from 'node:child_process';
import { open, rgbaToThumbHash, sharp } from './peer.mjs';

const CHOOSE = ['fps=fps=12:start_time=0:eof_action=pass:round=down', 'thumbnail=12',
  "select='gt(scene,0.1)-eq(prev_selected_n,n)+isnan(prev_selected_n)+gt(n,20)'", 'trim=end_frame=2', 'reverse'];
// Immich's own tone mapping filter is not in stock ffmpeg; this is the same curve from filters that are.
const TONE_MAP = ['zscale=t=linear:npl=100', 'format=gbrpf32le', 'tonemap=tonemap=hable:desat=0:peak=100', 'zscale=p=bt709:t=bt709:m=bt709:r=pc', 'format=yuv420p'];

const run = (program, args) => execFileSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'pipe'] });

function probe(file) {
  const found = JSON.parse(run('ffprobe', ['-v', 'error', '-print_format', 'json', '-show_streams', '-show_format', file]));
  const stream = found.streams.find((candidate) => candidate.codec_type === 'video' && !candidate.disposition?.attached_pic);
  const rotation = stream.side_data_list?.find((data) => data.rotation !== undefined)?.rotation ?? 0;
  return { ...stream, rotation, container: found.format.format_name };
}

function filters(stream, size) {
  const { width, height } = stream, side = size - (size % 2);
  const chain = [...CHOOSE];
  if (Math.min(width, height) > side || width % 2 === 1 || height % 2 === 1) {
    const vertical = height > width || Math.abs(stream.rotation) === 90;
    chain.push(`scale=${vertical ? `${side}:-2` : `-2:${side}`}:flags=lanczos+accurate_rnd+full_chroma_int:out_range=pc`);
  }
  if (['smpte2084', 'arib-std-b67'].includes(stream.color_transfer)) chain.push(...TONE_MAP);
  else if (!stream.pix_fmt.endsWith('420p')) chain.push('format=yuv420p');
  return chain;
}

export async function immichFilm(file, config, base) {
  const stream = probe(file), made = {};
  const input = [...(stream.container === 'mpegts' ? [] : ['-skip_frame', 'nointra']), '-sws_flags', 'accurate_rnd+full_chroma_int', '-i', file];
  for (const role of ['preview', 'thumbnail']) {
    const { format, size } = config[role];
    made[role] = `${base}_${role}.${format}`;
    // WebP holds limited range; ffmpeg before 7.1 forgets to convert to it.
    const last = format === 'webp' ? ['scale=out_range=tv', 'format=yuv420p'] : [];
    const chain = [...filters(stream, size), ...last].join(',');
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
