/*
 * Rows of a picture, one strip after another, out of libjpeg-turbo's older interface: the newer one gives only whole pictures.
 *
 * An error ends in `photofsck_jpeg_error` and comes back as a status; nothing is printed. No other language's frames are ever
 * jumped over: the function that supplies units is called by libjpeg-turbo and returns to it.
 */
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#if LIBJPEG_TURBO_VERSION_NUMBER < 3000090 || LIBJPEG_TURBO_VERSION_NUMBER >= 3002000
#error "struct jpeg_entropy_decoder below is that of libjpeg-turbo 3.1"
#endif

/* As in libjpeg-turbo 3.1's jpegint.h: what decodes the units (MCUs) of a scan can be exchanged. */
struct jpeg_entropy_decoder {
  void (*start_pass)(j_decompress_ptr);
  boolean (*decode_mcu)(j_decompress_ptr, JBLOCKROW *);
  JDIMENSION (*decode_mcus)(j_decompress_ptr, void *, JDIMENSION, JDIMENSION, JDIMENSION);
  boolean (*process_restart)(j_decompress_ptr);
  boolean insufficient_data;
};

/* Fills `count` zeroed blocks of 64 quantised coefficients in natural order; 0 when there are no more. */
typedef int (*supply)(void *context, int16_t *blocks, size_t count);

struct photofsck_jpeg {
  struct jpeg_decompress_struct library;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf back;
  int scan_limit;
  supply units;
  void *context;
  char text[JMSG_LENGTH_MAX];
};

static struct photofsck_jpeg *of(j_common_ptr library) { return library->client_data; }

static void on_error(j_common_ptr library) {
  struct photofsck_jpeg *this = of(library);
  library->err->format_message(library, this->text);
  longjmp(this->back, 1);
}

/* Keeps the first warning. */
static void on_message(j_common_ptr library, int level) {
  struct photofsck_jpeg *this = of(library);
  if (level < 0 && library->err->num_warnings++ == 0) library->err->format_message(library, this->text);
}

static void on_progress(j_common_ptr library) {
  struct photofsck_jpeg *this = of(library);
  if (((j_decompress_ptr)library)->input_scan_number > this->scan_limit) {
    snprintf(this->text, sizeof this->text, "Progressive JPEG image has more than %d scans", this->scan_limit);
    longjmp(this->back, 1);
  }
}

static boolean supplied(j_decompress_ptr library, JBLOCKROW *blocks) {
  struct photofsck_jpeg *this = library->client_data;
  return this->units(this->context, blocks[0][0], (size_t)library->blocks_in_MCU) ? TRUE : FALSE;
}

void photofsck_jpeg_close(struct photofsck_jpeg *this) {
  if (this == NULL) return;
  jpeg_destroy_decompress(&this->library);
  free(this);
}

static int create(struct photofsck_jpeg *this, long max_memory) {
  if (setjmp(this->back)) return 0;
  jpeg_create_decompress(&this->library);
  this->library.client_data = this;
  this->library.mem->max_memory_to_use = max_memory;
  return 1;
}

/* NULL when there is no memory. */
struct photofsck_jpeg *photofsck_jpeg_open(int scan_limit, long max_memory) {
  struct photofsck_jpeg *this = calloc(1, sizeof *this);
  if (this == NULL) return NULL;
  this->library.err = jpeg_std_error(&this->errors);
  this->errors.error_exit = on_error;
  this->errors.emit_message = on_message;
  this->library.client_data = this;
  if (!create(this, max_memory)) {
    photofsck_jpeg_close(this);
    return NULL;
  }
  this->scan_limit = scan_limit;
  this->progress.progress_monitor = on_progress;
  this->library.progress = &this->progress;
  return this;
}

/* The first warning, or the error; empty when there was none. */
const char *photofsck_jpeg_text(const struct photofsck_jpeg *this) { return this->text; }

/* Reads the header. 0: an error. The layout is the number of channels of the natural output: 1, 3 or 4; `ycc` tells whether those are
   stored as Y, Cb and Cr. The bytes stay where they are. */
int photofsck_jpeg_header(struct photofsck_jpeg *this, const unsigned char *bytes, size_t length, uint32_t *width, uint32_t *height,
                          int *channels, int *ycc) {
  if (setjmp(this->back)) return 0;
  jpeg_mem_src(&this->library, bytes, length);
  jpeg_read_header(&this->library, TRUE);
  *width = this->library.image_width;
  *height = this->library.image_height;
  *ycc = this->library.jpeg_color_space == JCS_YCbCr;
  switch (this->library.jpeg_color_space) {
  case JCS_GRAYSCALE: *channels = 1; break;
  case JCS_CMYK:
  case JCS_YCCK: *channels = 4; break;
  default: *channels = 3;
  }
  return 1;
}

/* Begins to decode at 1/`denominator` of the size into so many channels; with `units` those are asked for the coefficients. 0: an error. */
int photofsck_jpeg_start(struct photofsck_jpeg *this, unsigned denominator, int channels, supply units, void *context) {
  if (setjmp(this->back)) return 0;
  this->library.scale_num = 1;
  this->library.scale_denom = denominator;
  this->library.out_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&this->library);
  if (units != NULL) {
    this->units = units;
    this->context = context;
    this->library.entropy->decode_mcu = supplied;
  }
  return 1;
}

/* Decodes at most so many rows into a buffer with `pitch` bytes for each. How many there are now; 0 at the end and when no units came;
   -1: an error. */
int photofsck_jpeg_rows(struct photofsck_jpeg *this, unsigned char *buffer, size_t pitch, int most) {
  volatile int done = 0;
  if (setjmp(this->back)) return -1;
  while (done < most && this->library.output_scanline < this->library.output_height) {
    JSAMPROW row = buffer + (size_t)done * pitch;
    JDIMENSION read = jpeg_read_scanlines(&this->library, &row, 1);
    if (read == 0) break;
    done += (int)read;
  }
  return done;
}
