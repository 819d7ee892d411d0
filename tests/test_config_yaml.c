/* YAML itself: what is generous in it is refused, with a place and advice. */
#include <stdarg.h>
#include <stddef.h>

#include "config_fakes.h"

#define PLACE "dir/my.run.yaml:"

static void empty_texts_are_errors(void **state) {
  (void)state;
  static const char *const texts[] = {"", "\n\n", "# only\n  # comments\n", "\xef\xbb\xbf", "---\n...\n", "   "};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    nn_config *config = NULL;
    assert_int_equal(parse_with(texts[i], NULL, 0, &config), NN_ERR_CONFIG);
    assert_null(config);
    if (i != 4) want_in_message(PLACE "1:1: empty: there is no key in it; see nnmpi --help-config");
  }
  want_error("--- \n...\n", "expected the sections run, data, model, train, …, found no value");
  want_error("", PLACE "1:1: empty");
}

static void the_text_must_be_a_mapping_of_sections(void **state) {
  (void)state;
  want_error("[1, 2]", PLACE "1:1: expected the sections run, data, model, train, …, found a list");
  want_error("# x\nword", PLACE "2:1: expected the sections run, data, model, train, …, found a single value");
}

static void one_document_with_or_without_its_marks(void **state) {
  (void)state;
  nn_config *c = parse_good("%YAML 1.1\n---\n" MINIMAL "...\n");
  nn_config_destroy(&c);
  want_error(MINIMAL "---\n" MINIMAL, PLACE "8:1: a second document begins here; keep one");
}

static void a_byte_order_mark_is_harmless(void **state) {
  (void)state;
  nn_config *c = parse_good("\xef\xbb\xbf" MINIMAL);
  nn_config_destroy(&c);
  want_error("\xef\xbb\xbfrun: {sed: 1}", PLACE "1:7: run.sed");
}

static void other_line_ends_count_lines_alike(void **state) {
  (void)state;
  want_error("run:\r\n  seed: 1\r\n  sed: 1\r\n", PLACE "3:3: run.sed: unknown key");
  want_error("run:\r  seed: 1\r  sed: \xff\r", PLACE "3:8: byte 0xff is not UTF-8");
}

static void anchors_aliases_and_tags_are_refused(void **state) {
  (void)state;
  want_error("run: {seed: &a 1}",
             PLACE "1:13: run.seed: anchor 'a' is not supported; write the value where it is used");
  want_error("run: {seed: *a}", PLACE "1:13: run.seed: alias 'a' is not supported; write the value here");
  want_error("run: {seed: !!int 1}", PLACE "1:13: run.seed: tag 'tag:yaml.org,2002:int' is not supported; remove it");
  want_error("run: {seed: !x 1}", "run.seed: tag '!x' is not supported");
  want_error("model: &m {hidden: [1]}\ntrain: *m", PLACE "1:8: model: anchor 'm' is not supported");
  want_error("model: {hidden: &h [1]}", PLACE "1:17: model.hidden: anchor 'h' is not supported");
  want_error("&k run: {seed: 1}", PLACE "1:1: anchor 'k' is not supported");
  want_error("*k : 1", PLACE "1:1: alias 'k' is not supported");
  want_error("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]", PLACE "2:8: b.0: alias 'a' is not supported");
  want_error("&r {run: {seed: 1}}", PLACE "1:1: anchor 'r' is not supported");
}

static void an_alias_is_complained_about_once(void **state) {
  (void)state;
  nn_config *config = NULL;
  assert_int_equal(parse_with(MINIMAL "run: {seed: *a, name: !!str b}\n", NULL, 0, &config), NN_ERR_CONFIG);
  assert_string_equal(nn_error_last()->message,
                      PLACE "8:13: run.seed: alias 'a' is not supported; write the value here\n" PLACE
                            "8:23: run.name: tag 'tag:yaml.org,2002:str' is not supported; remove it");
}

static void a_key_is_given_once(void **state) {
  (void)state;
  want_error("run:\n  seed: 1\n  seed: 1\n", PLACE "3:3: run.seed: given twice, first at line 2; remove one of them");
  want_error("run: {seed: 1}\nrun: {name: a}", PLACE "2:1: run: given twice, first at line 1");
  want_error("model: {layers: [{dense: {units: 1, units: 2}}]}", "model.layers.0.dense.units: given twice");
}

static void keys_are_words(void **state) {
  (void)state;
  want_error("run: {[a]: 1}", PLACE "1:7: run: a key must be a word, found a list");
  want_error("{a: b}: 1", PLACE "1:1: a key must be a word, found a mapping");
  want_error("run: {'': 1}", PLACE "1:7: run: a key without a name");
  want_error("? [run]\n: 1", PLACE "1:3: a key must be a word");
  nn_config *c = parse_good("'run': {\"seed\": 4}\n" MINIMAL);
  assert_int_equal(c->run.seed, 4);
  nn_config_destroy(&c);
}

static void tabs_are_refused_where_they_mislead(void **state) {
  (void)state;
  want_error("run:\n\tseed: 1\n", PLACE "2:1: a tab in the indentation; indent with spaces");
  want_error("run:\n  \tseed: 1\n", PLACE "2:3: a tab in the indentation");
  want_error(MINIMAL "\t\n", PLACE "8:1: a tab in the indentation");
  want_error("run: {name: \xc3\xa9,\n  seed:\n  \t1}", PLACE "3:3: a tab in the indentation");
  want_error("run: {name: \xc3\xa9}\nmodel:\n  freeze:\n  -\ta\n", PLACE "4:4: a tab; use spaces");
  nn_config *c = parse_good(MINIMAL "run: {seed:\t7}\t# tab\n");
  assert_int_equal(c->run.seed, 7);
  nn_config_destroy(&c);
}

static void what_is_not_text_is_refused(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t length;
    const char *expected;
  } cases[] = {
      {"a: b\xff", 5, PLACE "1:5: byte 0xff is not UTF-8; save the text as UTF-8"},
      {"a: \xc3(", 5, PLACE "1:4: byte 0xc3 is not UTF-8"},
      {"a: \xc0\x80", 5, "byte 0xc0 is not UTF-8"},
      {"a: \xed\xa0\x80", 6, "byte 0xed is not UTF-8"},
      {"a: \xf4\x90\x80\x80", 7, "byte 0xf4 is not UTF-8"},
      {"a: \xe2\x82", 5, "byte 0xe2 is not UTF-8"},
      {"\xff\xfe\x61\x00", 4, PLACE "1:1: byte 0xff is not UTF-8"},
      {"a: b\nc\0d", 8, PLACE "2:2: control character U+0000; remove it"},
      {"\x89HDF\r\n\x1a\n", 8, PLACE "1:1: byte 0x89 is not UTF-8"},
      {"a: \x1b[1m", 7, PLACE "1:4: control character U+001B"},
      {"a: \xc2\x80", 5, "control character U+0080"},
      {"a: \xef\xbf\xbf", 6, "control character U+FFFF"},
      {"a: \xef\xbb\xbf", 6, "control character U+FEFF"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    nn_config *config = NULL;
    assert_int_equal(
        nn_config_parse(cases[i].bytes, cases[i].length, "dir/my.run.yaml", NULL, 0, &fake_registry, &config),
        NN_ERR_CONFIG);
    want_in_message(cases[i].expected);
  }
}

static void syntax_errors_come_with_advice(void **state) {
  (void)state;
  want_error("run: {seed: 1", PLACE "1:14: not valid YAML: did not find expected ',' or '}'");
  want_error("model: {hidden: [1, 2}", "separate elements by commas and close the list with ']'");
  want_error("run: name: a", PLACE "1:10: not valid YAML: mapping values are not allowed in this context; check");
  want_error("run:\n  seed: 1\n name: a", "not valid YAML: did not find expected key");
  want_error("run: \"a\n\n",
             PLACE "1:8: not valid YAML: found unexpected end of stream (while scanning a quoted scalar");
  want_error("run:\n  seed: 1\nepochs\ntrain: {}", "could not find expected ':'");
  want_error("run: @a",
             PLACE "1:6: not valid YAML: found character that cannot start any token; quote text that begins");
  want_error("run: [a, b", "not valid YAML");
  want_error("run: - a", "block sequence entries are not allowed in this context; start the list on a line of its own");
  want_error("a: \"\\uD800\"", "not valid YAML: found invalid Unicode character escape code");
}

static void errors_before_a_syntax_error_are_told_too(void **state) {
  (void)state;
  nn_config *config = NULL;
  assert_int_equal(parse_with("run: {seed: &a 1, seed: 2}\ntrain: {", NULL, 0, &config), NN_ERR_CONFIG);
  assert_non_null(strstr(nn_error_last()->message, PLACE "1:13: run.seed: anchor"));
  assert_non_null(strstr(nn_error_last()->message, PLACE "1:19: run.seed: given twice"));
  assert_non_null(strstr(nn_error_last()->message, "not valid YAML"));
  assert_null(strstr(nn_error_last()->message, "missing"));
}

static char *repeated(const char *start, const char *unit, size_t count, const char *end) {
  nn_text text = {0};
  nn_text_add(&text, "%s", start);
  for (size_t i = 0; i < count; i++) nn_text_add(&text, "%s", unit);
  nn_text_add(&text, "%s", end);
  assert_int_equal(nn_text_status(&text), NN_OK);
  return text.at;
}

static void depth_and_size_are_bounded(void **state) {
  (void)state;
  char *deep_enough = repeated("run: ", "[", 31, "1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
  want_error(deep_enough, "run: expected a section with keys, found a list");
  nn_free(deep_enough);
  char *too_deep = repeated("run: ", "[", 32, "1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
  want_error(too_deep, "more than 32 levels of nesting");
  nn_free(too_deep);
  static const char *const units[] = {"[", "{a: ", "- ", "? "};
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    char *hostile = repeated("", units[i], 20000, "");
    nn_config *config = NULL;
    assert_int_equal(parse_with(hostile, NULL, 0, &config), NN_ERR_CONFIG);
    nn_free(hostile);
  }
  char *big = repeated(MINIMAL "# ", "x", 4 * 1024 * 1024, "\n");
  want_error(big, "more than 4194304; keep arrays in an HDF5 file");
  nn_free(big);
  char *fits = repeated(MINIMAL "# ", "x", 4 * 1024 * 1024 - strlen(MINIMAL "# \n"), "\n");
  nn_config *c = parse_good(fits);
  nn_config_destroy(&c);
  nn_free(fits);
}

static void many_values_and_keys_are_bounded(void **state) {
  (void)state;
  char *values = repeated("data: [", "1,", 600000, "1]");
  want_error(values, "more than 500000 values; keep arrays in an HDF5 file");
  nn_free(values);
  nn_text keys = {0};
  nn_text_add(&keys, "run:\n");
  for (int i = 0; i < 400; i++) nn_text_add(&keys, "  k%d: 1\n", i);
  want_error(keys.at, PLACE "258:3: run: more than 256 keys in one mapping");
  nn_text_clear(&keys);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(empty_texts_are_errors),
      cmocka_unit_test(the_text_must_be_a_mapping_of_sections),
      cmocka_unit_test(one_document_with_or_without_its_marks),
      cmocka_unit_test(a_byte_order_mark_is_harmless),
      cmocka_unit_test(other_line_ends_count_lines_alike),
      cmocka_unit_test(anchors_aliases_and_tags_are_refused),
      cmocka_unit_test(an_alias_is_complained_about_once),
      cmocka_unit_test(a_key_is_given_once),
      cmocka_unit_test(keys_are_words),
      cmocka_unit_test(tabs_are_refused_where_they_mislead),
      cmocka_unit_test(what_is_not_text_is_refused),
      cmocka_unit_test(syntax_errors_come_with_advice),
      cmocka_unit_test(errors_before_a_syntax_error_are_told_too),
      cmocka_unit_test(depth_and_size_are_bounded),
      cmocka_unit_test(many_values_and_keys_are_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
