/* Memory for passes; forward and backward. */
#include "model/internal.h"

#include <string.h>

enum { OWN_FLOATS = 256 << 10 /* of inputs that each thread has: no more than a second-level cache has room for */ };

/* One block: this struct, the three tables, then the floats. */
struct nn_workspace {
  const nn_model *model;
  size_t rows;
  bool training, watched;
  float **outputs;   /* [layers] of every layer, [rows, out]; some are one with the next */
  float **work;      /* [layers] of every layer */
  float **gradients; /* [layers] of every layer's output; NULL where not training, and below what is trained */
  float *room;       /* [rows, in] for inputs */
  float *own; /* [threads, own_stride], each [own_rows, in] for inputs; NULL: there is one thread, or a sample is too
                 large */
  size_t own_rows, own_stride;
  float *input;                 /* of the pass: `room`, or one of next.inputs */
  bool product_made;            /* of the pass: the first layer's output holds the product that it begins with */
  struct {                      /* the sample after a single one */
    float *inputs[2], *product; /* [in] each; [out of the first layer]. NULL: this network has no use for them */
    int turn;                   /* which of `inputs` is its own; in the other is that of the pass, perhaps */
    bool there, begun;          /* its input; `product` */
  } next;
  nn_gradient_watch watch;
  void *watch_context;
  double *seconds; /* [threads, 3 × layers]; NULL: nobody wants to know */
};

/* ---- layout ----------------------------------------------------------------------------------- */

/* Adds `count` floats, on a boundary; returns where they begin. Sums that do not fit a size_t stay at SIZE_MAX. */
static size_t reserve(size_t *total, size_t a, size_t b) {
  const size_t at = *total;
  size_t count = 0, end = 0;
  if (at == SIZE_MAX || !nn_size_multiply(a, b, &count) || count > SIZE_MAX / 2 ||
      __builtin_add_overflow(at, nn__grain_round(count), &end))
    end = SIZE_MAX;
  *total = end;
  return at;
}

static size_t header_floats(const nn_model *model) {
  const size_t bytes = sizeof(nn_workspace) + 3 * model->layer_count * sizeof(float *);
  return nn__grain_round((bytes + sizeof(float) - 1) / sizeof(float));
}

/* Is the first layer's product part of the update before it? */
static bool begins_with_product(const nn_model *model, bool training) {
  return training && model->layer_count > 0 && model->first_trained == 0 && model->layers[0].layer->ops->product_first;
}

/* What the layer behind layer i makes of its output, if layer i can do that, too. */
static nn_after map_after(const nn_model *model, size_t i) {
  const nn_layer *behind = i + 1 < model->layer_count ? model->layers[i + 1].layer : NULL;
  if (behind == NULL || behind->map == NULL || !model->layers[i].layer->ops->maps_after) return (nn_after){0};
  return (nn_after){.map = behind->map, .p = behind->map_p};
}

/* Floats of the block; with `workspace`, sets its pointers into `base`. */
static size_t lay_out(const nn_model *model, size_t rows, nn_workspace_use use, int threads, nn_workspace *workspace,
                      float *base) {
  const bool training = use != NN_WORKSPACE_FORWARD;
  const size_t in = nn_shape_size(&model->in);
  const size_t few = rows < OWN_FLOATS / in ? rows : OWN_FLOATS / in;
  size_t total = header_floats(model);
  size_t at = reserve(&total, rows, in);
  if (workspace != NULL) workspace->input = workspace->room = base + at;
  if (threads > 1 && few > 0) {
    const size_t stride = nn__grain_round(few * in);
    at = reserve(&total, (size_t)threads, stride);
    if (workspace != NULL) workspace->own = base + at, workspace->own_rows = few, workspace->own_stride = stride;
  }
  for (size_t i = 0; i < model->layer_count; i++) {
    const nn_layer *layer = model->layers[i].layer;
    const nn_after before = i > 0 ? map_after(model, i - 1) : (nn_after){0};
    const bool in_place = use == NN_WORKSPACE_TRAINING && before.map != NULL && before.map->in_place && before.p >= 0;
    if (!in_place) at = reserve(&total, rows, nn_shape_size(&layer->out));
    if (workspace != NULL) workspace->outputs[i] = in_place ? workspace->outputs[i - 1] : base + at;
    at = reserve(&total, rows, layer->work_per_row);
    if (workspace != NULL) workspace->work[i] = base + at;
    /* the fixed part follows the rows' part at once, wherever that ends: a layer sees one array */
    (void)reserve(&total, 1, layer->work_fixed);
  }
  for (int i = 0; begins_with_product(model, training) && i < 2; i++) {
    at = reserve(&total, 1, nn_shape_size(&model->in));
    if (workspace != NULL) workspace->next.inputs[i] = base + at;
  }
  if (begins_with_product(model, training)) {
    at = reserve(&total, 1, nn_shape_size(&model->layers[0].layer->out));
    if (workspace != NULL) workspace->next.product = base + at;
  }
  for (size_t i = model->layer_count; training && i-- > 0;) {
    /* the layer above may write its input's gradient over its output's */
    const bool last = i + 1 == model->layer_count, above = !last && model->layers[i + 1].layer->ops->elementwise;
    if (!last && i < model->first_trained) break;
    if (!above) at = reserve(&total, rows, nn_shape_size(&model->layers[i].layer->out));
    if (workspace != NULL) workspace->gradients[i] = above ? workspace->gradients[i + 1] : base + at;
  }
  return total;
}

size_t nn_workspace_bytes(const nn_model *model, size_t rows, nn_workspace_use use, int threads) {
  size_t bytes = 0;
  return nn_size_multiply(lay_out(model, rows, use, threads, NULL, NULL), sizeof(float), &bytes) ? bytes : SIZE_MAX;
}

nn_status nn_workspace_create(const nn_model *model, size_t rows, nn_workspace_use use, int threads,
                              nn_workspace **out) {
  void *memory = NULL;
  NN_TRY(nn_alloc(nn_workspace_bytes(model, rows, use, threads), 1, "the values of the layers", &memory));
  nn_workspace *workspace = memory;
  workspace->model = model;
  workspace->rows = rows;
  workspace->training = use != NN_WORKSPACE_FORWARD;
  workspace->watched = use != NN_WORKSPACE_TRAINING;
  workspace->outputs = (float **)(workspace + 1);
  workspace->work = workspace->outputs + model->layer_count;
  workspace->gradients = workspace->work + model->layer_count;
  (void)lay_out(model, rows, use, threads, workspace, memory);
  *out = workspace;
  return NN_OK;
}

void nn_workspace_destroy(nn_workspace **workspace) {
  nn_free(*workspace);
  *workspace = NULL;
}

bool nn_workspace_each(const nn_workspace *workspace, size_t rows) {
  return rows > 0 && rows <= workspace->own_rows;
}

static float *input_of(const nn_workspace *workspace, size_t rows, int thread) {
  if (!nn_workspace_each(workspace, rows)) return workspace->room;
  return workspace->own + (size_t)thread * workspace->own_stride;
}

float *nn_workspace_input(nn_workspace *workspace, size_t rows, int thread) {
  if (workspace->input != workspace->room) { /* threads that all ask write nothing */
    workspace->input = workspace->room;
    workspace->product_made = false;
  }
  return input_of(workspace, rows, thread);
}

float *nn_workspace_next(nn_workspace *workspace) {
  workspace->next.there = workspace->next.product != NULL;
  workspace->next.begun = false;
  return workspace->next.inputs[workspace->next.turn];
}

void nn_workspace_turn(nn_workspace *workspace) {
  NN_ASSERT(workspace->next.there);
  workspace->input = workspace->next.inputs[workspace->next.turn];
  workspace->next.turn = !workspace->next.turn;
  workspace->next.there = false;
  workspace->product_made = workspace->next.begun;
  if (workspace->product_made)
    memcpy(workspace->outputs[0], workspace->next.product,
           nn_shape_size(&workspace->model->layers[0].layer->out) * sizeof(float));
}

void nn__workspace_begin_next(nn_workspace *workspace, nn_outer *outer) {
  if (!workspace->next.there) return;
  outer->x = workspace->next.inputs[workspace->next.turn];
  outer->y = workspace->next.product;
  workspace->next.begun = true;
}

const float *nn_workspace_output(const nn_workspace *workspace) {
  return workspace->outputs[workspace->model->layer_count - 1];
}

const float *nn_workspace_activation(const nn_workspace *workspace, size_t layer) {
  NN_ASSERT(workspace->watched && layer < workspace->model->layer_count);
  return workspace->outputs[layer];
}

float *nn_workspace_output_gradient(nn_workspace *workspace) {
  NN_ASSERT(workspace->training);
  return workspace->gradients[workspace->model->layer_count - 1];
}

void nn_workspace_watch(nn_workspace *workspace, nn_gradient_watch watch, void *context) {
  workspace->watch = watch;
  workspace->watch_context = context;
}

void nn_workspace_time(nn_workspace *workspace, double *seconds) {
  workspace->seconds = seconds;
}

double nn__workspace_clock(const nn_workspace *workspace) {
  return workspace->seconds != NULL ? nn_seconds() : 0;
}

void nn__workspace_add_time(const nn_workspace *workspace, const nn_team *team, size_t which, double start) {
  if (workspace->seconds == NULL) return;
  workspace->seconds[(size_t)team->id * 3 * workspace->model->layer_count + which] += nn_seconds() - start;
}

/* ---- passes ----------------------------------------------------------------------------------- */

const float *nn__workspace_x(const nn_workspace *workspace, const nn_pass *pass, size_t layer) {
  if (layer > 0) return workspace->outputs[layer - 1];
  return workspace->input != workspace->room ? workspace->input : input_of(workspace, pass->rows, pass->team->id);
}

const float *nn__workspace_dy(const nn_workspace *workspace, size_t layer) {
  return workspace->gradients[layer];
}

float *nn__workspace_work(const nn_workspace *workspace, size_t layer) {
  return workspace->work[layer];
}

void nn_model_forward(const nn_model *model, nn_workspace *workspace, const nn_pass *pass) {
  NN_ASSERT(workspace->model == model && pass->rows > 0 && pass->rows <= workspace->rows);
  NN_ASSERT(workspace->input == workspace->room || pass->rows == 1);
  nn_pass own = *pass;
  for (size_t i = 0; i < model->layer_count; i++) {
    const nn_layer *layer = model->layers[i].layer;
    own.work = workspace->work[i];
    own.product_made = i == 0 && workspace->product_made;
    if (pass->rows > 1) own.after = map_after(model, i);
    if (own.after.map != NULL) own.after.y = workspace->outputs[i + 1];
    const double start = nn__workspace_clock(workspace);
    layer->ops->forward(layer, &own, nn__workspace_x(workspace, pass, i), workspace->outputs[i]);
    nn__workspace_add_time(workspace, pass->team, i, start);
    if (own.product_made) workspace->product_made = false;
    if (own.after.map != NULL) i++;
  }
}

void nn_model_backward(const nn_model *model, nn_workspace *workspace, const nn_pass *pass) {
  NN_ASSERT(workspace->model == model && workspace->training && pass->rows <= workspace->rows);
  nn_pass own = *pass;
  for (size_t i = model->layer_count; i-- > model->first_trained;) {
    const nn_layer *layer = model->layers[i].layer;
    if (workspace->watch != NULL) {
      if (pass->team->id == 0) workspace->watch(workspace->watch_context, i, workspace->gradients[i]);
      nn_team_barrier(pass->team);
    }
    own.work = workspace->work[i];
    const double start = nn__workspace_clock(workspace);
    layer->ops->backward(layer, &own, nn__workspace_x(workspace, pass, i), workspace->outputs[i],
                         workspace->gradients[i], i == model->first_trained ? NULL : workspace->gradients[i - 1]);
    nn__workspace_add_time(workspace, pass->team, model->layer_count + i, start);
  }
}
