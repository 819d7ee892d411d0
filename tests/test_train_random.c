/* train.random: networks, data, batch sizes and virtual ranks drawn at random, trained by all ranks of this job and by
 * one process: byte for byte the same. Run at several numbers of ranks. What is drawn follows from the number of the
 * case alone; NNMPI_TEST_CASES says how many there are, NNMPI_TEST_FIRST the number of the first. */
#include "bits_testing.h"

enum { CASES = 12 };

static uint64_t case_number, drawn; /* what is drawn next follows from these */

static uint64_t draw(uint64_t n) {
  return nn_random_below(17, NN_RANDOM_SPLIT, case_number, drawn++, n);
}

static const char *draw_word(const char *const *words, size_t count) {
  return words[draw(count)];
}

#define DRAW(...)                                                                                                      \
  draw_word((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* Dense layers with something between them. */
static void draw_model(char text[400]) {
  size_t used = (size_t)snprintf(text, 400, "init: %s, layers: [", DRAW("pytorch", "he", "xavier", "normal"));
  for (uint64_t layers = draw(4); layers > 0; layers--) {
    used += (size_t)snprintf(text + used, 400 - used, "{dense: {units: %d}}, %s, ", (int)(1 + draw(40)),
                             DRAW("relu", "leaky_relu", "sigmoid", "tanh", "gelu", "softplus", "arctan", "softmax"));
    if (draw(3) == 0)
      used += (size_t)snprintf(text + used, 400 - used, "{dropout: {rate: 0.%d}}, ", (int)(1 + draw(8)));
  }
  snprintf(text + used, 400 - used, "dense]");
}

static void draw_train(const char *loss, int virtual_ranks, char text[400]) {
  const char *const optimizer =
      DRAW("sgd", "sgd, momentum: 0.9", "sgd, momentum: 0.8, nesterov: true, weight_decay: 0.001", "adam", "adamw",
           "rmsprop");
  const char *const reduction = DRAW("mean", "sum");
  snprintf(text, 400,
           "loss: {name: %s, reduction: %s}, epochs: 1, batch_size: %d, clip_norm: %s, schedule: %s, "
           "optimizer: {name: %s, lr: 0.00%s%d}",
           loss, reduction, virtual_ranks + (int)draw(60), DRAW("0", "0.5", "10"),
           DRAW("constant", "cosine", "{name: cosine, warmup_epochs: 0.5}"), optimizer,
           strcmp(reduction, "sum") == 0 ? "0" : "", (int)(1 + draw(9)));
}

static void random_networks_give_the_same_bits(void **state) {
  nn_comm *comm = *state;
  const char *wish = getenv("NNMPI_TEST_CASES"), *first_wish = getenv("NNMPI_TEST_FIRST");
  int64_t count = CASES, first = 0;
  if (wish != NULL) assert_true(nn_parse_int(wish, &count));
  if (first_wish != NULL) assert_true(nn_parse_int(first_wish, &first));
  for (int64_t i = first; i < first + count; i++) {
    char name[32], model[400], train[400], extra[200], yaml[2048], parallel[80];
    nn_train_result alone, all;
    case_number = (uint64_t)i;
    drawn = 0;
    const char *const data = DRAW("classes", "classes", "two", "values");
    const bool values = strcmp(data, "values") == 0;
    const char *const loss = values                     ? "mse"
                             : strcmp(data, "two") == 0 ? DRAW("cross_entropy", "bce_with_logits")
                                                        : DRAW("cross_entropy", "mse");
    const int virtual_ranks = nn_comm_size(comm) + (int)draw(14);
    snprintf(name, sizeof name, "random-%d", (int)i);
    snprintf(extra, sizeof extra, ", %s, normalize: %s%s", DRAW("valid: test", "valid_fraction: 0.25"),
             values ? "standard" : DRAW("none", "standard"),
             values         ? ", normalize_targets: standard"
             : draw(3) == 0 ? ", class_weights: balanced"
                            : "");
    draw_model(model);
    draw_train(loss, virtual_ranks, train);
    const bits_case c = {name, data, extra, model, train};
    bits_configure(yaml, &c, "alone", virtual_ranks, ", threads: 1");
    snprintf(bits_about, sizeof bits_about, "case %d", (int)i);
    bits_train_alone(comm, yaml, 0, &alone);
    snprintf(parallel, sizeof parallel, ", threads: %d, reduction: %s", (int)(1 + draw(4)), DRAW("auto", "tree"));
    bits_configure(yaml, &c, "all", virtual_ranks, parallel);
    bits_train(comm, yaml, 0, &all);
    bits_assert_same_result(comm, &all, &alone);
    bits_assert_same_runs(comm, &c, "alone", "all");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(random_networks_give_the_same_bits)};
  return cmocka_run_group_tests(tests, bits_open, nn_test_close_scratch);
}
