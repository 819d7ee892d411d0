/* The keys of the configuration: the reference of the program (`nnmpi --help-config` prints it). The options of layers,
 * losses, initialisations, optimizers and schedules are in the tables of the modules that own them. */
#include "config/internal.h"

#include <math.h>

#define COUNT_MAX 1e15 /* no bound that anybody would meet, and exact as a double */
#define ANY INFINITY

/* ---- run ---------------------------------------------------------------------------------------- */

static const char *const progress_words[] = {"auto", "bar", "lines", "off", NULL};

static const nn_key run_keys[] = {
    {.name = "name",
     .type = NN_KEY_TEXT,
     .offset = offsetof(nn_run_config, name),
     .flags = NN_KEY_MAY_CHANGE,
     .help = "name of the run, and of its folder; default: the name of the configuration file without .yaml"},
    {.name = "folder",
     .type = NN_KEY_TEXT,
     .offset = offsetof(nn_run_config, folder),
     .flags = NN_KEY_MAY_CHANGE,
     .fallback = "runs",
     .help = "where runs are kept: this one in <folder>/<name>"},
    {.name = "seed",
     .type = NN_KEY_INT,
     .offset = offsetof(nn_run_config, seed),
     .fallback = "1",
     .min = 0,
     .max = COUNT_MAX,
     .help = "of all random numbers: initial weights, order of samples, dropout, splits"},
    {.name = "progress",
     .type = NN_KEY_WORD,
     .offset = offsetof(nn_run_config, progress),
     .flags = NN_KEY_MAY_CHANGE,
     .fallback = "auto",
     .words = progress_words,
     .help = "bar: a bar with rate and time left; lines: one line per epoch; auto: a bar on a terminal, else lines"},
    {.name = "max_minutes",
     .type = NN_KEY_REAL,
     .offset = offsetof(nn_run_config, max_minutes),
     .flags = NN_KEY_MAY_CHANGE,
     .fallback = "0",
     .min = 0,
     .max = ANY,
     .help =
         "minutes that a job may take: it saves and stops in time, with exit code 85; 0: no limit but that of SLURM, "
         "which is known by itself"},
    {.name = "stall_seconds",
     .type = NN_KEY_REAL,
     .offset = offsetof(nn_run_config, stall_seconds),
     .flags = NN_KEY_MAY_CHANGE,
     .fallback = "1800",
     .min = 0,
     .max = ANY,
     .help =
         "seconds without progress after which the job is ended, with the ranks that are missing named; longer than "
         "any step, evaluation or save; 0: wait for ever"},
    {0}};

static const nn_schema run_schema = {"run", "the run and its folder", sizeof(nn_run_config), run_keys};

/* ---- data ----------------------------------------------------------------------------------------- */

static const nn_key inline_keys[] = {
    {.name = "x",
     .type = NN_KEY_TENSOR,
     .offset = offsetof(nn_inline_config, x),
     .flags = NN_KEY_REQUIRED,
     .help = "training inputs, samples first: [[0,0],[0,1]]"},
    {.name = "y",
     .type = NN_KEY_TENSOR,
     .offset = offsetof(nn_inline_config, y),
     .flags = NN_KEY_REQUIRED,
     .help = "training targets: class labels [0, 1], or values"},
    {.name = "valid_x",
     .type = NN_KEY_TENSOR,
     .offset = offsetof(nn_inline_config, valid_x),
     .help = "validation inputs"},
    {.name = "valid_y",
     .type = NN_KEY_TENSOR,
     .offset = offsetof(nn_inline_config, valid_y),
     .help = "validation targets"},
    {.name = "test_x", .type = NN_KEY_TENSOR, .offset = offsetof(nn_inline_config, test_x), .help = "test inputs"},
    {.name = "test_y", .type = NN_KEY_TENSOR, .offset = offsetof(nn_inline_config, test_y), .help = "test targets"},
    {0}};

static const nn_schema inline_schema = {"inline", "samples written here instead of in a file", sizeof(nn_inline_config),
                                        inline_keys};

static const char *const valid_words[] = {"auto", "test", "none", NULL};
static const char *const target_words[] = {"auto", "class", "value", NULL};
static const char *const normalize_words[] = {"none", "standard", NULL};
static const char *const class_weight_words[] = {"none", "balanced", "given", NULL};

static const nn_key data_keys[] = {
    {.name = "file",
     .type = NN_KEY_TEXT,
     .offset = offsetof(nn_data_config, file),
     .flags = NN_KEY_MAY_CHANGE,
     .help = "HDF5 file with the samples (nnmpi import makes one); either this or inline"},
    {.name = "inline",
     .type = NN_KEY_SECTION,
     .offset = offsetof(nn_data_config, samples),
     .section = &inline_schema,
     .help = "a few samples written here; either this or file"},
    {.name = "train_x",
     .type = NN_KEY_TEXT,
     .offset = offsetof(nn_data_config, train_x),
     .fallback = "train/x",
     .help = "dataset in the file: training inputs"},
    {.name = "train_y",
     .type = NN_KEY_TEXT,
     .offset = offsetof(nn_data_config, train_y),
     .fallback = "train/y",
     .help = "dataset in the file: training targets"},
    {.name = "valid_x",
     .type = NN_KEY_TEXT,
     .offset = offsetof(nn_data_config, valid_x),
     .fallback = "valid/x",
     .help = "dataset in the file: validation inputs, if it is there"},
    {.name = "valid_y",
     .type = NN_KEY_TEXT,
     .offset = offsetof(nn_data_config, valid_y),
     .fallback = "valid/y",
     .help = "dataset in the file: validation targets"},
    {.name = "test_x",
     .type = NN_KEY_TEXT,
     .offset = offsetof(nn_data_config, test_x),
     .fallback = "test/x",
     .help = "dataset in the file: test inputs, if it is there"},
    {.name = "test_y",
     .type = NN_KEY_TEXT,
     .offset = offsetof(nn_data_config, test_y),
     .fallback = "test/y",
     .help = "dataset in the file: test targets"},
    {.name = "valid",
     .type = NN_KEY_WORD,
     .offset = offsetof(nn_data_config, valid),
     .fallback = "auto",
     .words = valid_words,
     .help = "what is watched while training. auto: the validation set, if there is one; test: the test set; none: "
             "nothing"},
    {.name = "valid_fraction",
     .type = NN_KEY_REAL,
     .offset = offsetof(nn_data_config, valid_fraction),
     .flags = NN_KEY_OPEN_MAX,
     .fallback = "0",
     .min = 0,
     .max = 1,
     .help = "share of the training set to cut off for validation, by the seed and evenly over classes; 0: none"},
    {.name = "target",
     .type = NN_KEY_WORD,
     .offset = offsetof(nn_data_config, target),
     .fallback = "auto",
     .words = target_words,
     .help = "targets are class labels or values; auto: integers are labels"},
    {.name = "scale",
     .type = NN_KEY_REAL,
     .offset = offsetof(nn_data_config, scale),
     .flags = NN_KEY_OPEN_MIN,
     .fallback = "1",
     .min = 0,
     .max = ANY,
     .help = "inputs are divided by it, before anything else: 255 brings bytes to 0..1"},
    {.name = "normalize",
     .type = NN_KEY_WORD,
     .offset = offsetof(nn_data_config, normalize),
     .fallback = "none",
     .words = normalize_words,
     .help = "standard: each input feature to mean 0 and deviation 1, by the training set"},
    {.name = "normalize_targets",
     .type = NN_KEY_WORD,
     .offset = offsetof(nn_data_config, normalize_targets),
     .fallback = "none",
     .words = normalize_words,
     .help = "the same for target values; predictions are turned back"},
    {.name = "shuffle",
     .type = NN_KEY_BOOL,
     .offset = offsetof(nn_data_config, shuffle),
     .fallback = "true",
     .help = "a new order of the samples in every epoch"},
    {.name = "class_weights",
     .type = NN_KEY_WORD,
     .offset = offsetof(nn_data_config, class_weights),
     .fallback = "none",
     .words = class_weight_words,
     .help = "weights of the classes in the training loss; evaluations weigh all samples alike. balanced: by how "
             "rare a class is; given: class_weight_values"},
    {.name = "class_weight_values",
     .type = NN_KEY_TENSOR,
     .offset = offsetof(nn_data_config, class_weight_values),
     .min = 0,
     .max = ANY,
     .help = "a weight for each class, with class_weights: given"},
    {0}};

static const nn_schema data_schema = {"data", "the samples", sizeof(nn_data_config), data_keys};

/* ---- model ---------------------------------------------------------------------------------------- */

static const nn_key model_keys[] = {
    {.name = "hidden",
     .type = NN_KEY_INTS,
     .offset = offsetof(nn_model_config, hidden),
     .min = 1,
     .max = 1e9,
     .help = "units of the hidden layers: dense + activation each, then a dense output layer; [] has only that. "
             "Either this or layers"},
    {.name = "activation",
     .type = NN_KEY_CHOICE,
     .offset = offsetof(nn_model_config, activation),
     .fallback = "relu",
     .kind = NN_KIND_LAYER,
     .help = "layer behind each hidden layer; goes with hidden"},
    {.name = "layers",
     .type = NN_KEY_CHOICES,
     .offset = offsetof(nn_model_config, layers),
     .kind = NN_KIND_LAYER,
     .help = "the layers one by one: [{dense: {units: 256, name: fc1}}, relu]. Either this or hidden"},
    {.name = "init",
     .type = NN_KEY_CHOICE,
     .offset = offsetof(nn_model_config, init),
     .fallback = "pytorch",
     .kind = NN_KIND_INIT,
     .help = "initialisation of layers that do not have their own"},
    {.name = "init_from",
     .type = NN_KEY_TEXT,
     .offset = offsetof(nn_model_config, init_from),
     .help = "checkpoint to take parameters from, where names and shapes match"},
    {.name = "freeze",
     .type = NN_KEY_TEXTS,
     .offset = offsetof(nn_model_config, freeze),
     .help = "names of layers or parameters that are not trained: [fc1, fc2.bias]"},
    {0}};

static const nn_schema model_schema = {"model", "the network", sizeof(nn_model_config), model_keys};

/* ---- train ------------------------------------------------------------------------------------------ */

static const char *const watch_words[] = {"loss", "accuracy", NULL};

static const nn_key early_stop_keys[] = {
    {.name = "patience",
     .type = NN_KEY_INT,
     .offset = offsetof(nn_early_stop_config, patience),
     .fallback = "0",
     .min = 0,
     .max = COUNT_MAX,
     .help = "stop after so many evaluations without improvement; 0: never"},
    {.name = "min_delta",
     .type = NN_KEY_REAL,
     .offset = offsetof(nn_early_stop_config, min_delta),
     .fallback = "0",
     .min = 0,
     .max = ANY,
     .help = "what counts as an improvement, in units of the metric"},
    {.name = "metric",
     .type = NN_KEY_WORD,
     .offset = offsetof(nn_early_stop_config, metric),
     .fallback = "loss",
     .words = watch_words,
     .help = "of the validation set; it also decides which checkpoint is the best"},
    {0}};

static const nn_schema early_stop_schema = {"early_stop", "when to end before all epochs are done",
                                            sizeof(nn_early_stop_config), early_stop_keys};

static const char *const divergence_words[] = {"stop", "skip", NULL};

static const nn_key train_keys[] = {
    {.name = "loss",
     .type = NN_KEY_CHOICE,
     .offset = offsetof(nn_train_config, loss),
     .flags = NN_KEY_REQUIRED,
     .kind = NN_KIND_LOSS,
     .help = "what is minimised"},
    {.name = "optimizer",
     .type = NN_KEY_CHOICE,
     .offset = offsetof(nn_train_config, optimizer),
     .flags = NN_KEY_REQUIRED,
     .kind = NN_KIND_OPTIMIZER,
     .help = "how, and with which learning rate"},
    {.name = "schedule",
     .type = NN_KEY_CHOICE,
     .offset = offsetof(nn_train_config, schedule),
     .fallback = "constant",
     .kind = NN_KIND_SCHEDULE,
     .help = "how the learning rate changes while training"},
    {.name = "epochs",
     .type = NN_KEY_INT,
     .offset = offsetof(nn_train_config, epochs),
     .flags = NN_KEY_REQUIRED | NN_KEY_MAY_CHANGE,
     .min = 0,
     .max = COUNT_MAX,
     .help = "passes over the training set; 0 only writes a checkpoint of the initial weights"},
    {.name = "batch_size",
     .type = NN_KEY_INT,
     .offset = offsetof(nn_train_config, batch_size),
     .min = 1,
     .max = 1e9,
     .help = "samples in a minibatch, over all ranks. Either this or batch_size_per_rank"},
    {.name = "batch_size_per_rank",
     .type = NN_KEY_INT,
     .offset = offsetof(nn_train_config, batch_size_per_rank),
     .min = 1,
     .max = 1e9,
     .help = "samples in a minibatch for each virtual rank"},
    {.name = "clip_norm",
     .type = NN_KEY_REAL,
     .offset = offsetof(nn_train_config, clip_norm),
     .fallback = "0",
     .min = 0,
     .max = ANY,
     .help = "gradients with a larger norm are scaled down to it; 0: no clipping"},
    {.name = "top_k",
     .type = NN_KEY_INT,
     .offset = offsetof(nn_train_config, top_k),
     .fallback = "0",
     .min = 0,
     .max = 1e9,
     .help = "also report how often the right class is among the k most likely; 0: not"},
    {.name = "threshold",
     .type = NN_KEY_REAL,
     .offset = offsetof(nn_train_config, threshold),
     .fallback = "0.5",
     .min = -ANY,
     .max = ANY,
     .help = "where one output tells two classes apart: class 1 from this value of it on (with bce_with_logits: of the "
             "probability)"},
    {.name = "on_divergence",
     .type = NN_KEY_WORD,
     .offset = offsetof(nn_train_config, on_divergence),
     .flags = NN_KEY_MAY_CHANGE,
     .fallback = "stop",
     .words = divergence_words,
     .help = "what happens when the loss or a gradient is not finite, before it reaches the parameters. stop: end with "
             "exit "
             "code 9; skip: go on with the next minibatch, at most 100 times in a row"},
    {.name = "early_stop",
     .type = NN_KEY_SECTION,
     .offset = offsetof(nn_train_config, early_stop),
     .section = &early_stop_schema,
     .help = "when to end before all epochs are done"},
    {0}};

static const nn_schema train_schema = {"train", "the training", sizeof(nn_train_config), train_keys};

/* ---- parallel, checkpoint, history --------------------------------------------------------------------- */

static const char *const reduction_words[] = {"auto", "tree", "allreduce", NULL};

static const nn_key parallel_keys[] = {
    {.name = "threads",
     .type = NN_KEY_INT,
     .offset = offsetof(nn_parallel_config, threads),
     .flags = NN_KEY_AUTO | NN_KEY_MAY_CHANGE,
     .fallback = "auto",
     .min = 1,
     .max = 4096,
     .help = "threads of a rank; auto: the allowed cores divided among the ranks that share them, or OMP_NUM_THREADS"},
    {.name = "virtual_ranks",
     .type = NN_KEY_INT,
     .offset = offsetof(nn_parallel_config, virtual_ranks),
     .flags = NN_KEY_AUTO,
     .fallback = "auto",
     .min = 1,
     .max = 1e6,
     .help = "pieces of a minibatch: results depend on them and not on the ranks, of which there may be at most so "
             "many; auto: the ranks of the first start"},
    {.name = "reduction",
     .type = NN_KEY_WORD,
     .offset = offsetof(nn_parallel_config, reduction),
     .fallback = "auto",
     .words = reduction_words,
     .help = "how gradients are summed. tree: the same bits on any number of ranks; allreduce: as the MPI library "
             "likes; auto: the fastest way with the bits of tree"},
    {0}};

static const nn_schema parallel_schema = {"parallel", "ranks and threads", sizeof(nn_parallel_config), parallel_keys};

static const nn_key checkpoint_keys[] = {
    {.name = "every_epochs",
     .type = NN_KEY_INT,
     .offset = offsetof(nn_checkpoint_config, every_epochs),
     .flags = NN_KEY_MAY_CHANGE,
     .fallback = "1",
     .min = 0,
     .max = COUNT_MAX,
     .help = "epochs between checkpoints; 0: not by epochs"},
    {.name = "every_steps",
     .type = NN_KEY_INT,
     .offset = offsetof(nn_checkpoint_config, every_steps),
     .flags = NN_KEY_MAY_CHANGE,
     .fallback = "0",
     .min = 0,
     .max = COUNT_MAX,
     .help = "steps between checkpoints; 0: not by steps"},
    {.name = "every_minutes",
     .type = NN_KEY_REAL,
     .offset = offsetof(nn_checkpoint_config, every_minutes),
     .flags = NN_KEY_MAY_CHANGE,
     .fallback = "0",
     .min = 0,
     .max = ANY,
     .help = "minutes between checkpoints; 0: not by time"},
    {.name = "keep",
     .type = NN_KEY_INT,
     .offset = offsetof(nn_checkpoint_config, keep),
     .flags = NN_KEY_MAY_CHANGE,
     .fallback = "2",
     .min = 1,
     .max = COUNT_MAX,
     .help = "how many of the newest checkpoints stay"},
    {.name = "best",
     .type = NN_KEY_BOOL,
     .offset = offsetof(nn_checkpoint_config, best),
     .flags = NN_KEY_MAY_CHANGE,
     .fallback = "true",
     .help = "keep best.h5 too: the best by train.early_stop.metric on the validation set"},
    {0}};

static const nn_schema checkpoint_schema = {"checkpoint", "when the state of the run is saved",
                                            sizeof(nn_checkpoint_config), checkpoint_keys};

static const nn_key history_keys[] = {{.name = "every",
                                       .type = NN_KEY_INT,
                                       .offset = offsetof(nn_history_config, every),
                                       .flags = NN_KEY_AUTO | NN_KEY_MAY_CHANGE,
                                       .fallback = "auto",
                                       .min = 1,
                                       .max = COUNT_MAX,
                                       .help = "steps between rows of per-step values; auto: about 10,000 rows in all"},
                                      {.name = "weights",
                                       .type = NN_KEY_BOOL,
                                       .offset = offsetof(nn_history_config, weights),
                                       .flags = NN_KEY_MAY_CHANGE,
                                       .fallback = "false",
                                       .help = "every weight and bias after every epoch: for small networks"},
                                      {0}};

static const nn_schema history_schema = {"history", "what history.h5 holds", sizeof(nn_history_config), history_keys};

/* ---- all of it -------------------------------------------------------------------------------------------- */

static const nn_key config_keys[] = {
    {.name = "run", .type = NN_KEY_SECTION, .offset = offsetof(nn_config, run), .section = &run_schema},
    {.name = "data",
     .type = NN_KEY_SECTION,
     .offset = offsetof(nn_config, data),
     .flags = NN_KEY_REQUIRED,
     .section = &data_schema},
    {.name = "model",
     .type = NN_KEY_SECTION,
     .offset = offsetof(nn_config, model),
     .flags = NN_KEY_REQUIRED,
     .section = &model_schema},
    {.name = "train",
     .type = NN_KEY_SECTION,
     .offset = offsetof(nn_config, train),
     .flags = NN_KEY_REQUIRED,
     .section = &train_schema},
    {.name = "parallel", .type = NN_KEY_SECTION, .offset = offsetof(nn_config, parallel), .section = &parallel_schema},
    {.name = "checkpoint",
     .type = NN_KEY_SECTION,
     .offset = offsetof(nn_config, checkpoint),
     .section = &checkpoint_schema},
    {.name = "history", .type = NN_KEY_SECTION, .offset = offsetof(nn_config, history), .section = &history_schema},
    {0}};

const nn_schema nn__config_schema = {"configuration", "", sizeof(nn_config), config_keys};

const nn__pair nn__pairs[NN__PAIR_COUNT] = {
    {"data", "file", "inline", NULL, "give the HDF5 file with the samples (data.file), or data.inline"},
    {"model", "hidden", "layers", "activation", "give the units of the hidden layers ([] for none), or model.layers"},
    {"train", "batch_size", "batch_size_per_rank", NULL,
     "give the samples in a minibatch over all ranks, or train.batch_size_per_rank"}};
