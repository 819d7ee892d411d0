/* Files made by others, through h5py: what is ordinary is read, what is not is refused with a reason, and no file
 * leads out of itself. */
#include "h5_testing.h"

#include "h5io/h5io_count.h"
#include "nnmpi/h5io.h"

static nn_h5_file *open_made(void **state, const char *name) {
  scene *s = *state;
  nn_h5_file *file = NULL;
  if (access(at(s, "usual.h5"), F_OK) != 0) run_python(s, "h5io_strange_files.py", s->folder);
  assert_ok(nn_h5_open(at(s, name), NN_ERR_DATA, &file));
  return file;
}

static void close_all(nn_h5_file **file) {
  assert_int_equal(nn__h5_open_count(), 1); /* the file itself, and nothing in it */
  nn_h5_close(file);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void assert_info(nn_h5_file *file, const char *name, nn_h5_type type, int rank) {
  nn_h5_info info;
  assert_ok(nn_h5_info_read(file, name, &info));
  assert_int_equal(info.type, type);
  assert_int_equal(info.rank, rank);
}

static void any_byte_order_and_compression_is_read(void **state) {
  nn_h5_file *file = open_made(state, "usual.h5");
  int32_t i[12];
  double d[12];
  uint64_t u[12];
  float f[12];
  int16_t s[12];
  assert_info(file, "be_int", NN_H5_I32, 2);
  assert_ok(nn_h5_read_rows(file, "be_int", 0, 3, i));
  assert_info(file, "be_double", NN_H5_F64, 2);
  assert_ok(nn_h5_read_rows(file, "be_double", 0, 3, d));
  assert_info(file, "u64", NN_H5_U64, 2);
  assert_ok(nn_h5_read_rows(file, "/u64", 0, 3, u));
  assert_info(file, "gzip", NN_H5_F32, 2);
  assert_ok(nn_h5_read_rows(file, "gzip", 0, 3, f));
  assert_info(file, "growing", NN_H5_I16, 2);
  assert_ok(nn_h5_read_rows(file, "growing", 1, 2, s));
  for (int k = 0; k < 12; k++) {
    assert_int_equal(i[k], k - 5);
    assert_true(d[k] == k / 4.0);
    assert_true(u[k] == (UINT64_C(1) << 63) + (uint64_t)k);
    assert_true(f[k] == (float)k);
    if (k < 8) assert_int_equal(s[k], k + 4);
  }
  assert_ok(nn_h5_read_rows(file, "be_gzip", 0, 3, d));
  for (int k = 0; k < 12; k++) assert_true(d[k] == k);
  assert_info(file, "never_written", NN_H5_I64, 1);
  assert_info(file, "eight", NN_H5_U8, 8);
  close_all(&file);
}

static void chunks_are_put_together_at_every_edge(void **state) {
  nn_h5_file *file = open_made(state, "usual.h5");
  for (size_t first = 0; first <= 5; first++)
    for (size_t count = 0; first + count <= 5; count++) {
      uint16_t cube[5 * 42 + 1];
      memset(cube, 0xee, sizeof cube);
      assert_ok(nn_h5_read_rows(file, "cube", first, count, cube));
      for (size_t i = 0; i < count * 42; i++) assert_int_equal(cube[i], first * 42 + i);
      assert_int_equal(cube[count * 42], 0xeeee);
    }
  int32_t partly[60];
  assert_ok(nn_h5_read_rows(file, "partly", 0, 10, partly));
  for (size_t i = 0; i < 60; i++) assert_int_equal(partly[i], i / 6 == 5 || i / 6 == 6 ? 258 : -7);
  uint8_t *bytes = malloc(200000);
  assert_non_null(bytes);
  assert_ok(nn_h5_read_rows(file, "sums", 0, 200000, bytes));
  for (size_t i = 0; i < 200000; i++) assert_int_equal(bytes[i], i & 0xff);
  free(bytes);
  close_all(&file);
}

static void chunks_of_the_wrong_size_are_refused(void **state) {
  static const char *const wrong[][2] = {{"short", "wrong size"},   {"long", "not valid"},
                                         {"bomb", "not valid"},     {"large", "larger than"},
                                         {"nonsense", "not valid"}, {"raw_short", "wrong size"}};
  nn_h5_file *file = open_made(state, "chunks.h5");
  uint8_t values[12];
  for (size_t k = 0; k < 2; k++) {
    memset(values, 0xee, sizeof values);
    assert_ok(nn_h5_read_rows(file, k == 0 ? "right" : "skipped", 0, 12, values));
    for (size_t i = 0; i < 12; i++) assert_int_equal(values[i], i);
  }
  for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
    assert_fails(nn_h5_read_rows(file, wrong[k][0], 0, 12, values), NN_ERR_DATA, "chunks.h5", wrong[k][0], "damaged",
                 wrong[k][1]);
  close_all(&file);
}

static void both_kinds_of_text_are_read(void **state) {
  nn_h5_file *file = open_made(state, "usual.h5");
  static const char *const fixed[] = {"cat", "dog", "catfish"}, *const variable[] = {"Katze", "", "Größe"};
  char **texts = NULL, *text = NULL;
  size_t count = 0;
  assert_ok(nn_h5_read_texts(file, "fixed", 10, &texts, &count));
  for (size_t i = 0; i < 3; i++) assert_string_equal(texts[i], fixed[i]);
  nn_h5_texts_free(&texts, count);
  assert_ok(nn_h5_read_texts(file, "fixed_gzip", 10, &texts, &count));
  for (size_t i = 0; i < 3; i++) assert_string_equal(texts[i], fixed[i]);
  nn_h5_texts_free(&texts, count);
  static const char *const stored[] = {"variable", "variable_gzip", "variable_chunks"};
  for (size_t k = 0; k < 3; k++) {
    assert_ok(nn_h5_read_texts(file, stored[k], 10, &texts, &count));
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++) assert_string_equal(texts[i], variable[i]);
    nn_h5_texts_free(&texts, count);
  }
  assert_ok(nn_h5_read_texts(file, "long_texts", 10, &texts, &count));
  assert_int_equal(strlen(texts[0]), 5000);
  assert_int_equal(strspn(texts[1], "m"), 4999);
  nn_h5_texts_free(&texts, count);
  for (size_t k = 0; k < 2; k++) {
    assert_ok(nn_h5_read_texts(file, k == 0 ? "unwritten_texts" : "unwritten_fixed", 10, &texts, &count));
    for (size_t i = 0; i < 3; i++) assert_string_equal(texts[i], "");
    nn_h5_texts_free(&texts, count);
  }
  assert_ok(nn_h5_read_text(file, "one", 100, &text));
  assert_string_equal(text, "a single text");
  nn_free(text);
  assert_fails(nn_h5_read_texts(file, "x", 100, &texts, &count), NN_ERR_DATA, "'x' holds int64", "texts are needed");
  assert_fails(nn_h5_read_rows(file, "fixed", 0, 1, &count), NN_ERR_DATA, "'fixed' holds texts", "numbers");
  close_all(&file);

  file = open_made(state, "user_block.h5");
  assert_ok(nn_h5_read_texts(file, "variable", 10, &texts, &count));
  for (size_t i = 0; i < 3; i++) assert_string_equal(texts[i], variable[i]);
  nn_h5_texts_free(&texts, count);
  close_all(&file);

  file = open_made(state, "texts.h5");
  assert_ok(nn_h5_read_texts(file, "many", 100, &texts, &count));
  assert_int_equal(strlen(texts[99]), 60000);
  nn_h5_texts_free(&texts, count);
  assert_fails(nn_h5_read_texts(file, "wide", 100, &texts, &count), NN_ERR_DATA, "'wide'", "too much");
  assert_fails(nn_h5_read_texts(file, "too_much", 10000, &texts, &count), NN_ERR_DATA, "'too_much'", "256 MiB");
  assert_fails(nn_h5_read_text(file, "many", 100, &text), NN_ERR_DATA, "'many' is not a single text");
  close_all(&file);
}

static void attributes_of_h5py_are_read(void **state) {
  nn_h5_file *file = open_made(state, "usual.h5");
  char *text = NULL;
  int64_t i = 0;
  double d = 0;
  bool found = false;
  assert_ok(nn_h5_attribute_text(file, "/", "text", &text, &found));
  assert_string_equal(text, "by h5py");
  nn_free(text);
  assert_fails(nn_h5_attribute_text(file, "/", "variable", &text, &found), NN_ERR_DATA, "'variable'", "variable length",
               "numpy.bytes_");
  assert_ok(nn_h5_attribute_int(file, "/", "int", &i, &found));
  assert_int_equal(i, 7);
  assert_ok(nn_h5_attribute_int(file, "/", "big_endian", &i, &found));
  assert_int_equal(i, 258);
  assert_ok(nn_h5_attribute_real(file, "/", "half", &d, &found));
  assert_true(d == 0.5);
  assert_fails(nn_h5_attribute_int(file, "/", "big", &i, &found), NN_ERR_DATA, "'big'", "too large");
  assert_fails(nn_h5_attribute_int(file, "/", "list", &i, &found), NN_ERR_DATA, "'list'", "not a single value");
  assert_fails(nn_h5_attribute_int(file, "/", "half", &i, &found), NN_ERR_DATA, "'half'", "not an integer");
  assert_fails(nn_h5_attribute_text(file, "/", "int", &text, &found), NN_ERR_DATA, "'int'", "not a text");
  assert_false(found);
  close_all(&file);
  file = open_made(state, "refused.h5");
  assert_fails(nn_h5_attribute_real(file, "/", "none", &d, &found), NN_ERR_DATA, "'none'", "not a single value");
  assert_fails(nn_h5_attribute_real(file, "/", "compound", &d, &found), NN_ERR_DATA, "'compound'", "not a number");
  close_all(&file);
}

static void soft_links_inside_the_file_are_followed(void **state) {
  nn_h5_file *file = open_made(state, "usual.h5");
  static const char *const names[] = {"soft", "deep/relative", "deep/group/down", "deep/group/group/relative", "x"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    int64_t row[4] = {0};
    assert_true(nn_h5_has(file, names[i]));
    assert_ok(nn_h5_read_rows(file, names[i], 1, 1, row));
    assert_int_equal(row[3], 7);
  }
  close_all(&file);
}

static void newer_formats_and_user_blocks_are_read(void **state) {
  static const char *const files[] = {"latest.h5", "user_block.h5"};
  for (size_t i = 0; i < 2; i++) {
    nn_h5_file *file = open_made(state, files[i]);
    float row[4] = {0};
    assert_ok(nn_h5_read_rows(file, i == 0 ? "z" : "x", 2, 1, row));
    assert_true(row[3] == 11);
    close_all(&file);
  }
}

static void what_is_not_read_says_why(void **state) {
  static const char *const cases[][3] = {
      {"half", "floating-point numbers of 16 bits", "store it as float32"},
      {"long_double", "floating-point numbers of", "store it as float32"},
      {"bool", "enumeration", "uint8"},
      {"complex", "compound", "store numbers"},
      {"compound", "compound", "store numbers"},
      {"ragged", "no elements at all", ""},
      {"lists", "lists of varying length", "store numbers"},
      {"references", "references", "store numbers"},
      {"opaque", "opaque", "store numbers"},
      {"nine", "9 dimensions", "at most 8"},
      {"type", "named type", ""},
      {"lzf", "filter 32000 (lzf)", "h5repack -f GZIP"},
      {"scaleoffset", "(scaleoffset)", "h5repack -f GZIP"},
      {"outside", "into another file", "copy the data"},
      {"group/outside/x", "into another file", "copy the data"},
      {"through", "into another file", "copy the data"},
      {"nowhere", "link to '/no/such'", "does not exist"},
      {"ring_a", "too many soft links", "ring"},
      {"virtual", "virtual", "copy them"},
      {"external", "in another file", "copy them"},
      {"claims", "claims to hold", "shape is damaged"},
      {"overflows", "claims to hold", "shape is damaged"},
      {"chunks", "chunks of more than 1 GiB", "smaller"},
  };
  nn_h5_file *file = open_made(state, "refused.h5");
  char byte[64];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    nn_h5_info info;
    assert_true(nn_h5_has(file, cases[i][0]));
    assert_fails(nn_h5_info_read(file, cases[i][0], &info), NN_ERR_DATA, "refused.h5: dataset '", cases[i][0],
                 cases[i][1], cases[i][2]);
    assert_fails(nn_h5_read_rows(file, cases[i][0], 0, 1, byte), NN_ERR_DATA, cases[i][1]);
    assert_int_equal(nn__h5_open_count(), 1);
  }
  if (nn_h5_has(file, "szip")) assert_fails(nn_h5_read_rows(file, "szip", 0, 1, byte), NN_ERR_DATA, "(szip)");
  close_all(&file);
}

static nn_status add_name(void *context, const char *name, const nn_h5_info *info) {
  (void)info;
  nn_text_add(context, "%s;", name);
  return NN_OK;
}

static void a_list_passes_over_what_is_refused_and_can_name_it(void **state) {
  nn_h5_file *file = open_made(state, "refused.h5");
  nn_text names = {0};
  nn_h5_info info;
  assert_ok(nn_h5_each(file, "/", add_name, &names));
  assert_string_equal(names.at, "good;");
  nn_text_clear(&names);
  assert_ok(nn_h5_refused(file, &names));
  assert_non_null(strstr(names.at, "half: holds floating-point numbers of 16 bits; store it as float32 or float64\n"));
  assert_non_null(strstr(names.at, "group/outside: is a link into another file"));
  nn_text_clear(&names);
  assert_fails(nn_h5_info_read(file, "train/x", &info), NN_ERR_DATA, "has no dataset 'train/x'; it has:", "and ",
               " more");
  close_all(&file);
}

static void rings_of_groups_come_to_an_end(void **state) {
  nn_h5_file *file = open_made(state, "rings.h5");
  nn_text names = {0};
  nn_h5_info info;
  assert_ok(nn_h5_each(file, "/", add_name, &names));
  assert_non_null(strstr(names.at, "a/x;"));
  assert_ok(nn_h5_info_read(file, "a/b/c/a/x", &info));
  assert_fails(nn_h5_info_read(file, "a/b/c/a/y", &info), NN_ERR_DATA, "has no dataset");
  nn_text_clear(&names);
  close_all(&file);
  /* no ring, but two ways down at every level: 2^15 paths */
  file = open_made(state, "lattice.h5");
  assert_fails(nn_h5_each(file, "/", add_name, &names), NN_ERR_DATA, "lattice.h5", "more than 20000 objects");
  nn_text_clear(&names);
  close_all(&file);
}

static void a_flipped_bit_under_a_checksum_is_noticed(void **state) {
  nn_h5_file *file = open_made(state, "flipped.h5");
  float row = 0;
  assert_fails(nn_h5_read_rows(file, "x", 0, 1, &row), NN_ERR_DATA, "flipped.h5", "'x'", "damaged", "Fletcher32");
  close_all(&file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_byte_order_and_compression_is_read),
      cmocka_unit_test(chunks_are_put_together_at_every_edge),
      cmocka_unit_test(chunks_of_the_wrong_size_are_refused),
      cmocka_unit_test(both_kinds_of_text_are_read),
      cmocka_unit_test(attributes_of_h5py_are_read),
      cmocka_unit_test(soft_links_inside_the_file_are_followed),
      cmocka_unit_test(newer_formats_and_user_blocks_are_read),
      cmocka_unit_test(what_is_not_read_says_why),
      cmocka_unit_test(a_list_passes_over_what_is_refused_and_can_name_it),
      cmocka_unit_test(rings_of_groups_come_to_an_end),
      cmocka_unit_test(a_flipped_bit_under_a_checksum_is_noticed),
  };
  return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
