/* nnmpi evaluate and nnmpi predict: what a trained network does with data. */
#include "cli.h"

#include "nnmpi/h5io.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const splits[] = {"train", "valid", "test", NULL};

/* Rank 0 prints what all worked on; the others must know if it could not. */
static nn_status print_first(nn_comm *comm, nn_text *text) {
  nn_status status = NN_OK;
  if (nn_comm_rank(comm) == 0) status = nn__output_text(text);
  nn_text_clear(text);
  return nn_comm_agree(comm, status);
}

/* A data set where a checkpoint is expected is no damaged checkpoint: the two were swapped, or it was forgotten. */
static nn_status look_for_swap(const nn__call *call) {
  const char *first = call->arguments->operands[0], *name = call->arguments->command->name;
  nn_h5_file *file = NULL;
  if (nn_h5_open(first, NN_ERR_CHECKPOINT, &file) != NN_OK) return NN_OK; /* said by whoever reads it */
  const bool is_data = nn_h5_has(file, "train/x") || nn_h5_has(file, "test/x") || nn_h5_has(file, "x");
  nn_h5_close(&file);
  if (!is_data) return NN_OK;
  return NN_FAIL(NN_ERR_USAGE, "%s: is a data set; a checkpoint comes first: nnmpi %s CHECKPOINT.h5 DATA.h5", first,
                 name);
}

/* Rank 0 alone tries the files out. Collective. */
static nn_status rehearse_files(const nn__call *call) {
  nn_status status = NN_OK;
  if (nn_comm_rank(call->comm) == 0) {
    status = nn__rehearse(call->arguments->operands[0], true, NN_ERR_CHECKPOINT);
    if (status == NN_OK) status = look_for_swap(call);
    if (status == NN_OK) status = nn__rehearse(call->arguments->operands[1], false, NN_ERR_DATA);
  }
  return nn_comm_agree(call->comm, status);
}

nn_status nn__evaluate_run(nn__call *call) {
  const nn__arguments *arguments = call->arguments;
  const char *split = NULL;
  int64_t threads = NN_AUTO;
  NN_TRY(nn__option_word(arguments, "split", splits, &split));
  NN_TRY(nn__option_int(arguments, "threads", 1, 4096, &threads));
  NN_TRY(rehearse_files(call));
  nn_text text = {0};
  const nn_status status =
      nn_evaluate_file(call->comm, arguments->operands[0], arguments->operands[1], split, threads, &text);
  if (status == NN_OK) return print_first(call->comm, &text);
  nn_text_clear(&text);
  return status;
}

/* ---- one row ------------------------------------------------------------------------------------------ */

/* "3,14" → floats; `*out` for nn_free(). */
static nn_status parse_row(const char *typed, size_t expected, float **out) {
  size_t count = 1;
  for (const char *at = typed; *at != '\0'; at++) count += *at == ',';
  if (count != expected)
    return NN_FAIL(NN_ERR_USAGE, "--row has %zu value%s, but the network takes %zu", count, NN_PLURAL(count), expected);
  void *memory = NULL;
  NN_TRY(nn_alloc(count, sizeof(float), "the row", &memory));
  float *row = memory;
  for (size_t i = 0; i < count; i++) {
    char word[64];
    double value = 0;
    typed += strspn(typed, " ");
    const size_t length = strcspn(typed, ", ");
    snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), typed);
    typed += length + strspn(typed + length, " ");
    const bool ends = *typed == ',' || *typed == '\0';
    if (!ends || !nn_parse_real(word, &value)) {
      nn_free(memory);
      return NN_FAIL(NN_ERR_USAGE, "--row: value %zu, '%s', is not a number", i + 1, word);
    }
    row[i] = (float)value;
    if (isinf(row[i])) {
      nn_free(memory);
      return NN_FAIL(NN_ERR_USAGE, "--row: value %zu, '%s', is beyond float32, whose numbers end at 3.4e38", i + 1,
                     word);
    }
    typed += *typed == ',';
  }
  *out = row;
  return NN_OK;
}

typedef struct ranked {
  size_t index;
  float value;
} ranked;

/* Highest first; of equal ones the lower class. */
static int by_value(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  if (x->value != y->value) return x->value > y->value ? -1 : 1;
  return x->index < y->index ? -1 : x->index > y->index;
}

/* "class 1 (daisy), probability 0.9" and a table of all classes; where there are many, of the most probable ones. */
static nn_status describe_classes(const nn_trained *trained, size_t count, const float *answers, nn_text *out) {
  enum { ALL_SHOWN = 20, SHOWN = 10 };
  char *const *names = trained->target.names;
  float probability = 0;
  const int32_t class = nn_trained_class(trained, answers, &probability);
  const char *what = isnan(probability) ? "output" : "probability"; /* some losses' outputs are not shares */
  nn_text_add(out, "class %d", (int)class);
  if (names != NULL) nn_text_add(out, " (%s)", names[class]);
  if (!isnan(probability)) nn_text_add(out, ", probability %.9g", (double)probability);
  if (count == 1 && isnan(probability)) nn_text_add(out, ", output %.9g", (double)answers[0]);
  nn_text_add(out, "\n");
  if (count == 1) return nn_text_status(out); /* one output tells two classes apart: all is said */
  void *memory = NULL;
  NN_TRY(nn_alloc(count, sizeof(ranked), "the ranking of classes", &memory));
  ranked *order = memory;
  for (size_t i = 0; i < count; i++) order[i] = (ranked){i, answers[i]};
  const size_t shown = count <= ALL_SHOWN ? count : SHOWN;
  if (shown < count) qsort(order, count, sizeof *order, by_value);
  int width = names != NULL ? (int)strlen("name") : 0;
  for (size_t i = 0; names != NULL && i < shown; i++)
    if ((int)strlen(names[order[i].index]) > width) width = (int)strlen(names[order[i].index]);
  const char *gap = names != NULL ? "  " : "";
  nn_text_add(out, "\nclass%s%*s  %s\n", gap, -width, names != NULL ? "name" : "", what);
  for (size_t i = 0; i < shown; i++)
    nn_text_add(out, "%5zu%s%*s  %.9g\n", order[i].index, gap, -width, names != NULL ? names[order[i].index] : "",
                (double)order[i].value);
  if (shown < count) nn_text_add(out, "(the first %zu of %zu classes)\n", shown, count);
  nn_free(memory);
  return nn_text_status(out);
}

/* Where the outputs of layers are written down. */
typedef struct layer_report {
  const nn_trained *trained;
  nn_text *out;
} layer_report;

static void describe_layer(void *context, size_t layer, const float *output) {
  const layer_report *report = context;
  const nn_layer *at = nn_model_layer(report->trained->model, layer);
  nn_text_add(report->out, "%s (%s):", nn_model_layer_name(report->trained->model, layer), at->ops->schema.name);
  for (size_t k = 0; k < nn_shape_size(&at->out); k++) nn_text_add(report->out, " %.9g", (double)output[k]);
  nn_text_add(report->out, "\n");
}

static nn_status answer_row(const nn_trained *trained, const char *typed, int threads, bool activations, nn_text *out) {
  const size_t outputs = nn_model_outputs(trained->model);
  float *row = NULL;
  void *answer = NULL;
  nn_status status = parse_row(typed, nn_shape_size(&trained->shape), &row);
  if (status == NN_OK) status = nn_alloc(outputs, sizeof(float), "the outputs", &answer);
  layer_report report = {trained, out};
  if (status == NN_OK && activations) {
    status = nn_trained_activations(trained, row, describe_layer, &report);
    nn_text_add(out, "\n");
  }
  if (status == NN_OK) status = nn_trained_predict(trained, threads, 1, row, answer);
  if (status == NN_OK && trained->target.classes) {
    status = describe_classes(trained, outputs, answer, out);
  } else if (status == NN_OK) {
    const float *values = answer;
    for (size_t i = 0; i < outputs; i++) nn_text_add(out, "output %zu: %.9g\n", i, (double)values[i]);
    status = nn_text_status(out);
  }
  nn_free(answer);
  nn_free(row);
  return status;
}

static nn_status predict_row(nn__call *call, const char *row, int threads) {
  const bool activations = nn__option_given(call->arguments, "activations");
  nn_text text = {0};
  nn_status status = NN_OK;
  if (nn_comm_rank(call->comm) == 0) {
    nn_trained *trained = NULL;
    status = nn_trained_load(call->arguments->operands[0], &trained);
    if (status == NN_OK) status = nn_team_check(threads);
    if (status == NN_OK) status = answer_row(trained, row, threads, activations, &text);
    nn_trained_destroy(&trained);
  }
  status = nn_comm_agree(call->comm, status);
  if (status == NN_OK) return print_first(call->comm, &text);
  nn_text_clear(&text);
  return status;
}

/* ---- all rows of a data set ------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end) {
  const size_t length = strlen(text), tail = strlen(end);
  return length > tail && strcmp(text + length - tail, end) == 0;
}

nn_status nn__predict_run(nn__call *call) {
  const nn__arguments *arguments = call->arguments;
  const char *row = nn__option_text(arguments, "row"), *output = NULL, *split = NULL;
  int64_t threads = NN_AUTO;
  NN_TRY(nn__option_word(arguments, "split", splits, &split));
  NN_TRY(nn__option_int(arguments, "threads", 1, 4096, &threads));
  if (row != NULL) {
    if (arguments->operand_count > 1 || split != NULL || nn__option_given(arguments, "output"))
      return NN_FAIL(NN_ERR_USAGE, "--row answers for one row and takes no data set, --split or -o");
    NN_TRY(rehearse_files(call));
    return predict_row(call, row, threads == NN_AUTO ? 1 : (int)threads);
  }
  if (arguments->operand_count < 2)
    return NN_FAIL(NN_ERR_USAGE, "DATA.h5 is missing: nnmpi predict CHECKPOINT.h5 DATA.h5 -o OUT, or CHECKPOINT.h5 "
                                 "--row V,V,...");
  NN_TRY(nn__option_required(arguments, "output", &output));
  if (!ends_with(output, ".h5") && !ends_with(output, ".csv"))
    return NN_FAIL(NN_ERR_USAGE, "-o '%s': the name must end with .h5 or .csv, which decides the format", output);
  const char *const inputs[] = {arguments->operands[0], arguments->operands[1], NULL};
  NN_TRY(nn_comm_agree(call->comm, nn__output_apart(output, inputs)));
  NN_TRY(rehearse_files(call));
  nn_text text = {0};
  const nn_status status = nn_predict_file(call->comm, arguments->operands[0], arguments->operands[1], split, threads,
                                           nn__option_given(arguments, "activations"), output, &text);
  if (status == NN_OK) return print_first(call->comm, &text);
  nn_text_clear(&text);
  return status;
}
