/** @file h5io_internal.h
 *  What the files of this module share. */
#ifndef NNMPI_H5IO_INTERNAL_H
#define NNMPI_H5IO_INTERNAL_H

#include "nnmpi/h5io.h"

#define H5_USE_110_API /* the names of HDF5 1.10, which newer versions still have */
#include <hdf5.h>

enum {
  NN__H5_NAME_MAX = 1024,      /**< bytes of a path inside a file */
  NN__H5_LINKS_MAX = 16,       /**< soft links followed on the way to one object */
  NN__H5_DEPTH_MAX = 16,       /**< groups inside groups */
  NN__H5_OBJECTS_MAX = 20000,  /**< links looked at in one listing */
  NN__H5_TEXT_MAX = 1 << 16,   /**< bytes of one string in an array or an attribute */
  NN__H5_DEFLATE_RATIO = 1100, /**< zlib never shrinks by more (1032, and some headers) */
  NN__H5_FILTERS_MAX = 8,      /**< in a row, on one dataset */
  NN__H5_CHUNK_MAX = 1 << 30   /**< bytes of a chunk: HDF5 decodes one in memory */
};

struct nn_h5_file {
  hid_t id;
  nn_status code;
  char *name;
  uint64_t bytes; /**< of the file: nothing in it can be much larger */
  bool is_image;  /**< in memory */
};

/* ---- messages (error.c) ------------------------------------------------------------------------ */

/** In every public function that calls HDF5, from here to its end: one thread at a time; HDF5 prints nothing, loads no
 *  plug-ins. May be nested. */
#define NN__H5_ENTER __attribute__((cleanup(nn__h5_leave), unused)) const int nn__h5_entered = nn__h5_enter()
int nn__h5_enter(void);
void nn__h5_leave(const int *entered);

typedef struct nn__h5_text {
  char at[320];
} nn__h5_text;

/** What HDF5 itself says about its last failure, innermost words: " (HDF5: …)", or "" if it says nothing. */
nn__h5_text nn__h5_words(void);

/** True where the words of any level of HDF5's last failure contain `part`. */
bool nn__h5_said(const char *part);

/** `text` with control characters replaced, cut to what fits: names in a damaged file may hold anything. */
nn__h5_text nn__h5_legible(const char *text);

/** A failure of this file: its status, its name in front. */
nn_status nn__h5_fail(const nn_h5_file *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Why something is refused, to follow "dataset 'x' …": "holds references; store …". */
typedef nn__h5_text nn__h5_why;
void nn__h5_because(nn__h5_why *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- the memory of a file that is built (image_memory.c) ------------------------------------------ */

/** From malloc(); `capacity` bytes, of which the file has the first and HDF5 has filled `size`. */
typedef struct nn__h5_memory {
  void *at;
  size_t capacity, size;
} nn__h5_memory;

/** Files opened with `access` live in `memory`, also after they are closed; it must outlive both. */
bool nn__h5_memory_use(hid_t access, nn__h5_memory *memory);

/** At least `size` bytes; those that are new are zero. False where memory is out. */
bool nn__h5_memory_extend(nn__h5_memory *memory, size_t size);

/* ---- a file that is built (image.c, image_bytes.c) ------------------------------------------------- */

enum { NN__H5_LENT = -1 /**< in place of a degree of compression: in one piece, which nobody fills */ };

/** Data that stays where it is until the file is written. */
typedef struct nn__h5_lent {
  struct nn__h5_lent *next;
  char *name;
  nn_h5_info info;
  nn_bytes data;
  uint64_t place; /**< in the file; known when it is finished */
} nn__h5_lent;

struct nn_h5_image {
  hid_t id;
  bool finished, stuck;
  nn__h5_memory memory;
  nn__h5_lent *lent; /**< when finished, in the order of their places */
  nn_bytes *parts;   /**< of the finished file: from the memory, and what was lent */
  size_t part_count; /**< 0 before it is finished */
};

nn_status nn__h5_fail_image(const char *name);

/** A new dataset of an HDF5 type; closed by H5Dclose(). */
hid_t nn__h5_dataset_create(nn_h5_image *image, const char *name, hid_t type, int rank, const uint64_t *dims,
                            int deflate);

void nn__h5_lent_clear(nn_h5_image *image);

/* ---- the trailer (trailer.c) ------------------------------------------------------------------------- */

/** nn_file_replace(), the trailer behind the parts. */
nn_status nn__h5_trailed_replace(const char *path, const nn_bytes *parts, size_t count);

/* ---- types (type.c) ---------------------------------------------------------------------------- */

hid_t nn__h5_memory_type(nn_h5_type type); /**< HDF5's own id: not to be closed; −1 for NN_H5_TEXT */
hid_t nn__h5_stored_type(nn_h5_type type); /**< little endian, for writing */

/** Which of ours a stored type is; false with the reason where it is none. */
bool nn__h5_type_of(hid_t type, nn_h5_type *out, nn__h5_why *why);

/** "[60000, 28, 28] uint8". */
void nn__h5_info_text(const nn_h5_info *info, nn_text *out);

/* ---- the way to an object (walk.c) -------------------------------------------------------------- */

typedef enum nn__h5_found { NN__H5_ABSENT, NN__H5_REFUSED, NN__H5_GROUP, NN__H5_DATASET } nn__h5_found;

/** Follow `name` component by component, by hard links and by soft links inside the file only. On GROUP and DATASET,
 *  *out is an open object, closed by H5Oclose(). On REFUSED `why` is filled. */
nn__h5_found nn__h5_walk(const nn_h5_file *file, const char *name, hid_t *out, nn__h5_why *why);

/** "x [3, 4] float32, y (holds references; …)": the first `limit` datasets of the file. */
void nn__h5_list(nn_h5_file *file, size_t limit, nn_text *out);

/* ---- datasets (dataset.c) ----------------------------------------------------------------------- */

/** Is this open dataset one that we read? Fills `info`; false with the reason where not. */
bool nn__h5_dataset_readable(const nn_h5_file *file, hid_t dataset, nn_h5_info *info, nn__h5_why *why);
/** Find, open and check; fails with a message. The dataset is closed by H5Oclose(). */
nn_status nn__h5_dataset_open(nn_h5_file *file, const char *name, hid_t *out, nn_h5_info *info);
/** Product of the dims: known not to overflow. */
uint64_t nn__h5_elements(const nn_h5_info *info);

/* ---- filtered chunks (chunk.c) ------------------------------------------------------------------- */

bool nn__h5_filtered(hid_t dataset); /**< its chunks go through filters */

/** Rows of a filtered dataset that has elements, as nn_h5_read_rows() gives them. */
nn_status nn__h5_chunks_read(const nn_h5_file *file, const char *name, hid_t dataset, const nn_h5_info *info,
                             uint64_t first, uint64_t count, void *out);
/** All elements of a chunked dataset, `element` bytes each, as they are in the file; zeros where never written. */
nn_status nn__h5_chunks_raw(const nn_h5_file *file, const char *name, hid_t dataset, const nn_h5_info *info,
                            size_t element, void *out);

/* ---- strings of variable length (heap.c) ----------------------------------------------------------- */

/** As nn__h5_dataset_texts(). */
nn_status nn__h5_variable_texts(const nn_h5_file *file, const char *name, hid_t dataset, const nn_h5_info *info,
                                size_t text_limit, char **texts);

/* ---- strings (text.c) --------------------------------------------------------------------------- */

/** Read the strings of a dataset, each at most `text_limit` bytes, into `texts` [elements] (NULL before; what is not
 *  NULL after a failure is the caller's to free). */
nn_status nn__h5_dataset_texts(const nn_h5_file *file, const char *name, hid_t dataset, const nn_h5_info *info,
                               size_t text_limit, char **texts);
/** Read the only string of an attribute. */
nn_status nn__h5_attribute_text(const nn_h5_file *file, const char *name, hid_t attribute, char **out);

#endif
