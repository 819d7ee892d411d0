/* Opening and closing files, read-only, with a message for each way in which that fails. */
#include "h5io/h5io_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

/* The signature of HDF5 stands at 0, 512, 1024, 2048, … */
static bool is_hdf5(int fd, uint64_t size) {
  unsigned char bytes[sizeof signature];
  for (uint64_t at = 0; at + sizeof bytes <= size; at = at == 0 ? 512 : 2 * at)
    if (pread(fd, bytes, sizeof bytes, (off_t)at) == (ssize_t)sizeof bytes &&
        memcmp(bytes, signature, sizeof bytes) == 0)
      return true;
  return false;
}

/* What HDF5's own message would leave unclear is told from the file itself. */
static nn_status look_before(nn_h5_file *file) {
  struct stat about;
  if (nn_fault("open", 0)) return nn__h5_fail(file, "cannot be opened: %s", strerror(EIO));
  if (stat(file->name, &about) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return nn_file_missing(file->name, file->code);
    return nn__h5_fail(file, "cannot be opened: %s", strerror(errno));
  }
  if (S_ISDIR(about.st_mode)) return nn__h5_fail(file, "is a folder; an HDF5 file is needed");
  if (!S_ISREG(about.st_mode)) return nn__h5_fail(file, "is not a regular file; an HDF5 file is needed");
  if (about.st_size == 0) return nn__h5_fail(file, "is empty; an HDF5 file is needed");
  file->bytes = (uint64_t)about.st_size;

  const int fd = open(file->name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nn__h5_fail(file, "cannot be opened: %s", strerror(errno));
  const bool right = is_hdf5(fd, file->bytes);
  close(fd);
  if (right) return NN_OK;
  return nn__h5_fail(file, "is not an HDF5 file%s",
                     file->code == NN_ERR_DATA ? " (`nnmpi import` makes one from IDX or CSV files)" : "");
}

static nn_status say_why_not(const nn_h5_file *file) {
  if (nn__h5_said("unable to lock file"))
    return nn__h5_fail(file,
                       "is locked: is another program writing it? Where the file system itself cannot lock, set "
                       "HDF5_USE_FILE_LOCKING=FALSE in the environment%s",
                       nn__h5_words().at);
  if (nn__h5_said("truncated file")) return nn__h5_fail(file, "is truncated%s; copy it again", nn__h5_words().at);
  if (nn__h5_said("already open for write"))
    return nn__h5_fail(file, "is being written by another program, or was not closed properly%s", nn__h5_words().at);
  return nn__h5_fail(file, "is damaged or truncated: it cannot be opened%s", nn__h5_words().at);
}

static nn_status file_create(const char *name, nn_status code, nn_h5_file **out) {
  nn_h5_file *file = NULL;
  void *memory = NULL;
  NN_TRY(nn_alloc(1, sizeof *file, "an open file", &memory));
  file = memory;
  file->id = H5I_INVALID_HID;
  file->code = code;
  const nn_status status = nn_string_copy(name, &file->name);
  if (status != NN_OK) nn_free(memory);
  if (status == NN_OK) *out = file;
  return status;
}

static nn_status open_by(nn_h5_file *file, hid_t access, const char *path) {
  /* STRONG: a damaged file may make HDF5 itself forget an id; our own are counted by the tests. No chunk cache: chunk.c
   * decodes, and without it HDF5 reads plain chunks by their right size, whatever the file says. */
  if (access < 0 || H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0 || H5Pset_cache(access, 0, 0, 0, 0.0) < 0)
    return NN_FAIL(NN_ERR_MEMORY, "%s: HDF5 cannot prepare to open it%s", file->name, nn__h5_words().at);
  file->id = H5Fopen(path, H5F_ACC_RDONLY, access);
  return file->id < 0 ? say_why_not(file) : NN_OK;
}

nn_status nn_h5_open(const char *path, nn_status code, nn_h5_file **out) {
  nn_h5_file *file = NULL;
  hid_t access = H5I_INVALID_HID;
  NN__H5_ENTER;
  nn_status status = file_create(path, code, &file);
  if (status != NN_OK) return status;
  NN_TRY_DONE(look_before(file));
  access = H5Pcreate(H5P_FILE_ACCESS);
  if (access >= 0) H5Pset_fapl_sec2(access);
#if H5_VERSION_GE(1, 10, 7)
  /* a file system without locks (Lustre mounted without flock) is no reason not to read */
  if (access >= 0) H5Pset_file_locking(access, true, true);
#endif
  NN_TRY_DONE(open_by(file, access, path));
  *out = file;
  file = NULL;
done:
  if (access >= 0) H5Pclose(access);
  nn_h5_close(&file);
  return status;
}

nn_status nn_h5_open_image(const void *image, size_t bytes, const char *name, nn_status code, nn_h5_file **out) {
  nn_h5_file *file = NULL;
  hid_t access = H5I_INVALID_HID;
  char unique[64];
  NN__H5_ENTER;
  nn_status status = file_create(name, code, &file);
  if (status != NN_OK) return status;
  file->bytes = bytes;
  file->is_image = true;
  /* HDF5 takes two images of one name for the same file */
  snprintf(unique, sizeof unique, "nnmpi-image-%p", (void *)file);
  access = H5Pcreate(H5P_FILE_ACCESS);
  if (access >= 0 && (H5Pset_fapl_core(access, 1 << 20, false) < 0 ||
                      /* HDF5 copies the image; its interface forgot the const */
                      H5Pset_file_image(access, (void *)(uintptr_t)image, bytes) < 0)) {
    status = NN_FAIL(NN_ERR_MEMORY, "%s: out of memory while opening it%s", name, nn__h5_words().at);
    goto done;
  }
  NN_TRY_DONE(open_by(file, access, unique));
  *out = file;
  file = NULL;
done:
  if (access >= 0) H5Pclose(access);
  nn_h5_close(&file);
  return status;
}

void nn_h5_close(nn_h5_file **file) {
  if (file == NULL || *file == NULL) return;
  NN__H5_ENTER;
  if ((*file)->id >= 0) H5Fclose((*file)->id);
  nn_free((*file)->name);
  nn_free(*file);
  *file = NULL;
}

const char *nn_h5_library(void) {
  static _Thread_local char text[32];
  unsigned major = 0, minor = 0, release = 0;
  NN__H5_ENTER;
  H5get_libversion(&major, &minor, &release);
  snprintf(text, sizeof text, "HDF5 %u.%u.%u", major, minor, release);
  return text;
}
