/* The public calls that make and free configurations. */
#include "config/internal.h"

#include <string.h>

void nn_config_destroy(nn_config **config) {
  if (config == NULL || *config == NULL) return;
  nn__struct_clear(&nn__config_schema, *config);
  nn_free(*config);
  *config = NULL;
}

static nn_status check_sets(const char *const *sets, size_t count) {
  for (size_t i = 0; i < count; i++) {
    char shown[NN__SHOWN_MAX];
    const char *equals = strchr(sets[i], '=');
    if (equals == NULL || equals == sets[i])
      return NN_FAIL(NN_ERR_USAGE, "--set %s: expected key.path=value, as in --set train.epochs=10",
                     nn__shown(sets[i], shown));
  }
  return NN_OK;
}

/* Tree → struct, with complaints in binder->errors. */
static nn_status bind(nn__binder *binder, nn__tree *tree, nn__node *root, size_t set_count, nn_config *config) {
  if (root->type != NN__MAP) {
    if (root->type != NN__BROKEN)
      nn__complain(binder->errors, root->mark, "",
                   "expected the sections run, data, model, train, …, found %s; see nnmpi --help-config",
                   nn__node_words(root));
    return NN_OK;
  }
  nn__overlay(tree, root, binder->registry, binder->errors, set_count);
  NN_TRY(nn__tree_status(tree));
  const nn__scope scope = {&nn__config_schema, true, false, -1};
  nn__bind_struct(binder, scope, root, config);
  if (binder->status == NN_OK) nn__config_check(binder, root, config);
  return binder->status;
}

nn_status nn_config_parse(const char *text, size_t length, const char *file, const char *const *sets, size_t set_count,
                          const nn_registry *registry, nn_config **out) {
  NN_ASSERT(file != NULL && registry != NULL);
  NN_TRY(check_sets(sets, set_count));
  nn__tree tree = {0};
  nn__errors errors = {.file = file, .sets = sets};
  nn__binder binder = {.registry = registry, .errors = &errors, .missing = {0, 1, 1}};
  nn__node *root = NULL;
  void *memory = NULL;
  nn_config *config = NULL;
  nn_status status = nn_alloc(1, sizeof *config, "the configuration", &memory);
  if (status != NN_OK) return status;
  config = memory;
  if (length > NN__TEXT_LIMIT)
    nn__complain(&errors, binder.missing, "", "%zu bytes, more than %d; keep arrays in an HDF5 file", length,
                 NN__TEXT_LIMIT);
  else
    NN_TRY_DONE(nn__yaml_read(&tree, text, length, 0, "", &errors, &root));
  if (root != NULL) NN_TRY_DONE(bind(&binder, &tree, root, set_count, config));
  NN_TRY_DONE(nn__errors_report(&errors));
  *out = config;
  config = NULL;
done:
  nn_config_destroy(&config);
  nn__errors_clear(&errors);
  nn__tree_clear(&tree);
  return status;
}

nn_status nn_choice_default(const nn_schema *schema, const nn_registry *registry, nn_choice *out) {
  nn__errors errors = {.file = "default"};
  nn__binder binder = {.registry = registry, .errors = &errors};
  nn_choice choice = {.schema = schema};
  if (schema->size > 0) NN_TRY(nn_alloc(1, schema->size, "options", &choice.options));
  const nn__scope scope = {schema, false, false, -1};
  nn__path_push(&binder.path, schema->name);
  nn__bind_struct(&binder, scope, NULL, choice.options);
  nn__errors_clear(&errors);
  if (binder.status == NN_OK)
    *out = choice;
  else
    nn_choice_clear(&choice);
  return binder.status;
}
