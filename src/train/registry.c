/* All that a configuration can choose from. */
#include "train_internal.h"

void nn_registry_fill(nn_registry *registry) {
  *registry = (nn_registry){0};
  nn_layers_register(registry);
  nn_optim_register(registry);
}
