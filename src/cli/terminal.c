/* Where standard output ends up: on a terminal or not, and how wide that is. */
#include "cli.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Name and parent of a process, from /proc/PID/stat: "12 (mpirun) S 11 ...". The name may hold anything. */
static bool process_read(long process, char name[32], long *parent) {
  char path[64], line[512];
  snprintf(path, sizeof path, "/proc/%ld/stat", process);
  FILE *file = fopen(path, "re");
  if (file == NULL) return false;
  const bool read = fgets(line, sizeof line, file) != NULL;
  fclose(file);
  char *open = read ? strchr(line, '(') : NULL, *close = read ? strrchr(line, ')') : NULL;
  if (open == NULL || close == NULL || close < open || strlen(close) < 5) return false;
  *close = '\0';
  snprintf(name, 32, "%s", open + 1);
  *parent = strtol(close + 4, NULL, 10);
  return true;
}

static bool is_one_of(const char *name, const char *const *names) {
  for (; *names != NULL; names++)
    if (strcmp(name, *names) == 0) return true;
  return false;
}

typedef enum launcher_kind { LAUNCHER_NONE, LAUNCHER_HERE, LAUNCHER_ELSEWHERE } launcher_kind;

/* Is a launcher among the ancestors: the one whose output the user sees, or its daemon on another node? */
static launcher_kind find_launcher(long *process) {
  static const char *const here[] = {"mpirun", "mpiexec", "orterun", "prterun", "mpiexec.hydra", NULL};
  static const char *const daemons[] = {"orted", "prted", NULL};
  char name[32];
  long at = (long)getppid(), parent = 0;
  for (int depth = 0; depth < 8 && at > 1 && process_read(at, name, &parent); depth++) {
    if (is_one_of(name, daemons)) return LAUNCHER_ELSEWHERE;
    if (is_one_of(name, here)) {
      *process = at;
      return LAUNCHER_HERE;
    }
    at = parent;
  }
  return LAUNCHER_NONE;
}

nn__terminal nn__terminal_find(bool launched) {
  long process = 0;
  const nn__terminal none = {.file = -1};
  const launcher_kind launcher = launched ? find_launcher(&process) : LAUNCHER_NONE;
  if (launcher == LAUNCHER_NONE) return isatty(STDOUT_FILENO) ? (nn__terminal){.file = STDOUT_FILENO} : none;
  if (launcher == LAUNCHER_ELSEWHERE) return none;
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/fd/%d", process, STDOUT_FILENO);
  struct stat about; /* opening a pipe could wait, or take a line away from its reader */
  if (stat(path, &about) != 0 || !S_ISCHR(about.st_mode)) return none;
  const int file = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return none;
  if (isatty(file)) return (nn__terminal){.file = file, .opened = true};
  close(file);
  return none;
}

void nn__terminal_close(nn__terminal *terminal) {
  if (terminal->opened) close(terminal->file);
  *terminal = (nn__terminal){.file = -1};
}

int nn__terminal_columns(const nn__terminal *terminal) {
  struct winsize size = {0};
  if (terminal->file >= 0 && ioctl(terminal->file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char *columns = getenv("COLUMNS");
  int64_t value = 0;
  return columns != NULL && nn_parse_int(columns, &value) && value >= 20 && value <= 1000 ? (int)value : 80;
}
