/* Everything before the first step: data, network, memory, threads. */
#include "train_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- the network for a data set ------------------------------------------------------------------ */

/* Some losses begin with an activation, which the network must not end with: applied twice it learns badly, and
 * nothing else would say why. */
static nn_status check_last_layer(const nn_config *config, const nn_model *model) {
  const nn_loss_ops *loss = nn_loss_find(config->train.loss.schema->name);
  const size_t last = nn_model_layer_count(model) - 1;
  const char *kind = nn_model_layer(model, last)->ops->schema.name;
  if (loss->includes == NULL || strcmp(loss->includes, kind) != 0) return NN_OK;
  (void)NN_FAIL(NN_ERR_CONFIG,
                "%s is part of the loss %s and would be applied twice: remove this layer (predict answers with "
                "probabilities all the same), or take the loss mse or half_sse",
                kind, loss->schema.name);
  nn_model_error_prefix(model, last);
  return NN_ERR_CONFIG;
}

nn_status nn__model_for(const nn_config *config, const nn_registry *registry, const nn_dataset *dataset,
                        nn_model **out) {
  const size_t outputs = nn_loss_outputs(&config->train.loss, nn_dataset_target(dataset));
  nn_model *model = NULL;
  NN_TRY(nn_model_create(&config->model, registry, nn_dataset_shape(dataset), outputs, &model));
  const nn_status status = check_last_layer(config, model);
  if (status == NN_OK)
    *out = model;
  else
    nn_model_destroy(&model);
  return status;
}

double nn__flops_per_row(const nn_model *model, bool training) {
  double flops = 0;
  for (size_t i = 0; i < nn_model_layer_count(model); i++)
    flops += nn_model_flops_forward(model, i) +
             (training ? nn_model_flops_backward(model, i) + nn_model_flops_gradient(model, i) : 0);
  return flops;
}

size_t nn__turns(const nn_model *model) {
  size_t turns = 0;
  for (size_t i = 0; i < nn_model_layer_count(model); i++) {
    const size_t own = nn_model_layer(model, i)->turns;
    turns += own > 0 ? own : 1;
  }
  return turns;
}

/* ---- figures that follow from configuration and data ------------------------------------------------ */

nn_status nn__trainer_sizes(nn__trainer *t, int size) {
  nn_config *config = t->config;
  const size_t samples = nn_dataset_count(t->dataset, NN_SET_TRAIN);
  if (config->parallel.virtual_ranks == NN_AUTO) config->parallel.virtual_ranks = size;
  if (config->parallel.virtual_ranks < size)
    return NN_FAIL(NN_ERR_CONFIG,
                   "%d ranks are more than the %" PRId64
                   " virtual rank%s of this run (parallel.virtual_ranks): start at most %" PRId64
                   ", or begin a run with more: under another run.name, or with --restart",
                   size, config->parallel.virtual_ranks, config->parallel.virtual_ranks == 1 ? "" : "s",
                   config->parallel.virtual_ranks);
  t->virtual_ranks = (int)config->parallel.virtual_ranks;
  const size_t pieces = (size_t)t->virtual_ranks;
  if (samples < pieces)
    return NN_FAIL(NN_ERR_DATA, "the training set has %zu samples, fewer than the %zu ranks: start fewer ranks",
                   samples, pieces);
  t->batch = config->train.batch_size > 0 ? (size_t)config->train.batch_size
                                          : (size_t)config->train.batch_size_per_rank * pieces;
  if (t->batch < pieces)
    return NN_FAIL(
        NN_ERR_CONFIG,
        "train.batch_size is %zu, below the %zu ranks that share a batch: start fewer ranks, or use a larger batch",
        t->batch, pieces);
  t->batch_asked = t->batch;
  if (t->batch > samples) t->batch = samples;
  t->steps_per_epoch = (samples + t->batch - 1) / t->batch;
  t->total_steps = t->steps_per_epoch * (uint64_t)config->train.epochs;
  return NN_OK;
}

/* Rows that the workspace and the targets must hold. */
static size_t row_capacity(const nn__trainer *t, int size) {
  const size_t piece = nn__piece_rows_most(t->batch, t->virtual_ranks);
  const bool evaluating = nn_dataset_count(t->dataset, NN_SET_VALID) + nn_dataset_count(t->dataset, NN_SET_TEST) > 0;
  const size_t least = evaluating && piece < NN__EVAL_ROWS ? NN__EVAL_ROWS : piece;
  /* several pieces go through the network together */
  const size_t mine = (t->batch + (size_t)size - 1) / (size_t)size,
               together = mine < NN__PIECES_ROWS ? mine : NN__PIECES_ROWS;
  return nn_model_takes_pieces(t->model) && least < together ? together : least;
}

static bool is_traced(const nn__trainer *t) {
  return t->options != NULL && t->options->trace > 0;
}

/* Are whole gradients kept? One process without clipping makes them in parts and updates with each; pieces that do not
 * go through the network together are added up in whole. */
static bool keeps_gradients(const nn__trainer *t, int size) {
  return size > 1 || t->virtual_ranks > 1 || t->config->train.clip_norm > 0 || is_traced(t);
}

static nn_workspace_use workspace_use(const nn__trainer *t) {
  return is_traced(t) ? NN_WORKSPACE_WATCHED : NN_WORKSPACE_TRAINING;
}

/* Of a thread, for packed matrices. */
static size_t room_floats(const nn__trainer *t) {
  return nn_model_param_count(t->model) < NN__ROOM_WORTH ? 0 : NN_TEAM_ROOM;
}

void nn__trainer_plan(nn__trainer *t, int size) {
  t->capacity = row_capacity(t, size);
  t->arena = keeps_gradients(t, size) ? nn_model_param_count(t->model) : 0;
  /* several slots for several pieces share the cache */
  t->scratch_blocks = size > 1 ? 1 : t->virtual_ranks == 1 ? NN__BLOCKS_ALONE : NN__BLOCKS_PIECES;
  t->scratch_floats = nn_model_blocks_floats(t->model, t->scratch_blocks);
  t->terms = (double)t->batch * (double)nn_model_widest(t->model);
  t->history_every = nn_history_every(&t->config->history, t->total_steps);
}

/* Of the tensors that a checkpoint does not take from where they are. */
static size_t small_bytes(const nn_model *model) {
  size_t bytes = 0;
  for (size_t i = 0; i < nn_model_tensor_count(model); i++) {
    const size_t size = nn_param_size(nn_model_tensor_at(model, i)->param) * sizeof(float);
    if (size < NN_H5_LENT_LEAST) bytes += size;
  }
  return bytes;
}

void nn__memory_plan(const nn__trainer *t, int size, nn__memory *out) {
  const size_t parameters = nn_model_param_count(t->model), bytes = parameters * sizeof(float);
  const size_t samples = nn_dataset_count(t->dataset, NN_SET_TRAIN), slots = nn_tree_stack(t->virtual_ranks);
  const size_t threads = t->threads > 0 ? (size_t)t->threads : 1;
  const uint64_t epochs = (uint64_t)t->config->train.epochs;
  *out = (nn__memory){.parameters = bytes,
                      .gradients = nn_tree_bytes(t->virtual_ranks, size, 0, t->arena + NN__TAIL) +
                                   threads * (slots * t->scratch_floats + room_floats(t)) * sizeof(float),
                      .optimizer = nn_optim_bytes(&t->config->train.optimizer, parameters),
                      .activations = nn_workspace_bytes(t->model, t->capacity, workspace_use(t), (int)threads) +
                                     nn__rows_bytes(t->capacity, &t->task) + nn__rows_bytes(1, &t->task),
                      .data_private = nn_dataset_private_bytes(t->dataset) + samples * sizeof(uint32_t),
                      .data_shared = nn_dataset_shared_bytes(t->dataset),
                      .history = nn_history_bytes(&t->config->history, t->total_steps, epochs, t->model)};
  /* the copy that is saved, and what of it is copied again into the file that is built in memory */
  const size_t state = out->parameters + out->optimizer;
  out->saving = state + state / bytes * small_bytes(t->model) + out->history;
}

/* ---- threads ------------------------------------------------------------------------------------------ */

nn__threads nn__threads_choose(const nn_config *config, int cores, int sharing, double flops, size_t turns) {
  const char *environment = getenv("OMP_NUM_THREADS");
  char first[8] = ""; /* "4,2": there may be more, for levels that are not used here */
  int64_t wish = 0;
  if (environment != NULL) snprintf(first, sizeof first, "%.*s", (int)strcspn(environment, ","), environment);
  if (nn_parse_int(first, &wish) && wish >= 1 && wish <= 1024) return (nn__threads){(int)wish, "OMP_NUM_THREADS"};
  if (config->parallel.threads != NN_AUTO) return (nn__threads){(int)config->parallel.threads, "parallel.threads"};
  const int most = cores > sharing ? cores / sharing : 1;
  /* every thread must have this much to do between two times that all wait for one another (docs/performance.md) */
  const double worth = NN__THREAD_WORTH * (double)turns;
  nn__threads chosen = {most, "auto: all cores of a rank"};
  if (most > 1 && flops < worth * most) {
    chosen.count = flops < 2 * worth ? 1 : (int)(flops / worth);
    snprintf(chosen.why, sizeof chosen.why, "auto: more would wait for each other, with %.3g million operations a pass",
             flops * 1e-6);
  }
  return chosen;
}

/* The cores of this rank, and how many ranks of its node may run on the very same ones. */
static nn_status find_cores(nn_comm *comm, nn_text *cores, int *sharing, bool *alone_on_core) {
  enum { TEXT = 120 };
  typedef struct place {
    int node;
    char cores[TEXT];
  } place;
  place mine = {.node = nn_comm_node_index(comm)}, *all = NULL;
  void *memory = NULL;
  nn_status status = nn_cpu_allowed_text(cores);
  if (status == NN_OK) {
    snprintf(mine.cores, sizeof mine.cores, "%s", cores->at);
    status = nn_alloc((size_t)nn_comm_size(comm), sizeof mine, "the places of the ranks", &memory);
  }
  status = nn_comm_agree(comm, status);
  if (status != NN_OK) goto done;
  all = memory;
  NN_TRY_DONE(nn_comm_gather_all(comm, &mine, sizeof mine, all));
  *sharing = 0;
  for (int r = 0; r < nn_comm_size(comm); r++)
    *sharing += all[r].node == mine.node && strcmp(all[r].cores, mine.cores) == 0;
  *alone_on_core = *sharing == 1;
done:
  nn_free(memory);
  return status;
}

static nn_status choose_threads(nn__trainer *t) {
  nn_text cores = {0};
  int sharing = 1;
  bool own = true;
  nn_status status = find_cores(t->comm, &cores, &sharing, &own);
  if (status != NN_OK) goto done;
  const int allowed = nn_cpu_allowed(), size = nn_comm_size(t->comm), node_size = nn_comm_node_size(t->comm);
  const double work = nn__flops_per_row(t->model, true) * (double)t->batch / t->virtual_ranks;
  const nn__threads chosen = nn__threads_choose(t->config, allowed, sharing, work, nn__turns(t->model));
  t->threads = chosen.count;
  nn_log_info(t->log, "%d rank%s on %d node%s, %d thread%s each (%s), rank 0 on %s core%s %s (%s), %s", size,
              NN_PLURAL(size), nn_comm_node_count(t->comm), NN_PLURAL(nn_comm_node_count(t->comm)), t->threads,
              NN_PLURAL(t->threads), chosen.why, nn_comm_host(t->comm), NN_PLURAL(allowed), cores.at,
              own ? "its own" : "shared", nn_comm_library(t->comm));
  if (t->threads > allowed && sharing == 1)
    nn_log_warn(t->log,
                "%d threads share %d core%s of rank 0: start mpirun with --bind-to none, or --map-by slot:PE=%d, or "
                "lower OMP_NUM_THREADS",
                t->threads, allowed, NN_PLURAL(allowed), t->threads);
  else if (t->threads * sharing > allowed)
    nn_log_warn(t->log,
                "cores are oversubscribed: %d ranks × %d thread%s on %d core%s of %s; fewer ranks will be faster",
                node_size, t->threads, NN_PLURAL(t->threads), allowed, NN_PLURAL(allowed), nn_comm_host(t->comm));
done:
  nn_text_clear(&cores);
  return status;
}

/* ---- opening -------------------------------------------------------------------------------------------- */

/* One copy of the data a node; every rank reads and checks its part. */
static nn_status open_data(nn__trainer *t) {
  NN_TRY(nn_comm_agree(t->comm, nn_dataset_open(&t->config->data, (uint64_t)t->config->run.seed, &t->dataset)));
  NN_TRY(nn_window_create(t->comm, nn_dataset_shared_bytes(t->dataset), &t->window));
  const int part = nn_comm_node_rank(t->comm), parts = nn_comm_node_size(t->comm);
  NN_TRY(nn_comm_agree(t->comm, nn_dataset_load(t->dataset, nn_window_data(t->window), part, parts)));
  NN_TRY(nn_comm_agree(t->comm, nn_window_sync(t->window)));
  return nn_comm_agree(t->comm, nn_dataset_finish(t->dataset));
}

/* The same on every rank, memory apart. */
static nn_status open_model(nn__trainer *t) {
  NN_TRY(nn__model_for(t->config, t->registry, t->dataset, &t->model));
  const nn_normalizer *normalizer = nn_dataset_normalizer(t->dataset);
  NN_TRY(nn__task_create(t->config, nn_dataset_target(t->dataset), nn_model_outputs(t->model),
                         normalizer->target_deviation, &t->task));
  t->param_count = nn_model_param_count(t->model);
  return NN_OK;
}

static nn_status allocate(nn__trainer *t) {
  const size_t blocks = nn_model_block_count(t->model);
  nn_range *ranges = NULL;
  void *memory = NULL;
  if (nn_fault("allocate", 0))
    return NN_FAIL(NN_ERR_MEMORY, "out of memory: parameters could not be had (NNMPI_FAULT)");
  if (!nn_tree_shared(t->tree)) {
    NN_TRY(nn_alloc(t->param_count, sizeof(float), "the parameters", &memory));
    t->params = memory;
  }
  NN_TRY(nn_alloc(blocks, sizeof *ranges, "the blocks of parameters", &memory));
  ranges = memory;
  for (size_t i = 0; i < blocks; i++) ranges[i] = nn_model_block_at(t->model, i)->range;
  const nn_status status = nn_optim_create(&t->config->train.optimizer, &t->config->train.schedule, t->param_count,
                                           ranges, blocks, &t->optim);
  nn_free(ranges);
  NN_TRY(status);
  NN_TRY(nn_workspace_create(t->model, t->capacity, workspace_use(t), t->threads, &t->workspace));
  NN_TRY(nn__rows_create(t->capacity, &t->task, &t->rows));
  NN_TRY(nn__rows_create(1, &t->task, &t->next));
  NN_TRY(nn_alloc(nn_dataset_count(t->dataset, NN_SET_TRAIN), sizeof(uint32_t), "the order of an epoch", &memory));
  t->order = memory;
  t->input_bound = nn_dataset_bound(t->dataset);
  NN_TRY(nn_alloc((size_t)t->threads, sizeof(float), "what the threads find", &memory));
  t->magnitudes = memory;
  NN_TRY(nn_alloc(nn_tree_stack(t->virtual_ranks) * NN__TAIL, sizeof(float), "the sums of metrics", &memory));
  t->tails = memory;
  if (t->scratch_floats > 0) {
    const size_t slots = (size_t)t->threads * nn_tree_stack(t->virtual_ranks);
    NN_TRY(nn_alloc(slots * t->scratch_floats, sizeof(float), "parts of gradients", &memory));
    t->scratch = memory;
  }
  if (room_floats(t) > 0) {
    NN_TRY(nn_alloc((size_t)t->threads * room_floats(t), sizeof(float), "packed matrices", &memory));
    t->room = memory;
  }
  if (nn_comm_rank(t->comm) != 0) return NN_OK;
  NN_TRY(nn_history_create(&t->config->history, t->total_steps, t->model, &t->history));
  return nn__saver_create(t);
}

/* Where ranks read each other's gradients, they need the parameters and the optimizer's state once a node. */
static nn_status share_state(nn__trainer *t) {
  if (!nn_tree_shared(t->tree)) return NN_OK;
  const size_t bytes = (t->param_count * sizeof(float) + NN_ALIGNMENT - 1) / NN_ALIGNMENT * NN_ALIGNMENT;
  NN_TRY(nn_window_create(t->comm, bytes + nn_optim_shared_bytes(t->optim), &t->state));
  t->params = nn_window_data(t->state);
  nn_optim_move(t->optim, (char *)nn_window_data(t->state) + bytes);
  return NN_OK;
}

/* Rank 0 fills the parameters (perhaps from files) and tells everybody. */
static nn_status initialise(nn__trainer *t) {
  nn_status status = NN_OK;
  nn_text report = {0};
  nn_checkpoint *source = NULL;
  if (nn_comm_rank(t->comm) == 0) {
    status = nn_model_init(t->model, (uint64_t)t->config->run.seed, t->params);
    const char *from = t->config->model.init_from;
    if (status == NN_OK && from != NULL) {
      status = nn_checkpoint_open(from, &source);
      if (status == NN_OK) status = nn_checkpoint_take(source, t->model, t->params, &report);
      if (status == NN_OK) nn_log_info(t->log, "parameters from %s:\n%.*s", from, (int)report.length - 1, report.at);
    }
  }
  nn_checkpoint_close(&source);
  nn_text_clear(&report);
  NN_TRY(nn_comm_agree(t->comm, status));
  return nn_comm_broadcast(t->comm, t->params, t->param_count * sizeof(float));
}

/* Classes that no training sample has cannot be learned; the first few by name. */
static nn_status warn_of_absent_classes(const nn__trainer *t) {
  enum { NAMED = 5 };
  const nn_target_info *target = nn_dataset_target(t->dataset);
  if (!target->classes || nn_comm_rank(t->comm) != 0) return NN_OK;
  void *memory = NULL;
  size_t absent = 0;
  nn_text list = {0};
  NN_TRY(nn_alloc(target->width, sizeof(bool), "the classes that occur", &memory));
  bool *occurs = memory;
  for (size_t i = 0; i < nn_dataset_count(t->dataset, NN_SET_TRAIN); i++)
    occurs[nn_dataset_label(t->dataset, NN_SET_TRAIN, (uint32_t)i)] = true;
  for (size_t c = 0; c < target->width; c++) {
    if (occurs[c] || ++absent > NAMED) continue;
    nn_text_add(&list, "%s%zu", absent > 1 ? ", " : "", c);
    if (target->names != NULL) nn_text_add(&list, " (%s)", target->names[c]);
  }
  const nn_status status = nn_text_status(&list);
  if (status == NN_OK && absent > 0)
    nn_log_warn(t->log, "no training samples for %zu of %zu classes, which cannot be learned: %s%s", absent,
                target->width, list.at, absent > NAMED ? ", ..." : "");
  nn_text_clear(&list);
  nn_free(memory);
  return status;
}

static void describe(const nn__trainer *t) {
  char shape[96];
  const nn_shape *in = nn_dataset_shape(t->dataset);
  const nn_target_info *target = nn_dataset_target(t->dataset);
  const char *reduction = nn_comm_size(t->comm) == 1 ? "none"
                          : t->plain_reduction       ? "MPI_Allreduce"
                          : nn_tree_shared(t->tree)  ? "fixed tree in shared memory"
                                                     : "fixed tree";
  const size_t layers = nn_model_layer_count(t->model), parameters = nn_model_trainable_count(t->model);
  if (t->batch < t->batch_asked)
    nn_log_warn(t->log, "a minibatch of %zu was asked for, but the training set has %zu sample%s: each step takes all",
                t->batch_asked, t->batch, NN_PLURAL(t->batch));
  nn_log_info(t->log, "data: %zu train, %zu valid, %zu test samples of %s feature%s, %zu %s",
              nn_dataset_count(t->dataset, NN_SET_TRAIN), nn_dataset_count(t->dataset, NN_SET_VALID),
              nn_dataset_count(t->dataset, NN_SET_TEST), nn_shape_text(in, shape), NN_PLURAL(nn_shape_size(in)),
              target->width,
              target->classes      ? (target->width == 1 ? "class" : "classes")
              : target->width == 1 ? "target value"
                                   : "target values");
  nn_log_info(t->log, "network: %zu layer%s, %zu parameter%s trained", layers, NN_PLURAL(layers), parameters,
              NN_PLURAL(parameters));
  if (parameters == 0) nn_log_warn(t->log, "all parameters are frozen (model.freeze): nothing will be learned");
  nn_log_info(
      t->log, "minibatch: %zu sample%s, %zu a rank in %d virtual rank%s; %" PRIu64 " step%s an epoch; reduction: %s",
      t->batch, NN_PLURAL(t->batch), (t->batch + (size_t)nn_comm_size(t->comm) - 1) / (size_t)nn_comm_size(t->comm),
      t->virtual_ranks, NN_PLURAL(t->virtual_ranks), t->steps_per_epoch, NN_PLURAL(t->steps_per_epoch), reduction);
}

nn_status nn__trainer_open(nn__trainer *t) {
  const int64_t asked = t->config->parallel.virtual_ranks;
  t->faults = getenv("NNMPI_FAULT") != NULL;
  t->saved_step = t->history_step = UINT64_MAX;
  t->progress.best_value = nn_metrics_none.loss;
  NN_TRY(open_data(t));
  NN_TRY(nn_comm_agree(t->comm, nn__run_open(t)));
  NN_TRY(nn__run_find(t, asked));
  NN_TRY(nn_comm_agree(t->comm, nn__trainer_sizes(t, nn_comm_size(t->comm))));
  nn_tree_range(t->virtual_ranks, nn_comm_size(t->comm), nn_comm_rank(t->comm), &t->first_piece, &t->pieces);
  t->plain_reduction = t->config->parallel.reduction == NN_REDUCTION_ALLREDUCE;
  NN_TRY(nn_comm_agree(t->comm, open_model(t)));
  NN_TRY(choose_threads(t));
  NN_TRY(nn_comm_agree(t->comm, nn_team_check(t->threads)));
  nn__trainer_plan(t, nn_comm_size(t->comm));
  const nn_tree_way way = t->plain_reduction                                   ? NN_TREE_PLAIN
                          : t->config->parallel.reduction == NN_REDUCTION_TREE ? NN_TREE_MESSAGES
                                                                               : NN_TREE_AUTO;
  NN_TRY(nn_tree_create(t->comm, t->virtual_ranks, way, t->arena + NN__TAIL, &t->tree));
  NN_TRY(nn_comm_agree(t->comm, allocate(t)));
  NN_TRY(share_state(t));
  NN_TRY(nn_comm_agree(t->comm, nn__trace_create(t)));
  NN_TRY(nn_comm_agree(t->comm, nn__profile_create(t)));
  describe(t);
  NN_TRY(nn_comm_agree(t->comm, warn_of_absent_classes(t)));
  NN_TRY(nn__run_resume(t));
  if (!t->resumed) NN_TRY(initialise(t));
  return nn_comm_agree(t->comm, nn__run_begin(t));
}

void nn__trainer_close(nn__trainer *t) {
  nn__watch_stop(t);
  nn__saver_destroy(t);
  nn__run_unlock(t);
  nn_checkpoint_close(&t->found);
  nn__trace_destroy(t);
  nn_history_destroy(&t->history);
  nn__profile_destroy(t);
  nn__rows_clear(&t->rows);
  nn__rows_clear(&t->next);
  nn_free(t->order);
  if (t->state == NULL) nn_free(t->params);
  nn_workspace_destroy(&t->workspace);
  nn_tree_destroy(&t->tree);
  nn_free(t->scratch);
  nn_free(t->room);
  nn_free(t->magnitudes);
  nn_free(t->tails);
  nn_optim_destroy(&t->optim);
  nn_window_destroy(&t->state);
  nn_model_destroy(&t->model);
  nn_dataset_destroy(&t->dataset);
  nn_window_destroy(&t->window);
  nn_text_clear(&t->resolved);
}
