/* The checksummed trailer behind an image, and files with it. */
#include "h5io/h5io_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "h5io/crc.h"

enum { TRAILER_BYTES = 24 };

static const unsigned char magic[8] = {'n', 'n', 'm', 'p', 'i', 1, '\r', '\n'};

static void put_little(unsigned char *at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) at[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_little(const unsigned char *at, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) value |= (uint64_t)at[i] << (8 * i);
  return value;
}

/* What is known of a file while it is written. */
typedef struct sum {
  uint32_t crc;
  uint64_t bytes;
  unsigned char trailer[TRAILER_BYTES];
} sum;

static void see(void *context, const void *bytes, size_t count) {
  sum *s = context;
  s->crc = nn__crc32(s->crc, bytes, count);
  s->bytes += count;
}

static nn_bytes make_trailer(void *context) {
  sum *s = context;
  memcpy(s->trailer, magic, sizeof magic);
  put_little(s->trailer + 8, s->bytes, 8);
  put_little(s->trailer + 16, s->crc, 4);
  put_little(s->trailer + 20, nn__crc32(0, s->trailer, 20), 4);
  return (nn_bytes){s->trailer, TRAILER_BYTES};
}

nn_status nn__h5_trailed_replace(const char *path, const nn_bytes *parts, size_t count) {
  sum s = {0};
  return nn_file_replace_sealed(path, parts, count, &(nn_file_seal){see, make_trailer, &s});
}

/* Exactly `count` bytes from `at`; errno 0 where the file ends before. */
static bool read_exactly(int fd, void *out, size_t count, uint64_t at) {
  unsigned char *to = out;
  while (count > 0) {
    const size_t piece = count < (1u << 30) ? count : 1u << 30;
    const ssize_t got = pread(fd, to, piece, (off_t)at);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = 0;
    if (got <= 0) return false;
    to += got;
    at += (uint64_t)got;
    count -= (size_t)got;
  }
  return true;
}

static nn_status fail_read(const char *path) {
  return NN_FAIL(NN_ERR_IO, "%s: cannot be read: %s", path,
                 errno != 0 ? strerror(errno) : "it became shorter meanwhile");
}

/* The trailer is looked at before memory is asked for: a file can claim any size. */
static nn_status trailer_check(int fd, const char *path, nn_status code, uint64_t size, uint32_t *crc) {
  unsigned char trailer[TRAILER_BYTES];
  char had[32];
  if (size < TRAILER_BYTES) return NN_FAIL(code, "%s: is truncated: it has only %d bytes", path, (int)size);
  if (!read_exactly(fd, trailer, sizeof trailer, size - TRAILER_BYTES)) return fail_read(path);
  if (memcmp(trailer, magic, sizeof magic) != 0 || get_little(trailer + 20, 4) != nn__crc32(0, trailer, 20))
    return NN_FAIL(code,
                   "%s: is damaged or truncated, or was not written by nnmpi: its %s do not end with nnmpi's "
                   "checksum",
                   path, nn_format_bytes((double)size, had));
  if (get_little(trailer + 8, 8) != size - TRAILER_BYTES)
    return NN_FAIL(code, "%s: is damaged: it has %llu bytes where %llu were written", path, (unsigned long long)size,
                   (unsigned long long)get_little(trailer + 8, 8) + TRAILER_BYTES);
  *crc = (uint32_t)get_little(trailer + 16, 4);
  return NN_OK;
}

/* Open a regular file; *fd is the caller's to close. */
static nn_status file_open(const char *path, nn_status code, int *fd, uint64_t *size) {
  struct stat about;
  if (nn_fault("open", 0)) return NN_FAIL(NN_ERR_IO, "%s: cannot be opened: %s", path, strerror(EIO));
  /* O_NONBLOCK: opening a pipe without a writer would wait for ever */
  const int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (opened < 0)
    return errno == ENOENT ? nn_file_missing(path, code)
                           : NN_FAIL(NN_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
  if (fstat(opened, &about) != 0 || !S_ISREG(about.st_mode)) {
    close(opened);
    return S_ISDIR(about.st_mode) ? NN_FAIL(code, "%s: is a folder; name a file in it", path)
                                  : NN_FAIL(code, "%s: is not a file", path);
  }
  *fd = opened;
  *size = (uint64_t)about.st_size;
  return NN_OK;
}

static nn_status fail_checksum(const char *path, nn_status code) {
  return NN_FAIL(code, "%s: is damaged: its checksum does not match", path);
}

nn_status nn_h5_load_checked(const char *path, nn_status code, void **image, size_t *bytes) {
  void *memory = NULL;
  uint32_t crc = 0;
  uint64_t size = 0;
  size_t count = 0;
  int fd = -1;
  char needs[32];
  NN_TRY(file_open(path, code, &fd, &size));
  nn_status status = trailer_check(fd, path, code, size, &crc);
  if (status != NN_OK) goto done;
  const double most = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
  if (most > 0 && (double)size > most) {
    status = NN_FAIL(NN_ERR_MEMORY, "%s: its %s are more than the memory of this machine", path,
                     nn_format_bytes((double)size, needs));
    goto done;
  }
  count = (size_t)size - TRAILER_BYTES;
  NN_TRY_DONE(nn_alloc(count, 1, path, &memory));
  if (!read_exactly(fd, memory, count, 0)) {
    status = fail_read(path);
  } else if (nn__crc32(0, memory, count) != crc) {
    status = fail_checksum(path, code);
  } else {
    *image = memory;
    *bytes = count;
    memory = NULL;
  }
done:
  nn_free(memory);
  close(fd);
  return status;
}

/* The checksum of the file's first bytes, a piece at a time. */
static nn_status crc_of_file(int fd, const char *path, uint64_t count, uint32_t *out) {
  enum { PIECE = 1 << 20 };
  void *memory = NULL;
  uint32_t crc = 0;
  NN_TRY(nn_alloc(PIECE + NN_FILE_BLOCK, 1, "a piece of a file", &memory));
  unsigned char *piece = memory;
  piece += -(uintptr_t)memory % NN_FILE_BLOCK;
  nn_status status = NN_OK;
  for (uint64_t at = 0; at < count && status == NN_OK; at += PIECE) {
    const size_t size = count - at < PIECE ? (size_t)(count - at) : PIECE;
    const double start = nn_seconds();
    if (size < PIECE) (void)nn_file_direct(fd, false);
    bool got = read_exactly(fd, piece, size, at);
    if (!got && errno == EINVAL && nn_file_direct(fd, false)) got = read_exactly(fd, piece, size, at);
    if (got)
      crc = nn__crc32(crc, piece, size);
    else
      status = fail_read(path);
    if (size == PIECE) nn_file_rest_since(start);
  }
  nn_free(memory);
  *out = crc;
  return status;
}

nn_status nn_h5_check(const char *path, nn_status code, bool from_disk, bool *trailed) {
  unsigned char begin[sizeof magic];
  uint32_t expected = 0, found = 0;
  uint64_t size = 0;
  int fd = -1;
  NN_TRY(file_open(path, code, &fd, &size));
  nn_status status = NN_OK;
  const bool has = size >= TRAILER_BYTES && read_exactly(fd, begin, sizeof begin, size - TRAILER_BYTES) &&
                   memcmp(begin, magic, sizeof magic) == 0;
  if (has) status = trailer_check(fd, path, code, size, &expected);
  if (from_disk) (void)nn_file_direct(fd, true);
  if (has && status == NN_OK) status = crc_of_file(fd, path, size - TRAILER_BYTES, &found);
  if (has && status == NN_OK && found != expected) status = fail_checksum(path, code);
  close(fd);
  if (status == NN_OK) *trailed = has;
  return status;
}
