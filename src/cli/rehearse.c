/* Reading a stranger's HDF5 file in another process first. Damaged files can crash the HDF5 library itself, which no
 * check of ours in front of it prevents: then that process ends, and this one says so. */
#include "cli.h"

#include "nnmpi/checkpoint.h"
#include "nnmpi/h5io.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char word[] = "--rehearse", word_all[] = "--rehearse-all";
enum { SECONDS_MAX = 600, INSPECTED_MAX = 1 << 26 };

/* ---- the other process ---------------------------------------------------------------------------------- */

/* The ends of a dataset lead through everything that says where its elements are. */
static nn_status read_ends(void *context, const char *name, const nn_h5_info *info) {
  nn_h5_file *file = context;
  size_t bytes = nn_h5_type_size(info->type);
  void *row = NULL;
  if (bytes == 0 || info->rank == 0 || info->dims[0] == 0) return NN_OK;
  for (int i = 1; i < info->rank; i++)
    if (!nn_size_multiply(bytes, (size_t)info->dims[i], &bytes)) return NN_OK;
  if (bytes > INSPECTED_MAX || nn_alloc(bytes, 1, "a row", &row) != NN_OK) return NN_OK;
  (void)nn_h5_read_rows(file, name, 0, 1, row);
  (void)nn_h5_read_rows(file, name, info->dims[0] - 1, 1, row);
  nn_free(row);
  return NN_OK;
}

/* What is wrong with the file in other ways is found again, and said, by the one who asked. */
static int read_file(const char *path, bool all) {
  nn_h5_file *file = NULL;
  nn_trained *trained = NULL;
  nn_text text = {0};
  struct stat about;
  alarm(SECONDS_MAX);
  if (nn_fault("reader", 0) || (path[0] != '\0' && nn_fault("rehearse", 0))) abort();
  if (nn_h5_open(path, NN_ERR_DATA, &file) == NN_OK) {
    (void)nn_h5_each(file, "/", read_ends, file);
    nn_h5_close(&file);
  }
  if (all && nn_trained_load(path, &trained) == NN_OK) nn_trained_destroy(&trained);
  if (all && stat(path, &about) == 0 && about.st_size <= INSPECTED_MAX) (void)nn_inspect(path, &text);
  nn_text_clear(&text);
  return 0;
}

bool nn__rehearsal_wanted(int argc, char *const *argv, int *exit_code) {
  if (argc != 3 || (strcmp(argv[1], word) != 0 && strcmp(argv[1], word_all) != 0)) return false;
  *exit_code = read_file(argv[2], strcmp(argv[1], word_all) == 0);
  return true;
}

/* ---- this process ------------------------------------------------------------------------------------------ */

/* Its wait status; false where there is no such process, and nothing is known. */
static bool run_reader(const char *path, bool all, int *how) {
  static const char program[] = "/proc/self/exe";
  char *const arguments[] = {(char *)(uintptr_t) "nnmpi", (char *)(uintptr_t)(all ? word_all : word),
                             (char *)(uintptr_t)path, NULL};
  posix_spawn_file_actions_t files;
  pid_t reader = -1;
  if (posix_spawn_file_actions_init(&files) != 0) return false;
  bool done = true;
  for (int i = 0; i < 3 && done; i++)
    done = posix_spawn_file_actions_addopen(&files, i, "/dev/null", i == 0 ? O_RDONLY : O_WRONLY, 0) == 0;
  /* not fork(): pages that the network's hardware writes into must stay this process's */
  done = done && posix_spawn(&reader, program, &files, NULL, arguments, environ) == 0;
  posix_spawn_file_actions_destroy(&files);
  if (!done) return false;
  while (waitpid(reader, how, 0) < 0)
    if (errno != EINTR) return false;
  return true;
}

nn_status nn__rehearse(const char *path, bool all, nn_status code) {
  int how = 0, without_file = 0;
  if (path == NULL || access(path, R_OK) != 0 || !run_reader(path, all, &how)) return NN_OK;
  if (WIFSIGNALED(how) && WTERMSIG(how) == SIGALRM)
    return NN_FAIL(code, "%s: cannot be read within %d minutes: it is damaged, or its file system does not answer",
                   path, SECONDS_MAX / 60);
  if (WIFSIGNALED(how) && (WTERMSIG(how) == SIGTERM || WTERMSIG(how) == SIGINT || WTERMSIG(how) == SIGKILL))
    return NN_OK; /* somebody ends the job: nothing is known about the file */
  if (how == 0) return NN_OK;
  /* under valgrind, for one, this program cannot be started so */
  if (!run_reader("", false, &without_file) || without_file != 0) return NN_OK;
  return NN_FAIL(code, "%s: is damaged: the HDF5 library (%s) crashes when it reads it; make the file again", path,
                 nn_h5_library());
}
