/* All layers, initialisations and losses: the lists themselves are in internal.h, a line each. */
#include "layers/internal.h"

#include <string.h>

#define LAYER_OPS(name) &nn__##name##_ops,
#define LAYER_SCHEMA(name) &nn__##name##_ops.schema,
#define INIT_OPS(name) &nn__init_##name##_ops,
#define INIT_SCHEMA(name) &nn__init_##name##_ops.schema,
#define LOSS_OPS(name) &nn__loss_##name##_ops,
#define LOSS_SCHEMA(name) &nn__loss_##name##_ops.schema,

const nn_layer_ops *const nn__layer_registry[] = {NN__LAYERS(LAYER_OPS) NULL};
const nn_init_ops *const nn__init_registry[] = {NN__INITS(INIT_OPS) NULL};
const nn_loss_ops *const nn__loss_registry[] = {NN__LOSSES(LOSS_OPS) NULL};

static const nn_schema *const layer_schemas[] = {NN__LAYERS(LAYER_SCHEMA)};
static const nn_schema *const init_schemas[] = {NN__INITS(INIT_SCHEMA)};
static const nn_schema *const loss_schemas[] = {NN__LOSSES(LOSS_SCHEMA)};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void nn_layers_register(nn_registry *registry) {
  registry->kinds[NN_KIND_LAYER].at = layer_schemas;
  registry->kinds[NN_KIND_LAYER].count = COUNT(layer_schemas);
  registry->kinds[NN_KIND_INIT].at = init_schemas;
  registry->kinds[NN_KIND_INIT].count = COUNT(init_schemas);
  registry->kinds[NN_KIND_LOSS].at = loss_schemas;
  registry->kinds[NN_KIND_LOSS].count = COUNT(loss_schemas);
}

const nn_layer_ops *nn_layer_find(const char *name) {
  for (const nn_layer_ops *const *at = nn__layer_registry; *at != NULL; at++)
    if (strcmp((*at)->schema.name, name) == 0) return *at;
  return NULL;
}

const nn_init_ops *nn_init_find(const char *name) {
  for (const nn_init_ops *const *at = nn__init_registry; *at != NULL; at++)
    if (strcmp((*at)->schema.name, name) == 0) return *at;
  return NULL;
}

const nn_loss_ops *nn_loss_find(const char *name) {
  for (const nn_loss_ops *const *at = nn__loss_registry; *at != NULL; at++)
    if (strcmp((*at)->schema.name, name) == 0) return *at;
  return NULL;
}
