/* --dry-run: what a training would do and need, without doing it. */
#include "train_internal.h"

#include <inttypes.h>

static void add_bytes(nn_text *out, const char *what, size_t bytes) {
  char text[32];
  nn_text_add(out, "  %-44s %12s\n", what, nn_format_bytes((double)bytes, text));
}

static void add_batches(const nn__trainer *t, int ranks, nn_text *out) {
  const size_t samples = nn_dataset_count(t->dataset, NN_SET_TRAIN);
  const size_t last = samples - (t->steps_per_epoch - 1) * t->batch;
  const size_t low = t->batch / (size_t)ranks, high = (t->batch + (size_t)ranks - 1) / (size_t)ranks;
  nn_text_add(out, "Batches\n");
  nn_text_add(out, "  %zu training samples, minibatches of %zu: %" PRIu64 " step%s an epoch, %" PRIu64 " in all",
              samples, t->batch, t->steps_per_epoch, NN_PLURAL(t->steps_per_epoch), t->total_steps);
  if (last != t->batch) nn_text_add(out, "; the last of an epoch has %zu", last);
  if (t->batch < t->batch_asked) nn_text_add(out, "; %zu were asked for", t->batch_asked);
  nn_text_add(out, "\n  %d rank%s, %d virtual rank%s: ", ranks, NN_PLURAL(ranks), t->virtual_ranks,
              NN_PLURAL(t->virtual_ranks));
  if (low == high)
    nn_text_add(out, "%zu samples a rank and step\n", low);
  else
    nn_text_add(out, "%zu to %zu samples a rank and step\n", low, high);
  nn_text_add(out, "  valid %zu samples, test %zu samples\n\n", nn_dataset_count(t->dataset, NN_SET_VALID),
              nn_dataset_count(t->dataset, NN_SET_TEST));
}

static void add_memory(const nn__trainer *t, int ranks, int ranks_per_node, nn_text *out) {
  nn__memory m;
  nn__memory_plan(t, ranks, &m);
  const size_t rank = m.parameters + m.gradients + m.optimizer + m.activations + m.data_private + NN__PROGRAM_BYTES;
  const size_t root = m.history + m.saving, state = m.parameters + m.optimizer;
  /* as the tree decides it, where /dev/shm has room */
  const bool shared = ranks > 1 && ranks == ranks_per_node && t->config->parallel.reduction == NN_REDUCTION_AUTO;
  const size_t copies = shared ? 1 : (size_t)ranks_per_node;
  nn_text_add(out, "Memory of a rank\n");
  add_bytes(out, "parameters", m.parameters);
  add_bytes(out, "gradients and their reduction", m.gradients);
  add_bytes(out, "optimizer state", m.optimizer);
  add_bytes(out, "layers, for a minibatch or an evaluation", m.activations);
  add_bytes(out, "orders and splits of the data", m.data_private);
  add_bytes(out, "program and libraries", NN__PROGRAM_BYTES);
  add_bytes(out, "a rank of its own", rank);
  add_bytes(out, "rank 0 more: history, saving", root);
  add_bytes(out, "data, one copy shared by its ranks", m.data_shared);
  add_bytes(out, "rank 0, with the data of its node", rank + root + m.data_shared);
  nn_text_add(out, "Memory of a node with %d rank%s\n", ranks_per_node, NN_PLURAL(ranks_per_node));
  if (shared) add_bytes(out, "parameters and optimizer state, one copy", state);
  add_bytes(out, "a node", m.data_shared + (rank - state) * (size_t)ranks_per_node + state * copies + root);
}

nn_status nn_plan(nn_config *config, const nn_registry *registry, int ranks, int ranks_per_node, nn_text *out) {
  nn__trainer t = {.config = config, .registry = registry};
  nn_status status = nn_dataset_open(&config->data, (uint64_t)config->run.seed, &t.dataset);
  if (status == NN_OK) status = nn_dataset_peek(t.dataset);
  if (status == NN_OK) status = nn__trainer_sizes(&t, ranks);
  if (status == NN_OK) status = nn__model_for(config, registry, t.dataset, &t.model);
  if (status == NN_OK)
    status = nn__task_create(config, nn_dataset_target(t.dataset), nn_model_outputs(t.model), NULL, &t.task);
  if (status != NN_OK) goto done;
  nn__trainer_plan(&t, ranks);
  nn_text_add(out, "Configuration\n");
  NN_TRY_DONE(nn_config_write(config, out));
  nn_text_add(out, "\nNetwork\n");
  NN_TRY_DONE(nn_model_describe(t.model, out));
  nn_text_add(out, "\n");
  add_batches(&t, ranks, out);
  add_memory(&t, ranks, ranks_per_node < ranks ? ranks_per_node : ranks, out);
  status = nn_text_status(out);
done:
  nn__trainer_close(&t);
  return status;
}
