/* nnmpi CONFIG.yaml: training, and --dry-run. */
#include "cli.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONFIG_BYTES_MAX = 4 << 20 };

/* ---- the configuration ------------------------------------------------------------------------------ */

/* What somebody may have meant by the name of a file that is none, or not a configuration. */
static nn_status explain_unreadable(const char *path) {
  if (nn_error_last()->status != NN_ERR_IO) return nn_error_last()->status;
  if (strcmp(path, "-") == 0)
    return NN_FAIL(NN_ERR_USAGE, "'-': a configuration is not read from standard input: write it into a file, and "
                                 "give its name");
  if (strpbrk(path, "./") == NULL && access(path, F_OK) != 0) return nn__unknown_command(path);
  return NN_FAIL(NN_ERR_CONFIG, "%s", nn_error_last()->message);
}

/* Rank 0 alone reads: a file system may show other ranks another version, or none. */
static nn_status read_config(nn_comm *comm, const char *path, char **text, size_t *length) {
  nn_status status = NN_OK;
  if (nn_comm_rank(comm) == 0) {
    status = nn_file_read(path, CONFIG_BYTES_MAX, text, length);
    if (status != NN_OK) status = explain_unreadable(path);
    if (status == NN_OK && *length >= 4 && memcmp(*text, "\x89HDF", 4) == 0)
      status =
          NN_FAIL(NN_ERR_CONFIG, "%s: is an HDF5 file, not a configuration; 'nnmpi inspect' shows what it holds", path);
  }
  NN_TRY(nn_comm_agree(comm, status));
  return nn_comm_broadcast_block(comm, text, length);
}

/* --hidden, --lr and --epochs are --set in fewer letters, behind those that are written out. */
static nn_status parse_config(const nn__arguments *arguments, const char *text, size_t length,
                              const nn_registry *registry, nn_config **out) {
  static const char *const names[] = {"hidden", "lr", "epochs"};
  static const char *const keys[] = {"model.hidden", "train.optimizer.lr", "train.epochs"};
  enum { SHORT = 3 };
  const char *path = arguments->operands[0];
  nn_text words[SHORT] = {{0}};
  void *memory = NULL;
  nn_status status = nn_alloc(arguments->repeated_count + SHORT, sizeof(char *), "the command line", &memory);
  const char **sets = memory;
  size_t count = 0;
  while (status == NN_OK && count < arguments->repeated_count) {
    sets[count] = arguments->repeated[count];
    count++;
  }
  for (size_t i = 0; i < SHORT && status == NN_OK; i++) {
    const char *value = nn__option_text(arguments, names[i]);
    if (value == NULL) continue;
    nn_text_add(&words[i], "%s=%s", keys[i], value);
    status = nn_text_status(&words[i]);
    sets[count++] = words[i].at;
  }
  if (status == NN_OK) status = nn_config_parse(text, length, path, sets, count, registry, out);
  for (size_t i = 0; i < SHORT; i++) nn_text_clear(&words[i]);
  nn_free(memory);
  return status;
}

static nn_status load_config(nn__call *call, const nn_registry *registry, nn_config **out) {
  const nn__arguments *arguments = call->arguments;
  char *text = NULL;
  size_t length = 0;
  nn_status status = read_config(call->comm, arguments->operands[0], &text, &length);
  if (status == NN_OK) {
    status = parse_config(arguments, text, length, registry, out);
    status = nn_comm_agree(call->comm, status); /* the same everywhere, but for memory */
  }
  nn_free(text);
  return status;
}

/* The files that the configuration names, tried out by rank 0 alone. Collective. */
static nn_status rehearse_files(nn_comm *comm, const nn_config *config) {
  nn_status status = NN_OK;
  if (nn_comm_rank(comm) == 0) {
    status = nn__rehearse(config->data.file, false, NN_ERR_DATA);
    if (status == NN_OK) status = nn__rehearse(config->model.init_from, true, NN_ERR_CHECKPOINT);
  }
  return nn_comm_agree(comm, status);
}

/* ---- --dry-run ---------------------------------------------------------------------------------------- */

/* For how many ranks a dry run plans. */
typedef struct planned {
  int64_t ranks, per_node;
} planned;

static nn_status read_planned(const nn__call *call, planned *out) {
  const nn__arguments *arguments = call->arguments;
  const bool given = nn__option_given(arguments, "ranks");
  if (!nn__option_given(arguments, "dry-run")) {
    const char *name = given ? "ranks" : nn__option_given(arguments, "ranks-per-node") ? "ranks-per-node" : NULL;
    if (name == NULL) return NN_OK;
    return NN_FAIL(NN_ERR_USAGE, "--%s belongs to --dry-run; a training has the ranks of mpirun -np N", name);
  }
  out->ranks = nn_comm_size(call->comm);
  NN_TRY(nn__option_int(arguments, "ranks", 1, 1000000, &out->ranks));
  out->per_node = given ? out->ranks : nn_comm_node_size(call->comm);
  return nn__option_int(arguments, "ranks-per-node", 1, out->ranks, &out->per_node);
}

static nn_status dry_run(nn__call *call, nn_config *config, const nn_registry *registry, planned plan) {
  nn_status status = NN_OK;
  if (nn_comm_rank(call->comm) == 0) {
    nn_text text = {0};
    status = nn_plan(config, registry, (int)plan.ranks, (int)plan.per_node, &text);
    if (status == NN_OK) status = nn__output_text(&text);
    nn_text_clear(&text);
  }
  return nn_comm_agree(call->comm, status);
}

/* ---- training --------------------------------------------------------------------------------------------- */

/* The command that continues this run, as the user would type it. */
static void describe_again(const nn__call *call, nn_text *out) {
  const char *group = getenv("PMIX_NAMESPACE"); /* srun names it "slurm.pmix.JOB.STEP" */
  const bool srun = group != NULL && strncmp(group, "slurm.", 6) == 0;
  if (call->launched) nn_text_add(out, srun ? "srun -n %d " : "mpirun -np %d ", nn_comm_size(call->comm));
  bool options_end = false;
  for (int i = 0; i < call->argc; i++) {
    options_end = options_end || (i > 0 && strcmp(call->argv[i], "--") == 0);
    if (i > 0 && !options_end && strcmp(call->argv[i], "--restart") == 0) continue;
    if (i > 0) nn_text_add(out, " ");
    nn__shell_quote(out, call->argv[i]);
  }
}

/* Would the same command go on where this one ended? After a divergence it would only diverge again. */
static bool can_continue(nn_status status) {
  switch (status) {
  case NN_STOPPED:
  case NN_ERR_DATA:
  case NN_ERR_IO:
  case NN_ERR_MEMORY:
  case NN_ERR_COMM:
    return true;
  default:
    return false;
  }
}

/* The program that draws curves: beside an installed nnmpi, or in the clone that it was built in. Not found: empty. */
static void find_plotter(nn_text *out) {
  char program[PATH_MAX], path[PATH_MAX + 64], here[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (length <= 0) return;
  program[length] = '\0';
  char *slash = strrchr(program, '/');
  if (slash == NULL) return;
  *slash = '\0';
  snprintf(path, sizeof path, "%s/nnmpi-plot", program);
  if (access(path, X_OK) == 0) {
    nn_text_add(out, "nnmpi-plot");
    return;
  }
  snprintf(path, sizeof path, "%s/../scripts/plot_history.py", program);
  char *script = realpath(path, NULL);
  if (script == NULL) return;
  const size_t prefix = getcwd(here, sizeof here) != NULL ? strlen(here) : 0;
  const bool below = prefix > 1 && strncmp(script, here, prefix) == 0 && script[prefix] == '/';
  nn__shell_quote(out, below ? script + prefix + 1 : script);
  free(script);
}

static void print_result(nn_log *log, const nn_train_result *result, bool keeps_best) {
  nn_text line = {0};
  if (result->was_finished)
    nn_log_info(log,
                "%s is finished after %llu epoch%s: nothing to do (a higher train.epochs continues it, --restart "
                "starts over)",
                result->run_folder, (unsigned long long)result->epochs, NN_PLURAL(result->epochs));
  else
    nn_log_info(log, "%s after %llu epoch%s, %llu step%s", result->stopped_early ? "stopped early" : "finished",
                (unsigned long long)result->epochs, NN_PLURAL(result->epochs), (unsigned long long)result->steps,
                NN_PLURAL(result->steps));
  if (!isnan(result->test.loss)) {
    nn__metrics_text(&line, "", &result->test);
    if (nn_text_status(&line) == NN_OK) nn_log_info(log, "test:        %s", line.at);
    nn_text_clear(&line);
  }
  if (result->best_epoch > 0 && keeps_best)
    nn_log_info(log, "best epoch:  %llu (%s/checkpoints/best.h5)", (unsigned long long)result->best_epoch,
                result->run_folder);
  else if (result->best_epoch > 0)
    nn_log_info(log, "best epoch:  %llu", (unsigned long long)result->best_epoch);
  if (result->checkpoint[0] != '\0') nn_log_info(log, "checkpoint:  %s", result->checkpoint);
  if (result->history[0] != '\0') {
    nn_log_info(log, "history:     %s", result->history);
    find_plotter(&line);
    if (line.length == 0) return;
    nn_text_add(&line, " ");
    nn__shell_quote(&line, result->run_folder);
    nn_text_add(&line, " -o curves.png");
    if (nn_text_status(&line) == NN_OK) nn_log_info(log, "draw curves: %s", line.at);
    nn_text_clear(&line);
  }
}

static nn_status train(nn__call *call, nn_config *config, const nn_registry *registry) {
  const bool quiet = nn__option_given(call->arguments, "quiet");
  const int rank = nn_comm_rank(call->comm);
  int64_t trace = 0;
  NN_TRY(nn__option_int(call->arguments, "trace", 1, INT32_MAX, &trace));
  NN_TRY(nn_comm_agree(call->comm, nn_log_create(rank, quiet, &call->log)));
  nn__progress progress;
  nn_train_result result = {0};
  nn__progress_start(&progress, call->log, trace > 0 ? NN_PROGRESS_LINES : config->run.progress, quiet,
                     call->launched); /* no bar between the lines of a trace */
  const nn_train_options options = {.restart = nn__option_given(call->arguments, "restart"),
                                    .stop = call->stop,
                                    .woken = nn__signals_count_waking(),
                                    .seconds_left = call->seconds_left,
                                    .asked = call->asked,
                                    .profile = nn__option_given(call->arguments, "profile"),
                                    .trace = (uint64_t)trace,
                                    .observer = nn__progress_observer(&progress)};
  const nn_status status = nn_train(call->comm, config, registry, &options, call->log, &result);
  nn__progress_end(&progress);
  if (status == NN_OK && rank == 0) print_result(call->log, &result, config->checkpoint.best);
  if (rank == 0 && result.steps > 0 && can_continue(status)) describe_again(call, &call->continue_with);
  return status;
}

/* ---- the command ------------------------------------------------------------------------------------------- */

static nn_status print_text(const nn__call *call) {
  nn_text text = {0};
  nn_registry registry = {0};
  nn_registry_fill(&registry);
  nn_status status =
      nn__option_given(call->arguments, "version") ? nn__version_text(&text) : nn_config_help(&registry, &text);
  if (status == NN_OK) status = nn__output_text(&text);
  nn_text_clear(&text);
  return status;
}

nn_status nn__train_run(nn__call *call) {
  const nn__arguments *arguments = call->arguments;
  if (nn__option_given(arguments, "version") || nn__option_given(arguments, "help-config")) return print_text(call);
  planned plan = {0};
  NN_TRY(read_planned(call, &plan));
  /* from here on: a signal during a long start must not end the process where the job wants a clean stop */
  if (!nn__option_given(arguments, "dry-run")) call->stop = nn__signals_watch();
  nn_registry registry = {0};
  nn_registry_fill(&registry);
  nn_config *config = NULL;
  nn_status status = load_config(call, &registry, &config);
  if (status == NN_OK) status = rehearse_files(call->comm, config);
  if (status == NN_OK && nn__option_given(arguments, "dry-run")) {
    status = dry_run(call, config, &registry, plan);
  } else if (status == NN_OK) {
    if (call->comm == NULL) status = nn_comm_open(&call->comm); /* a mistake in the configuration shows before */
    if (status == NN_OK) status = train(call, config, &registry);
  }
  nn_config_destroy(&config);
  return status;
}
