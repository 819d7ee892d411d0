/* Files built in memory come back as they were, and leave nothing open. */
#include "h5_testing.h"

#include "h5io/h5io_count.h"
#include "nnmpi/h5io.h"
#include <fcntl.h>
#include <math.h>
#include <sys/file.h>
#include <sys/stat.h>

static nn_h5_file *reopen(nn_h5_image **image) {
  const nn_bytes *parts = NULL;
  size_t count = 0;
  nn_h5_file *file = NULL;
  assert_ok(nn_h5_image_finish(*image, &parts, &count));
  assert_int_equal(count, 1); /* nothing was lent */
  assert_ok(nn_h5_open_image(parts->at, parts->count, "image", NN_ERR_DATA, &file));
  nn_h5_image_destroy(image);
  return file;
}

static void every_type_comes_back(void **state) {
  (void)state;
  nn_h5_image *image = NULL;
  const uint64_t dims[2] = {2, 3};
  const nn_h5_type types[] = {NN_H5_U8,  NN_H5_I8,  NN_H5_U16, NN_H5_I16, NN_H5_U32,
                              NN_H5_I32, NN_H5_U64, NN_H5_I64, NN_H5_F32, NN_H5_F64};
  unsigned char bytes[48], back[48];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 37 + 5);
  assert_ok(nn_h5_image_create(&image));
  for (size_t i = 0; i < 10; i++)
    assert_ok(nn_h5_image_write(image, nn_h5_type_name(types[i]), types[i], 2, dims, (int)i, bytes));
  nn_h5_file *file = reopen(&image);
  for (size_t i = 0; i < 10; i++) {
    nn_h5_info info;
    const size_t size = 6 * nn_h5_type_size(types[i]);
    assert_ok(nn_h5_info_read(file, nn_h5_type_name(types[i]), &info));
    assert_int_equal(info.type, types[i]);
    assert_int_equal(info.rank, 2);
    assert_int_equal(info.dims[0], 2);
    assert_int_equal(info.dims[1], 3);
    memset(back, 0, sizeof back);
    assert_ok(nn_h5_read_rows(file, nn_h5_type_name(types[i]), 0, 2, back));
    assert_memory_equal(back, bytes, size);
    memset(back, 0, sizeof back);
    assert_ok(nn_h5_read(file, nn_h5_type_name(types[i]), types[i], 6, back));
    assert_memory_equal(back, bytes, size);
  }
  nn_h5_close(&file);
  assert_null(file);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void a_large_dataset_written_in_parts_is_read_in_other_parts(void **state) {
  (void)state;
  enum { ROWS = 1001, WIDTH = 1111 };
  const uint64_t dims[2] = {ROWS, WIDTH};
  nn_h5_image *image = NULL;
  float *rows = malloc(sizeof(float) * ROWS * WIDTH);
  assert_non_null(rows);
  for (size_t i = 0; i < (size_t)ROWS * WIDTH; i++) rows[i] = (float)(i % 4099) - 0.25f;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_dataset(image, "a/b/x", NN_H5_F32, 2, dims, 1));
  for (size_t first = 0; first < ROWS; first += 100) {
    const size_t count = ROWS - first < 100 ? ROWS - first : 100;
    assert_ok(nn_h5_image_write_rows(image, "a/b/x", first, count, rows + first * WIDTH));
  }
  nn_h5_file *file = reopen(&image);
  float *part = malloc(sizeof(float) * 777 * WIDTH);
  assert_non_null(part);
  assert_ok(nn_h5_read_rows(file, "a/b/x", 111, 777, part));
  assert_memory_equal(part, rows + 111 * WIDTH, sizeof(float) * 777 * WIDTH);
  assert_ok(nn_h5_read_rows(file, "a/b/x", ROWS, 0, part));
  assert_fails(nn_h5_read_rows(file, "a/b/x", 1000, 2, part), NN_ERR_DATA, "a/b/x", "1001 rows", "1000");
  assert_fails(nn_h5_read_rows(file, "a/b/x", UINT64_MAX, 2, part), NN_ERR_DATA, "1001 rows");
  free(part);
  free(rows);
  nn_h5_close(&file);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void texts_and_attributes_come_back(void **state) {
  (void)state;
  const char *const names[] = {"T-shirt/top", "", "Größe", "x"};
  char *long_text = malloc(200001), **texts = NULL, *text = NULL;
  size_t count = 0;
  nn_h5_image *image = NULL;
  assert_non_null(long_text);
  memset(long_text, 'y', 200000);
  long_text[200000] = '\0';
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_texts(image, "data/classes", names, 4));
  assert_ok(nn_h5_image_texts(image, "data/none", names, 0));
  assert_ok(nn_h5_image_text(image, "config", long_text));
  assert_ok(nn_h5_image_text(image, "empty", ""));
  assert_ok(nn_h5_image_attribute_int(image, "/", "step", INT64_MIN));
  assert_ok(nn_h5_image_attribute_real(image, "software/deep", "value", 0.1));
  assert_ok(nn_h5_image_attribute_real(image, "config", "nan", (double)NAN));
  assert_ok(nn_h5_image_attribute_text(image, "/", "format", "nnmpi checkpoint"));
  nn_h5_file *file = reopen(&image);

  assert_ok(nn_h5_read_texts(file, "data/classes", 100, &texts, &count));
  assert_int_equal(count, 4);
  for (size_t i = 0; i < 4; i++) assert_string_equal(texts[i], names[i]);
  nn_h5_texts_free(&texts, count);
  assert_fails(nn_h5_read_texts(file, "data/classes", 3, &texts, &count), NN_ERR_DATA, "4 texts", "at most 3");
  assert_ok(nn_h5_read_texts(file, "data/none", 100, &texts, &count));
  assert_int_equal(count, 0);
  nn_h5_texts_free(&texts, count);
  assert_ok(nn_h5_read_text(file, "config", 1 << 20, &text));
  assert_string_equal(text, long_text);
  nn_free(text);
  text = NULL;
  assert_fails(nn_h5_read_text(file, "config", 1000, &text), NN_ERR_DATA, "config", "too much");
  assert_null(text);
  assert_ok(nn_h5_read_text(file, "empty", 1 << 20, &text));
  assert_string_equal(text, "");
  nn_free(text);

  int64_t step = 0;
  double value = 0;
  bool found = false;
  assert_ok(nn_h5_attribute_int(file, "/", "step", &step, &found));
  assert_true(found && step == INT64_MIN);
  assert_ok(nn_h5_attribute_real(file, "software/deep", "value", &value, &found));
  assert_true(found && value == 0.1);
  assert_ok(nn_h5_attribute_real(file, "config", "nan", &value, &found));
  assert_true(found && isnan(value));
  assert_ok(nn_h5_attribute_int(file, "/", "no such", &step, &found));
  assert_false(found);
  assert_ok(nn_h5_attribute_int(file, "nowhere", "step", &step, &found));
  assert_false(found);
  assert_fails(nn_h5_attribute_int(file, "/", "format", &step, &found), NN_ERR_DATA, "format", "not an integer");
  assert_ok(nn_h5_attribute_text(file, "/", "format", &text, &found));
  assert_true(found);
  assert_string_equal(text, "nnmpi checkpoint");
  nn_free(text);
  assert_true(nn_h5_has(file, "software/deep"));
  assert_false(nn_h5_has(file, "software/shallow"));
  assert_false(nn_h5_has(file, "config/deeper"));
  nn_h5_close(&file);
  free(long_text);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void empty_and_scalar_datasets_come_back(void **state) {
  (void)state;
  const uint64_t none[2] = {0, 7};
  const double seven = 7;
  double back = 0;
  nn_h5_info info;
  nn_h5_image *image = NULL;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_write(image, "none", NN_H5_F64, 2, none, 4, NULL));
  assert_ok(nn_h5_image_write(image, "one", NN_H5_F64, 0, NULL, 4, &seven));
  nn_h5_file *file = reopen(&image);
  assert_ok(nn_h5_info_read(file, "none", &info));
  assert_int_equal(info.dims[0], 0);
  assert_int_equal(info.dims[1], 7);
  assert_ok(nn_h5_read_rows(file, "none", 0, 0, &back));
  assert_ok(nn_h5_info_read(file, "one", &info));
  assert_int_equal(info.rank, 0);
  assert_ok(nn_h5_read_rows(file, "one", 0, 1, &back));
  assert_true(back == 7);
  nn_h5_close(&file);
}

static void reading_converts_and_refuses_what_would_be_lost(void **state) {
  (void)state;
  const int32_t values[3] = {-1, 0, 255};
  const double real[3] = {0.5, 1, 2}, huge[1] = {1e300};
  const uint64_t three[1] = {3}, one[1] = {1};
  nn_h5_image *image = NULL;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_write(image, "i", NN_H5_I32, 1, three, 0, values));
  assert_ok(nn_h5_image_write(image, "r", NN_H5_F64, 1, three, 0, real));
  assert_ok(nn_h5_image_write(image, "huge", NN_H5_F64, 1, one, 0, huge));
  nn_h5_file *file = reopen(&image);
  double d[3];
  float f[3];
  uint8_t u[3];
  int64_t l[3];
  assert_ok(nn_h5_read(file, "i", NN_H5_F64, 3, d));
  assert_true(d[0] == -1 && d[1] == 0 && d[2] == 255);
  assert_ok(nn_h5_read(file, "i", NN_H5_I64, 3, l));
  assert_true(l[0] == -1 && l[1] == 0 && l[2] == 255);
  assert_ok(nn_h5_read(file, "r", NN_H5_F32, 3, f));
  assert_true(f[0] == 0.5f && f[1] == 1 && f[2] == 2);
  assert_fails(nn_h5_read(file, "i", NN_H5_U8, 3, u), NN_ERR_DATA, "'i'", "uint8 cannot hold");
  assert_fails(nn_h5_read(file, "r", NN_H5_I64, 3, l), NN_ERR_DATA, "'r'", "int64 cannot hold");
  assert_fails(nn_h5_read(file, "huge", NN_H5_F32, 1, f), NN_ERR_DATA, "'huge'", "float32 cannot hold");
  assert_fails(nn_h5_read(file, "i", NN_H5_I64, 4, l), NN_ERR_DATA, "3 elements", "4 are expected");
  nn_h5_close(&file);
  assert_int_equal(nn__h5_open_count(), 0);
}

static nn_status count_visit(void *context, const char *name, const nn_h5_info *info) {
  (void)info;
  nn_text_add(context, "%s;", name);
  return NN_OK;
}

static nn_status stopping_visit(void *context, const char *name, const nn_h5_info *info) {
  (void)context, (void)info;
  return NN_FAIL(NN_ERR_CONFIG, "enough at %s", name);
}

static void datasets_are_visited_in_the_order_of_their_names(void **state) {
  (void)state;
  const uint8_t byte = 1;
  nn_h5_image *image = NULL;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_write(image, "w/fc10.bias", NN_H5_U8, 0, NULL, 0, &byte));
  assert_ok(nn_h5_image_write(image, "w/fc1.weight", NN_H5_U8, 0, NULL, 0, &byte));
  assert_ok(nn_h5_image_write(image, "b", NN_H5_U8, 0, NULL, 0, &byte));
  assert_ok(nn_h5_image_write(image, "w/a/z", NN_H5_U8, 0, NULL, 0, &byte));
  nn_h5_file *file = reopen(&image);
  nn_text names = {0};
  assert_ok(nn_h5_each(file, "/", count_visit, &names));
  assert_string_equal(names.at, "b;w/a/z;w/fc1.weight;w/fc10.bias;");
  nn_text_clear(&names);
  assert_ok(nn_h5_each(file, "w", count_visit, &names));
  assert_string_equal(names.at, "w/a/z;w/fc1.weight;w/fc10.bias;");
  nn_text_clear(&names);
  assert_fails(nn_h5_each(file, "w", stopping_visit, NULL), NN_ERR_CONFIG, "enough at w/a/z");
  assert_fails(nn_h5_each(file, "nowhere", count_visit, &names), NN_ERR_DATA, "'nowhere'");
  nn_h5_close(&file);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void the_same_content_gives_the_same_bytes(void **state) {
  scene *s = *state;
  enum { ROWS = 900, WIDTH = 333 }; /* more than a MiB: lent */
  static float values[ROWS * WIDTH];
  const uint64_t dims[2] = {ROWS, WIDTH};
  char *bytes[2];
  size_t count[2];
  for (size_t i = 0; i < ROWS * WIDTH; i++) values[i] = (float)i;
  for (int round = 0; round < 2; round++) {
    nn_h5_image *image = NULL;
    assert_ok(nn_h5_image_create_for(sizeof values, &image));
    assert_ok(nn_h5_image_write(image, "group/x", NN_H5_F32, 2, dims, 0, values));
    assert_ok(nn_h5_image_lend(image, "group/y", NN_H5_F32, 2, dims, values));
    assert_ok(nn_h5_image_text(image, "t", "text"));
    assert_ok(nn_h5_image_attribute_text(image, "software", "a", "b"));
    assert_ok(nn_h5_image_save(image, at(s, "same.h5")));
    nn_h5_image_destroy(&image);
    assert_ok(nn_file_read(s->path, 4 * sizeof values, &bytes[round], &count[round]));
    if (round == 0) sleep(1); /* a modification time would differ */
  }
  assert_int_equal(count[0], count[1]);
  assert_memory_equal(bytes[0], bytes[1], count[0]);
  nn_free(bytes[0]);
  nn_free(bytes[1]);
}

static void data_of_64_kib_are_lent_and_smaller_ones_copied(void **state) {
  (void)state;
  enum { FEWER = NN_H5_LENT_LEAST / sizeof(float) - 1, GROUPS = 8 };
  static float values[FEWER + 1];
  nn_h5_image *image = NULL;
  const nn_bytes *parts = NULL;
  size_t count = 0;
  char name[32];
  assert_int_equal(NN_H5_LENT_LEAST, 64 << 10); /* as docs/surviving.md says */
  assert_ok(nn_h5_image_create_for(2 * sizeof values, &image));
  assert_ok(nn_h5_image_lend(image, "layers.0/weight", NN_H5_F32, 1, (const uint64_t[1]){FEWER + 1}, values));
  assert_ok(nn_h5_image_lend(image, "layers.1/weight", NN_H5_F32, 1, (const uint64_t[1]){FEWER}, values));
  for (int i = 0; i < GROUPS; i++) { /* the room that is kept in front is enough for what describes a small network */
    snprintf(name, sizeof name, "group%d/x", i);
    assert_ok(nn_h5_image_lend(image, name, NN_H5_F32, 1, (const uint64_t[1]){3}, values));
  }
  assert_ok(nn_h5_image_finish(image, &parts, &count));
  assert_int_equal(count, 2);
  assert_true(parts[0].at != (const void *)values && parts[0].count > FEWER * sizeof(float));
  assert_true(parts[1].at == (const void *)values && parts[1].count == sizeof values);
  nn_h5_image_destroy(&image);
}

/* Also where what describes the data finds no room in front of them (expected: 0 bytes). */
static void lent_data_go_to_the_file_as_they_are_when_it_is_saved(void **state) {
  scene *s = *state;
  enum { LENT = 12, ROWS = 300, WIDTH = 1000 };
  static float values[ROWS * WIDTH], back[ROWS * WIDTH];
  const uint64_t dims[2] = {ROWS, WIDTH}, few[1] = {3};
  char name[32];
  for (size_t i = 0; i < ROWS * WIDTH; i++) values[i] = (float)(i % 4099);
  for (size_t expected = 0; expected <= LENT * sizeof values; expected += LENT * sizeof values) {
    nn_h5_image *image = NULL;
    nn_h5_file *file = NULL;
    const nn_bytes *parts = NULL;
    void *bytes = NULL;
    size_t count = 0, own = 0;
    assert_ok(nn_h5_image_create_for(expected, &image));
    for (int i = 0; i < LENT; i++) {
      snprintf(name, sizeof name, "lent/%d", i);
      assert_ok(nn_h5_image_lend(image, name, NN_H5_F32, 2, dims, values));
      snprintf(name, sizeof name, "small/%d", i);
      assert_ok(nn_h5_image_lend(image, name, NN_H5_F32, 1, few, values));
    }
    assert_ok(nn_h5_image_finish(image, &parts, &count));
    for (size_t i = 0; i < count; i++)
      if (parts[i].at != (const void *)values) own += parts[i].count;
    assert_true(expected > 0 ? count == LENT + 1 : count > LENT + 1);
    assert_true(own < 2 * sizeof values); /* the rest is not copied */
    values[0] += 1;                       /* since then */
    assert_ok(nn_h5_image_save(image, at(s, "first.h5")));
    values[0] -= 1;
    assert_ok(nn_h5_image_save(image, at(s, "second.h5")));
    nn_h5_image_destroy(&image);
    assert_ok(nn_h5_load_checked(s->path, NN_ERR_CHECKPOINT, &bytes, &count));
    nn_free(bytes);
    assert_ok(nn_h5_load_checked(at(s, "first.h5"), NN_ERR_CHECKPOINT, &bytes, &count));
    assert_ok(nn_h5_open_image(bytes, count, "first", NN_ERR_CHECKPOINT, &file));
    nn_free(bytes);
    values[0] += 1;
    for (int i = 0; i < LENT; i++) {
      snprintf(name, sizeof name, "lent/%d", i);
      assert_ok(nn_h5_read(file, name, NN_H5_F32, ROWS * WIDTH, back));
      assert_memory_equal(back, values, sizeof values);
      snprintf(name, sizeof name, "small/%d", i);
      assert_ok(nn_h5_read(file, name, NN_H5_F32, 3, back));
      assert_memory_equal(back + 1, values + 1, 2 * sizeof(float));
    }
    values[0] -= 1;
    nn_h5_close(&file);
  }
  assert_int_equal(nn__h5_open_count(), 0);
  run_python(s, "lent_read.py", at(s, "second.h5"));
}

static void a_file_that_cannot_be_finished_fails_each_time(void **state) {
  scene *s = *state;
  static float values[1 << 18];
  const uint64_t dims[1] = {1 << 18};
  nn_h5_image *image = NULL;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_lend(image, "x", NN_H5_F32, 1, dims, values));
  assert_ok(nn_h5_image_lend(image, "x", NN_H5_F32, 1, dims, values)); /* created when it is finished */
  for (int i = 0; i < 2; i++) assert_fails(nn_h5_image_save(image, at(s, "never.h5")), NN_ERR_MEMORY, "cannot build");
  nn_h5_image_destroy(&image);
  assert_int_not_equal(access(s->path, F_OK), 0);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void saved_files_open_both_ways(void **state) {
  scene *s = *state;
  const int32_t value = 42;
  int32_t back = 0;
  nn_h5_image *image = NULL;
  nn_h5_file *file = NULL;
  void *bytes = NULL;
  size_t count = 0;
  const char *path = at(s, "saved.h5");
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_write(image, "x", NN_H5_I32, 0, NULL, 0, &value));
  assert_ok(nn_h5_image_save(image, path));
  nn_h5_image_destroy(&image);
  assert_ok(nn_h5_open(path, NN_ERR_DATA, &file));
  assert_ok(nn_h5_read(file, "x", NN_H5_I32, 1, &back));
  assert_int_equal(back, 42);
  nn_h5_close(&file);
  assert_ok(nn_h5_load_checked(path, NN_ERR_CHECKPOINT, &bytes, &count));
  assert_ok(nn_h5_open_image(bytes, count, path, NN_ERR_CHECKPOINT, &file));
  nn_free(bytes);
  back = 0;
  assert_ok(nn_h5_read(file, "x", NN_H5_I32, 1, &back));
  assert_int_equal(back, 42);
  nn_h5_close(&file);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void every_damaged_byte_and_length_of_a_saved_file_is_noticed(void **state) {
  scene *s = *state;
  const uint64_t dims[2] = {20, 30};
  float values[600];
  nn_h5_image *image = NULL;
  char *bytes = NULL, *damaged = NULL;
  void *loaded = NULL;
  size_t count = 0, loaded_count = 0;
  for (size_t i = 0; i < 600; i++) values[i] = (float)i;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_write(image, "x", NN_H5_F32, 2, dims, 0, values));
  assert_ok(nn_h5_image_save(image, at(s, "good.h5")));
  nn_h5_image_destroy(&image);
  assert_ok(nn_file_read(at(s, "good.h5"), 1 << 20, &bytes, &count));
  damaged = malloc(count);
  assert_non_null(damaged);
  for (size_t i = 0; i < count; i += i + 40 < count ? 13 : 1) {
    memcpy(damaged, bytes, count);
    damaged[i] = (char)(damaged[i] ^ (1 << (i % 8)));
    write_whole(at(s, "bad.h5"), damaged, count);
    assert_fails(nn_h5_load_checked(s->path, NN_ERR_CHECKPOINT, &loaded, &loaded_count), NN_ERR_CHECKPOINT, "bad.h5",
                 "damaged");
    write_whole(at(s, "bad.h5"), bytes, i);
    assert_fails(nn_h5_load_checked(s->path, NN_ERR_CHECKPOINT, &loaded, &loaded_count), NN_ERR_CHECKPOINT, "bad.h5",
                 "truncated");
  }
  char *longer = malloc(count + 1);
  assert_non_null(longer);
  memcpy(longer, bytes, count);
  longer[count] = 0; /* something behind the trailer is not ours either */
  write_whole(at(s, "bad.h5"), longer, count + 1);
  assert_fails(nn_h5_load_checked(s->path, NN_ERR_CHECKPOINT, &loaded, &loaded_count), NN_ERR_CHECKPOINT, "bad.h5");
  free(longer);
  memmove(damaged, bytes + 100, count - 100); /* a hole in front of a good trailer */
  write_whole(at(s, "bad.h5"), damaged, count - 100);
  char lengths[64];
  snprintf(lengths, sizeof lengths, "has %zu bytes where %zu were written", count - 100, count);
  assert_fails(nn_h5_load_checked(s->path, NN_ERR_CHECKPOINT, &loaded, &loaded_count), NN_ERR_CHECKPOINT, "bad.h5",
               lengths);
  assert_null(loaded);
  free(damaged);
  nn_free(bytes);
}

static void a_large_file_is_compared_with_its_checksum_wherever_it_is_read_from(void **state) {
  enum { COUNT = (5 << 20) + 77 };
  static const size_t flipped[] = {0, (1 << 20) - 1, 3 << 20, COUNT - 1};
  scene *s = *state;
  void *memory = NULL;
  char *saved = NULL;
  size_t size = 0;
  assert_ok(nn_alloc(COUNT, 1, "bytes", &memory));
  const uint64_t dims[1] = {COUNT};
  nn_h5_image *image = NULL;
  unsigned char *bytes = memory;
  for (size_t i = 0; i < COUNT; i++) bytes[i] = (unsigned char)(i * 7 + i / 251);
  assert_ok(nn_h5_image_create_for(COUNT, &image));
  assert_ok(nn_h5_image_lend(image, "x", NN_H5_U8, 1, dims, bytes));
  assert_ok(nn_h5_image_save(image, at(s, "large.h5")));
  nn_h5_image_destroy(&image);
  assert_ok(nn_file_read(s->path, 2 * COUNT, &saved, &size));
  for (int from_disk = 0; from_disk <= 1; from_disk++) {
    bool trailed = false;
    write_whole(s->path, saved, size);
    assert_ok(nn_h5_check(s->path, NN_ERR_IO, from_disk, &trailed));
    assert_true(trailed);
    for (size_t i = 0; i < sizeof flipped / sizeof *flipped; i++) {
      saved[flipped[i]] ^= 1;
      write_whole(s->path, saved, size);
      assert_fails(nn_h5_check(s->path, NN_ERR_IO, from_disk, &trailed), NN_ERR_IO,
                   "large.h5: is damaged: its checksum");
      saved[flipped[i]] ^= 1;
    }
  }
  nn_free(memory);
  nn_free(saved);
}

static void a_file_that_claims_to_be_huge_is_refused_before_memory_is_asked_for(void **state) {
  scene *s = *state;
  void *loaded = NULL;
  size_t count = 0;
  FILE *file = fopen(at(s, "sparse.h5"), "wb");
  assert_non_null(file);
  assert_int_equal(ftruncate(fileno(file), (off_t)1 << 40), 0);
  fclose(file);
  assert_fails(nn_h5_load_checked(s->path, NN_ERR_CHECKPOINT, &loaded, &count), NN_ERR_CHECKPOINT, "sparse.h5",
               "1.0 TiB");
}

static void files_that_cannot_be_opened_say_why(void **state) {
  scene *s = *state;
  nn_h5_file *file = NULL;
  nn_h5_image *image = NULL;
  const int32_t value = 42;
  assert_fails(nn_h5_open(at(s, "missing.h5"), NN_ERR_DATA, &file), NN_ERR_DATA, "missing.h5", "no such file");
  assert_fails(nn_h5_open(s->folder, NN_ERR_DATA, &file), NN_ERR_DATA, "folder");
  assert_fails(nn_h5_open("/dev/null", NN_ERR_DATA, &file), NN_ERR_DATA, "not a regular file");
  write_whole(at(s, "empty.h5"), "", 0);
  assert_fails(nn_h5_open(s->path, NN_ERR_DATA, &file), NN_ERR_DATA, "empty.h5", "is empty");
  write_whole(at(s, "text.h5"), "sepal,petal\n1,2\n", 16);
  assert_fails(nn_h5_open(s->path, NN_ERR_DATA, &file), NN_ERR_DATA, "not an HDF5 file", "nnmpi import");
  assert_fails(nn_h5_open(s->path, NN_ERR_CHECKPOINT, &file), NN_ERR_CHECKPOINT, "not an HDF5 file");
  write_whole(at(s, "head.h5"), "\x89HDF\r\n\x1a\n", 8);
  assert_fails(nn_h5_open(s->path, NN_ERR_DATA, &file), NN_ERR_DATA, "head.h5", "damaged or truncated");

  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_write(image, "x", NN_H5_I32, 0, NULL, 0, &value));
  assert_ok(nn_h5_image_save(image, at(s, "good.h5")));
  nn_h5_image_destroy(&image);
  char *bytes = NULL;
  size_t count = 0;
  assert_ok(nn_file_read(s->path, 1 << 20, &bytes, &count));
  write_whole(at(s, "cut.h5"), bytes, count / 2);
  nn_free(bytes);
  assert_fails(nn_h5_open(s->path, NN_ERR_DATA, &file), NN_ERR_DATA, "cut.h5", "is truncated", "copy it again");

  if (getenv("HDF5_USE_FILE_LOCKING") == NULL) {
    const int lock = open(at(s, "good.h5"), O_RDWR);
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
    assert_fails(nn_h5_open(s->path, NN_ERR_DATA, &file), NN_ERR_DATA, "good.h5", "is locked",
                 "HDF5_USE_FILE_LOCKING=FALSE");
    close(lock);
  }
  if (geteuid() != 0) {
    assert_int_equal(chmod(at(s, "good.h5"), 0), 0);
    assert_fails(nn_h5_open(s->path, NN_ERR_DATA, &file), NN_ERR_DATA, "good.h5", "Permission denied");
    chmod(s->path, 0600);
  }
  assert_null(file);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void faults_on_request_look_like_the_systems(void **state) {
  scene *s = *state;
  nn_h5_file *file = NULL;
  nn_h5_image *image = NULL;
  int32_t value = 42;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_write(image, "x", NN_H5_I32, 0, NULL, 0, &value));
  assert_ok(nn_h5_image_save(image, at(s, "fine.h5")));
  nn_h5_image_destroy(&image);
  setenv("NNMPI_FAULT", "open@0", 1);
  assert_fails(nn_h5_open(s->path, NN_ERR_DATA, &file), NN_ERR_DATA, "fine.h5", "cannot be opened");
  setenv("NNMPI_FAULT", "read@0", 1);
  assert_ok(nn_h5_open(s->path, NN_ERR_DATA, &file));
  assert_fails(nn_h5_read_rows(file, "x", 0, 1, &value), NN_ERR_DATA, "fine.h5", "cannot be read");
  unsetenv("NNMPI_FAULT");
  assert_ok(nn_h5_read_rows(file, "x", 0, 1, &value));
  nn_h5_close(&file);
}

static void a_missing_dataset_names_those_that_there_are(void **state) {
  (void)state;
  const uint64_t images[3] = {6, 2, 2}, labels[1] = {6};
  const uint8_t bytes[24] = {0};
  nn_h5_info info;
  nn_h5_image *image = NULL;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_write(image, "x_train", NN_H5_U8, 3, images, 0, bytes));
  assert_ok(nn_h5_image_write(image, "g/y_train", NN_H5_I32, 1, labels, 0, bytes));
  nn_h5_file *file = reopen(&image);
  assert_fails(nn_h5_info_read(file, "train/x", &info), NN_ERR_DATA, "image: has no dataset 'train/x'",
               "it has: g/y_train [6] int32, x_train [6, 2, 2] uint8");
  assert_fails(nn_h5_info_read(file, "g", &info), NN_ERR_DATA, "'g' is a group", "x_train [6, 2, 2] uint8");
  nn_h5_close(&file);
  assert_ok(nn_h5_image_create(&image));
  file = reopen(&image);
  assert_fails(nn_h5_info_read(file, "train/x", &info), NN_ERR_DATA, "it has: no datasets");
  nn_h5_close(&file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_type_comes_back),
      cmocka_unit_test(a_large_dataset_written_in_parts_is_read_in_other_parts),
      cmocka_unit_test(texts_and_attributes_come_back),
      cmocka_unit_test(empty_and_scalar_datasets_come_back),
      cmocka_unit_test(reading_converts_and_refuses_what_would_be_lost),
      cmocka_unit_test(datasets_are_visited_in_the_order_of_their_names),
      cmocka_unit_test(the_same_content_gives_the_same_bytes),
      cmocka_unit_test(data_of_64_kib_are_lent_and_smaller_ones_copied),
      cmocka_unit_test(lent_data_go_to_the_file_as_they_are_when_it_is_saved),
      cmocka_unit_test(a_file_that_cannot_be_finished_fails_each_time),
      cmocka_unit_test(saved_files_open_both_ways),
      cmocka_unit_test(every_damaged_byte_and_length_of_a_saved_file_is_noticed),
      cmocka_unit_test(a_large_file_is_compared_with_its_checksum_wherever_it_is_read_from),
      cmocka_unit_test(a_file_that_claims_to_be_huge_is_refused_before_memory_is_asked_for),
      cmocka_unit_test(files_that_cannot_be_opened_say_why),
      cmocka_unit_test(faults_on_request_look_like_the_systems),
      cmocka_unit_test(a_missing_dataset_names_those_that_there_are),
  };
  return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
