/** @file config.h
 *  Floor 1: YAML text → validated, typed structs. The only module that includes <yaml.h>.
 *
 *  One table (schema) per section says which keys exist, of which type, with which range, default and help.
 *  The same tables parse, validate, print the resolved configuration, compare two of them, and print the
 *  reference (`nnmpi --help-config`). Modules on higher floors own the tables of what they offer (a layer its
 *  options, an optimizer its own) and hand them in through nn_registry.
 *
 *  Everything here is Local and a pure function of its arguments: all ranks parse the same bytes and come to
 *  the same result or the same message. */
#ifndef NNMPI_CONFIG_H
#define NNMPI_CONFIG_H

#include "nnmpi/support.h"

/* ---- tables ------------------------------------------------------------------------------- */

/** Type of a key, and of the member that it fills. */
typedef enum nn_key_type {
  NN_KEY_BOOL,    /**< bool; true | false only */
  NN_KEY_INT,     /**< int64_t */
  NN_KEY_REAL,    /**< double, finite */
  NN_KEY_TEXT,    /**< char *, NULL where not given */
  NN_KEY_WORD,    /**< int: index into `words` */
  NN_KEY_INTS,    /**< nn_ints */
  NN_KEY_TEXTS,   /**< nn_texts */
  NN_KEY_TENSOR,  /**< nn_tensor: nested lists of numbers */
  NN_KEY_TENSORS, /**< nn_tensors: every key that the table does not list, a tensor each; at most one in the table of an
                     alternative; its name is for the reference only */
  NN_KEY_SECTION, /**< a struct, by `section` */
  NN_KEY_CHOICE,  /**< nn_choice: `sgd` or `{name: sgd, lr: 0.01}`, one of the schemas of `kind` */
  NN_KEY_CHOICES  /**< nn_choices: a list of `relu` or `{dense: {units: 256}}` */
} nn_key_type;

typedef struct nn_ints {
  size_t count;
  int64_t *at;
} nn_ints;

typedef struct nn_texts {
  size_t count;
  char **at;
} nn_texts;

enum { NN_TENSOR_RANK_MAX = 4 };

/** Numbers written in the configuration, row-major; `rank` 0 where not given. */
typedef struct nn_tensor {
  int rank;
  size_t dims[NN_TENSOR_RANK_MAX];
  double *at;
} nn_tensor;

/** Tensors by the names that they are given in the configuration. */
typedef struct nn_tensors {
  size_t count;
  char **names;
  nn_tensor *at;
} nn_tensors;

typedef struct nn_schema nn_schema;

/** One of several alternatives with its options; `schema` NULL where not given. `options` is a struct of
 *  schema->size bytes that its owner (the layer, the optimizer, …) declares. */
typedef struct nn_choice {
  const nn_schema *schema;
  void *options;
  int line, column; /**< where it stands in the file; 0 where it was not written */
} nn_choice;

typedef struct nn_choices {
  size_t count;
  nn_choice *at;
} nn_choices;

/** Who owns the alternatives of a choice. */
typedef enum nn_kind {
  NN_KIND_LAYER,
  NN_KIND_LOSS,
  NN_KIND_INIT,
  NN_KIND_OPTIMIZER,
  NN_KIND_SCHEDULE,
  NN_KIND_COUNT
} nn_kind;

enum {
  NN_KEY_REQUIRED = 1,   /**< an error where absent */
  NN_KEY_AUTO = 2,       /**< INT and REAL also take `auto`, stored as NN_AUTO */
  NN_KEY_MAY_CHANGE = 4, /**< may differ when a run is continued */
  NN_KEY_OPEN_MIN = 8,   /**< REAL: `min` itself is not allowed */
  NN_KEY_OPEN_MAX = 16   /**< REAL: `max` itself is not allowed */
};

#define NN_AUTO (-1) /**< `auto` in an INT or REAL; all keys with NN_KEY_AUTO have min ≥ 0 */

typedef struct nn_key {
  const char *name;
  nn_key_type type;
  size_t offset;        /**< of the member in the struct of the schema */
  unsigned flags;       /**< NN_KEY_… */
  const char *fallback; /**< the default as written in YAML; NULL: none (absent: 0, false, NULL, empty) */
  double min, max;      /**< INT, REAL, and the elements of INTS, TENSOR, TENSORS; both 0: no range beyond the type's */
  const char *const *words; /**< WORD: alternatives, NULL-terminated; "auto" is an ordinary word here */
  const nn_schema *section; /**< SECTION */
  nn_kind kind;             /**< CHOICE, CHOICES */
  const char *help;         /**< one line, with the unit */
} nn_key;

struct nn_schema {
  const char *name;   /**< of the alternative, or of the section */
  const char *help;   /**< one line */
  size_t size;        /**< of the struct to fill; 0 where there are no keys */
  const nn_key *keys; /**< ends with a key without a name; NULL where there are no keys */
};

/** The alternatives of every kind: what the modules above offer. */
typedef struct nn_registry {
  struct {
    const nn_schema *const *at;
    size_t count;
  } kinds[NN_KIND_COUNT];
} nn_registry;

/* ---- the configuration ---------------------------------------------------------------------- */

typedef struct nn_run_config {
  char *name;           /**< default: the file's name without folder and suffix */
  char *folder;         /**< runs are kept in <folder>/<name>; default `runs` */
  int64_t seed;         /**< ≥ 0 */
  int progress;         /**< nn_progress_mode */
  double max_minutes;   /**< of a job; 0: no limit */
  double stall_seconds; /**< without progress; 0: never too long */
} nn_run_config;

typedef enum nn_progress_mode {
  NN_PROGRESS_AUTO,
  NN_PROGRESS_BAR,
  NN_PROGRESS_LINES,
  NN_PROGRESS_OFF
} nn_progress_mode;
typedef enum nn_target_mode { NN_TARGET_AUTO, NN_TARGET_CLASS, NN_TARGET_VALUE } nn_target_mode;
typedef enum nn_valid_mode { NN_VALID_AUTO, NN_VALID_TEST, NN_VALID_NONE } nn_valid_mode;
typedef enum nn_normalize_mode { NN_NORMALIZE_NONE, NN_NORMALIZE_STANDARD } nn_normalize_mode;
typedef enum nn_class_weight_mode {
  NN_CLASS_WEIGHT_NONE,
  NN_CLASS_WEIGHT_BALANCED,
  NN_CLASS_WEIGHT_GIVEN
} nn_class_weight_mode;
typedef enum nn_reduction_mode { NN_REDUCTION_AUTO, NN_REDUCTION_TREE, NN_REDUCTION_ALLREDUCE } nn_reduction_mode;

/** Samples written in the configuration itself: `inline: {x: [[0, 0], [0, 1]], y: [0, 1]}`. */
typedef struct nn_inline_config {
  nn_tensor x, y, valid_x, valid_y, test_x, test_y;
} nn_inline_config;

typedef struct nn_data_config {
  char *file;                                                    /**< HDF5; NULL with `inline` */
  nn_inline_config samples;                                      /**< key `inline` */
  char *train_x, *train_y, *valid_x, *valid_y, *test_x, *test_y; /**< names of datasets in the file */
  int valid;                                                     /**< nn_valid_mode */
  double valid_fraction;                                         /**< of train, seeded, stratified; 0: none */
  int target;                                                    /**< nn_target_mode */
  double scale;                                                  /**< x is divided by it, before `normalize` */
  int normalize, normalize_targets;                              /**< nn_normalize_mode */
  bool shuffle;
  int class_weights;             /**< nn_class_weight_mode; `given` by: */
  nn_tensor class_weight_values; /**< [classes] */
} nn_data_config;

typedef struct nn_model_config {
  nn_ints hidden;       /**< shorthand for layers: dense + activation each, then a dense output layer */
  nn_choice activation; /**< NN_KIND_LAYER, for `hidden` */
  nn_choices layers;    /**< NN_KIND_LAYER */
  nn_choice init;       /**< NN_KIND_INIT, for layers without their own */
  char *init_from;      /**< checkpoint to take matching parameters from */
  nn_texts freeze;      /**< names of layers or parameters that are not trained */
} nn_model_config;

typedef struct nn_early_stop_config {
  int64_t patience; /**< evaluations without improvement; 0: never */
  double min_delta;
  int metric; /**< nn_watch_metric: of the validation set; also decides what `best` is */
} nn_early_stop_config;

typedef enum nn_divergence_mode { NN_DIVERGENCE_STOP, NN_DIVERGENCE_SKIP } nn_divergence_mode;
typedef enum nn_watch_metric { NN_WATCH_LOSS, NN_WATCH_ACCURACY } nn_watch_metric;

typedef struct nn_train_config {
  nn_choice loss, optimizer, schedule;
  int64_t epochs;
  int64_t batch_size;          /**< global; 0 where batch_size_per_rank is given */
  int64_t batch_size_per_rank; /**< per virtual rank; 0 where batch_size is given */
  double clip_norm;            /**< 0: no clipping */
  int64_t top_k;               /**< 0: not computed */
  double threshold;  /**< one output for two classes: class 1 from here on; of the probability, if it is one */
  int on_divergence; /**< nn_divergence_mode */
  nn_early_stop_config early_stop;
} nn_train_config;

typedef struct nn_parallel_config {
  int64_t threads;       /**< per rank; NN_AUTO */
  int64_t virtual_ranks; /**< NN_AUTO: ranks at the first start */
  int reduction;         /**< nn_reduction_mode */
} nn_parallel_config;

typedef struct nn_checkpoint_config {
  int64_t every_epochs, every_steps; /**< 0: never by this count */
  double every_minutes;              /**< 0: never */
  int64_t keep;                      /**< newest ones kept, ≥ 1 */
  bool best;                         /**< keep best.h5 */
} nn_checkpoint_config;

typedef struct nn_history_config {
  int64_t every; /**< steps between rows; NN_AUTO: so that about 10,000 rows come out */
  bool weights;  /**< every weight and bias, per epoch */
} nn_history_config;

typedef struct nn_config {
  nn_run_config run;
  nn_data_config data;
  nn_model_config model;
  nn_train_config train;
  nn_parallel_config parallel;
  nn_checkpoint_config checkpoint;
  nn_history_config history;
} nn_config;

/** Parse and validate. `file` is for messages and the default run.name; `sets` are `key.path=value` from the
 *  command line, applied in order before validation (named as `--set key.path=value` in messages).
 *  Every error of the text is reported at once, a line `file:line:column: …` each, in one message of
 *  NN_ERR_CONFIG (a `--set` that is not `key=value` at all: NN_ERR_USAGE). */
nn_status nn_config_parse(const char *text, size_t length, const char *file, const char *const *sets, size_t set_count,
                          const nn_registry *registry, nn_config **out);
void nn_config_destroy(nn_config **config);

/** The configuration as YAML with every default spelled out; parsing it again gives the same configuration. */
nn_status nn_config_write(const nn_config *config, nn_text *out);

/** Keys that differ between an old run and a new start and may not (no NN_KEY_MAY_CHANGE), a line
 *  "  key.path: old -> new" each, appended to `out`; `*count` is how many. */
nn_status nn_config_compare(const nn_config *old, const nn_config *now, nn_text *out, size_t *count);

/** The reference of all keys, for people: `nnmpi --help-config`. */
nn_status nn_config_help(const nn_registry *registry, nn_text *out);

/** A copy of the options of a choice with only the defaults of its schema (e.g. relu's, for `hidden`). */
nn_status nn_choice_default(const nn_schema *schema, const nn_registry *registry, nn_choice *out);
void nn_choice_clear(nn_choice *choice);

#endif
