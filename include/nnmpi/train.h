/** @file train.h
 *  Floor 5: the training loop, evaluation and prediction over ranks: the only place where comm meets model. */
#ifndef NNMPI_TRAIN_H
#define NNMPI_TRAIN_H

#include "nnmpi/checkpoint.h"
#include "nnmpi/comm.h"

#include <signal.h>

/** All tables of layers, losses, initialisations, optimizers and schedules, for nn_config_parse(). */
void nn_registry_fill(nn_registry *registry);

/** Told to rank 0 while training runs; any may be NULL. */
typedef struct nn_observer {
  void *context;
  /** After a step; called at most some ten times a second. `done` of `total` steps; rate in samples/s of the whole job.
   */
  void (*step)(void *context, uint64_t epoch, uint64_t epochs, uint64_t done, uint64_t total, double loss,
               double samples_per_second);
  void (*epoch)(void *context, const nn_epoch_row *row, uint64_t epochs);
  /** Every number of a step, as text for people: one call for each of the first `trace` steps. */
  void (*trace)(void *context, const char *text);
} nn_observer;

typedef struct nn_train_options {
  bool restart;                      /**< set an existing run aside and start over */
  const volatile sig_atomic_t *stop; /**< set by a signal handler: save and stop at the next step; NULL: never */
  /** counts SIGCONTs; launchers send one to the other ranks when one has died. NULL: nobody looks whether all are there
   */
  const volatile sig_atomic_t *woken;
  double seconds_left; /**< until others end the job, counted from `asked`; 0 or NaN: not known. Rank 0's counts */
  double asked;        /**< nn_seconds() of then, or of the program's start; 0: now. run.max_minutes counts from it */
  uint64_t trace;      /**< tell observer.trace of so many steps; one rank only. 0: none */
  bool profile;        /**< say at the end where the time went */
  nn_observer observer;
} nn_train_options;

/** How a run ended, for the closing lines. */
typedef struct nn_train_result {
  bool was_finished;  /**< nothing left to do: the run had ended before */
  bool stopped_early; /**< by early stopping */
  uint64_t epochs, steps;
  uint64_t best_epoch; /**< 0: none */
  nn_metrics train, valid, test;
  char run_folder[1024], checkpoint[1024], history[1024];
} nn_train_result;

/** Train as configured (`auto` virtual ranks are settled in `config`): from the newest checkpoint in the run folder, or
 * from the start. Collective; the same status on every rank. */
nn_status nn_train(nn_comm *comm, nn_config *config, const nn_registry *registry, const nn_train_options *options,
                   nn_log *log, nn_train_result *result);

/** `--dry-run`: what nn_train() would do on `ranks` ranks: resolved configuration, layers, batches, memory. Reads the
 * data's headers and labels, no other rows. Local: needs no MPI. */
nn_status nn_plan(nn_config *config, const nn_registry *registry, int ranks, int ranks_per_node, nn_text *out);

/** `nnmpi evaluate`. Collective; `comm` may be NULL for one process without MPI. */
nn_status nn_evaluate_file(nn_comm *comm, const char *checkpoint, const char *data, const char *split, int64_t threads,
                           nn_text *out);

/** `nnmpi predict`: all rows of a data set into `output` (.h5 or .csv); with `activations` also the output of every
 * layer: datasets activations/<layer>, or columns <layer>_0, <layer>_1, … */
nn_status nn_predict_file(nn_comm *comm, const char *checkpoint, const char *data, const char *split, int64_t threads,
                          bool activations, const char *output, nn_text *out);

#endif
