// Why pictures that miss something stay as they are: looked at one by one, both sides.
const SETTLED = [
  [/ycbcr_lzw_bt709\.tif$/, 'the other side shows luma and colour differences as if they were red, green and blue; photofsck shows the colours'],
  [/testcard_cmyk(16)?\.jp2$/, 'libvips does not learn from OpenJPEG 2.5.0 that these are inks, and shows them as light and alpha; photofsck shows the colours'],
  [/issue411-ycc444\.jp2$/, 'libvips does not learn from OpenJPEG 2.5.0 that these are luma and colour differences; photofsck shows the colours'],
  [/issue171\.jp2$/, 'libvips does not get the profile (eciRGB v2) from OpenJPEG 2.5.0; photofsck obeys it'],
  [/issue397\.jp2$/, 'its packets contradict each other'],
  [/53alphas\.psd$/, 'ImageMagick refuses more than 56 channels'],
  [/mch[12]-8bits\.psd$/, 'ImageMagick 6 refuses it; of spot colours ImageMagick 7 shows the first three planes as red, green and blue, and so does photofsck'],
  [/RAW_CANON_D30_SRGB\.CRW$/, 'rawler counts two more rows of the sensor as picture than LibRaw'],
  [/RAW_KODAK_C330/, 'a dump without a header, known by its length alone'],
  [/CVE_2020_9589/, 'a drawing, not from a camera; rawler reads no lossless JPEG of 8 bits'],
  [/\.gpr$/i, 'rawler reads no VC-5'],
  [/32-bpp-linear\.tiff$/, 'SGI LogLuv, which photofsck does not read'],
  [/circle\.svg$|jxl_rgba\.png$|compressed_exif\.jxl$/, 'its alpha has factors that are all but zero, which a thumbhash cannot say: codes 7 and 8 are as near, and rounding decides'],
  [/^hlg\.mov$/, 'the codes that differ do so by one step each; that of the mean luma lies between two, which are 4 levels apart'],
  [/guitar_cw90\.hif$/, 'libheif 1.15 takes the narrow range of its 10 bits for full, which makes it dull; the newer one in photofsck does not'],
  [/rotating-squares\.gif$/, 'the other side hashes what its JPEG made of 80x80 pixels'],
];

export const reason = (file) => SETTLED.find(([name]) => name.test(file))?.[1];
