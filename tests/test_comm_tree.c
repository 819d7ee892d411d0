/* comm.tree: the sum of V gradients is the same for any number of ranks. Run at 1 … 5 ranks. */
#include "mpi_test.h"

#include <math.h>

/* The definition, written down a second time: the sum over [low, high) in one place. */
static float reference(const float *leaf, int low, int high) {
  if (high - low == 1) return leaf[low];
  int power = 1;
  while (power * 2 < high - low) power *= 2;
  return reference(leaf, low, low + power) + reference(leaf, low + power, high);
}

/* Values of very different sizes: nearly every other order of additions gives other bits. */
static float value_of(int v, size_t i) {
  return (float)(nn_random_normal(7, NN_RANDOM_WEIGHTS, (uint64_t)v, i) *
                 exp2((double)(nn_random_bits(7, NN_RANDOM_SPLIT, (uint64_t)v, i) % 12)));
}

/* Every virtual rank of this rank, with the additions that are due. */
static void fill(nn_comm *comm, nn_tree *tree, int virtual_ranks, size_t count, int step) {
  int first = 0, leaves = 0;
  nn_tree_range(virtual_ranks, nn_comm_size(comm), nn_comm_rank(comm), &first, &leaves);
  for (int v = first; v < first + leaves; v++) {
    int due = 0;
    const int place = nn_tree_place(tree, v, &due);
    assert_true(place < nn_tree_slots(tree) && due <= place);
    float *slot = nn_tree_slot(tree, place);
    for (size_t i = 0; i < count; i++) slot[i] = value_of(v + 100 * step, i);
    for (int d = 0; d < due; d++) {
      const float *from = nn_tree_slot(tree, place - d);
      float *to = nn_tree_slot(tree, place - d - 1);
      for (size_t i = 0; i < count; i++) to[i] += from[i];
    }
  }
}

static void fill_and_sum(nn_comm *comm, int virtual_ranks, size_t count, nn_tree_way way, float **sum, nn_tree **tree) {
  assert_int_equal(nn_tree_create(comm, virtual_ranks, way, count, tree), NN_OK);
  fill(comm, *tree, virtual_ranks, count, 0);
  assert_int_equal(nn_tree_sum(*tree, sum), NN_OK);
}

static void the_sum_is_the_trees_for_any_number_of_virtual_ranks(void **state) {
  nn_comm *comm = *state;
  for (int v = nn_comm_size(comm); v <= 21; v++) {
    for (size_t count = 1; count <= 150; count += 37) {
      nn_tree *tree = NULL;
      float *sum = NULL, leaf[32];
      fill_and_sum(comm, v, count, NN_TREE_MESSAGES, &sum, &tree);
      for (size_t i = 0; i < count; i++) {
        for (int j = 0; j < v; j++) leaf[j] = value_of(j, i);
        const float expected = reference(leaf, 0, v);
        assert_memory_equal(&sum[i], &expected, sizeof expected);
      }
      nn_tree_destroy(&tree);
    }
  }
}

static void the_sum_is_the_trees_in_shared_memory_too(void **state) {
  nn_comm *comm = *state;
  for (int v = nn_comm_size(comm); v <= 21; v++) {
    enum { COUNT = 150, PART = 48 };
    nn_tree *tree = NULL;
    float leaf[32], scratch[6 * PART];
    assert_true(nn_tree_stack(v) <= 6);
    assert_int_equal(nn_tree_create(comm, v, NN_TREE_AUTO, COUNT, &tree), NN_OK);
    assert_int_equal(nn_tree_shared(tree), nn_comm_size(comm) > 1 && nn_comm_node_size(comm) == nn_comm_size(comm));
    for (int step = 0; step < 3 && nn_tree_shared(tree);
         step++) { /* the last step's slots are read before they change */
      fill(comm, tree, v, COUNT, step);
      nn_tree_meet(tree);
      for (size_t first = 0; first < COUNT; first += PART) {
        const size_t count = COUNT - first < PART ? COUNT - first : PART;
        const float *sum = nn_tree_part(tree, first, count, scratch);
        for (size_t i = 0; i < count; i++) {
          for (int j = 0; j < v; j++) leaf[j] = value_of(j + 100 * step, first + i);
          const float expected = reference(leaf, 0, v);
          assert_memory_equal(&sum[i], &expected, sizeof expected);
        }
      }
      nn_tree_meet(tree);
    }
    nn_tree_destroy(&tree);
  }
}

static void the_plain_sum_is_close(void **state) {
  nn_comm *comm = *state;
  enum { V = 11, COUNT = 100 };
  nn_tree *tree = NULL;
  float *sum = NULL;
  fill_and_sum(comm, V, COUNT, NN_TREE_PLAIN, &sum, &tree);
  for (size_t i = 0; i < COUNT; i++) {
    double expected = 0, size = 0;
    for (int v = 0; v < V; v++) {
      expected += (double)value_of(v, i);
      size += fabs((double)value_of(v, i));
    }
    assert_true(fabs((double)sum[i] - expected) <= 1e-6 * size);
  }
  nn_tree_destroy(&tree);
}

static void ranges_cover_all_virtual_ranks_once(void **state) {
  (void)state;
  for (int v = 1; v <= 40; v++)
    for (int size = 1; size <= v; size++) {
      int next = 0;
      for (int rank = 0; rank < size; rank++) {
        int first = -1, count = 0;
        nn_tree_range(v, size, rank, &first, &count);
        assert_int_equal(first, next);
        assert_true(count >= 1);
        next += count;
      }
      assert_int_equal(next, v);
    }
}

/* However many leaves a rank has, its stack is as deep as a tree, not as long as its range. */
static void memory_stays_at_a_few_gradients(void **state) {
  (void)state;
  const size_t count = 16 * 1000, gradient = count * sizeof(float);
  assert_true(nn_tree_bytes(1024, 1, 0, count) <= 11 * gradient);
  assert_int_equal(nn_tree_bytes(1, 1, 0, count), gradient);
  assert_true(nn_tree_bytes(8, 8, 3, count) <= 2 * gradient + 8 * 64 * sizeof(float));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_sum_is_the_trees_for_any_number_of_virtual_ranks),
      cmocka_unit_test(the_sum_is_the_trees_in_shared_memory_too),
      cmocka_unit_test(the_plain_sum_is_close),
      cmocka_unit_test(ranges_cover_all_virtual_ranks_once),
      cmocka_unit_test(memory_stays_at_a_few_gradients),
  };
  return cmocka_run_group_tests(tests, nn_test_open_comm, nn_test_close_comm);
}
