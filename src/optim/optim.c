/* An optimizer at work on arenas: pieces of at most NN_SUM_BLOCK elements, dealt to the threads by index.
 *
 * Pieces end at multiples of NN_SUM_BLOCK counted from the start of the arena, so they depend on neither the threads
 * nor what was asked of them before; an element's update needs its own piece only; the norm adds the pieces' sums of
 * squares in index order. So nothing depends on who does what. */
#include "optim/internal.h"

struct nn_optim {
  const nn_optim_ops *ops;
  const nn_schedule_ops *schedule;
  const void *options, *schedule_options;
  int slot_count;
  const char *slot_names[NN_OPTIM_SLOTS_MAX];
  float *slots[NN_OPTIM_SLOTS_MAX]; /* [count] each */
  size_t piece_count;
  nn_range *pieces; /* what is trained, cut at the blocks' ends, ascending */
  bool moved;       /* slots and squares belong to others */
  size_t count, range_count;
  size_t *piece_of; /* [ranges + 1]: each range's first piece */
  double *squares;  /* [piece_count] sums of squares of gradients */
};

/* ---- creation -------------------------------------------------------------------------------- */

/* The schema is an ops table's first member. */
static const nn_optim_ops *optim_ops(const nn_choice *choice) {
  NN_ASSERT(choice != NULL && choice->schema != NULL);
  return (const nn_optim_ops *)(const void *)choice->schema;
}

/* Cuts `ranges` at multiples of NN_SUM_BLOCK; with `pieces` NULL only counts. */
static size_t cut_pieces(const nn_range *ranges, size_t range_count, nn_range *pieces, size_t *piece_of) {
  size_t count = 0;
  for (size_t r = 0; r < range_count; r++) {
    if (piece_of != NULL) piece_of[r] = count;
    for (size_t first = ranges[r].first, last; first < ranges[r].last; first = last, count++) {
      last = (first / NN_SUM_BLOCK + 1) * NN_SUM_BLOCK;
      if (last > ranges[r].last) last = ranges[r].last;
      if (pieces != NULL) pieces[count] = (nn_range){first, last};
    }
  }
  if (piece_of != NULL) piece_of[range_count] = count;
  return count;
}

nn_status nn_optim_check(const nn_choice *optimizer) {
  const nn_optim_ops *ops = optim_ops(optimizer);
  if (ops->check == NULL) return NN_OK;
  const nn_status status = ops->check(optimizer->options);
  if (status != NN_OK && optimizer->line > 0) nn_error_prefix("line %d: train.optimizer: ", optimizer->line);
  if (status != NN_OK && optimizer->line <= 0) nn_error_prefix("train.optimizer: ");
  return status;
}

static nn_status allocate(nn_optim *optim, size_t count, const nn_range *ranges, size_t range_count) {
  void *memory = NULL;
  for (int s = 0; s < optim->slot_count; s++) {
    NN_TRY(nn_alloc(count, sizeof(float), "optimizer state", &memory));
    optim->slots[s] = memory;
  }
  optim->count = count;
  optim->range_count = range_count;
  optim->piece_count = cut_pieces(ranges, range_count, NULL, NULL);
  NN_TRY(nn_alloc(optim->piece_count, sizeof(nn_range), "list of trained blocks", &memory));
  optim->pieces = memory;
  NN_TRY(nn_alloc(range_count + 1, sizeof(size_t), "list of trained blocks", &memory));
  optim->piece_of = memory;
  cut_pieces(ranges, range_count, optim->pieces, optim->piece_of);
  NN_TRY(nn_alloc(optim->piece_count, sizeof(double), "sums of the gradient's norm", &memory));
  optim->squares = memory;
  return NN_OK;
}

nn_status nn_optim_create(const nn_choice *optimizer, const nn_choice *schedule, size_t count, const nn_range *ranges,
                          size_t range_count, nn_optim **out) {
  static const nn_schedule_options none = {0};
  NN_TRY(nn_optim_check(optimizer));
  for (size_t r = 0; r < range_count; r++)
    NN_ASSERT(ranges[r].last <= count && (r == 0 || ranges[r - 1].last <= ranges[r].first));
  void *memory = NULL;
  NN_TRY(nn_alloc(1, sizeof(nn_optim), "optimizer", &memory));
  nn_optim *optim = memory;
  optim->ops = optim_ops(optimizer);
  optim->options = optimizer->options;
  optim->schedule = &nn__schedule_constant_ops;
  optim->schedule_options = &none;
  if (schedule != NULL && schedule->schema != NULL) {
    optim->schedule = (const nn_schedule_ops *)(const void *)schedule->schema;
    optim->schedule_options = schedule->options;
  }
  optim->slot_count = optim->ops->slots(optim->options, optim->slot_names);
  NN_ASSERT(optim->slot_count <= NN_OPTIM_SLOTS_MAX);
  const nn_status status = allocate(optim, count, ranges, range_count);
  if (status != NN_OK) {
    nn_optim_destroy(&optim);
    return status;
  }
  *out = optim;
  return NN_OK;
}

static void free_memory(nn_optim *optim) {
  for (int s = 0; s < optim->slot_count && !optim->moved; s++) nn_free(optim->slots[s]);
  if (!optim->moved) nn_free(optim->squares);
}

static size_t padded(size_t bytes) {
  return (bytes + NN_ALIGNMENT - 1) / NN_ALIGNMENT * NN_ALIGNMENT;
}

size_t nn_optim_shared_bytes(const nn_optim *optim) {
  return (size_t)optim->slot_count * padded(optim->count * sizeof(float)) + padded(optim->piece_count * sizeof(double));
}

void nn_optim_move(nn_optim *optim, void *memory) {
  char *at = memory;
  free_memory(optim);
  optim->moved = true;
  for (int s = 0; s < optim->slot_count; s++, at += padded(optim->count * sizeof(float)))
    optim->slots[s] = (float *)(void *)at;
  optim->squares = (double *)(void *)at;
}

void nn_optim_destroy(nn_optim **optim) {
  if (optim == NULL || *optim == NULL) return;
  free_memory(*optim);
  nn_free((*optim)->pieces);
  nn_free((*optim)->piece_of);
  nn_free(*optim);
  *optim = NULL;
}

size_t nn_optim_bytes(const nn_choice *optimizer, size_t count) {
  const char *names[NN_OPTIM_SLOTS_MAX];
  const int slots = optim_ops(optimizer)->slots(optimizer->options, names);
  return sizeof(nn_optim) + (size_t)slots * count * sizeof(float) +
         2 * nn_blocks(count) * (sizeof(nn_range) + sizeof(double) + sizeof(size_t));
}

/* ---- the learning rate ----------------------------------------------------------------------- */

double nn_optim_lr(const nn_optim *optim, uint64_t step, uint64_t total, uint64_t steps_per_epoch) {
  const double base = ((const nn_optim_options *)optim->options)->lr;
  const double epochs = ((const nn_schedule_options *)optim->schedule_options)->warmup_epochs;
  const double wanted = floor(epochs * (double)steps_per_epoch + 0.5);
  const uint64_t warmup = wanted < 0x1p63 ? (uint64_t)wanted : (uint64_t)1 << 63;
  if (step < warmup) return base * ((double)(step + 1) / (double)warmup);
  const uint64_t left = total > warmup ? total - warmup : 0;
  return base * optim->schedule->factor(optim->schedule_options, step - warmup, left, steps_per_epoch);
}

/* ---- a step ---------------------------------------------------------------------------------- */

/* From the pieces' sums, in index order. */
static double norm_of(const nn_optim *optim) {
  double sum = 0;
  for (size_t i = 0; i < optim->piece_count; i++) sum += optim->squares[i];
  return sqrt(sum);
}

/* `squares`: where the sum of the gradient's squares goes, or NULL. */
static void update_piece(const nn_optim *optim, const nn_range *piece, const float *factor, float scale, size_t origin,
                         const float *gradients, float *params, double *squares) {
  const nn_optim_ops *ops = optim->ops;
  nn_optim_block block = {
      .count = piece->last - piece->first,
      .factor = factor,
      .gradient_scale = scale,
      .gradient = gradients + (piece->first - origin),
  };
  block.param = params + piece->first;
  for (int s = 0; s < optim->slot_count; s++) block.slot[s] = optim->slots[s] + piece->first;
  if (squares != NULL && scale == 1 && ops->update_and_sum != NULL &&
      ops->update_and_sum(optim->options, &block, squares))
    return;
  /* just before its update, which then finds the gradient in the first-level cache */
  if (squares != NULL) *squares = nn_block_sum_squares(block.count, block.gradient);
  ops->update(optim->options, &block);
}

void nn_optim_prepare(const nn_optim *optim, uint64_t step, double lr, nn_optim_part *out) {
  optim->ops->prepare(optim->options, step + 1, lr, out->factor);
  out->scale = 1;
  out->norm = true;
}

void nn_optim_look(nn_optim *optim, size_t first, size_t last, const float *gradients) {
  const size_t begin = optim->piece_of[first], end = optim->piece_of[last];
  for (size_t i = begin; i < end; i++) {
    const nn_range *piece = &optim->pieces[i];
    optim->squares[i] =
        nn_block_sum_squares(piece->last - piece->first, gradients + (piece->first - optim->pieces[begin].first));
  }
}

void nn_optim_update(nn_optim *optim, const nn_optim_part *part, size_t first, size_t last, const float *gradients,
                     float *params) {
  const size_t begin = optim->piece_of[first], end = optim->piece_of[last];
  for (size_t i = begin; i < end; i++) {
    const size_t origin = optim->pieces[begin].first;
    update_piece(optim, &optim->pieces[i], part->factor, part->scale, origin, gradients, params,
                 part->norm ? &optim->squares[i] : NULL);
  }
}

/* The sum of squares of a b' is that of a times that of b. A range's rows do not depend on who has which ranges. */
static void sum_outer_squares(nn_optim *optim, size_t first, size_t last, const nn_outer *gradient) {
  const size_t place = optim->pieces[optim->piece_of[first]].first;
  const double b = nn_block_sum_squares(gradient->width, gradient->b);
  for (size_t range = first; range < last; range++) {
    const size_t begin = optim->piece_of[range], end = optim->piece_of[range + 1];
    const size_t row = (optim->pieces[begin].first - place) / gradient->width;
    const size_t past = (optim->pieces[end - 1].last - place) / gradient->width; /* with padding, too far */
    const size_t rows = (past < gradient->rows ? past : gradient->rows) - row;
    optim->squares[begin] = b * nn_block_sum_squares(rows, gradient->a + row);
    for (size_t i = begin + 1; i < end; i++) optim->squares[i] = 0;
  }
}

void nn_optim_update_outer(nn_optim *optim, const nn_optim_part *part, size_t first, size_t last,
                           const nn_outer *gradient, float *params) {
  const nn_optim_ops *ops = optim->ops;
  const size_t place = optim->pieces[optim->piece_of[first]].first;
  NN_ASSERT(part->scale == 1);
  if (part->norm) sum_outer_squares(optim, first, last, gradient);
  nn_outer turned;
  if (gradient->width == 1 && gradient->x == NULL) { /* a column lies like a row */
    turned = (nn_outer){.rows = 1, .width = gradient->rows, .a = gradient->b, .b = gradient->a};
    gradient = &turned;
  }
  if (ops->update_outer != NULL && ops->update_outer(optim->options, part->factor, gradient, params + place)) return;
  for (size_t r = 0; r < gradient->rows; r++)
    for (size_t from = 0; from < gradient->width; from += NN_SUM_BLOCK) {
      const size_t left = gradient->width - from, at = place + r * gradient->width + from;
      const nn_range piece = {at, at + (left < NN_SUM_BLOCK ? left : NN_SUM_BLOCK)};
      update_piece(optim, &piece, part->factor, gradient->a[r], at, gradient->b + from, params, NULL);
    }
  static const nn_team alone = {.id = 0, .size = 1};
  if (gradient->x != NULL)
    nn_gemm(&alone, NN_N, NN_T, 1, gradient->rows, gradient->width, gradient->x, params + place, gradient->y);
}

double nn_optim_norm(const nn_optim *optim) {
  return norm_of(optim);
}

float nn_optim_clip(double clip_norm, double norm) {
  const double ratio = clip_norm > 0 ? clip_norm / (norm + 1e-6) : 1;
  return ratio < 1 ? (float)ratio : 1;
}

size_t nn_optim_broken(const nn_optim *optim) {
  for (size_t r = optim->range_count; r-- > 0;)
    for (size_t i = optim->piece_of[r]; i < optim->piece_of[r + 1]; i++)
      if (!isfinite(optim->squares[i])) return r;
  return SIZE_MAX;
}

void nn_optim_step(nn_optim *optim, const nn_team *team, uint64_t step, double lr, double clip_norm,
                   const float *gradients, float *params, double *norm) {
  nn_range mine;
  nn_optim_part part;
  nn_team_share(team, optim->range_count, 1, &mine.first, &mine.last);
  nn_optim_prepare(optim, step, lr, &part);
  for (size_t r = mine.first; r < mine.last; r++)
    nn_optim_look(optim, r, r + 1, gradients + optim->pieces[optim->piece_of[r]].first);
  nn_team_barrier(team);
  const double whole = norm_of(optim); /* by every thread: cheaper than waiting for one */
  if (team->id == 0) *norm = whole;
  part.scale = nn_optim_clip(clip_norm, whole);
  part.norm = false;
  for (size_t r = mine.first; r < mine.last && isfinite(whole); r++)
    nn_optim_update(optim, &part, r, r + 1, gradients + optim->pieces[optim->piece_of[r]].first, params);
  nn_team_barrier(team);
}

/* ---- what checkpoints need ------------------------------------------------------------------- */

int nn_optim_slot_count(const nn_optim *optim) {
  return optim->slot_count;
}

const char *nn_optim_slot_name(const nn_optim *optim, int slot) {
  NN_ASSERT(slot >= 0 && slot < optim->slot_count);
  return optim->slot_names[slot];
}

float *nn_optim_slot(nn_optim *optim, int slot) {
  NN_ASSERT(slot >= 0 && slot < optim->slot_count);
  return optim->slots[slot];
}

const char *nn_optim_name(const nn_optim *optim) {
  return optim->ops->schema.name;
}
