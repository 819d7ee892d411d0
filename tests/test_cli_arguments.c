/* The command line: commands, options, operands, and what is said about mistakes. */
#include "cli/cli.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 16 };

/* Splits at spaces ("''" is an empty word); the words live as long as the next call. */
static nn_status parse(const char *line, nn__arguments *out) {
  static char copy[512];
  static char *words[WORDS_MAX];
  int count = 0;
  snprintf(copy, sizeof copy, "%s", line);
  for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
    assert_true(count < WORDS_MAX);
    words[count++] = strcmp(word, "''") == 0 ? word + 2 : word;
  }
  return nn__arguments_parse(count, words, out);
}

static void expect_command(const char *line, const char *name) {
  nn__arguments arguments;
  assert_int_equal(parse(line, &arguments), NN_OK);
  assert_string_equal(arguments.command->name, name);
  nn__arguments_clear(&arguments);
}

/* The message must hold every one of the parts between bars. */
static void expect_usage_error(const char *line, const char *parts) {
  nn__arguments arguments;
  char copy[256];
  assert_int_equal(parse(line, &arguments), NN_ERR_USAGE);
  nn__arguments_clear(&arguments);
  snprintf(copy, sizeof copy, "%s", parts);
  for (char *part = strtok(copy, "|"); part != NULL; part = strtok(NULL, "|"))
    if (strstr(nn_error_last()->message, part) == NULL)
      fail_msg("'%s': the message '%s' lacks '%s'", line, nn_error_last()->message, part);
}

static void commands_are_told_by_their_first_words(void **state) {
  (void)state;
  expect_command("a.yaml", "");
  expect_command("--quiet a.yaml", "");
  expect_command("./inspect", "");
  expect_command("import", "import");
  expect_command("import idx", "import idx");
  expect_command("import csv a.csv", "import csv");
  expect_command("inspect import", "inspect");
  expect_command("inspect a.h5", "inspect");
  expect_command("evaluate c.h5 d.h5", "evaluate");
  expect_command("predict c.h5", "predict");
}

static void options_stand_before_or_after_operands(void **state) {
  static const char *const lines[] = {"a.yaml --set a=1 --dry-run --ranks 8 --set b.c=2,3",
                                      "--set a=1 --dry-run a.yaml --ranks=8 --set=b.c=2,3",
                                      "--ranks 8 --set=a=1 --set b.c=2,3 --dry-run -- a.yaml"};
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    nn__arguments arguments;
    int64_t ranks = 0;
    assert_int_equal(parse(lines[i], &arguments), NN_OK);
    assert_int_equal(arguments.operand_count, 1);
    assert_string_equal(arguments.operands[0], "a.yaml");
    assert_int_equal(arguments.repeated_count, 2);
    assert_string_equal(arguments.repeated[0], "a=1");
    assert_string_equal(arguments.repeated[1], "b.c=2,3");
    assert_true(nn__option_given(&arguments, "dry-run"));
    assert_false(nn__option_given(&arguments, "restart"));
    assert_int_equal(nn__option_int(&arguments, "ranks", 1, 8, &ranks), NN_OK);
    assert_int_equal(ranks, 8);
    nn__arguments_clear(&arguments);
  }
}

static void two_dashes_end_the_options(void **state) {
  (void)state;
  nn__arguments arguments;
  assert_int_equal(parse("inspect -- --help", &arguments), NN_OK);
  assert_false(arguments.help);
  assert_string_equal(arguments.operands[0], "--help");
  nn__arguments_clear(&arguments);
}

static void short_options_take_their_value_in_every_usual_way(void **state) {
  static const char *const lines[] = {"predict c.h5 d.h5 -o out.csv", "predict -oout.csv c.h5 d.h5",
                                      "predict -o=out.csv c.h5 d.h5", "predict c.h5 --output out.csv d.h5",
                                      "predict c.h5 d.h5 --output=out.csv"};
  (void)state;
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    nn__arguments arguments;
    assert_int_equal(parse(lines[i], &arguments), NN_OK);
    assert_string_equal(nn__option_text(&arguments, "output"), "out.csv");
    assert_int_equal(arguments.operand_count, 2);
    nn__arguments_clear(&arguments);
  }
}

static void a_negative_number_is_a_value(void **state) {
  (void)state;
  nn__arguments arguments;
  assert_int_equal(parse("predict c.h5 --row -3,14", &arguments), NN_OK);
  assert_string_equal(nn__option_text(&arguments, "row"), "-3,14");
  nn__arguments_clear(&arguments);
}

static void help_needs_nothing_else(void **state) {
  static const char *const lines[] = {
      "--help", "-h", "import --help", "import csv -h", "predict --help", "a.yaml b.yaml --help"};
  (void)state;
  for (size_t i = 0; i + 1 < sizeof lines / sizeof *lines; i++) {
    nn__arguments arguments;
    assert_int_equal(parse(lines[i], &arguments), NN_OK);
    assert_true(arguments.help);
    nn__arguments_clear(&arguments);
  }
  expect_usage_error(lines[5], "b.yaml"); /* what is wrong before it is said first */
  nn__arguments arguments;
  assert_int_equal(parse("--version", &arguments), NN_OK);
  assert_true(nn__option_given(&arguments, "version"));
  nn__arguments_clear(&arguments);
}

static void misspelt_options_get_a_suggestion(void **state) {
  (void)state;
  expect_usage_error("a.yaml --dryrun", "'--dryrun'|did you mean '--dry-run'");
  expect_usage_error("a.yaml --dry", "did you mean '--dry-run'");
  expect_usage_error("a.yaml -restart", "'-restart'|did you mean '--restart'");
  expect_usage_error("a.yaml --sett=a=1", "did you mean '--set'");
  expect_usage_error("a.yaml --hlep", "did you mean '--help'");
  expect_usage_error("predict c.h5 -output=x.csv", "did you mean '--output'");
  expect_usage_error("evaluate c.h5 d.h5 --batch-size 3", "'--batch-size'|'nnmpi evaluate --help'");
  expect_usage_error("a.yaml -z", "'-z'|'nnmpi --help'");
}

static void options_without_their_value_are_named(void **state) {
  (void)state;
  expect_usage_error("a.yaml --set", "--set needs a value|KEY.PATH=VALUE");
  expect_usage_error("a.yaml --set --dry-run", "--set needs a value");
  expect_usage_error("a.yaml --ranks=", "--ranks|empty");
  expect_usage_error("a.yaml --ranks ''", "--ranks|empty");
  expect_usage_error("a.yaml --quiet=yes", "--quiet takes no value");
  expect_usage_error("a.yaml --ranks 2 --ranks 3", "--ranks is given twice|'2'|'3'");
}

static void misspelt_commands_get_a_suggestion(void **state) {
  (void)state;
  expect_usage_error("inspct a.h5", "unknown command 'inspct'|did you mean 'inspect'");
  expect_usage_error("eval c.h5 d.h5", "did you mean 'evaluate'");
  expect_usage_error("train a.yaml", "training needs no command|nnmpi CONFIG.yaml");
  expect_usage_error("frobnicate a.h5", "unknown command 'frobnicate'|nnmpi --help");
  expect_usage_error("import cvs --target y a.cvs", "unknown format 'cvs'|did you mean 'import csv'");
  expect_usage_error("import parquet", "unknown format 'parquet'|import idx|import csv");
  expect_usage_error("--quiet inspect a.h5", "'inspect' must come first");
}

static void missing_and_surplus_operands_are_named(void **state) {
  (void)state;
  expect_usage_error("", "nnmpi CONFIG.yaml|nnmpi --help");
  expect_usage_error("--quiet", "CONFIG.yaml is missing");
  expect_usage_error("inspect", "FILE.h5 is missing|nnmpi inspect FILE.h5");
  expect_usage_error("evaluate", "CHECKPOINT.h5 is missing|nnmpi evaluate CHECKPOINT.h5 DATA.h5");
  expect_usage_error("evaluate c.h5", "DATA.h5 is missing");
  expect_usage_error("evaluate c.h5 d.h5 e.h5", "'e.h5' is one word too many");
  expect_usage_error("a.yaml b.yaml", "'b.yaml' is one word too many");
  expect_usage_error("a.yaml train.epochs=3", "did you mean '--set train.epochs=3'");
  expect_usage_error("import idx a.gz", "'a.gz' is one word too many|'nnmpi import idx --help'");
}

static void numbers_are_taken_whole_and_in_range(void **state) {
  static const char *const wrong[] = {"0", "9", "1e1", "3x", "08", "0x3", "-1", "99999999999999999999"};
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    nn__arguments arguments;
    char line[64];
    int64_t value = 5;
    snprintf(line, sizeof line, "evaluate c.h5 d.h5 --threads %s", wrong[i]);
    assert_int_equal(parse(line, &arguments), NN_OK);
    assert_int_equal(nn__option_int(&arguments, "threads", 1, 8, &value), NN_ERR_USAGE);
    assert_non_null(strstr(nn_error_last()->message, wrong[i]));
    assert_int_equal(value, 5);
    nn__arguments_clear(&arguments);
  }
}

static void shares_are_below_one(void **state) {
  static const char *const wrong[] = {"1", "-0.1", "nan", "20%", "1e999"};
  (void)state;
  nn__arguments arguments;
  double share = 0.5;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    char line[64];
    snprintf(line, sizeof line, "import csv a.csv --test-fraction %s", wrong[i]);
    assert_int_equal(parse(line, &arguments), NN_OK);
    assert_int_equal(nn__option_share(&arguments, "test-fraction", &share), NN_ERR_USAGE);
    nn__arguments_clear(&arguments);
  }
  assert_int_equal(parse("import csv a.csv --test-fraction 0.25", &arguments), NN_OK);
  assert_int_equal(nn__option_share(&arguments, "test-fraction", &share), NN_OK);
  assert_true(share == 0.25);
  assert_int_equal(nn__option_share(&arguments, "valid-fraction", &share), NN_OK);
  assert_true(share == 0.25); /* not given: kept */
  nn__arguments_clear(&arguments);
}

static void a_word_is_one_of_the_list(void **state) {
  static const char *const words[] = {"train", "valid", "test", NULL};
  (void)state;
  nn__arguments arguments;
  const char *word = NULL;
  assert_int_equal(parse("evaluate c.h5 d.h5 --split valid", &arguments), NN_OK);
  assert_int_equal(nn__option_word(&arguments, "split", words, &word), NN_OK);
  assert_string_equal(word, "valid");
  nn__arguments_clear(&arguments);
  assert_int_equal(parse("evaluate c.h5 d.h5 --split all", &arguments), NN_OK);
  assert_int_equal(nn__option_word(&arguments, "split", words, &word), NN_ERR_USAGE);
  assert_non_null(strstr(nn_error_last()->message, "'all' is not one of train, valid or test"));
  nn__arguments_clear(&arguments);
}

static void usage_texts_fit_a_terminal_and_name_every_option(void **state) {
  (void)state;
  for (size_t i = 0; nn__commands[i] != NULL; i++) {
    const nn__command *command = nn__commands[i];
    for (const char *line = command->usage; *line != '\0'; line += strcspn(line, "\n") + 1)
      assert_in_range(strcspn(line, "\n"), 0, 90);
    for (const nn__option *option = command->options; option->name != NULL; option++) {
      char name[64];
      snprintf(name, sizeof name, "--%s", option->name);
      if (strstr(command->usage, name) == NULL) fail_msg("usage of '%s' lacks %s", command->name, name);
    }
    for (size_t k = 0; k < command->required; k++) assert_non_null(strstr(command->usage, command->operands[k]));
  }
}

static void the_option_that_is_missing_is_named(void **state) {
  (void)state;
  nn__arguments arguments;
  const char *value = NULL;
  assert_int_equal(parse("import csv a.csv", &arguments), NN_OK);
  assert_int_equal(nn__option_required(&arguments, "target", &value), NN_ERR_USAGE);
  assert_non_null(strstr(nn_error_last()->message, "--target COLUMN is missing"));
  assert_int_equal(nn__option_required(&arguments, "output", &value), NN_ERR_USAGE);
  assert_non_null(strstr(nn_error_last()->message, "-o FILE.h5 is missing"));
  nn__arguments_clear(&arguments);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(commands_are_told_by_their_first_words),
      cmocka_unit_test(options_stand_before_or_after_operands),
      cmocka_unit_test(two_dashes_end_the_options),
      cmocka_unit_test(short_options_take_their_value_in_every_usual_way),
      cmocka_unit_test(a_negative_number_is_a_value),
      cmocka_unit_test(help_needs_nothing_else),
      cmocka_unit_test(misspelt_options_get_a_suggestion),
      cmocka_unit_test(options_without_their_value_are_named),
      cmocka_unit_test(misspelt_commands_get_a_suggestion),
      cmocka_unit_test(missing_and_surplus_operands_are_named),
      cmocka_unit_test(numbers_are_taken_whole_and_in_range),
      cmocka_unit_test(shares_are_below_one),
      cmocka_unit_test(a_word_is_one_of_the_list),
      cmocka_unit_test(usage_texts_fit_a_terminal_and_name_every_option),
      cmocka_unit_test(the_option_that_is_missing_is_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
