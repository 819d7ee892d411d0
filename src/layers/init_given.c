/* Initialisation with given numbers: written in the configuration, or from an HDF5 file. */
#include "layers/internal.h"
#include "nnmpi/h5io.h"

#include <string.h>

/* "[256, 784]"; `buffer` needs 128 bytes. */
static const char *dims_text(int rank, const uint64_t *dims, char buffer[128]) {
  size_t length = (size_t)snprintf(buffer, 128, "[");
  for (int i = 0; i < rank && length < 100; i++)
    length += (size_t)snprintf(buffer + length, 128 - length, "%s%llu", i > 0 ? ", " : "", (unsigned long long)dims[i]);
  snprintf(buffer + length, 128 - length, "]");
  return buffer;
}

static nn_status check_dims(const nn_param *param, const char *what, int rank, const uint64_t *dims) {
  uint64_t expected[NN_PARAM_RANK_MAX] = {0};
  bool equal = rank == param->rank;
  for (int i = 0; i < param->rank; i++) {
    expected[i] = param->dims[i];
    equal = equal && dims[i] == expected[i];
  }
  char want[128], have[128];
  if (!equal)
    return NN_FAIL(NN_ERR_CONFIG, "%s: expected shape %s, given %s", what, dims_text(param->rank, expected, want),
                   dims_text(rank, dims, have));
  return NN_OK;
}

/* ---- values ----------------------------------------------------------------------------------- */

typedef struct values_options {
  nn_tensor weight, bias;
  nn_tensors others;
} values_options;

/* What is given for a parameter, NULL. */
static const nn_tensor *values_find(const values_options *o, const char *name) {
  if (strcmp(name, "weight") == 0 && o->weight.rank > 0) return &o->weight;
  if (strcmp(name, "bias") == 0 && o->bias.rank > 0) return &o->bias;
  for (size_t i = 0; i < o->others.count; i++)
    if (strcmp(o->others.names[i], name) == 0) return &o->others.at[i];
  return NULL;
}

/* Fails for a name that is none of the layer's parameters. */
static nn_status values_check_name(const nn_layer *layer, const char *name) {
  nn_text has = {0};
  const char *near = NULL;
  int distance = (int)(strlen(name) / 3) + 2; /* further away is no misspelling */
  for (int p = 0; p < layer->param_count; p++) {
    const char *known = layer->params[p].name;
    const int d = nn_edit_distance(name, known);
    if (d == 0) goto done;
    if (d < distance) near = known, distance = d;
    nn_text_add(&has, "%s%s", p > 0 ? ", " : "", known);
  }
  nn_status status = nn_text_status(&has);
  if (status == NN_OK)
    status =
        near != NULL
            ? NN_FAIL(NN_ERR_CONFIG, "init `values` gives `%s`, which it does not have: did you mean `%s`?", name, near)
            : NN_FAIL(NN_ERR_CONFIG, "init `values` gives `%s`, which it does not have: it has %s", name, has.at);
  nn_text_clear(&has);
  return status;
done:
  nn_text_clear(&has);
  return NN_OK;
}

static nn_status values_check(const void *options, const nn_layer *layer) {
  const values_options *o = options;
  if (o->weight.rank > 0) NN_TRY(values_check_name(layer, "weight"));
  if (o->bias.rank > 0) NN_TRY(values_check_name(layer, "bias"));
  for (size_t i = 0; i < o->others.count; i++) NN_TRY(values_check_name(layer, o->others.names[i]));
  return NN_OK;
}

static nn_status values_fill(const void *options, const nn_param *param, const char *full_name, uint64_t seed,
                             uint64_t tensor, float *value) {
  const values_options *o = options;
  (void)seed, (void)tensor;
  const size_t size = nn_param_size(param);
  const nn_tensor *given = values_find(o, param->name);
  if (given == NULL) {
    if (!param->is_bias)
      return NN_FAIL(NN_ERR_CONFIG, "%s: init `values` gives no numbers for `%s`", full_name, param->name);
    memset(value, 0, size * sizeof *value); /* a bias that is not written is 0 */
    return NN_OK;
  }
  uint64_t dims[NN_TENSOR_RANK_MAX] = {0};
  for (int i = 0; i < given->rank; i++) dims[i] = given->dims[i];
  NN_TRY(check_dims(param, full_name, given->rank, dims));
  for (size_t i = 0; i < size; i++) value[i] = (float)given->at[i];
  if (!nn_all_finite(size, value))
    return NN_FAIL(NN_ERR_CONFIG, "%s: a number in `values` is too large for a float", full_name);
  return NN_OK;
}

bool nn__init_gives_bias(const nn_choice *init) {
  return init->schema == &nn__init_values_ops.schema && ((const values_options *)init->options)->bias.at != NULL;
}

static const nn_key values_keys[] = {
    {.name = "weight",
     .type = NN_KEY_TENSOR,
     .offset = offsetof(values_options, weight),
     .help = "[outputs, inputs], a list per output"},
    {.name = "bias", .type = NN_KEY_TENSOR, .offset = offsetof(values_options, bias), .help = "[outputs]; default: 0"},
    {.name = "<parameter>",
     .type = NN_KEY_TENSORS,
     .offset = offsetof(values_options, others),
     .help = "any other parameter by its name, e.g. weight_ih_l0 of an lstm; biases not given are 0"},
    {.name = NULL}};

const nn_init_ops nn__init_values_ops = {
    .schema = {.name = "values", .help = "numbers written here", .size = sizeof(values_options), .keys = values_keys},
    .given = true,
    .check = values_check,
    .fill = values_fill,
};

/* ---- file ------------------------------------------------------------------------------------- */

typedef struct file_options {
  char *path, *prefix;
} file_options;

/* Where a parameter lies: <prefix><name>, or as in a checkpoint parameters/<prefix><name>. For nn_free(). */
static nn_status find_dataset(nn_h5_file *file, const file_options *o, const char *full_name, char **out) {
  static const char *const folders[] = {"", "parameters/"};
  const char *prefix = o->prefix != NULL ? o->prefix : "";
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    char *name = NULL;
    NN_TRY(nn_string_format(&name, "%s%s%s", folders[i], prefix, full_name));
    if (nn_h5_has(file, name)) {
      *out = name;
      return NN_OK;
    }
    nn_free(name);
  }
  return NN_FAIL(NN_ERR_DATA, "%s: there is no dataset %s%s, nor parameters/%s%s, for this network's %s", o->path,
                 prefix, full_name, prefix, full_name, full_name);
}

static nn_status file_fill(const void *options, const nn_param *param, const char *full_name, uint64_t seed,
                           uint64_t tensor, float *value) {
  const file_options *o = options;
  (void)seed, (void)tensor;
  nn_h5_file *file = NULL;
  char *name = NULL;
  nn_h5_info info;
  nn_status status = NN_OK;
  NN_TRY_DONE(nn_h5_open(o->path, NN_ERR_DATA, &file));
  NN_TRY_DONE(find_dataset(file, o, full_name, &name));
  NN_TRY_DONE(nn_h5_info_read(file, name, &info));
  status = check_dims(param, name, info.rank, info.dims);
  if (status != NN_OK) {
    nn_error_prefix("%s: ", o->path);
    goto done;
  }
  NN_TRY_DONE(nn_h5_read(file, name, NN_H5_F32, nn_param_size(param), value));
  if (!nn_all_finite(nn_param_size(param), value))
    status = NN_FAIL(NN_ERR_DATA, "%s: dataset %s has values that are not finite", o->path, name);
done:
  nn_free(name);
  nn_h5_close(&file);
  return status;
}

static const nn_key file_keys[] = {{.name = "path",
                                    .type = NN_KEY_TEXT,
                                    .offset = offsetof(file_options, path),
                                    .flags = NN_KEY_REQUIRED,
                                    .help = "HDF5 file with a dataset per parameter, e.g. fc1.weight, or a checkpoint"},
                                   {.name = "prefix",
                                    .type = NN_KEY_TEXT,
                                    .offset = offsetof(file_options, prefix),
                                    .help = "in front of every parameter's name, e.g. model/"},
                                   {.name = NULL}};

const nn_init_ops nn__init_file_ops = {
    .schema = {.name = "file", .help = "numbers from an HDF5 file", .size = sizeof(file_options), .keys = file_keys},
    .given = true,
    .fill = file_fill,
};
