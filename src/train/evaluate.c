/* Evaluation over ranks: every sample once, the same sums for any number of ranks and threads. */
#include "train_internal.h"

typedef struct block_run {
  const nn__evaluation *evaluation;
  nn_set set;
  size_t first, rows;
  const uint32_t *ids;
  double *total; /* [NN__SUMS] */
} block_run;

/* Team function: one block through the network. */
static void run_block(const nn_team *team, void *context) {
  const block_run *run = context;
  const nn__evaluation *e = run->evaluation;
  nn__gather(e->dataset, run->set, team, run->ids, run->rows, e->workspace, e->rows);
  const nn_pass pass = {.team = team, .rows = run->rows, .params = e->params, .samples = run->ids};
  nn_model_forward(e->model, e->workspace, &pass);
  const float *outputs = nn_workspace_output(e->workspace);
  e->task->loss->compute(e->task->loss_options, team, run->rows, e->task->width, outputs, e->rows->labels,
                         e->rows->values, NULL, e->rows->loss, NULL);
  nn__task_rows(e->task, team, run->rows, outputs, e->rows, NULL);
  if (team->id == 0) nn__rows_total(e->rows, 0, run->rows, run->total);
}

nn_status nn__evaluate(const nn__evaluation *e, nn_set set, nn_metrics *out) {
  const size_t count = nn_dataset_count(e->dataset, set);
  const size_t blocks = (count + NN__EVAL_ROWS - 1) / NN__EVAL_ROWS;
  const size_t size = (size_t)nn_comm_size(e->comm), rank = (size_t)nn_comm_rank(e->comm);
  uint32_t ids[NN__EVAL_ROWS];
  void *memory = NULL;
  nn_status status =
      nn_comm_agree(e->comm, nn_alloc(blocks * NN__SUMS, sizeof(double), "the sums of an evaluation", &memory));
  if (status != NN_OK) goto done;
  double *sums = memory, all[NN__SUMS] = {0};
  for (size_t b = rank; b < blocks; b += size) {
    block_run run = {.evaluation = e, .set = set, .first = b * NN__EVAL_ROWS, .ids = ids, .total = sums + b * NN__SUMS};
    run.rows = count - run.first < NN__EVAL_ROWS ? count - run.first : NN__EVAL_ROWS;
    for (size_t i = 0; i < run.rows; i++) ids[i] = (uint32_t)(run.first + i);
    nn_team_run_with(e->threads, e->room, run_block, &run);
  }
  /* each number comes from one rank and is zero on the others: the sum is exact in any order */
  NN_TRY_DONE(nn_comm_sum_double(e->comm, sums, blocks * NN__SUMS));
  for (size_t b = 0; b < blocks; b++)
    for (int k = 0; k < NN__SUMS; k++) all[k] += sums[b * NN__SUMS + (size_t)k];
  *out = nn__task_metrics(e->task, all, nn_dataset_target_variation(e->dataset, set));
done:
  nn_free(memory);
  return status;
}
