/* Thousands of damaged configurations: none may crash or leak (the sanitizers look), each fails with a message or reads
 * back as it was written. The damage is drawn by a fixed random stream, so that a failure can be repeated. */
#include <stdarg.h>
#include <stddef.h>

#include "config_fakes.h"

static const char start[] = "run: {name: fuzz, seed: 3, progress: lines}\n"
                            "data:\n"
                            "  inline: {x: [[0, 0], [0, 1]], y: [0, 1], test_x: [[1, 1]], test_y: [0]}\n"
                            "  scale: 0.5\n"
                            "  class_weights: given\n"
                            "  class_weight_values: [1, 2.5]\n"
                            "model:\n"
                            "  layers:\n"
                            "    - {dense: {units: 4, name: fc1, init: {name: given, weight: [[1, 2], [3, 4]]}}}\n"
                            "    - relu\n"
                            "    - dense:\n"
                            "        units: auto\n"
                            "        bias: false\n"
                            "  freeze: [fc1, \"b \\u00e4\"]  # words\n"
                            "train:\n"
                            "  loss: {name: cross_entropy, label_smoothing: 0.1}\n"
                            "  optimizer: {name: sgd, lr: 0.01, momentum: 0.9}\n"
                            "  schedule: constant\n"
                            "  epochs: 10\n"
                            "  batch_size: 64\n"
                            "  early_stop: {patience: 5, min_delta: 1e-4}\n"
                            "parallel: {threads: auto, virtual_ranks: 4}\n"
                            "checkpoint: {every_epochs: 5, keep: 2}\n"
                            "history: {every: 1}\n";

static const char *const pieces[] = {"[",
                                     "]",
                                     "{",
                                     "}",
                                     ":",
                                     ": ",
                                     ",",
                                     "- ",
                                     "\n",
                                     "\n  ",
                                     "#",
                                     "\"",
                                     "'",
                                     "&a ",
                                     "*a",
                                     "!!int ",
                                     "---\n",
                                     "...\n",
                                     "? ",
                                     "|\n",
                                     ">\n",
                                     "<<",
                                     "~",
                                     "null",
                                     "true",
                                     "1e3",
                                     "010",
                                     "-1",
                                     ".nan",
                                     "\t",
                                     "\xff",
                                     "\xc3",
                                     "\xe2\x80\xa8",
                                     "\\u0000",
                                     "%YAML ",
                                     "auto",
                                     "relu",
                                     "dense",
                                     "name",
                                     "sgd",
                                     "layers",
                                     "hidden",
                                     "lr",
                                     "units",
                                     "train:",
                                     "[[[[[",
                                     "{a: {",
                                     "0x10",
                                     "99999999999999999999",
                                     "@",
                                     "`",
                                     "\\",
                                     "\r",
                                     "\r\n",
                                     "\xef\xbb\xbf"};

static const char *const paths[] = {
    "train.epochs", "train.optimizer",     "train.optimizer.lr", "model.layers.0.dense.units",
    "model.layers", "model.layers.1",      "model.hidden",       "data.inline.x",
    "data.inline",  "model.layers.1.relu", "run.name",           "model.activation.slope",
    "history",      "train.schedule.name", "nowhere.at.all",     "model.layers.2.dense.init.std"};

typedef struct mutant {
  uint64_t number, drawn;
  char text[4096];
  size_t length;
} mutant;

static size_t draw(mutant *m, size_t below) {
  return (size_t)nn_random_below(20240229, NN_RANDOM_SPLIT, m->number, m->drawn++, below);
}

static void insert(mutant *m, size_t at, const char *bytes, size_t count) {
  if (m->length + count > sizeof m->text - 1) return;
  memmove(m->text + at + count, m->text + at, m->length - at);
  memcpy(m->text + at, bytes, count);
  m->length += count;
}

static void damage(mutant *m) {
  const size_t at = draw(m, m->length + 1), rest = m->length - at;
  const size_t count = draw(m, 12) < rest ? draw(m, 12) % (rest + 1) : 0;
  char copy[64];
  switch (draw(m, 6)) {
  case 0: /* a bit flips */
    if (rest > 0) m->text[at] = (char)(m->text[at] ^ (1 << draw(m, 8)));
    break;
  case 1: /* some bytes are lost */
    memmove(m->text + at, m->text + at + count, rest - count);
    m->length -= count;
    break;
  case 2: /* some bytes come twice */
    memcpy(copy, m->text + at, count);
    insert(m, at, copy, count);
    break;
  case 3: /* cut off */
    if (draw(m, 8) == 0) m->length = at;
    break;
  case 4: { /* a part is carried elsewhere */
    memcpy(copy, m->text + at, count);
    insert(m, draw(m, m->length + 1), copy, count);
    break;
  }
  default: { /* something that means something */
    const char *piece = pieces[draw(m, sizeof pieces / sizeof *pieces)];
    insert(m, at, piece, strlen(piece));
  }
  }
}

/* A `--set` with a value that is a piece of the text or of the list. */
static void draw_set(mutant *m, char set[128]) {
  const char *path = paths[draw(m, sizeof paths / sizeof *paths)];
  if (draw(m, 2) == 0) {
    snprintf(set, 128, "%s=%s%s", path, pieces[draw(m, sizeof pieces / sizeof *pieces)],
             pieces[draw(m, sizeof pieces / sizeof *pieces)]);
  } else {
    const size_t at = draw(m, sizeof start - 24);
    snprintf(set, 128, "%s=%.*s", path, (int)draw(m, 24), start + at);
  }
}

static void want_round_trip(const nn_config *config) {
  nn_text text = {0}, differences = {0};
  size_t count = 0;
  assert_int_equal(nn_config_write(config, &text), NN_OK);
  nn_config *again = parse_good(text.at);
  assert_int_equal(nn_config_compare(config, again, &differences, &count), NN_OK);
  if (count > 0) fail_msg("%s", differences.at);
  nn_config_destroy(&again);
  nn_text_clear(&text);
  nn_text_clear(&differences);
}

static void damaged_configurations_fail_with_a_message_or_read_back(void **state) {
  (void)state;
  enum { MUTANTS = 6000 };
  size_t good = 0, bad = 0;
  for (uint64_t number = 0; number < MUTANTS; number++) {
    static mutant m;
    m.number = number;
    m.drawn = 0;
    m.length = sizeof start - 1;
    memcpy(m.text, start, m.length);
    for (size_t left = number == 0 ? 0 : draw(&m, 5); left > 0; left--) damage(&m);
    char set[128];
    const char *sets[] = {set};
    const size_t set_count = draw(&m, 3) == 0;
    draw_set(&m, set);
    nn_config *config = NULL;
    const nn_status status = nn_config_parse(m.text, m.length, "fuzz.yaml", sets, set_count, &fake_registry, &config);
    if (status == NN_OK) {
      good++;
      want_round_trip(config);
    } else {
      bad++;
      assert_int_equal(status, NN_ERR_CONFIG);
      assert_null(config);
      assert_true(nn_error_last()->message[0] != '\0');
    }
    nn_config_destroy(&config);
  }
  assert_true(good > MUTANTS / 10); /* else the damage is too heavy to reach the inner parts */
  assert_true(bad > MUTANTS / 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_configurations_fail_with_a_message_or_read_back)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
