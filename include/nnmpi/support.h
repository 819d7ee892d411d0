/** @file support.h
 *  Floor 0: what every module stands on. Status and message, growing text, strict numbers, the log,
 *  aligned memory, files replaced whole, counter-based random numbers, digests.
 *
 *  Everything here is Local: no function communicates. */
#ifndef NNMPI_SUPPORT_H
#define NNMPI_SUPPORT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- status and message ------------------------------------------------------------------- */

/** What a call came to. The value is also the exit code of the program (docs/exit-codes.md). */
typedef enum nn_status {
  NN_OK = 0,
  NN_DIFFERENT = 1,      /**< no failure: two files that were compared are not the same */
  NN_ERR_USAGE = 2,      /**< the command line */
  NN_ERR_CONFIG = 3,     /**< the configuration, or the configuration against the data */
  NN_ERR_DATA = 4,       /**< a data set: missing, damaged, wrong shape, wrong values */
  NN_ERR_CHECKPOINT = 5, /**< a checkpoint: damaged, of another network, of another configuration */
  NN_ERR_IO = 6,         /**< files of the run cannot be written or read */
  NN_ERR_MEMORY = 7,     /**< out of memory */
  NN_ERR_COMM = 8,       /**< MPI reported an error, or a rank is missing */
  NN_ERR_DIVERGED = 9,   /**< loss or gradients are not finite */
  NN_ERR_BUSY = 10,      /**< another live job writes this run folder */
  NN_ERR_INTERNAL = 70,  /**< a bug in nnmpi */
  NN_STOPPED = 85        /**< stopped early on request; run again to continue */
} nn_status;

enum { NN_ERROR_MAX = 4096 /**< bytes of a message, with the final zero */ };

/** The last failure of the calling thread. `rank` is −1 until nn_comm_agree() names one. */
typedef struct nn_error {
  nn_status status;
  int rank;
  char host[64]; /**< of that rank; empty while `rank` is −1 */
  char message[NN_ERROR_MAX];
} nn_error;

/** The error slot of the calling thread; never NULL. Meaningful after a call that failed. */
const nn_error *nn_error_last(void);

/** Fill the error slot; returns `status`, so that `return NN_FAIL(...)` reads well. */
nn_status nn_error_set(nn_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Put words in front of the message in the slot ("data/a.h5: " …). Keeps the status. */
void nn_error_prefix(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Say whose failure the slot holds (used by nn_comm_agree()). */
void nn_error_set_rank(int rank, const char *host);

/** The name of a status in words: "configuration", "data", … */
const char *nn_status_name(nn_status status);

#define NN_FAIL(...) nn_error_set(__VA_ARGS__)

/** Pass a failure on; for functions without anything to release. */
#define NN_TRY(call)                                                                                                   \
  do {                                                                                                                 \
    const nn_status nn__try_status = (call);                                                                           \
    if (nn__try_status != NN_OK) return nn__try_status;                                                                \
  } while (0)

/** Pass a failure on through `done:`; needs a local `nn_status status`. */
#define NN_TRY_DONE(call)                                                                                              \
  do {                                                                                                                 \
    status = (call);                                                                                                   \
    if (status != NN_OK) goto done;                                                                                    \
  } while (0)

/** A bug, not an error: prints the place and aborts. Active in every build. */
#define NN_ASSERT(condition) ((condition) ? (void)0 : nn__assert_failed(#condition, __FILE__, __LINE__))
_Noreturn void nn__assert_failed(const char *condition, const char *file, int line);

/** "0.1.0", and the commit that it was built from: "v0.1.0-3-gabc1234", "-dirty" behind it with changes, "unknown"
 *  without git. */
const char *nn_version(void);
const char *nn_commit(void);

/* ---- growing text ------------------------------------------------------------------------- */

/** A text that grows. Start from `{0}`; `at` is NULL or zero-terminated. Running out of memory is
 *  remembered and reported once, by nn_text_status(). */
typedef struct nn_text {
  char *at;
  size_t length, capacity;
  bool out_of_memory;
} nn_text;

void nn_text_add(nn_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** "1 layer, 2 layers": what goes behind the noun, for a format's %s. */
#define NN_PLURAL(count) ((count) == 1 ? "" : "s")
void nn_text_add_bytes(nn_text *text, const char *bytes, size_t count);
nn_status nn_text_status(const nn_text *text);
void nn_text_clear(nn_text *text); /**< frees; `*text` is `{0}` again */

/** `"` and control characters escaped for JSON and double-quoted YAML, without the quotes. */
void nn_text_add_escaped(nn_text *text, const char *string);

/* ---- strict numbers ----------------------------------------------------------------------- */

/** The whole of `text` as a finite decimal number ("1e-3", "-0.5"); false for anything else: trailing
 *  characters, hexadecimal, nan, inf, empty, spaces, or too large for a double. */
bool nn_parse_real(const char *text, double *out);

/** The whole of `text` as a decimal integer without leading zeros ("12", "-3", "0"). */
bool nn_parse_int(const char *text, int64_t *out);

/** The shortest text that reads back as the same double ("0.1", "1e-05"). `buffer` needs 32 bytes; returns it. */
char *nn_format_real(double value, char buffer[32]);
/** The same for a float: 0.1f is "0.1". */
char *nn_format_float(float value, char buffer[32]);

/** Product of sizes for an allocation; false if it does not fit. */
bool nn_size_multiply(size_t a, size_t b, size_t *out);

/** Elements [first, last) of an array. */
typedef struct nn_range {
  size_t first, last;
} nn_range;

/** Bytes for people: "1.5 GiB". `buffer` needs 32 bytes; returns it. */
char *nn_format_bytes(double bytes, char buffer[32]);

/** Edit distance (Levenshtein) for "did you mean"; texts longer than 63 bytes count as far apart (64). */
int nn_edit_distance(const char *a, const char *b);

/* ---- log ---------------------------------------------------------------------------------- */

/** Where lines for people go: standard output or error, and a file. Rank 0's log prints; the logs of the
 *  other ranks keep only what goes to a file, and have none. NULL is a log that drops everything. */
typedef struct nn_log nn_log;

typedef enum nn_log_level { NN_LOG_INFO, NN_LOG_WARN, NN_LOG_ERROR } nn_log_level;

/** A log for `rank` of `size`. With `quiet`, only warnings and errors reach the terminal. */
nn_status nn_log_create(int rank, bool quiet, nn_log **out);
void nn_log_destroy(nn_log **log);

/** Every line, those before too, also goes to `path`, with the time in front. Appends. */
nn_status nn_log_to_file(nn_log *log, const char *path);

void nn_log_write(nn_log *log, nn_log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define nn_log_info(log, ...) nn_log_write(log, NN_LOG_INFO, __VA_ARGS__)
#define nn_log_warn(log, ...) nn_log_write(log, NN_LOG_WARN, __VA_ARGS__)

/** A progress bar owns the last line of a terminal: told before each line, so that it can make room. Lines of level
 *  NN_LOG_INFO go to standard output, the others to standard error. */
typedef void (*nn_log_before)(void *context, nn_log_level level);
void nn_log_set_before_line(nn_log *log, nn_log_before before, void *context);

/* ---- memory ------------------------------------------------------------------------------- */

enum { NN_ALIGNMENT = 64 /**< bytes: a cache line, and the widest vector */ };

/** Zeroed memory for `count` elements of `size` bytes, aligned to NN_ALIGNMENT; large blocks ask for huge pages.
 *  `what` names it in the message ("gradient arena"). A count of 0 gives a valid pointer. */
nn_status nn_alloc(size_t count, size_t size, const char *what, void **out);
void nn_free(void *memory); /**< accepts NULL */

/** A copy of a string, for nn_free(). */
nn_status nn_string_copy(const char *string, char **out);
/** A formatted string, for nn_free(). */
nn_status nn_string_format(char **out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- files -------------------------------------------------------------------------------- */

typedef struct nn_bytes {
  const void *at;
  size_t count;
} nn_bytes;

/** Put a file in place whole or not at all: a temporary beside it (O_EXCL), written, fsync'ed, closed, renamed,
 *  the directory fsync'ed; every step checked, the temporary removed on failure. A link stays, what it points at is
 *  replaced. */
nn_status nn_file_replace(const char *path, const nn_bytes *parts, size_t part_count);

/** What ends a file and follows from all of it, as a checksum does. */
typedef struct nn_file_seal {
  /** Is given all bytes of the parts, in order, a piece at a time. */
  void (*see)(void *context, const void *bytes, size_t count);
  /** What comes last; stays as long as the context. */
  nn_bytes (*end)(void *context);
  void *context;
} nn_file_seal;
nn_status nn_file_replace_sealed(const char *path, const nn_bytes *parts, size_t part_count, const nn_file_seal *seal);
/** Fails where `path` is there already and no file: a folder, a device, a link to nothing. */
nn_status nn_file_replaceable(const char *path);

enum { NN_FILE_BLOCK = 4096 /**< bytes: addresses, positions and sizes of a direct access are multiples of it */ };

/** Whether reads and writes of an open file go past the system's copy of it. False where the file system cannot; some
 * say so only by the EINVAL of a read or write. */
bool nn_file_direct(int file, bool direct);

/** Is told by this thread, after each piece of a large file that it writes or compares, how many seconds the piece
 * took: it may rest, where others want the memory's speed. NULL: nobody. */
typedef void (*nn_file_rest)(void *context, double seconds);
void nn_file_rest_by(nn_file_rest rest, void *context);
void nn_file_rest_since(double start); /**< for who works on a file a piece at a time: the piece was begun then */

/** Remove the temporaries that killed processes left in this folder. No other process may be writing there. */
void nn_file_sweep(const char *folder);

/** A whole regular file of at most `limit` bytes; `*out` has a zero behind it, for nn_free(). */
nn_status nn_file_read(const char *path, size_t limit, char **out, size_t *count);

/** Fail with `code`: there is no such file; and name the one of its folder that may have been meant. */
nn_status nn_file_missing(const char *path, nn_status code);

/** mkdir -p. */
nn_status nn_directory_create(const char *path);
/** The folder that is to hold the file `path`. */
nn_status nn_directory_create_for(const char *path);

/* ---- time --------------------------------------------------------------------------------- */

double nn_seconds(void); /**< monotonic, for differences */

/* ---- random numbers ----------------------------------------------------------------------- */

/** What a random number is for: streams of different uses never meet. */
typedef enum nn_random_use {
  NN_RANDOM_WEIGHTS = 1, /**< stream: index of the tensor; index: element */
  NN_RANDOM_ORDER = 2,   /**< stream: epoch */
  NN_RANDOM_DROPOUT = 3, /**< see layers/dropout.c */
  NN_RANDOM_SPLIT = 4    /**< cutting a validation or test set out of a data set; stream: class */
} nn_random_use;

/** Philox4x32-10, counter-based: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC11). */
void nn_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

/** What nn_random_bits() gives to nn_philox(); `index` is the counter's first word, and its upper bits are in the
 * third. */
void nn_random_counter(uint64_t seed, nn_random_use use, uint64_t stream, uint64_t index, uint32_t key[2],
                       uint32_t counter[4]);
/** 64 random bits for (seed, use, stream, index): no state, no order. */
uint64_t nn_random_bits(uint64_t seed, nn_random_use use, uint64_t stream, uint64_t index);
/** Uniform in [0, 1), 53 bits. */
double nn_random_uniform(uint64_t seed, nn_random_use use, uint64_t stream, uint64_t index);
/** Standard normal (Box–Muller). */
double nn_random_normal(uint64_t seed, nn_random_use use, uint64_t stream, uint64_t index);
/** Uniform in 0 … n − 1 without bias worth naming (1 ≤ n ≤ 2^32). */
uint64_t nn_random_below(uint64_t seed, nn_random_use use, uint64_t stream, uint64_t index, uint64_t n);

/* ---- digests ------------------------------------------------------------------------------ */

#define NN_DIGEST_START UINT64_C(0xcbf29ce484222325)

/** 64-bit FNV-1a over bytes, continued from `digest`. For comparing, not for security. */
uint64_t nn_digest(uint64_t digest, const void *bytes, size_t count);

/* ---- launcher ------------------------------------------------------------------------------ */

/** The rank that mpirun or srun --mpi=… gave to this process, from the environment; −1 without a launcher. */
int nn_launcher_rank(void);

/* ---- meeting ------------------------------------------------------------------------------------ */

/** Where threads, or processes that share its memory, wait for one another. All zero: nobody has come. */
typedef struct nn_meeting {
  _Alignas(NN_ALIGNMENT) _Atomic int arrived;
  _Alignas(NN_ALIGNMENT) _Atomic unsigned round;
} nn_meeting;

/** Returns when `size` of them have called it; what each wrote before is then seen by all. Who waits looks for some
 *  microseconds, then offers its core to others. */
void nn_meet(nn_meeting *meeting, int size);

/* ---- faults for tests --------------------------------------------------------------------- */

/** True where the environment asks for a failure here: NNMPI_FAULT="point@rank" or "point:number@rank", e.g.
 *  "open@1", "step:7@0". The rank is the launcher's (its environment variables); `number` counts from 0 and is
 *  whatever the caller numbers (steps); callers without one pass 0. Only tests set this variable. */
bool nn_fault(const char *point, uint64_t number);

#endif
