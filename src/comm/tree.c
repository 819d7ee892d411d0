/* The fixed tree: one order of additions, whatever the number of ranks.
 *
 * Each rank adds up the largest subtrees that lie inside its range as their leaves come in, on a stack of
 * gradient-sized slots. Across ranks, every rank receives its slice of all subtrees (all-to-all), adds it in tree
 * order, and the slices are gathered: each float crosses the network about as often as in a ring allreduce where
 * every rank has one subtree. */
#include "comm_internal.h"

#include <string.h>

enum {
  CHUNK = 1 << 24,   /* floats exchanged at once: bounds the receive buffer to this much for each subtree of a rank */
  SUBTREES_MAX = 64, /* of one rank: at most two for each level of a tree over 2^31 leaves */
  LINE = NN_ALIGNMENT / (int)sizeof(float)
};

void nn_tree_range(int virtual_ranks, int size, int rank, int *first, int *count) {
  const int64_t v = virtual_ranks;
  *first = (int)(v * rank / size);
  *count = (int)(v * (rank + 1) / size) - *first;
}

int nn__tree_cut(int low, int high) {
  int power = 1;
  while (2 * power < high - low) power *= 2;
  return low + power;
}

/* The largest nodes below [low, high) that lie inside [first, last), in order; returns how many there are now. */
static int subtrees_inside(int low, int high, int first, int last, int found, int lows[], int highs[]) {
  if (high <= first || last <= low) return found;
  if (first <= low && high <= last) {
    lows[found] = low;
    highs[found] = high;
    return found + 1;
  }
  const int middle = nn__tree_cut(low, high);
  found = subtrees_inside(low, middle, first, last, found, lows, highs);
  return subtrees_inside(middle, high, first, last, found, lows, highs);
}

/* How many nodes over more than one leaf, that begin at `first` or later, end with leaf v. */
static int nodes_ending_at(int virtual_ranks, int first, int v) {
  int low = 0, high = virtual_ranks, nodes = 0;
  while (high - low > 1) {
    if (high == v + 1 && low >= first) nodes++;
    const int middle = nn__tree_cut(low, high);
    if (v < middle)
      high = middle;
    else
      low = middle;
  }
  return nodes;
}

/* Slots that the stack of a rank needs; fills slot_of and merges if they are not NULL. */
static int plan_stack(int virtual_ranks, int first, int leaves, int *slot_of, int *merges) {
  int top = 0, most = 1;
  for (int i = 0; i < leaves; i++) {
    const int due = nodes_ending_at(virtual_ranks, first, first + i);
    if (slot_of != NULL) slot_of[i] = top;
    if (merges != NULL) merges[i] = due;
    if (top + 1 > most) most = top + 1;
    top += 1 - due;
  }
  return most;
}

size_t nn_tree_stack(int virtual_ranks) {
  return (size_t)plan_stack(virtual_ranks, 0, virtual_ranks, NULL, NULL);
}

static size_t round_up(size_t count) {
  return (count + LINE - 1) / LINE * LINE;
}

/* Floats of one rank's slice of a chunk. */
static size_t slice_size(size_t chunk, int size) {
  return round_up((chunk + (size_t)size - 1) / (size_t)size);
}

static int count_subtrees(int virtual_ranks, int size) {
  int lows[SUBTREES_MAX], highs[SUBTREES_MAX], total = 0;
  for (int rank = 0; rank < size; rank++) {
    int first = 0, leaves = 0;
    nn_tree_range(virtual_ranks, size, rank, &first, &leaves);
    total += subtrees_inside(0, virtual_ranks, first, first + leaves, 0, lows, highs);
  }
  return total;
}

static size_t received_floats(int virtual_ranks, int size, size_t count) {
  if (size == 1) return 0;
  return (size_t)count_subtrees(virtual_ranks, size) * slice_size(count < CHUNK ? count : CHUNK, size);
}

size_t nn_tree_bytes(int virtual_ranks, int size, int rank, size_t count) {
  int first = 0, leaves = 0;
  nn_tree_range(virtual_ranks, size, rank, &first, &leaves);
  const size_t slots = (size_t)plan_stack(virtual_ranks, first, leaves, NULL, NULL);
  return sizeof(float) * (slots * round_up(count) + received_floats(virtual_ranks, size, count));
}

static nn_status plan(nn_tree *tree, int size) {
  void *memory = NULL;
  const size_t leaves = (size_t)tree->leaves, total = (size_t)count_subtrees(tree->virtual_ranks, size);
  NN_TRY(nn_alloc(2 * leaves + 2 * total + 6 * (size_t)size, sizeof(int), "the tree's plan", &memory));
  tree->slot_of = memory;
  tree->merges = tree->slot_of + leaves;
  tree->low = tree->merges + leaves;
  tree->high = tree->low + total;
  tree->subtrees = tree->high + total;
  tree->integers = tree->subtrees + size;
  tree->slot_count = plan_stack(tree->virtual_ranks, tree->first, tree->leaves, tree->slot_of, tree->merges);
  for (int rank = 0; rank < size; rank++) {
    int first = 0, count = 0;
    nn_tree_range(tree->virtual_ranks, size, rank, &first, &count);
    const int before = tree->subtree_total;
    tree->subtree_total = subtrees_inside(0, tree->virtual_ranks, first, first + count, before, tree->low, tree->high);
    tree->subtrees[rank] = tree->subtree_total - before;
  }
  return NN_OK;
}

static nn_status allocate(nn_tree *tree, int size) {
  void *memory = NULL;
  NN_TRY(nn_alloc((size_t)tree->slot_count * tree->stride, sizeof(float), "the gradient arenas", &memory));
  tree->slots = memory;
  if (tree->plain) return NN_OK;
  NN_TRY(nn_alloc(received_floats(tree->virtual_ranks, size, tree->count), sizeof(float), "the reduction", &memory));
  tree->received = memory;
  return NN_OK;
}

nn_status nn_tree_create(nn_comm *comm, int virtual_ranks, nn_tree_way way, size_t count, nn_tree **out) {
  void *memory = NULL;
  const int size = nn_comm_size(comm);
  NN_ASSERT(virtual_ranks >= size);
  nn_status status = nn_alloc(1, sizeof(nn_tree), "the tree", &memory);
  nn_tree *tree = memory;
  if (status == NN_OK) {
    tree->comm = comm;
    tree->virtual_ranks = virtual_ranks;
    /* two ranks with a subtree each: a + b = b + a, whoever computes it */
    tree->plain = way == NN_TREE_PLAIN || (size == 2 && count_subtrees(virtual_ranks, size) == 2);
    tree->count = count;
    tree->stride = round_up(count);
    nn_tree_range(virtual_ranks, size, nn_comm_rank(comm), &tree->first, &tree->leaves);
    status = plan(tree, size);
  }
  status = nn_comm_agree(comm, status);
  if (status == NN_OK && way == NN_TREE_AUTO) status = nn__tree_choose(tree);
  if (status == NN_OK) status = tree->shared ? nn__tree_share(tree) : nn_comm_agree(comm, allocate(tree, size));
  if (status != NN_OK)
    nn_tree_destroy(&tree);
  else
    *out = tree;
  return status;
}

void nn_tree_destroy(nn_tree **tree) {
  if (*tree == NULL) return;
  nn_free((*tree)->slot_of);
  if (!(*tree)->shared) nn_free((*tree)->slots);
  if ((*tree)->window != NULL) nn_window_destroy(&(*tree)->window);
  nn_free((*tree)->subtree_at);
  nn_free((*tree)->received);
  nn_free(*tree);
  *tree = NULL;
}

float *nn_tree_slot(const nn_tree *tree, int place) {
  NN_ASSERT(place >= 0 && place < tree->slot_count);
  return tree->slots + (size_t)place * tree->stride;
}

int nn_tree_slots(const nn_tree *tree) {
  return tree->slot_count;
}

int nn_tree_place(const nn_tree *tree, int v, int *due) {
  const int leaf = v - tree->first;
  NN_ASSERT(leaf >= 0 && leaf < tree->leaves);
  *due = tree->merges[leaf];
  return tree->slot_of[leaf];
}

static void add(size_t count, const float *restrict x, float *restrict y) {
  for (size_t i = 0; i < count; i++) y[i] += x[i];
}

/* The sum over node [low, high) of this rank's slices, `count` floats every `stride`; it ends in the slice of the
 * node's first subtree. `*next` walks through the subtrees in order. */
static float *sum_node(const nn_tree *tree, size_t count, size_t stride, int low, int high, int *next) {
  if (tree->low[*next] == low && tree->high[*next] == high) return tree->received + (size_t)(*next)++ * stride;
  const int middle = nn__tree_cut(low, high);
  float *left = sum_node(tree, count, stride, low, middle, next);
  const float *right = sum_node(tree, count, stride, middle, high, next);
  add(count, right, left);
  return left;
}

/* Floats [at, at + chunk) of all subtrees → their sum, at the same place of slot 0. */
static nn_status sum_chunk(nn_tree *tree, size_t at, size_t chunk) {
  const int size = tree->comm->size, rank = tree->comm->rank;
  const size_t stride = slice_size(chunk, size);
  int *slice_counts = tree->integers, *slice_at = slice_counts + size, *give = slice_at + size, *take = give + size,
      *take_at = take + size;
  int rounds = 0;
  for (int r = 0; r < size; r++) {
    const size_t begin = (size_t)r * stride < chunk ? (size_t)r * stride : chunk;
    slice_at[r] = (int)begin;
    slice_counts[r] = (int)(chunk - begin < stride ? chunk - begin : stride);
    if (tree->subtrees[r] > rounds) rounds = tree->subtrees[r];
  }
  const int mine = slice_counts[rank];
  for (int round = 0; round < rounds; round++) {
    int before = 0;
    for (int r = 0; r < size; r++) {
      give[r] = round < tree->subtrees[rank] ? slice_counts[r] : 0;
      take[r] = round < tree->subtrees[r] ? mine : 0;
      take_at[r] = take[r] > 0 ? (int)((size_t)(before + round) * stride) : 0;
      before += tree->subtrees[r];
    }
    const float *from = nn_tree_slot(tree, round < tree->subtrees[rank] ? round : 0) + at;
    NN_MPI(MPI_Alltoallv(from, give, slice_at, MPI_FLOAT, tree->received, take, take_at, MPI_FLOAT, tree->comm->world),
           "exchanging gradients");
  }
  int next = 0;
  const float *sum = sum_node(tree, (size_t)mine, stride, 0, tree->virtual_ranks, &next);
  NN_MPI(MPI_Allgatherv(sum, mine, MPI_FLOAT, nn_tree_slot(tree, 0) + at, slice_counts, slice_at, MPI_FLOAT,
                        tree->comm->world),
         "gathering gradients");
  return NN_OK;
}

nn_status nn_tree_sum(nn_tree *tree, float **sum) {
  *sum = nn_tree_slot(tree, 0);
  if (nn__alone(tree->comm)) return NN_OK;
  if (tree->plain) {
    const int mine = tree->subtrees[tree->comm->rank];
    for (int i = 1; i < mine; i++) add(tree->count, nn_tree_slot(tree, i), *sum);
    return nn_comm_sum_float(tree->comm, *sum, tree->count);
  }
  for (size_t at = 0; at < tree->count; at += CHUNK)
    NN_TRY(sum_chunk(tree, at, tree->count - at < CHUNK ? tree->count - at : CHUNK));
  return NN_OK;
}
