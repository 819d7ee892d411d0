/* IDX files, gzipped or not, of every type; damaged ones are named. */
#include "data_testing.h"

#include "h5io/h5io_count.h"

#include <zlib.h>

enum { HEADER = 16, IMAGES = 5, IMAGE = 6 };

/* Five images of 2 × 3 bytes. */
static size_t images(unsigned char *out) {
  const unsigned char header[HEADER] = {0, 0, 8, 3, 0, 0, 0, IMAGES, 0, 0, 0, 2, 0, 0, 0, 3};
  memcpy(out, header, HEADER);
  for (int i = 0; i < IMAGES * IMAGE; i++) out[HEADER + i] = (unsigned char)(i * 7);
  return HEADER + IMAGES * IMAGE;
}

static size_t labels(unsigned char *out) {
  const unsigned char bytes[] = {0, 0, 8, 1, 0, 0, 0, IMAGES, 3, 0, 1, 0, 2};
  memcpy(out, bytes, sizeof bytes);
  return sizeof bytes;
}

static void write_gzipped(const char *path, const void *bytes, size_t count) {
  gzFile file = gzopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(gzwrite(file, bytes, (unsigned)count), count);
  assert_int_equal(gzclose(file), Z_OK);
}

/* Files of a scene, as the importer wants them. */
typedef struct files {
  char images[512], labels[512], output[512];
  nn_import_idx_options options;
} files;

static void prepare(scene *s, files *f) {
  unsigned char bytes[64];
  (void)unlink(at(s, "out.h5"));
  snprintf(f->images, sizeof f->images, "%s", at(s, "images"));
  snprintf(f->labels, sizeof f->labels, "%s", at(s, "labels"));
  snprintf(f->output, sizeof f->output, "%s", at(s, "out.h5"));
  write_whole(f->images, bytes, images(bytes));
  write_whole(f->labels, bytes, labels(bytes));
  f->options = (nn_import_idx_options){.images = f->images, .labels = f->labels, .output = f->output};
}

#define assert_refused(f, ...)                                                                                         \
  do {                                                                                                                 \
    nn_text summary_ = {0};                                                                                            \
    assert_fails(nn_import_idx(&(f)->options, &summary_), NN_ERR_DATA, __VA_ARGS__);                                   \
    nn_text_clear(&summary_);                                                                                          \
    assert_int_not_equal(access((f)->output, F_OK), 0);                                                                \
    assert_int_equal(nn__h5_open_count(), 0);                                                                          \
  } while (0)

static void images_and_labels_come_through(void **state) {
  scene *s = *state;
  for (int gzipped = 0; gzipped < 2; gzipped++) {
    files f;
    unsigned char bytes[64];
    nn_text summary = {0};
    prepare(s, &f);
    if (gzipped) write_gzipped(f.images, bytes, images(bytes));
    if (gzipped) write_gzipped(f.labels, bytes, labels(bytes));
    f.options.test_images = f.images;
    f.options.test_labels = f.labels;
    f.options.class_names = gzipped ? " coat,ankle boot, bag ,sandal" : NULL;
    assert_ok(nn_import_idx(&f.options, &summary));
    assert_non_null(strstr(summary.at, "train: 5 samples of 2 x 3, uint8; 4 classes with 1 to 2 samples each"));
    assert_non_null(strstr(summary.at, "test: 5 samples"));
    assert_null(strstr(summary.at, "begin at"));
    nn_text_clear(&summary);
    const nn_data_config c = settings(f.output);
    loaded l;
    assert_ok(load(&c, 1, 1, &l));
    assert_int_equal(nn_dataset_count(l.set, NN_SET_TRAIN), IMAGES);
    assert_int_equal(nn_dataset_count(l.set, NN_SET_TEST), IMAGES);
    assert_int_equal(nn_dataset_shape(l.set)->rank, 2);
    assert_int_equal(nn_dataset_shape(l.set)->dims[1], 3);
    float *x = all_x(l.set, NN_SET_TEST, 1);
    for (int i = 0; i < IMAGES * IMAGE; i++) assert_int_equal((int)x[i], i * 7);
    free(x);
    const int expected[IMAGES] = {3, 0, 1, 0, 2};
    for (uint32_t i = 0; i < IMAGES; i++) assert_int_equal(nn_dataset_label(l.set, NN_SET_TRAIN, i), expected[i]);
    char *const *names = nn_dataset_target(l.set)->names;
    if (gzipped) assert_string_equal(names[1], "ankle boot");
    if (gzipped) assert_string_equal(names[2], "bag");
    if (gzipped) assert_string_equal(names[3], "sandal");
    if (!gzipped) assert_null(names);
    unload(&l);
  }
}

static void wider_types_are_turned_to_this_machines_byte_order(void **state) {
  scene *s = *state;
  const struct {
    unsigned char code, bytes[16];
    size_t size;
  } types[] = {{0x09, {2, 0xfe}, 1},
               {0x0b, {0, 2, 0xff, 0xfe}, 2},
               {0x0c, {0, 0, 0, 2, 0xff, 0xff, 0xff, 0xfe}, 4},
               {0x0d, {0x40, 0, 0, 0, 0xc0, 0, 0, 0}, 4},
               {0x0e, {0x40, 0, 0, 0, 0, 0, 0, 0, 0xc0}, 8}};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    files f;
    unsigned char bytes[64] = {0, 0, types[i].code, 2, 0, 0, 0, 2, 0, 0, 0, 1};
    prepare(s, &f);
    memcpy(bytes + 12, types[i].bytes, sizeof types[i].bytes);
    write_whole(f.images, bytes, 12 + 2 * types[i].size);
    const unsigned char wide[] = {0, 0, 0x0c, 1, 0, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 7};
    write_whole(f.labels, wide, sizeof wide);
    nn_text summary = {0};
    assert_ok(nn_import_idx(&f.options, &summary));
    nn_text_clear(&summary);
    const nn_data_config c = settings(f.output);
    loaded l;
    assert_ok(load(&c, 1, 1, &l));
    float *x = all_x(l.set, NN_SET_TRAIN, 1);
    assert_int_equal((int)x[0], 2);
    assert_int_equal((int)x[1], -2);
    free(x);
    assert_int_equal(nn_dataset_label(l.set, NN_SET_TRAIN, 0), 256);
    unload(&l);
  }
}

static void damaged_files_are_named(void **state) {
  scene *s = *state;
  files f;
  unsigned char bytes[128];
  const size_t length = images(bytes);
  prepare(s, &f);
  write_whole(f.images, bytes, length - 1);
  assert_refused(&f, "images: is truncated", "promises 46 bytes", "has 45");
  bytes[length] = 1;
  write_whole(f.images, bytes, length + 1);
  assert_refused(&f, "images: is damaged", "47 bytes", "46");
  write_whole(f.images, bytes, 10);
  assert_refused(&f, "images: is truncated");
  write_whole(f.images, bytes, 0);
  assert_refused(&f, "images: is no IDX file", "0 bytes");
  write_whole(f.images, "\x89HDF\r\n\x1a\n    ", 12);
  assert_refused(&f, "images: is no IDX file", "89 48 44 46");
  bytes[2] = 7;
  write_whole(f.images, bytes, length);
  assert_refused(&f, "images: holds elements of the unknown type 07");
  bytes[2] = 8;
  bytes[3] = 0;
  write_whole(f.images, bytes, length);
  assert_refused(&f, "images: has 0 dimensions");
  bytes[3] = 9;
  write_whole(f.images, bytes, length);
  assert_refused(&f, "images: has 9 dimensions");
  bytes[3] = 3;
  bytes[15] = 0;
  write_whole(f.images, bytes, length);
  assert_refused(&f, "images: is empty", "dimension 3");
  memset(bytes + 4, 0xff, 12); /* 2^96 images' bytes */
  write_whole(f.images, bytes, length);
  assert_refused(&f, "images: is damaged", "addressed");
  (void)images(bytes);
  bytes[4] = 0x7f; /* 12 GiB, also if gzip had shrunk them as much as it can */
  write_whole(f.images, bytes, length);
  assert_refused(&f, "images: is truncated");
  write_gzipped(f.images, bytes, length);
  assert_refused(&f, "images: is truncated");
  unlink(f.images);
  assert_refused(&f, "images: no such file");
  f.options.images = s->folder;
  assert_refused(&f, "is not a file");
}

static void labels_that_begin_at_1_are_remarked_on(void **state) {
  scene *s = *state;
  files f;
  unsigned char bytes[64];
  nn_text summary = {0};
  prepare(s, &f);
  const size_t length = labels(bytes);
  for (size_t i = length - IMAGES; i < length; i++) bytes[i]++;
  write_whole(f.labels, bytes, length);
  assert_ok(nn_import_idx(&f.options, &summary));
  assert_non_null(strstr(summary.at, "labels begin at 1, but classes at 0: none is of class 0\n"));
  nn_text_clear(&summary);
}

static void damaged_gzip_files_are_named(void **state) {
  scene *s = *state;
  files f;
  unsigned char bytes[128], packed[256];
  prepare(s, &f);
  const size_t length = images(bytes);
  bytes[length] = 1;
  write_gzipped(f.images, bytes, length + 1);
  assert_refused(&f, "images: is damaged", "goes on");
  write_gzipped(f.images, bytes, length - 1);
  assert_refused(&f, "images: is truncated");
  write_gzipped(f.images, bytes, length);
  FILE *file = fopen(f.images, "rb");
  assert_non_null(file);
  const size_t packed_length = fread(packed, 1, sizeof packed, file);
  assert_int_equal(fclose(file), 0);
  for (size_t cut = 20; cut < packed_length; cut++) { /* the checksum at the end counts, too */
    write_whole(f.images, packed, cut);
    assert_refused(&f, "images: is ");
  }
  packed[packed_length - 6] ^= 1;
  write_whole(f.images, packed, packed_length);
  assert_refused(&f, "images: is damaged", "zlib");
}

static void pairs_that_do_not_fit_are_refused(void **state) {
  scene *s = *state;
  files f;
  unsigned char bytes[64];
  prepare(s, &f);
  write_whole(f.labels, "\0\0\x08\x01\0\0\0\x04\0\1\2\3", 12);
  assert_refused(&f, "images has 5 images", "labels 4 labels");
  write_whole(f.labels, "\0\0\x09\x01\0\0\0\x05\0\1\2\xff\3", 13);
  assert_refused(&f, "labels: label 3 ", "is -1");
  write_whole(f.labels, "\0\0\x0d\x01\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28);
  assert_refused(&f, "labels: holds float32");
  prepare(s, &f);
  f.options.images = f.labels;
  f.options.labels = f.images;
  assert_refused(&f, "labels: holds single numbers", "swapped");
  f.options.images = f.images;
  assert_refused(&f, "images: has 3 dimensions", "swapped");
  prepare(s, &f);
  f.options.test_images = f.images;
  nn_text summary = {0};
  assert_fails(nn_import_idx(&f.options, &summary), NN_ERR_USAGE, "belong together");
  prepare(s, &f);
  f.options.class_names = "coat,bag,boot";
  assert_fails(nn_import_idx(&f.options, &summary), NN_ERR_USAGE, "3 class names are given", "from 0 to 3", "4 names");
  f.options.class_names = "coat,bag,,boot";
  assert_fails(nn_import_idx(&f.options, &summary), NN_ERR_USAGE, "name of class 2 is empty");
  f.options.class_names = NULL;
  f.options.test_images = f.images;
  char other[512];
  snprintf(other, sizeof other, "%s", at(s, "other"));
  (void)images(bytes);
  bytes[11] = 3;
  bytes[15] = 2; /* 3 × 2 instead of 2 × 3 */
  write_whole(other, bytes, HEADER + IMAGES * IMAGE);
  f.options.test_images = other;
  f.options.test_labels = f.labels;
  assert_refused(&f, "other: its images have another shape", "images");
  memcpy(bytes, (const unsigned char[]){0, 0, 0x0d, 2, 0, 0, 0, 5, 0, 0, 0, 1}, 12);
  memset(bytes + 12, 0, 20);
  memcpy(bytes + 20, (const unsigned char[]){0x7f, 0xc0, 0, 0}, 4); /* NaN */
  write_whole(f.images, bytes, 32);
  f.options.test_images = f.options.test_labels = NULL;
  assert_refused(&f, "images: ", "not finite");
  prepare(s, &f);
  f.options.output = "/dev/null/out.h5";
  assert_fails(nn_import_idx(&f.options, &summary), NN_ERR_IO, "/dev/null");
  nn_text_clear(&summary);
}

/* Whatever the bytes, there is an answer. (The sanitizers' build gives this test its teeth.) */
static void broken_files_are_answered_not_crashed_on(void **state) {
  scene *s = *state;
  files f;
  unsigned char bytes[64];
  prepare(s, &f);
  for (uint64_t trial = 0; trial < 400; trial++) {
    const size_t length = images(bytes);
    for (uint64_t i = 0; i < 1 + trial % 3; i++)
      bytes[nn_random_below(trial, NN_RANDOM_WEIGHTS, 0, i, HEADER + 4)] =
          (unsigned char)nn_random_bits(trial, NN_RANDOM_WEIGHTS, 1, i);
    if (trial % 2 == 0)
      write_gzipped(f.images, bytes, length);
    else
      write_whole(f.images, bytes, length);
    nn_text summary = {0};
    const nn_status status = nn_import_idx(&f.options, &summary);
    assert_true(status == NN_OK || status == NN_ERR_DATA);
    nn_text_clear(&summary);
  }
}

static void fashion_mnist_of_debian_is_imported(void **state) {
  scene *s = *state;
  static const char folder[] = "/usr/share/datasets/fashion-mnist";
  char paths[4][256], output[512];
  const char *const names[4] = {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
                                "t10k-labels-idx1-ubyte.gz"};
  for (int i = 0; i < 4; i++) {
    snprintf(paths[i], sizeof paths[i], "%s/%s", folder, names[i]);
    if (access(paths[i], R_OK) == 0) continue;
    print_message("skipped: no %s (Debian: dataset-fashion-mnist)\n", paths[i]);
    skip();
  }
  snprintf(output, sizeof output, "%s", at(s, "fashion.h5"));
  const nn_import_idx_options o = {
      .images = paths[0], .labels = paths[1], .test_images = paths[2], .test_labels = paths[3], .output = output};
  nn_text summary = {0};
  assert_ok(nn_import_idx(&o, &summary));
  assert_non_null(strstr(summary.at, "train: 60000 samples of 28 x 28, uint8; 10 classes with 6000 samples each"));
  assert_non_null(strstr(summary.at, "test: 10000 samples of 28 x 28, uint8; 10 classes with 1000 samples each"));
  nn_text_clear(&summary);
  nn_data_config c = settings(output);
  c.scale = 255;
  c.normalize = NN_NORMALIZE_STANDARD;
  loaded l;
  assert_ok(load(&c, 1, 4, &l));
  const nn_normalizer *n = nn_dataset_normalizer(l.set);
  double mean = 0, square = 0; /* of all pixels: 0.2860 and 0.3530, as everybody who uses this data set knows */
  for (size_t j = 0; j < 784; j++) {
    const double m = (double)n->mean[j], d = 1 / (double)n->inverse_deviation[j];
    mean += m / 784;
    square += (m * m + d * d) / 784;
  }
  assert_true(fabs(mean - .2860) < 5e-5);
  assert_true(fabs(sqrt(square - mean * mean) - .3530) < 5e-5);
  unload(&l);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(images_and_labels_come_through),
      cmocka_unit_test(wider_types_are_turned_to_this_machines_byte_order),
      cmocka_unit_test(damaged_files_are_named),
      cmocka_unit_test(labels_that_begin_at_1_are_remarked_on),
      cmocka_unit_test(damaged_gzip_files_are_named),
      cmocka_unit_test(pairs_that_do_not_fit_are_refused),
      cmocka_unit_test(broken_files_are_answered_not_crashed_on),
      cmocka_unit_test(fashion_mnist_of_debian_is_imported),
  };
  return cmocka_run_group_tests_name("data.idx", tests, scene_setup, scene_teardown);
}
