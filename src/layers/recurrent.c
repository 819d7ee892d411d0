/* The way of stacked recurrent layers through time, forward and back.
 *
 * Inside, everything is time-major: [time, rows, width], so that a time step is one matrix. The input's part of all
 * time steps is one product; what remains step by step is the state's part. Where its weights fit a core's cache, rows
 * go through time in blocks of a few, each block by one thread and without waiting for the others; else all rows go
 * together and the team divides each product. Which of the two, and the blocks, depend on sizes alone. */
#include "layers/recurrent.h"

#include <string.h>

enum {
  BLOCK_ROWS = 16,           /* full speed for a product with these few, and work for many threads */
  BLOCK_WEIGHTS = 256 * 1024 /* floats of weight_hh above which each block would fetch them from memory */
};

const char *const nn__recurrent_outputs[] = {"last", "sequence", NULL};

/* ---- making one ------------------------------------------------------------------------------- */

#define NAMES(l) "weight_ih_l" #l, "weight_hh_l" #l, "bias_ih_l" #l, "bias_hh_l" #l
static const char *const names[NN_LAYER_PARAMS_MAX] = {
    NAMES(0), NAMES(1), NAMES(2),  NAMES(3),  NAMES(4),  NAMES(5),  NAMES(6),  NAMES(7),
    NAMES(8), NAMES(9), NAMES(10), NAMES(11), NAMES(12), NAMES(13), NAMES(14), NAMES(15),
};

static size_t layer_width(const nn__recurrent *r, size_t l) {
  return l == 0 ? r->features : r->units;
}

static nn_status set_params(nn__recurrent *r) {
  const size_t rows = r->cell->gates * r->units;
  for (size_t l = 0; l < r->layers; l++) {
    const size_t width = layer_width(r, l);
    size_t elements = 0, bytes = 0;
    if (!nn_size_multiply(rows, width > r->units ? width : r->units, &elements) ||
        !nn_size_multiply(elements, sizeof(float), &bytes) || bytes > PTRDIFF_MAX)
      return NN_FAIL(NN_ERR_CONFIG, "a weight of %zu x %zu numbers is more than can be addressed", rows,
                     width > r->units ? width : r->units);
    nn_param *param = r->base.params + NN__RECURRENT_PARAMS * l;
    for (size_t p = 0; p < NN__RECURRENT_PARAMS; p++) {
      const bool bias = p == NN__BIAS_IH || p == NN__BIAS_HH;
      const size_t fan_in = p == NN__WEIGHT_IH || p == NN__BIAS_IH ? width : r->units;
      param[p] = (nn_param){.name = names[NN__RECURRENT_PARAMS * l + p],
                            .rank = bias ? 1 : 2,
                            .dims = {rows, bias ? 0 : fan_in},
                            .fan_in = fan_in,
                            .fan_out = r->units, /* of each gate */
                            .pytorch_fan = r->units,
                            .is_bias = bias};
    }
  }
  r->base.param_count = (int)(NN__RECURRENT_PARAMS * r->layers);
  return NN_OK;
}

/* [units] where there is one layer, else [layers, units]. */
static nn_status check_start(const nn__recurrent *r, const char *name, const nn_tensor *start) {
  if (start->rank == 0) return NN_OK;
  const bool one = start->rank == 1 && r->layers == 1 && start->dims[0] == r->units;
  const bool each = start->rank == 2 && start->dims[0] == r->layers && start->dims[1] == r->units;
  if (!one && !each)
    return NN_FAIL(NN_ERR_CONFIG, "%s must have %zu x %zu numbers: a list of %zu for each of the stacked layers", name,
                   r->layers, r->units, r->units);
  for (size_t i = 0; i < r->layers * r->units; i++) {
    const float value = (float)start->at[i];
    if (!nn_all_finite(1, &value)) return NN_FAIL(NN_ERR_CONFIG, "%s: a number is too large for a float", name);
  }
  return NN_OK;
}

static nn_status set_work(nn__recurrent *r);
static void set_cost(nn__recurrent *r);

static nn_status set_up(nn__recurrent *r, size_t outputs) {
  static const char *const states[NN__STATES_MAX] = {"h0", "c0"};
  const nn_shape *in = &r->base.in;
  const nn__recurrent_options *o = r->options;
  if (in->rank != 2) {
    char shape[96];
    return NN_FAIL(NN_ERR_CONFIG,
                   "expected samples of [time, features], a row for each time step, but they come as [%s]: store data "
                   "as [samples, time, features], and put nothing before this layer that flattens",
                   nn_shape_text(in, shape));
  }
  r->units = o->units == NN_AUTO ? outputs : (size_t)o->units;
  if (r->units == 0)
    return NN_FAIL(NN_ERR_CONFIG, "it needs `units` here: `auto` (the default) is only for the last layer with "
                                  "parameters, which puts out what the data asks for");
  r->time = in->dims[0];
  r->features = in->dims[1];
  r->layers = (size_t)o->layers;
  r->sequence = o->output != 0;
  r->base.init = &o->init;
  r->base.out =
      r->sequence ? (nn_shape){.rank = 2, .dims = {r->time, r->units}} : (nn_shape){.rank = 1, .dims = {r->units}};
  NN_TRY(set_params(r));
  for (int s = 0; s < r->cell->states; s++) NN_TRY(check_start(r, states[s], &o->start[s]));
  set_cost(r);
  return set_work(r);
}

nn_status nn__recurrent_create(size_t bytes, const nn_layer_ops *ops, const nn__cell *cell,
                               const nn__recurrent_options *options, const nn_shape *in, size_t outputs,
                               nn_layer **out) {
  nn_layer *layer = NULL;
  NN_TRY(nn__layer_create(bytes, ops, in, &layer));
  nn__recurrent *r = (nn__recurrent *)layer;
  r->cell = cell;
  r->options = options;
  const nn_status status = set_up(r, outputs);
  if (status != NN_OK)
    nn_layer_destroy(&layer);
  else
    *out = layer;
  return status;
}

/* ---- workspace -------------------------------------------------------------------------------- */

/* What one stacked layer keeps from forward to backward. */
typedef struct memory {
  float *z;                     /* [time, rows, gates × units]; its gradient after backward */
  float *kept;                  /* [time, rows, kept × units] */
  float *state[NN__STATES_MAX]; /* [1 + time, rows, units]: before the first step, after each */
} memory;

typedef struct buffers {
  float *x; /* [time, rows, features] */
  memory layer[NN__RECURRENT_LAYERS_MAX];
  float *zh;                      /* [rows, gates × units] */
  float *weight;                  /* [units, gates × units]: weight_hh turned, the faster way round for few rows */
  float *d_sequence;              /* [time, rows, features or units]: of a layer's outputs, then of its inputs */
  float *d_state[NN__STATES_MAX]; /* [rows, units] */
} buffers;

/* Hands out parts of the workspace, or only counts them: floats a row, or for all rows together. */
typedef struct allotment {
  float *at;
  size_t rows;
  size_t per_row, fixed; /* SIZE_MAX once they cannot be addressed */
} allotment;

enum { GRAIN = NN_ALIGNMENT / sizeof(float) };

static void count(size_t *total, size_t a, size_t b, size_t c) {
  size_t product = 0;
  if (!nn_size_multiply(a, b, &product) || !nn_size_multiply(product, c, &product) ||
      __builtin_add_overflow(*total, product, total))
    *total = SIZE_MAX;
}

/* [a, rows, b] */
static float *allot_rows(allotment *work, size_t a, size_t b) {
  if (work->per_row != SIZE_MAX) count(&work->per_row, a, b, 1);
  work->fixed = work->fixed > SIZE_MAX - GRAIN ? SIZE_MAX : work->fixed + GRAIN; /* for rounding up */
  if (work->at == NULL) return NULL;
  float *part = work->at;
  work->at += (a * work->rows * b + GRAIN - 1) / GRAIN * GRAIN;
  return part;
}

/* [a, b] */
static float *allot_fixed(allotment *work, size_t a, size_t b) {
  if (work->fixed <= SIZE_MAX - GRAIN) count(&work->fixed, a, b, 1);
  work->fixed = work->fixed > SIZE_MAX - GRAIN ? SIZE_MAX : work->fixed + GRAIN;
  if (work->at == NULL) return NULL;
  float *part = work->at;
  work->at += (a * b + GRAIN - 1) / GRAIN * GRAIN;
  return part;
}

static buffers lay_out(const nn__recurrent *r, allotment *work) {
  const size_t units = r->units, gates = r->cell->gates * units;
  buffers b = {0};
  b.x = allot_rows(work, r->time, r->features);
  for (size_t l = 0; l < r->layers; l++) {
    b.layer[l].z = allot_rows(work, r->time, gates);
    b.layer[l].kept = allot_rows(work, r->time, r->cell->kept * units);
    for (int s = 0; s < r->cell->states; s++) b.layer[l].state[s] = allot_rows(work, r->time + 1, units);
  }
  b.zh = allot_rows(work, 1, gates);
  b.weight = allot_fixed(work, units, gates);
  b.d_sequence = allot_rows(work, r->time, r->features > units ? r->features : units);
  for (int s = 0; s < r->cell->states; s++) b.d_state[s] = allot_rows(work, 1, units);
  return b;
}

static nn_status set_work(nn__recurrent *r) {
  allotment work = {0};
  (void)lay_out(r, &work);
  if (work.per_row > PTRDIFF_MAX / sizeof(float) || work.fixed > PTRDIFF_MAX / sizeof(float))
    return NN_FAIL(NN_ERR_CONFIG, "%zu time steps of %zu units are more than can be addressed", r->time, r->units);
  r->base.work_per_row = work.per_row;
  r->base.work_fixed = work.fixed;
  return NN_OK;
}

/* ---- layouts ---------------------------------------------------------------------------------- */

/* [rows, time, width] to [time, rows, width], or with rows and time exchanged, back. */
static void exchange(const nn_team *team, size_t rows, size_t time, size_t width, const float *from, float *to) {
  size_t first, last;
  nn_team_share(team, rows, 1, &first, &last);
  for (size_t r = first; r < last; r++)
    for (size_t t = 0; t < time; t++)
      memcpy(to + (t * rows + r) * width, from + (r * time + t) * width, width * sizeof *to);
  nn_team_barrier(team);
}

/* to [columns, rows] from [rows, columns], by squares: whole cache lines on both sides. */
static void turn(const nn_team *team, size_t rows, size_t columns, const float *from, float *to) {
  size_t first, last;
  nn_team_share(team, rows, GRAIN, &first, &last);
  for (size_t r = first; r < last; r += GRAIN)
    for (size_t c = 0; c < columns; c += GRAIN) {
      const size_t r_end = last - r < GRAIN ? last : r + GRAIN, c_end = columns - c < GRAIN ? columns : c + GRAIN;
      for (size_t j = c; j < c_end; j++)
        for (size_t i = r; i < r_end; i++) to[j * rows + i] = from[i * columns + j];
    }
  nn_team_barrier(team);
}

/* ---- through time ------------------------------------------------------------------------------ */

/* One stacked layer in a pass. */
typedef struct walk {
  const nn__recurrent *r;
  const nn_pass *pass;
  const buffers *b;
  size_t layer;
  const float *params[NN__RECURRENT_PARAMS];
  const float *d_last, *d_each; /* gradients of the last h [rows, units], of each h [time, rows, units]; or NULL */
} walk;

typedef void (*walk_rows)(const walk *w, const nn_team *team, size_t first, size_t last);

/* Do the rows go through time together, all threads at one time step? */
static bool walks_together(const nn__recurrent *r) {
  return r->cell->gates * r->units * r->units > BLOCK_WEIGHTS;
}

static void set_cost(nn__recurrent *r) {
  const double units = (double)r->units, gates = (double)r->cell->gates * units, time = (double)r->time;
  r->base.products_input = time * gates * (double)r->features;
  r->base.products =
      r->base.products_input + time * gates * units * (2 * (double)r->layers - 1); /* from state and layer below */
  r->base.turns = r->layers * (walks_together(r) ? r->time : 1);
}

/* All rows by `function`, in blocks or together. */
static void walk_all(const walk *w, walk_rows function) {
  const size_t rows = w->pass->rows;
  if (walks_together(w->r)) {
    function(w, w->pass->team, 0, rows);
    return;
  }
  const nn_team alone = {.id = 0, .size = 1};
  size_t first, last;
  nn_team_share(w->pass->team, rows, BLOCK_ROWS, &first, &last);
  for (size_t r = first; r < last; r += BLOCK_ROWS)
    function(w, &alone, r, last - r < BLOCK_ROWS ? last : r + BLOCK_ROWS);
  nn_team_barrier(w->pass->team);
}

static bool starts_at_zero(const nn__recurrent *r) {
  return r->options->start[0].rank == 0;
}

/* Time step t of rows [first, last). */
static nn__cell_step step_at(const walk *w, size_t t, size_t first, size_t last) {
  const nn__cell *cell = w->r->cell;
  const size_t rows = w->pass->rows, units = w->r->units, gates = cell->gates * units, at = t * rows + first;
  const memory *m = &w->b->layer[w->layer];
  nn__cell_step step = {.rows = last - first,
                        .units = units,
                        .bias_ih = w->params[NN__BIAS_IH],
                        .bias_hh = w->params[NN__BIAS_HH],
                        .zh = w->b->zh + first * gates,
                        .z = m->z + at * gates,
                        .kept = m->kept + at * cell->kept * units};
  for (int s = 0; s < cell->states; s++) {
    step.before[s] = m->state[s] + at * units;
    step.after[s] = m->state[s] + (at + rows) * units;
  }
  return step;
}

/* The states before the first step, of rows [first, last). */
static void start(const walk *w, size_t first, size_t last) {
  const size_t units = w->r->units;
  for (int s = 0; s < w->r->cell->states; s++) {
    const nn_tensor *given = &w->r->options->start[s];
    float *state = w->b->layer[w->layer].state[s];
    for (size_t i = first * units; i < last * units; i++)
      state[i] = given->rank == 0 ? 0 : (float)given->at[w->layer * units + i % units];
  }
}

static void forward_rows(const walk *w, const nn_team *team, size_t first, size_t last) {
  const size_t units = w->r->units, gates = w->r->cell->gates * units;
  const float *h = w->b->layer[w->layer].state[0];
  size_t from, to; /* this thread's of them */
  nn_team_share(team, last - first, 1, &from, &to);
  from += first, to += first;
  start(w, from, to);
  nn_team_barrier(team);
  for (size_t t = 0; t < w->r->time; t++) {
    if (t == 0 && starts_at_zero(w->r)) {
      memset(w->b->zh + from * gates, 0, (to - from) * gates * sizeof(float));
    } else {
      nn_gemm(team, NN_N, NN_N, last - first, gates, units, h + (t * w->pass->rows + first) * units, w->b->weight,
              w->b->zh + first * gates);
    }
    const nn__cell_step step = step_at(w, t, from, to);
    if (to > from) w->r->cell->forward(&step);
    nn_team_barrier(team);
  }
}

/* d_state[0] of rows [from, to) after step t: what the step behind gave, and what the outputs ask for. */
static void add_output_gradient(const walk *w, size_t t, size_t from, size_t to) {
  const size_t units = w->r->units, rows = w->pass->rows;
  const float *given = NULL;
  if (w->d_each != NULL) given = w->d_each + t * rows * units;
  if (w->d_last != NULL && t + 1 == w->r->time) given = w->d_last;
  float *dh = w->b->d_state[0];
  for (size_t i = from * units; given != NULL && i < to * units; i++) dh[i] += given[i];
}

static void backward_rows(const walk *w, const nn_team *team, size_t first, size_t last) {
  const size_t units = w->r->units, gates = w->r->cell->gates * units, rows = w->pass->rows;
  size_t from, to;
  nn_team_share(team, last - first, 1, &from, &to);
  from += first, to += first;
  nn__cell_gradient gradient = {0};
  for (int s = 0; s < w->r->cell->states; s++) {
    gradient.d_state[s] = w->b->d_state[s] + from * units;
    memset(gradient.d_state[s], 0, (to - from) * units * sizeof(float));
  }
  for (size_t t = w->r->time; t-- > 0;) {
    const nn__cell_step step = step_at(w, t, from, to);
    gradient.step = &step;
    gradient.dz = step.z; /* each gate is read before its gradient takes its place */
    add_output_gradient(w, t, from, to);
    if (to > from) w->r->cell->backward(&gradient);
    nn_team_barrier(team);
    if (t > 0)
      nn_gemm(team, NN_N, NN_N, last - first, units, gates, w->b->layer[w->layer].z + (t * rows + first) * gates,
              w->params[NN__WEIGHT_HH], w->b->d_state[0] + first * units);
  }
}

/* ---- passes ------------------------------------------------------------------------------------ */

static walk walk_of(const nn__recurrent *r, const nn_pass *pass, const buffers *b, size_t layer) {
  walk w = {.r = r, .pass = pass, .b = b, .layer = layer};
  for (size_t p = 0; p < NN__RECURRENT_PARAMS; p++)
    w.params[p] = pass->params + r->base.params[NN__RECURRENT_PARAMS * layer + p].offset;
  return w;
}

static buffers buffers_of(const nn__recurrent *r, const nn_pass *pass) {
  allotment work = {.at = pass->work, .rows = pass->rows};
  return lay_out(r, &work);
}

/* What layer l reads, [time, rows, width]. */
static const float *layer_input(const nn__recurrent *r, const nn_pass *pass, const buffers *b, size_t l) {
  return l == 0 ? b->x : b->layer[l - 1].state[0] + pass->rows * r->units;
}

void nn__recurrent_forward(const nn_layer *layer, const nn_pass *pass, const float *x, float *y) {
  const nn__recurrent *r = (const nn__recurrent *)layer;
  const buffers b = buffers_of(r, pass);
  const size_t rows = pass->rows, units = r->units, gates = r->cell->gates * units;
  exchange(pass->team, rows, r->time, r->features, x, b.x);
  for (size_t l = 0; l < r->layers; l++) {
    const walk w = walk_of(r, pass, &b, l);
    nn_gemm(pass->team, NN_N, NN_T, r->time * rows, gates, layer_width(r, l), layer_input(r, pass, &b, l),
            w.params[NN__WEIGHT_IH], b.layer[l].z);
    turn(pass->team, gates, units, w.params[NN__WEIGHT_HH], b.weight);
    walk_all(&w, forward_rows);
  }
  const float *h = b.layer[r->layers - 1].state[0] + rows * units; /* after each step */
  if (r->sequence)
    exchange(pass->team, r->time, rows, units, h, y);
  else
    nn_copy(pass->team, rows * units, h + (r->time - 1) * rows * units, y);
}

void nn__recurrent_backward(const nn_layer *layer, const nn_pass *pass, const float *x, const float *y, const float *dy,
                            float *dx) {
  (void)x, (void)y;
  const nn__recurrent *r = (const nn__recurrent *)layer;
  const buffers b = buffers_of(r, pass);
  const size_t rows = pass->rows, units = r->units, gates = r->cell->gates * units, all = r->time * rows;
  if (r->sequence) exchange(pass->team, rows, r->time, units, dy, b.d_sequence);
  for (size_t l = r->layers; l-- > 0;) {
    const bool top = l + 1 == r->layers;
    walk w = walk_of(r, pass, &b, l);
    w.d_last = top && !r->sequence ? dy : NULL;
    w.d_each = top && !r->sequence ? NULL : b.d_sequence;
    walk_all(&w, backward_rows);
    if (l > 0 || dx != NULL)
      nn_gemm(pass->team, NN_N, NN_N, all, layer_width(r, l), gates, b.layer[l].z, w.params[NN__WEIGHT_IH],
              b.d_sequence);
  }
  if (dx != NULL) exchange(pass->team, r->time, rows, r->features, b.d_sequence, dx);
}

void nn__recurrent_gradient(const nn_layer *layer, const nn_pass *pass, const float *x, const float *dy, int param,
                            size_t first, size_t last, float *out) {
  (void)x, (void)dy;
  const nn__recurrent *r = (const nn__recurrent *)layer;
  const buffers b = buffers_of(r, pass);
  const size_t l = (size_t)param / NN__RECURRENT_PARAMS, rows = pass->rows, all = r->time * rows;
  const size_t units = r->units, gates = r->cell->gates * units;
  const size_t skip = starts_at_zero(r) ? rows : 0; /* the first step multiplies by 0 */
  const float *dz = b.layer[l].z + first;
  switch (param % NN__RECURRENT_PARAMS) {
  case NN__WEIGHT_IH:
    nn_gemm_block(pass->team, last - first, layer_width(r, l), all, dz, gates, layer_input(r, pass, &b, l), out);
    return;
  case NN__WEIGHT_HH:
    nn_gemm_block(pass->team, last - first, units, all - skip, dz + skip * gates, gates,
                  b.layer[l].state[0] + skip * units, out);
    return;
  default: /* the two biases are added: one gradient for both */
    nn_columns_sum(all, gates, last - first, dz, out);
  }
}

float nn__recurrent_magnitude(const nn_layer *layer, const nn_pass *pass, const float *x, const float *dy) {
  (void)dy;
  const nn__recurrent *r = (const nn__recurrent *)layer;
  const buffers b = buffers_of(r, pass);
  const size_t all = r->time * pass->rows;
  float largest = x == NULL ? 0 : nn_magnitude(pass->team, all * r->features, x);
  for (size_t l = 0; l < r->layers; l++) {
    largest = nn__larger(largest, nn_magnitude(pass->team, all * r->cell->gates * r->units, b.layer[l].z));
    largest =
        nn__larger(largest, nn_magnitude(pass->team, all * r->units + pass->rows * r->units, b.layer[l].state[0]));
  }
  return largest;
}
