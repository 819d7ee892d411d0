/* Configurations: parsed, written, parsed again to the same values; the network that they describe is laid out. */
#include "fuzz.h"

#include "nnmpi/train.h"

static void want_round_trip(const nn_config *config, const nn_registry *registry) {
  nn_text text = {0}, differences = {0};
  nn_config *again = NULL;
  size_t count = 0;
  if (nn_config_write(config, &text) != NN_OK) abort();
  if (nn_config_parse(text.at, strlen(text.at), "again", NULL, 0, registry, &again) != NN_OK) {
    fprintf(stderr, "%s\n%s", nn_error_last()->message, text.at);
    abort();
  }
  if (nn_config_compare(config, again, &differences, &count) != NN_OK || count > 0) {
    fprintf(stderr, "%s", differences.at);
    abort();
  }
  nn_config_destroy(&again);
  nn_text_clear(&text);
  nn_text_clear(&differences);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  nn_registry registry;
  nn_config *config = NULL;
  nn_model *model = NULL;
  const nn_shape shapes[] = {{.rank = 1, .dims = {4}}, {.rank = 2, .dims = {3, 2}}};
  nn_registry_fill(&registry);
  if (fuzz_failed(nn_config_parse((const char *)data, size, "fuzz.yaml", NULL, 0, &registry, &config))) return 0;
  want_round_trip(config, &registry);
  for (size_t i = 0; i < 2; i++) {
    nn_text text = {0};
    if (!fuzz_failed(nn_model_create(&config->model, &registry, &shapes[i], 2, &model)))
      (void)fuzz_failed(nn_model_describe(model, &text));
    nn_text_clear(&text);
    nn_model_destroy(&model);
  }
  nn_config_destroy(&config);
  return 0;
}
