/** @file cli.h
 *  Floor 6: the program. Shared inside src/cli/ only.
 *
 *  main() → nn__cli_main(): arguments → command → exit code. A command returns a status as every function does; only
 *  nn__cli_main() turns it into a message and an exit code. */
#ifndef NNMPI_CLI_H
#define NNMPI_CLI_H

#include "nnmpi/train.h"

#include <signal.h>

/** The whole program; returns the exit code (docs/exit-codes.md). */
int nn__cli_main(int argc, char **argv);

/* ---- arguments ------------------------------------------------------------------------------ */

typedef struct nn__command nn__command;
typedef struct nn__call nn__call;

/** One option of a command. */
typedef struct nn__option {
  const char *name;  /**< without dashes; NULL ends a table */
  char letter;       /**< short form, 0: none */
  const char *value; /**< what it takes, for messages ("FILE"); NULL: a switch */
  bool repeats;      /**< may be given more than once; at most one such option a command */
} nn__option;

enum { NN__OPTIONS_MAX = 13, NN__OPERANDS_MAX = 2 };

/** A command: what it takes and what it does. */
struct nn__command {
  const char *name;                           /**< "import idx"; "" for training */
  const nn__option *options;                  /**< besides --help, which every command has */
  const char *operands[NN__OPERANDS_MAX + 1]; /**< names for messages, NULL-terminated */
  size_t required;                            /**< so many of them must be there */
  bool collective;                            /**< runs on every rank; else on the first one only */
  const char *usage;                          /**< printed by --help */
  nn_status (*run)(nn__call *call);
};

extern const nn__command *const nn__commands[]; /**< training first; NULL-terminated */

/** What the command line says. Strings are borrowed from argv. */
typedef struct nn__arguments {
  const nn__command *command; /**< NULL where parsing failed before it was known */
  bool help;
  const char *values[NN__OPTIONS_MAX]; /**< by index of the option; a switch that was given has its own name here */
  const char **repeated;               /**< values of the option that repeats */
  size_t repeated_count;
  const char *operands[NN__OPERANDS_MAX];
  size_t operand_count;
} nn__arguments;

/** Parse everything behind the program's name. NN_ERR_USAGE with one message; `*out` is to be cleared in any case. */
nn_status nn__arguments_parse(int argc, char *const *argv, nn__arguments *out);
void nn__arguments_clear(nn__arguments *arguments);

/** Value of an option of this command, NULL where it was not given. */
const char *nn__option_text(const nn__arguments *arguments, const char *name);
bool nn__option_given(const nn__arguments *arguments, const char *name);
/** As an integer of [min, max]; `*out` keeps its value where the option was not given. */
nn_status nn__option_int(const nn__arguments *arguments, const char *name, int64_t min, int64_t max, int64_t *out);
/** As a share 0 ≤ value < 1. */
nn_status nn__option_share(const nn__arguments *arguments, const char *name, double *out);
/** As one of `words` (NULL-terminated). */
nn_status nn__option_word(const nn__arguments *arguments, const char *name, const char *const *words, const char **out);
/** An option that must be there. */
nn_status nn__option_required(const nn__arguments *arguments, const char *name, const char **out);

/** NN_ERR_USAGE for the first word of a command line that is neither a command nor the name of a file. */
nn_status nn__unknown_command(const char *typed);

/** The same for the word behind `import`. */
nn_status nn__unknown_format(const char *typed);

/** The closest of `words` (NULL-terminated) to what was typed, or NULL if none is close. */
const char *nn__closest_word(const char *typed, const char *const *words);

/* ---- a call of a command --------------------------------------------------------------------- */

struct nn__call {
  const nn__arguments *arguments;
  nn_comm *comm; /**< NULL where MPI was not started; a command may open it */
  bool launched; /**< by mpirun or srun; to be asked before MPI starts, which sets the same environment variables */
  int argc;      /**< as typed, with the program's name */
  char *const *argv;
  nn_log *log;                       /**< set by training, for the closing error; destroyed by nn__cli_main() */
  const volatile sig_atomic_t *stop; /**< set where a signal asks for the end */
  double seconds_left;   /**< until the batch system ends the job, from `asked` on; NaN: not known. First rank only */
  double asked;          /**< nn_seconds() of then */
  nn_text continue_with; /**< the command that continues a run that ended early; empty: none */
};

nn_status nn__train_run(nn__call *call);
nn_status nn__import_run(nn__call *call); /**< `import` without a kind */
nn_status nn__import_idx_run(nn__call *call);
nn_status nn__import_csv_run(nn__call *call);
nn_status nn__inspect_run(nn__call *call);
nn_status nn__evaluate_run(nn__call *call);
nn_status nn__predict_run(nn__call *call);

extern const char nn__usage_train[], nn__usage_import[], nn__usage_import_idx[], nn__usage_import_csv[],
    nn__usage_inspect[], nn__usage_evaluate[], nn__usage_predict[];

/** `nnmpi --version`. */
nn_status nn__version_text(nn_text *out);

/* ---- output ----------------------------------------------------------------------------------- */

/** Descriptors 0 to 2 exist; a reader that goes away, a file too large are errors of write() instead of signals. */
void nn__output_prepare(void);
/** Text to standard output, flushed. NN_ERR_IO where it cannot be written; a reader that went away is no error. */
nn_status nn__output_write(const char *text);
/** The same for a text that was grown; clears it. */
nn_status nn__output_text(nn_text *text);
/** NN_ERR_USAGE where the file to be written is one of those that are read (`inputs`, NULL-terminated), NN_ERR_IO where
 *  it is no file. Looks at the file system: ranks may see different things. */
nn_status nn__output_apart(const char *output, const char *const *inputs);

/** A word as a shell takes it back: quoted where it needs to be. */
void nn__shell_quote(nn_text *text, const char *word);
/** The message of the error slot as it is printed: later lines stand below the first, who failed behind it. */
void nn__error_text(nn_text *text, const nn_error *error);

/* ---- strangers' files ---------------------------------------------------------------------------- */

/** `code` where reading this HDF5 file crashes a process: another than this one, which tries first. With `all` it reads
 *  whatever inspecting and loading a network does; else the ends of each dataset, which takes 20 ms however long they
 * are. NULL and files that are not there are for others to report. */
nn_status nn__rehearse(const char *path, bool all, nn_status code);
/** Is this process the other one? Then it has done its work, and ends with this code. */
bool nn__rehearsal_wanted(int argc, char *const *argv, int *exit_code);

/* ---- signals ------------------------------------------------------------------------------------ */

/** From now on SIGTERM, SIGUSR1 and SIGINT set the flag that is returned; a second wish to stop ends the process. */
const volatile sig_atomic_t *nn__signals_watch(void);
/** From now on SIGCONTs are counted, modulo 100. */
const volatile sig_atomic_t *nn__signals_count_waking(void);

/* ---- the time limit ------------------------------------------------------------------------------ */

/** Seconds until SLURM ends this job, NaN where there is no limit or none can be found out. SLURM_JOB_END_TIME tells,
 *  unless that is over: then the job was given more time since. May start `squeue` and wait for 5 s: to be called
 * before MPI is started. */
double nn__time_left(void);
/** What `squeue --format=%L` prints, "1-02:03:04", "2:03:04" or "3:04", in seconds; NaN for anything else. */
double nn__time_left_parse(const char *text);

/* ---- the terminal ------------------------------------------------------------------------------ */

/** The terminal that standard output ends up on, if it does. */
typedef struct nn__terminal {
  int file;    /**< descriptor to ask for its width; −1: no terminal */
  bool opened; /**< file is ours to close */
} nn__terminal;

/** Open MPI gives every rank a pseudo terminal, even where mpirun itself writes into a file: then the question is
 *  where the launcher's standard output goes, which is looked up among the ancestors of this process. */
nn__terminal nn__terminal_find(bool launched);
void nn__terminal_close(nn__terminal *terminal);
int nn__terminal_columns(const nn__terminal *terminal); /**< 80 where unknown */

/* ---- progress ----------------------------------------------------------------------------------- */

typedef enum nn__progress_style { NN__PROGRESS_NONE, NN__PROGRESS_LINES, NN__PROGRESS_BAR } nn__progress_style;

/** What a bar shows. */
typedef struct nn__bar {
  uint64_t epoch, epochs;
  double share; /**< of the steps of the whole training, 0 … 1 */
  double loss, samples_per_second;
  double seconds_left; /**< NaN: unknown */
} nn__bar;

/** Progress of a training on rank 0: a bar or lines. */
typedef struct nn__progress {
  nn_log *log;
  nn__progress_style style;
  nn__terminal terminal;
  FILE *stream;          /**< of the bar */
  bool utf8;             /**< the bar may use block characters */
  bool erase;            /**< the terminal knows "erase to the end of the line" */
  double (*clock)(void); /**< seconds; nn_seconds() but in tests */
  bool started;          /**< a step or an epoch was seen */
  double first_time, first_share;
  double last_draw, last_line; /**< when the bar and a line were written last */
  size_t drawn;                /**< columns of the bar that stand on the terminal */
  bool holds;                  /**< `held` was not printed, to keep the log short */
  nn_epoch_row held;
  uint64_t epochs, lines;
} nn__progress;

void nn__progress_start(nn__progress *progress, nn_log *log, int mode, bool quiet, bool launched);
nn_observer nn__progress_observer(nn__progress *progress);
/** Takes the bar away, and prints the last epoch if it was held back. */
void nn__progress_end(nn__progress *progress);

/** One line of at most `columns` columns (at least 20). */
void nn__bar_text(nn_text *out, const nn__bar *bar, int columns, bool utf8);
/** One line; where `columns` is not 0, rate, seconds and learning rate are left out as far as needed to fit. */
void nn__epoch_text(nn_text *out, const nn_epoch_row *row, uint64_t epochs, int columns);
/** "loss 0.4123  acc 0.8567": what was computed, with `prefix` in front ("val "). */
void nn__metrics_text(nn_text *out, const char *prefix, const nn_metrics *metrics);
/** "153,000" (three digits that count). */
void nn__rate_text(nn_text *out, double per_second);
/** "0.4 s", "2 min 05 s", "3 h 10 min", "2 d 4 h". */
void nn__duration_text(nn_text *out, double seconds);

#endif
