/* CSV as it is really written becomes a data set; what cannot is reported with line and column. */
#include "data_testing.h"

#include "data/import.h"
#include "h5io/h5io_count.h"

static nn_status import_file(scene *s, const char *file, const nn_import_csv_options *wish, nn_text *summary) {
  char output[512];
  snprintf(output, sizeof output, "%s", at(s, "out.h5"));
  nn_import_csv_options o = *wish;
  o.file = file;
  o.output = output;
  return nn_import_csv(&o, summary);
}

static nn_status import_text(scene *s, const char *text, const nn_import_csv_options *wish, nn_text *summary) {
  char file[512];
  snprintf(file, sizeof file, "%s", at(s, "in.csv"));
  write_whole(file, text, strlen(text));
  return import_file(s, file, wish, summary);
}

/* Import, and load what came out. */
static void imported(scene *s, const char *text, const nn_import_csv_options *wish, loaded *out) {
  nn_text summary = {0};
  assert_ok(import_text(s, text, wish, &summary));
  nn_text_clear(&summary);
  const nn_data_config c = settings(at(s, "out.h5"));
  assert_ok(load(&c, 1, 1, out));
}

#define assert_row(l, row, ...)                                                                                        \
  do {                                                                                                                 \
    const float expected_[] = {__VA_ARGS__};                                                                           \
    float *x_ = all_x((l)->set, NN_SET_TRAIN, 1);                                                                      \
    const size_t width_ = nn_shape_size(nn_dataset_shape((l)->set));                                                   \
    assert_int_equal(width_, sizeof expected_ / sizeof *expected_);                                                    \
    assert_memory_equal(x_ + (row)*width_, expected_, sizeof expected_);                                               \
    free(x_);                                                                                                          \
  } while (0)

static void quotes_semicolons_and_byte_order_marks_are_understood(void **state) {
  scene *s = *state;
  nn_text summary = {0};
  const nn_import_csv_options wish = {.target = "kind"};
  assert_ok(import_file(s, NN_TEST_DATA "/semicolons.csv", &wish, &summary));
  const char *const words[] = {"5 rows",   "semicolon",       "length, cm, width", "3 classes (text)",
                               "flat (2)", "round \"R\" (2)", "train 5 samples"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strstr(summary.at, words[i]) == NULL) fail_msg("\"%s\" is not in %s", words[i], summary.at);
  nn_text_clear(&summary);
  nn_h5_file *file = NULL;
  char **names = NULL, *format = NULL;
  size_t count = 0;
  bool found = false;
  assert_ok(nn_h5_open(at(s, "out.h5"), NN_ERR_DATA, &file));
  assert_ok(nn_h5_read_texts(file, "feature_names", 10, &names, &count));
  assert_int_equal(count, 2);
  assert_string_equal(names[0], "length, cm");
  nn_h5_texts_free(&names, count);
  assert_ok(nn_h5_attribute_text(file, "/", "format", &format, &found));
  assert_true(found);
  assert_string_equal(format, "nnmpi dataset");
  nn_free(format);
  nn_h5_close(&file);
  const nn_data_config c = settings(s->path);
  loaded l;
  assert_ok(load(&c, 1, 1, &l));
  const nn_target_info *target = nn_dataset_target(l.set);
  assert_int_equal(target->width, 3);
  assert_string_equal(target->names[0], "flat");
  assert_string_equal(target->names[1], "round \"R\"");
  assert_string_equal(target->names[2], "tall");
  assert_row(&l, 0, 5.1f, 3.5f);
  assert_row(&l, 3, 5.0f, .1f);
  assert_row(&l, 4, 7.0f, .5f);
  const int labels[5] = {1, 0, 1, 0, 2};
  for (uint32_t i = 0; i < 5; i++) assert_int_equal(nn_dataset_label(l.set, NN_SET_TRAIN, i), labels[i]);
  unload(&l);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void ways_to_write_the_same_table_give_the_same_data(void **state) {
  scene *s = *state;
  const struct {
    const char *text, *target;
  } ways[] = {{"a,b,t\n1,2.5,x\n-3,4e2,y\n", "t"},
              {"a,b,t\r\n1,2.5,x\r\n-3,4e2,y", "t"},
              {"a,b,t\r1,2.5,x\r-3,4e2,y\r", "t"},
              {"a\tb\tt\n1\t2.5\tx\n-3\t4e2\ty\n", "t"},
              {"\n\n  a ; b ; t \n 1 ; 2.5 ; x\n\n \n -3;400;y \n\n", "t"},
              {"\"a\",\"b\",\"t\"\n\"1\" , \"2.5\",\"x\"\n\"-3\",\"4e2\", \"y\" \n", "t"},
              {"t,a,b\nx,1,2.5\ny,-3,400.0\n", "t"},
              {"1,2.5,x\n-3,4e2,y\n", "3"},
              {"a,b,t\n1,2.5,x\n-3,4e2,y\n", "3"},
              {"\xef\xbb\xbf"
               "1,2.5,x\n-3,4e2,y\n",
               "3"}};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    const nn_import_csv_options wish = {.target = ways[i].target};
    loaded l;
    imported(s, ways[i].text, &wish, &l);
    assert_int_equal(nn_dataset_count(l.set, NN_SET_TRAIN), 2);
    assert_row(&l, 0, 1, 2.5f);
    assert_row(&l, 1, -3, 400);
    assert_string_equal(nn_dataset_target(l.set)->names[0], "x");
    assert_int_equal(nn_dataset_label(l.set, NN_SET_TRAIN, 1), 1);
    unload(&l);
  }
}

static void names_in_line_one_may_be_numbers_if_the_target_is_a_name(void **state) {
  scene *s = *state;
  loaded l;
  imported(s, "label,0,1\n1,5,6\n0,7,8\n", &(nn_import_csv_options){.target = "label"}, &l);
  assert_int_equal(nn_dataset_count(l.set, NN_SET_TRAIN), 2);
  assert_row(&l, 0, 5, 6);
  unload(&l);
  imported(s, "1,5,6\n0,7,8\n", &(nn_import_csv_options){.target = "1"}, &l); /* the number, not the name */
  assert_int_equal(nn_dataset_count(l.set, NN_SET_TRAIN), 2);
  assert_row(&l, 1, 7, 8);
  unload(&l);
}

static void target_columns_are_classes_or_values_by_their_cells(void **state) {
  scene *s = *state;
  const struct {
    const char *text;
    int mode;
    bool classes;
    size_t width;
    const char *name; /* of the last class */
  } cases[] = {
      {"t,x\n0,1\n1,1\n0,1\n", NN_TARGET_AUTO, true, 2, NULL},
      {"t,x\n5,1\n-1,1\n5,1\n", NN_TARGET_AUTO, true, 2, "5"},
      {"t,x\n0,1\n1,1\n2,1\n", NN_TARGET_AUTO, false, 1, NULL}, /* 3 different ones in 3 rows */
      {"t,x\n0,1\n1,1\n2,1\n", NN_TARGET_CLASS, true, 3, NULL},
      {"t,x\n10,1\n9,1\n8,1\n", NN_TARGET_CLASS, true, 3, "10"}, /* in the order of numbers, not of texts */
      {"t,x\n0.5,1\n1,1\n0,1\n", NN_TARGET_AUTO, false, 1, NULL},
      {"t,x\n0.5,1\n1,1\n0.5,1\n", NN_TARGET_CLASS, true, 2, "1"},
      {"t,x\n0,1\n1,1\n0,1\n", NN_TARGET_VALUE, false, 1, NULL},
      {"t,x\nb,1\na,1\n1,1\n", NN_TARGET_AUTO, true, 3, "b"},
      {"t,x\nA,1\nB,1\nC,1\nD,1\nE,1\nF,1\nG,1\nH,1\nI,1\nJ,1\nK,1\nL,1\nM,1\nN,1\nO,1\nP,1\nQ,1\nR,1\nR,1\n",
       NN_TARGET_AUTO, true, 18, "R"},
      {"t,x\nA,1\nB,1\nC,1\nD,1\nE,1\nF,1\nG,1\nH,1\nI,1\nJ,1\nK,1\nL,1\nM,1\nN,1\nO,1\nP,1\nQ,1\nR,1\nS,1\nT,1\n",
       NN_TARGET_CLASS, true, 20, "T"},
      {"t,x\n1,1\n2,1\nB2,1\n3,1\n", NN_TARGET_CLASS, true, 4, "B2"},
      {"t,x\n1,1\n1,1\n3,1\n3,1\n1,1\n3,1\n5,1\n5,1\n1,1\n1,1\n1,1\n1,1\n", NN_TARGET_AUTO, true, 3, "5"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    loaded l;
    imported(s, cases[i].text, &(nn_import_csv_options){.target = "t", .target_mode = cases[i].mode}, &l);
    const nn_target_info *target = nn_dataset_target(l.set);
    if (target->classes != cases[i].classes || target->width != cases[i].width)
      fail_msg("case %zu: classes %d, width %zu", i, target->classes, target->width);
    if (cases[i].name == NULL)
      assert_null(target->names);
    else
      assert_string_equal(target->names[target->width - 1], cases[i].name);
    unload(&l);
  }
}

static void sets_are_drawn_by_the_seed_and_stratified(void **state) {
  scene *s = *state;
  nn_text csv = {0};
  nn_text_add(&csv, "x,kind\n");
  for (int i = 0; i < 150; i++) nn_text_add(&csv, "%d,%s\n", i, i < 50 ? "a" : i < 100 ? "b" : "c");
  uint64_t digests[3];
  for (int trial = 0; trial < 3; trial++) {
    const nn_import_csv_options wish = {
        .target = "kind", .valid_fraction = .1, .test_fraction = .2, .seed = trial == 2 ? 2 : 1};
    loaded l;
    imported(s, csv.at, &wish, &l);
    const size_t counts[NN_SET_COUNT] = {105, 15, 30};
    int times[150] = {0};
    for (int set = 0; set < NN_SET_COUNT; set++) {
      int classes[3] = {0};
      assert_int_equal(nn_dataset_count(l.set, (nn_set)set), counts[set]);
      float *x = all_x(l.set, (nn_set)set, 1);
      for (uint32_t i = 0; i < counts[set]; i++) {
        times[(int)x[i]]++;
        classes[nn_dataset_label(l.set, (nn_set)set, i)]++;
        assert_int_equal(nn_dataset_label(l.set, (nn_set)set, i), (int)x[i] / 50);
        assert_true(i == 0 || x[i] > x[i - 1]); /* in the order of the file */
      }
      for (int c = 0; c < 3; c++) assert_int_equal(classes[c], counts[set] / 3);
      free(x);
    }
    for (int i = 0; i < 150; i++) assert_int_equal(times[i], 1);
    digests[trial] = nn_dataset_digest(l.set);
    unload(&l);
  }
  assert_true(digests[0] == digests[1]);
  assert_true(digests[0] != digests[2]);
  nn_text_clear(&csv);
}

static void what_is_wrong_is_said_with_line_and_column(void **state) {
  scene *s = *state;
  const struct {
    const char *text, *target;
    int mode;
    const char *words[3];
  } cases[] = {
      {"", "t", 0, {"in.csv: is empty", ""}},
      {"\n \n\n", "t", 0, {"in.csv: is empty", ""}},
      {"a,t\n", "t", 0, {"in.csv:", "no rows", ""}},
      {"t\n1\n2\n", "t", 0, {"one column only", ""}},
      {"a,b\n1,2\n", "kind", 0, {"no column \"kind\"", "it has: a, b", ""}},
      {"a,b\n1,2\n", "3", 0, {"no column \"3\"", "it has: a, b", ""}},
      {"1,2\n3,4\n", "kind", 0, {"no column \"kind\"", "line 1 holds numbers", "column 2"}},
      {"t,a,t\n1,2,3\n", "t", 0, {"columns 1 and 3", "\"t\"", ""}},
      {"a,b,t\n1,2,3\n1,2\n", "t", 0, {"in.csv:3:", "2 cells where line 1 has 3", ""}},
      {"a,b,t\n1,2,3\n\n1,2,3,4\n", "t", 0, {"in.csv:4:", "4 cells", ""}},
      {"a,b,t\n1,,3\n", "t", 0, {"in.csv:2:", "column \"b\"", "empty"}},
      {"a,b,t\n1,2,3\n1,\"\",3\n", "t", 0, {"in.csv:3:", "column \"b\"", "empty"}},
      {"a,b,t\n1,2,3\n1,NaN,3\n", "t", 0, {"in.csv:3:", "column \"b\": \"NaN\"", "missing"}},
      {"a,b,t\n1,2,3\n1,inf,3\n", "t", 0, {"in.csv:3:", "column \"b\": \"inf\"", "missing"}},
      {"a,b,t\n1,red,3\n1,2,3\n", "t", 0, {"in.csv:2:", "column \"b\": \"red\"", "leave the column out"}},
      {"a,b,t\n1,2,3\n1,2x,3\n", "t", 0, {"in.csv:3:", "column \"b\": \"2x\"", "not a number"}},
      {"a;b;t\n1;2,5;3\n", "t", 0, {"in.csv:2:", "column \"b\": \"2,5\"", "decimal comma"}},
      {"1,5;2,5;x\n3,5;4,5;y\n", "3", 0, {"in.csv:2:", "\"3,5\"", "decimal comma"}},
      {"a,b,t\r\n1,2,3\r\n\r\n1,2\r\n", "t", 0, {"in.csv:4:", "2 cells", ""}},
      {"a,b,t\n1,0x10,3\n", "t", 0, {"in.csv:2:", "0x10", ""}},
      {"a,b,t\n1,1e39,3\n", "t", 0, {"in.csv:2:", "column \"b\": 1e39", "float32"}},
      {"a,b,t\n1,1e999,3\n", "t", 0, {"in.csv:2:", "column \"b\"", "1e999"}},
      {"1,2,x\n1,,y\n", "3", 0, {"in.csv:2:", "column \"column 2\"", "empty"}},
      {"a,t\n1,x\n2,\n", "t", 0, {"in.csv:3:", "column \"t\"", "empty"}},
      {"a,t\n1,2.5\n2,nan\n", "t", 0, {"in.csv:3:", "column \"t\"", "missing"}},
      {"a,t\n1,1\n2,2\n3,1\n4,oops\n", "t", 0, {"in.csv:5:", "\"oops\"", "most of the column"}},
      {"a,t\n1,A\n1,B\n1,C\n1,D\n1,E\n1,F\n1,G\n1,H\n1,I\n1,J\n1,K\n1,L\n1,M\n1,N\n1,O\n1,P\n1,Q\n1,R\n1,S\n1,T\n",
       "t",
       0,
       {"in.csv:2:", "column \"t\": \"A\" is text, and no two rows", "--target-type class"}},
      {"a,t\n1,1\n2,yes\n", "t", NN_TARGET_VALUE, {"in.csv:3:", "\"yes\"", "not a number"}},
      {"a,t\n1,1\n2,-1e40\n", "t", 0, {"in.csv:3:", "\"-1e40\"", "float32"}},
      {"a,\"b\nc\",t\n1,\"2\",x\n1,\"2\"3,y\n", "t", 0, {"in.csv:4:", "closing quote of cell 2", ""}},
      {"a,t\n1,\"x\n2,y\n3,z\n", "t", 0, {"in.csv:2:", "never ends", ""}},
      {"a,t\n1,caf\xe9\n2,b\n", "t", 0, {"in.csv:2:", "\"caf?\"", "UTF-8"}},
      {"caf\xe9,t\n1,a\n2,b\n", "t", 0, {"in.csv:1:", "column 1", "UTF-8"}},
      {"\xff\xfe"
       "a",
       "t",
       0,
       {"UTF-16", ""}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    nn_text summary = {0};
    const nn_import_csv_options wish = {.target = cases[i].target, .target_mode = cases[i].mode};
    (void)unlink(at(s, "out.h5"));
    assert_fails(import_text(s, cases[i].text, &wish, &summary), NN_ERR_DATA, cases[i].words[0], cases[i].words[1],
                 cases[i].words[2] == NULL ? "" : cases[i].words[2]);
    assert_int_not_equal(access(at(s, "out.h5"), F_OK), 0); /* nothing half is left */
    nn_text_clear(&summary);
  }
  nn_text summary = {0};
  const nn_import_csv_options wish = {.target = "t"};
  write_whole(at(s, "zero.csv"), "a,t\n1,2\n3\0,4\n", 13);
  char path[512];
  snprintf(path, sizeof path, "%s", s->path);
  assert_fails(import_file(s, path, &wish, &summary), NN_ERR_DATA, "zero.csv:3:", "zero byte");
  assert_fails(import_file(s, "/nowhere/a.csv", &wish, &summary), NN_ERR_DATA, "/nowhere/a.csv");
  assert_fails(import_file(s, s->folder, &wish, &summary), NN_ERR_DATA, "folder");
  nn_text_clear(&summary);
}

static void fractions_and_outputs_are_checked(void **state) {
  scene *s = *state;
  nn_text summary = {0};
  const char *text = "a,t\n1,x\n2,y\n";
  nn_import_csv_options wish = {.target = "t", .test_fraction = .5, .valid_fraction = .5};
  assert_fails(import_text(s, text, &wish, &summary), NN_ERR_USAGE, "fractions");
  wish.test_fraction = -.1;
  assert_fails(import_text(s, text, &wish, &summary), NN_ERR_USAGE, "fractions");
  wish.test_fraction = wish.valid_fraction = .4;
  assert_fails(import_text(s, text, &wish, &summary), NN_ERR_DATA, "2 rows", "3 sets");
  assert_ok(import_text(s, "a,t\n1,x\n2,y\n3,z\n", &wish, &summary)); /* one for each */
  nn_data_config c = settings(at(s, "out.h5"));
  loaded l;
  assert_ok(load(&c, 1, 1, &l));
  for (int set = 0; set < NN_SET_COUNT; set++) assert_int_equal(nn_dataset_count(l.set, (nn_set)set), 1);
  unload(&l);
  wish = (nn_import_csv_options){.file = at(s, "in.csv"), .target = "t", .output = "/dev/null/out.h5"};
  assert_fails(nn_import_csv(&wish, &summary), NN_ERR_IO, "/dev/null");
  nn_text_clear(&summary);
}

static void numbers_are_read_as_strtod_reads_them(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 20000; i++) {
    char text[64];
    const double value = nn_random_normal(1, NN_RANDOM_WEIGHTS, 0, i) * pow(10, (double)(i % 13) - 6);
    snprintf(text, sizeof text, i % 2 == 0 ? "%.*f" : "%.*g", (int)(i % 17), value);
    double got = 0;
    assert_true(nn__csv_real(text, &got));
    const double expected = strtod(text, NULL);
    if (memcmp(&got, &expected, sizeof got) != 0) fail_msg("%s: %.17g", text, got);
  }
  double value = 0;
  const char *const no[] = {"", ".", "-", "1-", "1..2", "1.2.3", "0x1", "1e", "--1", "1 2", "1,2", "e5", "infinity"};
  for (size_t i = 0; i < sizeof no / sizeof *no; i++) assert_false(nn__csv_real(no[i], &value));
}

/* Whatever the bytes, there is an answer. (The sanitizers' build gives this test its teeth.) */
static void broken_files_are_answered_not_crashed_on(void **state) {
  scene *s = *state;
  const char original[] = "a,\"b\"\"c\",t\r\n1,\"2\",\"x\ny\"\r\n-3.5,4e2,z\n5,6,\"\xc3\xa9\"\n7;8\t9";
  static const char bytes[] = "\"\"\",;\t\r\n\0 1.e-nx\xc3\xff";
  char path[512], text[sizeof original];
  snprintf(path, sizeof path, "%s", at(s, "broken.csv"));
  for (uint64_t trial = 0; trial < 3000; trial++) {
    const size_t length = (size_t)nn_random_below(trial, NN_RANDOM_WEIGHTS, 0, 0, sizeof original);
    memcpy(text, original, sizeof original);
    for (uint64_t i = 0; i < 1 + trial % 4; i++)
      text[nn_random_below(trial, NN_RANDOM_WEIGHTS, 1, i, sizeof original - 1)] =
          bytes[nn_random_below(trial, NN_RANDOM_WEIGHTS, 2, i, sizeof bytes - 1)];
    write_whole(path, text, trial % 2 == 0 ? sizeof original - 1 : length);
    nn__csv_table table = {0};
    const nn_status status = nn__csv_table_read(path, trial % 3 == 0 ? "t" : "1", &table);
    assert_true(status == NN_OK || status == NN_ERR_DATA);
    if (status != NN_OK) {
      assert_non_null(strstr(nn_error_last()->message, "broken.csv"));
      continue;
    }
    nn__csv_target target = {0};
    if (nn__csv_target_read(&table, NN_TARGET_AUTO, &target) == NN_OK) nn__csv_target_clear(&target);
    nn__csv_table_close(&table);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(quotes_semicolons_and_byte_order_marks_are_understood),
      cmocka_unit_test(ways_to_write_the_same_table_give_the_same_data),
      cmocka_unit_test(names_in_line_one_may_be_numbers_if_the_target_is_a_name),
      cmocka_unit_test(target_columns_are_classes_or_values_by_their_cells),
      cmocka_unit_test(sets_are_drawn_by_the_seed_and_stratified),
      cmocka_unit_test(what_is_wrong_is_said_with_line_and_column),
      cmocka_unit_test(fractions_and_outputs_are_checked),
      cmocka_unit_test(numbers_are_read_as_strtod_reads_them),
      cmocka_unit_test(broken_files_are_answered_not_crashed_on),
  };
  return cmocka_run_group_tests_name("data.csv", tests, scene_setup, scene_teardown);
}
