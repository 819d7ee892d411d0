/* One minibatch on this rank: gradients of its pieces, one reduction, the update.
 *
 * Pieces go through the network together where that changes no bit; their gradients are made apart, block by block of
 * the parameters, and added along the tree while the block is in a cache. A process that has all pieces updates the
 * block at once, and never writes a gradient to memory. */
#include "train_internal.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Pieces [first, last) of the minibatch, in one pass: its samples [row, row + rows). */
typedef struct group {
  int first, last;
  size_t row, rows;
  nn_pass pass;
} group;

void nn__piece_rows(size_t batch, int virtual_ranks, int v, size_t *first, size_t *count) {
  const size_t pieces = (size_t)virtual_ranks, piece = (size_t)v;
  *first = batch * piece / pieces;
  *count = batch * (piece + 1) / pieces - *first;
}

size_t nn__piece_rows_most(size_t batch, int virtual_ranks) {
  const size_t pieces = (size_t)virtual_ranks;
  return (batch + pieces - 1) / pieces;
}

/* ---- weights ----------------------------------------------------------------------------------------- */

/* What a sample counts for in the loss. */
static double class_weight(const nn__trainer *t, uint32_t id) {
  const float *weights = nn_dataset_class_weights(t->dataset);
  return weights == NULL ? 1 : (double)weights[nn_dataset_label(t->dataset, NN_SET_TRAIN, id)];
}

/* The sum of the whole batch's weights where the loss is a mean, once a step. Every rank knows all labels, so nothing
 * has to be exchanged for it. */
static double weigh_batch(const nn__trainer *t) {
  if (t->task.average == NN_LOSS_SUM) return 1;
  if (nn_dataset_class_weights(t->dataset) == NULL) return (double)t->step.samples;
  double whole = 0;
  for (size_t i = 0; i < t->step.samples; i++) whole += class_weight(t, t->step.ids[i]);
  return whole;
}

/* What multiplies each sample's gradient. */
static void weigh_rows(nn__trainer *t, const uint32_t *ids, size_t rows) {
  for (size_t r = 0; r < rows; r++) t->rows.weight[r] = (float)(class_weight(t, ids[r]) / t->step.weight);
}

/* ---- through the network ------------------------------------------------------------------------------- */

/* The pieces from `first` on that go through the network together. A product of a single row adds in another order
 * (nn_gemm()), so pieces that may have one go alone. */
static group group_from(const nn__trainer *t, const nn_team *team, int first) {
  group g = {.first = first, .last = first + 1};
  nn__piece_rows(t->step.samples, t->virtual_ranks, first, &g.row, &g.rows);
  const bool together = t->step.samples / (size_t)t->virtual_ranks >= 2 && !nn__trace_on(t);
  while (together && nn_model_takes_pieces(t->model) && g.last < t->first_piece + t->pieces) {
    size_t row = 0, rows = 0;
    nn__piece_rows(t->step.samples, t->virtual_ranks, g.last, &row, &rows);
    if (g.rows + rows > t->capacity) break;
    g.rows += rows;
    g.last++;
  }
  g.pass = (nn_pass){.team = team,
                     .rows = g.rows,
                     .training = true,
                     .seed = (uint64_t)t->config->run.seed,
                     .step = t->progress.step,
                     .samples = t->step.ids + g.row,
                     .params = t->params};
  return g;
}

/* Inputs and targets of a group. */
static void take_rows(nn__trainer *t, const nn_team *team, const group *g) {
  const nn__rows *next = &t->next;
  if (t->next_step == 0 || t->next_step != t->progress.step) {
    nn__gather(t->dataset, NN_SET_TRAIN, team, g->pass.samples, g->rows, t->workspace, &t->rows);
    return;
  }
  nn_workspace_turn(t->workspace);
  if (next->labels != NULL) t->rows.labels[0] = next->labels[0];
  if (next->values != NULL) memcpy(t->rows.values, next->values, t->task.width * sizeof *next->values);
}

/* Of training by single samples on one thread: the next sample is taken already, so that this one's update can begin to
 * take it through the network. What follows is on its way from memory. */
static void take_next(nn__trainer *t, const nn_team *team) {
  const size_t samples = nn_dataset_count(t->dataset, NN_SET_TRAIN);
  size_t next = t->progress.position + t->step.samples;
  const bool single = t->step.samples == 1 && t->virtual_ranks == 1 && t->threads == 1 && t->step.at_once;
  float *x = single && t->profile == NULL && next < samples ? nn_workspace_next(t->workspace) : NULL;
  if (x != NULL) {
    nn_dataset_gather(t->dataset, NN_SET_TRAIN, team, t->order + next++, 1, x, t->next.labels, t->next.values);
    t->next_step = t->progress.step + 1;
  }
  if (team->id == 0 && next < samples) (void)nn_dataset_fetch(t->dataset, NN_SET_TRAIN, t->order[next]);
}

/* Rows of the next minibatch that this thread will gather: on their way from memory while gradients are made. */
typedef struct rows_ahead {
  const uint32_t *ids;
  size_t count, asked;
  size_t bytes;        /* of those asked for */
  size_t blocks, made; /* of the thread's gradients */
} rows_ahead;

enum { AHEAD_MOST = 128 << 10 /* bytes, about, that a thread's cache has room for beside gradients */ };

static rows_ahead ahead_of(const nn__trainer *t, const nn_team *team, const group *g) {
  const bool whole = g->first == t->first_piece && g->last == t->first_piece + t->pieces;
  if (!whole || g->rows == 1) return (rows_ahead){0}; /* a single one: take_next() */
  const size_t next = t->progress.position + t->step.samples, samples = nn_dataset_count(t->dataset, NN_SET_TRAIN);
  size_t first = 0, last = g->rows;
  if (!nn_workspace_each(t->workspace, g->rows)) nn_team_share(team, g->rows, 1, &first, &last);
  const size_t begin = next + g->row, left = samples > begin ? samples - begin : 0;
  if (last > left) last = left;
  if (first >= last) return (rows_ahead){0};
  return (rows_ahead){.ids = t->order + begin + first, .count = last - first};
}

/* As gradients are made, so rows are asked for: `blocks` more. */
static void ask_ahead(const nn__trainer *t, rows_ahead *rows, size_t blocks) {
  if (rows->count == 0) return;
  rows->made += blocks;
  for (const size_t due = rows->count * rows->made / rows->blocks; rows->asked < due && rows->bytes < AHEAD_MOST;
       rows->asked++)
    rows->bytes += nn_dataset_fetch(t->dataset, NN_SET_TRAIN, rows->ids[rows->asked]);
}

/* Forward and backward, metrics of each sample. Team function. */
static void run_group(nn__trainer *t, const nn_team *team, const group *g) {
  const uint32_t *ids = g->pass.samples;
  const bool timed = team->id == 0 && t->step.recorded;
  const double start = timed ? nn_seconds() : 0;
  if (team->id == 0) weigh_rows(t, ids, g->rows);
  take_rows(t, team, g);
  take_next(t, team);
  if (timed) t->step.load_seconds += nn_seconds() - start;
  nn__mark(t, team, NN__PHASE_GATHER);
  nn_model_forward(t->model, t->workspace, &g->pass);
  nn__mark(t, team, NN__PHASE_FORWARD);
  const float *outputs = nn_workspace_output(t->workspace);
  t->task.loss->compute(t->task.loss_options, team, g->rows, t->task.width, outputs, t->rows.labels, t->rows.values,
                        t->rows.weight, t->rows.loss, nn_workspace_output_gradient(t->workspace));
  nn__task_rows(&t->task, team, g->rows, outputs, &t->rows, nn_dataset_class_weights(t->dataset));
  if (team->id == 0 && nn__trace_on(t)) nn__trace_forward(t, g->first, g->rows);
  nn__mark(t, team, NN__PHASE_LOSS);
  nn_model_backward(t->model, t->workspace, &g->pass);
  nn__mark(t, team, NN__PHASE_BACKWARD);
}

/* ---- gradients ----------------------------------------------------------------------------------------- */

/* What is behind the parameters in each slot: the metrics of the pieces. By thread 0. */
static void sum_tails(nn__trainer *t, const group *g) {
  for (int v = g->first; v < g->last; v++) {
    int due = 0;
    const int place = nn_tree_place(t->tree, v, &due);
    size_t row = 0, rows = 0;
    double sums[NN__SUMS];
    nn__piece_rows(t->step.samples, t->virtual_ranks, v, &row, &rows);
    nn__rows_total(&t->rows, row - g->row, rows, sums);
    float *tail = nn_tree_slot(t->tree, place) + t->arena;
    memset(tail, 0, NN__TAIL * sizeof *tail);
    for (int k = 0; k < NN__SUMS; k++) tail[k] = (float)sums[k];
    for (int d = 0; d < due; d++) {
      const float *from = nn_tree_slot(t->tree, place - d) + t->arena;
      float *to = nn_tree_slot(t->tree, place - d - 1) + t->arena;
      for (int k = 0; k < NN__TAIL; k++) to[k] += from[k];
    }
  }
}

/* A stack of slots for some blocks of the gradient. */
typedef struct stack {
  float *base;
  size_t stride;
} stack;

/* This thread's part of the scratch. */
static stack own_stack(const nn__trainer *t, const nn_team *team) {
  const size_t floats = nn_tree_stack(t->virtual_ranks) * t->scratch_floats;
  return (stack){.base = t->scratch + (size_t)team->id * floats, .stride = t->scratch_floats};
}

/* The slots of the tree, from float `at` on. */
static stack slots_at(const nn__trainer *t, size_t at) {
  const bool more = nn_tree_slots(t->tree) > 1;
  return (stack){.base = nn_tree_slot(t->tree, 0) + at,
                 .stride = more ? (size_t)(nn_tree_slot(t->tree, 1) - nn_tree_slot(t->tree, 0)) : 0};
}

/* Blocks [first, last) of the gradients of all pieces of the group, added where that is due. */
static void make_blocks(const nn__trainer *t, const group *g, stack s, size_t first, size_t last) {
  static const nn_team alone = {.id = 0, .size = 1};
  const size_t begin = nn_model_block_at(t->model, first)->range.first;
  const size_t floats = nn_model_block_at(t->model, last - 1)->range.last - begin;
  for (int v = g->first; v < g->last; v++) {
    int due = 0;
    const int place = nn_tree_place(t->tree, v, &due);
    size_t row = 0, rows = 0;
    nn__piece_rows(t->step.samples, t->virtual_ranks, v, &row, &rows);
    float *slot = s.base + (size_t)place * s.stride;
    nn_model_gradient(t->model, t->workspace, &g->pass, row - g->row, rows, first, last, slot);
    if (nn__trace_on(t)) continue; /* it shows the pieces' own first */
    for (int d = 0; d < due; d++, slot -= s.stride) nn_add(&alone, floats, slot, slot - s.stride);
  }
}

/* Summing up the norm is all that is done with a gradient. */
static const nn_optim_part look_only;

static void use_blocks(nn__trainer *t, const nn_optim_part *part, size_t first, size_t last, const float *gradients) {
  if (part == &look_only)
    nn_optim_look(t->optim, first, last, gradients);
  else
    nn_optim_update(t->optim, part, first, last, gradients, t->params);
}

/* Blocks [first, last) of one sample's gradient, which is used without being made where it is an outer product. From
 * the first on: the next pass waits for what the first layer makes of its sample. */
static void use_outer(nn__trainer *t, const group *g, stack s, const nn_optim_part *part, size_t first, size_t last) {
  for (size_t next; first < last; first = next) {
    nn_outer outer;
    next = nn_model_outer(t->model, t->workspace, &g->pass, first, last, &outer);
    if (next > first) {
      nn_optim_update_outer(t->optim, part, first, next, &outer, t->params);
      continue;
    }
    next = first + 1;
    make_blocks(t, g, s, first, next);
    use_blocks(t, part, first, next, s.base);
  }
}

/* Blocks [first, last): gradients of the group's pieces; with `part`, as all pieces have come, they are used. The last
 * ones first: the parameters that the next pass begins with are still in a cache then. */
static void make_and_use(nn__trainer *t, const nn_team *team, const group *g, const nn_optim_part *part, bool scratch,
                         size_t first, size_t last, rows_ahead *later) {
  const size_t rows = g->rows / (size_t)(g->last - g->first);
  for (size_t from; first < last; last = from) {
    from = nn_model_blocks_together(t->model, rows, scratch ? t->scratch_blocks : NN__BLOCKS_ALONE, first, last);
    const stack s = scratch ? own_stack(t, team) : slots_at(t, nn_model_block_at(t->model, from)->range.first);
    make_blocks(t, g, s, from, last);
    if (t->step.broken && from == 0) s.base[0] = INFINITY; /* NNMPI_FAULT */
    if (part != NULL) use_blocks(t, part, from, last, s.base);
    ask_ahead(t, later, last - from);
  }
}

/* This thread's share of the blocks. */
static void make_gradients(nn__trainer *t, const nn_team *team, const group *g, const nn_optim_part *part) {
  const size_t size = (size_t)team->size, id = (size_t)team->id;
  /* parts of a gradient need to be in memory only where earlier groups left theirs */
  const bool scratch = part != NULL && g->first == t->first_piece && t->scratch != NULL;
  const bool outer = scratch && g->rows == 1 && part != &look_only;
  rows_ahead later = ahead_of(t, team, g);
  size_t parts = 0, first, last;
  for (; nn_model_block_share(t->model, size, id, parts, &first, &last); parts++) later.blocks += last - first;
  for (size_t p = 0; p < parts; p++) {
    nn_model_block_share(t->model, size, id, outer ? p : parts - 1 - p, &first, &last);
    if (outer)
      use_outer(t, g, own_stack(t, team), part, first, last);
    else
      make_and_use(t, team, g, part, scratch, first, last, &later);
  }
}

/* The trace shows the gradient of a piece before it is added to others. */
static void trace_and_add(nn__trainer *t, const nn_team *team, int v) {
  int due = 0;
  const int place = nn_tree_place(t->tree, v, &due);
  if (team->id == 0) nn__trace_backward(t, nn_tree_slot(t->tree, place));
  nn_team_barrier(team);
  for (int d = 0; d < due; d++)
    nn_add(team, t->arena, nn_tree_slot(t->tree, place - d), nn_tree_slot(t->tree, place - d - 1));
}

/* ---- the step ------------------------------------------------------------------------------------------ */

/* Slot 0 is part of every sum of this rank. */
static void raise_flags(nn__trainer *t) {
  float *flags = nn_tree_slot(t->tree, 0) + t->arena;
  float largest = 0;
  for (int i = 0; i < t->threads; i++)
    if (!(t->magnitudes[i] <= largest)) largest = t->magnitudes[i];
  if (t->step.status != NN_OK) flags[NN__FLAG_FAILED] = 1;
  if (t->options->stop != NULL && *t->options->stop) flags[NN__FLAG_STOP] = 1;
  if (nn_comm_rank(t->comm) == 0 && nn__deadline_near(t)) flags[NN__FLAG_TIME] = 1;
  /* no sum of so many products overflows, in whatever order; NaN is larger than all */
  const double bound = t->terms * (double)largest * (double)largest;
  if (!(bound < (double)FLT_MAX / 4) || t->step.broken) flags[NN__FLAG_LARGE] = 1;
}

static void meet(const nn__trainer *t) {
  nn__watch_beat(t, true);
  nn_tree_meet(t->tree);
  nn__watch_beat(t, false);
}

/* What only thread 0 may do: the reduction over ranks; where they share memory, they only meet. */
static void reduce(nn__trainer *t) {
  const double start = t->step.recorded ? nn_seconds() : 0;
  raise_flags(t);
  if (nn_tree_shared(t->tree)) {
    meet(t);
    if (t->profile != NULL) nn__profile_mark(t->profile, NN__PHASE_WAIT);
    t->step.tail = nn_tree_part(t->tree, t->arena, NN__TAIL, t->tails);
    if (t->step.recorded) t->step.reduce_seconds = nn_seconds() - start;
    return;
  }
  nn__watch_beat(t, true);
  nn_status status = nn__profile_meet(t);
  if (status == NN_OK) status = nn_tree_sum(t->tree, &t->step.sum);
  nn__watch_beat(t, false);
  t->step.tail = t->step.sum + t->arena;
  if (t->step.recorded) t->step.reduce_seconds = nn_seconds() - start;
  /* after an MPI error no collective can be trusted, not even one that agrees on it */
  if (status != NN_OK) {
    fprintf(stderr, "nnmpi: error: %s\n", nn_error_last()->message);
    nn_comm_abort(t->comm, status);
  }
}

/* False where all ranks stop before the update: one of them failed, or the loss is not a number. */
static bool may_update(const nn__trainer *t) {
  return t->step.tail[NN__FLAG_FAILED] == 0 && isfinite(t->step.tail[NN__SUM_LOSS]);
}

/* All ranks and their threads. */
static void meet_all(const nn__trainer *t, const nn_team *team) {
  nn_team_barrier(team);
  if (!nn_tree_shared(t->tree)) return;
  nn__mark(t, team, NN__PHASE_UPDATE);
  if (team->id == 0) meet(t);
  nn__mark(t, team, NN__PHASE_WAIT);
  nn_team_barrier(team);
}

/* This thread's share of the gradient of the whole minibatch. */
static void use_gradients(nn__trainer *t, const nn_team *team, const group *g, const nn_optim_part *part) {
  if (t->step.at_once) {
    make_gradients(t, team, g, part);
    return;
  }
  /* who shares memory shares the work, and sums what it needs */
  const bool shared = nn_tree_shared(t->tree);
  const int ranks = shared ? nn_comm_size(t->comm) : 1, rank = shared ? nn_comm_rank(t->comm) : 0;
  float *scratch = own_stack(t, team).base;
  size_t first = 0, last = 0, from = 0, to = 0;
  for (size_t p = 0; nn_model_block_share(t->model, (size_t)ranks, (size_t)rank, p, &first, &last); p++) {
    nn_team_share(team, last - first, 1, &from, &to); /* ranks may have different numbers of threads */
    for (to += first, first += from; first < to; first++) {
      const nn_range range = nn_model_block_at(t->model, first)->range;
      const float *sum =
          shared ? nn_tree_part(t->tree, range.first, range.last - range.first, scratch) : t->step.sum + range.first;
      use_blocks(t, part, first, first + 1, sum);
    }
  }
}

/* The norm first where gradients are clipped, or may not be finite. */
static void update(nn__trainer *t, const nn_team *team, const group *g) {
  const double clip_norm = t->config->train.clip_norm;
  const bool look = clip_norm > 0 || t->step.tail[NN__FLAG_LARGE] > 0;
  nn_optim_part part;
  double norm = 0;
  nn_optim_prepare(t->optim, t->progress.step, t->step.lr, &part);
  part.norm = t->step.recorded && !look;
  if (look) {
    use_gradients(t, team, g, &look_only);
    meet_all(t, team);
    norm = nn_optim_norm(t->optim); /* by every thread: cheaper than waiting for one */
    part.scale = nn_optim_clip(clip_norm, norm);
  }
  if (isfinite(norm)) use_gradients(t, team, g, &part);
  meet_all(t, team);
  if (team->id == 0) t->step.gradient_norm = part.norm ? nn_optim_norm(t->optim) : norm;
}

static void run_step(const nn_team *team, void *context) {
  nn__trainer *t = context;
  const int end = t->first_piece + t->pieces;
  float largest = 0;
  group g = {.last = t->first_piece};
  while (g.last < end) {
    g = group_from(t, team, g.last);
    if (g.rows > 0) {
      run_group(t, team, &g);
      const float here = nn_model_magnitude(t->model, t->workspace, &g.pass, t->input_bound);
      if (!(here <= largest)) largest = here; /* NaN, too */
    }
    if (team->id == 0) sum_tails(t, &g);
    if (g.last == end && t->step.at_once) break;
    make_gradients(t, team, &g, NULL);
    nn_team_barrier(team);
    if (nn__trace_on(t)) trace_and_add(t, team, g.first);
  }
  t->magnitudes[team->id] = largest;
  nn_team_barrier(team);
  nn__mark(t, team, NN__PHASE_GRADIENTS);
  if (team->id == 0) reduce(t);
  nn_team_barrier(team);
  nn__mark(t, team, NN__PHASE_REDUCE);
  if (may_update(t))
    update(t, team, &g);
  else
    meet_all(t, team); /* nobody writes to slots that others still read */
  nn__mark(t, team, NN__PHASE_UPDATE);
}

nn_status nn__train_step(nn__trainer *t, uint64_t epoch) {
  const size_t samples = nn_dataset_count(t->dataset, NN_SET_TRAIN);
  const size_t left = samples - t->progress.position;
  const uint64_t step = t->progress.step;
  t->step.ids = t->order + t->progress.position;
  t->step.samples = left < t->batch ? left : t->batch;
  t->step.weight = weigh_batch(t);
  t->step.lr = nn_optim_lr(t->optim, step, t->total_steps, t->steps_per_epoch);
  t->step.load_seconds = t->step.reduce_seconds = t->step.gradient_norm = 0;
  t->step.recorded = t->history_every > 0 && step % t->history_every == 0;
  t->step.at_once = nn_comm_size(t->comm) == 1 && !(t->config->train.clip_norm > 0) && !nn__trace_on(t);
  t->step.broken = t->faults && nn_fault("gradient", step);
  t->step.status = t->faults && nn_fault("step", step)
                       ? NN_FAIL(NN_ERR_INTERNAL, "step %" PRIu64 " failed on purpose (NNMPI_FAULT)", step)
                       : NN_OK;
  nn__trace_begin(t, epoch);
  nn__profile_step(t);
  nn_team_run_with(t->threads, t->room, run_step, t);

  const float *tail = t->step.tail;
  if (tail[NN__FLAG_FAILED] != 0) return nn_comm_agree(t->comm, t->step.status);
  const bool diverged = !isfinite(tail[NN__SUM_LOSS]) || !isfinite(t->step.gradient_norm);
  if (diverged) NN_TRY(nn__diverged(t));
  NN_TRY(nn__trace_end(t));
  for (int k = 0; k < NN__SUMS && !diverged; k++) t->progress.epoch_sums[k] += (double)tail[k];
  t->skipped = diverged ? t->skipped + 1 : 0;
  t->progress.step++;
  t->progress.position += t->step.samples;
  return NN_OK;
}
