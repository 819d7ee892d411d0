/* `nnmpi evaluate` and `nnmpi predict`: a trained network and a file, over ranks. */
#include "train_internal.h"

#include <math.h>
#include <string.h>

/* A trained network, a data set, and the memory to bring them together. */
typedef struct job {
  nn_comm *comm;
  nn_trained *trained;
  nn_dataset *dataset;
  nn_window *window;
  nn_workspace *workspace;
  nn__task task;
  nn__rows rows;
  int threads;
  size_t seen; /* outputs of all layers of a sample, where they are wanted; else 0 */
} job;

static void job_close(job *j) {
  nn__rows_clear(&j->rows);
  nn_workspace_destroy(&j->workspace);
  nn_dataset_destroy(&j->dataset);
  nn_window_destroy(&j->window);
  nn_trained_destroy(&j->trained);
}

/* Classes are numbers in the file and in the network: the same number must mean the same class. */
static nn_status same_classes(const nn_target_info *here, const nn_target_info *trained, const char *data) {
  if (here->names == NULL || trained->names == NULL) return NN_OK;
  for (size_t c = 0; c < here->width && c < trained->width; c++)
    if (strcmp(here->names[c], trained->names[c]) != 0)
      return NN_FAIL(
          NN_ERR_DATA,
          "%s: class %zu is '%s', but '%s' to the network: give the classes the same numbers (class_names) as in "
          "the data set that it was trained on",
          data, c, here->names[c], trained->names[c]);
  return NN_OK;
}

/* What this rank does alone before memory is shared. */
static nn_status job_begin(job *j, const char *checkpoint, const char *data, const char *split, bool targets) {
  NN_TRY(nn_trained_load(checkpoint, &j->trained));
  const nn_target_info *target = &j->trained->target;
  NN_TRY(nn_dataset_open_set(data, split, targets, target->classes ? target->width : 0, &j->trained->normalizer,
                             j->trained->config, &j->dataset));
  if (targets) NN_TRY(same_classes(nn_dataset_target(j->dataset), target, data));
  char wants[96], has[96];
  const nn_shape *shape = nn_dataset_shape(j->dataset);
  if (nn_shape_size(shape) != nn_shape_size(&j->trained->shape))
    return NN_FAIL(NN_ERR_DATA, "%s: samples are %s, but the network of %s wants %s", data, nn_shape_text(shape, has),
                   checkpoint, nn_shape_text(&j->trained->shape, wants));
  const size_t outputs = nn_model_outputs(j->trained->model);
  NN_TRY(nn__task_create(j->trained->config, target, outputs, j->trained->normalizer.target_deviation, &j->task));
  NN_TRY(nn_workspace_create(j->trained->model, NN__EVAL_ROWS, NN_WORKSPACE_FORWARD, 1, &j->workspace));
  return nn__rows_create(NN__EVAL_ROWS, &j->task, &j->rows);
}

static nn_status job_open(job *j, const char *checkpoint, const char *data, const char *split, bool targets,
                          int64_t threads) {
  NN_TRY(nn_comm_agree(j->comm, job_begin(j, checkpoint, data, split, targets)));
  NN_TRY(nn_window_create(j->comm, nn_dataset_shared_bytes(j->dataset), &j->window));
  const int part = nn_comm_node_rank(j->comm), parts = nn_comm_node_size(j->comm);
  NN_TRY(nn_comm_agree(j->comm, nn_dataset_load(j->dataset, nn_window_data(j->window), part, parts)));
  NN_TRY(nn_comm_agree(j->comm, nn_window_sync(j->window)));
  NN_TRY(nn_comm_agree(j->comm, nn_dataset_finish(j->dataset)));
  const nn_model *model = j->trained->model;
  nn_config *config = j->trained->config;
  config->parallel.threads = threads > 0 ? threads : NN_AUTO;
  j->threads = nn__threads_choose(config, nn_cpu_allowed(), nn_comm_node_size(j->comm),
                                  nn__flops_per_row(model, false) * NN__EVAL_ROWS, nn__turns(model))
                   .count;
  return nn_comm_agree(j->comm, nn_team_check(j->threads));
}

static void add_metric(nn_text *out, const char *name, double value) {
  if (!isnan(value)) nn_text_add(out, "%-9s %.6g\n", name, value);
}

nn_status nn_evaluate_file(nn_comm *comm, const char *checkpoint, const char *data, const char *split, int64_t threads,
                           nn_text *out) {
  job j = {.comm = comm};
  nn_metrics metrics = nn_metrics_none;
  nn_status status = NN_OK;
  NN_TRY_DONE(job_open(&j, checkpoint, data, split, true, threads));
  const nn__evaluation evaluation = {.comm = comm,
                                     .threads = j.threads,
                                     .dataset = j.dataset,
                                     .model = j.trained->model,
                                     .params = j.trained->params,
                                     .workspace = j.workspace,
                                     .task = &j.task,
                                     .rows = &j.rows};
  NN_TRY_DONE(nn__evaluate(&evaluation, NN_SET_TEST, &metrics));
  nn_text_add(out, "%-9s %s%s\n", "dataset", nn_dataset_x_name(j.dataset, NN_SET_TEST),
              nn_dataset_is_drawn(j.dataset) ? " (the samples that data.valid_fraction took)" : "");
  nn_text_add(out, "%-9s %zu\n", "samples", nn_dataset_count(j.dataset, NN_SET_TEST));
  add_metric(out, "loss", metrics.loss);
  add_metric(out, "accuracy", metrics.accuracy);
  if (!isnan(metrics.top_k)) {
    char name[32];
    snprintf(name, sizeof name, "top-%zu", j.task.top_k);
    add_metric(out, name, metrics.top_k);
  }
  add_metric(out, "MAE", metrics.mae);
  add_metric(out, "RMSE", metrics.rmse);
  add_metric(out, "R2", metrics.r2);
  status = nn_text_status(out);
done:
  job_close(&j);
  return status;
}

/* ---- prediction -------------------------------------------------------------------------------------------- */

typedef struct block_run {
  job *j;
  uint32_t first;
  size_t rows;
  float *outputs;     /* [rows, width] */
  float *activations; /* [rows, seen]: of every layer, one behind the other; not where `seen` is 0 */
} block_run;

static size_t layer_width(const job *j, size_t layer) {
  return nn_shape_size(&nn_model_layer(j->trained->model, layer)->out);
}

static void take_activations(const job *j, const block_run *run) {
  size_t at = 0;
  for (size_t i = 0; i < nn_model_layer_count(j->trained->model); i++) {
    const size_t width = layer_width(j, i);
    const float *from = nn_workspace_activation(j->workspace, i);
    for (size_t r = 0; r < run->rows; r++)
      memcpy(run->activations + r * j->seen + at, from + r * width, width * sizeof *from);
    at += width;
  }
}

static void run_block(const nn_team *team, void *context) {
  const block_run *run = context;
  job *j = run->j;
  uint32_t ids[NN__EVAL_ROWS];
  for (size_t i = 0; i < run->rows; i++) ids[i] = run->first + (uint32_t)i;
  nn_dataset_gather(j->dataset, NN_SET_TEST, team, ids, run->rows, nn_workspace_input(j->workspace, run->rows, 0), NULL,
                    NULL);
  const nn_pass pass = {.team = team, .rows = run->rows, .params = j->trained->params, .samples = ids};
  nn_model_forward(j->trained->model, j->workspace, &pass);
  if (j->seen > 0 && team->id == 0) take_activations(j, run);
  nn_trained_answer(j->trained, team, run->rows, nn_workspace_output(j->workspace), run->outputs);
}

/* All outputs in order of samples, on every rank: blocks are dealt in turn and gathered a round at a time. */
static nn_status predict_all(job *j, float *all, float *all_activations) {
  const size_t width = j->task.width, block = NN__EVAL_ROWS * width, seen = NN__EVAL_ROWS * j->seen;
  const size_t count = nn_dataset_count(j->dataset, NN_SET_TEST);
  const size_t size = (size_t)nn_comm_size(j->comm), rank = (size_t)nn_comm_rank(j->comm);
  const size_t rounds = (count + size * NN__EVAL_ROWS - 1) / (size * NN__EVAL_ROWS);
  void *memory = NULL;
  nn_status status = nn_comm_agree(j->comm, nn_alloc(block + seen, sizeof(float), "predictions", &memory));
  for (size_t round = 0; round < rounds && status == NN_OK; round++) {
    const size_t first = (round * size + rank) * NN__EVAL_ROWS;
    if (first < count) {
      block_run run = {.j = j, .first = (uint32_t)first, .outputs = memory};
      run.activations = run.outputs + block;
      run.rows = count - first < NN__EVAL_ROWS ? count - first : NN__EVAL_ROWS;
      nn_team_run(j->threads, run_block, &run);
    }
    status = nn_comm_gather_all(j->comm, memory, block * sizeof(float), all + round * size * block);
    if (seen > 0 && status == NN_OK)
      status = nn_comm_gather_all(j->comm, (float *)memory + block, seen * sizeof(float),
                                  all_activations + round * size * seen);
  }
  nn_free(memory);
  return status;
}

/* activations/<layer> [count, shape of the layer's output] */
static nn_status write_activations(const job *j, nn_h5_image *image, const float *activations, size_t count) {
  void *memory = NULL;
  size_t at = 0;
  nn_status status = NN_OK;
  for (size_t i = 0; j->seen > 0 && i < nn_model_layer_count(j->trained->model); i++) {
    const nn_shape *shape = &nn_model_layer(j->trained->model, i)->out;
    const size_t width = nn_shape_size(shape);
    uint64_t dims[1 + NN_SHAPE_RANK_MAX] = {count};
    char name[160];
    for (int d = 0; d < shape->rank; d++) dims[1 + d] = shape->dims[d];
    snprintf(name, sizeof name, "activations/%s", nn_model_layer_name(j->trained->model, i));
    NN_TRY_DONE(nn_alloc(count * width, sizeof(float), "the outputs of a layer", &memory));
    float *values = memory;
    for (size_t r = 0; r < count; r++)
      memcpy(values + r * width, activations + r * j->seen + at, width * sizeof *values);
    NN_TRY_DONE(nn_h5_image_write(image, name, NN_H5_F32, 1 + shape->rank, dims, 0, values));
    nn_free(memory);
    memory = NULL;
    at += width;
  }
done:
  nn_free(memory);
  return status;
}

static nn_status write_h5(const job *j, const float *outputs, const float *activations, size_t count,
                          const char *path) {
  const nn_target_info *target = &j->trained->target;
  const uint64_t dims[2] = {count, j->task.width};
  nn_h5_image *image = NULL;
  void *memory = NULL;
  nn_status status = nn_h5_image_create(&image);
  if (status != NN_OK) return status;
  NN_TRY_DONE(nn_h5_image_attribute_text(image, "/", "format", "nnmpi predictions"));
  NN_TRY_DONE(nn_h5_image_attribute_text(image, "/", "dataset", nn_dataset_x_name(j->dataset, NN_SET_TEST)));
  NN_TRY_DONE(nn_h5_image_attribute_text(image, "/", "targets", nn_dataset_y_name(j->dataset, NN_SET_TEST)));
  NN_TRY_DONE(nn_h5_image_write(image, "outputs", NN_H5_F32, 2, dims, 0, outputs));
  if (target->classes) {
    NN_TRY_DONE(nn_alloc(count, sizeof(int32_t) + sizeof(float), "predicted classes", &memory));
    int32_t *classes = memory;
    float *probability = (float *)(classes + count);
    for (size_t r = 0; r < count; r++)
      classes[r] = nn_trained_class(j->trained, outputs + r * dims[1], &probability[r]);
    NN_TRY_DONE(nn_h5_image_write(image, "class", NN_H5_I32, 1, dims, 0, classes));
    NN_TRY_DONE(nn_h5_image_write(image, "probability", NN_H5_F32, 1, dims, 0, probability));
    if (target->names != NULL)
      NN_TRY_DONE(nn_h5_image_texts(image, "class_names", (const char *const *)target->names, target->width));
  }
  NN_TRY_DONE(write_activations(j, image, activations, count));
  status = nn_h5_image_save(image, path);
done:
  nn_free(memory);
  nn_h5_image_destroy(&image);
  return status;
}

/* RFC 4180: a field with a comma, a quote or a line break is quoted, quotes are doubled. */
static void add_field(nn_text *out, const char *field) {
  if (strpbrk(field, ",\"\r\n") == NULL) {
    nn_text_add(out, "%s", field);
    return;
  }
  nn_text_add(out, "\"");
  for (const char *at = field; *at != '\0'; at++) nn_text_add(out, *at == '"' ? "\"\"" : "%c", *at);
  nn_text_add(out, "\"");
}

static void add_activation_names(const job *j, nn_text *out) {
  for (size_t i = 0; j->seen > 0 && i < nn_model_layer_count(j->trained->model); i++)
    for (size_t k = 0; k < layer_width(j, i); k++)
      nn_text_add(out, ",%s_%zu", nn_model_layer_name(j->trained->model, i), k);
}

static nn_status write_csv(const job *j, const float *outputs, const float *activations, size_t count,
                           const char *path) {
  const nn_target_info *target = &j->trained->target;
  const size_t width = j->task.width;
  char number[32];
  nn_text out = {0};
  nn_text_add(&out,
              target->classes ? target->names != NULL ? "row,class,name,probability" : "row,class,probability" : "row");
  for (size_t k = 0; k < width; k++) nn_text_add(&out, ",output_%zu", k);
  add_activation_names(j, &out);
  nn_text_add(&out, "\n");
  for (size_t r = 0; r < count; r++) {
    nn_text_add(&out, "%zu", r);
    if (target->classes) {
      float probability = 0;
      const int32_t best = nn_trained_class(j->trained, outputs + r * width, &probability);
      nn_text_add(&out, ",%d,", best);
      if (target->names != NULL) {
        add_field(&out, target->names[best]);
        nn_text_add(&out, ",");
      }
      nn_text_add(&out, "%s", nn_format_float(probability, number));
    }
    for (size_t k = 0; k < width; k++) nn_text_add(&out, ",%s", nn_format_float(outputs[r * width + k], number));
    for (size_t k = 0; k < j->seen; k++)
      nn_text_add(&out, ",%s", nn_format_float(activations[r * j->seen + k], number));
    nn_text_add(&out, "\n");
  }
  nn_status status = nn_text_status(&out);
  const nn_bytes bytes = {out.at, out.length};
  if (status == NN_OK) status = nn_file_replace(path, &bytes, 1);
  nn_text_clear(&out);
  return status;
}

static bool ends_with(const char *text, const char *end) {
  const size_t length = strlen(text), tail = strlen(end);
  return length >= tail && strcmp(text + length - tail, end) == 0;
}

nn_status nn_predict_file(nn_comm *comm, const char *checkpoint, const char *data, const char *split, int64_t threads,
                          bool activations, const char *output, nn_text *out) {
  if (!ends_with(output, ".csv") && !ends_with(output, ".h5"))
    return NN_FAIL(NN_ERR_USAGE, "%s: predictions are written as .h5 or .csv: give the output one of these endings",
                   output);
  job j = {.comm = comm};
  void *all = NULL, *seen = NULL;
  nn_status status = NN_OK;
  NN_TRY_DONE(job_open(&j, checkpoint, data, split, false, threads));
  for (size_t i = 0; activations && i < nn_model_layer_count(j.trained->model); i++) j.seen += layer_width(&j, i);
  const size_t count = nn_dataset_count(j.dataset, NN_SET_TEST);
  const size_t whole_rounds = (size_t)nn_comm_size(comm) * NN__EVAL_ROWS; /* room for the last, partly empty round */
  const size_t rows = (count + whole_rounds - 1) / whole_rounds * whole_rounds;
  NN_TRY_DONE(nn_comm_agree(comm, nn_alloc(rows * j.task.width, sizeof(float), "all predictions", &all)));
  if (j.seen > 0)
    NN_TRY_DONE(nn_comm_agree(comm, nn_alloc(rows * j.seen, sizeof(float), "the outputs of all layers", &seen)));
  NN_TRY_DONE(predict_all(&j, all, seen));
  if (nn_comm_rank(comm) == 0) status = nn_directory_create_for(output);
  if (nn_comm_rank(comm) == 0 && status == NN_OK)
    status =
        ends_with(output, ".csv") ? write_csv(&j, all, seen, count, output) : write_h5(&j, all, seen, count, output);
  NN_TRY_DONE(nn_comm_agree(comm, status));
  nn_text_add(out, "%s: predictions for %zu sample%s of %s\n", output, count, NN_PLURAL(count),
              nn_dataset_x_name(j.dataset, NN_SET_TEST));
  status = nn_text_status(out);
done:
  nn_free(seen);
  nn_free(all);
  job_close(&j);
  return status;
}
