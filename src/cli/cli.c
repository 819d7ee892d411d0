/* The program from arguments to exit code. */
#include "cli.h"

#include <math.h>
#include <string.h>

/* ---- the same command line on all ranks --------------------------------------------------------------- */

/* Arguments one behind the other, each with its zero; for nn_free(). */
static nn_status pack_arguments(int argc, char *const *argv, char **out, size_t *bytes) {
  size_t total = 0;
  for (int i = 0; i < argc; i++) total += strlen(argv[i]) + 1;
  void *memory = NULL;
  NN_TRY(nn_alloc(total + 1, 1, "the command line", &memory));
  char *at = memory;
  for (int i = 0; i < argc; i++) {
    const size_t length = strlen(argv[i]) + 1;
    memcpy(at, argv[i], length);
    at += length;
  }
  *out = memory;
  *bytes = total;
  return NN_OK;
}

/* Pointers to the arguments in a packed block; for nn_free(). */
static nn_status unpack_arguments(char *block, size_t bytes, int *argc, char ***argv) {
  size_t count = 0;
  for (size_t i = 0; i < bytes; i++) count += block[i] == '\0';
  void *memory = NULL;
  NN_TRY(nn_alloc(count + 1, sizeof(char *), "the command line", &memory));
  char **list = memory;
  size_t filled = 0;
  for (char *at = block; filled < count; at += strlen(at) + 1) list[filled++] = at;
  *argc = (int)count;
  *argv = list;
  return NN_OK;
}

/* Rank 0's command line to all: some launchers start ranks with different ones. Collective. */
static nn_status share_arguments(nn__call *call, char **block, char ***list) {
  nn_status status = NN_OK;
  size_t bytes = 0;
  if (nn_comm_rank(call->comm) == 0) status = pack_arguments(call->argc, call->argv, block, &bytes);
  NN_TRY(nn_comm_agree(call->comm, status));
  NN_TRY(nn_comm_broadcast_block(call->comm, block, &bytes));
  status = unpack_arguments(*block, bytes, &call->argc, list);
  if (status == NN_OK) call->argv = *list;
  return nn_comm_agree(call->comm, status);
}

/* ---- one message ----------------------------------------------------------------------------------------- */

static void report(const nn__call *call, nn_status status) {
  nn_text text = {0};
  nn__error_text(&text, nn_error_last());
  const char *message = text.at != NULL ? text.at : nn_error_last()->message;
  if (status == NN_STOPPED) {
    if (call->log != NULL) nn_log_warn(call->log, "%s", message);
  } else if (call->log != NULL && text.length < NN_ERROR_MAX) {
    nn_log_write(call->log, NN_LOG_ERROR, "%s", message); /* into log.txt as well */
  } else {
    fprintf(stderr, "nnmpi: error: %s\n", message);
  }
  if (call->continue_with.length > 0 && !call->continue_with.out_of_memory)
    fprintf(stderr, "nnmpi: to continue the run: %s\n", call->continue_with.at);
  fflush(stderr);
  nn_text_clear(&text);
}

/* Ends the call: the message, MPI, the exit code. */
static int finish(nn__call *call, nn_status status) {
  /* A failure of MPI itself may be known to this rank only, and no collective can be trusted after it. */
  const bool alone = status == NN_ERR_COMM && nn_error_last()->rank < 0;
  if (status != NN_OK && status != NN_DIFFERENT && (nn_comm_rank(call->comm) == 0 || alone)) report(call, status);
  nn_log_destroy(&call->log);
  nn_text_clear(&call->continue_with);
  if (alone && call->comm != NULL) nn_comm_abort(call->comm, status);
  nn_comm_close(&call->comm);
  return (int)status;
}

/* ---- the call ----------------------------------------------------------------------------------------------- */

static bool wants_all_ranks(const nn__arguments *arguments) {
  if (arguments->help || !arguments->command->collective) return false;
  return arguments->command->run != nn__train_run ||
         (!nn__option_given(arguments, "version") && !nn__option_given(arguments, "help-config"));
}

static bool trains(const nn__arguments *arguments) {
  return wants_all_ranks(arguments) && arguments->command->run == nn__train_run &&
         !nn__option_given(arguments, "dry-run");
}

static nn_status run(nn__call *call) {
  const nn__arguments *arguments = call->arguments;
  if (wants_all_ranks(arguments)) return arguments->command->run(call);
  nn_status status = NN_OK;
  if (nn_comm_rank(call->comm) == 0)
    status = arguments->help ? nn__output_write(arguments->command->usage) : arguments->command->run(call);
  return nn_comm_agree(call->comm, status);
}

int nn__cli_main(int argc, char **argv) {
  int exit_code = 0;
  nn__output_prepare();
  if (nn__rehearsal_wanted(argc, argv, &exit_code)) return exit_code;
  nn__arguments arguments;
  nn__call call = {.arguments = &arguments, .argc = argc, .argv = argv, .seconds_left = NAN, .asked = nn_seconds()};
  char *block = NULL, **list = NULL;
  const int count = argc > 0 ? argc - 1 : 0;
  nn_status status = nn__arguments_parse(count, argv + (argc > 0), &arguments);
  const int launcher_rank = nn_launcher_rank();
  call.launched = launcher_rank >= 0;
  if (status == NN_OK && launcher_rank <= 0 && trains(&arguments)) call.seconds_left = nn__time_left();
  if (call.launched && (status != NN_OK || wants_all_ranks(&arguments))) {
    status = nn_comm_open(&call.comm);
    if (status == NN_OK) status = share_arguments(&call, &block, &list);
    if (status == NN_OK) {
      nn__arguments_clear(&arguments);
      status = nn_comm_agree(call.comm, nn__arguments_parse(call.argc - 1, call.argv + 1, &arguments));
    }
  }
  /* Without MPI, the first rank acts for all. */
  if (status == NN_OK && (call.comm != NULL || launcher_rank <= 0)) status = run(&call);
  status = (nn_status)finish(&call, status);
  nn__arguments_clear(&arguments);
  nn_free(list);
  nn_free(block);
  return (int)status;
}
