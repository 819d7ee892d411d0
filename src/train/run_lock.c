/* Who writes a run folder: a lock on a file in it, which the system gives back however the process ends. */
#include "train_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Ranks outlive a killed launcher by two seconds and more: who starts the run again at once must not be refused. */
enum { DYING_SECONDS = 5 };

/* fcntl's locks hold between the nodes of NFS, too, and on Lustre where it is mounted with flock. */
static bool lock_whole(int file) {
  const struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  return fcntl(file, F_SETLK, &all) == 0;
}

/* Who holds it is a line in the file: "process 4711 of job 99 on node12". */
static nn_status busy(int file, const char *folder) {
  char owner[160];
  const ssize_t got = pread(file, owner, sizeof owner - 1, 0);
  owner[got > 0 ? got : 0] = '\0';
  owner[strcspn(owner, "\n")] = '\0';
  return NN_FAIL(NN_ERR_BUSY,
                 "%s: another job writes this run folder (%s): wait for it, or give this one another name "
                 "(--set run.name=NAME)",
                 folder, owner[0] != '\0' ? owner : "its name is not known yet");
}

static void sign(int file) {
  char host[80] = "?", line[160];
  const char *job = getenv("SLURM_JOB_ID");
  (void)gethostname(host, sizeof host - 1);
  const int length = snprintf(line, sizeof line, "process %ld%s%.20s on %s\n", (long)getpid(),
                              job != NULL ? " of job " : "", job != NULL ? job : "", host);
  if (ftruncate(file, 0) != 0 || pwrite(file, line, (size_t)length, 0) != length)
    errno = 0; /* a full disk: the lock holds without a name */
}

/* The file may have been moved away with its folder between opening and locking. */
static bool still_there(int file, const char *path) {
  struct stat ours, there;
  return fstat(file, &ours) == 0 && stat(path, &there) == 0 && ours.st_dev == there.st_dev &&
         ours.st_ino == there.st_ino;
}

/* True where the wait is over. */
static bool waited_enough(nn__trainer *t, double start) {
  const double waited = nn_seconds() - start;
  if (waited >= DYING_SECONDS || (t->options->stop != NULL && *t->options->stop)) return true;
  nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
  return false;
}

nn_status nn__run_lock(nn__trainer *t) {
  char path[1100];
  const double start = nn_seconds();
  snprintf(path, sizeof path, "%s/lock", t->result->run_folder);
  nn__run_unlock(t);
  for (;;) {
    const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (file < 0) return NN_FAIL(NN_ERR_IO, "%s: cannot be created: %s", path, strerror(errno));
    if (lock_whole(file)) {
      if (!still_there(file, path)) {
        close(file);
        continue;
      }
      sign(file);
    } else if (errno == EACCES || errno == EAGAIN) {
      const nn_status status = busy(file, t->result->run_folder);
      close(file);
      if (waited_enough(t, start)) return status;
      continue;
    } else {
      nn_log_info(t->log, "%s: cannot be locked (%s): a second job in this run folder would not be noticed", path,
                  strerror(errno));
    }
    t->lock_file = file;
    t->locked = true;
    return NN_OK;
  }
}

void nn__run_unlock(nn__trainer *t) {
  if (t->locked) close(t->lock_file);
  t->locked = false;
}
