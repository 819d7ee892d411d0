/* Files put in place whole, and read whole; the clock. */
#include "nnmpi/support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

double nn_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

bool nn_file_direct(int file, bool direct) {
#ifdef O_DIRECT
  const int flags = fcntl(file, F_GETFL);
  return flags >= 0 && fcntl(file, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
#else
  (void)file;
  return !direct;
#endif
}

static _Thread_local struct {
  nn_file_rest rest;
  void *context;
} resting;

void nn_file_rest_by(nn_file_rest rest, void *context) {
  resting.rest = rest;
  resting.context = context;
}

void nn_file_rest_since(double start) {
  if (resting.rest != NULL) resting.rest(resting.context, nn_seconds() - start);
}

enum { PIECE = 1 << 20, LARGE = 4 << 20 };

typedef struct sink {
  int file;
  bool direct;
  unsigned char *room; /* begins with a block */
  size_t size, filled; /* of the room */
  const char *path;
  double start; /* of the piece */
} sink;

static nn_status drain(sink *s) {
  size_t done = 0;
  while (done < s->filled) {
    if (s->direct && (s->filled - done) % NN_FILE_BLOCK != 0) s->direct = !nn_file_direct(s->file, false);
    const ssize_t written = write(s->file, s->room + done, s->filled - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EINVAL && s->direct && nn_file_direct(s->file, false)) {
      s->direct = false;
      continue;
    }
    if (written <= 0)
      return NN_FAIL(NN_ERR_IO, "%s: cannot be written: %s", s->path, strerror(written < 0 ? errno : ENOSPC));
    done += (size_t)written;
  }
  s->filled = 0;
  if (s->size == PIECE) nn_file_rest_since(s->start);
  s->start = nn_seconds();
  return NN_OK;
}

static nn_status pour(sink *s, nn_bytes part, const nn_file_seal *seal) {
  const unsigned char *from = part.at;
  for (size_t at = 0; at < part.count;) {
    const size_t room = s->size - s->filled, left = part.count - at, count = left < room ? left : room;
    unsigned char *to = memcpy(s->room + s->filled, from + at, count);
    if (seal != NULL) seal->see(seal->context, to, count);
    s->filled += count;
    at += count;
    if (s->filled == s->size) NN_TRY(drain(s));
  }
  return NN_OK;
}

/* A large file goes to the disk a piece at a time, which stays in the processor's cache, and past the system's copy of
 * it: that would cost more than all the rest, and other threads their share of the memory's speed. */
static nn_status write_all(int file, const nn_bytes *parts, size_t part_count, const nn_file_seal *seal,
                           const char *path) {
  void *memory = NULL;
  size_t total = 0;
  for (size_t i = 0; i < part_count; i++) total += parts[i].count;
  sink s = {.file = file, .size = total < PIECE ? total + NN_FILE_BLOCK : PIECE, .path = path, .start = nn_seconds()};
  NN_TRY(nn_alloc(s.size + NN_FILE_BLOCK, 1, path, &memory));
  s.room = (unsigned char *)memory + -(uintptr_t)memory % NN_FILE_BLOCK;
  s.direct = total >= LARGE && nn_file_direct(file, true);
  nn_status status = NN_OK;
  for (size_t i = 0; i < part_count && status == NN_OK; i++) status = pour(&s, parts[i], seal);
  if (status == NN_OK && seal != NULL) status = pour(&s, seal->end(seal->context), NULL);
  if (status == NN_OK) status = drain(&s);
  nn_free(memory);
  return status;
}

/* The folder that holds a file, for nn_free(). */
static nn_status folder_of(const char *path, char **out) {
  const char *slash = strrchr(path, '/');
  if (slash == NULL) return nn_string_copy(".", out);
  return nn_string_format(out, "%.*s", (int)(slash == path ? 1 : slash - path), path);
}

nn_status nn_directory_create_for(const char *path) {
  char *folder = NULL;
  NN_TRY(folder_of(path, &folder));
  const nn_status status = nn_directory_create(folder);
  nn_free(folder);
  return status;
}

/* A rename is durable only when the directory that holds it is. */
static nn_status sync_directory_of(const char *path) {
  char *folder = NULL;
  NN_TRY(folder_of(path, &folder));
  nn_status status = NN_OK;
  const int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  /* some file systems cannot sync a directory: EINVAL is their way to say so */
  if (directory < 0 || (fsync(directory) != 0 && errno != EINVAL))
    status = NN_FAIL(NN_ERR_IO, "%s: cannot be synchronised to disk: %s", folder, strerror(errno));
  if (directory >= 0) close(directory);
  nn_free(folder);
  return status;
}

/* The temporary's content is on disk under its own name after this. */
static nn_status write_temporary(const char *temporary, const char *path, const nn_bytes *parts, size_t part_count,
                                 const nn_file_seal *seal) {
  (void)unlink(temporary); /* of a killed process that had our number */
  const int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) return NN_FAIL(NN_ERR_IO, "%s: cannot be created: %s", path, strerror(errno));
  nn_status status = write_all(file, parts, part_count, seal, path);
  if (status == NN_OK && fsync(file) != 0)
    status = NN_FAIL(NN_ERR_IO, "%s: cannot be synchronised to disk: %s", path, strerror(errno));
  if (close(file) != 0 && status == NN_OK)
    status = NN_FAIL(NN_ERR_IO, "%s: cannot be closed: %s", path, strerror(errno));
  return status;
}

/* Where a file belongs: what a link points at is replaced, not the link. `*out` for free(). */
static nn_status place_of(const char *path, char **out) {
  struct stat named, about;
  *out = NULL;
  if (lstat(path, &named) != 0) return NN_OK; /* nothing there yet */
  if (stat(path, &about) != 0)
    return NN_FAIL(NN_ERR_IO, "%s: is a link to what is not there: make that, or remove the link", path);
  if (S_ISDIR(about.st_mode)) return NN_FAIL(NN_ERR_IO, "%s: is a folder; give the name of a file in it", path);
  if (!S_ISREG(about.st_mode))
    return NN_FAIL(NN_ERR_IO, "%s: is a pipe or device, which a file would replace; give the name of a file", path);
  if (!S_ISLNK(named.st_mode)) return NN_OK;
  *out = realpath(path, NULL);
  return *out != NULL ? NN_OK : NN_FAIL(NN_ERR_IO, "%s: cannot be followed: %s", path, strerror(errno));
}

nn_status nn_file_replaceable(const char *path) {
  char *target = NULL;
  const nn_status status = place_of(path, &target);
  free(target);
  return status;
}

nn_status nn_file_replace(const char *path, const nn_bytes *parts, size_t part_count) {
  return nn_file_replace_sealed(path, parts, part_count, NULL);
}

nn_status nn_file_replace_sealed(const char *path, const nn_bytes *parts, size_t part_count, const nn_file_seal *seal) {
  char *temporary = NULL, *target = NULL;
  NN_TRY(place_of(path, &target));
  const char *place = target != NULL ? target : path;
  nn_status status = nn_string_format(&temporary, "%s.%ld.tmp", place, (long)getpid());
  if (status != NN_OK) goto done;
  status = write_temporary(temporary, path, parts, part_count, seal);
  if (status == NN_OK && rename(temporary, place) != 0)
    status = NN_FAIL(NN_ERR_IO, "%s: cannot be put in place: %s", path, strerror(errno));
  if (status != NN_OK) (void)unlink(temporary);
  if (status == NN_OK) status = sync_directory_of(place);
done:
  nn_free(temporary);
  free(target);
  return status;
}

/* "<name>.<process>.tmp", as nn_file_replace() makes it. */
static bool is_temporary(const char *name) {
  const char *end = strrchr(name, '.');
  if (end == NULL || end == name || strcmp(end, ".tmp") != 0) return false;
  const char *number = end;
  while (number > name && number[-1] >= '0' && number[-1] <= '9') number--;
  return number < end && number > name + 1 && number[-1] == '.';
}

void nn_file_sweep(const char *folder) {
  DIR *directory = opendir(folder);
  if (directory == NULL) return;
  for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
    if (is_temporary(entry->d_name)) (void)unlinkat(dirfd(directory), entry->d_name, 0);
  closedir(directory);
}

/* ---- files that are not there ------------------------------------------------------------------------------ */

/* Does the entry begin with these characters? Hyphens and underscores are mistaken for one another. */
static bool begins_with(const char *entry, const char *meant, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (entry[i] != meant[i] && !(strchr("-_", meant[i]) != NULL && (entry[i] == '-' || entry[i] == '_'))) return false;
  return true;
}

/* How far an entry of the folder is from the name that was meant; −1: too far. Endings alone are no likeness. */
static int likeness(const char *meant, const char *entry) {
  const char *dot = strrchr(meant, '.');
  const size_t stem = dot != NULL && dot != meant ? (size_t)(dot - meant) : strlen(meant);
  const int distance = nn_edit_distance(meant, entry), allowed = stem <= 3 ? 1 : stem <= 7 ? 2 : 3;
  const bool begins = stem >= 3 && begins_with(entry, meant, stem); /* the rest was left out */
  if (entry[0] == '.' || is_temporary(entry)) return -1;
  return (distance <= allowed && (size_t)distance < stem) || begins ? distance : -1;
}

nn_status nn_file_missing(const char *path, nn_status code) {
  const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
  char *folder = NULL, near[256] = "";
  int least = -1;
  NN_TRY(folder_of(path, &folder));
  DIR *directory = opendir(folder);
  nn_free(folder);
  for (const struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
    const int distance = likeness(name, entry->d_name);
    const bool nearer = least < 0 || distance < least || (distance == least && strcmp(entry->d_name, near) < 0);
    if (distance < 0 || !nearer) continue;
    least = distance;
    snprintf(near, sizeof near, "%s", entry->d_name);
  }
  if (directory != NULL) closedir(directory);
  if (least < 0) return NN_FAIL(code, "%s: no such file", path);
  return NN_FAIL(code, "%s: no such file; did you mean '%.*s%s'?", path, (int)(name - path), path, near);
}

/* ---- files read whole ----------------------------------------------------------------------------------------- */

/* An open file that is regular and of at most `limit` bytes. */
static nn_status look_at(int file, const char *path, size_t limit, size_t *size) {
  char have[32], most[32];
  struct stat about;
  if (fstat(file, &about) != 0) return NN_FAIL(NN_ERR_IO, "%s: cannot be looked at: %s", path, strerror(errno));
  if (!S_ISREG(about.st_mode))
    return NN_FAIL(NN_ERR_IO, "%s: is %s", path,
                   S_ISDIR(about.st_mode) ? "a folder, not a file"
                                          : "a pipe or device, not a file: write it into a file and give that");
  if ((uintmax_t)about.st_size > limit)
    return NN_FAIL(NN_ERR_IO, "%s: has %s, more than the %s that are accepted here", path,
                   nn_format_bytes((double)about.st_size, have), nn_format_bytes((double)limit, most));
  *size = (size_t)about.st_size;
  return NN_OK;
}

nn_status nn_file_read(const char *path, size_t limit, char **out, size_t *count) {
  nn_status status = NN_OK;
  void *memory = NULL;
  size_t size = 0, have = 0;
  /* O_NONBLOCK: opening a pipe without a writer would wait for ever */
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0 && errno == ENOENT) return nn_file_missing(path, NN_ERR_IO);
  if (file < 0) return NN_FAIL(NN_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
  NN_TRY_DONE(look_at(file, path, limit, &size));
  NN_TRY_DONE(nn_alloc(size + 1, 1, path, &memory));
  while (have < size) {
    const ssize_t got = read(file, (char *)memory + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      status = NN_FAIL(NN_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
      goto done;
    }
    if (got == 0) break; /* it became shorter while we read */
    have += (size_t)got;
  }
  *out = memory;
  *count = have;
  memory = NULL;
done:
  close(file);
  nn_free(memory);
  return status;
}

nn_status nn_directory_create(const char *path) {
  char *copy = NULL;
  NN_TRY(nn_string_copy(path, &copy));
  nn_status status = NN_OK;
  for (char *at = copy; *copy != '\0';) {
    at++;
    if (*at != '/' && *at != '\0') continue;
    const char end = *at;
    *at = '\0';
    if (mkdir(copy, 0777) != 0 && errno != EEXIST) {
      status = NN_FAIL(NN_ERR_IO, "%s: the folder cannot be made: %s", copy, strerror(errno));
      break;
    }
    *at = end;
    if (end == '\0') break;
  }
  struct stat about;
  if (status == NN_OK && (stat(path, &about) != 0 || !S_ISDIR(about.st_mode)))
    status = NN_FAIL(NN_ERR_IO, "%s: is not a folder", path);
  nn_free(copy);
  return status;
}
