/* nnmpi import idx: the format of MNIST and its kin, gzipped or not.
 *
 * An IDX file is: two zero bytes, the type of its elements, the number of dimensions, each dimension as 4 bytes, then
 * the elements, all big-endian (described at the foot of LeCun's page on MNIST). */
#include "import.h"

#include "dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* An open IDX file, its header read. */
typedef struct idx {
  const char *path;
  gzFile file;
  uint64_t stored; /* bytes on disk */
  nn_h5_type type;
  int rank;
  uint64_t dims[NN_SHAPE_RANK_MAX + 1];
  size_t row_bytes;
} idx;

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* Exactly `count` bytes. */
static nn_status take_bytes(idx *f, void *to, size_t count) {
  unsigned char *at = to;
  while (count > 0) {
    const unsigned piece = count < (1u << 30) ? (unsigned)count : 1u << 30;
    const int got = gzread(f->file, at, piece);
    int code = Z_OK;
    const char *words = gzerror(f->file, &code);
    if (got < 0 && code == Z_ERRNO) return NN_FAIL(NN_ERR_DATA, "%s: cannot be read: %s", f->path, strerror(errno));
    if (got < 0 && code != Z_BUF_ERROR) return NN_FAIL(NN_ERR_DATA, "%s: is damaged (zlib: %s)", f->path, words);
    if (got <= 0) return NN_FAIL(NN_ERR_DATA, "%s: is truncated: it ends before its data do", f->path);
    at += got;
    count -= (size_t)got;
  }
  return NN_OK;
}

static uint32_t big_endian(const unsigned char bytes[4]) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static nn_status open_file(idx *f) {
  struct stat about;
  /* O_NONBLOCK: opening a pipe without a writer would wait for ever */
  const int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) return nn_file_missing(f->path, NN_ERR_DATA);
  if (fd < 0) return NN_FAIL(NN_ERR_DATA, "%s: cannot be opened: %s", f->path, strerror(errno));
  if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
    close(fd);
    return NN_FAIL(NN_ERR_DATA, "%s: is not a file", f->path);
  }
  f->stored = (uint64_t)about.st_size;
  f->file = gzdopen(fd, "rb");
  if (f->file == NULL) {
    close(fd);
    return NN_FAIL(NN_ERR_MEMORY, "out of memory: a buffer for %s could not be had", f->path);
  }
  (void)gzbuffer(f->file, 1 << 18);
  return NN_OK;
}

static nn_status read_type(idx *f, const unsigned char magic[4]) {
  static const struct {
    unsigned char code;
    nn_h5_type type;
  } types[] = {{0x08, NN_H5_U8},  {0x09, NN_H5_I8},  {0x0b, NN_H5_I16},
               {0x0c, NN_H5_I32}, {0x0d, NN_H5_F32}, {0x0e, NN_H5_F64}};
  if (magic[0] != 0 || magic[1] != 0)
    return NN_FAIL(NN_ERR_DATA, "%s: is no IDX file: it begins with %02x %02x %02x %02x, not with 00 00", f->path,
                   magic[0], magic[1], magic[2], magic[3]);
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (types[i].code != magic[2]) continue;
    f->type = types[i].type;
    f->rank = magic[3];
    if (f->rank < 1 || f->rank > NN_SHAPE_RANK_MAX + 1)
      return NN_FAIL(NN_ERR_DATA, "%s: has %d dimensions; 1 to %d can be used", f->path, f->rank,
                     NN_SHAPE_RANK_MAX + 1);
    return NN_OK;
  }
  return NN_FAIL(NN_ERR_DATA, "%s: holds elements of the unknown type %02x", f->path, magic[2]);
}

/* The header promises so many bytes: can the file have them? Asked before memory is. */
static nn_status check_length(const idx *f, uint64_t header) {
  enum { DEFLATE_RATIO = 1040 /* zlib shrinks by 1032 at most */ };
  uint64_t data = 0;
  const bool plain = gzdirect(f->file) != 0;
  if (__builtin_mul_overflow(f->dims[0], (uint64_t)f->row_bytes, &data) || data > INT64_MAX / 2)
    return NN_FAIL(NN_ERR_DATA, "%s: is damaged: its header promises more than can be addressed", f->path);
  if (plain && header + data < f->stored)
    return NN_FAIL(NN_ERR_DATA, "%s: is damaged: it has %llu bytes where its header promises %llu", f->path,
                   (unsigned long long)f->stored, (unsigned long long)(header + data));
  if (header + data > (plain ? f->stored : f->stored * DEFLATE_RATIO))
    return NN_FAIL(NN_ERR_DATA, "%s: is truncated: its header promises %llu bytes, the file has %llu", f->path,
                   (unsigned long long)(header + data), (unsigned long long)f->stored);
  return NN_OK;
}

static nn_status read_header(idx *f) {
  unsigned char bytes[4];
  if (f->stored < 8) return NN_FAIL(NN_ERR_DATA, "%s: is no IDX file: it has %d bytes", f->path, (int)f->stored);
  NN_TRY(take_bytes(f, bytes, 4));
  NN_TRY(read_type(f, bytes));
  f->row_bytes = nn_h5_type_size(f->type);
  for (int i = 0; i < f->rank; i++) {
    NN_TRY(take_bytes(f, bytes, 4));
    f->dims[i] = big_endian(bytes);
    if (f->dims[i] == 0) return NN_FAIL(NN_ERR_DATA, "%s: is empty: its dimension %d is 0", f->path, i + 1);
    if (i > 0 && (!nn_size_multiply(f->row_bytes, (size_t)f->dims[i], &f->row_bytes) || f->row_bytes > INT64_MAX / 8))
      return NN_FAIL(NN_ERR_DATA, "%s: is damaged: its header promises more than can be addressed", f->path);
  }
  return check_length(f, 4 + 4 * (uint64_t)f->rank);
}

static void idx_close(idx *f) {
  if (f->file != NULL) (void)gzclose_r(f->file);
  f->file = NULL;
}

static nn_status idx_open(const char *path, idx *out) {
  idx f = {.path = path};
  nn_status status = open_file(&f);
  if (status == NN_OK) status = read_header(&f);
  if (status == NN_OK)
    *out = f;
  else
    idx_close(&f);
  return status;
}

/* Elements in the byte order of this machine. */
static void to_native(size_t count, size_t size, unsigned char *at) {
  const uint16_t one = 1;
  if (size == 1 || *(const unsigned char *)&one == 0) return;
  for (size_t i = 0; i < count; i++, at += size)
    for (size_t j = 0; j < size / 2; j++) {
      const unsigned char swapped = at[j];
      at[j] = at[size - 1 - j];
      at[size - 1 - j] = swapped;
    }
}

static nn_status take_rows(idx *f, size_t count, void *to) {
  const size_t size = nn_h5_type_size(f->type);
  NN_TRY(take_bytes(f, to, count * f->row_bytes));
  to_native(count * f->row_bytes / size, size, to);
  return NN_OK;
}

/* Nothing may follow; reading to the end also checks gzip's own checksum. */
static nn_status expect_end(idx *f) {
  unsigned char byte = 0;
  const int got = gzread(f->file, &byte, 1);
  int code = Z_OK;
  const char *words = gzerror(f->file, &code);
  if (got > 0)
    return NN_FAIL(NN_ERR_DATA, "%s: is damaged: it goes on after the data that its header promises", f->path);
  if (code == Z_BUF_ERROR)
    return NN_FAIL(NN_ERR_DATA, "%s: is truncated: the end of the gzip file is missing", f->path);
  if (got < 0) return NN_FAIL(NN_ERR_DATA, "%s: is damaged (zlib: %s)", f->path, words);
  return NN_OK;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static nn_status copy_rows(idx *f, nn_h5_image *image, const char *name, size_t piece, void *buffer) {
  const nn_element type = nn__element_of(f->type);
  const size_t width = f->row_bytes / nn_h5_type_size(f->type);
  for (uint64_t first = 0; first < f->dims[0]; first += piece) {
    const size_t count = f->dims[0] - first < piece ? (size_t)(f->dims[0] - first) : piece;
    NN_TRY(take_rows(f, count, buffer));
    if ((type == NN_ELEMENT_F32 || type == NN_ELEMENT_F64) &&
        !nn__elements_within(type, count * width, buffer, (double)FLT_MAX))
      return NN_FAIL(NN_ERR_DATA,
                     "%s: one of the images %llu to %llu (counted from 0) holds a number that is not finite, "
                     "or too large for float32",
                     f->path, (unsigned long long)first, (unsigned long long)(first + count - 1));
    NN_TRY(nn_h5_image_write_rows(image, name, first, count, buffer));
  }
  return expect_end(f);
}

static nn_status write_images(idx *f, nn_h5_image *image, const char *name) {
  void *buffer = NULL;
  NN_ASSERT(f->row_bytes > 0);
  size_t piece = NN__IMPORT_PIECE / f->row_bytes + 1;
  if (piece > f->dims[0]) piece = (size_t)f->dims[0];
  NN_TRY(nn_h5_image_dataset(image, name, f->type, f->rank, f->dims, NN__IMPORT_DEFLATE));
  NN_TRY(nn_alloc(piece, f->row_bytes, "reading images", &buffer));
  const nn_status status = copy_rows(f, image, name, piece, buffer);
  nn_free(buffer);
  return status;
}

/* What is worth telling about the labels of a set. */
typedef struct census {
  size_t classes, fewest, most, lowest; /* lowest: label that occurs */
} census;

static nn_status count_labels(const idx *f, const void *stored, census *out) {
  const nn_element type = nn__element_of(f->type);
  const size_t count = (size_t)f->dims[0];
  size_t counts[256] = {0}, classes = 0, lowest = NN__CLASSES_MAX;
  for (size_t i = 0; i < count; i++) {
    double label = 0;
    char text[32];
    nn__elements_to_real(type, 1, (const char *)stored + i * nn_element_size(type), &label);
    if (label < 0 || label >= NN__CLASSES_MAX)
      return NN_FAIL(NN_ERR_DATA, "%s: label %zu (counted from 0) is %s: labels are the whole numbers from 0 on",
                     f->path, i, nn__element_text(type, stored, i, text));
    if ((size_t)label + 1 > classes) classes = (size_t)label + 1;
    if ((size_t)label < lowest) lowest = (size_t)label;
    if (label < 256) counts[(size_t)label]++;
  }
  *out = (census){classes, SIZE_MAX, 0, lowest};
  for (size_t c = 0; c < classes && c < 256; c++) {
    if (counts[c] < out->fewest) out->fewest = counts[c];
    if (counts[c] > out->most) out->most = counts[c];
  }
  return NN_OK;
}

static nn_status write_labels(idx *f, nn_h5_image *image, const char *name, census *out) {
  void *labels = NULL;
  nn_status status = NN_OK;
  NN_TRY(nn_alloc((size_t)f->dims[0], f->row_bytes, "reading labels", &labels));
  NN_TRY_DONE(take_rows(f, (size_t)f->dims[0], labels));
  NN_TRY_DONE(expect_end(f));
  NN_TRY_DONE(count_labels(f, labels, out));
  NN_TRY_DONE(nn_h5_image_write(image, name, f->type, 1, f->dims, NN__IMPORT_DEFLATE, labels));
done:
  nn_free(labels);
  return status;
}

/* ---- sets --------------------------------------------------------------------------------------------------- */

static nn_status check_pair(const idx *images, const idx *labels) {
  if (images->rank == 1)
    return NN_FAIL(NN_ERR_DATA, "%s: holds single numbers where images are expected; are images and labels swapped?",
                   images->path);
  if (labels->rank != 1)
    return NN_FAIL(NN_ERR_DATA,
                   "%s: has %d dimensions where one label for each image is expected; are images and labels "
                   "swapped?",
                   labels->path, labels->rank);
  if (labels->type == NN_H5_F32 || labels->type == NN_H5_F64)
    return NN_FAIL(NN_ERR_DATA, "%s: holds %s numbers; labels are integers", labels->path,
                   nn_h5_type_name(labels->type));
  if (images->dims[0] != labels->dims[0])
    return NN_FAIL(NN_ERR_DATA, "%s has %llu images, %s %llu labels: they must be one to one", images->path,
                   (unsigned long long)images->dims[0], labels->path, (unsigned long long)labels->dims[0]);
  return NN_OK;
}

static void tell(const idx *images, const char *set, const census *c, nn_text *out) {
  nn_shape shape = {.rank = images->rank - 1};
  char text[96];
  for (int i = 1; i < images->rank; i++) shape.dims[i - 1] = (size_t)images->dims[i];
  nn_text_add(out, "  %s: %llu sample%s of %s, %s; %zu classes", set, (unsigned long long)images->dims[0],
              NN_PLURAL(images->dims[0]), nn_shape_text(&shape, text), nn_h5_type_name(images->type), c->classes);
  if (c->classes <= 256 && c->fewest == c->most) nn_text_add(out, " with %zu samples each", c->most);
  if (c->classes <= 256 && c->fewest != c->most) nn_text_add(out, " with %zu to %zu samples each", c->fewest, c->most);
  if (c->lowest > 0) nn_text_add(out, "; labels begin at %zu, but classes at 0: none is of class 0", c->lowest);
  nn_text_add(out, "\n");
}

/* `first` holds the dimensions of the set before, which those of this one must match; NULL: there is none. `*classes`
 * grows to what the labels ask for. */
static nn_status import_set(nn_h5_image *image, const char *set, const char *images_path, const char *labels_path,
                            idx *images, const idx *first, size_t *classes, nn_text *summary) {
  idx labels = {0};
  census c = {0};
  char name[16];
  nn_status status = NN_OK;
  NN_TRY_DONE(idx_open(images_path, images));
  NN_TRY_DONE(idx_open(labels_path, &labels));
  NN_TRY_DONE(check_pair(images, &labels));
  if (first != NULL && (first->rank != images->rank ||
                        memcmp(first->dims + 1, images->dims + 1, (size_t)(first->rank - 1) * sizeof(uint64_t)) != 0)) {
    status = NN_FAIL(NN_ERR_DATA, "%s: its images have another shape than those of %s", images_path, first->path);
    goto done;
  }
  snprintf(name, sizeof name, "%s/x", set);
  NN_TRY_DONE(write_images(images, image, name));
  snprintf(name, sizeof name, "%s/y", set);
  NN_TRY_DONE(write_labels(&labels, image, name, &c));
  if (c.classes > *classes) *classes = c.classes;
  tell(images, set, &c, summary);
done:
  idx_close(images);
  idx_close(&labels);
  return status;
}

/* "shirt, coat" → class_names; blanks around a name do not belong to it. */
static nn_status write_names(nn_h5_image *image, const char *list, size_t classes) {
  size_t count = 1;
  char *words = NULL;
  void *names = NULL;
  nn_status status = NN_OK;
  for (const char *at = list; *at != '\0'; at++) count += *at == ',';
  if (count < classes || count > NN__CLASSES_MAX)
    return NN_FAIL(NN_ERR_USAGE, "%zu class name%s given, but labels from 0 to %zu take %zu names", count,
                   count == 1 ? " is" : "s are", classes - 1, classes);
  NN_TRY_DONE(nn_string_copy(list, &words));
  NN_TRY_DONE(nn_alloc(count, sizeof(char *), "the names of the classes", &names));
  char **each = names, *at = words;
  for (size_t i = 0; i < count; i++) {
    each[i] = at + strspn(at, " ");
    at += strcspn(at, ",");
    for (char *last = at; last > each[i] && last[-1] == ' ';) *--last = '\0';
    *at++ = '\0';
    if (each[i][0] != '\0') continue;
    status = NN_FAIL(NN_ERR_USAGE, "the name of class %zu is empty", i);
    goto done;
  }
  NN_TRY_DONE(nn_h5_image_texts(image, "class_names", (const char *const *)each, count));
done:
  nn_free(words);
  nn_free(names);
  return status;
}

nn_status nn_import_idx(const nn_import_idx_options *options, nn_text *summary) {
  const bool test = options->test_images != NULL;
  if (test != (options->test_labels != NULL))
    return NN_FAIL(NN_ERR_USAGE, "images and labels of the test set belong together: one of them is missing");
  nn_h5_image *image = NULL;
  idx train = {0}, other = {0};
  size_t classes = 0;
  nn_status status = NN_OK;
  NN_TRY(nn__import_begin(&image));
  nn_text_add(summary, "%s:\n", options->output);
  NN_TRY_DONE(import_set(image, "train", options->images, options->labels, &train, NULL, &classes, summary));
  if (test)
    NN_TRY_DONE(
        import_set(image, "test", options->test_images, options->test_labels, &other, &train, &classes, summary));
  if (options->class_names != NULL) NN_TRY_DONE(write_names(image, options->class_names, classes));
  NN_TRY_DONE(nn__import_save(image, options->output));
  NN_TRY_DONE(nn_text_status(summary));
done:
  nn_h5_image_destroy(&image);
  return status;
}
