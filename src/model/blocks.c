/* What is trained, in blocks of rows; their gradients. */
#include "model/internal.h"

#include <math.h>
#include <string.h>

enum {
  ROWS = 2, /* grain; together they fill a micro-kernel. Constants, as the norm of gradients is a sum over blocks */
  FLOATS = 2048, /* of a block, at least: less is not worth a call, and a block stays in the first-level cache until its
                    parameters have come */
  WORTH = 2,     /* blocks for each worker, at least, of what is divided by itself */
  ROW_COST = 8   /* elements: narrow tensors take longer, biases most */
};

static size_t row_width(const nn_param *param) {
  return param->rank == 1 ? 1 : nn_param_size(param) / param->dims[0];
}

static size_t rows_of_block(const nn_param *param) {
  const size_t floats = ROWS * row_width(param);
  return ROWS * ((FLOATS + floats - 1) / floats);
}

/* With `blocks` NULL only counts; otherwise one more is written, which ends the list. */
static size_t cut(const nn_model *model, nn_model_block *blocks) {
  size_t count = 0, cost = 0;
  for (size_t i = 0; i < model->tensor_count; i++) {
    const nn_param *param = model->tensors[i].param;
    const size_t rows = param->dims[0], step = rows_of_block(param), width = row_width(param);
    for (size_t first = 0; first < rows && !model->tensors[i].frozen; first += step, count++) {
      const size_t last = rows - first < step ? rows : first + step;
      const size_t end = last < rows ? last * width : nn__grain_round(rows * width);
      if (blocks != NULL)
        blocks[count] = (nn_model_block){i, first, last, {param->offset + first * width, param->offset + end}, cost};
      cost += (last - first) * (width + ROW_COST);
    }
  }
  if (blocks != NULL) blocks[count] = (nn_model_block){.cost_before = cost}; /* all of it */
  return count;
}

nn_status nn__model_cut(nn_model *model) {
  void *memory = NULL;
  const size_t count = cut(model, NULL);
  NN_TRY(nn_alloc(count + 1, sizeof *model->blocks, "the list of blocks of parameters", &memory));
  model->blocks = memory;
  model->block_count = cut(model, model->blocks);
  return NN_OK;
}

size_t nn_model_block_count(const nn_model *model) {
  return model->block_count;
}

const nn_model_block *nn_model_block_at(const nn_model *model, size_t index) {
  NN_ASSERT(index < model->block_count);
  return &model->blocks[index];
}

/* The block that has about this cost before it. */
static size_t block_behind(const nn_model *model, size_t cost) {
  size_t low = 0, high = model->block_count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (model->blocks[middle].cost_before < cost)
      low = middle + 1;
    else
      high = middle;
  }
  return low > 0 && cost - model->blocks[low - 1].cost_before <= model->blocks[low].cost_before - cost ? low - 1 : low;
}

/* The first block of another tensor. */
static size_t tensor_end(const nn_model *model, size_t block) {
  const nn_model_block *at = &model->blocks[block];
  const nn_param *param = model->tensors[at->tensor].param;
  const size_t rows = rows_of_block(param);
  return block + (param->dims[0] - at->first_row + rows - 1) / rows;
}

/* A part has enough blocks for so many workers, and ends where a tensor begins that has enough by itself. */
static size_t part_end(const nn_model *model, size_t size, size_t begin) {
  size_t end = begin;
  for (size_t next; end < model->block_count; end = next) {
    next = tensor_end(model, end);
    if (end - begin >= WORTH * size && next - end >= WORTH * size) break;
  }
  return end;
}

bool nn_model_block_share(const nn_model *model, size_t size, size_t id, size_t part, size_t *first, size_t *last) {
  size_t begin = 0, end = 0;
  if (size == 1) { /* nobody to share with */
    *first = 0, *last = model->block_count;
    return part == 0 && model->block_count > 0;
  }
  for (size_t found = 0; found <= part; found++) {
    begin = end;
    if (begin == model->block_count) return false;
    end = part_end(model, size, begin);
  }
  const size_t before = model->blocks[begin].cost_before, cost = model->blocks[end].cost_before - before;
  *first = id == 0 ? begin : block_behind(model, before + cost / size * id);
  *last = id + 1 == size ? end : block_behind(model, before + cost / size * (id + 1));
  return true;
}

size_t nn_model_blocks_together(const nn_model *model, size_t rows, size_t most, size_t first, size_t last) {
  if (rows <= 1) return last - 1; /* nothing to gain */
  const nn_model_block *block = &model->blocks[last - 1];
  const nn_param *param = model->tensors[block->tensor].param;
  const size_t height = rows_of_block(param);
  size_t begin = last - 1 - block->first_row / height; /* of the tensor */
  if (begin < first) begin = first;
  const size_t left = block->last_row - model->blocks[begin].first_row;
  const size_t worth = nn_gemm_block_rows(row_width(param), rows, height, left);
  if (last - begin > most) begin = last - most;
  while (last - begin > 1 && block->last_row - model->blocks[begin].first_row > worth) begin++;
  return begin;
}

size_t nn_model_blocks_floats(const nn_model *model, size_t most) {
  size_t largest = 0;
  for (size_t i = 0; i < model->tensor_count && most > 0; i++) {
    const nn_param *param = model->tensors[i].param;
    const size_t rows = rows_of_block(param) * most < param->dims[0] ? rows_of_block(param) * most : param->dims[0];
    const size_t floats = nn__grain_round(rows * row_width(param));
    if (floats > largest) largest = floats;
  }
  return largest;
}

bool nn_model_takes_pieces(const nn_model *model) {
  for (size_t i = 0; i < model->layer_count; i++)
    if (model->layers[i].layer->ops->one_piece) return false;
  return true;
}

void nn_model_gradient(const nn_model *model, const nn_workspace *workspace, const nn_pass *pass, size_t row,
                       size_t rows, size_t first, size_t last, float *out) {
  const nn_model_block *from = &model->blocks[first], *to = &model->blocks[last - 1];
  NN_ASSERT(first < last && from->tensor == to->tensor);
  const nn_model_tensor *tensor = &model->tensors[from->tensor];
  const nn_layer *layer = model->layers[tensor->layer].layer;
  const size_t floats = (to->last_row - from->first_row) * row_width(tensor->param);
  nn_pass own = *pass;
  own.rows = rows;
  own.work = nn__workspace_work(workspace, tensor->layer);
  const double start = nn__workspace_clock(workspace);
  layer->ops->gradient(layer, &own, nn__workspace_x(workspace, pass, tensor->layer) + row * nn_shape_size(&layer->in),
                       nn__workspace_dy(workspace, tensor->layer) + row * nn_shape_size(&layer->out),
                       (int)(tensor->param - layer->params), from->first_row, to->last_row, out);
  const size_t padding = to->range.last - from->range.first - floats;
  memset(out + floats, 0, padding * sizeof *out);
  nn__workspace_add_time(workspace, pass->team, 2 * model->layer_count + tensor->layer, start);
}

size_t nn_model_outer(const nn_model *model, nn_workspace *workspace, const nn_pass *pass, size_t first, size_t last,
                      nn_outer *out) {
  const nn_model_block *from = &model->blocks[first], *to = from;
  while (to + 1 < &model->blocks[last] && to[1].tensor == from->tensor) to++;
  const nn_model_tensor *tensor = &model->tensors[from->tensor];
  const nn_layer *layer = model->layers[tensor->layer].layer;
  if (layer->ops->outer == NULL) return first;
  layer->ops->outer(layer, nn__workspace_x(workspace, pass, tensor->layer), nn__workspace_dy(workspace, tensor->layer),
                    (int)(tensor->param - layer->params), from->first_row, to->last_row, out);
  const bool first_whole = tensor->param == layer->params && out->rows == tensor->param->dims[0];
  if (tensor->layer == 0 && layer->ops->product_first && first_whole) nn__workspace_begin_next(workspace, out);
  return (size_t)(to + 1 - model->blocks);
}

float nn_model_magnitude(const nn_model *model, const nn_workspace *workspace, const nn_pass *pass, float input) {
  float largest = isfinite(input) ? input : 0;
  for (size_t i = model->first_trained; i < model->layer_count; i++) {
    const nn_layer *layer = model->layers[i].layer;
    if (layer->ops->magnitude == NULL) continue;
    nn_pass own = *pass;
    own.work = nn__workspace_work(workspace, i);
    const float here =
        layer->ops->magnitude(layer, &own, i == 0 && isfinite(input) ? NULL : nn__workspace_x(workspace, pass, i),
                              nn__workspace_dy(workspace, i));
    if (!(here <= largest)) largest = here; /* NaN, too */
  }
  return largest;
}

size_t nn_model_widest(const nn_model *model) {
  size_t widest = 1;
  for (size_t i = 0; i < model->layer_count; i++) {
    const size_t width = nn_shape_size(&model->layers[i].layer->in);
    if (width > widest) widest = width;
  }
  return widest;
}
