/** @file layers.h
 *  Floor 2: layers behind one table of functions; losses; initialisation.
 *
 *  To add a layer: one file in src/layers/ that defines an nn_layer_ops, and one line in the list of
 * src/layers/internal.h. Its forward and backward are called by every thread of the team at once (kernels.h); they keep
 * nothing between calls except in `pass->work`, and never allocate. Rank-blind and Local. */
#ifndef NNMPI_LAYERS_H
#define NNMPI_LAYERS_H

#include "nnmpi/config.h"
#include "nnmpi/data.h"
#include "nnmpi/kernels.h"

/* ---- what a pass knows ------------------------------------------------------------------------ */

/** One forward (and backward) pass of one piece of a batch through the network. */
typedef struct nn_pass {
  const nn_team *team;
  size_t rows;             /**< samples of this piece, ≥ 1 */
  bool training;           /**< dropout drops */
  uint64_t seed, step;     /**< for random numbers */
  const uint32_t *samples; /**< [rows] ids of the samples, for random numbers */
  const float *params;     /**< parameter arena */
  float *work;             /**< this layer's workspace of this pass: work_per_row × rows + work_fixed floats */
  bool product_made;       /**< y holds the product that forward begins with: see `product_first` of the layer */
  nn_after after;          /**< a map that forward is to make of y, too: see `maps_after` of the layer */
} nn_pass;

/* ---- layers ------------------------------------------------------------------------------------ */

enum { NN_LAYER_PARAMS_MAX = 64, NN_PARAM_RANK_MAX = 2 };

/** One parameter tensor of a layer, with PyTorch's name and orientation. */
typedef struct nn_param {
  const char *name; /**< "weight", "bias", "weight_ih_l0", … */
  int rank;
  size_t dims[NN_PARAM_RANK_MAX]; /**< dense weight: [out, in] */
  size_t fan_in, fan_out;         /**< for initialisation */
  size_t pytorch_fan;             /**< PyTorch's default is uniform in ±1 / sqrt(it); 0: fan_in */
  bool is_bias;
  size_t offset; /**< of its first element in the arenas; set by the model */
} nn_param;

size_t nn_param_size(const nn_param *param);

typedef struct nn_layer nn_layer;

typedef struct nn_layer_ops {
  nn_schema schema; /**< name, help and options of the layer in the configuration; every options struct begins with
                       nn_layer_options */
  bool has_params;  /**< its layers have parameters: asked before one is made, to find the last of them */
  /** Make a layer for inputs of shape `in`. `outputs` is what the network must put out (for `units: auto`), 0 if this
   * is not the last layer with parameters. Sets out, params, work sizes; not the offsets. */
  nn_status (*create)(const void *options, const nn_shape *in, size_t outputs, nn_layer **out);
  void (*destroy)(nn_layer *layer); /**< NULL: nn_free() does */
  /** y [rows, out] from x [rows, in]. Team functions; synchronised: complete on return, on every thread. */
  void (*forward)(const nn_layer *layer, const nn_pass *pass, const float *x, float *y);
  /** dx [rows, in] from dy [rows, out], and into pass->work what gradient() will need. dx is NULL for the first layer:
   * nobody needs the gradient of the data. Team function; synchronised. */
  void (*backward)(const nn_layer *layer, const nn_pass *pass, const float *x, const float *y, const float *dy,
                   float *dx);
  /** Rows [first, last) of the gradient of parameter `param` (of a vector: elements), into `out` without what comes
   * before them; after backward, by any thread for rows of its own. NOT synchronised; pass->team is not looked at;
   * pass->rows may be 0, and the gradient is. NULL: without parameters. */
  void (*gradient)(const nn_layer *layer, const nn_pass *pass, const float *x, const float *dy, int param, size_t first,
                   size_t last, float *out);
  /** Of a pass of one row, where the gradient of `param` is the product of two numbers everywhere: sets the factors of
   * its rows [first, last). NOT synchronised. NULL: it is not. */
  void (*outer)(const nn_layer *layer, const float *x, const float *dy, int param, size_t first, size_t last,
                nn_outer *out);
  /** The largest magnitude among the numbers that gradient() multiplies, in this thread's share of them; larger than
   * all others: NaN. `x` NULL: its own need not be looked at. Team function, NOT synchronised. NULL: without
   * parameters. */
  float (*magnitude)(const nn_layer *layer, const nn_pass *pass, const float *x, const float *dy);
  bool product_first; /**< forward of one row begins with the product of x and the first parameter, transposed, of
                         which outer() is the gradient; it leaves it out where pass->product_made says it is done */
  bool maps_after;    /**< forward of several rows goes on with pass->after.map, where that is not NULL: what the layer
                         behind this one does. Backward does not look at y, which may be what the map made of it */
  bool elementwise;   /**< backward makes each element of dx from that of dy: dx == dy is allowed */
  bool one_piece; /**< gradient() is asked for all rows of a pass: pieces of a batch go through one by one. Otherwise
                     it does not look at pass->work, and may be asked for some rows: x and dy then begin with them */
  /** Change what a parameter was initialised with, unless its numbers were given (nn_init_ops.given). NULL: nothing. */
  void (*adjust)(const nn_layer *layer, int param, float *value);
} nn_layer_ops;

/** What every layer's options begin with. */
typedef struct nn_layer_options {
  char *name; /**< NULL: layers.<index> */
} nn_layer_options;

struct nn_layer {
  const nn_layer_ops *ops;
  nn_shape in, out;                /**< of one sample */
  size_t work_per_row, work_fixed; /**< floats kept between forward and backward */
  int param_count;
  nn_param params[NN_LAYER_PARAMS_MAX];
  const nn_map *map; /**< y = map(x) with parameter map_p is all that forward does; NULL: it is not */
  float map_p;
  const nn_choice *init; /**< the layer's own initialisation, NULL or without schema: the model's */
  uint64_t index;        /**< position in the network, for random numbers; set by the model */
  /* What a sample costs: for choosing threads, and for --profile. */
  double products;       /**< multiplications with weights going forward; the weights' gradient takes as many again */
  double products_input; /**< those that the gradient of the input takes: fewer than `products` where weights are
                            multiplied with states inside the layer */
  size_t turns;          /**< parts of a pass between which the threads wait for one another; 0: one */
};

/** All layers, ending with NULL. */
extern const nn_layer_ops *const nn__layer_registry[];
const nn_layer_ops *nn_layer_find(const char *name); /**< NULL if there is none */
void nn_layer_destroy(nn_layer **layer);

/* ---- initialisation ---------------------------------------------------------------------------- */

/** One way of initialising: fills `value` (nn_param_size() floats). `tensor` is the parameter's index in the network,
 * the stream of its random numbers; `full_name` ("fc1.weight") is for messages and for looking into files. */
typedef struct nn_init_ops {
  nn_schema schema;
  bool given; /**< takes numbers as they are given, rather than making them up */
  /** Does it fit the layer's parameters, as far as their names tell? NULL: it fits all. */
  nn_status (*check)(const void *options, const nn_layer *layer);
  nn_status (*fill)(const void *options, const nn_param *param, const char *full_name, uint64_t seed, uint64_t tensor,
                    float *value);
} nn_init_ops;

extern const nn_init_ops *const nn__init_registry[];
const nn_init_ops *nn_init_find(const char *name); /**< NULL if there is none */

/* ---- losses ------------------------------------------------------------------------------------ */

/** One loss. Per sample: its value in `row_loss` [rows] (unweighted), and if `dy` is not NULL the gradient
 *  dy [rows, width] = row_weight × d loss / d y (row_weight is not read otherwise), where row_weight[r] holds
 * everything that multiplies the sample's loss (class weight, 1 / batch). Targets: `labels` [rows] or `values` [rows,
 * width]. Team function; synchronised. */
typedef struct nn_loss_ops {
  nn_schema schema; /**< every options struct begins with nn_loss_options */
  bool takes_labels, takes_values;
  const char *includes; /**< the activation that the loss begins with: a network must not end with it too. NULL: none */
  bool one_for_two;     /**< tells two classes apart by one output, unless the network has two */
  /** Check options against the outputs; NULL: only what nn_loss_check() does for all. */
  nn_status (*check)(const void *options, const nn_target_info *target, size_t width);
  void (*compute)(const void *options, const nn_team *team, size_t rows, size_t width, const float *y,
                  const int32_t *labels, const float *values, const float *row_weight, double *row_loss, float *dy);
} nn_loss_ops;

typedef enum nn_loss_average { NN_LOSS_MEAN, NN_LOSS_SUM } nn_loss_average;

typedef struct nn_loss_options {
  int reduction; /**< nn_loss_average: over the samples of the minibatch. A sample's own loss averages (mean) or adds
                    (sum) over its values where PyTorch's does: mse, bce; half_sse always adds */
} nn_loss_options;

extern const nn_loss_ops *const nn__loss_registry[];
const nn_loss_ops *nn_loss_find(const char *name); /**< NULL if there is none */

/** Outputs that a network needs for these targets where it may choose (`units: auto`): a value for each class or target
 *  value; one for two classes where the loss is bce_with_logits. */
size_t nn_loss_outputs(const nn_choice *loss, const nn_target_info *target);

/** Does the loss fit targets and a network that puts out `width` values? Labels stand for themselves (cross_entropy) or
 *  for one-hot values (mse, half_sse, bce_with_logits); these three also take one output for two classes, the label
 *  (0 or 1) then being the value. NN_ERR_CONFIG otherwise. To be called for every network: nn_model_create() does not
 *  know the loss. */
nn_status nn_loss_check(const nn_choice *loss, const nn_target_info *target, size_t width);

/** The registries' schemas as the configuration wants them (optimizers and schedules are added by optim). */
void nn_layers_register(nn_registry *registry);

#endif
