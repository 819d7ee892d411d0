/* All optimizers and schedules: the lists themselves are in internal.h, a line each. */
#include "optim/internal.h"

#define OPTIMIZER_OPS(name) &nn__optim_##name##_ops,
#define OPTIMIZER_SCHEMA(name) &nn__optim_##name##_ops.schema,
#define SCHEDULE_OPS(name) &nn__schedule_##name##_ops,
#define SCHEDULE_SCHEMA(name) &nn__schedule_##name##_ops.schema,

const nn_optim_ops *const nn__optim_registry[] = {NN__OPTIMIZERS(OPTIMIZER_OPS) NULL};
const nn_schedule_ops *const nn__schedule_registry[] = {NN__SCHEDULES(SCHEDULE_OPS) NULL};

static const nn_schema *const optimizer_schemas[] = {NN__OPTIMIZERS(OPTIMIZER_SCHEMA)};
static const nn_schema *const schedule_schemas[] = {NN__SCHEDULES(SCHEDULE_SCHEMA)};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void nn_optim_register(nn_registry *registry) {
  registry->kinds[NN_KIND_OPTIMIZER].at = optimizer_schemas;
  registry->kinds[NN_KIND_OPTIMIZER].count = COUNT(optimizer_schemas);
  registry->kinds[NN_KIND_SCHEDULE].at = schedule_schemas;
  registry->kinds[NN_KIND_SCHEDULE].count = COUNT(schedule_schemas);
}
