/* --profile: where the time of a training goes, by phase and by layer. */
#include "train_internal.h"

#include <math.h>
#include <string.h>

/* What the layers take in each: their values stand behind those of the phases, in this order. */
static const nn__phase by_layer[] = {NN__PHASE_FORWARD, NN__PHASE_BACKWARD, NN__PHASE_GRADIENTS};
enum { BY_LAYER = sizeof by_layer / sizeof *by_layer };

struct nn__profile {
  uint64_t steps;
  size_t layers;
  int threads;
  double last;               /* when the last mark was set */
  double made;               /* seconds in gradients, of thread 0, at the last mark */
  double phases[NN__PHASES]; /* of thread 0 */
  double *seconds;           /* [threads, BY_LAYER × layers] */
  nn_profile_row *rows;      /* rank 0, in the end: borrowed by the history */
  size_t row_count;
};

static size_t value_count(const nn__profile *profile) {
  return NN__PHASES + BY_LAYER * profile->layers;
}

nn_status nn__profile_create(nn__trainer *t) {
  if (!t->options->profile) return NN_OK;
  void *memory = NULL;
  NN_TRY(nn_alloc(1, sizeof *t->profile, "the profile", &memory));
  t->profile = memory;
  t->profile->layers = nn_model_layer_count(t->model);
  t->profile->threads = t->threads;
  NN_TRY(nn_alloc((size_t)t->threads, BY_LAYER * t->profile->layers * sizeof(double), "the profile", &memory));
  t->profile->seconds = memory;
  NN_TRY(nn_alloc(value_count(t->profile), sizeof(nn_profile_row), "the profile", &memory));
  t->profile->rows = memory;
  return NN_OK;
}

void nn__profile_destroy(nn__trainer *t) {
  if (t->profile == NULL) return;
  nn_free(t->profile->rows);
  nn_free(t->profile->seconds);
  nn_free(t->profile);
  t->profile = NULL;
}

void nn__profile_begin(nn__trainer *t) {
  if (t->profile != NULL) t->profile->last = nn_seconds();
}

/* A process that has all pieces makes gradients while it updates: they are counted as what they are. */
void nn__profile_mark(nn__profile *profile, nn__phase phase) {
  const double now = nn_seconds(), *gradients = profile->seconds + 2 * profile->layers;
  double made = 0;
  for (size_t i = 0; i < profile->layers; i++) made += gradients[i];
  if (phase == NN__PHASE_UPDATE) {
    profile->phases[NN__PHASE_GRADIENTS] += made - profile->made;
    profile->phases[phase] -= made - profile->made;
  }
  profile->phases[phase] += now - profile->last;
  profile->made = made;
  profile->last = now;
}

void nn__profile_step(nn__trainer *t) {
  if (t->profile == NULL) return;
  nn__profile_mark(t->profile, NN__PHASE_REST);
  t->profile->steps++;
  nn_workspace_time(t->workspace, t->profile->seconds);
}

nn_status nn__profile_meet(nn__trainer *t) {
  if (t->profile == NULL) return NN_OK;
  NN_TRY(nn_comm_barrier(t->comm));
  nn__profile_mark(t->profile, NN__PHASE_WAIT);
  return NN_OK;
}

/* ---- the peak ---------------------------------------------------------------------------------------- */

typedef struct peaks {
  double *best; /* [threads] */
} peaks;

static void measure_peak(const nn_team *team, void *context) {
  enum { SAMPLES = 5 };
  peaks *p = context;
  for (int s = 0; s < SAMPLES; s++) {
    nn_team_barrier(team);
    const double rate = nn_cpu_peak(0.01);
    if (rate > p->best[team->id]) p->best[team->id] = rate;
  }
}

/* GFLOP/s that the threads of this rank can do at most, while those of the other ranks do the same. */
static nn_status rank_peak(const nn__trainer *t, double *out) {
  void *memory = NULL;
  NN_TRY(nn_alloc((size_t)t->threads, sizeof(double), "the profile", &memory));
  peaks p = {.best = memory};
  nn_team_run(t->threads, measure_peak, &p);
  *out = 0;
  for (int i = 0; i < t->threads; i++) *out += p.best[i];
  nn_free(memory);
  return NN_OK;
}

/* ---- rows of the table ------------------------------------------------------------------------------------ */

static const char *const phase_names[NN__PHASES] = {
    [NN__PHASE_GATHER] = "gather the batch", [NN__PHASE_FORWARD] = "forward",
    [NN__PHASE_LOSS] = "loss and metrics",   [NN__PHASE_BACKWARD] = "backward",
    [NN__PHASE_GRADIENTS] = "gradients",     [NN__PHASE_WAIT] = "wait for the slowest rank",
    [NN__PHASE_REDUCE] = "reduce",           [NN__PHASE_UPDATE] = "update",
    [NN__PHASE_REST] = "between steps",      [NN__PHASE_EVALUATE] = "evaluate",
};

/* What all ranks measured. */
typedef struct gathered {
  int ranks;
  size_t values;     /* of a rank, the peak behind them */
  const double *all; /* [ranks, values + 1] */
} gathered;

static double value_of(const gathered *g, int rank, size_t which) {
  return g->all[(size_t)rank * (g->values + 1) + which];
}

/* One row; `flops` of all ranks together, 0 where there are no products. */
static void add_row(nn__profile *profile, const gathered *g, size_t which, double flops, const char *name) {
  nn_profile_row *row = &profile->rows[profile->row_count++];
  *row = (nn_profile_row){.least = INFINITY, .gflops = NAN, .share = NAN};
  snprintf(row->name, sizeof row->name, "%s", name);
  double peak = 0;
  for (int r = 0; r < g->ranks; r++) {
    const double seconds = value_of(g, r, which);
    row->seconds += seconds / g->ranks;
    if (seconds < row->least) row->least = seconds;
    if (seconds > row->most) row->most = seconds;
    peak += value_of(g, r, g->values) / g->ranks;
  }
  if (flops <= 0 || row->seconds <= 0) return;
  row->gflops = flops / g->ranks / row->seconds * 1e-9;
  row->share = row->gflops / peak;
}

static double layer_flops(const nn__trainer *t, size_t layer, nn__phase phase) {
  switch (phase) {
  case NN__PHASE_FORWARD:
    return nn_model_flops_forward(t->model, layer);
  case NN__PHASE_BACKWARD:
    return nn_model_flops_backward(t->model, layer);
  case NN__PHASE_GRADIENTS:
    return nn_model_flops_gradient(t->model, layer);
  default:
    return 0;
  }
}

/* A phase, and below it the layers, where it has any. */
static void add_phase(const nn__trainer *t, const gathered *g, double samples, nn__phase phase) {
  nn__profile *profile = t->profile;
  double flops = 0;
  size_t values = NN__PHASES; /* where those of its layers begin */
  int which = 0;
  for (; which < BY_LAYER && by_layer[which] != phase; which++) values += profile->layers;
  for (size_t i = 0; which < BY_LAYER && i < profile->layers; i++) {
    double seconds = 0; /* none: done elsewhere, as gradients of single samples are by the update */
    for (int r = 0; r < g->ranks; r++) seconds += value_of(g, r, values + i);
    if (seconds > 0) flops += samples * layer_flops(t, i, phase);
  }
  add_row(profile, g, phase, flops, phase_names[phase]);
  for (size_t k = 0; which < BY_LAYER && k < profile->layers; k++) {
    const size_t i = phase == NN__PHASE_BACKWARD ? profile->layers - 1 - k : k; /* as they happen */
    char name[192];
    snprintf(name, sizeof name, "%s %s (%s)", phase_names[phase], nn_model_layer_name(t->model, i),
             nn_model_layer(t->model, i)->ops->schema.name);
    add_row(profile, g, values + i, samples * layer_flops(t, i, phase), name);
  }
}

/* ---- the table ------------------------------------------------------------------------------------------- */

/* A layer stands below its phase, without the phase's name. Seconds are multiplied by `each`. */
static void print_row(nn_log *log, const nn_profile_row *row, double each, double total, bool ranks) {
  char spread[40] = "", rate[40] = "";
  const bool layer = strchr(row->name, '(') != NULL;
  if (ranks) snprintf(spread, sizeof spread, " %9.3f %9.3f", row->least * each, row->most * each);
  if (!isnan(row->gflops)) snprintf(rate, sizeof rate, " %9.1f %8.1f%%", row->gflops, 100 * row->share);
  nn_log_info(log, "  %s%-*s %9.3f%s %6.1f%%%s", layer ? "  " : "", layer ? 24 : 26,
              layer ? strchr(row->name, ' ') + 1 : row->name, row->seconds * each, spread, 100 * row->seconds / total,
              rate);
}

static void print_table(const nn__trainer *t, const gathered *g) {
  const nn__profile *profile = t->profile;
  const bool ranks = g->ranks > 1;
  double total = 0, peak = 0;
  int first = 0, last = 0; /* who is waited for, who waits most */
  for (size_t p = 0; p < NN__PHASES; p++)
    for (int r = 0; r < g->ranks; r++) total += value_of(g, r, p) / g->ranks;
  for (int r = 0; r < g->ranks; r++) {
    peak += value_of(g, r, g->values) / g->ranks;
    if (value_of(g, r, NN__PHASE_WAIT) < value_of(g, first, NN__PHASE_WAIT)) first = r;
    if (value_of(g, r, NN__PHASE_WAIT) > value_of(g, last, NN__PHASE_WAIT)) last = r;
  }
  nn_log_info(t->log, "profile: %llu step%s in %.3f s; FMA peak of a rank, measured now: %.1f GFLOP/s",
              (unsigned long long)profile->steps, NN_PLURAL(profile->steps), total, peak);
  const bool short_steps = total < 1e-4 * (double)profile->steps;
  const double each = (short_steps ? 1e6 : 1e3) / (double)profile->steps;
  nn_log_info(t->log, "  %-26s %9s%s %7s %9s %9s", "", short_steps ? "us a step" : "ms a step",
              ranks ? "     least      most" : "", "share", "GFLOP/s", "of peak");
  for (size_t i = 0; i < profile->row_count; i++) {
    const nn_profile_row *row = &profile->rows[i];
    if (!isnan(row->gflops) || row->most > 1e-4 * total) print_row(t->log, row, each, total, ranks);
  }
  if (ranks && first != last)
    nn_log_info(t->log, "  the others wait for rank %d most of the time, and rank %d waits longest", first, last);
}

static nn_status make_rows(nn__trainer *t, const gathered *g) {
  const double samples =
      (double)t->profile->steps * (double)nn_dataset_count(t->dataset, NN_SET_TRAIN) / (double)t->steps_per_epoch;
  t->profile->row_count = 0;
  for (size_t p = 0; p < NN__PHASES; p++) add_phase(t, g, samples, (nn__phase)p);
  nn_history_profile(t->history, t->profile->rows, t->profile->row_count, t->profile->steps);
  print_table(t, g);
  nn__save_wait(t);
  t->history_step = UINT64_MAX; /* what is on disk lacks the profile */
  return NN_OK;
}

/* Passes are what thread 0 sees, since all wait for one another; gradients the mean of the threads, each of which makes
 * those of other parameters. */
static void take_values(const nn__profile *profile, double *values) {
  const size_t columns = BY_LAYER * profile->layers, passes = 2 * profile->layers;
  memcpy(values, profile->phases, sizeof profile->phases);
  values += NN__PHASES;
  memcpy(values, profile->seconds, passes * sizeof *values);
  for (size_t c = passes; c < columns; c++) {
    values[c] = 0;
    for (int i = 0; i < profile->threads; i++)
      values[c] += profile->seconds[(size_t)i * columns + c] / profile->threads;
  }
}

nn_status nn__profile_end(nn__trainer *t) {
  nn__profile *profile = t->profile;
  if (profile == NULL || profile->steps == 0) return NN_OK;
  const size_t values = value_count(profile), bytes = (values + 1) * sizeof(double);
  void *mine = NULL, *all = NULL;
  nn_status status = nn_alloc(values + 1, sizeof(double), "the profile", &mine);
  if (status == NN_OK) status = nn_alloc((size_t)nn_comm_size(t->comm), bytes, "the profile", &all);
  if (status == NN_OK) status = rank_peak(t, (double *)mine + values);
  NN_TRY_DONE(nn_comm_agree(t->comm, status));
  take_values(profile, mine);
  NN_TRY_DONE(nn_comm_gather_all(t->comm, mine, bytes, all));
  const gathered g = {.ranks = nn_comm_size(t->comm), .values = values, .all = all};
  if (nn_comm_rank(t->comm) == 0) status = make_rows(t, &g);
  status = nn_comm_agree(t->comm, status);
done:
  nn_free(all);
  nn_free(mine);
  return status;
}
