/** @file h5io.h
 *  Floor 1: HDF5 files. The only module that includes <hdf5.h>. Closes every id.
 *
 *  Reading is wary of strangers' files: no plug-ins, no external or user-defined links, no external or virtual
 *  storage, only deflate, shuffle and fletcher32 filters, only numbers and strings, sizes bounded before memory is
 * asked for. Writing builds an image in memory; the bytes go to disk by nn_file_replace() or nn_h5_image_save().
 *
 *  Everything is Local. Any thread may call: a lock lets one at a time into HDF5 (Debian's is not thread-safe). But the
 *  first call of a process is for the thread that may call MPI: a parallel HDF5 does so when it starts. */
#ifndef NNMPI_H5IO_H
#define NNMPI_H5IO_H

#include "nnmpi/support.h"

enum {
  NN_H5_RANK_MAX = 8,
  NN_H5_LENT_LEAST = 64 << 10 /**< bytes of data that nn_h5_image_lend() does not copy */
};

/** Type of the elements of a dataset as stored (byte order of the machine after reading). */
typedef enum nn_h5_type {
  NN_H5_U8,
  NN_H5_I8,
  NN_H5_U16,
  NN_H5_I16,
  NN_H5_U32,
  NN_H5_I32,
  NN_H5_U64,
  NN_H5_I64,
  NN_H5_F32,
  NN_H5_F64,
  NN_H5_TEXT /**< strings */
} nn_h5_type;

size_t nn_h5_type_size(nn_h5_type type);      /**< bytes; 0 for NN_H5_TEXT */
const char *nn_h5_type_name(nn_h5_type type); /**< "uint8", "float32", … */

typedef struct nn_h5_info {
  nn_h5_type type;
  int rank;
  uint64_t dims[NN_H5_RANK_MAX];
} nn_h5_info;

/* ---- reading -------------------------------------------------------------------------------- */

typedef struct nn_h5_file nn_h5_file;

/** Open read-only. `code` is the status of failures with this file (NN_ERR_DATA, NN_ERR_CHECKPOINT): also of the
 *  calls below. Messages start with the path. A held lock names HDF5_USE_FILE_LOCKING=FALSE. */
nn_status nn_h5_open(const char *path, nn_status code, nn_h5_file **out);
/** The same from an image in memory (checked by its trailer already); `name` is for messages. The image is copied. */
nn_status nn_h5_open_image(const void *image, size_t bytes, const char *name, nn_status code, nn_h5_file **out);
void nn_h5_close(nn_h5_file **file);

bool nn_h5_has(nn_h5_file *file, const char *name); /**< a dataset or group of this name ("train/x") exists */
nn_status nn_h5_info_read(nn_h5_file *file, const char *name, nn_h5_info *out);

/** Rows [first, first + count) of a dataset, as stored, into `out` (count × product of other dims × size bytes). */
nn_status nn_h5_read_rows(nn_h5_file *file, const char *name, uint64_t first, uint64_t count, void *out);
/** A whole numeric dataset, converted to `as`; its number of elements must be `elements`. */
nn_status nn_h5_read(nn_h5_file *file, const char *name, nn_h5_type as, uint64_t elements, void *out);
/** A whole dataset of strings, for nn_free() each and the array; at most `limit` of them. */
nn_status nn_h5_read_texts(nn_h5_file *file, const char *name, size_t limit, char ***out, size_t *count);
void nn_h5_texts_free(char ***texts, size_t count);
/** A text stored by nn_h5_image_text(), for nn_free(). */
nn_status nn_h5_read_text(nn_h5_file *file, const char *name, size_t limit, char **out);

/** Attributes of a dataset or group ("/" is the root). `*found` false where it does not exist. Texts must have a fixed
 * length. For files whose trailer was checked: HDF5 1.10 reads behind its buffers where attributes are damaged. */
nn_status nn_h5_attribute_int(nn_h5_file *file, const char *object, const char *name, int64_t *out, bool *found);
nn_status nn_h5_attribute_real(nn_h5_file *file, const char *object, const char *name, double *out, bool *found);
nn_status nn_h5_attribute_text(nn_h5_file *file, const char *object, const char *name, char **out, bool *found);

/** Calls `visit` for every dataset below `group`, in name order, with its full name without the leading slash. */
typedef nn_status (*nn_h5_visit)(void *context, const char *name, const nn_h5_info *info);
nn_status nn_h5_each(nn_h5_file *file, const char *group, nn_h5_visit visit, void *context);
/** A line "name: why" for every dataset of the file that may not be read, and was passed over by nn_h5_each(). */
nn_status nn_h5_refused(nn_h5_file *file, nn_text *out);

/* ---- writing -------------------------------------------------------------------------------- */

/** A file being built in memory. */
typedef struct nn_h5_image nn_h5_image;

nn_status nn_h5_image_create(nn_h5_image **out);
/** The same for a file of about so many bytes, most of which will be lent. */
nn_status nn_h5_image_create_for(size_t bytes, nn_h5_image **out);
void nn_h5_image_destroy(nn_h5_image **image);

/** A dataset; groups on the way are made. Chunked with Fletcher32 where it has at least one element; `deflate` 0–9
 *  adds shuffle and compression. */
nn_status nn_h5_image_write(nn_h5_image *image, const char *name, nn_h5_type type, int rank, const uint64_t *dims,
                            int deflate, const void *data);
/** The same without a copy where the data are large: they go to the file from where they are, and must stay as they are
 *  until the image is destroyed. These are stored in one piece, without a checksum of their own; `rank` at least 1. */
nn_status nn_h5_image_lend(nn_h5_image *image, const char *name, nn_h5_type type, int rank, const uint64_t *dims,
                           const void *data);
/** A dataset written in parts: created here, its rows filled by nn_h5_image_write_rows(). */
nn_status nn_h5_image_dataset(nn_h5_image *image, const char *name, nn_h5_type type, int rank, const uint64_t *dims,
                              int deflate);
nn_status nn_h5_image_write_rows(nn_h5_image *image, const char *name, uint64_t first, uint64_t count,
                                 const void *data);
nn_status nn_h5_image_texts(nn_h5_image *image, const char *name, const char *const *texts, size_t count);
nn_status nn_h5_image_text(nn_h5_image *image, const char *name, const char *text); /**< one text of any length */
nn_status nn_h5_image_attribute_int(nn_h5_image *image, const char *object, const char *name, int64_t value);
nn_status nn_h5_image_attribute_real(nn_h5_image *image, const char *object, const char *name, double value);
nn_status nn_h5_image_attribute_text(nn_h5_image *image, const char *object, const char *name, const char *value);

/** Flush and close, each checked: the file's bytes, in pieces that stay until the image is destroyed. Nothing can be
 *  added after. */
nn_status nn_h5_image_finish(nn_h5_image *image, const nn_bytes **parts, size_t *count);

/** Finish, where it is not, and replace `path` by it, followed by the trailer: 8 bytes magic "nnmpi\x01\r\n", length of
 *  the image (uint64, little endian), zlib's crc32 of the image (uint32), crc32 of the 20 bytes before (uint32). Other
 * HDF5 tools ignore what follows an image. May be called again, for another path. */
nn_status nn_h5_image_save(nn_h5_image *image, const char *path);

/** A whole file written by nn_h5_image_save(), its trailer checked before anything else: a torn or flipped
 *  file fails with `code` here, one that the system does not let us read with NN_ERR_IO. `*image` for nn_free(). */
nn_status nn_h5_load_checked(const char *path, nn_status code, void **image, size_t *bytes);

/** Does the file end with the trailer of nn_h5_image_save()? If so, the whole file is compared with its checksum,
 *  without being kept in memory; fails as nn_h5_load_checked() does. `from_disk`: past the system's copy of it, where
 * that can be. */
nn_status nn_h5_check(const char *path, nn_status code, bool from_disk, bool *trailed);

/** Version of the library: "HDF5 1.10.8". */
const char *nn_h5_library(void);

#endif
