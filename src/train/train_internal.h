/* What the files of train share: one struct with everything that a rank has while it trains. */
#ifndef NNMPI_TRAIN_INTERNAL_H
#define NNMPI_TRAIN_INTERNAL_H

#include "nnmpi/train.h"

/* What a sample contributes to, per row and summed. In the tail of the gradient arena as floats, in evaluation as
 * doubles. */
enum {
  NN__SUM_LOSS,   /* weight × loss */
  NN__SUM_WEIGHT, /* class weights; 1 each without them */
  NN__SUM_SAMPLES,
  NN__SUM_CORRECT,
  NN__SUM_TOP_K,
  NN__SUM_ABSOLUTE, /* |y − t|, the user's unit */
  NN__SUM_SQUARE,   /* (y − t)², the user's unit */
  NN__SUM_SQUARE_NORMALIZED,
  NN__SUMS,
  NN__FLAG_FAILED = NN__SUMS, /* this rank failed in this step */
  NN__FLAG_STOP,              /* this rank was asked to stop */
  NN__FLAG_TIME,              /* rank 0: no time is left for another step */
  NN__FLAG_LARGE,             /* a gradient might not be finite: look before it is used */
  NN__PIECES_ROWS = 512,      /* that go through the network together at most */
  NN__BLOCKS_ALONE = 168,     /* blocks of a gradient made at once: enough for the largest product to run well */
  NN__BLOCKS_PIECES = 28,     /* the same where several pieces' gradients share the cache */
  NN__ROOM_WORTH = 128 << 10, /* parameters from which on products have room of their own */
  NN__TAIL = 16               /* floats behind the parameters in a gradient arena */
};

enum {
  NN__PROGRAM_BYTES = 28 << 20,   /* a rank's program, libraries and MPI without any of our memory */
  NN__EVAL_ROWS = NN_PREDICT_ROWS /* samples of a block of evaluation: a constant, never depending on ranks */
};

/* What is wanted of the network's outputs for a data set: loss, metrics. */
typedef struct nn__task {
  const nn_loss_ops *loss;
  const void *loss_options;
  nn_loss_average average;
  const nn_target_info *target;
  size_t width; /* outputs of the network */
  size_t top_k;
  double threshold;        /* one output for two classes: class 1 from here on */
  const double *deviation; /* of the targets, [width]; NULL: 1 */
} nn__task;

/* Rows of one piece or block on their way through the network. */
typedef struct nn__rows {
  size_t capacity;
  int32_t *labels; /* [capacity], for classes; else NULL */
  float *values;   /* [capacity, width], for values; else NULL */
  float *weight;   /* [capacity]: what multiplies the gradient of a sample */
  double *loss;    /* [capacity] */
  double *sums;    /* [capacity, NN__SUMS] */
  void *memory;
} nn__rows;

size_t nn__rows_bytes(size_t capacity, const nn__task *task);
nn_status nn__rows_create(size_t capacity, const nn__task *task, nn__rows *out);
void nn__rows_clear(nn__rows *rows);
/* Samples → inputs of the next pass, and their targets. Team function; synchronised. */
void nn__gather(const nn_dataset *dataset, nn_set set, const nn_team *team, const uint32_t *ids, size_t rows,
                nn_workspace *workspace, nn__rows *out);

/* Find loss, width and threshold for a configuration and a target. */
nn_status nn__task_create(const nn_config *config, const nn_target_info *target, size_t width, const double *deviation,
                          nn__task *out);

/* Per row: NN__SUMS numbers from outputs and targets. Team function; synchronised. */
void nn__task_rows(const nn__task *task, const nn_team *team, size_t rows, const float *outputs, nn__rows *at,
                   const float *class_weights);
/* Their sum over some rows, in index order. */
void nn__rows_total(const nn__rows *at, size_t first, size_t rows, double total[NN__SUMS]);
nn_metrics nn__task_metrics(const nn__task *task, const double sums[NN__SUMS], double target_variation);

/* ---- evaluation --------------------------------------------------------------------------------------- */

typedef struct nn__evaluation {
  nn_comm *comm;
  int threads;
  float *room; /* [threads, NN_TEAM_ROOM] for products, or NULL */
  const nn_dataset *dataset;
  const nn_model *model;
  const float *params;
  nn_workspace *workspace; /* for NN__EVAL_ROWS rows at least */
  const nn__task *task;
  nn__rows *rows;
} nn__evaluation;

/* Metrics of a set: every sample once, blocks of fixed samples dealt to the ranks, sums added in order of blocks.
 * Collective. */
nn_status nn__evaluate(const nn__evaluation *evaluation, nn_set set, nn_metrics *out);

/* ---- a rank's training ---------------------------------------------------------------------------------- */

typedef struct nn__trace nn__trace;
typedef struct nn__profile nn__profile;
typedef struct nn__saver nn__saver;
typedef struct nn__watch nn__watch;

typedef struct nn__trainer {
  nn_comm *comm;
  nn_config *config;
  const nn_registry *registry;
  const nn_train_options *options;
  nn_log *log;
  nn_train_result *result;

  nn_dataset *dataset;
  nn_window *window, *state; /* the data; parameters and the optimizer's state, where ranks share them */
  nn_model *model;
  float *params;
  nn_optim *optim;
  nn_tree *tree;
  nn_workspace *workspace;
  nn__task task;
  nn__rows rows;
  uint32_t *order;      /* [samples of train] */
  nn__trace *trace;     /* NULL: nobody looks at single numbers */
  nn__profile *profile; /* NULL: nobody asks where the time goes */
  nn_history *history;  /* rank 0 */
  nn_checkpoint *found; /* rank 0, while starting: what is continued */
  nn_text resolved;     /* configuration as YAML; rank 0 */

  bool faults; /* NNMPI_FAULT is set */
  int threads, virtual_ranks, first_piece, pieces;
  bool plain_reduction, resumed;
  size_t batch, batch_asked, param_count; /* batch: at most the training set */
  size_t capacity;                        /* rows of a pass */
  size_t arena; /* floats of a gradient that is kept: param_count, or 0 where parts are used at once */
  size_t scratch_floats, scratch_blocks; /* of a part of a gradient: its room, the network's blocks that it holds */
  float *magnitudes;                     /* [threads]: largest number that goes into a product of the gradient */
  float input_bound;                     /* of the network's inputs; INFINITY: unknown */
  double terms;                          /* products in a number of the gradient, at most */
  float *tails;                          /* [slots of the tree, NN__TAIL] */
  float *scratch;                        /* [threads, slots of the tree, scratch_floats] */
  nn__rows next;                         /* one row: targets of a sample that waits in nn_workspace_next() */
  uint64_t next_step;                    /* whose it is; 0: there is none */
  float *room;                           /* [threads, NN_TEAM_ROOM] for products; NULL: the network is small */
  uint64_t steps_per_epoch, total_steps, history_every;
  nn_progress_state progress;

  /* the step that is under way: written by thread 0, read by all after a barrier */
  struct {
    const uint32_t *ids;
    size_t samples;
    double weight; /* of all samples of the batch; 1 where the loss is a sum */
    double lr, gradient_norm, load_seconds, reduce_seconds;
    bool recorded;     /* goes into the history */
    bool broken;       /* on purpose: NNMPI_FAULT=gradient */
    bool at_once;      /* gradients are used as soon as they are made */
    float *sum;        /* the gradient, where it is kept */
    const float *tail; /* [NN__TAIL] of all ranks */
    nn_status status;
  } step;

  uint64_t skipped;         /* steps in a row that were passed over */
  struct {                  /* rank 0 */
    double at, margin;      /* nn_seconds() when the job is ended; INFINITY: never */
    double step, epoch_end; /* seconds that these took at most of late */
  } deadline;
  double epoch_seconds; /* of training in this epoch, in this process */
  uint64_t epoch_first; /* samples of this epoch that another process did */
  double last_told, last_saved, last_history;
  nn__watch *watch; /* NULL: nobody looks for ranks that hang */
  nn__saver *saver; /* rank 0 */
  struct {          /* of states, in this process */
    uint64_t count;
    double wait_seconds;     /* in which nothing was computed: for the save before */
    double pause_seconds;    /* and for the copy of the state */
    double seconds, longest; /* beside the training */
  } saving;
  uint64_t saved_step, history_step; /* steps of the newest checkpoint and of history.h5 on disk; UINT64_MAX: none */
  bool step_failed, best_failed;     /* the newest of its kind could not be written */

  bool replaces;        /* rank 0: an old run is to be set aside */
  bool new_folder;      /* rank 0: this process made the run folder */
  char set_aside[1100]; /* where the old one is; empty: there was none */
  bool locked;          /* rank 0: `lock_file` is open and keeps other jobs out of the run folder */
  int lock_file;
} nn__trainer;

/* Samples of piece v of a batch: [*first, *first + *count). */
void nn__piece_rows(size_t batch, int virtual_ranks, int v, size_t *first, size_t *count);
/* Of the largest piece. */
size_t nn__piece_rows_most(size_t batch, int virtual_ranks);

/* One minibatch: gradients of this rank's pieces, their sum over all, the update. Collective; the same status
 * everywhere. */
nn_status nn__train_step(nn__trainer *t, uint64_t epoch);

/* Loss or gradient of the step that is under way are not finite, and nothing of it was applied: says where it began.
 * NN_OK where the step is to be passed over. Collective; the same everywhere. */
nn_status nn__diverged(nn__trainer *t);

/* Everything before the first step. Collective. */
nn_status nn__trainer_open(nn__trainer *t);
void nn__trainer_close(nn__trainer *t);

/* Figures that follow from configuration and data alone: batch, virtual ranks, steps; checks them. Local, the same on
 * every rank. */
nn_status nn__trainer_sizes(nn__trainer *t, int size);
/* How gradients are kept, and how much goes through the network at once; after nn__trainer_sizes() and the model. */
void nn__trainer_plan(nn__trainer *t, int size);
/* The network for a data set: tries what the loss allows. Local. */
nn_status nn__model_for(const nn_config *config, const nn_registry *registry, const nn_dataset *dataset,
                        nn_model **out);
enum { NN__THREAD_WORTH = 300000 /* operations */ };

/* How many threads a rank takes, and why in words. */
typedef struct nn__threads {
  int count;
  char why[96];
} nn__threads;
/* By sizes alone: `cores` of the process, among `sharing` ranks; operations and turns of one pass of a piece. */
nn__threads nn__threads_choose(const nn_config *config, int cores, int sharing, double flops, size_t turns);
double nn__flops_per_row(const nn_model *model, bool training);
size_t nn__turns(const nn_model *model);

/* Memory of one rank by purpose, bytes. */
typedef struct nn__memory {
  size_t parameters, gradients, optimizer, activations, data_private, data_shared, history, saving;
} nn__memory;
void nn__memory_plan(const nn__trainer *t, int size, nn__memory *out);

/* ---- every number of the first steps ---------------------------------------------------------------------- */

nn_status nn__trace_create(nn__trainer *t); /* nothing without options->trace; the same status on every rank */
void nn__trace_destroy(nn__trainer *t);
bool nn__trace_on(const nn__trainer *t); /* this step is one to show */
void nn__trace_begin(nn__trainer *t, uint64_t epoch);
/* By thread 0, while nobody changes what is shown. `gradients`: the arena of this piece. */
void nn__trace_forward(nn__trainer *t, int piece, size_t rows);
void nn__trace_backward(nn__trainer *t, const float *gradients);
nn_status nn__trace_end(nn__trainer *t); /* new weights; tells the observer */

/* ---- the time limit (rank 0) -------------------------------------------------------------------------------- */

void nn__deadline_set(nn__trainer *t);
void nn__deadline_note(double *longest, double seconds);
/* Would another step come too late for the save that must follow it? Asked within a step. */
bool nn__deadline_near(const nn__trainer *t);
/* Is there time to save now, and once more at the end? */
bool nn__deadline_allows_save(const nn__trainer *t);

/* ---- ranks that hang ------------------------------------------------------------------------------------------ */

nn_status nn__watch_start(nn__trainer *t); /* Collective. */
void nn__watch_stop(nn__trainer *t);
/* The training moves on: this rank goes to work, or begins to wait for the others. */
void nn__watch_beat(const nn__trainer *t, bool waits);

/* ---- saving beside the training (rank 0) ------------------------------------------------------------------- */

enum {
  NN__SAVE_HISTORY = 1, /* history.h5 */
  NN__SAVE_BEST = 2,    /* best.h5 */
  NN__SAVE_STEP = 4     /* a checkpoint, unless this step has one; history.h5 goes before it */
};

/* Memory for a copy of the state. */
nn_status nn__saver_create(nn__trainer *t);
void nn__saver_destroy(nn__trainer *t); /* waits for what is being written */
/* Copy the state and have it written by another thread, after what that is still writing. What fails is a warning, said
 * by one of the calls below or the next save: a checkpoint that cannot be written is no reason to lose a training. */
void nn__save(nn__trainer *t, unsigned what);
void nn__save_look(nn__trainer *t); /* what became of it, if it is over */
void nn__save_wait(nn__trainer *t);
bool nn__save_runs(const nn__trainer *t);

/* ---- where the time goes ------------------------------------------------------------------------------------ */

typedef enum nn__phase {
  NN__PHASE_GATHER, /* rows of the batch, converted */
  NN__PHASE_FORWARD,
  NN__PHASE_LOSS, /* and metrics */
  NN__PHASE_BACKWARD,
  NN__PHASE_GRADIENTS, /* of the parameters; pieces of this rank added up */
  NN__PHASE_WAIT,      /* for the slowest rank */
  NN__PHASE_REDUCE,
  NN__PHASE_UPDATE,
  NN__PHASE_REST,     /* between steps: order of an epoch, history, checkpoints, progress */
  NN__PHASE_EVALUATE, /* the validation set */
  NN__PHASES
} nn__phase;

nn_status nn__profile_create(nn__trainer *t); /* nothing without options->profile */
void nn__profile_destroy(nn__trainer *t);
void nn__profile_begin(nn__trainer *t); /* the clock starts */
void nn__profile_step(nn__trainer *t);  /* a step starts */
/* The time since the last mark was this phase. Thread 0. */
void nn__profile_mark(nn__profile *profile, nn__phase phase);
static inline void nn__mark(const nn__trainer *t, const nn_team *team, nn__phase phase) {
  if (t->profile != NULL && (team == NULL || team->id == 0)) nn__profile_mark(t->profile, phase);
}
/* Waits for all ranks, so that waiting and reducing are told apart; nothing without a profile. Collective. */
nn_status nn__profile_meet(nn__trainer *t);
/* The table: into the log and the history. Collective, agrees. */
nn_status nn__profile_end(nn__trainer *t);

/* ---- the run folder (rank 0) ------------------------------------------------------------------------------ */

nn_status nn__run_open(nn__trainer *t); /* rank 0: folder and lock; of a run that is to be set aside, its lock */
/* Rank 0: the run did not come to its first step. A folder that was made for it goes again, an old run comes back. */
void nn__run_forget(nn__trainer *t);
nn_status
nn__run_find(nn__trainer *t,
             int64_t asked); /* Collective: is there something to continue, does it fit; settles virtual ranks */
nn_status nn__run_resume(nn__trainer *t); /* Collective: newest checkpoint → state of all ranks; sets `resumed` */
nn_status nn__run_begin(nn__trainer *t);  /* rank 0: nothing was refused: old run aside, config.yaml, metrics.csv */
void nn__run_summary(nn__trainer *t, const char *status, nn_status code);

/* Keep other jobs out of a run folder that exists, until nn__run_unlock() or the end of this process. NN_ERR_BUSY where
 * another job is in it. A file system without locks is said in the log and no failure. */
nn_status nn__run_lock(nn__trainer *t);
void nn__run_unlock(nn__trainer *t);

#endif
